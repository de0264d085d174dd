// A handshake, annotated: the heads line by line, the bytes that stand behind them, and what
// package inspect says of each. What is pointed at, or has the focus, is explained in a pane.
import { el, visible, replace, hexOf, id } from './dom.js';

const heads = { request: 'Request', response: 'Answer' };
const titles = { preface: 'Before the request', challenge: 'Challenge', proof: 'Proof', keys: 'Keys', fault: 'Fault', body: 'Body', unknown: 'Unknown bytes' };
const signs = { obeys: '✓', breaks: '✗', says: '·' };

// handshake shows the client's side and, where there is one, the backend's beside it.
// sides is [{title, events, other}]; events are inspect's.
export function handshake(sides) {
  const pane = el('div', { class: 'pane', 'aria-hidden': 'true' });
  const idle = 'Point at a line or at bytes, or go there with Tab and the arrow keys, to see what they mean.';
  function explain(title, notes, marked) {
    replace(pane, el('strong', { class: 'mono' }, title), marked && el('p', { class: 'warn' }, marked), notes.length ? el('ul', { class: 'notes' }, notes.map(noteOf)) : el('p', { class: 'soft' }, 'No rule is about this.'));
  }
  replace(pane, el('p', { class: 'soft' }, idle));

  const shown = sides.filter((s) => s.events && s.events.length);
  const columns = shown.map((side) => {
    const other = shown.find((s) => s !== side);
    const column = el('section', { class: 'side' }, el('h3', {}, side.title));
    const stops = [];
    for (const e of side.events) {
      if (e.event === 'connection' || e.event === 'frame' || e.event === 'message' || e.event === 'closing' || e.event === 'end') continue;
      column.append(part(e, other, side, stops));
    }
    roving(column, stops);
    return column;
  });
  const all = el('input', { type: 'checkbox', id: id('all') });
  const root = el('div', { class: 'handshake' },
    el('label', { class: 'check' }, all, ' show all explanations'),
    el('div', { class: 'sides', dataset: { n: String(columns.length) } }, columns), pane);
  all.addEventListener('change', () => root.classList.toggle('open', all.checked));
  return root;

  // stop is something that can be explained.
  function stop(stops, text, title, notes, cls, marked) {
    const why = el('span', { class: 'hide' }, [marked, ...notes.map((n) => n.text + (n.section ? ` (${n.section})` : ''))].filter(Boolean).join('. '));
    const b = el('button', { type: 'button', class: 'stop ' + (cls || ''), tabindex: '-1' }, text, why);
    b.addEventListener('pointerenter', () => explain(title, notes, marked));
    b.addEventListener('focus', () => explain(title, notes, marked));
    stops.push(b);
    return b;
  }

  function part(e, other, side, stops) {
    const name = heads[e.event] || titles[e.event] || e.event;
    const sec = el('div', { class: 'part', dataset: { from: e.from || '' } },
      el('h4', {}, name, ' ', el('span', { class: 'soft' }, e.text ? visible(e.text) : '')));
    if (e.lines) {
      const twin = other && other.events.find((o) => o.event === e.event);
      const list = el('ol', { class: 'lines' });
      for (const [i, line] of e.lines.entries()) {
        const notes = line.notes || [];
        const change = twin ? compare(line, i, twin, side) : null;
        const worst = notes.some((n) => n.verdict === 'breaks') ? 'breaks' : notes.some((n) => n.verdict === 'obeys') ? 'obeys' : 'says';
        const text = visible(line.text);
        const b = stop(stops, [el('span', { class: 'sign ' + worst, 'aria-hidden': 'true' }, signs[worst]), el('code', {}, text), change && el('span', { class: 'mark' }, change.word)],
          text, notes, '', change && change.says);
        list.append(el('li', {}, b, notes.length ? el('ul', { class: 'notes inline' }, notes.map(noteOf)) : null));
      }
      sec.append(list);
    }
    if (e.parts && e.bytes && !e.lines) sec.append(el('div', { class: 'bytes' }, cells(e, stops)));
    else if (e.bytes && !e.lines) sec.append(el('div', { class: 'bytes' }, el('code', {}, hexOf(e.bytes))));
    if (e.steps) sec.append(el('pre', { class: 'steps', tabindex: '0', role: 'group', 'aria-label': 'The arithmetic of the keys' }, e.steps.map(visible).join('\n')));
    if (e.notes) sec.append(el('ul', { class: 'notes' }, e.notes.map(noteOf)));
    return sec;
  }

  function cells(e, stops) {
    return e.parts.map((p, i) => {
      const hex = e.bytes.slice(p.offset * 2, (p.offset + Number(p.length)) * 2);
      return stop(stops, [el('code', {}, hexOf(hex) || '…')], hexOf(hex), [{ verdict: 'says', text: p.meaning }], 'cell p' + (i % 6));
    });
  }
}

function noteOf(n) {
  return el('li', { class: n.verdict }, el('span', { 'aria-hidden': 'true' }, signs[n.verdict] + ' '), el('span', { class: 'hide' }, n.verdict + ': '),
    visible(n.text), n.section && el('span', { class: 'section' }, ' ', n.section),
    n.tolerate && el('span', {}, `; tolerate ${n.tolerate} admits it`), n.hint && el('span', {}, '; ' + visible(n.hint)));
}

// compare says what the gateway did to a line between one side and the other.
function compare(line, i, twin, side) {
  if (i === 0) {
    const first = twin.lines && twin.lines[0];
    return first && first.text !== line.text ? { word: 'changed', says: `The other side has: ${visible(first.text)}` } : null;
  }
  const name = (line.name || '').toLowerCase();
  const there = (twin.lines || []).filter((l, j) => j > 0 && (l.name || '').toLowerCase() === name);
  if (!there.length) return { word: 'only here', says: 'The other side has no such line.' };
  if (there.some((l) => l.text === line.text)) return null;
  const same = there.some((l) => value(l) === value(line));
  return same ? { word: 'spelling', says: `The other side writes: ${visible(there[0].text)}` } : { word: 'changed', says: `The other side has: ${visible(there[0].text)}` };
}
const value = (l) => l.text.slice(l.text.indexOf(':') + 1).trim().toLowerCase();

// roving makes one of the buttons a stop of Tab; the arrow keys go to the others.
export function roving(root, stops) {
  if (!stops.length) return;
  stops[0].tabIndex = 0;
  root.addEventListener('focusin', (e) => {
    if (!stops.includes(e.target)) return;
    for (const s of stops) s.tabIndex = s === e.target ? 0 : -1;
  });
  root.addEventListener('keydown', (e) => {
    const at = stops.indexOf(e.target);
    if (at < 0) return;
    const to = { ArrowDown: at + 1, ArrowRight: at + 1, ArrowUp: at - 1, ArrowLeft: at - 1, Home: 0, End: stops.length - 1 }[e.key];
    if (to === undefined || !stops[to]) return;
    e.preventDefault();
    stops[to].focus();
  });
}

// facts is a list of names and values.
export function facts(pairs) {
  return el('dl', { class: 'facts' }, pairs.filter(([, v]) => v !== '' && v !== null && v !== undefined)
    .map(([k, v]) => el('div', {}, el('dt', {}, k), el('dd', {}, v))));
}

