// Two gateways before a server of npm ws, in which all clients of a path are in one room, whatever they speak and to
// whichever gateway they come: the server has one connection. A third process carries the messages between them.
// usage: gateway-rooms.js BACKEND HUB PORT PORT ADMIN ADMIN IDLE: ports
'use strict';
const fs = require('fs');
const path = require('path');
const WebSocket = require('ws');
const { start, until, gateway, same, play } = require('./gateway-lib.js');

const [backPort, hubPort, portA, portB, adminA, adminB, portHub] = process.argv.slice(2).map(Number);
const token = path.join(process.env.TMPDIR || '/tmp', 'hub-token');
fs.writeFileSync(token, '0123456789abcdef0123456789abcdef\n', { mode: 0o600 });

// The server repeats what it is told, to the room that tells it.
const back = { made: 0, heard: [], urls: [], fields: [] };
const wss = new WebSocket.Server({ port: backPort, host: '127.0.0.1' });
wss.on('connection', (ws, req) => {
  back.made++;
  back.urls.push(req.url);
  back.fields.push([req.headers['draftwire-room'], req.headers['x-forwarded-for'], req.headers.cookie].map((x) => x || null));
  ws.on('message', (data) => {
    back.heard.push(data.toString());
    ws.send('heard ' + data);
  });
});
const push = (text) => until('one connection', () => wss.clients.size === 1).then(() => { for (const ws of wss.clients) ws.send(text); });

const config = (port, admin) => ({ port, text: `
listen: [{name: main, address: "127.0.0.1:${port}"}]
admin: {address: "127.0.0.1:${admin}"}
drain: 100ms
hub: {url: "nats://127.0.0.1:${hubPort}", token_file: ${token}}
routes:
- name: news
  backends: ["ws://127.0.0.1:${backPort}/base"]
  rooms: {history: 2}
` });

// The process that carries the messages is a server of ours without clients.
async function startHub() {
  const h = start(process.env.DRAFTWIRE, ['serve', '--listen', `127.0.0.1:${portHub}`, '--hub', 'embedded', '--hub-listen', `127.0.0.1:${hubPort}`, '--hub-token-file', token, '--log-format', 'json']);
  await until('the hub is there', () => h.err.includes('the hub is there'));
  return h;
}

// listener is a client of npm ws that only listens.
function listener(port, version) {
  const l = { heard: [] };
  l.ws = new WebSocket(`ws://127.0.0.1:${port}/tea?id=${Math.random()}`, { protocolVersion: version, headers: { Cookie: 'id=7' } });
  l.ws.on('message', (data) => l.heard.push(data.toString()));
  l.closed = new Promise((resolve) => l.ws.on('close', (code) => resolve(code)));
  l.ws.on('error', () => {});
  return new Promise((resolve) => l.ws.on('open', () => resolve(l)));
}

// tablet says items with Perl's Protocol::WebSocket, which speaks hixie-76, and returns what it hears for each.
async function tablet(port, items) {
  const p = start('perl', [path.join(__dirname, 'gateway-mirror.pl'), `ws://127.0.0.1:${port}/tea`, 'hixie-76', 'iPad', ...items]);
  const status = await p.ended;
  if (status !== 0) throw new Error(p.err);
  return p.out.trim().split('\n');
}

async function rooms(admin) {
  const p = start(process.env.DRAFTWIRE, ['status', '--json', '--admin', `http://127.0.0.1:${admin}`]);
  await p.ended;
  return JSON.parse(p.out).routes[0].rooms;
}
const members = (admin, n) => until(`${n} members`, async () => (await rooms(admin)).members === n);

let hub, a, b, atA = [], atB = [];
const hear = (list, text) => until(`all hear ${text}`, () => list.every((l) => l.heard.includes(text)), 40000);

play([
  ['start', async () => {
    hub = await startHub();
    a = await gateway('rooms-a', config(portA, adminA));
    b = await gateway('rooms-b', config(portB, adminB));
  }],
  ['one connection', async () => {
    for (const version of [8, 13, 13]) atA.push(await listener(portA, version));
    await members(adminA, 3);
    await until('the connection', () => back.made === 1);
    for (const version of [8, 13, 13]) atB.push(await listener(portB, version));
    await members(adminB, 3);
    await push('one');
    await hear([...atA, ...atB], 'one');
    same('connections', 1, back.made);
    same('request', ['/base/tea', 'news', null, null], [back.urls[0], ...back.fields[0]]);
  }],
  ['hixie-76', async () => {
    for (const [i, port] of [portA, portB].entries()) {
      same('tablet', ['one'], (await tablet(port, ['green'])).slice(0, 1)); // of the history
      await hear([...atA, ...atB], 'heard green');
      await until('it has left', async () => (await rooms([adminA, adminB][i])).members === 3);
    }
    same('heard', ['green', 'green'], back.heard);
    for (const l of [...atA, ...atB]) same('in order, once each', ['one', 'heard green', 'heard green'], l.heard);
    same('connections', 1, back.made);
  }],
  ['the leader dies', async () => {
    same('leaders', [1, 0], [(await rooms(adminA)).upstreams, (await rooms(adminB)).upstreams]);
    a.child.kill('SIGKILL');
    await until('the other one takes over', () => back.made === 2 && wss.clients.size === 1, 40000);
    await push('two');
    await hear(atB, 'two');
  }],
  ['the hub is interrupted', async () => {
    hub.child.kill('SIGKILL');
    await until('a line in the log', () => b.lines().some((l) => l.event === 'hub' && l.level === 'warning'));
    await members(adminB, 3);
    hub = await startHub();
    await until('a line in the log', () => b.lines().some((l) => l.msg === 'the hub is back'));
    let n = 0; // what the server says until a gateway leads the room is nobody's
    await until('they hear again', async () => {
      for (const ws of wss.clients) ws.send(`three ${n++}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
      return atB.every((l) => l.heard.some((x) => x.startsWith('three')));
    }, 60000);
    same('one connection', 1, wss.clients.size);
  }],
  ['end', async () => {
    const p = start(process.env.DRAFTWIRE, ['drain', '--admin', `http://127.0.0.1:${adminB}`]);
    await p.ended;
    same('exit status', 0, await b.ended);
    same('closed with', [1001, 1001, 1001], await Promise.all(atB.map((l) => l.closed)));
    hub.child.kill('SIGTERM');
    await hub.ended;
    for (const ws of wss.clients) ws.terminate();
    wss.close();
  }],
]);
