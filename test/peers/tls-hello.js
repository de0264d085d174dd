// npm ws, with its own roots and $NODE_EXTRA_CA_CERTS: says hello and hears it.
// usage: tls-hello.js URL
'use strict';
const WebSocket = require('ws');

console.log('1..1');
const ws = new WebSocket(process.argv[2], { handshakeTimeout: 10000 });
ws.on('open', () => ws.send('hello'));
ws.on('message', (data) => {
  console.log(String(data) === 'hello' ? 'ok hello' : `not ok hello # ${data}`);
  ws.close(1000);
});
ws.on('error', (e) => console.log(`not ok hello # ${e.message}`));
