// The frames of a connection, as they come: the client's side on the left, the backend's on the
// right, and between them what the translation changed. The last 1,000 rows are kept.
import { el, setText, count, plural, visible, clock, exact, dump, toHex, hexOf } from './dom.js';

const most = 1000;     // rows
const aPicture = 100;  // frames that are drawn at once,
const pictureMs = 100; // and how often: eyes take no more
const together = 64;   // frames of one direction that wait for what they become on the other side
const shownText = 160; // characters of a payload in a row; the row opens to show all

const arrows = { in: '→', out: '←' };
const isControl = (f) => f.op === 'ping' || f.op === 'pong';

// frameList is {root, take(lines), end(why), reset()}. With one side, as of a client that the page
// itself runs, there is one column.
export function frameList({ sides = 2 } = {}) {
  let rows = [], held = [], paused = false, unseen = 0, queue = [], drawing = 0, total = 0;
  let waiting = { toBackend: [], toClient: [] }; // rows that have one side yet

  const dir = choice('Direction', [['', 'both'], ['client', sides === 2 ? 'from the client' : 'sent'], ['backend', sides === 2 ? 'from the backend' : 'received']]);
  const op = choice('Kind', [['', 'all'], ['text', 'text'], ['binary', 'binary'], ['continuation', 'continuation'], ['close', 'close'], ['ping', 'ping'], ['pong', 'pong'], ['changed', 'changed by translation']]);
  if (sides !== 2) op.select.lastElementChild.remove();
  const text = el('input', { type: 'search', autocomplete: 'off', spellcheck: 'false', placeholder: 'text, or /regular expression/' });
  const pings = el('input', { type: 'checkbox' });
  const hex = el('input', { type: 'checkbox' });
  const pause = el('button', { type: 'button', 'aria-pressed': 'false', onclick: () => setPaused(!paused) }, 'Pause frames');
  const clear = el('button', { type: 'button', onclick: reset }, 'Clear');
  const tally = el('p', { class: 'soft tally' });
  const body = el('tbody');
  const names = sides === 2 ? ['Time', 'Client', 'Backend', 'Translation'] : ['Time', 'Frame'];
  const grid = el('table', { class: 'frames', dataset: { sides: String(sides) } }, el('caption', { class: 'hide' }, 'Frames'),
    el('thead', {}, el('tr', {}, names.map((n) => el('th', { scope: 'col' }, n)))), body);
  const box = el('div', { class: 'box tall', tabindex: '0', role: 'region', 'aria-label': 'Frames, the newest at the end' }, grid);
  const latest = el('button', { type: 'button', class: 'latest', hidden: true, onclick: () => { box.scrollTop = box.scrollHeight; } }, 'To the newest');
  const root = el('div', { class: 'framelist' },
    el('div', { class: 'tools' }, dir.label, op.label, el('label', { class: 'field grow' }, 'Search ', text),
      el('label', { class: 'check' }, pings, ' pings and pongs'), el('label', { class: 'check' }, hex, ' hex'), pause, clear),
    box, el('div', { class: 'row' }, tally, latest));

  for (const c of [dir.select, op.select, text, pings]) c.addEventListener('input', refilter);
  hex.addEventListener('input', () => {
    box.classList.toggle('hex', hex.checked);
    for (const r of rows) for (const c of r.cells) if (c) c.payload.textContent = shown(c.frame);
  });
  box.addEventListener('scroll', () => { latest.hidden = atEnd(); }, { passive: true });
  const atEnd = () => box.scrollHeight - box.scrollTop - box.clientHeight < 40;

  function choice(name, options) {
    const select = el('select', {}, options.map(([v, t]) => el('option', { value: v }, t)));
    return { select, label: el('label', { class: 'field' }, name + ' ', select) };
  }
  function setPaused(p) {
    paused = p;
    pause.setAttribute('aria-pressed', String(p));
    setText(pause, p ? 'Resume frames' : 'Pause frames');
    if (!p) { take(held); held = []; }
    told();
  }

  function take(batch) {
    if (paused) {
      held.push(...batch);
      if (held.length > most) {
        unseen += held.length - most;
        held = held.slice(-most);
      }
      told();
      return;
    }
    queue.push(...batch);
    if (queue.length > most) { // more than is kept has come since the last picture
      unseen += queue.length - most;
      queue = queue.slice(-most);
    }
    wake();
  }
  function wake() {
    if (!drawing) drawing = setTimeout(draw, Math.max(0, drawn + pictureMs - performance.now()));
  }

  let drawn = 0;
  function draw() {
    drawing = 0;
    drawn = performance.now();
    const follow = atEnd();
    const fresh = document.createDocumentFragment();
    for (const f of queue.splice(0, aPicture)) {
      if (f.notshown) { unseen += f.notshown; fresh.append(gap(`${plural(f.notshown, 'frame')} not shown: they came faster than the console takes`)); continue; }
      if (typeof f.ended === 'string') fresh.append(gap(f.ended));
      if (!f.op) continue;
      if (f.op === 'loss') { fresh.append(...dropped(f)); continue; }
      total++;
      const row = put(f);
      if (row) fresh.append(row.tr);
    }
    if (queue.length) wake();
    body.append(fresh);
    while (rows.length > most) drop(rows.shift());
    while (body.children.length > most + 100) body.firstElementChild.remove(); // gaps and opened rows
    if (follow) box.scrollTop = box.scrollHeight;
    latest.hidden = atEnd();
    told();
  }
  function drop(r) {
    r.tr.remove();
    if (r.detail) r.detail.remove();
    for (const list of Object.values(waiting)) { const i = list.indexOf(r); if (i >= 0) list.splice(i, 1); }
  }
  const gap = (t) => el('tr', { class: 'gap' }, el('td', { colspan: String(names.length) }, t));

  // put makes a row of a frame, or makes it the other half of one; then it is null.
  function put(f) {
    if (sides === 1) return add(f, 0, f.dir === 'out' ? 'client' : 'backend');
    const column = f.side === 'backend' ? 1 : 0;
    // What comes in from the client goes out to the backend, and the other way round.
    const from = (f.side === 'client') === (f.dir === 'in') ? 'client' : 'backend';
    const list = from === 'client' ? waiting.toBackend : waiting.toClient;
    if (f.dir === 'out') {
      const i = list.findIndex((r) => pairs(r.frame, f));
      if (i >= 0) {
        const [r] = list.splice(i, 1);
        cell(r, f, column);
        mark(r);
        filter(r);
        return null;
      }
    }
    const row = add(f, column, from);
    if (f.dir === 'in') {
      list.push(row);
      if (list.length > together) list.shift();
    }
    return row;
  }
  // dropped marks the row of a frame of which nothing went out on the other side.
  function dropped(f) {
    const from = f.side === 'backend' ? 'backend' : 'client';
    const r = (from === 'client' ? waiting.toBackend : waiting.toClient).pop();
    if (!r) return [gap(`${from === 'client' ? 'From the client' : 'From the backend'}: ${f.loss}`)];
    r.loss = f.loss;
    mark(r);
    filter(r);
    return [];
  }
  const family = (f) => (f.op === 'ping' || f.op === 'pong' || f.op === 'close' ? f.op : 'data');
  const pairs = (a, b) => family(a) === family(b) && (a.op === b.op || a.length === b.length || b.loss || a.loss);

  function add(f, column, from) {
    const open = el('button', { type: 'button', class: 'when', 'aria-expanded': 'false', title: exact(f.t_ms) }, clock(f.t_ms));
    const cells = names.slice(1).map(() => el('td'));
    const tr = el('tr', { dataset: { from } }, el('th', { scope: 'row' }, open), cells);
    const r = { tr, tds: cells, cells: [null, null], frame: f, from, open };
    cell(r, f, column);
    open.addEventListener('click', () => toggle(r));
    mark(r);
    filter(r);
    rows.push(r);
    return r;
  }
  function cell(r, f, column) {
    const payload = el('span', { class: 'payload' }, shown(f));
    // In two columns an arrow points as the frame goes: the backend stands on the right.
    const arrow = sides === 2 ? (r.from === 'client' ? arrows.in : arrows.out) : arrows[f.dir === 'out' ? 'in' : 'out'];
    r.tds[column].append(el('span', { class: 'arrow', 'aria-hidden': 'true' }, arrow), el('span', { class: 'hide' }, r.from === 'client' ? 'from the client ' : 'from the backend '),
      el('span', { class: 'op', dataset: { op: f.op } }, f.op), el('span', { class: 'len' }, count(f.length) + ' B'), payload);
    r.cells[column] = { frame: f, payload };
  }
  function mark(r) {
    const words = changes(r);
    r.changed = words.length > 0;
    if (sides === 2) {
      r.tds[2].replaceChildren(...words.map((w) => el('span', { class: 'mark' }, w)));
      if (!words.length && r.cells[0] && r.cells[1]) r.tds[2].append(el('span', { class: 'soft' }, 'same'));
    }
  }
  function shown(f) {
    if (hex.checked) return hexOf((f.payload_hex ?? toHex(f.payload ?? '')).slice(0, 2 * shownText)) + (f.cut ? ' …' : '');
    if (f.op === 'close') return [f.code || 'no code', f.reason ? visible(f.reason) : ''].filter(Boolean).join(' ');
    if (f.payload !== undefined && f.payload !== null) return visible(f.payload.slice(0, shownText)) + (f.cut || f.payload.length > shownText ? ' …' : '');
    if (f.payload_hex) return hexOf(f.payload_hex.slice(0, shownText)) + (f.cut || f.payload_hex.length > shownText ? ' …' : '');
    if (f.error) return visible(f.error);
    return f.length ? (f.withheld ? '(withheld by the configuration)' : '(payload is not shown)') : '';
  }

  // toggle shows all that is known of a row below it.
  function toggle(r) {
    const open = !r.detail;
    r.open.setAttribute('aria-expanded', String(open));
    if (!open) { r.detail.remove(); r.detail = null; return; }
    r.detail = el('tr', { class: 'detail' }, el('td', { colspan: String(names.length) },
      el('div', { class: 'sides', dataset: { n: String(sides) } }, r.cells.slice(0, sides).map((c, i) => c && el('section', { class: 'side' },
        sides === 2 && el('h4', {}, i ? 'Backend' : 'Client'),
        el('p', { class: 'soft' }, describe(c.frame)),
        c.frame.head && el('p', {}, 'Head ', el('code', {}, hexOf(c.frame.head))),
        c.frame.payload && el('pre', { tabindex: '0', role: 'group', 'aria-label': 'Payload as text' }, visible(c.frame.payload).replaceAll('\u240a', '\n')),
        (c.frame.payload_hex || c.frame.payload) && el('pre', { tabindex: '0', role: 'group', 'aria-label': 'Payload in hex' }, dump(c.frame.payload_hex ?? toHex(c.frame.payload))),
        c.frame.cut && el('p', { class: 'soft' }, 'The payload is longer than what is kept of it.'))))));
    r.tr.after(r.detail);
  }
  function describe(f) {
    return [f.type ? `${f.op}, frame type ${f.type}` : f.op, f.fin ? 'the last of its message' : 'more of the message follows', f.rsv ? `RSV ${f.rsv}` : '', f.masked ? 'masked' : 'not masked',
      `${plural(f.length, 'byte')} of payload`, f.loss ? `changed: ${f.loss}` : ''].filter(Boolean).join(', ') + '.';
  }

  // filter hides a row that is not asked for.
  let wanted = () => true;
  function filter(r) {
    r.tr.hidden = !wanted(r);
    if (r.detail) r.detail.hidden = r.tr.hidden;
  }
  function refilter() {
    const find = finder(text);
    const wants = op.select.value, from = dir.select.value;
    wanted = (r) => {
      if (isControl(r.frame) && !pings.checked && wants !== r.frame.op) return false;
      if (from && r.from !== from) return false;
      if (wants === 'changed' ? !r.changed : wants && !r.cells.some((c) => c && c.frame.op === wants)) return false;
      return !find || r.cells.some((c) => c && find(c.frame));
    };
    for (const r of rows) filter(r);
    if (atEnd()) box.scrollTop = box.scrollHeight;
    told();
  }

  // told says the counts, a few times in a second.
  let telling = 0;
  function told() {
    if (!telling) telling = setTimeout(tell, 250);
  }
  function tell() {
    telling = 0;
    const hidden = rows.reduce((n, r) => n + (r.tr.hidden ? 1 : 0), 0);
    const pingsHidden = pings.checked ? 0 : rows.reduce((n, r) => n + (r.tr.hidden && isControl(r.frame) ? 1 : 0), 0);
    setText(tally, [
      `${plural(total, 'frame')} seen`,
      rows.length >= most ? `the last ${count(most)} rows are kept` : '',
      hidden - pingsHidden > 0 ? `${count(hidden - pingsHidden)} hidden by the filter` : '',
      pingsHidden ? `${plural(pingsHidden, 'ping or pong', 'pings and pongs')} hidden` : '',
      unseen ? `${count(unseen)} not shown` : '',
      paused ? `paused, ${count(held.length)} waiting` : '',
    ].filter(Boolean).join(', '));
  }
  function reset() {
    for (const r of rows) drop(r);
    rows = []; held = []; queue = []; unseen = 0; total = 0;
    waiting = { toBackend: [], toClient: [] };
    body.replaceChildren();
    told();
  }
  refilter();
  return {
    root, take, reset,
    end(why) { queue.push({ ended: why }); wake(); },
  };
}

