// Headless Firefox: usage firefox.js URL VERSION [DEFLATE] (rfc6455)
// First the server's own page at GET /, then the case list in the context of that page.
// DEFLATE: PATH=PATTERN, a path that compresses and what its answer has to match.
// Driven through WebDriver BiDi, with npm ws as the wire.
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const WebSocket = require('ws');

const [url, version, deflate = ''] = process.argv.slice(2);
const base = url.replace(/\/+$/, '');
const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'firefox-'));
fs.writeFileSync(path.join(profile, 'user.js'), [
  ['network.proxy.type', 0],
  ['network.captive-portal-service.enabled', false],
  ['network.connectivity-service.enabled', false],
  ['datareporting.policy.dataSubmissionEnabled', false],
  ['browser.shell.checkDefaultBrowser', false],
].map(([name, value]) => `user_pref("${name}", ${JSON.stringify(value)});\n`).join(''));
const browser = spawn('firefox-esr', [
  '--headless', '--no-remote', '--profile', profile, '--remote-debugging-port', '0', 'about:blank',
], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: profile, TMPDIR: profile } });

function quit(status) {
  browser.once('exit', () => {
    fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    process.exit(status);
  });
  browser.kill('SIGTERM');
  setTimeout(() => browser.kill('SIGKILL'), 3000);
}
process.on('SIGTERM', () => quit(1));

// The address that Firefox prints when it is ready.
function bidi() {
  return new Promise((resolve, reject) => {
    let said = '';
    browser.stderr.on('data', (d) => {
      said += d;
      const m = /WebDriver BiDi listening on (ws:\S+)/.exec(said);
      if (m) resolve(m[1] + '/session');
    });
    browser.on('error', reject);
    browser.on('exit', () => reject(new Error('firefox ended: ' + said.slice(-300))));
  });
}

async function main() {
  const wire = new WebSocket(await bidi(), { perMessageDeflate: false });
  await new Promise((resolve, reject) => wire.on('open', resolve).on('error', reject));

  const waiting = new Map();
  let id = 0;
  function call(method, params = {}) {
    wire.send(JSON.stringify({ id: ++id, method, params }));
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject, method }));
  }
  wire.on('message', (text) => {
    const m = JSON.parse(text);
    if (m.id) {
      const w = waiting.get(m.id);
      waiting.delete(m.id);
      if (m.type === 'error') w.reject(new Error(`${w.method}: ${m.message}`)); else w.resolve(m.result);
    } else if (m.method === 'script.message') console.log(m.params.data.value);
  });

  await call('session.new', { capabilities: { alwaysMatch: { acceptInsecureCerts: true } } });
  await call('session.subscribe', { events: ['script.message'] });
  const { contexts } = await call('browsingContext.getTree');
  const context = contexts[0].context;
  await call('browsingContext.navigate', { context, url: base.replace(/^ws/, 'http') + '/', wait: 'complete' });

  // Calls a function in the page; its first argument prints a line here.
  async function inPage(functionDeclaration, ...strings) {
    const r = await call('script.callFunction', {
      functionDeclaration,
      awaitPromise: true,
      target: { context },
      arguments: [{ type: 'channel', value: { channel: 'say' } }, ...strings.map((value) => ({ type: 'string', value }))],
    });
    if (r.type === 'exception') throw new Error(r.exceptionDetails.text);
    return r.result.value;
  }
  await inPage(`() => { ${fs.readFileSync(path.join(__dirname, 'cases.js'), 'utf8').replace(/typeof exports === 'object' \? exports : this/, 'window')} }`);
  const missing = await inPage('(say, version) => new Promise((done) => Cases.pageCheck(version, done))', version);
  console.log(missing ? `not ok page # ${missing}` : 'ok page');
  await inPage(`(say, base, version, deflate) => new Promise((done) => Cases.run(version,
    (path, protocol) => new WebSocket(base + path, protocol ? [protocol] : []),
    (line) => say(line.replace(/^1\\.\\.(\\d+)/, (_, n) => '1..' + (1 + +n))), done, deflate))`, base, version, deflate);
}

main().then(() => quit(0), (e) => {
  console.log('not ok firefox # ' + e.message.replace(/\s+/g, ' '));
  quit(1);
});
