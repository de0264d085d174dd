// npm ws 8, which speaks RFC 6455, through a gateway to old servers, all at a time.
// usage: gateway-old.js URL ROUTE...
// A route is NAME:VERSION[+], at URL/NAME/VERSION/; + is for servers that lose long frames.
'use strict';
const WebSocket = require('ws');
const { Cases } = require('./cases.js');

const [base, ...routes] = process.argv.slice(2);
const MIXED = 'aéßЖ€漢字😀𝄞';
const text = (n) => '0123456789abcdef'.repeat(n / 16 + 1).slice(0, n);

// visit opens PATH of a route, does act with the connection, and gives how it was closed.
function visit(url, act) {
  return new Promise((resolve, reject) => {
    const ws = new WebSocket(url);
    const timer = setTimeout(() => { ws.terminate(); reject(new Error('timeout after 30 s')); }, 30000);
    const over = (f) => (x) => { clearTimeout(timer); f(x); };
    ws.on('error', over(reject));
    ws.on('close', (code, reason) => over(resolve)({ code, reason: String(reason) }));
    if (act) act(ws, over(reject));
  });
}

function echo(url, messages) {
  let got = 0;
  return visit(url, (ws, fail) => {
    ws.on('open', () => messages.forEach((m) => ws.send(m)));
    ws.on('message', (data, binary) => {
      if (got === messages.length) return; // faye-websocket 0.1 makes a message of FF 00
      const difference = Cases.difference(messages[got], binary ? data : String(data));
      if (difference) { fail(new Error(`message ${got}: ${difference}`)); ws.terminate(); }
      if (++got === messages.length) ws.close(1000);
    });
  }).then(({ code }) => {
    if (got !== messages.length) throw new Error(`closed after ${got} of ${messages.length} messages, code ${code}`);
  });
}

async function play(route) {
  const short = route.endsWith('+');
  const [name, version] = route.replace('+', '').split(':');
  const url = `${base}/${name}/${version}`;
  const hixie = version.startsWith('hixie');
  const cases = { utf8: () => echo(`${url}/echo`, [MIXED]) };
  for (const n of short ? [0, 125, 126, 1000] : [0, 125, 126, 65535, 65536, 200000]) cases[`text-${n}`] = () => echo(`${url}/echo`, [text(n)]);
  if (!short) cases['utf8-long'] = () => echo(`${url}/echo`, [MIXED.repeat(4000)]);
  cases.several = () => echo(`${url}/echo`, Array.from({ length: 50 }, (_, i) => `${i}:${text((i % 5) * 60)}`));
  cases['close-client'] = async () => {
    const { code } = await visit(`${url}/echo`, (ws) => ws.on('open', () => ws.close(1000, 'done')));
    if (code !== 1000 && !(hixie && code === 1005)) throw new Error(`code ${code}`);
  };
  cases['close-server'] = async () => {
    const { code, reason } = await visit(`${url}/close?code=4001&reason=bye`);
    if (hixie ? code !== 1000 : code !== 4001 || reason !== 'bye') throw new Error(`closed with ${code} ${reason}`);
  };
  if (hixie) {
    cases['binary-rejected'] = async () => {
      const { code } = await visit(`${url}/echo`, (ws) => ws.on('open', () => ws.send(Buffer.from('binary'))));
      if (code !== 1003) throw new Error(`code ${code}`);
    };
  }
  for (const [what, run] of Object.entries(cases)) {
    try {
      await run();
      console.log(`ok ${name}-${version}-${what}`);
    } catch (e) {
      console.log(`not ok ${name}-${version}-${what} # ${e.message}`);
    }
  }
  return Object.keys(cases).length;
}

Promise.all(routes.map(play)).then((counts) => {
  console.log(`1..${counts.reduce((a, b) => a + b)}`);
  process.exit(0);
});
