// One connection: its facts, its handshake on both sides, its frames.
import { el, add, setText, setAttr, ago, say, count, size, visible, heading, badge, replace, plural } from './dom.js';
import { get, file, lines, poll, Failure } from './api.js';
import { handshake, facts } from './handshake.js';
import { frameList } from './frames.js';
import { order, withToken } from './orders.js';

// Whether frames are watched at once: so once they were asked for, until they are stopped.
let watching = false;

export function open(main, route, context) {
  const id = route.arg, at = 'connections/' + encodeURIComponent(id), about = context.about;
  const title = el('span', { class: 'mono' }, '…');
  const state = el('span', { class: 'state' });
  const summary = el('div');
  const shakes = el('div', {}, el('p', { class: 'soft' }, 'Asking for the handshake …'));
  const head = heading('Connection ', state);
  head.firstChild.append(title);
  const list = frameList({ sides: about.kind === 'serve' ? 1 : 2 });
  const watch = el('button', { type: 'button', class: 'main', onclick: () => (stream ? stop() : start()) }, 'Watch frames');
  const watchNote = el('p', { class: 'soft' }, 'Nothing of what passes is kept until you watch: then the gateway keeps the last frames of this connection, for as long as this page is open.');
  const exports = el('div', { class: 'row', role: 'group', 'aria-label': 'Export what was watched' }, el('span', { class: 'soft' }, 'Export as '),
    [['pcap', 'pcap'], ['har', 'HAR'], ['recording', 'recording']].map(([as, name]) => el('button', { type: 'button', onclick: () => save(as) }, name)));
  const result = el('p', { class: 'soft', role: 'status' });
  list.root.hidden = exports.hidden = true;

  const closing = about.token && (about.orders || []).includes('close') && el('button', {
    type: 'button', class: 'grave', onclick: async () => {
      const said = await order('close', {
        title: 'Close this connection?', text: `${id}: the gateway says farewell in the way of the connection's version. The client may come back at once.`,
        button: 'Close it', grave: true, params: { id }, done: 'The connection was closed.',
      });
      if (said) asking.now();
    },
  }, 'Close the connection');
  add(main, el('p', { class: 'crumb' }, el('a', { href: '#/connections' }, '← Connections')), head, summary,
    el('h2', {}, 'Handshake'), shakes,
    el('h2', {}, 'Frames'), el('div', { class: 'row' }, watch, watchNote), list.root, exports, result,
    closing && el('div', { class: 'row end' }, closing));

  // ---- what it is

  let drawn = false, ended = false, gone = false;
  const asking = poll(2000, async (signal) => {
    if (gone) return;
    let c;
    try {
      c = await get(at, null, signal);
    } catch (e) {
      if (!(e instanceof Failure) || e.status !== 404) throw e;
      gone = true;
      setText(state, 'gone');
      setAttr(state, 'data-state', 'down');
      if (!drawn) {
        setText(title, id);
        replace(shakes, el('p', { class: 'empty' }, 'This connection is not known any more: it has ended, and the console keeps the last ones for a while only.'));
        watch.disabled = true;
      }
      say('The connection is gone.');
      return;
    }
    setText(title, c.client || id);
    document.title = `${c.client} ${c.version} – draftwire console`;
    setText(state, c.ended ? 'ended' : 'open');
    setAttr(state, 'data-state', c.ended ? 'down' : 'up');
    if (c.ended && !ended) say('The connection has ended.');
    ended = c.ended;
    if (closing) closing.disabled = c.ended;
    const now = c.now_ms || Date.now();
    const active = summary.contains(document.activeElement);
    const marked = !getSelection().isCollapsed && summary.contains(getSelection().anchorNode);
    if (!active && !marked) replace(summary, known(c, now));
    if (!drawn && (c.handshake || c.backend_handshake)) {
      drawn = true;
      replace(shakes, handshake([{ title: `Client, ${c.version}`, events: c.handshake }, { title: `Backend, ${c.backend_version || 'stream'}`, events: c.backend_handshake }]));
    } else if (!drawn) replace(shakes, el('p', { class: 'empty' }, 'The handshake of this connection is not kept.'));
  });

  function known(c, now) {
    const losses = Object.entries(c.losses || {});
    return facts([
      ['Version', badge(c.version)],
      ['Device', c.user_agent ? visible(c.user_agent) : 'none named'],
      ['Path', visible(c.path)], ['Host', visible(c.host)], ['Origin', visible(c.origin)],
      ['TLS', c.tls || 'none'],
      ['Listener', visible(c.listener)], ['Route', visible(c.route)],
      ['Backend', c.backend ? `${visible(c.backend)}${c.backend_version ? `, ${c.backend_version}` : ''}` : ''],
      ['Tolerated', (c.tolerated || []).join(', ')],
      ['Lost in translation', losses.map(([k, n]) => `${k} ${count(n)}`).join(', ')],
      ['In', `${size(c.in)} in ${plural(c.messages_in, 'message')}`], ['Out', `${size(c.out)} in ${plural(c.messages_out, 'message')}`],
      ['Opened', el('span', {}, ago(c.opened_ms, now), ' ago')], ['Last heard', el('span', {}, ago(c.last_ms, now), ' ago')],
    ]);
  }

  // ---- its frames

  let stream = null;
  async function start() {
    watching = true;
    stream = new AbortController();
    const mine = stream;
    setText(watch, 'Stop watching');
    watchNote.hidden = true;
    list.root.hidden = exports.hidden = false;
    let why = '', wait = 1000;
    while (stream === mine && !why) {
      try {
        const done = await withToken('What users say is shown to operators only.', () => lines(at + '/frames', mine.signal, (batch) => {
          wait = 1000;
          const last = batch.find((f) => f.ended);
          if (last) why = last.why || 'The connection has ended.';
          list.take(batch);
        }));
        if (done === null) why = 'Not watched: no token was given.';
        else if (!why) why = ended ? 'The connection has ended.' : 'The server has ended the stream.';
      } catch (e) {
        if (stream !== mine) return;
        if (e instanceof Failure && e.status) { why = e.message; break; }
        await new Promise((r) => setTimeout(r, wait)); // the server is lost
        wait = Math.min(2 * wait, 30_000);
      }
    }
    if (stream !== mine) return;
    list.end(why);
    say(why);
    stream = null;
    setText(watch, 'Watch frames');
  }
  function stop() {
    watching = false;
    stream.abort();
    stream = null;
    setText(watch, 'Watch frames');
    list.end('Not watched any more.');
  }
  if (watching) start();

  async function save(as) {
    try {
      const f = await withToken('What users say is given to operators only.', () => file(at + '/export', { as }));
      if (!f) return;
      const url = URL.createObjectURL(f.blob);
      const a = el('a', { href: url, download: f.name });
      document.body.append(a);
      a.click();
      a.remove();
      setTimeout(() => URL.revokeObjectURL(url), 60_000);
      setText(result, `Saved as ${f.name}, ${size(f.blob.size)}.`);
    } catch (e) {
      if (!(e instanceof Failure)) throw e;
      setText(result, `${e.message} ${e.hint}`);
    }
  }

  return {
    update() {},
    close() {
      asking.stop();
      if (stream) { const s = stream; stream = null; s.abort(); }
    },
  };
}
