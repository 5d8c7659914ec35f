// Photographs with their scores, in a grid that the arrow keys walk through.
import {arrowKeys, el, score} from './dom.js';
import {photo} from './photos.js';

const MOST_SHOWN = 200;

export function nameOf(identity) {
  return identity || 'unknown individual';
}

function describe(item, scored) {
  const who = item.identity ? `${item.identity}, photograph ${item.id}` : `Photograph ${item.id} of an unknown individual`;
  return scored ? `${who}, score ${score(item.score)}` : who;
}

function metadataText(item) {
  return Object.entries(item.metadata || {}).map(([name, value]) => `${name}: ${value}`).join('\n');
}

// One photograph. options: {href(item), rank, marks: {of(id), set(id, 'like' | 'unlike' | '')} or null, compare(item): shows what
// matches, or null}
function card(item, options) {
  const scored = item.score !== undefined;
  const link = el('a', {class: 'card-link', href: options.href(item), title: metadataText(item) || null},
    photo(item.id, describe(item, scored)),
    el('span', {class: 'caption'},
      el('span', {class: item.identity ? 'who' : 'who unknown'}, nameOf(item.identity)),
      scored ? el('span', {class: 'score', title: 'Similarity: larger is nearer'}, score(item.score)) : null,
      el('span', {class: 'id'}, item.id)));
  const box = el('li', {class: 'card'}, link);
  if (options.marks) addMarks(box, link, item, options.marks);
  if (options.compare) addCompare(box, link, item, options.compare);
  return box;
}

function addMarks(box, link, item, marks) {
  const button = (mark, sign, name) => el('button', {type: 'button', class: `mark ${mark}`, tabindex: '-1',
    'aria-label': `${name} like ${item.id}`, title: `${name} like this (${sign})`, onclick: () => turn(mark)}, sign);
  const like = button('like', '+', 'More');
  const unlike = button('unlike', '\u2212', 'Less');
  const show = () => {
    const mark = marks.of(item.id);
    like.setAttribute('aria-pressed', String(mark === 'like'));
    unlike.setAttribute('aria-pressed', String(mark === 'unlike'));
    box.dataset.mark = mark;
  };
  const turn = (mark) => {
    marks.set(item.id, marks.of(item.id) === mark ? '' : mark);
    show();
  };
  link.setAttribute('aria-keyshortcuts', '+ -');
  link.addEventListener('keydown', (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === '+' || event.key === '=') turn('like');
    else if (event.key === '-') turn('unlike');
    else return;
    event.preventDefault();
  });
  document.addEventListener('fluke-marks', function listen() {
    if (box.isConnected) show();
    else document.removeEventListener('fluke-marks', listen);
  });
  box.append(el('span', {class: 'marks'}, like, unlike));
  show();
}

function addCompare(box, link, item, compare) {
  link.setAttribute('aria-keyshortcuts', `${link.getAttribute('aria-keyshortcuts') || ''} c`.trim());
  link.addEventListener('keydown', (event) => {
    if (event.key !== 'c' || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    compare(item);
  });
  box.append(el('button', {type: 'button', class: 'compare-button', tabindex: '-1', 'aria-label': `What matches in ${item.id}`,
    title: 'What matches (c)', onclick: () => compare(item)}, '\u21c4'));
}

// Scores or not; at most MOST_SHOWN of them.
export function grid(items, label, options) {
  performance.mark('fluke-grid');
  const list = el('ul', {class: 'grid', 'aria-label': label}, items.slice(0, MOST_SHOWN).map((item) => card(item, options)));
  arrowKeys(list, '.card-link');
  return list;
}

// groups: of SearchGroups.
export function groupList(groups, options) {
  const list = el('div', {class: 'groups'}, groups.slice(0, MOST_SHOWN).map((group) =>
    el('section', {class: 'group', 'aria-label': nameOf(group.identity)},
      el('h3', {},
        group.identity ? el('a', {href: options.identityHref(group.identity)}, group.identity) : el('span', {class: 'unknown'}, nameOf('')),
        group.hits.length ? el('span', {class: 'score'}, score(group.hits[0].score)) : null),
      el('ul', {class: 'grid', 'aria-label': `Photographs of ${nameOf(group.identity)}`}, group.hits.map((hit) => card(hit, options))))));
  arrowKeys(list, '.card-link');
  return list;
}

// Boxes of the same shape while the answer is on its way, so that nothing jumps.
export function skeleton(number, scored = true) {
  return el('div', {class: 'grid', 'aria-hidden': 'true'}, Array.from({length: number}, () =>
    el('div', {class: 'card waiting'}, el('span', {class: 'photo'}),
      el('span', {class: 'caption'}, el('span', {class: 'who'}, '\u00a0'), scored ? el('span', {class: 'score'}, '\u00a0') : null,
        el('span', {class: 'id'}, '\u00a0')))));
}
