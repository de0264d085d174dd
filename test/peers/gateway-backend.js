// A backend on npm ws 8, for test/gateway: echoes, and writes down what it saw.
// usage: gateway-backend.js PORT FILE
// FILE gets a line of JSON for each connection, at its end. Paths, behind a first part that
// names the client: /echo; /close?code=C&reason=R closes; /drop ends TCP; /binary sends a
// binary message. GET /page is a page, with a cookie, for browsers to be on.
'use strict';
const http = require('http');
const fs = require('fs');
const { createHash } = require('crypto');
const { WebSocketServer } = require('ws');

const [port, file] = process.argv.slice(2);
const out = fs.openSync(file, 'a');
const bytes = Buffer.from(Array.from({ length: 125 }, (_, i) => (i * 7) & 255));

const server = http.createServer((request, response) => {
  response.setHeader('Set-Cookie', 'device=kitchen');
  response.setHeader('Content-Type', 'text/html');
  response.end('<!doctype html><title>page</title>');
});
const sockets = new WebSocketServer({ server, handleProtocols: (offered) => (offered.has('chat') ? 'chat' : false) });
sockets.on('connection', (ws, req) => {
  const [, client, what] = new URL(req.url, 'http://local/').pathname.split('/');
  const query = new URL(req.url, 'http://local/').searchParams;
  const seen = { client, case: query.get('case') || what + (query.get('code') || ''), headers: req.headers, protocol: ws.protocol, messages: [] };
  ws.on('error', () => {});
  ws.on('message', (data, binary) => {
    seen.messages.push({ text: !binary, size: data.length, sha1: createHash('sha1').update(data).digest('hex') });
    ws.send(data, { binary });
  });
  ws.on('close', (code, reason) => {
    fs.writeSync(out, JSON.stringify({ ...seen, code, reason: reason.toString() }) + '\n');
  });
  if (what === 'close') ws.close(+query.get('code'), query.get('reason'));
  if (what === 'drop') ws.terminate();
  if (what === 'binary') ws.send(bytes);
});
server.listen(+port, '127.0.0.1');
