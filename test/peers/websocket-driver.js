// Echo server on npm websocket-driver 0.6: hixie-75, hixie-76, and 7, 8, 13 as one.
// usage: websocket-driver.js PORT
'use strict';
process.noDeprecation = true; // it uses new Buffer()
const http = require('http');
const driver = require('websocket-driver');

// Its own server() parses HTTP with an internal class of old Nodes and takes a newer Node
// down; http() gets the request from Node's server instead.
const server = http.createServer((request, response) => response.end('websocket-driver'));
server.on('upgrade', (request, socket, head) => {
  const ws = driver.http(request, { protocols: ['chat'] });
  const url = new URL(request.url, 'http://local/');
  socket.setNoDelay();
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end()); // hixie-75 has no other close
  ws.on('open', () => {
    if (url.pathname !== '/close') return;
    ws.close(url.searchParams.get('reason'), +url.searchParams.get('code'));
  });
  ws.on('message', (e) => (typeof e.data === 'string' ? ws.text(e.data) : ws.binary(e.data)));
  ws.on('close', () => socket.end());
  ws.io.on('data', (bytes) => socket.writable && socket.write(bytes));
  socket.on('data', (bytes) => ws.io.write(bytes));
  ws.start();
  ws.io.write(head);
});
server.listen(+process.argv[2], '127.0.0.1', () => console.log('listening'));
