// An operator in a browser: usage console.js WHAT BROWSER, where WHAT is functions or crowd, and
// BROWSER chromium or firefox. It plays the console's page, and prints `1..N` and a line a case.
//
// functions starts a gateway of $CONFIG, whose console is $CONSOLE, and clients that $CROWD is
// the command of; the operator's token is $TOKEN, $SERVE is the echo server. crowd
// looks at $CONSOLE, which has 50,000 connections. Pictures go to $PICTURES, if that is set; $ONLY
// is a regular expression of the cases to play.
'use strict';
const { spawn, spawnSync, execFileSync } = require('child_process');
const fs = require('fs');
const os = require('os');
const path = require('path');

const [what, browserName] = process.argv.slice(2);
const { CONSOLE, SERVE, TOKEN, CONFIG, CROWD, DRAFTWIRE, PICTURES } = process.env;
const axe = fs.readFileSync(require.resolve('axe-core'), 'utf8');
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'console-'));
const sleep = (ms) => new Promise((r) => setTimeout(r, ms));
const children = [];
let puppeteer, browser, page, said = [];

// ---- a browser

async function launch(dark) {
  const home = fs.mkdtempSync(path.join(scratch, 'home-'));
  const env = { ...process.env, HOME: home, TMPDIR: scratch };
  const at = (name) => execFileSync('sh', ['-c', `command -v ${name}`]).toString().trim();
  if (browserName === 'firefox') {
    browser = await puppeteer.launch({
      browser: 'firefox', executablePath: at('firefox-esr'), headless: true, env,
      extraPrefsFirefox: {
        'network.proxy.type': 0, 'network.captive-portal-service.enabled': false, 'network.connectivity-service.enabled': false,
        'datareporting.policy.dataSubmissionEnabled': false, 'layout.css.prefers-color-scheme.content-override': dark ? 0 : 1,
        'browser.download.folderList': 2, 'browser.download.dir': scratch, 'browser.download.useDownloadDir': true,
        'browser.download.always_ask_before_handling_new_types': false, 'browser.helperApps.neverAsk.saveToDisk': 'application/octet-stream,application/vnd.tcpdump.pcap,application/json,application/x-ndjson',
      },
    });
  } else {
    browser = await puppeteer.launch({
      executablePath: at('chromium'), headless: true, env, userDataDir: path.join(home, 'profile'),
      args: ['--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync',
        '--disable-dev-shm-usage', '--no-proxy-server', '--disable-background-timer-throttling', '--disable-renderer-backgrounding'],
    });
  }
  page = await browser.newPage();
  page.on('console', (m) => { if (m.type() === 'error' && !/Failed to load resource|Cross-Origin Request Blocked/.test(m.text())) said.push(`console: ${m.text()}`); });
  page.on('pageerror', (e) => said.push(`error: ${e.message} ${e.stack || ''}`));
  page.on('dialog', (d) => { said.push(`dialog: ${d.message()}`); d.dismiss(); });
  await page.evaluateOnNewDocument(() => {
    window.violations = [];
    addEventListener('securitypolicyviolation', (e) => violations.push(`${e.violatedDirective} ${e.blockedURI} ${e.sourceFile}:${e.lineNumber}`));
  });
  await page.setViewport({ width: 1360, height: 900 });
  if (browserName === 'chromium') {
    await (await browser.target().createCDPSession()).send('Browser.setDownloadBehavior', { behavior: 'allow', downloadPath: scratch });
    await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]);
  }
}

// view opens a view as a link would, without loading the page again.
async function view(hash, until) {
  await page.evaluate((h) => { location.hash = h; }, hash);
  if (until) await wait(until);
}
// wait until an expression of the page is true.
async function wait(expression, ms = 15_000) {
  try {
    await page.waitForFunction(`!!(${expression})`, { timeout: ms, polling: 50 }); // not the element itself: what is held here grows
  } catch (e) {
    throw new Error(`it does not come: ${expression}; the page says: ${(await page.evaluate('document.querySelector("main").innerText')).replace(/\s+/g, ' ').slice(0, 300)}`);
  }
}
const wait2 = (expression) => page.waitForFunction(expression, { timeout: 15_000, polling: 50 });
const ask = (expression) => page.evaluate(expression);
const text = (selector) => page.$eval(selector, (e) => e.innerText);
async function picture(name) {
  if (PICTURES) await page.screenshot({ path: path.join(PICTURES, name) });
}
// press goes by the keys alone until the focus is where a selector says.
async function tabTo(selector, most = 60) {
  for (let i = 0; i < most; i++) {
    await page.keyboard.press('Tab');
    if (await ask(`document.activeElement.matches(${JSON.stringify(selector)})`)) return;
  }
  throw new Error(`Tab does not get to ${selector}; it is at ${await ask('document.activeElement.outerHTML.slice(0, 200)')}`);
}
const button = (name) => `[...document.querySelectorAll('button')].find((b) => b.textContent.trim() === ${JSON.stringify(name)} && b.checkVisibility())`;
async function click(name) {
  await wait(`!!(${button(name)}) && !(${button(name)}).disabled`);
  const handle = await page.evaluateHandle(button(name));
  await handle.click();
}

