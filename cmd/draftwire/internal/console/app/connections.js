// The open connections: one page of a table that the server sorts and filters.
import { el, add, setText, setAttr, setAgo, say, count, plural, size, visible, heading, replace } from './dom.js';
import { get, poll } from './api.js';

const defaults = { version: '', route: '', q: '', sort: 'opened', desc: '1', offset: '0', limit: '50' };

// Columns: the key by which the server sorts, and what is shown of a row.
const columnsOf = (serve) => [
  { name: 'Client', sort: 'client', width: 'client' },
  { name: 'Version', sort: 'version', width: 'version' },
  ...(serve ? [{ name: 'Path', width: 'route' }] : [{ name: 'Route', sort: 'route', width: 'route' }, { name: 'Backend', width: 'backend' }]),
  { name: 'In', sort: 'in', num: true },
  { name: 'Out', sort: 'out', num: true },
  { name: 'Messages in', sort: 'messages_in', num: true },
  { name: 'Messages out', sort: 'messages_out', num: true },
  { name: 'Opened', sort: 'opened', num: true },
  { name: 'Last', sort: 'last', num: true },
];

export function open(main, route, context) {
  const serve = context.about.kind === 'serve', columns = columnsOf(serve);
  let params = read(route.params);
  let lastMatched = -1, held = false, waiting = null, loading = '';
  const rows = new Map(); // id to what stands in the table
  const byElement = new WeakMap();

  // ---- what stands still

  const total = el('span', { class: 'soft' });
  const chips = el('div', { class: 'chips', role: 'group', 'aria-label': 'Version' });
  const share = el('div', { class: 'share', 'aria-hidden': 'true' });
  const search = el('input', { type: 'search', id: 'search', autocomplete: 'off', spellcheck: 'false', placeholder: 'address, path, host, origin, device, backend' });
  const routes = el('select', { id: 'route' });
  const routeBox = el('label', { class: 'field' }, 'Route ', routes);
  const limit = el('select', { id: 'limit' }, ['50', '100', '250', '500'].map((n) => el('option', { value: n }, n)));
  const note = el('p', { class: 'held', hidden: true });
  const heads = columns.map((c) => {
    const th = el('th', { scope: 'col', class: c.num ? 'num' : '' });
    if (c.sort) th.append(el('button', { type: 'button', class: 'sort', onclick: () => sortBy(c.sort, c.num) }, ...order(c.num, c.name, el('span', { class: 'arrow', 'aria-hidden': 'true' }))));
    else th.append(c.name);
    c.th = th;
    return th;
  });
  const body = el('tbody');
  const grid = el('table', { class: 'connections' },
    el('caption', { class: 'hide' }, 'Open connections'),
    el('colgroup', {}, columns.map((c) => el('col', { class: 'c-' + (c.width || 'n') }))),
    el('thead', {}, el('tr', {}, heads)), body);
  const box = el('div', { class: 'box', tabindex: '0', role: 'region', 'aria-label': 'Open connections' }, grid);
  const empty = el('p', { class: 'empty', hidden: true });
  const range = el('span');
  const back = el('button', { type: 'button', onclick: () => page(-1) }, 'Previous page');
  const next = el('button', { type: 'button', onclick: () => page(1) }, 'Next page');
  add(main, 
    heading('Connections', total),
    share, chips,
    el('form', { class: 'tools', role: 'search', onsubmit: (e) => e.preventDefault() },
      el('label', { class: 'field grow' }, 'Search ', search), routeBox, el('label', { class: 'field' }, 'Rows ', limit)),
    note, box, empty,
    el('div', { class: 'pager' }, back, range, next));

  // ---- asking

  const asking = poll(2000, async (signal) => {
    const asked = JSON.stringify(params);
    loading = asked;
    const answer = await get('connections', params, signal);
    if (asked !== JSON.stringify(params)) return void asking.now(); // the filter has changed since
    loading = '';
    take(answer, asked);
  });

  // change takes another filter; "push" leaves the one before to the Back button.
  function change(changes, push) {
    params = { ...params, offset: '0', ...changes };
    const hash = '#/connections' + write(params);
    if (hash !== location.hash) history[push ? 'pushState' : 'replaceState'](null, '', hash);
    release();
    controls();
    setAttr(grid, 'aria-busy', 'true');
    asking.now();
  }
  function sortBy(key, descFirst) {
    const same = params.sort === key;
    change({ sort: key, desc: same ? (params.desc === '1' ? '0' : '1') : descFirst ? '1' : '0' }, false);
  }
  function page(by) {
    const n = +params.limit;
    change({ offset: String(Math.max(0, +params.offset + by * n)) }, true);
    box.scrollTop = 0;
  }
  search.addEventListener('input', () => change({ q: search.value }, false));
  routes.addEventListener('change', () => change({ route: routes.value }, true));
  limit.addEventListener('change', () => change({ limit: limit.value }, false));

  function controls() {
    if (search.value !== params.q && document.activeElement !== search) search.value = params.q;
    limit.value = params.limit;
    for (const c of columns) {
      if (!c.sort) continue;
      const dir = c.sort === params.sort ? (params.desc === '1' ? 'descending' : 'ascending') : null;
      setAttr(c.th, 'aria-sort', dir);
    }
    for (const b of chips.children) setAttr(b, 'aria-pressed', String(b.dataset.version === params.version));
  }

  // ---- showing

  function take(a, asked) {
    setText(total, `${plural(a.total, 'connection')} ${a.total === 1 ? 'is' : 'are'} open`);
    showVersions(a);
    showRoutes(a.routes || {});
    if (asked !== lastAsked) {
      lastAsked = asked;
      release();
      if (a.matched !== lastMatched && lastMatched >= 0) say(`${plural(a.matched, 'connection')} ${a.matched === 1 ? 'matches' : 'match'}.`);
    }
    lastMatched = a.matched;
    const from = +params.offset, to = from + a.rows.length;
    if (from > 0 && !a.rows.length && a.matched > 0) { // the page has emptied
      change({ offset: String(Math.floor((a.matched - 1) / +params.limit) * +params.limit) }, false);
      return;
    }
    setText(range, a.matched ? `${count(from + 1)} to ${count(to)} of ${count(a.matched)}` : 'none');
    back.disabled = from === 0;
    next.disabled = to >= a.matched;
    if (held) keep(a); else fill(a);
    setAttr(grid, 'aria-busy', null);
    empty.hidden = a.matched > 0;
    box.hidden = a.matched === 0;
    setText(empty, a.total ? 'No connection matches. ' : 'Nobody is connected at the moment. ');
    if (a.total && !empty.lastElementChild) empty.append(el('button', { type: 'button', onclick: () => { search.value = ''; change({ q: '', version: '', route: '' }, true); } }, 'Show all'));
  }
  let lastAsked = '';

  function showVersions(a) {
    const names = context.order.filter((v) => a.versions[v] > 0 || v === params.version);
    for (const v of Object.keys(a.versions)) if (!names.includes(v) && a.versions[v] > 0) names.push(v);
    const wanted = ['', ...names];
    if (wanted.join() !== [...chips.children].map((b) => b.dataset.version).join()) {
      const focused = chips.contains(document.activeElement) ? document.activeElement.dataset.version : null;
      replace(chips, wanted.map((v) => el('button', {
        type: 'button', class: 'chip', dataset: { version: v, v: v || 'all' }, title: context.titles[v] || null,
        onclick: () => change({ version: v }, true),
      }, v || 'All', el('span', { class: 'n' }))));
      replace(share, names.map((v) => el('i', { dataset: { v } })));
      if (focused !== null) [...chips.children].find((b) => b.dataset.version === focused)?.focus();
      controls();
    }
    for (const b of chips.children) setText(b.lastChild, count(b.dataset.version ? a.versions[b.dataset.version] : a.total));
    for (const i of share.children) i.style.flexGrow = a.versions[i.dataset.v] || 0;
  }

  function showRoutes(all) {
    const names = Object.keys(all).sort();
    routeBox.hidden = names.length < 2;
    if (document.activeElement === routes) return;
    const wanted = ['', ...names];
    if (wanted.join('\n') !== [...routes.options].map((o) => o.value).join('\n')) {
      replace(routes, wanted.map((r) => el('option', { value: r }, r ? visible(r) : 'all')));
    }
    routes.value = params.route;
  }

  // fill makes the table what the answer says. The elements of a row that has gone serve another
  // one, in its place: to make new ones takes longer than all else.
  function fill(a) {
    waiting = null;
    note.hidden = true;
    const wanted = new Set(a.rows.map((r) => r.id));
    const free = [...rows.values()].filter((row) => !wanted.has(row.id) && !row.tr.contains(document.activeElement));
    const isFree = new Set(free);
    let at = body.firstElementChild;
    for (const r of a.rows) {
      let row = rows.get(r.id);
      if (!row) {
        const here = at && byElement.get(at);
        row = here && isFree.has(here) ? here : free.findLast((f) => isFree.has(f)) || makeRow();
        isFree.delete(row);
        rows.delete(row.id);
        name(row, r);
        rows.set(r.id, row);
      }
      showRow(row, r, a.now_ms);
      if (row.tr === at) at = at.nextElementSibling;
      else body.insertBefore(row.tr, at);
    }
    for (const [id, row] of rows) {
      if (!wanted.has(id)) {
        row.tr.remove();
        rows.delete(id);
      }
    }
  }

  // keep renews what stands in the table, and moves nothing.
  function keep(a) {
    waiting = a;
    const seen = new Set();
    let added = 0;
    for (const r of a.rows) {
      seen.add(r.id);
      const row = rows.get(r.id);
      if (row) showRow(row, r, a.now_ms); else added++;
    }
    let gone = 0;
    for (const [id, row] of rows) {
      const left = !seen.has(id);
      setAttr(row.tr, 'data-left', left);
      if (left) gone++;
    }
    note.hidden = added + gone === 0;
    if (!note.hidden) replace(note, `Rows keep their places while you are in the table: ${added} new, ${gone} gone from this page. `, el('button', { type: 'button', onclick: release }, 'Show now'));
  }
  function release() {
    held = false;
    if (waiting) fill(waiting);
    note.hidden = true;
  }
  // hold is whether somebody points at the table, is in it with the keys, or has marked a text.
  function hold() {
    const marked = getSelection();
    const now = body.matches(':hover') || body.contains(document.activeElement) || (!marked.isCollapsed && body.contains(marked.anchorNode));
    if (held && !now) { held = false; if (waiting) fill(waiting); }
    held = now;
  }
  for (const t of ['pointerenter', 'pointerleave', 'focusin', 'focusout']) body.addEventListener(t, () => setTimeout(hold));
  document.addEventListener('selectionchange', hold);

  // name gives a row to a connection.
  function name(row, r) {
    row.id = r.id;
    row.link.href = '#/connection/' + encodeURIComponent(r.id);
    row.mark.dataset.v = r.version;
    setText(row.mark, r.version);
  }
  function makeRow() {
    const link = el('a');
    const cell = (cls) => el('td', { class: cls || '' });
    const two = () => [el('div', { class: 'cut' }), el('div', { class: 'cut soft' })];
    const client = two(), version = two(), route = two(), backend = two();
    client[0].append(link);
    const mark = el('span', { class: 'badge' });
    version[0].append(mark);
    const nums = Array.from({ length: 4 }, () => el('td', { class: 'num' }));
    const opened = el('time'), last = el('time');
    const th = el('th', { scope: 'row' }, client);
    const tr = el('tr', {}, th, (serve ? [version, route] : [version, route, backend]).map((c) => { const td = cell(); td.append(...c); return td; }), nums,
      el('td', { class: 'num' }, opened), el('td', { class: 'num' }, last));
    tr.addEventListener('click', (e) => {
      if (e.target.closest('a') || !getSelection().isCollapsed) return;
      location.hash = link.hash;
    });
    const row = { id: '', tr, link, mark, client, version, route, backend, nums, opened, last };
    byElement.set(tr, row);
    return row;
  }

  function showRow(row, r, now) {
    setAttr(row.tr, 'data-left', null);
    setText(row.link, r.client);
    cutText(row.client[1], r.user_agent || 'names no device');
    setText(row.version[1], [r.tls || 'no TLS', ...(r.tolerated || [])].join(', '));
    cutText(row.route[0], serve ? r.path : r.route || r.listener);
    cutText(row.route[1], serve ? r.host : r.path);
    cutText(row.backend[0], r.backend || '–');
    const losses = Object.values(r.losses || {}).reduce((a, b) => a + b, 0);
    setText(row.backend[1], [r.backend_version, losses ? plural(losses, 'loss', 'losses') : ''].filter(Boolean).join(', '));
    setAttr(row.backend[1], 'data-warn', losses > 0);
    setText(row.nums[0], size(r.in));
    setText(row.nums[1], size(r.out));
    setText(row.nums[2], count(r.messages_in));
    setText(row.nums[3], count(r.messages_out));
    setAgo(row.opened, r.opened_ms, now);
    setAgo(row.last, r.last_ms, now);
  }
  function cutText(e, text) {
    const t = visible(text);
    if (e.textContent === t) return;
    e.textContent = t;
    e.title = t;
  }

  // The arrow keys go from row to row.
  body.addEventListener('keydown', (e) => {
    const tr = e.target.closest('tr');
    const to = { ArrowDown: tr?.nextElementSibling, ArrowUp: tr?.previousElementSibling, Home: body.firstElementChild, End: body.lastElementChild }[e.key];
    if (!to) return;
    e.preventDefault();
    to.querySelector('a').focus();
  });

  controls();
  search.value = params.q;
  return {
    update(p) {
      const next = read(p);
      if (JSON.stringify(next) === JSON.stringify(params)) return;
      params = next;
      release();
      search.value = params.q;
      controls();
      asking.now();
    },
    close() {
      asking.stop();
      document.removeEventListener('selectionchange', hold);
    },
  };
}

// Numbers stand at the right, so what marks the sorted column stands left of their names.
const order = (num, name, arrow) => (num ? [arrow, name] : [name, arrow]);

function read(q) {
  return Object.fromEntries(Object.entries(defaults).map(([k, v]) => [k, q.get(k) ?? v]));
}
function write(p) {
  const q = new URLSearchParams(Object.entries(p).filter(([k, v]) => v !== defaults[k]));
  return q.size ? '?' + q : '';
}
