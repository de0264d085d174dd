// What a gateway's log says that the translation lost, version by version, where the cases of
// test/gateway's part `clients` were played. usage: gateway-losses.js LOG
'use strict';
const fs = require('fs');

const hixie = ['abnormal', 'binary_rejected', 'close_code', 'close_code_added'];
const wanted = {
  'hixie-75': hixie,
  'hixie-76': hixie,
  'hybi-07': ['abnormal', 'close_code_changed'],
  'hybi-08': ['abnormal', 'close_code_changed'],
  'rfc6455': ['abnormal'],
};

const lost = {};
for (const line of fs.readFileSync(process.argv[2], 'utf8').split('\n')) {
  if (!line.includes('"conn.close"')) continue;
  const l = JSON.parse(line);
  lost[l.draft] = lost[l.draft] || new Set();
  for (const name of Object.keys(l)) {
    // Where frames are cut depends on how the bytes come.
    if (name.startsWith('lost_') && !name.startsWith('lost_fragments_')) lost[l.draft].add(name.slice('lost_'.length));
  }
}
console.log(`1..${Object.keys(wanted).length}`);
for (const [version, want] of Object.entries(wanted)) {
  const got = [...lost[version] || []].sort();
  if (got.join() === want.join()) console.log(`ok losses-${version}`);
  else console.log(`not ok losses-${version} # want ${want}, got ${got}`);
}
