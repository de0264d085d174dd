// What Flash Player sends before it opens a socket, on each port in turn, and what it takes for
// an answer: a policy that lets this site in, its NUL, and the end. usage: flash-policy.js NAME=PORT...
'use strict';
const net = require('net');
const { play } = require('./gateway-lib.js');

const policy = /^<\?xml version="1\.0"\?>.*<cross-domain-policy>.*<allow-access-from domain="\*" to-ports="\*"\/>.*<\/cross-domain-policy>\0$/s;

const ask = (port, request) => new Promise((resolve, reject) => {
  const socket = net.connect(port, '127.0.0.1', () => socket.write(request));
  let got = '';
  socket.setTimeout(3000, () => socket.destroy(new Error(`no end in three seconds, only ${JSON.stringify(got)}`)));
  socket.on('data', (data) => { got += data; });
  socket.on('end', () => (policy.test(got) ? resolve() : reject(new Error(JSON.stringify(got)))));
  socket.on('error', reject);
});

const cases = [];
for (const a of process.argv.slice(2)) {
  const [name, port] = a.split('=');
  cases.push([`policy-${name}`, () => ask(+port, '<policy-file-request/>\0')]);
  cases.push([`policy-${name}-without-NUL`, () => ask(+port, '<policy-file-request/>')]);
}
play(cases);
