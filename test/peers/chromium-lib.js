// Headless Chromium, driven through the DevTools protocol, with npm ws as the wire.
// run(play) starts it and ends the program: play gets { call, evaluate, navigate }.
'use strict';
const { spawn } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');
const WebSocket = require('ws');

const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'chromium-'));
let browser;

function quit(status) {
  browser.once('exit', () => {
    try {
      fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
    } catch { /* a process of it still writes; what is left goes with $TMPDIR */ }
    process.exit(status);
  });
  browser.kill('SIGTERM');
  setTimeout(() => browser.kill('SIGKILL'), 3000);
}

// The address that Chromium prints when it is ready.
function devtools() {
  return new Promise((resolve, reject) => {
    let said = '';
    browser.stderr.on('data', (d) => {
      said += d;
      const m = /DevTools listening on (ws:\S+)/.exec(said);
      if (m) resolve(m[1]);
    });
    browser.on('error', reject);
    browser.on('exit', () => reject(new Error('chromium ended: ' + said.slice(-300))));
  });
}

async function main(play) {
  const wire = new WebSocket(await devtools(), { perMessageDeflate: false });
  await new Promise((resolve, reject) => wire.on('open', resolve).on('error', reject));

  const waiting = new Map();
  let id = 0, sessionId, loaded;
  function call(method, params = {}) {
    wire.send(JSON.stringify({ id: ++id, method, params, sessionId }));
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject, method }));
  }
  wire.on('message', (text) => {
    const m = JSON.parse(text);
    if (m.id) {
      const w = waiting.get(m.id);
      waiting.delete(m.id);
      if (m.error) w.reject(new Error(`${w.method}: ${m.error.message}`)); else w.resolve(m.result);
    } else if (m.method === 'Page.loadEventFired') loaded();
    else if (m.method === 'Runtime.bindingCalled') console.log(m.params.payload);
    else if (m.method === 'Log.entryAdded') console.log('>> said ' + m.params.entry.text.replace(/\s+/g, ' '));
  });
  async function evaluate(expression) {
    const r = await call('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true });
    if (r.exceptionDetails) throw new Error(r.exceptionDetails.exception.description);
    return r.result.value;
  }
  async function navigate(url) {
    const load = new Promise((resolve) => { loaded = resolve; });
    const navigated = await call('Page.navigate', { url });
    if (navigated.errorText) throw new Error('GET: ' + navigated.errorText);
    await load;
  }

  const { targetInfos } = await call('Target.getTargets');
  const target = targetInfos.find((t) => t.type === 'page');
  sessionId = (await call('Target.attachToTarget', { targetId: target.targetId, flatten: true })).sessionId;
  await call('Page.enable');
  await call('Runtime.enable');
  await call('Runtime.addBinding', { name: 'say' });
  await play({ call, evaluate, navigate });
}

exports.run = (play) => {
  browser = spawn('chromium', [
    '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--disable-dev-shm-usage', '--ignore-certificate-errors', '--no-proxy-server',
    '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank',
  ], { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, TMPDIR: profile } });
  process.on('SIGTERM', () => quit(1));
  main(play).then(() => quit(0), (e) => {
    console.log('not ok chromium # ' + e.message.replace(/\s+/g, ' '));
    quit(1);
  });
};
