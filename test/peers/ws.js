// npm ws 8: usage ws.js URL VERSION [DEFLATE [OPTIONS]]
// DEFLATE: PATH=PATTERN, a path that compresses and what its answer has to match.
// OPTIONS: of ws' perMessageDeflate, as JSON.
'use strict';
const WebSocket = require('ws');
const { Cases } = require('./cases.js');

const [url, version, deflate, options = '{}'] = process.argv.slice(2);
const protocolVersion = { 'hybi-08': 8, 'rfc6455': 13 }[version];
const base = url.replace(/\/+$/, '');

// ws' property `extensions` has no parameters: the field itself goes to `answer`.
function open(path, protocol) {
  const ws = new WebSocket(base + path, protocol ? [protocol] : [], {
    protocolVersion,
    perMessageDeflate: { threshold: 0, ...JSON.parse(options) },
    rejectUnauthorized: false,
    origin: base.replace(/^ws/, 'http'),
  });
  ws.on('upgrade', (response) => { ws.answer = response.headers['sec-websocket-extensions']; });
  return ws;
}

Cases.run(version, open, console.log, () => process.exit(0), deflate);
