// When versions can go: the ledger's report, the plan as a calendar, and whom it would cut off
// if a version were off now.
import { el, add, setText, say, ago, millis, count, size, plural, visible, heading, table, badge, replace, exact } from './dom.js';
import { get, poll, Failure } from './api.js';
import { spark } from './charts.js';
import { order, noOrders } from './orders.js';

const verdicts = { current: 'current', 'already-off': 'off', safe: 'can go', 'too-early': 'too early', ask: 'ask', keep: 'keep' };
const signs = { current: '●', 'already-off': '○', safe: '✓', 'too-early': '…', ask: '?', keep: '!' };

export function open(main, route, context) {
  let off = new Set((route.params.get('off') || '').split(',').filter(Boolean));
  const about = context.about;
  const report = el('div', {}, el('p', { class: 'soft' }, 'Asking for the report …'));
  const calendar = el('div');
  const boxes = el('fieldset', { class: 'chips' }, el('legend', {}, 'Switched off, for the sake of the question'), context.order.map((v) => {
    const box = el('input', { type: 'checkbox', value: v, onchange: () => {
      if (box.checked) off.add(v); else off.delete(v);
      history.replaceState(null, '', '#/retirement' + (off.size ? '?off=' + [...off].join(',') : ''));
      whatif.now();
    } });
    box.checked = off.has(v);
    return el('label', { class: 'check', dataset: { v } }, box, ' ', badge(v));
  }));
  const answer = el('p', { class: 'banner', dataset: { state: 'wait' } }, 'Choose a version.');
  const kinds = table('Devices that would be cut off, by kind', [{ name: 'Kind of device' }, { name: 'Connections', num: true }], []);
  const clients = table('Connections that would be cut off', [{ name: 'Client' }, { name: 'Version' }, { name: 'Device' }, { name: 'Path' }, { name: 'Opened', num: true }], []);
  const hit = el('div', { class: 'pair', hidden: true }, el('section', {}, el('h3', {}, 'By kind of device'), kinds.box), el('section', { class: 'hundred' }, el('h3', {}, 'Connections, the first hundred'), clients.box));
  const retire = about.token && (about.orders || []).includes('retire') && el('button', {
    type: 'button', onclick: async () => {
      const said = await order('retire', {
        title: 'Retire a version', text: 'The stage is noted in the configuration\'s plan. From its time on the gateway treats new handshakes of the version so; open connections stay.',
        button: 'Note it', done: 'The plan has the stage.',
        fields: [{ name: 'version', label: 'Version', options: context.order }, { name: 'mode', label: 'Mode', options: ['warn', 'sample 10%', 'sample 50%', 'off', 'on'] },
          { name: 'from', label: 'From, as 2027-01-31T00:00:00Z; empty for now' }],
      });
      if (said) { whole.now(); }
    },
  }, 'Add a stage to the plan');
  add(main, heading('Retirement'), el('h2', {}, 'Who still needs which version'), report,
    el('h2', {}, 'The plan'), calendar, retire ? el('div', { class: 'row' }, retire) : !about.token && el('p', { class: 'soft' }, noOrders),
    el('h2', {}, 'What if a version were off now?'), boxes, answer, hit);

  const whole = poll(60_000, async (signal) => {
    const [r, p] = await Promise.all([get('report', null, signal).catch((e) => { if (e instanceof Failure && e.status) return e; throw e; }), get('plan', null, signal)]);
    if (r instanceof Failure) replace(report, el('p', { class: 'empty' }, r.message, ' ', r.hint || 'A ledger keeps count of who speaks what: name a file in "ledger:" of the configuration, or in --ledger.'));
    else showReport(r);
    showPlan(p.stages);
  });

  let sparks = [], closed = false;
  function endSparks() {
    for (const s of sparks) s.close();
    sparks = [];
  }
  function daily90(all) {
    const values = all.slice(-90);
    if (values.length < 2) return el('span', { class: 'soft' }, values.length ? `${count(values[0])} today` : 'none');
    const s = spark(values, `handshakes a day, from ${count(values[0])} to ${count(values.at(-1))}`);
    sparks.push(s);
    return s.root;
  }
  function showReport(r) {
    if (closed) return;
    endSparks();
    const now = Date.now();
    const t = table('The report of the ledger', [{ name: 'Version' }, { name: 'Verdict' }, { name: 'Clients', num: true }, { name: 'Trend', num: true }, { name: 'Each day' }, { name: 'Last seen', num: true }, { name: 'Handshakes', num: true }, { name: 'Refused', num: true }, { name: 'Bytes', num: true }, { name: 'Devices' }],
      r.versions.map((x) => {
        return el('tr', {},
          el('th', { scope: 'row' }, badge(x.version)),
          el('td', { class: 'verdict', dataset: { code: x.verdict.code } }, el('strong', {}, el('span', { 'aria-hidden': 'true' }, (signs[x.verdict.code] || '·') + ' '), verdicts[x.verdict.code] || x.verdict.code),
            el('div', { class: 'soft' }, visible(x.verdict.text)), el('div', { class: 'soft' }, `confidence ${x.verdict.confidence}`)),
          el('td', { class: 'num' }, (x.at_least ? 'at least ' : '') + count(x.clients)),
          el('td', { class: 'num' }, x.trend === null || x.trend === undefined ? 'not known' : (x.trend > 0 ? '+' : x.trend < 0 ? '−' : '') + Math.abs(Math.round(x.trend * 100)) + ' %'),
          el('td', {}, daily90(x.daily || [])),
          el('td', { class: 'num' }, ago(millis(x.last_seen), now)),
          el('td', { class: 'num' }, count(x.handshakes)), el('td', { class: 'num' }, count(x.refused)), el('td', { class: 'num' }, size(x.bytes_in + x.bytes_out)),
          el('td', {}, (x.user_agents || []).slice(0, 3).map((a) => el('div', { class: 'cut', title: visible(a.name) }, `${count(a.clients)} × `, visible(a.name) || 'none named'))));
      }), { class: 'report' });
    replace(report, el('p', { class: 'soft' }, `${r.from} to ${r.to}, ${plural(r.days, 'day')}, of which the ledger has watched ${r.watched_days.toFixed(1)}. `, (r.sources || []).map(visible).join(', ')), t.box);
  }

  function showPlan(stages) {
    if (!stages.length) { replace(calendar, el('p', { class: 'empty' }, 'No version is planned to go. "versions:" of the configuration is the plan.')); return; }
    const dated = stages.filter((s) => s.from).sort((a, b) => millis(a.from) - millis(b.from));
    const always = stages.filter((s) => !s.from);
    const days = new Map();
    for (const s of dated) {
      const day = new Date(millis(s.from)).toISOString().slice(0, 10);
      days.set(day, [...(days.get(day) || []), s]);
    }
    const today = new Date().toISOString().slice(0, 10);
    const months = [...new Set([today.slice(0, 7), ...[...days.keys()].map((d) => d.slice(0, 7))])].sort().slice(-24);
    const list = table('Stages of the plan', [{ name: 'From' }, { name: 'Version' }, { name: 'Mode' }, { name: 'What clients are told' }],
      [...always, ...dated].map((s) => el('tr', {}, el('th', { scope: 'row' }, s.from ? el('span', { title: exact(millis(s.from)) }, s.from.slice(0, 10), ' ', el('span', { class: 'soft' }, ago(millis(s.from), Date.now()), millis(s.from) < Date.now() ? ' ago' : '')) : 'always'),
        el('td', {}, badge(s.version)), el('td', {}, s.mode), el('td', {}, visible(s.message)))));
    replace(calendar, el('div', { class: 'months' }, months.map((m) => month(m, days, today))), list.box);
  }

  function month(name, days, today) {
    const [y, m] = name.split('-').map(Number);
    const first = new Date(Date.UTC(y, m - 1, 1)), length = new Date(Date.UTC(y, m, 0)).getUTCDate();
    const lead = (first.getUTCDay() + 6) % 7;
    const rows = [];
    for (let i = 0; i < lead + length; i += 7) {
      rows.push(el('tr', {}, Array.from({ length: 7 }, (_, j) => {
        const d = i + j - lead + 1;
        if (d < 1 || d > length) return el('td');
        const key = `${name}-${String(d).padStart(2, '0')}`, here = days.get(key) || [];
        return el('td', { class: [key === today && 'today', here.length && 'stage'].filter(Boolean).join(' '), 'aria-current': key === today ? 'date' : null },
          el('span', { class: 'day' }, String(d)), here.map((s) => el('span', { class: 'event', dataset: { v: s.version, mode: s.mode.split(' ')[0] } }, `${s.version} ${s.mode}`)));
      })));
    }
    const week = ['Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday', 'Sunday'];
    return el('table', { class: 'month' }, el('caption', {}, first.toLocaleDateString('en', { month: 'long', year: 'numeric', timeZone: 'UTC' })),
      el('thead', {}, el('tr', {}, week.map((d) => el('th', { scope: 'col', abbr: d }, d.slice(0, 2))))), el('tbody', {}, rows));
  }

  let told = '';
  const whatif = poll(5000, async (signal) => {
    if (!off.size) {
      hit.hidden = true;
      answer.dataset.state = 'wait';
      setText(answer, 'Choose a version.');
      return;
    }
    const asked = [...off].join(',');
    const a = await get('whatif', { off: asked }, signal);
    if (asked !== [...off].join(',')) return void whatif.now();
    const now = Date.now();
    const text = `${count(a.connections)} of ${plural(a.of, 'open connection')} would be cut off.${a.verdict ? ' ' + a.verdict : ''}${a.last_seen ? ` The ledger saw the last one ${a.last_seen}.` : ''}`;
    setText(answer, text);
    answer.dataset.state = a.connections ? 'down' : 'up';
    if (asked !== told) say(text);
    told = asked;
    hit.hidden = !a.connections;
    if (hit.contains(document.activeElement) && document.activeElement.matches('a')) return;
    replace(kinds.body, a.by_kind.map((k) => el('tr', {}, el('th', { scope: 'row' }, visible(k.kind) || 'names no device'), el('td', { class: 'num' }, count(k.n)))));
    replace(clients.body, a.clients.map((c) => el('tr', {}, el('th', { scope: 'row' }, el('a', { href: '#/connection/' + encodeURIComponent(c.id) }, c.client)), el('td', {}, badge(c.version)),
      el('td', {}, el('div', { class: 'cut', title: visible(c.user_agent) }, visible(c.user_agent))), el('td', {}, el('div', { class: 'cut', title: visible(c.path) }, visible(c.path))), el('td', { class: 'num' }, ago(c.opened_ms, now)))));
  });

  return {
    update(p) {
      off = new Set((p.get('off') || '').split(',').filter(Boolean));
      for (const b of boxes.querySelectorAll('input')) b.checked = off.has(b.value);
      whatif.now();
    },
    close() {
      closed = true;
      endSparks();
      whole.stop();
      whatif.stop();
    },
  };
}
