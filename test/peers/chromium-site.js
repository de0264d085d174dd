// Headless Chromium opens a site and takes its picture: usage chromium-site.js URL PICTURE
//   or chromium-site.js --join PICTURE FILE CAPTION FILE CAPTION: two pictures in one.
// The page tells in window.results what works.
'use strict';
const fs = require('fs');

const args = process.argv.slice(2);
const lib = require('./chromium-lib.js');

async function picture(call, file, width, height) {
  await call('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: 1, mobile: false });
  const { data } = await call('Page.captureScreenshot', { format: 'png' });
  fs.writeFileSync(file, Buffer.from(data, 'base64'));
}

function joined([first, captionA, second, captionB]) {
  const side = (file, caption) => `<div><img src="data:image/png;base64,${fs.readFileSync(file).toString('base64')}"><b>${caption}</b></div>`;
  return 'data:text/html;base64,' + Buffer.from(`<style>body{margin:0;display:flex;gap:2px;background:#ccc;font:14px sans-serif}
    div{background:#fff;width:560px}b{display:block;padding:8px 24px;background:#eee}</style>${side(first, captionA)}${side(second, captionB)}`).toString('base64');
}

lib.run(async ({ call, evaluate, navigate }) => {
  if (args[0] === '--join') {
    await navigate(joined(args.slice(2)));
    return picture(call, args[1], 1122, 364);
  }
  await navigate(args[0]);
  const { results, plan } = await evaluate(`new Promise((done) => {
    let looks = 0;
    const timer = setInterval(() => {
      if (results.length < plan && ++looks < 300) return;
      clearInterval(timer);
      done({ results, plan });
    }, 200);
  })`);
  console.log(`1..${plan}\n${results.join('\n')}`);
  await picture(call, args[1], 560, 330);
});
