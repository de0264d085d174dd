// What the page asks of its server. The token of an operator stands in one variable of this
// module, from when it is typed until the page is closed: no storage, no cookie, no address.

const waitMs = 10_000; // for an answer

let token = '';
export const hasToken = () => token !== '';
export function setToken(text) { token = text.trim(); }

// Failure is an answer other than 2xx, or none (status 0).
export class Failure extends Error {
  constructor(status, message, hint) {
    super(message);
    this.status = status;
    this.hint = hint || '';
  }
}

// link tells whether the server answers: "up" and "down" events.
export const link = new EventTarget();
let up = null;
function seen(now, why) {
  if (now === up) return;
  up = now;
  link.dispatchEvent(new CustomEvent(now ? 'up' : 'down', { detail: why }));
}

async function ask(path, init, signal) {
  const headers = { ...(init.headers || {}) };
  if (token) headers.Authorization = 'Bearer ' + token;
  let resp;
  try {
    resp = await fetch(path, { ...init, headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' });
  } catch (e) {
    if (signal && signal.aborted && signal.reason?.name !== 'TimeoutError') throw e;
    seen(false, e.name === 'TimeoutError' ? 'no answer within ten seconds' : 'no answer');
    throw new Failure(0, 'The server does not answer.');
  }
  seen(true);
  if (resp.ok) return resp;
  let said = {};
  try { said = await resp.json(); } catch { /* not one of the console's answers */ }
  throw new Failure(resp.status, said.error || `The server says ${resp.status}.`, said.hint);
}

// limited does act(signal) with a signal that also ends when it takes too long. It leaves no timer.
async function limited(outer, act) {
  const control = new AbortController();
  const end = () => control.abort(outer.reason);
  const timer = setTimeout(() => control.abort(new DOMException('it took too long', 'TimeoutError')), waitMs);
  if (outer) outer.addEventListener('abort', end);
  try {
    return await act(control.signal);
  } finally {
    clearTimeout(timer);
    if (outer) outer.removeEventListener('abort', end);
  }
}

function address(path, params) {
  const q = new URLSearchParams();
  for (const [k, v] of Object.entries(params || {})) if (v !== '' && v !== undefined && v !== null) q.set(k, v);
  const s = q.toString();
  return 'api/' + path + (s ? '?' + s : '');
}

// get asks for JSON.
export function get(path, params, signal) {
  return limited(signal, async (s) => (await ask(address(path, params), {}, s)).json());
}

// post gives an order.
export function post(path, body, params) {
  return limited(null, async (s) => {
    const resp = await ask(address(path, params), {
      method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body ?? {}),
    }, s);
    const text = await resp.text();
    return text ? JSON.parse(text) : {};
  });
}

// file asks for a file, as {blob, name}.
export function file(path, params) {
  return limited(null, async (s) => {
    const resp = await ask(address(path, params), {}, s);
    const m = /filename="?([^";]+)"?/.exec(resp.headers.get('Content-Disposition') || '');
    return { blob: await resp.blob(), name: m ? m[1] : 'connection' };
  });
}

// lines calls take with each object of a stream of JSON lines, until it ends or signal does.
// Objects that came in one piece come to take in one array.
export async function lines(path, signal, take) {
  const resp = await ask(address(path), {}, signal);
  const reader = resp.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const parts = (rest + value).split('\n');
    rest = parts.pop();
    const batch = parts.filter((l) => l.trim() !== '').map((l) => JSON.parse(l));
    if (batch.length) take(batch);
  }
}

// Refreshing: one switch for all that asks again and again.
export const refresh = new EventTarget();
let paused = false;
export const isPaused = () => paused;
export function setPaused(p) {
  paused = p;
  refresh.dispatchEvent(new Event('change'));
}

// poll calls ask(signal) now and every so many milliseconds after its end, more rarely while it
// fails, and not while the page is paused or hidden. It returns {now(), stop()}.
export function poll(every, ask) {
  let timer = 0, control = null, failures = 0, again = false, stopped = false;
  async function run() {
    clearTimeout(timer);
    if (stopped) return;
    if (control) { again = true; return; }
    control = new AbortController();
    try {
      await ask(control.signal);
      failures = 0;
    } catch (e) {
      if (!(e instanceof Failure) && !control.signal.aborted) { control = null; throw e; }
      failures++;
    }
    control = null;
    if (stopped) return;
    if (again) { again = false; run(); return; }
    timer = setTimeout(tick, failures ? Math.min(every * 2 ** failures, 30_000) : every);
  }
  function tick() {
    if (!paused && !document.hidden) run();
  }
  function wake() { if (!paused && !document.hidden) run(); }
  document.addEventListener('visibilitychange', wake);
  refresh.addEventListener('change', wake);
  addEventListener('online', wake);
  run();
  return {
    now: run,
    stop() {
      stopped = true;
      clearTimeout(timer);
      if (control) control.abort();
      document.removeEventListener('visibilitychange', wake);
      refresh.removeEventListener('change', wake);
      removeEventListener('online', wake);
    },
  };
}
