// The page as a whole: which view is open, whether the server answers, what it is.
import { el, setText, say, span, replace } from './dom.js';
import { get, link, poll, isPaused, setPaused, Failure } from './api.js';
import * as connections from './connections.js';
import * as connection from './connection.js';
import * as traffic from './traffic.js';
import * as retirement from './retirement.js';
import * as trying from './try.js';
import * as orders from './orders.js';

const views = { connections, connection, traffic, retirement, try: trying, orders };
const main = document.getElementById('main');
const context = { about: null };

// A route is #/VIEW or #/VIEW/ARGUMENT, with a query behind it.
function route() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?');
  const [name, ...rest] = path.split('/');
  return { name: name in views ? name : 'connections', arg: decodeURIComponent(rest.join('/')), params: new URLSearchParams(query) };
}

let open = null, opened = '';
function show() {
  if (!context.about) return;
  if (location.hash === '#main') return;
  const r = route(), key = r.name + '/' + r.arg;
  if (open && key === opened && open.update) {
    open.update(r.params);
    return;
  }
  const first = !open;
  if (open) open.close();
  main.replaceChildren();
  opened = key;
  open = views[r.name].open(main, r, context) || { close() {} };
  const tab = r.name === 'connection' ? 'connections' : r.name;
  for (const a of document.querySelectorAll('nav a')) {
    if (a.dataset.view === tab) a.setAttribute('aria-current', 'page');
    else a.removeAttribute('aria-current');
  }
  const title = main.querySelector('h1');
  document.title = `${title ? title.textContent : ''} – draftwire console`;
  if (!first) {
    scrollTo(0, 0);
    if (title) title.focus({ preventScroll: true });
  }
}
addEventListener('hashchange', show);

// ---- whether the server answers

const linkBox = document.getElementById('link'), lost = document.getElementById('lost');
let downSince = 0, ticking = 0;
function state(name, text) {
  linkBox.dataset.state = name;
  setText(document.getElementById('link-text'), text);
}
function told() {
  if (downSince) {
    setText(lost, `No answer from the server since ${span(Date.now() - downSince)}. What you see is from before. The page goes on asking.`);
    state('down', 'lost');
  } else if (isPaused()) state('paused', 'paused');
  else state('up', 'live');
}
link.addEventListener('down', (e) => {
  downSince = Date.now();
  lost.hidden = false;
  told();
  ticking = setInterval(told, 1000);
  say(`The server has been lost: ${e.detail}.`);
});
link.addEventListener('up', () => {
  if (downSince) {
    say('The server answers again.');
    who.now();
  }
  downSince = 0;
  clearInterval(ticking);
  lost.hidden = true;
  told();
});

const pause = document.getElementById('pause');
pause.addEventListener('click', () => {
  setPaused(!isPaused());
  pause.setAttribute('aria-pressed', String(isPaused()));
  setText(pause, isPaused() ? 'Resume' : 'Pause');
  told();
  say(isPaused() ? 'The page does not refresh.' : 'The page refreshes.');
});

document.getElementById('skip').addEventListener('click', (e) => {
  e.preventDefault();
  main.focus();
});

// ---- what the server is

const who = poll(30_000, async (signal) => {
  let about;
  try {
    about = await get('about', null, signal);
  } catch (e) {
    if (e instanceof Failure && e.status && !context.about) {
      replace(main, el('h1', { tabindex: '-1' }, 'The console is not to be had'), el('p', {}, e.message), el('p', { class: 'soft' }, e.hint));
    }
    throw e;
  }
  const before = context.about;
  context.about = about;
  const versions = about.versions || [];
  setText(document.getElementById('about'), `${about.version || ''} ${about.kind || ''}, process ${about.pid}`);
  if (before && before.pid !== about.pid) {
    say('Another process answers now: the server was started again.');
    opened = '';
  }
  for (const a of document.querySelectorAll('nav a')) { // what serve has not
    a.parentElement.hidden = about.kind === 'serve' && ['retirement', 'try', 'orders'].includes(a.dataset.view);
  }
  if (!before || before.pid !== about.pid) {
    context.order = versions.map((v) => v.name);
    context.titles = Object.fromEntries(versions.map((v) => [v.name, [v.date, v.shipped || v.title].filter(Boolean).join(', ')]));
    show();
  }
});