// ---- cases

const cases = [];
const test = (name, play, only) => { if ((!only || only === browserName) && new RegExp(process.env.ONLY || '').test(name)) cases.push({ name, play }); };
function is(got, want, of) {
  if (got !== want) throw new Error(`${of}: ${JSON.stringify(got)}, wanted ${JSON.stringify(want)}`);
}
function ok(x, of) { if (!x) throw new Error(of); }

async function main() {
  puppeteer = (await import('puppeteer-core')).default;
  (what === 'crowd' ? crowdCases : functionCases)();
  console.log(`1..${cases.length}`);
  if (CROWD) await gatewayUp();
  await launch(false);
  await page.goto(CONSOLE);
  if (CROWD) await startClients();
  for (const c of cases) {
    const began = Date.now();
    try {
      await c.play();
      console.log(`ok ${c.name}`);
    } catch (e) {
      console.log(`not ok ${c.name} # ${e.message.replace(/\s+/g, ' ')}`);
      if (process.env.DEBUG) { console.error(e.stack); await page.screenshot({ path: path.join(process.env.DEBUG, `failed-${cases.indexOf(c)}.png`) }).catch(() => {}); }
    }
    if (process.env.DEBUG) console.error(`${c.name}: ${Date.now() - began} ms`);
  }
}

// ---- the gateway and its clients

