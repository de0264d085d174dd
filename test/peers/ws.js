// npm ws 8: usage ws.js URL VERSION
'use strict';
const WebSocket = require('ws');
const { Cases } = require('./cases.js');

const [url, version] = process.argv.slice(2);
const protocolVersion = { 'hybi-08': 8, 'rfc6455': 13 }[version];
const base = url.replace(/\/+$/, '');

const open = (path, protocol) =>
  new WebSocket(base + path, protocol ? [protocol] : [], { protocolVersion, rejectUnauthorized: false, origin: base.replace(/^ws/, 'http') });

Cases.run(version, open, console.log, () => process.exit(0));
