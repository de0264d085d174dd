// Echo server on npm websocket-driver 0.6, which still speaks hixie-75 and 76.
'use strict';
process.noDeprecation = true; // it uses new Buffer()
const http = require('http');
const driver = require('websocket-driver');
const { serve } = require('./serve');

const server = http.createServer();
server.on('upgrade', (request, socket, head) => {
  const ws = driver.http(request);
  socket.setNoDelay();
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end()); // hixie-75 has no other close
  ws.on('message', (e) => (typeof e.data === 'string' ? ws.text(e.data) : ws.binary(e.data)));
  ws.on('close', () => socket.end());
  ws.io.on('data', (bytes) => socket.writable && socket.write(bytes));
  socket.on('data', (bytes) => ws.io.write(bytes));
  ws.start();
  ws.io.write(head);
});
serve(server);
