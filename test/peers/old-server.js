// Echo server on old npm packages. usage: old-server.js PORT PACKAGE
//   ws03                   ws 0.3.9: hybi-08, rfc6455
//   ws04                   ws 0.4.32: hixie-76, hybi-08, rfc6455
//   websocket.io           websocket.io 0.2.1: hixie-75, hixie-76, hybi-08, rfc6455
//   faye01, faye04         faye-websocket 0.1.2 and 0.4.4: hixie-75, hixie-76, hybi-07, hybi-08, rfc6455
//   node-websocket-server  node-websocket-server 1.1.4: hixie-75, hixie-76
// They are of Node 0.4 to 0.10. What Node has changed since then is put back below.
'use strict';
process.noDeprecation = true; // they use new Buffer()
const crypto = require('crypto');
const http = require('http');
const Module = require('module');
const path = require('path');
const [port, which] = process.argv.slice(2);

process.EventEmitter = require('events');

// Strings were Latin-1 to a hash before Node 6.
const { createHash } = crypto;
crypto.createHash = (name) => {
  const hash = createHash(name), update = hash.update;
  hash.update = (data, encoding) => update.call(hash, data, encoding || 'latin1');
  return hash;
};

// ws 0.3 has two modules in C++ that no Node since 0.6 takes. ws 0.4 has the same in JavaScript.
const resolve = Module._resolveFilename;
Module._resolveFilename = function (name, ...more) {
  const native = /build\/default\/(bufferutil|validation)$/.exec(name);
  if (!native) return resolve.call(this, name, ...more);
  return path.join(path.dirname(require.resolve('ws04')), 'lib', { bufferutil: 'BufferUtil', validation: 'Validation' }[native[1]] + '.fallback.js');
};

// A connection that breaks is not the end of the server, though some of them leave its error
// to nobody.
process.on('uncaughtException', (e) => console.error(e.message));

const listening = () => console.log('listening');

// serve does what a request asks for: an echo, or a close.
function serve(url, echo, close) {
  const u = new URL(url, 'http://local/');
  if (u.pathname === '/close') close(+u.searchParams.get('code'), u.searchParams.get('reason'));
  else echo();
}

// upgrades starts an HTTP server that gives its upgrades to f.
function upgrades(f) {
  const server = http.createServer((request, response) => response.end());
  server.on('upgrade', (request, socket, head) => {
    delete socket.setEncoding; // Node's own throws for a socket of HTTP
    f(request, socket, head);
  });
  server.listen(+port, '127.0.0.1', listening);
}

function ws() {
  const { Server } = require(which);
  const server = new Server({ host: '127.0.0.1', port: +port });
  server.on('listening', listening);
  server.on('connection', (c) => {
    c.on('error', () => {});
    serve(c.upgradeReq.url, () => c.on('message', (data, flags) => c.send(data, { binary: !!flags.binary })), (code, reason) => c.close(code, reason));
  });
}

function faye() {
  const WebSocket = require(path.join(__dirname, 'node_modules', which, 'lib/faye/websocket')); // 0.1 names no main file
  upgrades((request, socket, head) => {
    const c = new WebSocket(request, socket, head);
    serve(request.url, () => { c.onmessage = (e) => c.send(e.data); }, (code, reason) => c.close(code, reason));
  });
}

const servers = {
  ws03: ws,
  ws04: ws,
  faye01: faye,
  faye04: faye,
  'websocket.io'() {
    const { Server } = require('websocket.io');
    const server = new Server();
    upgrades((request, socket, head) => server.handleUpgrade(request, socket, head));
    server.on('connection', (c) => serve(c.req.url, () => c.on('message', (data) => c.send(data)), () => c.close()));
  },
  'node-websocket-server'() {
    const server = require('node-websocket-server').createServer();
    server.on('connection', (c) => serve(c._req.url, () => c.on('message', (data) => c.send(data)), () => c.close()));
    server.on('listening', listening);
    server.listen(+port, '127.0.0.1');
  },
};
servers[which]();
