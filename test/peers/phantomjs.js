// PhantomJS 1.9.8, a WebKit of 2011 (hixie-76), and 2.1.1, one of 2014 (rfc6455 with
// x-webkit-deflate-frame): usage phantomjs phantomjs.js URL VERSION [DEFLATE]
// DEFLATE: PATH=PATTERN, a path that compresses and what its answer has to match.
//        or URL VERSION gateway: see cases.js. $PAGE is opened then, and not played.
// First the server's own page at GET /, then the case list in the context of that page.
/* global phantom, Cases */
'use strict';
var system = require('system');
var url = system.args[1].replace(/\/+$/, ''), version = system.args[2], deflate = system.args[3] || '';
var gateway = /^gateway/.test(deflate);
var page = require('webpage').create();

page.onError = function (message) { console.log('# page error: ' + message); };
page.onConsoleMessage = function (message) {
  // The page's own talk is not for us: what the script below says starts with a mark.
  if (message.indexOf('>> ') !== 0) return;
  message = message.slice(3);
  if (message === 'done') { console.log('# done'); phantom.exit(0); return; }
  if (/^1\.\./.test(message)) { console.log('1..' + ((gateway ? 0 : 1) + Number(message.slice(3)))); return; }
  console.log(message);
};

page.open(gateway ? system.env.PAGE : url.replace(/^ws/, 'http') + '/', function (status) {
  if (status !== 'success') {
    console.log('not ok page # GET failed: ' + status);
    phantom.exit(1);
    return;
  }
  page.injectJs('cases.js');
  page.evaluate(function (url, version, deflate, gateway) {
    function check(then) { if (gateway) then(); else Cases.pageCheck(version, then); }
    check(function (missing) {
      if (!gateway) console.log('>> ' + (missing ? 'not ok page # ' + missing : 'ok page'));
      function open(path, protocol) {
        return protocol ? new WebSocket(url + path, protocol) : new WebSocket(url + path);
      }
      Cases.run(version, open, function (line) { console.log('>> ' + line); }, function () { console.log('>> done'); }, deflate);
    });
  }, url, version, deflate, gateway);
});
