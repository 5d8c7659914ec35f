// A line chart of one metric over the steps of a training, as SVG, with the value under the pointer or the arrow keys.
import {el, svg} from './dom.js';

const WIDTH = 360;
const HEIGHT = 190;
const LEFT = 48, RIGHT = 12, TOP = 12, BOTTOM = 34;
const MOST_POINTS = 800;  // drawn; of more, the least and the greatest of each stretch

// Round numbers from below the least to above the greatest.
function ticks(least, greatest, wanted) {
  const span = greatest - least || Math.abs(greatest) || 1;
  const raw = span / wanted;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((one) => one >= raw * 0.999);
  const first = Math.floor(least / step + 1e-9) * step;
  const result = [];
  for (let value = first; ; value += step) {
    result.push(Number(value.toPrecision(12)));
    if (value >= greatest - step * 1e-9 && result.length > 1) return result;
  }
}

function thin(points) {
  if (points.length <= MOST_POINTS) return points;
  const result = [];
  const stretch = Math.ceil(points.length / (MOST_POINTS / 2));
  for (let at = 0; at < points.length; at += stretch) {
    const part = points.slice(at, at + stretch);
    const least = part.reduce((a, b) => (b.y < a.y ? b : a));
    const greatest = part.reduce((a, b) => (b.y > a.y ? b : a));
    result.push(...(least.x <= greatest.x ? [least, greatest] : [greatest, least]));
  }
  return result;
}

export function shortNumber(value) {
  if (value === 0) return '0';
  const size = Math.abs(value);
  if (size >= 1e6 || size < 1e-3) return value.toExponential(1).replace('e+', 'e');
  return String(Number(value.toPrecision(4)));
}

// points: [{x: step, y: value, epoch}] by x. Values that are no numbers are left out.
export function chart(name, allPoints) {
  const points = thin(allPoints.filter((point) => Number.isFinite(point.x) && Number.isFinite(point.y)));
  const title = el('figcaption', {}, el('span', {class: 'chart-name'}, name));
  if (!points.length) return el('figure', {class: 'chart'}, title, el('p', {class: 'muted'}, 'no values yet'));
  const last = points[points.length - 1];
  const reading = el('output', {class: 'chart-value'}, shortNumber(last.y));
  title.append(reading);
  const yTicks = ticks(Math.min(...points.map((p) => p.y)), Math.max(...points.map((p) => p.y)), 4);
  const xTicks = ticks(0, Math.max(1, last.x), 4);
  const [yLow, yHigh, xHigh] = [yTicks[0], yTicks[yTicks.length - 1], xTicks[xTicks.length - 1]];
  const px = (x) => LEFT + (x / xHigh) * (WIDTH - LEFT - RIGHT);
  const py = (y) => HEIGHT - BOTTOM - ((y - yLow) / (yHigh - yLow)) * (HEIGHT - TOP - BOTTOM);
  const line = points.map((p, i) => `${i ? 'L' : 'M'}${px(p.x).toFixed(1)} ${py(p.y).toFixed(1)}`).join('');
  const cursor = svg('line', {class: 'cursor', y1: TOP, y2: HEIGHT - BOTTOM, x1: px(last.x), x2: px(last.x), visibility: 'hidden'});
  const dot = svg('circle', {class: 'dot', r: 3.5, cx: px(last.x), cy: py(last.y)});
  const drawing = svg('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: 'img', tabindex: '0',
    'aria-label': `${name}: ${allPoints.length} values, ${shortNumber(points[0].y)} at first, ${shortNumber(last.y)} at step ${last.x}. ` +
      'Arrow keys read values.'},
  yTicks.map((y) => [svg('line', {class: 'rule', x1: LEFT, x2: WIDTH - RIGHT, y1: py(y), y2: py(y)}),
    svg('text', {class: 'tick', x: LEFT - 6, y: py(y) + 3.5, 'text-anchor': 'end'}, shortNumber(y))]),
  xTicks.map((x) => svg('text', {class: 'tick', x: px(x), y: HEIGHT - BOTTOM + 15, 'text-anchor': 'middle'}, shortNumber(x))),
  svg('text', {class: 'axis', x: (LEFT + WIDTH - RIGHT) / 2, y: HEIGHT - 4, 'text-anchor': 'middle'}, 'steps'),
  svg('path', {class: 'curve', d: line}), cursor, dot);
  let at = points.length - 1;
  const read = (index) => {
    at = Math.max(0, Math.min(points.length - 1, index));
    const point = points[at];
    cursor.setAttribute('x1', px(point.x));
    cursor.setAttribute('x2', px(point.x));
    cursor.setAttribute('visibility', 'visible');
    dot.setAttribute('cx', px(point.x));
    dot.setAttribute('cy', py(point.y));
    const epoch = Number.isFinite(point.epoch) ? `, epoch ${shortNumber(point.epoch)}` : '';
    reading.textContent = `${shortNumber(point.y)} at step ${point.x}${epoch}`;
  };
  const rest = () => {
    read(points.length - 1);
    cursor.setAttribute('visibility', 'hidden');
    reading.textContent = shortNumber(last.y);
  };
  drawing.addEventListener('pointermove', (event) => {
    const box = drawing.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * WIDTH;
    let best = 0;
    points.forEach((point, i) => {
      if (Math.abs(px(point.x) - x) < Math.abs(px(points[best].x) - x)) best = i;
    });
    read(best);
  });
  drawing.addEventListener('pointerleave', rest);
  drawing.addEventListener('blur', rest);
  drawing.addEventListener('keydown', (event) => {
    const step = {ArrowLeft: -1, ArrowRight: 1, Home: -Infinity, End: Infinity}[event.key];
    if (step === undefined) return;
    event.preventDefault();
    read(at + step);
  });
  return el('figure', {class: 'chart'}, title, drawing);
}
