// PhantomJS opens a site and takes its picture: usage phantomjs phantomjs-site.js URL PICTURE
// The page tells in window.results what works.
/* global phantom */
'use strict';
var system = require('system');
var page = require('webpage').create();
page.viewportSize = { width: 560, height: 330 };
page.onError = function (message) { console.log('# page error: ' + message); };
page.open(system.args[1], function (status) {
  if (status !== 'success') { console.log('1..1\nnot ok page # GET failed: ' + status); phantom.exit(1); }
  var looks = 0;
  var timer = setInterval(function () {
    var r = page.evaluate(function () { return { results: window.results, plan: window.plan }; });
    if (r.results.length < r.plan && ++looks < 300) return;
    clearInterval(timer);
    console.log('1..' + r.plan + '\n' + r.results.join('\n'));
    page.render(system.args[2]);
    phantom.exit(0);
  }, 200);
});
