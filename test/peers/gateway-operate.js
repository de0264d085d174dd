// A gateway as its operator sees it: status, reload, drain, SIGHUP, while npm ws is connected.
// usage: gateway-operate.js BACKEND PORT ADMIN: ports
'use strict';
const fs = require('fs');
const net = require('net');
const WebSocket = require('ws');
const { until, draftwire, gateway, same, play } = require('./gateway-lib.js');

const [backend, port, admin] = process.argv.slice(2).map(Number);
const at = ['--admin', `http://127.0.0.1:${admin}`];
const NUMBERS = { 'hybi-08': 8, 'rfc6455': 13 };

function config(versions, more = '') {
  return `
listen: [{name: main, address: "127.0.0.1:${port}", versions: "${versions}"}]
admin: {address: "127.0.0.1:${admin}"}
drain: 4s
routes: [{name: only, backends: [{url: "ws://127.0.0.1:${backend}"}]${more}}]
`;
}

function connect(version) {
  const ws = new WebSocket(`ws://127.0.0.1:${port}/operate/echo`, { protocolVersion: NUMBERS[version], perMessageDeflate: false });
  ws.closed = new Promise((resolve) => ws.on('close', (code, reason) => resolve([code, reason.toString()])));
  return new Promise((resolve, reject) => {
    ws.on('open', () => resolve(ws));
    ws.on('error', reject);
  });
}

function echo(ws, text) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no echo in 10 s')), 10000);
    ws.once('message', (data) => {
      clearTimeout(timer);
      if (data.toString() === text) resolve(); else reject(new Error(`want ${text}, got ${data}`));
    });
    ws.send(text);
  });
}

async function refused(version) {
  const text = await connect(version).then((ws) => { ws.close(); return 'taken'; }, (e) => e.message);
  same(`a client of ${version}`, 'Unexpected server response: 426', text);
}

// flashes tells whether the port answers Flash, a thing that a reload can change and that can be
// seen at once.
function flashes() {
  return new Promise((resolve) => {
    let got = '';
    const s = net.connect(port, '127.0.0.1', () => s.write('<policy-file-request/>\0'));
    s.setTimeout(5000, () => s.destroy());
    s.on('data', (d) => { got += d; });
    s.on('error', () => {});
    s.on('close', () => resolve(got.includes('cross-domain-policy')));
  });
}

let g, old, new_;
const write = (text) => fs.writeFileSync(g.file, text);
const reloads = () => g.lines().filter((l) => l.event === 'config.reload');

async function both() {
  await echo(old, 'from the old one');
  await echo(new_, 'from the new one');
}

play([
  ['status', async () => {
    same('status without a gateway', 3, draftwire('status', ...at).status);
    g = await gateway('operate', { port, text: config('all') });
    [old, new_] = await Promise.all([connect('hybi-08'), connect('rfc6455')]);
    await both();
    const r = draftwire('status', '--json', ...at);
    same('exit status', 0, r.status);
    const s = JSON.parse(r.out);
    same('connections', [2, 1, 1, 0], [s.connections, s.versions['hybi-08'], s.versions['rfc6455'], s.versions['hixie-76']]);
    same('backend', [`ws://127.0.0.1:${backend}`, true, 2], [s.routes[0].backends[0].url, s.routes[0].backends[0].up, s.routes[0].backends[0].connections]);
    const text = draftwire('status', ...at).out;
    if (!/^state +ready/m.test(text) || !/^hybi-08 +1$/m.test(text)) throw new Error(text);
  }],
  ['reload', async () => {
    write(config('all,-hybi-08'));
    const r = draftwire('reload', ...at);
    same('answer', [0, 'reloaded\n'], [r.status, r.out]);
    await refused('hybi-08');
    (await connect('rfc6455')).close();
    await both(); // the old one's version is no longer taken, but its connection stays
  }],
  ['reload-broken', async () => {
    write(config('all').replace('routes', 'rotes'));
    const r = draftwire('reload', ...at);
    same('exit status', 2, r.status);
    if (!/"rotes"; did you mean "routes"/.test(r.err)) throw new Error(`stderr: ${r.err}`);
    await refused('hybi-08'); // as before
    await both();
    same('status', 0, draftwire('status', ...at).status);
  }],
  ['sighup', async () => {
    const before = reloads().length;
    write(config('all').replace('versions', 'flash_policy: true, versions'));
    g.child.kill('SIGHUP');
    await until('a line in the log', () => reloads().length > before);
    same('level', 'info', reloads().pop().level);
    same('flash', true, await flashes());
    (await connect('hybi-08')).close();
    await both();
  }],
  ['sighup-broken', async () => {
    const before = reloads().length;
    write(config('all', ', policy: {binary: whatever}'));
    g.child.kill('SIGHUP');
    const line = await until('a line in the log', () => reloads()[before]);
    same('level', 'error', line.level);
    if (!line.error.includes('whatever')) throw new Error(line.error);
    same('flash', true, await flashes()); // as before
    (await connect('hybi-08')).close();
    await both();
  }],
  ['sighup-gone', async () => {
    const before = reloads().length;
    fs.unlinkSync(g.file);
    g.child.kill('SIGHUP');
    same('level', 'error', (await until('a line in the log', () => reloads()[before])).level);
    await both();
  }],
  ['drain', async () => {
    const more = await Promise.all(Array.from({ length: 10 }, () => connect('rfc6455')));
    const r = draftwire('drain', ...at);
    same('answer', [0, 'draining\n'], [r.status, r.out]);
    const s = draftwire('status', ...at);
    same('status while it drains', [7, true], [s.status, /draining/.test(s.out)]);
    await connect('rfc6455').then(() => { throw new Error('a new client was taken'); }, () => {});
    for (const ws of [old, new_, ...more]) same('farewell', 1001, (await ws.closed)[0]);
    same('exit status', 0, await g.ended);
    same('status without a gateway', 3, draftwire('status', ...at).status);
    const lines = g.lines().filter((l) => l.event === 'conn.close');
    same('closed by the gateway', 12, lines.filter((l) => l.close_by === 'gateway').length);
  }],
]);
