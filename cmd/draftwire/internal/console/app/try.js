// A client of any version, which the console's server runs against the gateway's own port: no
// browser of today can speak what came before RFC 6455.
import { el, add, setText, say, heading, replace } from './dom.js';
import { post, lines, Failure } from './api.js';
import { handshake } from './handshake.js';
import { frameList } from './frames.js';
import { withToken, noOrders } from './orders.js';

export function open(main, route, context) {
  const about = context.about;
  const field = (label, input, cls) => el('label', { class: 'field block ' + (cls || '') }, label, input);
  const text = (name, value, placeholder) => el('input', { type: 'text', name, value, autocomplete: 'off', spellcheck: 'false', placeholder });
  const version = el('select', { name: 'version' }, context.order.map((v) => el('option', { value: v }, context.titles[v] ? `${v}: ${context.titles[v]}` : v)));
  const path = text('path', '/'), protocols = text('protocols', '', 'chat, superchat'), origin = text('origin', '', 'http://example.com');
  const connect = el('button', { type: 'submit', class: 'main' }, 'Connect');
  const state = el('p', { class: 'banner', dataset: { state: 'wait' } }, 'Not connected.');
  const shakes = el('div');
  const list = frameList({ sides: 1 });
  const kind = el('select', { 'aria-label': 'Kind of message' }, [['text', 'text'], ['hex', 'binary, as hex'], ['ping', 'ping']].map(([v, t]) => el('option', { value: v }, t)));
  const message = text('message', '', 'a message');
  message.setAttribute('aria-label', 'Message');
  const sending = el('form', { class: 'tools', onsubmit: send }, kind, message, el('button', { type: 'submit', class: 'main' }, 'Send'),
    el('button', { type: 'button', onclick: () => give({ close: { code: 1000, reason: '' } }) }, 'Close'));
  const work = el('div', { hidden: true }, el('h2', {}, 'Handshake'), shakes, el('h2', {}, 'Frames'), sending, list.root);
  const form = el('form', { class: 'card', onsubmit: dial },
    field('Version', version), el('div', { class: 'pair' }, field('Path and query', path), field('Subprotocols', protocols), field('Origin', origin)), el('div', { class: 'buttons' }, connect));
  add(main, heading('Try it'), el('p', { class: 'soft' }, 'The server of this console is the client: it connects to its own port in the version that you choose.'),
    about.token ? form : el('p', { class: 'empty' }, noOrders), state, work);
  if (!about.token) state.hidden = true;
  version.value = context.order[1] || context.order[0];

  let session = null, control = null;
  function told(name, words) {
    state.dataset.state = name;
    setText(state, words);
    say(words);
  }

  async function dial(e) {
    e.preventDefault();
    if (control) { // another connection takes the place of this one
      control.abort();
      if (session) post(`try/${encodeURIComponent(session)}/send`, { close: { code: 1000, reason: '' } }).catch(() => {});
    }
    const mine = control = new AbortController();
    session = null;
    connect.disabled = true;
    told('wait', 'Connecting …');
    try {
      const said = await withToken('To connect through the gateway is an operator\'s right.', () => post('try', {
        version: version.value, path: path.value, subprotocols: protocols.value.split(',').map((p) => p.trim()).filter(Boolean), origin: origin.value,
      }));
      if (!said) return told('wait', 'Not connected: no token was given.');
      work.hidden = false;
      list.reset();
      replace(shakes, handshake([{ title: said.version || version.value, events: said.annotated }]));
      if (!said.id) { sending.hidden = true; return told('down', [said.error || 'The handshake was refused.', said.hint].filter(Boolean).join(' ')); }
      session = said.id;
      sending.hidden = false;
      told('up', `Connected in ${said.version || version.value}.`);
      message.focus();
      watch(mine, said.id);
    } catch (e) {
      if (!(e instanceof Failure)) throw e;
      told('down', `${e.message} ${e.hint}`);
    } finally {
      connect.disabled = false;
    }
  }

  async function watch(mine, id) {
    let why = 'The connection has ended.';
    try {
      await lines(`try/${encodeURIComponent(id)}/frames`, mine.signal, (batch) => {
        const last = batch.find((f) => f.ended);
        if (last && last.why) why = last.why;
        list.take(batch);
      });
    } catch (e) {
      if (mine.signal.aborted) return;
      if (!(e instanceof Failure) && e.name !== 'TypeError') throw e;
      why = e instanceof Failure && e.status ? e.message : 'The server has been lost, and with it this connection.';
    }
    if (control !== mine) return;
    session = null;
    sending.hidden = true;
    list.end(why);
    told('down', why);
  }

  async function give(what) {
    if (!session) return;
    try {
      await withToken('To send is an operator\'s right.', () => post(`try/${encodeURIComponent(session)}/send`, what));
    } catch (e) {
      if (!(e instanceof Failure)) throw e;
      told(session ? 'up' : 'down', `${e.message} ${e.hint}`);
    }
  }
  function send(e) {
    e.preventDefault();
    const value = message.value;
    give({ [kind.value]: kind.value === 'hex' ? value.replaceAll(/\s/g, '') : value });
    message.value = '';
    message.focus();
  }

  return {
    update() {},
    close() {
      if (control) control.abort();
      if (session) post(`try/${encodeURIComponent(session)}/send`, { close: { code: 1001, reason: '' } }).catch(() => {});
    },
  };
}
