// The case list, for every peer that offers the browser's WebSocket interface:
// npm ws, npm websocket, Chromium, Firefox, PhantomJS and QtWebKit. Plain ECMAScript 3 +
// JSON-free, because PhantomJS 1.9 has to read it too.
(function (root) {
  'use strict';

  var SIZES = [0, 125, 126, 65535, 65536, 1048576];
  var MIXED = 'a\u00e9\u00df\u0416\u20ac\u6f22\u5b57\ud83d\ude00\ud834\udd1e '; // 1 to 4 bytes a character
  var SCRIPTS = ['\u0395\u03bb\u03bb\u03b7\u03bd\u03b9\u03ba\u03ac', '\u05e2\u05d1\u05e8\u05d9\u05ea', '\u0627\u0644\u0639\u0631\u0628\u064a\u0629',
    '\u0939\u093f\u0928\u094d\u0926\u0940', '\u65e5\u672c\u8a9e', '\ud55c\uad6d\uc5b4', '\u0e44\u0e17\u0e22', '\ud800\udf48\ud83d\udc69\u200d\ud83d\udcbb'];
  var REASON = 'au revoir, \u00e9t\u00e9';
  var CASE_TIMEOUT = 20000;

  function textOf(n) {
    var s = '0123456789abcdefghijklmnopqrstuvwxyz-ABCDEFGHIJKLMNOPQRSTUVWXYZ.';
    while (s.length < n) s += s;
    return s.slice(0, n);
  }

  function mixedOf(times) {
    return new Array(times + 1).join(MIXED);
  }

  function bytesOf(n) {
    var b = new Uint8Array(n);
    for (var i = 0; i < n; i++) b[i] = (i * 7 + (i >> 8)) & 255;
    return b;
  }

  // Bytes that do not compress: a xorshift generator.
  function noiseOf(n) {
    var b = new Uint8Array(n), x = 2463534242;
    for (var i = 0; i < n; i++) {
      x ^= x << 13; x ^= x >>> 17; x ^= x << 5;
      b[i] = x >>> 24;
    }
    return b;
  }

  function repeated(message, times) {
    var list = [];
    while (times-- > 0) list.push(message);
    return list;
  }

  function base64Of(bytes) {
    var s = '';
    for (var i = 0; i < bytes.length; i++) s += String.fromCharCode(bytes[i]);
    return btoa(s);
  }

  function isHixie(version) { return version.indexOf('hixie') === 0; }

  // Where two values differ; '' if they are equal. Works on strings and bytes.
  function difference(want, got) {
    if (typeof want === 'string' && typeof got !== 'string') return 'want text, got ' + typeof got;
    if (typeof want !== 'string') {
      if (typeof got === 'string') return 'want binary, got text';
      got = new Uint8Array(got);
    } else if (want === got) return '';
    for (var i = 0; i < want.length && i < got.length; i++) {
      if (want[i] !== got[i]) return 'differs at ' + i + ' of ' + want.length;
    }
    return want.length === got.length ? '' : 'want length ' + want.length + ', got ' + got.length;
  }

  // What a hybi version before RFC 6455 makes of a code that it does not know.
  function heard(version, code) { return version === 'rfc6455' ? code : 1002; }

  // Each case: name and run(open, pass, fail). open(path, protocol) returns a WebSocket.
  // deflate is PATH=PATTERN: a path that compresses, and what the extensions that the
  // server answers there match. Without it no extension may be answered.
  // In its place: `gateway`, for a gateway with a backend of today behind it (test/gateway has
  // two), or `gateway=POLICY`, for one with a backend of hixie-76 and what it does with binary.
  function list(version, deflate) {
    var cases = [], path = '/echo', pattern = '', gateway = false, policy = '';
    if (deflate && deflate.indexOf('gateway') === 0) {
      gateway = true;
      policy = deflate.slice('gateway='.length);
      deflate = '';
    } else if (deflate) {
      path = deflate.slice(0, deflate.indexOf('='));
      pattern = deflate.slice(path.length + 1);
    }

    function add(name, run, messages) { cases.push({ name: name, run: run, messages: messages }); }

    // answers: what comes back where that is something else.
    function echo(name, messages, answers) {
      add(name, function (open, pass, fail) {
        var ws = open(path + '?case=' + name), got = 0, want = answers || messages;
        ws.onopen = function () {
          for (var i = 0; i < messages.length; i++) ws.send(messages[i]);
        };
        ws.onmessage = function (e) {
          var d = difference(want[got], e.data);
          got++;
          if (d) { fail('message ' + got + ': ' + d); ws.close(); }
          if (got === messages.length) { pass(); ws.close(); }
        };
        ws.onclose = function (e) {
          fail('closed after ' + got + ' of ' + messages.length + ' messages, code ' + e.code + ' ' + (e.reason || ''));
        };
      }, messages);
    }

    // Opens path and wants it closed with that code and reason, as far as the version has them,
    // and no message before. act(ws) does something once it is open.
    function closed(name, path, code, reason, act) {
      add(name, function (open, pass, fail) {
        var ws = open(path), opened = false;
        ws.onopen = function () { opened = true; if (act) act(ws); };
        ws.onmessage = function () { fail('a message'); };
        ws.onclose = function (e) {
          if (!opened) fail('never opened');
          else if (isHixie(version)) pass();
          else if (e.code !== code || e.reason !== reason) fail('want ' + code + ' ' + reason + ', got ' + e.code + ' ' + e.reason);
          else pass();
        };
      });
    }

    // Binary before a backend that has none.
    function binaryAsText(policy) {
      for (var i = 0; i < SIZES.length; i++) {
        var bytes = bytesOf(SIZES[i]), name = 'binary-' + SIZES[i];
        if (policy === 'back') echo(name, [bytes]);
        if (policy === 'base64') echo(name, [bytes], [base64Of(bytes)]);
      }
      if (policy !== 'reject') return;
      closed('binary-rejected', path + '?case=binary-rejected', 1003, 'no binary messages on hixie-76',
        function (ws) { ws.send(bytesOf(125)); });
    }

    var i, many = [];
    for (i = 0; i < 50; i++) many.push(i + ':' + textOf(i % 5 * 60));
    if (policy !== 'back') { // with it every text from the backend is binary
      for (i = 0; i < SIZES.length; i++) echo('text-' + SIZES[i], [textOf(SIZES[i])]);
      echo('utf8', [MIXED]);
      echo('utf8-long', [mixedOf(4000)]);
      if (gateway) echo('scripts', SCRIPTS);
      echo('several', many);
    }
    if (policy) {
      binaryAsText(policy);
    } else if (!isHixie(version)) {
      for (i = 0; i < SIZES.length; i++) echo('binary-' + SIZES[i], [bytesOf(SIZES[i])]);
    }

    if (deflate) {
      add('negotiated', function (open, pass, fail) {
        var ws = open(path + '?case=negotiated');
        ws.onopen = function () {
          var answer = ws.answer || ws.extensions || '';
          if (new RegExp(pattern).test(answer)) pass(); else fail('want ' + pattern + ', got ' + answer);
          ws.close();
        };
        ws.onclose = function () { fail('refused'); };
      });
      // The same again and again: with takeover each is a reference to the one before.
      echo('repeated', repeated('again and again: ' + textOf(300), 50));
      echo('repeated-0', repeated('', 50));
      echo('repeated-65536', repeated(textOf(65536), 10));
      echo('repeated-binary', repeated(bytesOf(40000), 50));
      echo('noise', [noiseOf(125), noiseOf(65536), noiseOf(300000)]);
      echo('noise-between', [textOf(40000), noiseOf(40000), textOf(40000), noiseOf(40000), textOf(10)]);
    } else if (!isHixie(version)) {
      add('declined', function (open, pass, fail) {
        var ws = open(path + '?case=declined');
        ws.onopen = function () {
          if (!ws.extensions) pass(); else fail('got ' + ws.extensions);
          ws.close();
        };
        ws.onclose = function () { fail('refused'); };
      });
    }

    if (version !== 'hixie-75' && !policy) {
      add('subprotocol', function (open, pass, fail) {
        var ws = open(path + '?case=subprotocol', 'chat');
        ws.onopen = function () {
          // The hixie interface has the answer checked by the browser and does not show it.
          if (isHixie(version) && ws.protocol === undefined) pass();
          else if (ws.protocol === 'chat') pass();
          else fail('want chat, got ' + ws.protocol);
          ws.close();
        };
        ws.onclose = function () { fail('refused'); };
      });
    }

    add('close-client', function (open, pass, fail) {
      var ws = open(path + '?case=close-client'), opened = false;
      ws.onopen = function () {
        opened = true;
        if (isHixie(version)) ws.close(); else ws.close(1000, 'done');
      };
      ws.onclose = function (e) {
        if (!opened) fail('never opened');
        else if (e.wasClean === false) fail('not clean, code ' + e.code);
        else if (!isHixie(version) && e.code !== 1000) fail('want code 1000, got ' + e.code);
        else pass();
      };
    });

    // A backend of hixie-76 closes without a code: 1000 is what the gateway adds.
    if (policy) closed('close-server', '/close?code=4001&reason=bye', 1000, '');
    else closed('close-server', '/close?code=4001&reason=bye', 4001, 'bye');

    if (gateway && !policy) {
      add('protocols', function (open, pass, fail) {
        // The old interface has one string; the browser wants it back as it was.
        var ws = open(path + '?case=protocols', isHixie(version) ? 'soap, chat' : ['soap', 'chat']);
        ws.onopen = function () {
          if (isHixie(version) || ws.protocol === 'chat') pass();
          else fail('want chat, got ' + ws.protocol);
          ws.close();
        };
        ws.onclose = function () { fail('refused'); };
      });
      if (!isHixie(version)) {
        add('close-4002', function (open, pass, fail) {
          var ws = open(path + '?case=close-4002');
          ws.onopen = function () { ws.close(4002, REASON); };
          ws.onclose = function (e) { if (e.code === 4002) pass(); else fail('want 4002, got ' + e.code); };
        });
      }
      closed('close-policy', '/close?code=1008&reason=policy', heard(version, 1008), 'policy');
      closed('backend-lost', '/drop', heard(version, 1011), 'backend: connection lost');
      if (isHixie(version)) {
        closed('binary-from-backend', '/binary', 1003, '');
      } else {
        add('binary-from-backend', function (open, pass, fail) {
          var ws = open('/binary');
          ws.onmessage = function (e) {
            var d = difference(bytesOf(125), e.data);
            if (d) fail(d); else pass();
            ws.close();
          };
          ws.onclose = function (e) { fail('closed, code ' + e.code); };
        });
      }
      if (root.canBreak) {
        add('client-lost', function (open, pass, fail) {
          var ws = open(path + '?case=client-lost');
          ws.onopen = function () { ws.terminate(); pass(); };
        });
      }
    }
    return cases;
  }

  // run plays the cases one after the other. say(line) takes lines of output.
  function run(version, open, say, done, deflate) {
    var cases = list(version, deflate), at = 0;
    say('1..' + cases.length);

    function next() {
      if (at === cases.length) return done();
      var c = cases[at++], over = false, timer, patience = CASE_TIMEOUT;
      if (/^gateway/.test(deflate)) patience *= 3; // many play at once
      function end(line) {
        if (over) return;
        over = true;
        clearTimeout(timer);
        say(line);
        setTimeout(next, 0);
      }
      function pass() { end('ok ' + c.name); }
      function fail(detail) { end('not ok ' + c.name + ' # ' + detail); }
      timer = setTimeout(function () { fail('timeout after ' + patience / 1000 + ' s'); }, patience);
      try {
        c.run(function (path, protocol) {
          var ws = open(path, protocol);
          ws.binaryType = 'arraybuffer';
          ws.onerror = function (e) { if (e && e.message) lastError = e.message; };
          return ws;
        }, pass, function (detail) { fail(detail + (lastError ? ' (' + lastError + ')' : '')); });
      } catch (e) { fail(String(e)); }
      var lastError = '';
    }
    next();
  }

  // pageCheck uses the console page as a person would: waits until it says that it is
  // connected and with which version, types a message, sends it and looks for the echo.
  // Plain DOM only; answers through done('' or what was missing).
  function pageCheck(version, done) {
    var words = { 'rfc6455': /rfc ?6455/i, 'hixie-76': /hixie-?76/i };
    var token = 'hello from the page ' + new Date().getTime();
    var ticks = 0, sent = false, before = 0;
    function text() { return document.body.innerText || document.body.textContent; }
    function count() { return text().split(token).length - 1; }
    function first(selectors) {
      for (var i = 0; i < selectors.length; i++) {
        var e = document.querySelector(selectors[i]);
        if (e) return e;
      }
    }
    (function tick() {
      if (++ticks > 100) {
        return done((sent ? 'echo not shown; page says: ' : 'no connection shown; page says: ') +
          text().replace(/\s+/g, ' ').slice(0, 300));
      }
      if (!sent && /connected/i.test(text()) && words[version].test(text())) {
        var field = first(['input[type=text]', 'input:not([type])', 'textarea']);
        var button = first(['button[type=submit]', 'input[type=submit]', 'form button', 'button']);
        if (!field || !button) return done('no field or no button on the page');
        field.value = token;
        if (typeof Event === 'function') field.dispatchEvent(new Event('input', { bubbles: true }));
        var click = document.createEvent('MouseEvents');
        click.initEvent('click', true, true);
        button.dispatchEvent(click);
        sent = true;
        before = 1;
      }
      if (sent && count() >= before) return done('');
      setTimeout(tick, 100);
    })();
  }

  root.Cases = { list: list, REASON: REASON, run: run, pageCheck: pageCheck, difference: difference };
})(typeof exports === 'object' ? exports : this);
