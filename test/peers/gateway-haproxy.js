// Two gateways behind HAProxy, with clients that always come back: one gateway is drained, then
// it is started again while the other is killed.
// usage: gateway-haproxy.js BACKEND FRONT A B ADMIN-A ADMIN-B: ports
// The clients are gateway-load.rb, hixie-75 to rfc6455, and npm ws, each with a loopback
// address of its own. HAProxy has deploy/proxies/haproxy-tcp.cfg, with both gateways in it and
// two things more: who finds one of them refusing goes to the other at once (option redispatch),
// and faster checks. Without the first, clients wait for HAProxy's check after a drain.
'use strict';
const fs = require('fs');
const path = require('path');
const WebSocket = require('ws');
const { start, until, sleep, draftwire, gateway, same, play } = require('./gateway-lib.js');

const [backend, front, portA, portB, adminA, adminB] = process.argv.slice(2).map(Number);
const tmp = process.env.TMPDIR || '/tmp';
const CHECK = 'inter 500ms fall 2 rise 1'; // HAProxy's: a dead gateway is noticed within a second
const GONE = 4000; // ms that a client may be away: that, a retry, and a slow machine

function config(port, admin) {
  return { port, text: `
listen:
  - name: main
    address: 127.0.0.1:${port}
    proxy_protocol: {mode: require, from: [127.0.0.0/8]}
admin: {address: "127.0.0.1:${admin}"}
drain: 2s
ledger: {file: ${tmp}/ledger-${port}}
routes: [{backends: [{url: "ws://127.0.0.1:${backend}"}]}]
` };
}

async function haproxy() {
  let text = fs.readFileSync(path.join(__dirname, '../../deploy/proxies/haproxy-tcp.cfg'), 'utf8');
  const [line] = /^ *server a .*$/m.exec(text);
  const server = (name, port, admin) => line.replace('server a', `server ${name}`)
    .replace('127.0.0.1:8080', `127.0.0.1:${port}`).replace('port 9090', `port ${admin} ${CHECK}`);
  text = text.replace(line, `    option redispatch 1\n${server('a', portA, adminA)}\n${server('b', portB, adminB)}`)
    .replace('*:80', `127.0.0.1:${front}`).replace(/^.*\*:443.*$/m, '').replace('maxconn 100000', 'maxconn 1000');
  const file = path.join(tmp, 'haproxy.cfg');
  fs.writeFileSync(file, text);
  const env = { ...process.env, PATH: process.env.PATH + ':/usr/sbin' };
  return start('haproxy', ['-db', '-f', file], { env });
}

// ---- the clients, and what happens to them

const events = []; // { t, address, version, event, detail }

function ruby(from) {
  const p = start('ruby', ['gateway-load.rb', `ws://127.0.0.1:${front}`, String(from)]);
  let rest = '';
  p.child.stdout.on('data', (d) => {
    const lines = (rest + d).split('\n');
    rest = lines.pop();
    for (const line of lines) events.push(JSON.parse(line));
  });
  return p;
}

let stopped = false;
function node(address, version) {
  const say = (event, detail) => events.push({ t: Date.now(), address, version, event, detail });
  const ws = new WebSocket(`ws://127.0.0.1:${front}/load/echo`, {
    localAddress: address, protocolVersion: version === 'hybi-08' ? 8 : 13, perMessageDeflate: false, handshakeTimeout: 10000,
  });
  let opened = false, n = 0;
  const next = () => ws.readyState === WebSocket.OPEN && ws.send(`${version} ${++n}`);
  ws.on('open', () => { opened = true; say('open'); next(); });
  ws.on('message', (data) => {
    if (data.toString() !== `${version} ${n}`) say('wrong', data.toString());
    setTimeout(next, 50);
  });
  ws.on('error', (e) => { if (!opened) say('refused', e.message); });
  ws.on('close', (code) => {
    if (opened) say(code === 1006 ? 'lost' : 'farewell', code);
    if (!stopped) setTimeout(() => node(address, version), opened ? 0 : 50);
  });
}

const RUBY = ['hixie-75', 'hixie-76', 'hybi-02', 'hybi-07', 'hybi-08', 'rfc6455'];
const clients = new Map(); // address to version
for (const from of [10, 20]) RUBY.forEach((version, i) => clients.set(`127.0.0.${from + i}`, version));
const ours = [['127.0.0.30', 'hybi-08'], ['127.0.0.31', 'hybi-08'], ['127.0.0.32', 'rfc6455'], ['127.0.0.33', 'rfc6455']];
for (const [address, version] of ours) clients.set(address, version);

// connections is how many clients a gateway has; -1 where it does not answer.
function connections(admin) {
  const r = draftwire('status', '--json', '--admin', `http://127.0.0.1:${admin}`);
  try { return JSON.parse(r.out).connections; } catch (e) { return -1; }
}

