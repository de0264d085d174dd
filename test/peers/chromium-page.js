// Headless Chromium opens a page that inspect --html has written, takes its picture, and tries
// what it says of bytes: usage chromium-page.js FILE PICTURE
'use strict';
const fs = require('fs');
const { pathToFileURL } = require('url');
const lib = require('./chromium-lib.js');

const [file, picture] = process.argv.slice(2);

lib.run(async ({ call, evaluate, navigate }) => {
  await call('Emulation.setDeviceMetricsOverride', { width: 1000, height: 860, deviceScaleFactor: 1, mobile: false });
  await navigate(pathToFileURL(file).href);
  const report = (name, ok, detail) => console.log(ok ? `ok ${name}` : `not ok ${name} # ${detail}`);
  console.log('1..5');
  const seen = await evaluate(`({
    text: document.body.innerText,
    cards: document.querySelectorAll('article').length,
    others: performance.getEntriesByType('resource').map((e) => e.name),
    wide: document.documentElement.scrollWidth > innerWidth,
  })`);
  report('events', seen.cards > 5 && /no rule is broken|broken rule/.test(seen.text), `${seen.cards} cards`);
  report('alone', seen.others.length === 0, seen.others.join(' '));
  report('width', !seen.wide, 'it is wider than the window');
  const at = await evaluate(`(() => {
    const cell = [...document.querySelectorAll('.hex span')].find((s) => /opcode/.test(s.title)) || document.querySelector('.hex span');
    cell.scrollIntoView({ block: 'center' });
    const r = cell.getBoundingClientRect();
    return { x: r.x + r.width / 2, y: r.y + r.height / 2, title: cell.title };
  })()`);
  await call('Input.dispatchMouseEvent', { type: 'mouseMoved', x: at.x, y: at.y });
  const meaning = await evaluate(`document.getElementById('meaning').innerText`);
  report('meaning', meaning.includes(at.title) && at.title !== '', `it says ${meaning} of ${at.title}`);
  const { data } = await call('Page.captureScreenshot', { format: 'png' });
  fs.writeFileSync(picture, Buffer.from(data, 'base64'));
  await call('Emulation.setDeviceMetricsOverride', { width: 360, height: 640, deviceScaleFactor: 1, mobile: true });
  report('narrow', !(await evaluate('document.documentElement.scrollWidth > innerWidth')), 'it is wider than a small screen');
});
