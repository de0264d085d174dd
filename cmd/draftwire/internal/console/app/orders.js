// Orders, and the log of those that were given. An order needs the operator's token, which a
// dialog asks for once.
import { el, add, setText, say, ago, millis, visible, heading, table, replace, id } from './dom.js';
import { get, post, poll, hasToken, setToken, Failure } from './api.js';

const words = {
  drain: { name: 'Drain', button: 'Drain the gateway', says: 'The gateway accepts no more clients, says farewell to those it has, spread over its drain time, and ends.', grave: true },
  reload: { name: 'Reload', button: 'Reload the configuration', says: 'The gateway reads its configuration file again. If the file is wrong, it keeps the configuration that it has.' },
};

// question shows a dialog with the fields, and is their values, or null if it was left.
function question(title, text, button, { grave, fields = [], error } = {}) {
  return new Promise((resolve) => {
    const head = id('title');
    const inputs = fields.map((f) => el(f.options ? 'select' : 'input', { name: f.name, type: f.options ? null : f.type || 'text', autocomplete: 'off', required: f.required, value: f.options ? null : f.value },
      (f.options || []).map((o) => el('option', { value: o }, o))));
    const form = el('form', {},
      el('h2', { id: head }, title),
      el('p', {}, text),
      error && el('p', { class: 'bad', role: 'alert' }, error),
      fields.map((f, i) => el('label', { class: 'field block' }, f.label, inputs[i])),
      el('div', { class: 'buttons' },
        el('button', { type: 'button', onclick: () => dialog.close() }, 'Cancel'),
        el('button', { type: 'submit', class: grave ? 'grave' : 'main' }, button)));
    let answer = null;
    const dialog = el('dialog', { 'aria-labelledby': head }, form);
    form.addEventListener('submit', (e) => {
      e.preventDefault();
      answer = Object.fromEntries(inputs.map((x) => [x.name, x.value]));
      dialog.close();
    });
    dialog.addEventListener('close', () => {
      dialog.remove();
      resolve(answer);
    });
    document.body.append(dialog);
    dialog.showModal();
    (inputs[0] || form.querySelector('button')).focus();
  });
}

const tokenField = { name: 'token', type: 'password', label: 'Token of the admin port', required: true };

// askToken asks for the token; it is whether one was given.
export async function askToken(why) {
  const a = await question('Token', why + ' The page keeps it in memory until it is closed.', 'Go on', { fields: [tokenField] });
  if (!a) return false;
  setToken(a.token);
  return true;
}

// withToken does what needs a token, and asks for one where the server wants it.
export async function withToken(what, act) {
  for (;;) {
    try {
      return await act();
    } catch (e) {
      if (!(e instanceof Failure) || e.status !== 401) throw e;
      const first = !hasToken();
      setToken('');
      if (!await askToken((first ? '' : 'That token is not the right one. ') + what)) return null;
    }
  }
}

// order asks whether it is meant, gives an order, and says what came of it. Its value is the
// answer, or null if there was none.
export async function order(path, { title, text, button, grave, body, params, fields = [], done }) {
  let error = '';
  for (;;) {
    const wanted = hasToken() ? fields : [...fields, tokenField];
    const a = await question(title, text, button, { grave, fields: wanted, error });
    if (!a) return null;
    if (a.token) setToken(a.token);
    delete a.token;
    try {
      const said = await post('orders/' + path, { ...body, ...a }, params);
      say(done || 'Done.');
      return said;
    } catch (e) {
      if (!(e instanceof Failure)) throw e;
      error = e.hint ? `${e.message} ${e.hint}` : e.message;
      if (e.status === 401) setToken('');
    }
  }
}

// forbidden says why orders cannot be given.
export const noOrders = 'This console is read-only: orders need "token_file" below "admin:" in the configuration.';

export function open(main, route, context) {
  const about = context.about, can = about.orders || [];
  const state = el('p', { class: 'soft' });
  const cards = el('div', { class: 'cards' });
  const log = table('Orders that were given', [{ name: 'When' }, { name: 'Who' }, { name: 'Order' }, { name: 'Result' }], []);
  const none = el('p', { class: 'empty', hidden: true }, 'No order has been given since this process was started.');
  const forget = el('button', { type: 'button', onclick: () => { setToken(''); told(); say('The token is forgotten.'); } }, 'Forget the token');
  function told() {
    setText(state, !about.token ? noOrders : hasToken() ? 'The token is in the memory of this page.' : 'The first order asks for the token of the admin port.');
    forget.hidden = !hasToken();
  }
  if (about.token) {
    for (const [name, w] of Object.entries(words)) {
      if (!can.includes(name)) continue;
      const result = el('p', { class: 'soft', hidden: true });
      cards.append(el('section', { class: 'card' }, el('h3', {}, w.name), el('p', {}, w.says),
        el('button', {
          type: 'button', class: w.grave ? 'grave' : '', onclick: async () => {
            const said = await order(name, { title: w.button + '?', text: w.says, button: w.button, grave: w.grave, done: `${w.name}: the gateway has taken the order.` });
            if (said) {
              result.hidden = false;
              setText(result, 'The gateway has taken the order.');
              asking.now();
            }
            told();
          },
        }, w.button), result));
    }
    if (can.includes('close')) cards.append(el('section', { class: 'card' }, el('h3', {}, 'Close a connection'), el('p', {}, 'Stands on the page of the connection.'), el('a', { href: '#/connections' }, 'To the connections')));
    if (can.includes('retire')) cards.append(el('section', { class: 'card' }, el('h3', {}, 'Retire a version'), el('p', {}, 'Stands beside the report, which says who still needs it.'), el('a', { href: '#/retirement' }, 'To the report')));
  }
  add(main, heading('Orders'), el('div', { class: 'row' }, state, forget), el('h2', { class: 'hide' }, 'What can be ordered'), cards,
    el('h2', {}, 'Audit'), el('p', { class: 'soft' }, 'The last 100 orders, by whatever way they came. They are in the log too.'), log.box, none);
  told();
  const asking = poll(5000, async (signal) => {
    const a = await get('audit', null, signal), now = Date.now();
    replace(log.body, a.rows.map((r) => el('tr', {}, el('td', {}, ago(millis(r.at), now)), el('td', {}, visible(r.who)), el('td', {}, visible(r.what)), el('td', {}, visible(r.result)))));
    none.hidden = a.rows.length > 0;
    log.box.hidden = a.rows.length === 0;
  });
  return { close() { asking.stop(); } };
}
