// The site of a kiosk whose page has web-socket-js: its page, web-socket-js as it lay in
// socket.io-client, and an echo on npm ws. Ruffle plays Flash Player. It has no sockets of its
// own, so a second port is its wire: what comes there in messages goes to TCP, byte for byte.
// usage: kiosk-site.js PORT WIRE GATEWAY: the wire leads to that port of the gateway
'use strict';
const express = require('express');
const fs = require('fs');
const http = require('http');
const net = require('net');
const path = require('path');
const { WebSocketServer } = require('ws');

const [port, wire, gateway] = process.argv.slice(2).map(Number);
const modules = (...names) => path.join(__dirname, 'node_modules', ...names);

const app = express();
app.get('/', (req, res) => {
  res.type('html').send(fs.readFileSync(path.join(__dirname, 'kiosk.html'), 'utf8').replace('WIRE', wire).replace('GATEWAY', gateway));
});
app.use('/web-socket-js', express.static(modules('socket.io-client09', 'lib', 'vendor', 'web-socket-js')));
// The page's WebSocket is that of web-socket-js, and Ruffle's wire needs that of the browser.
app.get('/ruffle/:file(core.*.js)', (req, res) => {
  res.type('js').send(fs.readFileSync(modules('@ruffle-rs', 'ruffle', path.basename(req.params.file)), 'utf8').replaceAll('new WebSocket(', 'new BrowserWebSocket('));
});
app.use('/ruffle', express.static(modules('@ruffle-rs', 'ruffle')));
const server = http.createServer(app);
new WebSocketServer({ server, path: '/chat' }).on('connection', (ws) => {
  ws.on('message', (data, binary) => ws.send(data, { binary }));
});
server.listen(port, '127.0.0.1');

new WebSocketServer({ host: '127.0.0.1', port: wire }).on('connection', (ws) => {
  const tcp = net.connect(gateway, '127.0.0.1');
  ws.on('message', (data) => tcp.write(data));
  ws.on('close', () => tcp.end());
  tcp.on('data', (data) => ws.send(data));
  tcp.on('close', () => ws.close());
  tcp.on('error', () => ws.close());
});
