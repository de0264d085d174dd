// PhantomJS gets a page: usage phantomjs phantomjs-get.js URL CASE STATUS
// STATUS: of the answer; - where there shall be none, as TLS fails.
/* global phantom */
'use strict';
var args = require('system').args;
var page = require('webpage').create();
var got = '-', error = '';
page.onResourceReceived = function (r) { if (r.status) got = String(r.status); };
page.onResourceError = function (e) { error = e.errorString; };
page.open(args[1], function () {
  console.log('1..1');
  console.log(got === args[3] ? 'ok ' + args[2] : 'not ok ' + args[2] + ' # want ' + args[3] + ', got ' + got + ' ' + error);
  phantom.exit(0);
});
