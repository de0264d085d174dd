// Elements, and how values are shown. Text of a peer becomes text nodes here and nothing else:
// no module of the page parses HTML.

// el makes an element. Keys of attrs: "on…" are listeners, "class", "dataset", "hidden" and the
// like are attributes; false and undefined are left out. Children are nodes or texts.
export function el(tag, attrs, ...children) {
  const e = document.createElement(tag);
  for (const [key, value] of Object.entries(attrs || {})) {
    if (value === false || value === undefined || value === null) continue;
    if (key.startsWith('on')) e.addEventListener(key.slice(2), value);
    else if (key === 'dataset') Object.assign(e.dataset, value);
    else e.setAttribute(key, value === true ? '' : value);
  }
  add(e, ...children);
  return e;
}

// setText writes only where something has changed, so that a selection is not lost.
export function setText(e, text) {
  if (e.textContent !== text) e.textContent = text;
}

export function setAttr(e, name, value) {
  if (value === null || value === undefined || value === false) {
    if (e.hasAttribute(name)) e.removeAttribute(name);
  } else if (e.getAttribute(name) !== String(value)) e.setAttribute(name, value);
}

// visible is the text of a peer with what no eye sees, or what turns the direction of writing,
// written out.
export function visible(text) {
  return String(text ?? '').replace(/[\u0000-\u001f\u007f]/g, (c) => (c === '\u007f' ? '\u2421' : String.fromCharCode(0x2400 + c.charCodeAt(0))))
    .replace(/[\u0080-\u009f\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g, (c) => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
}

const whole = new Intl.NumberFormat('en');
export const count = (n) => whole.format(n ?? 0);
export const plural = (n, one, many = one + 's') => `${count(n)} ${n === 1 ? one : many}`;

// size is a number of bytes, in three digits.
export function size(n) {
  if (!(n >= 1000)) return `${n ?? 0} B`;
  const units = ['kB', 'MB', 'GB', 'TB', 'PB'];
  let i = -1;
  do { n /= 1000; i++; } while (n >= 999.5 && i < units.length - 1);
  return `${n < 9.995 ? n.toFixed(2) : n < 99.95 ? n.toFixed(1) : n.toFixed(0)} ${units[i]}`;
}

// span is a length of time in one or two units.
export function span(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  if (s < 60) return `${s} s`;
  const m = Math.floor(s / 60);
  if (m < 60) return `${m} min`;
  const h = Math.floor(m / 60);
  if (h < 24) return `${h} h ${m % 60} min`;
  const d = Math.floor(h / 24);
  return d < 100 ? `${d} d ${h % 24} h` : `${d} d`;
}

export const exact = (ms) => new Date(ms).toISOString().replace('T', ' ').replace('Z', ' UTC');
export const millis = (t) => (typeof t === 'number' ? t : t ? Date.parse(t) : 0);
export const clock = (ms) => new Date(ms).toISOString().slice(11, 23);

// ago is an element that says how long ago something was, and exactly when if pointed at.
export function ago(ms, now) {
  const e = el('time');
  setAgo(e, ms, now);
  return e;
}
export function setAgo(e, ms, now) {
  if (!(ms > 0)) return setText(e, 'never');
  const iso = new Date(ms).toISOString();
  setAttr(e, 'datetime', iso);
  setAttr(e, 'title', exact(ms));
  setText(e, ms > now + 1500 ? `in ${span(ms - now)}` : span(now - ms));
}

// badge is the name of a version beside its colour.
export function badge(name) {
  return el('span', { class: 'badge', dataset: { v: name || 'unknown' } }, name || 'unknown');
}

// heading is the title of a view, which gets the focus when the view opens.
export function heading(text, ...more) {
  return el('div', { class: 'head' }, el('h1', { tabindex: '-1' }, text), ...more);
}

// table is a table in a box that scrolls by itself where the window is narrow. columns are
// {name, num, width}; the box can be scrolled by the keys.
export function table(caption, columns, rows, attrs) {
  const body = el('tbody', {}, rows);
  const box = el('div', { class: 'box', tabindex: '0', role: 'region', 'aria-label': caption },
    el('table', attrs, el('caption', { class: 'hide' }, caption),
      el('thead', {}, el('tr', {}, columns.map((c) => el('th', { scope: 'col', class: c.num && 'num' }, c.name)))), body));
  return { box, body };
}

// add puts children behind those that are there, and replace in their place. What is null or false
// is left out.
export function add(e, ...children) { e.append(...children.flat().filter(isChild)); }
export function replace(e, ...children) { e.replaceChildren(...children.flat().filter(isChild)); }
const isChild = (c) => c !== null && c !== undefined && c !== false;

let speaking = 0;
// say tells a screen reader, at most one thing in a second: what is newest.
export function say(text) {
  clearTimeout(speaking);
  speaking = setTimeout(() => { document.getElementById('say').textContent = text; }, 400);
}

let ids = 0;
export const id = (what) => `${what}-${++ids}`;

// hexOf is groups of two digits; dump is lines of sixteen bytes with their text.
export const hexOf = (hex) => (hex.match(/../g) || []).join(' ');
export function dump(hex) {
  const bytes = hex.match(/../g) || [], lines = [];
  for (let i = 0; i < bytes.length; i += 16) {
    const row = bytes.slice(i, i + 16);
    const text = row.map((b) => { const c = parseInt(b, 16); return c > 31 && c < 127 ? String.fromCharCode(c) : '.'; }).join('');
    lines.push(`${i.toString(16).padStart(4, '0')}  ${row.slice(0, 8).join(' ').padEnd(23)}  ${row.slice(8).join(' ').padEnd(23)}  ${text}`);
  }
  return lines.join('\n');
}
export function toHex(text) {
  return Array.from(new TextEncoder().encode(text), (b) => b.toString(16).padStart(2, '0')).join('');
}
