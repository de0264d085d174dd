// For the parts of test/gateway that start and end programs themselves.
'use strict';
const { spawn, spawnSync } = require('child_process');
const fs = require('fs');
const net = require('net');
const path = require('path');

const children = new Set();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// start runs a program in the background: { child, ended, out, err }. Ended is a promise of its
// exit status, or the name of the signal.
function start(program, args, options = {}) {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
  const p = { child, out: '', err: '' };
  children.add(child);
  if (child.stdout) child.stdout.on('data', (d) => { p.out += d; });
  if (child.stderr) child.stderr.on('data', (d) => { p.err += d; });
  p.ended = new Promise((resolve) => {
    child.on('error', (e) => { p.err += e.message; resolve(-1); });
    child.on('close', (code, signal) => { children.delete(child); resolve(signal || code); });
  });
  return p;
}

function endAll() {
  for (const child of children) child.kill('SIGKILL');
}
process.on('exit', endAll);
process.on('SIGTERM', () => process.exit(1));

// until waits for what f gives, and says what was wanted where it does not come.
async function until(what, f, ms = 20000) {
  for (const end = Date.now() + ms; ;) {
    const got = await f();
    if (got) return got;
    if (Date.now() > end) throw new Error(`${what}: not in ${ms / 1000} s`);
    await sleep(20);
  }
}

function listens(port) {
  return new Promise((resolve) => {
    const s = net.connect(port, '127.0.0.1', () => { s.destroy(); resolve(true); });
    s.on('error', () => resolve(false));
  });
}

// draftwire runs a command of ours to its end: { status, out, err }.
function draftwire(...args) {
  const r = spawnSync(process.env.DRAFTWIRE, args, { encoding: 'utf8', timeout: 30000 });
  return { status: r.status, out: r.stdout, err: r.stderr };
}

// gateway starts one with a configuration, in a file of its own, and waits for it.
async function gateway(name, config) {
  const file = path.join(process.env.TMPDIR || '/tmp', name + '.yaml');
  fs.writeFileSync(file, config.text);
  const g = start(process.env.DRAFTWIRE, ['gateway', '--config', file, '--log-format', 'json']);
  g.file = file;
  g.lines = () => g.err.split('\n').slice(0, -1).map((l) => JSON.parse(l));
  await until(`${name} listens`, () => {
    if (g.child.exitCode !== null) throw new Error(`${name} ended: ${g.err.slice(-500)}`);
    return listens(config.port);
  });
  return g;
}

function same(what, want, got) {
  want = JSON.stringify(want);
  got = JSON.stringify(got);
  if (want !== got) throw new Error(`${what}: want ${want}, got ${got}`);
}

// play runs cases one after the other: [name, function] each; what one throws fails it.
async function play(cases) {
  console.log(`1..${cases.length}`);
  for (const [name, run] of cases) {
    try {
      await run();
      console.log(`ok ${name}`);
    } catch (e) {
      console.log(`not ok ${name} # ${e.message.replace(/\s+/g, ' ').slice(0, 600)}`);
    }
  }
  process.exit(0);
}

module.exports = { start, until, sleep, listens, draftwire, gateway, same, play };
