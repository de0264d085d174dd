// What a backend of test/gateway wrote down of a client, against what the client said and
// against the table of losses (draftwire's gateway/loss.go, "close" and "end").
// usage: gateway-seen.js FILE CLIENT VERSION [-CASE...] [@CODE] [FIELD=VALUE...]
// -CASE: one that the client's program does not play. @CODE: its answer to every close; most
// repeat the code. FIELD=VALUE: that header came with each.
'use strict';
const fs = require('fs');
const { createHash } = require('crypto');
const { Cases } = require('./cases.js');

const [file, client, version, ...more] = process.argv.slice(2);
const hixie = version.startsWith('hixie');
const without = more.filter((a) => a[0] === '-').map((a) => a.slice(1));
const answer = more.filter((a) => a[0] === '@').map((a) => Number(a.slice(1)))[0];
const fields = more.filter((a) => !/^[-@]/.test(a)).map((a) => [a.slice(0, a.indexOf('=')), a.slice(a.indexOf('=') + 1)]);

// How each of these ends, as the backend hears it: hixie has no codes, so 1000 is added; what
// it cannot take closes with 1003; a connection that breaks is 1001.
const ends = {
  'close-client': hixie ? [1000, ''] : [1000, 'done'],
  'close-4002': [4002, Cases.REASON],
  'close4001': [answer || 4001],
  'close1008': [answer || 1008],
  'drop': [1006],
  'binary': hixie ? [1003, `no binary messages on ${version}`] : undefined,
  'client-lost': [1001, 'client: connection lost'],
};
if (hixie) { // its answer has no code: the gateway repeats the backend's
  delete ends['close-4002'];
}

const all = new Map();
function read() {
  for (const line of fs.readFileSync(file, 'utf8').split('\n').slice(0, -1)) {
    const seen = JSON.parse(line);
    if (seen.client === client) all.set(seen.case, seen);
  }
}

function sums(messages) {
  return messages.map((m) => {
    const data = Buffer.from(m);
    return { text: typeof m === 'string', size: data.length, sha1: createHash('sha1').update(data).digest('hex') };
  });
}

function same(what, want, got) {
  want = JSON.stringify(want);
  got = JSON.stringify(got) || 'nothing';
  if (want !== got) throw new Error(`${what}: want ${want.slice(0, 200)}, got ${got.slice(0, 200)}`);
}

const checks = new Map(); // name of the record to what is wanted of it
for (const c of Cases.list(version, 'gateway')) {
  if (c.messages) checks.set(c.name, (seen) => same('messages', sums(c.messages), seen.messages));
}
for (const [name, end] of Object.entries(ends)) {
  if (end) checks.set(name, (seen) => same('end', end, [seen.code, seen.reason].slice(0, end.length)));
}
if (version !== 'hixie-75') {
  checks.set('subprotocol', (seen) => same('subprotocol', 'chat', seen.protocol));
  checks.set('protocols', (seen) => {
    same('offered', ['soap', 'chat'], seen.headers['sec-websocket-protocol'].split(/, */));
    same('subprotocol', 'chat', seen.protocol);
  });
}
for (const name of without) checks.delete(name);

function verdict(name, check) {
  const seen = all.get(name);
  try {
    if (!seen) throw new Error('the backend saw nothing of it');
    check(seen);
    for (const [field, value] of [['draftwire-version', version], ['x-forwarded-for', '127.0.0.1'], ...fields]) {
      same(field, value, seen.headers[field]);
    }
    console.log(`ok ${name}`);
  } catch (e) {
    console.log(`not ok ${name} # ${e.message}`);
  }
}

// The last ones may still be on their way.
let left = 50;
(function wait() {
  read();
  if ([...checks.keys()].some((name) => !all.has(name)) && --left > 0) return setTimeout(wait, 100);
  console.log(`1..${checks.size}`);
  checks.forEach((check, name) => verdict(name, check));
})();
