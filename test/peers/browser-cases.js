// The page of test/browser-cases in PhantomJS: usage phantomjs browser-cases.js URL
// Prints what the console says, with a mark.
/* global phantom */
'use strict';
var system = require('system');
var page = require('webpage').create();

page.onConsoleMessage = function (message) {
  console.log(message.indexOf('>> case ') === 0 ? message : '>> said ' + message.replace(/\s+/g, ' '));
};
page.onError = function (message) { console.log('# page error: ' + message); };
page.open(system.args[1], function (status) {
  if (status !== 'success') { console.log('# GET failed: ' + status); phantom.exit(1); }
});
