// What goes on over time, what was refused and lost, and how the backends are.
import { el, add, setText, ago, millis, count, plural, visible, heading, table, badge, replace, span } from './dom.js';
import { get, poll, Failure } from './api.js';
import { lineChart, color } from './charts.js';

const spans = [['1h', 'last hour'], ['24h', 'last day'], ['7d', 'last week']];

export function open(main, route, context) {
  let over = route.params.get('span') || '1h';
  const perSecond = (n) => (n < 10 ? n.toFixed(1) : count(Math.round(n))) + '/s';
  const versions = lineChart('Open connections by version', { height: 260 });
  const messages = lineChart('Messages a second', { format: perSecond });
  const refused = lineChart('Refusals', {});
  const lost = lineChart('Losses in translation', {});
  const tabs = el('div', { class: 'chips', role: 'group', 'aria-label': 'Span' }, spans.map(([s, name]) => el('button', {
    type: 'button', class: 'chip', dataset: { span: s }, 'aria-pressed': String(s === over), onclick: () => {
      over = s;
      history.replaceState(null, '', '#/traffic' + (s === '1h' ? '' : '?span=' + s));
      for (const b of tabs.children) b.setAttribute('aria-pressed', String(b.dataset.span === s));
      asking.now();
    },
  }, name)));
  const refusals = table('Refusals by reason', [{ name: 'Reason' }, { name: 'Version' }, { name: 'Count', num: true }, { name: 'Last', num: true }, { name: 'Example' }, { name: 'What would admit it' }], []);
  const losses = table('Losses', [{ name: 'Loss' }, { name: 'What it means' }, { name: 'Of' }, { name: 'In' }, { name: 'Policy' }, { name: 'Count', num: true }], []);
  const backends = table('Backends', [{ name: 'Route' }, { name: 'Backend' }, { name: 'Health' }, { name: 'Connections', num: true }, { name: 'Last failure' }], []);
  const mirrors = table('Mirrors', [{ name: 'Route' }, { name: 'Mirror' }, { name: 'Kind of device' }, { name: 'Equal', num: true }, { name: 'Answers', num: true }, { name: 'Different', num: true }, { name: 'Missing', num: true }, { name: 'More', num: true }, { name: 'Not compared', num: true }, { name: 'The first difference' }], []);
  const fleet = table('Fleet', [{ name: 'Gateway' }, { name: 'State' }, { name: 'Program' }, { name: 'Admin port' }, { name: 'Plan of versions' }, { name: 'Connections', num: true }, { name: 'Requests', num: true }], []);
  const listeners = table('Listeners', [{ name: 'Listener' }, { name: 'Address' }, { name: 'TLS profile' }, { name: 'Open', num: true }, { name: 'Unfinished handshakes', num: true }, { name: 'Ordinary HTTP', num: true }], []);
  const secure = table('Connections by TLS version', [{ name: 'TLS' }, { name: 'Connections', num: true }], []);
  const health = el('p', { class: 'banner' });
  const numbers = el('div');
  const none = { refusals: empty('Nobody has been refused.'), losses: empty('Nothing has been lost.'), tls: empty('Nobody is connected.'), mirrors: el('h2', { hidden: true }, 'Mirrors'), fleet: el('h2', { hidden: true }, 'Fleet') };
  const gateway = context.about.kind !== 'serve';
  add(main, heading('Traffic', tabs), health,
    versions.root, el('div', { class: 'pair' }, messages.root, refused.root, gateway ? lost.root : ''),
    el('details', {}, el('summary', {}, 'The numbers of the charts'), numbers),
    el('h2', {}, 'Refusals'), refusals.box, none.refusals);
  if (gateway) main.append(el('h2', {}, 'Losses'), losses.box, none.losses, el('h2', {}, 'Backends'), backends.box, none.mirrors, mirrors.box, none.fleet, fleet.box);
  add(main, el('h2', {}, 'Listeners'), listeners.box, el('h2', {}, 'TLS'), secure.box, none.tls);

  function empty(text) { return el('p', { class: 'empty', hidden: true }, text); }
  function fill(t, rows, note) {
    replace(t.body, rows);
    if (note) { note.hidden = rows.length > 0; t.box.hidden = rows.length === 0; }
  }
  const series = (o, colored) => Object.entries(o || {}).map(([label, values]) => ({ label, values, color: colored && color(label, context.order) }));
  const cells = (...c) => c.map((x) => el('td', {}, x));
  const num = (x) => el('td', { class: 'num' }, x);
  const head = (x) => el('th', { scope: 'row' }, x);

  // part asks for one of the answers; one that this server does not have is null.
  async function part(signal, path, params) {
    try {
      return await get(path, params, signal);
    } catch (e) {
      if (e instanceof Failure && (e.status === 404 || e.status === 409)) return null;
      throw e;
    }
  }
  const asking = poll(5000, async (signal) => {
    const asked = over;
    const [h, r, l, s] = await Promise.all([part(signal, 'history', { span: over }), part(signal, 'refusals'), part(signal, 'losses'), part(signal, 'status')]);
    if (asked !== over) return void asking.now();
    const now = Date.now();
    if (h) draw(h);
    if (r) fill(refusals, r.rows.map((x) => el('tr', {}, head(el('code', {}, x.reason)), cells(x.version ? badge(x.version) : ''), num(count(x.count)), num(ago(x.last_ms, now)),
      cells(x.example ? el('div', {}, visible(x.example.client), el('div', { class: 'soft cut' }, visible(x.example.path)), el('div', { class: 'soft cut' }, visible(x.example.user_agent))) : '', el('div', {}, x.hint || '', x.detail ? el('div', { class: 'soft' }, visible(x.detail)) : '')))), none.refusals);
    if (l) fill(losses, l.rows.map((x) => el('tr', {}, head(el('code', {}, x.loss)), cells(x.meaning || '', x.from || '', x.to || '', x.policy || ''), num(count(x.count)))), none.losses);
    health.hidden = !s;
    if (s) showStatus(s, now);
  });

  function draw(h) {
    const step = (h.step_ms || 1000) / 1000;
    const byAge = (a, b) => context.order.indexOf(a.label) - context.order.indexOf(b.label);
    versions.show(h.times, series(h.versions, true).filter((x) => x.values.some((v) => v > 0)).sort(byAge));
    messages.show(h.times, [['from clients', h.messages?.in], ['to clients', h.messages?.out]].map(([label, v], i) => ({ label, values: (v || []).map((n) => n / step), color: color(context.order[i ? 8 : 5], context.order) })));
    refused.show(h.times, series(h.refused));
    lost.show(h.times, series(h.losses));
    figures(h);
  }

  function showStatus(s, now) {
    setText(health, s.ready === false ? `Not ready: ${s.why || 'no reason is given'}.` : `Ready: ${plural(s.connections, 'connection')}${s.limit > 0 ? ` of at most ${count(s.limit)}` : ''}, since ${span(now - millis(s.started))}.`);
    health.dataset.state = s.ready === false ? 'down' : 'up';
    fill(backends, (s.routes || []).flatMap((x) => x.backends.map((b) => el('tr', {}, head(visible(x.name)), cells(visible(b.url), state(b.up)), num(count(b.connections)),
      cells(b.error ? el('span', {}, visible(b.error), ' ', b.failed && el('span', { class: 'soft' }, ago(millis(b.failed), now), ' ago')) : 'none')))));
    const mirrored = (s.routes || []).filter((x) => x.mirror);
    none.mirrors.hidden = mirrors.box.hidden = mirrored.length === 0;
    fill(mirrors, mirrored.flatMap((x) => [...(x.mirror.kinds || []), { kind: 'all', counts: x.mirror.counts, all: true }].map((k) => el('tr', {}, head(visible(x.name)),
      cells(el('span', {}, visible(x.mirror.name), ' ', k.all && state(x.mirror.up)), visible(k.kind)), compared(k.counts), cells(difference((k.differences || [])[0]))))));
    const gates = s.fleet?.gateways || [];
    none.fleet.hidden = fleet.box.hidden = gates.length === 0;
    const sum = (name) => count(gates.filter((g) => g.state === 'alive').reduce((n, g) => n + (g[name] || 0), 0));
    fill(fleet, gates.map((g) => el('tr', {}, head(visible(g.name)), cells(gate(g, now), visible(g.version || ''), visible(g.admin || ''), g.plan ? String(g.plan) : 'of its own file'),
      num(g.state === 'alive' ? count(g.connections) : ''), num(g.state === 'alive' ? count(g.requests) : '')))
      .concat(gates.length > 0 ? el('tr', {}, head('all'), cells(s.fleet.bus ? '' : 'the others cannot be reached', '', '', ''), num(sum('connections')), num(sum('requests'))) : []));
    const tls = s.tls || {};
    fill(listeners, (s.listeners || []).map((x) => el('tr', {}, head(visible(x.name || 'listener')), cells(x.address, (tls.profile || {})[x.name] || 'no TLS'), num(count(x.open)), num(count(x.pending)), num(count(x.http)))));
    fill(secure, Object.entries(tls.connections || {}).map(([k, n]) => el('tr', {}, head(k || 'no TLS'), num(count(n)))), none.tls);
  }
  // compared is what was found of a mirror: 100 % only where all answers are equal.
  function compared(c) {
    const n = (name) => c[name] || 0;
    const all = n('equal') + n('differed') + n('missing') + n('more');
    const share = !all ? 'none' : n('equal') === all ? '100 %' : `${(Math.floor(n('equal') / all * 10000) / 100).toFixed(2)} %`;
    return [share, ...[all, n('differed'), n('missing'), n('more'), n('unknown')].map(count)].map(num);
  }
  const difference = (d) => (d ? `answer ${d.number} of a connection of ${d.version}: ${d.verdict}${d.where ? ` at ${visible(d.where)}` : ''}${d.backend || d.mirror ? `: ${visible(d.backend || 'nothing')}, and ${visible(d.mirror || 'nothing')}` : ''}` : 'none');
  // gate is how a gateway of the fleet is.
  function gate(g, now) {
    if (g.state === 'left') return 'has ended';
    if (g.state !== 'alive') return el('span', {}, state(false), ' ', el('span', { class: 'soft' }, ago(millis(g.heard), now), ' ago'));
    return el('span', {}, state(g.ready), g.claimed ? ' two processes have this name' : '', g.why ? ' ' + visible(g.why) : '');
  }
  const state = (up) => el('span', { class: 'state', 'data-state': up ? 'up' : 'down' }, up ? 'up' : 'down');

  let drawn = '';
  function figures(h) {
    if (!numbers.parentElement.open && drawn) return;
    drawn = 'yes';
    const names = Object.keys(h.versions || {}).filter((v) => h.versions[v].some((n) => n > 0));
    const every = Math.max(1, Math.ceil(h.times.length / 24));
    const rows = [];
    for (let i = h.times.length - 1; i >= 0 && rows.length < 24; i -= every) {
      rows.push(el('tr', {}, head(el('time', { datetime: new Date(h.times[i]).toISOString() }, new Date(h.times[i]).toLocaleTimeString())),
        names.map((v) => num(count(h.versions[v][i]))), num(count(h.messages?.in?.[i])), num(count(h.messages?.out?.[i]))));
    }
    const t = table('Open connections and messages over time', [{ name: 'Time' }, ...names.map((name) => ({ name, num: true })), { name: 'Messages in', num: true }, { name: 'Messages out', num: true }], rows);
    replace(numbers, t.box);
  }
  main.querySelector('details').addEventListener('toggle', () => asking.now());

  return {
    update(p) { const s = p.get('span') || '1h'; if (s !== over) tabs.querySelector(`[data-span="${CSS.escape(s)}"]`)?.click(); },
    close() {
      asking.stop();
      for (const c of [versions, messages, refused, lost]) c.close();
    },
  };
}
