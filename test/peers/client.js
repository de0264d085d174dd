// Our own `draftwire client` against a foreign server.
// usage: client.js URL VERSION [subprotocol] [refuses=VERSION]
// The last two say what that server can do besides: answer a subprotocol, refuse a version.
// The program is named by $DRAFTWIRE.
'use strict';
const { spawn } = require('child_process');
const { Cases } = require('./cases.js');

const [url, version, ...can] = process.argv.slice(2);
const refused = can.filter((c) => c.startsWith('refuses=')).map((c) => c.slice(8))[0];
const base = url.replace(/\/+$/, '');
const hixie = version.startsWith('hixie');
const MIXED = 'aéßЖ€漢字😀𝄞';

// draftwire runs the client and gives back { code, out, err }.
function draftwire(path, args, input, server = base) {
  return new Promise((resolve) => {
    const argv = ['client', server + path, ...args];
    const p = spawn(process.env.DRAFTWIRE, argv, { stdio: [input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'] });
    const out = [], err = [];
    p.stdout.on('data', (d) => out.push(d));
    p.stderr.on('data', (d) => err.push(d));
    const timer = setTimeout(() => { err.push(Buffer.from('(killed after 15 s)')); p.kill('SIGKILL'); }, 15000);
    p.on('error', (e) => err.push(Buffer.from(e.message)));
    p.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, out: Buffer.concat(out).toString(), err: Buffer.concat(err).toString() });
    });
    if (input !== undefined) { p.stdin.on('error', () => {}); p.stdin.end(input); }
  });
}

const short = (s) => JSON.stringify(s.length > 160 ? s.slice(0, 160) + '...' : s);

function want(r, { code = 0, out, connected, closed }) {
  const about = `exit ${r.code}, stderr ${short(r.err)}`;
  if (r.code !== code) throw new Error(`want exit ${code}, got ${about}`);
  if (out !== undefined && r.out !== out) {
    throw new Error(`stdout: ${Cases.difference(out, r.out)}, got ${short(r.out)}, ${about}`);
  }
  if (connected && !new RegExp(`^connected: ${connected}\\b`, 'm').test(r.err)) throw new Error(`no "connected: ${connected}": ${about}`);
  if (closed && !closed.test(r.err)) throw new Error(`no ${closed}: ${about}`);
}

const cases = [];
const add = (name, run) => cases.push({ name, run });
const at = ['--version', version];

add('text-5', async () => want(await draftwire('/echo', [...at, '-x', 'hello']), { out: 'hello\n', connected: version }));
add('text-0', async () => want(await draftwire('/echo', [...at, '-x', '']), { out: '\n' }));
for (const n of [126, 65536, 1000000]) {
  const line = '0123456789'.repeat(n / 10 + 1).slice(0, n) + '\n';
  add(`text-${n}`, async () => want(await draftwire('/echo', at, line), { out: line, connected: version }));
}
add('spaces', async () => want(await draftwire('/echo', [...at, '-x', '  a b  ']), { out: '  a b  \n' }));
add('utf8', async () => want(await draftwire('/echo', [...at, '-x', MIXED]), { out: MIXED + '\n' }));
add('utf8-long', async () => {
  const line = MIXED.repeat(4000) + '\n';
  want(await draftwire('/echo', at, line), { out: line });
});
if (!hixie) {
  add('binary-5', async () => want(await draftwire('/echo', [...at, '-b', '-x', 'hello']), { out: 'hello\n' }));
}
add('several', async () => {
  const lines = Array.from({ length: 50 }, (_, i) => `${i}:${'x'.repeat((i % 5) * 60)}\n`).join('');
  want(await draftwire('/echo', at, lines), { out: lines });
});
add('several-x', async () => {
  want(await draftwire('/echo', [...at, '-x', 'one', '-x', 'two', '-x', 'three']), { out: 'one\ntwo\nthree\n' });
});
add('close-client', async () => {
  const closed = hixie ? /^closed:/m : /^closed: 1000\b/m;
  want(await draftwire('/echo', [...at, '-x', 'bye']), { out: 'bye\n', closed });
});
add('close-server', async () => {
  const r = await draftwire('/close?code=4001&reason=bye', at, '');
  const closed = hixie ? /^closed:/m : /^closed: 4001 .*bye/m;
  want(r, { code: r.code, connected: version, closed });
});
if (can.includes('subprotocol')) {
  add('subprotocol', async () => {
    const r = await draftwire('/echo', [...at, '--protocol', 'chat', '-x', 'hello']);
    want(r, { out: 'hello\n', connected: `${version}.*\\bchat` });
  });
}
if (refused) {
  add('refused', async () => want(await draftwire('/echo', ['--version', refused, '-x', 'hello']), { code: 4, out: '' }));
  add('fallback', async () => {
    const r = await draftwire('/echo', ['--version', refused, '--fallback', version, '-x', 'hello']);
    want(r, { out: 'hello\n', connected: version });
  });
}

(async () => {
  console.log('1..' + cases.length);
  for (const { name, run } of cases) {
    try {
      await run();
      console.log('ok ' + name);
    } catch (e) {
      console.log(`not ok ${name} # ${e.message.replace(/\s+/g, ' ')}`);
    }
  }
})();
