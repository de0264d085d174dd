// An old and a new server of npm ws behind a gateway: what the new one says to each kind of device is
// compared with what the old one says, and the devices notice nothing of it.
// usage: gateway-mirror.js OLD NEW PORT ADMIN: ports
'use strict';
const path = require('path');
const WebSocket = require('ws');
const { start, until, gateway, same, play } = require('./gateway-lib.js');

const [oldPort, newPort, port, admin] = process.argv.slice(2).map(Number);
const at = ['--admin', `http://127.0.0.1:${admin}`];
const url = `ws://127.0.0.1:${port}/prices`;
const ipad = 'Mozilla/5.0 (iPad; CPU OS 5_1_1 like Mac OS X) Safari';

// server answers each message with a price. The new one writes it as a text for iPads, as its author did
// not know that one of them adds it up.
function server(at, isNew) {
  const s = { heard: [], closes: [], seen: [] };
  s.wss = new WebSocket.Server({ port: at, host: '127.0.0.1' });
  s.wss.on('connection', (ws, req) => {
    s.seen.push([req.url, req.headers.cookie, req.headers['draftwire-mirror']]);
    ws.on('message', (data) => {
      s.heard.push(data.toString());
      let price = data.toString().length;
      if (isNew && req.headers['user-agent'] === ipad && price === 5) price = String(price);
      ws.send(JSON.stringify({ item: data.toString(), price, at: Math.random() }));
    });
    ws.on('close', (code) => s.closes.push(code));
  });
  s.end = () => new Promise((resolve) => {
    for (const ws of s.wss.clients) ws.terminate();
    s.wss.close(resolve);
  });
  return s;
}

// television asks for prices with npm ws, and closes with 4000.
function television(version, items) {
  const ws = new WebSocket(url, { protocolVersion: version, headers: { 'User-Agent': 'Mozilla/5.0 HbbTV/1.1.1 (;LG;)', Cookie: 'id=7' } });
  const answers = [];
  return new Promise((resolve, reject) => {
    ws.on('error', reject);
    ws.on('open', () => ws.send(items[0]));
    ws.on('message', (data) => {
      answers.push(JSON.parse(data).price);
      if (answers.length < items.length) ws.send(items[answers.length]);
      else ws.close(4000, 'enough');
    });
    ws.on('close', () => resolve(answers));
  });
}

// tablet asks with Perl's Protocol::WebSocket, which speaks hixie-76.
async function tablet(items) {
  const p = start('perl', [path.join(__dirname, 'gateway-mirror.pl'), url, 'hixie-76', ipad, ...items]);
  const status = await p.ended;
  if (status !== 0) throw new Error(p.err);
  return p.out.trim().split('\n').map((line) => JSON.parse(line).price);
}

// draftwire runs a command of ours while the servers here go on, and returns what it prints.
async function draftwire(...args) {
  const p = start(process.env.DRAFTWIRE, [...args, ...at]);
  await p.ended;
  return p.out;
}

const mirror = async () => JSON.parse(await draftwire('status', '--json')).routes[0].mirror;

const items = ['tea', 'bread', 'coffee'];
let g, old = server(oldPort, false), new_ = server(newPort, true);

play([
  ['start', async () => {
    g = await gateway('mirror', { port, text: `
listen: [{name: main, address: "127.0.0.1:${port}"}]
admin: {address: "127.0.0.1:${admin}"}
routes:
- name: prices
  backends: ["ws://127.0.0.1:${oldPort}"]
  mirror: {to: "ws://127.0.0.1:${newPort}", name: new backend, ignore: [/at], wait: 1s, payload: true}
` });
  }],
  ['devices', async () => {
    for (const version of [8, 13]) same(`npm ws, version ${version}`, [3, 5, 6], await television(version, items));
    same('tablet', [3, 5, 6], await tablet(items));
  }],
  ['same messages', async () => {
    await until('all are compared', async () => (await mirror()).connections === 0);
    same('messages', [...old.heard].sort(), [...new_.heard].sort());
    same('closes', [...old.closes].sort(), [...new_.closes].sort());
    same('request', [['/prices', 'id=7', null], ['/prices', 'id=7', '1']], [old.seen[0], new_.seen[0]].map((x) => x.map((y) => y || null)));
  }],
  ['status', async () => {
    const m = await mirror();
    same('counts', { opened: 3, equal: 8, differed: 1 }, m.counts);
    same('kinds', ['HbbTV/1.1', 'iOS 5.1'], m.kinds.map((k) => k.kind));
    const d = m.kinds[1].differences[0];
    same('difference', ['different', 2, '/price', 'hixie-76'], [d.verdict, d.number, d.where, d.version]);
    if (!/"price":5,/.test(d.backend) || !/"price":"5",/.test(d.mirror)) throw new Error(JSON.stringify(d));
  }],
  ['report', async () => {
    const report = await until('the report', async () => { const x = await draftwire('report'); return /On the mirror new backend/.test(x) && x; });
    for (const line of ['  HbbTV/1.1: 100 % equal (6 of 6 answers, 2 devices)', '  iOS 5.1: 66.66 % equal (2 of 3 answers, 1 device); 1 different']) {
      if (!report.includes(line + '\n')) throw new Error(`no ${line} in ${report}`);
    }
    if (process.env.SHOW) console.error(await draftwire('status') + report);
  }],
  ['without the new one', async () => {
    await new_.end();
    for (let i = 0; i < 3; i++) same('television', [3, 5, 6], await television(13, items));
    const lines = () => g.lines().filter((l) => l.event === 'mirror');
    await until('a line in the log', () => lines().length > 0);
    same('lines', ['warning'], lines().map((l) => l.level));
    new_ = server(newPort, false);
    await until('it is mirrored again', async () => {
      same('television', [3, 5, 6], await television(13, items));
      return (await mirror()).up;
    });
    same('lines', ['warning', 'info'], (await until('a second line', () => lines().length > 1 && lines())).map((l) => l.level));
  }],
  ['end', async () => {
    await draftwire('drain');
    same('exit status', 0, await g.ended);
    await Promise.all([old.end(), new_.end()]);
  }],
]);
