// Charts by uPlot, which draws on a canvas; a table beside each chart has the same numbers.
import { el, setText, count } from './dom.js';

const css = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
export const color = (version, order) => css('--v' + Math.max(0, order.indexOf(version)) % 9) || css('--accent');
const palette = (i) => css('--v' + (i * 4 + 1) % 9);

const timeSteps = [1, 5, 15, 30, 60, 300, 900, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600, 86400]; // seconds

// The times below a chart: hours of 24, and the day where it begins.
const clockValues = (u, all) => all.map((t, i) => {
  const d = new Date(t * 1000), two = (n) => String(n).padStart(2, '0');
  const time = `${two(d.getHours())}:${two(d.getMinutes())}` + (all[1] - all[0] < 60 ? `:${two(d.getSeconds())}` : '');
  return i === 0 || d.getHours() + d.getMinutes() === 0 ? `${time}\n${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}` : time;
});

// lineChart is {root, show(times, series), close()}. series are {label, values, color}.
export function lineChart(title, { height = 220, format = count } = {}) {
  const host = el('div', { class: 'plot' });
  const key = el('ul', { class: 'key' });
  const empty = el('p', { class: 'empty', hidden: true }, 'Nothing yet: this fills while the process runs.');
  const root = el('figure', { class: 'chart' }, el('figcaption', {}, title), key, host, empty);
  const off = new Set(); // names of lines that are hidden
  let plot = null, shape = '', last = null, closed = false;

  const dark = matchMedia('(prefers-color-scheme: dark)');
  const again = () => { shape = ''; if (last) show(...last); };
  dark.addEventListener('change', again);
  const resize = new ResizeObserver(() => { if (plot && host.clientWidth) plot.setSize({ width: host.clientWidth, height }); });
  resize.observe(host);

  function show(times, series) {
    if (closed) return;
    last = [times, series];
    empty.hidden = times.length > 1 && series.length > 0;
    host.hidden = key.hidden = !empty.hidden;
    if (host.hidden) return;
    host.setAttribute('role', 'img');
    host.setAttribute('aria-label', `${title}: ` + series.map((s) => `${s.label} ${format(s.values.at(-1) ?? 0)}`).join(', ') + ' at the end.');
    const data = [times.map((t) => t / 1000), ...series.map((s) => s.values)];
    const now = series.map((s) => s.label).join('\n') + dark.matches + [...off].join();
    if (plot && now === shape) plot.setData(data);
    else make(data, series);
    shape = now;
    for (const [i, li] of [...key.children].entries()) setText(li.querySelector('.n'), format(series[i].values.at(-1) ?? 0));
  }

  function make(data, series) {
    if (plot) plot.destroy();
    const ink = css('--soft'), line = css('--line'), font = '12px system-ui, sans-serif';
    const axis = { stroke: ink, font, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1 } };
    const dashes = [[], [6, 3], [2, 3], [10, 4, 2, 4]];
    plot = new window.uPlot({
      width: host.clientWidth || 600, height, legend: { show: false }, cursor: { drag: { x: false, y: false } },
      scales: { x: { time: true }, y: { range: (u, min, max) => [0, Math.max(1, max * 1.08)] } },
      axes: [{ ...axis, space: 90, incrs: timeSteps, values: clockValues }, { ...axis, size: 64, values: (u, all) => all.map((v) => (Number.isInteger(v) ? format(v) : '')) }],
      series: [{}, ...series.map((s, i) => ({ label: s.label, stroke: s.color || palette(i), width: 2, dash: dashes[Math.floor(i / 3) % 4], points: { show: false }, show: !off.has(s.label) }))],
    }, data, host);
    key.replaceChildren(...series.map((s, i) => {
      const dot = el('span', { class: 'swatch', 'aria-hidden': 'true' });
      dot.style.background = s.color || palette(i);
      const b = el('button', { type: 'button', class: 'chip', 'aria-pressed': String(!off.has(s.label)), title: 'Show or hide this line', onclick: () => {
        if (off.has(s.label)) off.delete(s.label); else off.add(s.label);
        b.setAttribute('aria-pressed', String(!off.has(s.label)));
        plot.setSeries(i + 1, { show: !off.has(s.label) });
      } }, dot, s.label, ' ', el('span', { class: 'n' }));
      return el('li', {}, b);
    }));
  }
  return {
    root, show,
    close() {
      closed = true;
      dark.removeEventListener('change', again);
      resize.disconnect();
      if (plot) plot.destroy();
    },
  };
}

// spark is {root, close()}: a small chart of one row of numbers, without axes.
export function spark(values, label) {
  const root = el('div', { class: 'spark', role: 'img', 'aria-label': label });
  const plot = new window.uPlot({
    width: 130, height: 28, legend: { show: false }, cursor: { show: false }, select: { show: false },
    scales: { x: { time: false }, y: { range: (u, min, max) => [0, Math.max(1, max)] } },
    axes: [{ show: false }, { show: false }],
    series: [{}, { stroke: css('--accent'), width: 1.5, points: { show: false } }],
  }, [values.map((_, i) => i), values], root);
  return { root, close: () => plot.destroy() };
}
