// npm websocket 1: usage websocket.js URL VERSION [gateway]
// Its own interface, not its W3CWebSocket: that one swallows empty messages.
'use strict';
const { client: Client } = require('websocket');
const peer = require('./cases.js');
const { Cases } = peer;

peer.canBreak = true;
const [url, version, gateway] = process.argv.slice(2);
const base = url.replace(/\/+$/, '');
const config = {
  webSocketVersion: { 'hybi-08': 8, 'rfc6455': 13 }[version],
  maxReceivedFrameSize: 1 << 24, // 1 MiB and less by default: the peer shall not be the first to give up
  maxReceivedMessageSize: 1 << 24,
};

function open(path, protocol) {
  const client = new Client(config);
  const ws = {}; // what cases.js needs of the browser's interface
  client.on('connectFailed', (e) => ws.onclose({ code: 1006, reason: e.message }));
  client.on('connect', (c) => {
    ws.protocol = c.protocol;
    ws.send = (data) => (typeof data === 'string' ? c.sendUTF(data) : c.sendBytes(Buffer.from(data)));
    ws.close = (code, reason) => c.close(code, reason);
    ws.terminate = () => setImmediate(() => c.socket.destroy());
    c.on('message', (m) => ws.onmessage({ data: m.type === 'utf8' ? m.utf8Data : m.binaryData }));
    c.on('close', (code, reason) => ws.onclose({ code, reason }));
    if (ws.onopen) ws.onopen();
  });
  client.connect(base + path, protocol ? [].concat(protocol) : [], new URL(base).origin.replace(/^ws/, 'http'));
  return ws;
}

Cases.run(version, open, console.log, () => process.exit(0), gateway);