// changes says what is different between the two sides of a row.
function changes(r) {
  const out = r.loss ? [r.loss] : [];
  for (const c of r.cells) if (c && c.frame.loss && !out.includes(c.frame.loss)) out.push(c.frame.loss);
  const [a, b] = r.cells;
  if (a && b) {
    if (a.frame.op !== b.frame.op) out.push(r.from === 'client' ? `${a.frame.op} became ${b.frame.op}` : `${b.frame.op} became ${a.frame.op}`);
    if (a.frame.payload !== undefined && b.frame.payload !== undefined && a.frame.payload !== b.frame.payload && !out.length) out.push('other payload');
  }
  return out;
}

// finder is a function that looks for what the field says in a frame, or null for nothing.
function finder(field) {
  const q = field.value;
  field.setCustomValidity('');
  if (!q) return null;
  const m = /^\/(.+)\/(i?)$/.exec(q);
  if (m) {
    try {
      const re = new RegExp(m[1], m[2]);
      return (f) => re.test(f.payload ?? f.payload_hex ?? f.reason ?? '');
    } catch {
      field.setCustomValidity('This is not a regular expression.');
      return null;
    }
  }
  const low = q.toLowerCase();
  return (f) => (f.payload ?? '').toLowerCase().includes(low) || (f.payload_hex ?? '').includes(low.replaceAll(' ', '')) || (f.reason ?? '').toLowerCase().includes(low);
}
