// Echo server on npm ws 8: hybi-08 and RFC 6455. usage: ws.js HOST:PORT
'use strict';
const { WebSocketServer } = require('ws');

const [, host, port] = process.argv[2].match(/^(.*):(\d+)$/);
const server = new WebSocketServer({ host, port: +port, maxPayload: 1 << 20, perMessageDeflate: true });
server.on('connection', (ws) => {
  ws.on('error', () => {}); // Without a listener the first wrong frame would end the process.
  // A client that reads nothing does not fill the memory: the next message waits for the echo.
  ws.on('message', (data, binary) => {
    ws.pause();
    ws.send(data, { binary }, () => ws.resume());
  });
});
