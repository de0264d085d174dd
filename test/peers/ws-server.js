// Echo server on npm ws 8 (8 and 13) or, with "ws1" as second argument, on ws 1.1.5
// (8, 13 and hixie-76). usage: ws-server.js PORT [ws|ws1 [OPTIONS]]
// OPTIONS: of ws' perMessageDeflate, as JSON; without them nothing is compressed.
'use strict';
process.noDeprecation = true; // ws 1 uses new Buffer()
const [port, which = 'ws', options] = process.argv.slice(2);
const { Server } = require(which);

const perMessageDeflate = options ? { threshold: 0, ...JSON.parse(options) } : false;
const server = new Server({ host: '127.0.0.1', port: +port, perMessageDeflate });
server.on('listening', () => console.log('listening'));
server.on('connection', (ws, req = ws.upgradeReq) => {
  const url = new URL(req.url, 'http://local/');
  ws.on('error', () => {});
  if (url.pathname === '/close') {
    ws.close(+url.searchParams.get('code'), url.searchParams.get('reason'));
    return;
  }
  ws.on('message', (data, flags) => {
    const binary = typeof flags === 'boolean' ? flags : !!flags.binary;
    ws.send(data, { binary });
  });
});