// ends are what ended connections since a time, with how long the client was away then.
function ends(since) {
  return events.filter((e) => e.t >= since && e.event !== 'open' && e.event !== 'refused').map((e) => {
    const back = events.find((o) => o.t >= e.t && o.address === e.address && o.event === 'open');
    return { ...e, away: back ? back.t - e.t : Infinity };
  });
}

// back waits until all of them are there again, as they see it, and returns the ends.
async function back(since) {
  await until('all clients are back', () => ends(since).every((e) => e.away < Infinity));
  return ends(since);
}

const worst = (list) => Math.max(0, ...list.map((e) => e.away));
const text = (list) => list.map((e) => `${e.version} ${e.event} ${e.detail} ${e.away}ms`).join(', ');

let a, b, began, drained, killed, lines;

play([
  ['connected', async () => {
    [a, b] = await Promise.all([gateway('a', config(portA, adminA)), gateway('b', config(portB, adminB))]);
    const proxy = await haproxy();
    await until('both gateways are ready', () => [adminA, adminB].every((p) => draftwire('status', '--admin', `127.0.0.1:${p}`).status === 0));
    ruby(10);
    ruby(20);
    ours.forEach(([address, version]) => node(address, version));
    await until('all clients are there', () => connections(adminA) + connections(adminB) === clients.size, 30000)
      .catch((e) => { throw new Error(`${e.message}; ${connections(adminA)} + ${connections(adminB)}, ${JSON.stringify(events.slice(-3))} ${proxy.err.slice(-300)}`); });
    if (connections(adminA) === 0 || connections(adminB) === 0) throw new Error('one gateway has none');
    await sleep(500); // some messages
  }],
  ['drain', async () => {
    began = Date.now();
    a.child.kill('SIGTERM');
    same('exit status', 0, await a.ended);
    drained = Date.now();
    await until('all clients are with the other one', () => connections(adminB) === clients.size);
  }],
  ['drain-farewells', () => {
    lines = a.lines().filter((l) => l.event === 'conn.close');
    const heard = ends(began);
    same('clients', lines.map((l) => l.client_ip).sort(), heard.map((e) => e.address).sort());
    for (const e of heard) {
      const code = /^(hixie-7[56]|hybi-02)$/.test(e.version) ? null : 1001;
      if (e.event !== 'farewell' || e.detail !== code) throw new Error(`want farewell ${code}: ${text([e])}`);
    }
    same('closed by', [], lines.filter((l) => l.close_by !== 'gateway').map((l) => `${l.draft} ${l.close_by}`));
  }],
  ['drain-spread', () => {
    const times = ends(began).map((e) => e.t);
    const spread = Math.max(...times) - Math.min(...times);
    if (spread < 500) throw new Error(`${times.length} farewells in ${spread} ms of a drain of 2 s`);
  }],
  ['drain-away', async () => {
    const list = await back(began);
    if (worst(list) > GONE) throw new Error(text(list));
    console.log(`# drained: ${list.length} clients, away for at most ${worst(list)} ms, ${drained - began} ms in all`);
  }],
  ['kill', async () => {
    const again = gateway('a', config(portA, adminA));
    killed = Date.now();
    b.child.kill('SIGKILL');
    same('ended by', 'SIGKILL', await b.ended);
    a = await again;
    await until('all clients are with the first one', () => connections(adminA) === clients.size);
    await sleep(500);
  }],
  ['kill-away', async () => {
    const list = await back(killed);
    same('clients', clients.size, new Set(list.map((e) => e.address)).size);
    if (worst(list) > GONE) throw new Error(text(list));
    console.log(`# killed: ${list.length} connections, clients away for at most ${worst(list)} ms`);
  }],
  ['nothing-wrong', () => {
    const list = events.filter((e) => e.event === 'wrong' || (e.event === 'lost' && e.t < killed));
    same('events', [], list.map((e) => `${e.version} ${e.event} ${e.detail}`));
  }],
  ['addresses', async () => {
    stopped = true;
    a.child.kill('SIGTERM');
    same('exit status', 0, await a.ended);
    lines = lines.concat([...a.lines(), ...b.lines()].filter((l) => l.event === 'conn.close'));
    if (lines.length < clients.size) throw new Error(`${lines.length} lines`);
    for (const l of lines) same('client and version', [clients.get(l.client_ip), '127.0.0.1'], [l.draft, l.via]);
  }],
  ['report', () => {
    const r = draftwire('report', '--json', '--since', '1d', '--ledger', `${tmp}/ledger-${portA}`, '--ledger', `${tmp}/ledger-${portB}`);
    same('exit status', 0, r.status);
    const want = {}, got = {};
    for (const version of clients.values()) want[version] = (want[version] || 0) + 1;
    for (const v of JSON.parse(r.out).versions) if (v.clients) got[v.version] = v.clients;
    same('clients', Object.entries(want).sort(), Object.entries(got).sort());
  }],
]);