let gateway;
// startClients comes when the console is open: of sessions that were opened before, the gateway
// does not keep the heads that it has sent to the backend.
async function startClients() {
  const [command, ...args] = CROWD.split(' ');
  const crowd = spawn(command, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  children.push(crowd);
  await new Promise((resolve, reject) => {
    crowd.stdout.once('data', resolve);
    crowd.once('exit', () => reject(new Error('the clients have ended')));
  });
}
async function gatewayUp() {
  const log = fs.openSync(path.join(scratch, 'gateway.log'), 'a');
  gateway = spawn(DRAFTWIRE, ['gateway', '--config', CONFIG, '--log-format', 'json'], { stdio: ['ignore', 'ignore', log] });
  children.push(gateway);
  for (let i = 0; i < 200; i++) {
    try {
      if ((await fetch(CONSOLE + 'api/about')).ok) return;
    } catch { /* not yet */ }
    await sleep(50);
  }
  throw new Error('the gateway does not come up: ' + fs.readFileSync(path.join(scratch, 'gateway.log'), 'utf8').slice(-500));
}
async function gatewayDown() {
  const ended = new Promise((r) => gateway.once('exit', r));
  gateway.kill('SIGKILL');
  await ended;
}

const views = [['connections', '#/connections', 'document.querySelectorAll(".connections tbody tr").length > 3'],
  ['traffic', '#/traffic', 'document.querySelectorAll("canvas").length > 0 && document.querySelector(".banner").innerText.startsWith("Ready")'],
  ['retirement', '#/retirement?off=hixie-76', 'document.querySelectorAll(".report tbody tr").length > 5 && document.querySelector(".month") && !document.querySelector(".hundred").closest("[hidden]")'],
  ['try', '#/try', 'document.querySelector("select[name=version]")'],
  ['orders', '#/orders', 'document.querySelector(".cards .card")']];

async function first() { return ask('document.querySelector(".connections tbody tr a").hash'); }

async function judge(name) {
  await page.evaluate(axe);
  const found = await ask(`axe.run(document, { resultTypes: ['violations'] }).then((r) => r.violations.map((v) => v.id + ': ' + v.nodes.map((n) => n.html.slice(0, 120) + ' ' + (n.any[0]?.message || n.all[0]?.message || n.none[0]?.message || '')).slice(0, 3).join(' | ')))`);
  if (found.length) throw new Error(`${name}: ${found.join('; ')}`);
}

function functionCases() {
  const n = 20; // clients of console-crowd that stay

  test('connections: all are there', async () => {
    await wait(`document.querySelectorAll('.connections tbody tr').length >= ${n}`);
    ok(/open/.test(await text('.head')), 'no total');
    is(await ask('document.querySelectorAll(".chips .chip").length'), 10, 'chips');
    ok(await ask('document.body.innerText.includes("<img src=x onerror=window.hacked=1>")'), 'the hostile User-Agent is not shown as it is');
  });
  test('connections: a chip filters, and the Back button takes it back', async () => {
    await page.click('.chip[data-version="hixie-76"]');
    await wait('[...document.querySelectorAll(".connections tbody .badge")].every((b) => b.textContent === "hixie-76") && document.querySelectorAll(".connections tbody tr").length === 3');
    is(await ask('location.hash'), '#/connections?version=hixie-76', 'the address');
    is(await ask('document.querySelector(".chip[data-version=\\"hixie-76\\"]").getAttribute("aria-pressed")'), 'true', 'aria-pressed');
    await ask('history.back()');
    await wait(`document.querySelectorAll('.connections tbody tr').length >= ${n}`);
  });
  test('connections: search', async () => {
    await page.type('#search', 'TALK/hybi-04');
    await wait('document.querySelectorAll(".connections tbody tr").length === 2');
    await wait('/2 connections match/.test(document.getElementById("say").textContent)');
    await page.$eval('#search', (e) => { e.value = 'nobody has this'; e.dispatchEvent(new Event('input', { bubbles: true })); });
    await wait('/No connection matches/.test(document.querySelector("main").innerText)');
    await click('Show all');
    await wait(`document.querySelectorAll('.connections tbody tr').length >= ${n}`);
  });
  test('connections: sorted by a header', async () => {
    await click('Messages in');
    await wait('document.querySelector("th[aria-sort]").innerText.includes("Messages in") && !document.querySelector("[aria-busy]")');
    is(await ask('document.querySelector("th[aria-sort]").getAttribute("aria-sort")'), 'descending', 'aria-sort');
    await page.mouse.move(5, 5);
    await click('Client');
    await wait('document.querySelector("th[aria-sort=ascending]")?.innerText.includes("Client") && !document.querySelector("[aria-busy]")');
  });
  test('connections: what stands under the focus stays', async () => {
    await click('Last');
    await wait('!document.querySelector("[aria-busy]")');
    await page.mouse.move(5, 5);
    await ask('document.querySelectorAll(".connections tbody tr a")[4].focus({ preventScroll: true })');
    const order = () => ask('[...document.querySelectorAll(".connections tbody tr a")].map((a) => a.hash).join()');
    const before = await order(), at = await ask('document.activeElement.hash'), messages = await ask('document.querySelector(".connections tbody").innerText');
    await wait(`document.querySelector(".connections tbody").innerText !== ${JSON.stringify(messages)}`); // it has been renewed
    is(await order(), before, 'the order');
    is(await ask('document.activeElement.hash'), at, 'the focus');
    await ask('document.activeElement.blur()');
  });
  test('connections: pause', async () => {
    await click('Pause');
    await sleep(300);
    const then = await ask('document.querySelector(".connections tbody").innerText');
    await sleep(3000);
    is(await ask('document.querySelector(".connections tbody").innerText'), then, 'what stands there');
    is(await text('#link-text'), 'paused', 'the state');
    await click('Resume');
    await wait(`document.querySelector(".connections tbody").innerText !== ${JSON.stringify(then)}`);
  });

  test('keys alone: skip link, filter, sort, row, connection, explanation, and back', async () => {
    await page.goto('about:blank');
    await page.goto(CONSOLE);
    await wait(`document.querySelectorAll('.connections tbody tr').length >= ${n}`);
    await page.keyboard.press('Tab');
    is(await ask('document.activeElement.id'), 'skip', 'the first stop');
    ok(await ask('document.activeElement.getBoundingClientRect().left >= 0'), 'the skip link is not seen');
    await page.keyboard.press('Enter');
    is(await ask('document.activeElement.id'), 'main', 'behind the skip link');
    await tabTo('.chip[data-version="rfc6455"]');
    ok(await ask('getComputedStyle(document.activeElement).outlineStyle !== "none"'), 'the focus is not seen');
    await page.keyboard.press('Enter');
    await wait('[...document.querySelectorAll(".connections tbody .badge")].every((b) => b.textContent === "rfc6455")');
    await tabTo('th .sort');
    await page.keyboard.press('Enter');
    await wait('document.querySelector("th[aria-sort=ascending]")?.innerText.includes("Client")');
    await tabTo('.connections tbody a');
    await page.keyboard.press('ArrowDown');
    const to = await ask('document.activeElement.hash');
    await page.keyboard.press('Enter');
    await wait('document.querySelector(".handshake .stop")');
    is(await ask('location.hash'), to, 'the address');
    is(await ask('document.activeElement.tagName'), 'H1', 'the focus');
    await tabTo('.stop');
    const before = await text('.pane');
    await page.keyboard.press('ArrowDown');
    ok(await text('.pane') !== before && /RFC 6455/.test(await text('.pane')), `the explanation: ${await text('.pane')}`);
    await ask('history.back()');
    await wait('document.querySelector(".connections tbody a")');
    is(await ask('location.hash.includes("version=rfc6455")'), true, 'the filter');
  });

  test('a connection: facts, and both handshakes with what was changed', async () => {
    await view('#/connections?q=talk%2Fhixie-76%2F0', 'document.querySelectorAll(".connections tbody tr").length === 1');
    await page.click('.connections tbody a');
    await wait('document.querySelectorAll(".handshake .side").length === 2');
    const s = await text('main');
    for (const w of ['hixie-76', 'rfc6455', 'Sec-WebSocket-Key1', 'Sec-WebSocket-Key: ', 'only here', '/echo/talk/hixie-76/0']) ok(s.includes(w), `no ${w}`);
    await page.hover('.handshake .lines li:nth-child(2) .stop');
    ok(/hixie-76 4\.1/.test(await text('.pane')), `the explanation: ${await text('.pane')}`);
    if (browserName === 'chromium') await picture('console-connection.png');
    await page.click('.handshake input[type=checkbox]');
    ok((await text('.handshake')).includes('hixie-76 4.1'), 'not all explanations');
  });
  test('a connection: frames live, filtered, paused, in hex, opened', async () => {
    await view('#/connections?q=%2Froom%2F1&version=hixie-76', 'document.querySelectorAll(".connections tbody tr").length === 1');
    await page.click('.connections tbody a');
    await wait('document.querySelector(".handshake")');
    await click('Watch frames');
    await wait('document.querySelectorAll(".frames tbody tr:not([hidden])").length > 4');
    ok((await text('.frames')).includes('<img src=x onerror=window.hacked=1>'), 'the text of the room is not there');
    await wait('document.querySelectorAll(".frames tbody .mark").length > 0');
    ok(await ask('[...document.querySelectorAll(".frames tbody tr")].some((r) => r.children[1].textContent && r.children[2].textContent)'), 'no row has both sides');
    await page.select('.framelist select', 'client');
    is(await ask('document.querySelectorAll(".frames tbody tr:not([hidden]):not(.gap)").length'), 0, 'frames from a client that is silent');
    await page.select('.framelist select', '');
    await page.type('.framelist input[type=search]', '/a text.*room/');
    await wait('document.querySelectorAll(".frames tbody tr[hidden]").length > 0 && document.querySelectorAll(".frames tbody tr:not([hidden])").length > 0');
    await wait('/hidden by the filter/.test(document.querySelector(".tally").textContent)');
    await page.$eval('.framelist input[type=search]', (e) => { e.value = ''; e.dispatchEvent(new Event('input', { bubbles: true })); });
    await click('Pause frames');
    const rows = await ask('document.querySelectorAll(".frames tbody tr").length');
    await wait('/paused, [1-9]\\d* waiting/.test(document.querySelector(".tally").textContent)');
    is(await ask('document.querySelectorAll(".frames tbody tr").length'), rows, 'rows while paused');
    await click('Resume frames');
    await wait(`document.querySelectorAll(".frames tbody tr").length > ${rows}`);
    await ask('[...document.querySelectorAll(".framelist input[type=checkbox]")][1].click()');
    ok(/3c 69 6d 67/.test(await text('.frames')), 'no hex');
    await ask('document.querySelector(".frames tbody .when").click()');
    ok(/Head/.test(await text('.detail')) && /0000 {2}/.test(await text('.detail')), 'no detail');
  });
  test('a connection: pings are hidden, and there', async () => {
    await view('#/connections?q=%2Froom%2F1&version=rfc6455', 'document.querySelectorAll(".connections tbody tr").length === 1');
    await page.click('.connections tbody a');
    await wait('document.querySelector(".handshake")');
    await wait('/pings? (or|and) pongs? hidden/.test(document.querySelector(".tally")?.textContent)');
    ok(!await ask('[...document.querySelectorAll(".frames tbody tr:not([hidden]) .op")].some((e) => e.textContent === "ping")'), 'a ping is shown');
    await ask('document.querySelector(".framelist input[type=checkbox]").click()');
    ok(await ask('[...document.querySelectorAll(".frames tbody tr:not([hidden]) .op")].some((e) => e.textContent === "ping")'), 'no ping is shown');
  });
  for (const as of ['pcap', 'HAR', 'recording']) {
    test(`a connection: exported as ${as}, and read again`, async () => {
      const before = new Set(fs.readdirSync(scratch));
      await click(as);
      let file;
      for (let i = 0; i < 200 && !file; i++) {
        await sleep(50);
        file = fs.readdirSync(scratch).find((f) => !before.has(f) && !/\.(crdownload|part)$/.test(f) && !/^(home-|puppeteer|\.org|rust_moz|Temp)/.test(f) && fs.statSync(path.join(scratch, f)).size > 0 && fs.statSync(path.join(scratch, f)).isFile());
      }
      ok(file, 'no file has come: ' + await text('main'));
      if (as === 'recording') { // what came before the ring is missing, so it may be read and not played
        const { status, stdout, stderr } = spawnSync(DRAFTWIRE, ['replay', '--speed', '0', '--wait', '1s', path.join(scratch, file), SERVE.replace('http', 'ws')], { encoding: 'utf8' });
        ok(/session 1, rfc6455/.test(stdout + stderr) || status === 0, `draftwire replay: ${status} ${stdout} ${stderr}`);
        return;
      }
      const events = execFileSync(DRAFTWIRE, ['inspect', '--quiet', '--json', path.join(scratch, file)], { maxBuffer: 1 << 26 }).toString().trim().split('\n').map((l) => JSON.parse(l));
      ok(events.some((e) => e.event === 'message' && /a text for the room/.test(e.message.text)), `${file} has no text of the room: ${events.map((e) => `${e.event} ${e.text || ''} ${JSON.stringify(e.message || '')}`).join(', ').slice(0, 900)}`);
    });
  }

  test('traffic: charts, refusals with what would admit them, losses, backends', async () => {
    await view('#/traffic', 'document.querySelectorAll(".chart canvas").length >= 2');
    await wait('/no_route/.test(document.querySelector("main").innerText)');
    const s = await text('main');
    for (const w of ['Ready', 'What would admit it', 'ws://127.0.0.1:', 'up', 'no TLS', 'front']) ok(s.includes(w), `no ${w}`);
    ok(await ask('[...document.querySelectorAll("h2")].find((h) => h.textContent === "Losses").nextElementSibling.querySelectorAll("tbody tr").length > 0'), 'no loss');
    await click('last day');
    await wait('document.querySelector("[data-span=\\"24h\\"]").getAttribute("aria-pressed") === "true"');
    await ask('document.querySelector("details").open = true');
    await wait('document.querySelectorAll("details tbody tr").length > 0');
    await click('last hour');
  });
  test('retirement: report, plan, and whom it would cut off', async () => {
    await view('#/retirement', 'document.querySelectorAll(".report tbody tr").length === 9');
    ok(/hixie-76/.test(await text('.report')), 'no version');
    ok(await ask('document.querySelectorAll(".month .event").length > 0'), 'no stage in the calendar');
    await page.click('[data-v="hixie-76"] input');
    await wait('/^3 of 2\\d open connections would be cut off/.test(document.querySelector(".banner").textContent)');
    ok(await ask('document.querySelectorAll(".hundred tbody tr").length === 3'), 'the clients');
    is(await ask('location.hash'), '#/retirement?off=hixie-76', 'the address');
  });

  test('try it: a wrong token is refused, the right one connects in hixie-76', async () => {
    await view('#/try', 'document.querySelector("select[name=version]")');
    await page.select('select[name=version]', 'hixie-76');
    await page.$eval('input[name=path]', (e) => { e.value = '/echo/tried'; });
    await click('Connect');
    await wait('document.querySelector("dialog[open] input[type=password]")');
    await page.type('dialog input', 'not the right one');
    await page.keyboard.press('Enter');
    await wait('/not the right one/.test(document.querySelector("dialog[open]")?.innerText)');
    await page.type('dialog input', TOKEN);
    await page.keyboard.press('Enter');
    await wait('/Connected in hixie-76/.test(document.querySelector(".banner").textContent)');
    ok(/Sec-WebSocket-Key1/.test(await text('.handshake')), 'no handshake');
    await page.type('input[name=message]', 'hello <b>there</b>');
    await page.keyboard.press('Enter');
    await wait('[...document.querySelectorAll(".frames .payload")].filter((p) => p.textContent === "hello <b>there</b>").length === 2');
    await click('Close');
    await wait('document.querySelector(".banner").dataset.state === "down"');
  });
  test('orders: refused with a wrong token, done with the right one, and in the audit', async () => {
    await view('#/orders', 'document.querySelector(".cards .card")');
    await click('Forget the token');
    await click('Reload the configuration');
    await wait('document.querySelector("dialog[open] input[type=password]")');
    is(await ask('document.activeElement.name'), 'token', 'the focus in the dialog');
    await page.keyboard.press('Escape');
    await wait('!document.querySelector("dialog")');
    is(await ask('document.activeElement.textContent'), 'Reload the configuration', 'the focus behind the dialog');
    await click('Reload the configuration');
    await wait('document.querySelector("dialog[open] input")');
    await page.type('dialog input', 'wrong wrong wrong wrong');
    await page.keyboard.press('Enter');
    await wait('document.querySelector("dialog [role=alert]")?.textContent');
    await page.type('dialog input', TOKEN);
    await page.keyboard.press('Enter');
    await wait('/has taken the order/.test(document.querySelector("main").innerText)');
    await wait('[...document.querySelectorAll("main tbody tr")].some((r) => /reload/.test(r.innerText))');
    is(await ask('JSON.stringify([Object.keys(localStorage), Object.keys(sessionStorage), document.cookie])'), '[[],[],""]', 'what is stored');
    ok(!(await page.content()).includes(TOKEN) && !(await page.url()).includes(TOKEN), 'the token is in the page');
  });
  test('orders: a connection is closed', async () => {
    await view('#/connections?q=talk%2Fhybi-07%2F1', 'document.querySelectorAll(".connections tbody tr").length === 1');
    await page.click('.connections tbody a');
    await wait('document.querySelector(".handshake")');
    await click('Close the connection');
    await click('Close it');
    await wait('/ended|gone/.test(document.querySelector(".state").textContent)');
    await view('#/connections?q=talk%2Fhybi-07%2F1', '/No connection matches/.test(document.querySelector("main").innerText)');
  });

  for (const [name, hash, until] of views) {
    test(`${name}: axe finds nothing, light`, async () => { await view(hash, until); await judge(name); });
  }
  test('connection: axe finds nothing, light', async () => {
    await view('#/connections?q=talk%2Fhixie-76%2F0', 'document.querySelectorAll(".connections tbody tr").length === 1');
    await view(await first(), 'document.querySelector(".stop") && document.querySelectorAll(".frames tbody tr").length > 1');
    await judge('connection');
  });
  test('narrow, and zoomed to 200 %: nothing but tables scrolls to the side', async () => {
    await view('#/connections?q=talk%2Fhixie-76%2F0', 'document.querySelectorAll(".connections tbody tr").length === 1');
    for (const [name, hash, until] of [['connection', await first(), 'document.querySelector(".stop")'], ...views]) {
      for (const width of [320, 640]) {
        await page.setViewport({ width, height: 640 });
        await view(hash, until);
        await sleep(100);
        const wide = await ask('document.documentElement.scrollWidth');
        ok(wide <= width, `${name}: ${wide} pixels in ${width}`);
      }
    }
    await page.setViewport({ width: 1360, height: 900 });
  });

  test('dark: axe finds nothing', async () => {
    if (browserName === 'chromium') await page.emulateMediaFeatures([{ name: 'prefers-color-scheme', value: 'dark' }, { name: 'prefers-reduced-motion', value: 'reduce' }]);
    else {
      await judgeQuiet();
      await browser.close();
      await launch(true);
      await page.goto(CONSOLE);
    }
    await view('#/connections', 'document.querySelectorAll(".connections tbody tr").length > 3');
    is(await ask('getComputedStyle(document.body).backgroundColor'), 'rgb(15, 19, 25)', 'the ground');
    for (const [name, hash, until] of views) {
      await view(hash, until);
      await judge(name);
      if (name === 'traffic' && browserName === 'chromium') await picture('console-dark.png');
    }
    await view('#/connections?q=talk%2Fhixie-76%2F0', 'document.querySelectorAll(".connections tbody tr").length === 1');
    await view(await first(), 'document.querySelector(".stop")');
    await judge('connection');
  });
  test('an hour of refreshing, in short: the page does not grow', async () => {
    const cdp = await page.createCDPSession();
    const measure = async () => {
      for (let i = 0; i < 3; i++) await cdp.send('HeapProfiler.collectGarbage');
      const c = await cdp.send('Memory.getDOMCounters'), m = await page.metrics();
      return { nodes: c.nodes, listeners: c.jsEventListeners, heap: m.JSHeapUsedSize };
    };
    const round = async (times) => {
      for (let i = 0; i < times; i++) for (const [, hash, until] of views) await view(hash, until);
      await view('#/connections', 'document.querySelectorAll(".connections tbody tr").length > 3');
      await page.evaluate(async (n) => {
        const { refresh } = await import('./api.js');
        for (let i = 0; i < n; i++) {
          refresh.dispatchEvent(new Event('change'));
          await new Promise((r) => setTimeout(r, 4));
        }
      }, 450 * times);
    };
    await round(1);
    const before = await measure();
    await round(4);
    const after = await measure();
    console.log(`# 1,800 refreshes and four rounds of all views: heap ${(before.heap / 1e6).toFixed(2)} to ${(after.heap / 1e6).toFixed(2)} MB, nodes ${before.nodes} to ${after.nodes}, listeners ${before.listeners} to ${after.listeners}`);
    ok(after.heap < before.heap + 1.5e6, `heap ${before.heap} to ${after.heap}`);
    ok(after.nodes < before.nodes + 300, `nodes ${before.nodes} to ${after.nodes}`);
    ok(after.listeners < before.listeners + 60, `listeners ${before.listeners} to ${after.listeners}`);
  }, 'chromium');
  test('a flood of frames: 1,000 rows are kept, and the page answers', async () => {
    await view('#/connections?q=%2Fecho%2Fflood', 'document.querySelectorAll(".connections tbody tr").length === 1');
    await page.click('.connections tbody a');
    await wait('document.querySelector(".handshake") && document.querySelector(".framelist").checkVisibility()');
    await wait('/the last 1,000 rows are kept/.test(document.querySelector(".tally").textContent)', 60_000);
    const rows = await ask('document.querySelectorAll(".frames tbody tr").length');
    ok(rows <= 1100, `${rows} rows`);
    const longest = await ask('new Promise((done) => { let worst = 0, last = performance.now(), n = 0; (function tick() { const now = performance.now(); worst = Math.max(worst, now - last); last = now; if (++n < 120) requestAnimationFrame(tick); else done(worst); })(); })');
    console.log(`# a flood of frames: ${rows} rows, ${await text('.tally')}; the longest gap between two pictures of 120: ${longest.toFixed(0)} ms`);
    await click('Stop watching');
  }, 'chromium');

  test('the page of serve: its browser\'s handshake, sent and received, the way to the console', async () => {
    await page.goto(SERVE + '/');
    await wait2('document.getElementById("state").innerText === "connected" && document.querySelectorAll("#handshake code").length > 8');
    is(await text('#version'), 'rfc6455', 'the version');
    ok(/What your browser has sent[^]*Sec-WebSocket-Key: [^]*RFC 6455/.test(await text('#handshake')), 'no handshake');
    await page.type('#text', '<img src=x onerror=window.hacked=1>');
    await page.keyboard.press('Enter');
    await wait2('document.querySelector("#log .received .said")?.textContent === "<img src=x onerror=window.hacked=1>" && document.querySelector("#log .sent")');
    await judge('page of serve');
    if (PICTURES && browserName === 'chromium') {
      await page.setViewport({ width: 900, height: 1000 });
      await picture('serve.png');
      await page.setViewport({ width: 1360, height: 900 });
    }
    await judgeQuiet();
    await page.click('#console a');
    await wait('document.querySelectorAll(".connections tbody tr").length > 0');
  });
  test('serve has the same console', async () => {
    await page.goto(SERVE + '/_console/');
    await wait('document.querySelectorAll(".connections tbody tr").length > 0');
    is(await text('nav'), 'Connections\nTraffic', 'the views');
    ok(await ask('![...document.querySelectorAll("th")].some((t) => /Backend/.test(t.innerText))'), 'a column Backend');
    await page.click('.connections tbody a');
    await wait('document.querySelector(".handshake .stop")');
    await judgeQuiet();
  });
  test('a lost server is said, and found again', async () => {
    await page.goto(CONSOLE);
    await wait('document.querySelectorAll(".connections tbody tr").length > 3');
    await gatewayDown();
    await wait('!document.getElementById("lost").hidden && /No answer/.test(document.getElementById("lost").innerText)');
    await wait('/lost/.test(document.getElementById("say").textContent)');
    is(await text('#link-text'), 'lost', 'the state');
    ok(await ask('document.querySelectorAll(".connections tbody tr").length > 3'), 'what was there is not there any more');
    await gatewayUp();
    await wait('document.getElementById("lost").hidden && /Nobody is connected/.test(document.querySelector("main").innerText)', 40_000);
    await wait('/started again|answers again/.test(document.getElementById("say").textContent)');
  });
  test('no violation of the policy, no error, and nothing hostile has run', judgeQuiet);
}

async function judgeQuiet() {
  said.push(...await ask('window.violations.splice(0)'));
  is(await ask('window.hacked'), undefined, 'a hostile text has run');
  const all = said;
  said = [];
  ok(!all.length, all.join('; '));
}

// ---- 50,000 connections

function crowdCases() {
  // The mark is one of Chromium; of Firefox the times are printed.
  const mark = browserName === 'chromium' ? Number(process.env.MARK || 1000) : Infinity;
  test(mark < Infinity ? `50,000 connections: each interaction in less than ${mark} ms` : '50,000 connections: interactions', async () => {
    await wait('document.querySelectorAll(".connections tbody tr").length === 50');
    await wait('/^50,000 /.test(document.querySelector(".head .soft").textContent)');
    if (browserName === 'chromium') await picture('console-light.png');
    const at = (list, p) => [...list].sort((a, b) => a - b)[Math.min(list.length - 1, Math.floor(list.length * p))];
    // What else the machine does can spoil a round: the best of four counts.
    let best = Infinity;
    for (let round = 1; round === 1 || (round <= 4 && best >= mark); round++) {
      const times = await page.evaluate(interact);
      const flat = Object.values(times).flat();
      best = Math.min(best, at(flat, 0.95));
      for (const [name, list] of Object.entries({ ...times, all: flat })) {
        console.log(`# ${browserName}, 50,000 connections, round ${round}: ${name}: ${list.length} times, median ${at(list, 0.5).toFixed(0)} ms, p95 ${at(list, 0.95).toFixed(0)} ms, most ${at(list, 1).toFixed(0)} ms`);
      }
    }
    ok(best < mark, `p95 is ${best.toFixed(0)} ms`);
  });
  test('50,000 connections: a connection opens', async () => {
    await view('#/connections?q=%2Flive%2F49999', 'document.querySelectorAll(".connections tbody tr").length === 1');
    await page.click('.connections tbody a');
    await wait('document.querySelector(".handshake .stop")');
    await ask('history.back()');
    await wait('document.querySelector(".connections tbody tr")');
  });
  test('no violation of the policy, no error, and nothing hostile has run', judgeQuiet);
}

// interact does in the page what operators do. Each time goes from the event to behind the
// picture in which the table shows the answer.
async function interact() {
  const painted = () => new Promise((r) => requestAnimationFrame(() => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = r; // comes behind the picture
    port2.postMessage('');
  }));
  const grid = document.querySelector('.connections');
  const settled = () => new Promise((resolve) => {
    if (!grid.hasAttribute('aria-busy')) return resolve();
    const o = new MutationObserver(() => { if (!grid.hasAttribute('aria-busy')) { o.disconnect(); resolve(); } });
    o.observe(grid, { attributes: true });
  });
  const all = {};
  async function measure(name, act) {
    await new Promise((r) => setTimeout(r, 30));
    const began = performance.now();
    act();
    await settled();
    await painted();
    (all[name] ??= []).push(performance.now() - began);
  }
  const b = (name) => [...document.querySelectorAll('button')].find((x) => x.textContent.trim() === name);
  const search = document.getElementById('search');
  const type = (text) => { search.value = text; search.dispatchEvent(new Event('input', { bubbles: true })); };
  for (let i = 0; i < 3; i++) {
    for (const chip of document.querySelectorAll('.chip')) await measure('version', () => document.querySelector(`.chip[data-version="${chip.dataset.version}"]`).click());
    await measure('version', () => document.querySelector('.chip').click());
    for (const name of ['Client', 'Version', 'In', 'Messages out', 'Opened']) await measure('sort', () => b(name).click());
    for (let j = 0; j < 3; j++) await measure('page', () => b('Next page').click());
    for (const t of ['k', 'ki', 'kio', 'kios', 'kiosk', '10.0.77', '']) await measure('search', () => type(t));
  }
  return all;
}

async function quit(status) {
  if (browser) await browser.close().catch(() => {});
  for (const c of children) c.kill('SIGKILL');
  fs.rmSync(scratch, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  process.exit(status);
}
process.on('SIGTERM', () => quit(1));
main().then(() => quit(0), (e) => {
  console.log(`not ok ${what} # ${e.message.replace(/\s+/g, ' ')}`);
  return quit(1);
});
