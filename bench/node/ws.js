// Echo server on npm ws.
'use strict';
const http = require('http');
const { WebSocketServer } = require('ws');
const { serve, roomPath, deflate } = require('./serve');

const server = http.createServer();
const wss = new WebSocketServer({
  server,
  maxPayload: 4 << 20,
  perMessageDeflate: deflate && {
    serverNoContextTakeover: true,
    clientNoContextTakeover: true,
    threshold: 0,
    zlibDeflateOptions: { level: 1 },
  },
});

wss.on('connection', (ws, request) => {
  ws.on('error', () => {}); // it closes
  if (request.url === roomPath) {
    ws.on('message', (data, binary) => {
      for (const other of wss.clients) other.send(data, { binary });
    });
    return;
  }
  ws.on('message', (data, binary) => ws.send(data, { binary }));
});
serve(server);
