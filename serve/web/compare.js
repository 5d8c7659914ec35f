// Two photographs side by side, with lines between the regions that match: what the ranking's local evidence rests on.
import {count, el, errorNotice, svg} from './dom.js';
import {retrieval} from './api.js';
import {gallery} from './gallery_state.js';
import {photo} from './photos.js';
import * as uploads from './uploads.js';

const MOST_LINES = 60;
const SIZE = 640;

// The MatchRequest of a query of one photograph or item.
async function requestOf(query, id) {
  const request = {ids: [id], collection: gallery.name};
  const mine = query.p && uploads.find(query.p);
  if (!mine) return {...request, item_id: query.id};
  request.image = await uploads.base64(mine.blob);
  if (mine.saved) request.exclude_id = mine.saved.id;
  return request;
}

function asked(query) {
  const mine = query.p && uploads.find(query.p);
  return mine ? uploads.preview(mine, true) : photo(query.id, `Photograph ${query.id}, which is searched with`, SIZE, true);
}

// Where a region lies, in pixels of `from`.
function place(region, box, from) {
  return {
    x: box.left - from.left + region.x * box.width,
    y: box.top - from.top + region.y * box.height,
    r: Math.min(40, Math.max(2, region.diameter * Math.max(box.width, box.height) / 2)),
  };
}

// The heaviest last, on top.
function draw(lines, regions, left, right) {
  const from = lines.getBoundingClientRect();
  const images = [left, right].map((frame) => frame.querySelector('img'));
  if (images.some((image) => !image || !image.naturalWidth)) {
    lines.replaceChildren();
    return;
  }
  const [a, b] = images.map((image) => image.getBoundingClientRect());
  lines.setAttribute('viewBox', `0 0 ${from.width} ${from.height}`);
  const heaviest = regions.length ? regions[0].weight : 1;
  lines.replaceChildren(...regions.slice(0, MOST_LINES).reverse().map((match) => {
    const p = place(match.query, a, from);
    const q = place(match.item, b, from);
    return svg('g', {class: match.weight > heaviest / 2 ? 'match strong' : 'match'},
      svg('circle', {cx: p.x, cy: p.y, r: p.r}), svg('circle', {cx: q.x, cy: q.y, r: q.r}),
      svg('line', {x1: p.x, y1: p.y, x2: q.x, y2: q.y}));
  }));
}

function told(regions) {
  if (!regions.length) return 'No region of one moves with one of the other: nothing but the embedding speaks for this photograph.';
  const shown = regions.length > MOST_LINES ? `, the ${MOST_LINES} that say most are drawn` : '';
  return `${count(regions.length, 'matching region')}${shown}.`;
}

// item: of the answer. Ends with the dialog.
export async function compare(query, item) {
  const left = asked(query);
  const right = photo(item.id, `Photograph ${item.id}`, SIZE, true);
  const lines = svg('svg', {class: 'lines', 'aria-hidden': 'true'});
  const verdict = el('p', {class: 'muted', role: 'status'}, 'Looking for matching regions\u2026');
  const dialog = el('dialog', {class: 'compare', 'aria-labelledby': 'compare-title'},
    el('h2', {id: 'compare-title'}, `What matches in ${item.id}`),
    el('div', {class: 'pair'}, left, right, lines), verdict,
    el('div', {class: 'row end'}, el('button', {type: 'button', class: 'quiet', onclick: () => dialog.close()}, 'Close')));
  const ended = new AbortController();
  let regions = [];
  const redraw = () => draw(lines, regions, left, right);
  const watch = new ResizeObserver(redraw);
  for (const frame of [left, right]) frame.addEventListener('load', redraw, true);
  const close = () => dialog.close();
  window.addEventListener('hashchange', close);
  dialog.addEventListener('close', () => {
    window.removeEventListener('hashchange', close);
    watch.disconnect();
    ended.abort();
    dialog.remove();
  });
  document.body.append(dialog);
  dialog.showModal();
  watch.observe(lines);
  try {
    const {items} = await retrieval('Match', await requestOf(query, item.id), ended.signal);
    regions = (items && items[0].regions) || [];
    verdict.textContent = told(regions);
    redraw();
  } catch (error) {
    if (error.name !== 'AbortError') verdict.replaceWith(errorNotice(error));
  }
}
