// npm ws 8: usage ws.js URL VERSION [DEFLATE [OPTIONS]]
//        or ws.js URL VERSION gateway[=POLICY]: see cases.js
// DEFLATE: PATH=PATTERN, a path that compresses and what its answer has to match.
// OPTIONS: of ws' perMessageDeflate, as JSON.
'use strict';
const WebSocket = require('ws');
const peer = require('./cases.js');
const { Cases } = peer;

const [url, version, deflate, options = '{}'] = process.argv.slice(2);
const protocolVersion = { 'hybi-08': 8, 'rfc6455': 13 }[version];
peer.canBreak = true;
const base = url.replace(/\/+$/, '');

// ws' property `extensions` has no parameters: the field itself goes to `answer`.
function open(path, protocol) {
  const ws = new WebSocket(base + path, protocol ? [].concat(protocol) : [], {
    protocolVersion,
    perMessageDeflate: { threshold: 0, ...JSON.parse(options) },
    rejectUnauthorized: false,
    origin: new URL(base).origin.replace(/^ws/, 'http'),
  });
  ws.on('upgrade', (response) => { ws.answer = response.headers['sec-websocket-extensions']; });
  return ws;
}

Cases.run(version, open, console.log, () => process.exit(0), deflate);
