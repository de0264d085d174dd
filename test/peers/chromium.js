// Headless Chromium: usage chromium.js URL VERSION [DEFLATE] (rfc6455)
// First the server's own page at GET /, then the case list in the context of that page.
// DEFLATE: PATH=PATTERN, a path that compresses and what its answer has to match.
//        or chromium.js URL VERSION gateway[=POLICY]: see cases.js. $PAGE is opened then, and not played.
'use strict';
const fs = require('fs');
const path = require('path');

const [url, version, deflate = ''] = process.argv.slice(2);
const base = url.replace(/\/+$/, '');

require('./chromium-lib.js').run(async ({ evaluate, navigate }) => {
  const gateway = /^gateway/.test(deflate);
  await navigate(gateway ? process.env.PAGE : base.replace(/^ws/, 'http') + '/');
  await evaluate(fs.readFileSync(path.join(__dirname, 'cases.js'), 'utf8'));
  if (!gateway) {
    const missing = await evaluate(`new Promise((done) => Cases.pageCheck(${JSON.stringify(version)}, done))`);
    console.log(missing ? `not ok page # ${missing}` : 'ok page');
  }
  await evaluate(`new Promise((done) => Cases.run(${JSON.stringify(version)},
    (path, protocol) => new WebSocket(${JSON.stringify(base)} + path, protocol ? [].concat(protocol) : []),
    (line) => say(line.replace(/^1\\.\\.(\\d+)/, (_, n) => '1..' + (${gateway ? 0 : 1} + +n))), done, ${JSON.stringify(deflate)}))`);
});
