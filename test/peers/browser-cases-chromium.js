// The page of test/browser-cases in headless Chromium: usage browser-cases-chromium.js URL
// Prints what its log says, with a mark; each message names the URL.
'use strict';

require('./chromium-lib.js').run(async ({ call, navigate }) => {
  await call('Log.enable');
  await navigate(process.argv[2]);
  await new Promise(() => {}); // until it is ended
});
