// Our own `draftwire client` against a foreign server.
// usage: client.js URL VERSION [subprotocol] [refuses=VERSION] [deflate=ANSWER] [takeover] [tolerate=NAME] [short] [most=N]
// The first two say what that server can do besides: answer a subprotocol, refuse a version.
// short leaves out the messages that are longer than what a server reads at a time, and most is
// the longest one for a server that is slow.
// tolerate names the one fault of the server that is tolerated, and that is needed.
// With deflate our client offers compression, and that has to be answered; takeover lets the
// two keep their windows.
// The program is named by $DRAFTWIRE.
'use strict';
const { spawn } = require('child_process');
const { randomBytes } = require('crypto');
const { Cases } = require('./cases.js');

const [url, version, ...can] = process.argv.slice(2);
const refused = can.filter((c) => c.startsWith('refuses=')).map((c) => c.slice(8))[0];
const base = url.replace(/\/+$/, '');
const deflate = can.filter((c) => c.startsWith('deflate=')).map((c) => c.slice(8))[0];
const tolerate = can.filter((c) => c.startsWith('tolerate=')).map((c) => c.slice(9))[0];
const most = +can.filter((c) => c.startsWith('most=')).map((c) => c.slice(5))[0];
const takeover = can.includes('takeover');
const hixie = version.startsWith('hixie');
const codes = !hixie && !/^hybi-0[1-5]$/.test(version); // before hybi-06 a close says nothing
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
  if (connected && !new RegExp(`^connected: ${connected}(?!\\w)`, 'm').test(r.err)) throw new Error(`no "connected: ${connected}": ${about}`);
  if (closed && !closed.test(r.err)) throw new Error(`no ${closed}: ${about}`);
}

const cases = [];
const add = (name, run) => cases.push({ name, run });
const at = ['--version', version];
if (deflate) at.push('--compression', 'all');
if (takeover) at.push('--compression-takeover');
if (tolerate) {
  add('refused-by-name', async () => {
    const began = Date.now();
    const r = await draftwire('/echo', [...at, '-x', 'hello']);
    at.push('--tolerate', tolerate);
    want(r, { code: 4, out: '' });
    if (!r.err.includes(`tolerate ${tolerate} admits it`)) throw new Error(`the hint is not ${tolerate}: ${short(r.err)}`);
    if (Date.now() - began > 4000) throw new Error(`after ${Date.now() - began} ms`);
  });
  add('tolerated', async () => {
    const r = await draftwire('/echo', [...at, '-x', 'hello']);
    want(r, { out: 'hello\n', connected: version });
    if (!r.err.includes(`tolerated: ${tolerate}\n`)) throw new Error(`not told: ${short(r.err)}`);
  });
}

add('text-5', async () => want(await draftwire('/echo', [...at, '-x', 'hello']), { out: 'hello\n', connected: version }));
add('text-0', async () => want(await draftwire('/echo', [...at, '-x', '']), { out: '\n' }));
for (const n of can.includes('short') ? [126, 1000] : [126, 65536, most || 1000000]) {
  const line = '0123456789'.repeat(n / 10 + 1).slice(0, n) + '\n';
  add(`text-${n}`, async () => want(await draftwire('/echo', at, line), { out: line, connected: version }));
}
add('spaces', async () => want(await draftwire('/echo', [...at, '-x', '  a b  ']), { out: '  a b  \n' }));
add('utf8', async () => want(await draftwire('/echo', [...at, '-x', MIXED]), { out: MIXED + '\n' }));
add('utf8-long', async () => {
  const line = MIXED.repeat(can.includes('short') ? 40 : 4000) + '\n';
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
  const closed = codes ? /^closed: 1000\b/m : hixie ? /^closed:/m : /^closed: 1005\b/m;
  want(await draftwire('/echo', [...at, '-x', 'bye']), { out: 'bye\n', closed });
});
add('close-server', async () => {
  const r = await draftwire('/close?code=4001&reason=bye', at, '');
  const closed = codes ? /^closed: 4001 .*bye/m : hixie ? /^closed:/m : /^closed: 1005\b/m;
  want(r, { code: r.code, connected: version, closed });
});
if (deflate) {
  const again = (line, times) => async () => {
    const lines = (line + '\n').repeat(times);
    want(await draftwire('/echo', at, lines), { out: lines });
  };
  add('negotiated', async () => {
    const r = await draftwire('/echo', [...at, '-x', 'hello']);
    want(r, { out: 'hello\n', connected: `${version}.* deflate="${deflate}"` });
  });
  add('repeated', again('again and again: ' + MIXED, 50));
  add('repeated-0', again('', 50));
  add('repeated-65536', again('0123456789abcdef'.repeat(4096), 10));
  add('repeated-binary', async () => {
    const lines = ('0123456789abcdef'.repeat(2500) + '\n').repeat(50);
    want(await draftwire('/echo', [...at, '-b'], lines), { out: lines });
  });
  add('noise', async () => { // does not compress; between what does
    const noise = () => randomBytes(49152).toString('base64') + '\n' + 'a'.repeat(40000) + '\n';
    const lines = noise() + noise() + noise();
    want(await draftwire('/echo', at, lines), { out: lines });
  });
  add('large', async () => { // only some messages are compressed
    const args = ['--version', version, '--compression', 'large', ...(takeover ? ['--compression-takeover'] : [])];
    const lines = Array.from({ length: 50 }, (_, i) => `${i}:${'x'.repeat((i % 5) * 300)}\n`).join('');
    want(await draftwire('/echo', args, lines), { out: lines });
  });
} else {
  add('declined', async () => { // it offers compression and goes on without
    const r = await draftwire('/echo', [...at, '--compression', 'all', '-x', 'hello', '-x', 'hello']);
    want(r, { out: 'hello\nhello\n', connected: version });
    if (r.err.includes('deflate=')) throw new Error(`compression with a server that has none: ${short(r.err)}`);
  });
}
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
  const fault = async (run) => {
    try {
      await run();
    } catch (e) {
      return e.message.replace(/\s+/g, ' ');
    }
  };
  for (const { name, run } of cases) {
    // The program waits for an answer for some seconds, in which a busy machine may have done nothing else.
    const first = await fault(run);
    const second = first && (await fault(run));
    console.log(second ? `not ok ${name} # ${second}` : `ok ${name}` + (first ? ` # the second time; the first: ${first}` : ''));
  }
})();
