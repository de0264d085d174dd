// What a gateway's log has of a recipe. usage: recipe-log.js LOG CASE FIELD=VALUE... [-- CASE ...]
// Each case needs one line with all these fields. A * in a VALUE stands for anything.
'use strict';
const fs = require('fs');
const { until, play } = require('./gateway-lib.js');

const [log, ...args] = process.argv.slice(2);
const cases = [[]];
for (const a of args) {
  if (a === '--') cases.push([]);
  else cases[cases.length - 1].push(a);
}

const lines = () => fs.readFileSync(log, 'utf8').split('\n').filter((l) => l.startsWith('{')).map((l) => JSON.parse(l));

function has(line, field) {
  const at = field.indexOf('=');
  const got = line[field.slice(0, at)];
  if (got === undefined) return false;
  const parts = field.slice(at + 1).split('*').map((p) => p.replace(/[\\^$.|?+()[\]{}]/g, '\\$&'));
  return new RegExp(`^${parts.join('.*')}$`, 's').test(got);
}

// The line of a connection comes at its end, which may still be on its way.
play(cases.map(([name, ...fields]) => [name, () => until(fields.join(' '), () => lines().some((l) => fields.every((f) => has(l, f))), 10000)]));
