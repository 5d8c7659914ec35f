// The gallery by individual: who is in it, and the photographs of one of them.
import {PLAIN_TEXT, arrowKeys, count, el, errorNotice, later, say, whole} from './dom.js';
import {patiently, retrieval} from './api.js';
import {condition, conjunction, filterBar} from './filter.js';
import {gallery, noteFields} from './gallery_state.js';
import {photo, whenNear} from './photos.js';
import {grid, skeleton} from './results.js';
import {go, hash} from './route.js';

const INDIVIDUALS = 60;        // shown at a time
const MOST_INDIVIDUALS = 5000;  // that the page looks for a name among
const PAGE = 60;                // photographs of an individual at a time
const COVERS_AT_ONCE = 4;

const NOBODY = 'not exists(identity)';

// Covers are asked for some at a time, in the order in which they come into sight.
function coverQueue(signal) {
  const waiting = [];
  let running = 0;
  const next = () => {
    while (running < COVERS_AT_ONCE && waiting.length && !signal.aborted) {
      running += 1;
      patiently(waiting.shift(), signal).catch(() => {}).finally(() => {
        running -= 1;
        next();
      });
    }
  };
  return (task) => {
    waiting.push(task);
    next();
  };
}

function individualCard(identity, number, filter, state, queue, signal) {
  const frame = el('span', {class: 'photo'});
  const name = identity || 'Unknown individuals';
  whenNear(frame, () => queue(async () => {
    const {entries} = await retrieval('Scroll', {filter, page_size: 1, collection: gallery.name}, signal);
    if (entries && entries.length) frame.replaceWith(photo(entries[0].item.id, `${name}, photograph ${entries[0].item.id}`));
  }));
  const href = hash('gallery', {...state, identity, unknown: identity ? '' : '1'});
  return el('li', {class: 'card'}, el('a', {class: 'card-link', href}, frame,
    el('span', {class: 'caption'}, el('span', {class: identity ? 'who' : 'who unknown'}, name),
      el('span', {class: 'id'}, count(number, 'photograph')))));
}

function showIndividuals(main, state, signal) {
  const bar = filterBar(state.f, (f) => go('gallery', {...state, f}));
  const find = el('input', {...PLAIN_TEXT, type: 'search', id: 'find', placeholder: 'Find a name',
    'aria-label': 'Find an individual by name'});
  const place = el('div', {class: 'results'}, skeleton(INDIVIDUALS / 3, false));
  const summary = el('p', {class: 'muted'}, '\u00a0');
  main.replaceChildren(el('div', {class: 'browse'},
    el('div', {class: 'answer-head'}, el('h1', {}, 'Individuals'), find), bar.element, summary, place));
  const queue = coverQueue(signal);
  let shown = INDIVIDUALS;
  let asked = 0;
  const load = async () => {
    const mine = ++asked;
    const wanted = find.value.trim().toLowerCase();
    try {
      const facetLimit = wanted ? MOST_INDIVIDUALS : shown;
      const [{counts, distinct}, nobody] = await Promise.all([
        retrieval('Facet', {field: 'identity', filter: state.f, limit: facetLimit, collection: gallery.name}, signal),
        retrieval('Count', {filter: conjunction(state.f, NOBODY), collection: gallery.name}, signal),
      ]);
      if (mine !== asked) return;
      const found = counts.filter((one) => one.value.toLowerCase().includes(wanted));
      summary.textContent = `${count(distinct, 'individual')} in this gallery` +
        (wanted ? `; ${whole(found.length)} with \u201c${find.value.trim()}\u201d in the name` : ', those with most photographs first') +
        (wanted && Number(distinct) > MOST_INDIVIDUALS ? ` among the ${whole(MOST_INDIVIDUALS)} with most photographs` : '');
      if (wanted) say(summary.textContent);
      const cards = found.slice(0, shown).map((one) =>
        individualCard(one.value, one.count, conjunction(state.f, condition('identity', one.value)), state, queue, signal));
      if (Number(nobody.count) > 0 && !wanted) {
        cards.unshift(individualCard('', nobody.count, conjunction(state.f, NOBODY), state, queue, signal));
      }
      const more = (wanted ? found.length : Number(distinct)) > shown;
      const list = el('ul', {class: 'grid', 'aria-label': 'Individuals'}, cards);
      arrowKeys(list, '.card-link');
      place.replaceChildren(cards.length ? list : el('p', {class: 'notice'}, 'Nobody to show.'),
        more ? el('button', {type: 'button', class: 'more', onclick: () => {
          shown = Math.min(shown * 2, MOST_INDIVIDUALS);
          load();
        }}, 'Show more') : '');
    } catch (error) {
      if (error.name === 'AbortError' || mine !== asked) return;
      if (state.f && error.code === 'INVALID_ARGUMENT') {
        bar.show(error);
        place.replaceChildren(el('p', {class: 'notice'}, 'Nothing to show: the filter cannot be read.'));
      } else {
        place.replaceChildren(errorNotice(error, load));
      }
    }
  };
  find.addEventListener('input', later(250, () => {
    shown = INDIVIDUALS;
    load();
  }));
  load();
}

async function showIndividual(main, state, signal) {
  const who = state.unknown ? NOBODY : condition('identity', state.identity);
  const name = state.unknown ? 'Unknown individuals' : state.identity;
  const bar = filterBar(state.f, (f) => go('gallery', {...state, f, t: ''}));
  const place = el('div', {class: 'results'}, skeleton(20, false));
  const summary = el('p', {class: 'muted'}, '\u00a0');
  main.replaceChildren(el('div', {class: 'browse'},
    el('p', {class: 'crumb'}, el('a', {href: hash('gallery', {c: state.c, f: state.f})}, 'All individuals')),
    el('h1', {}, name), bar.element, summary, place));
  try {
    const filter = conjunction(state.f, who);
    const [page, all] = await Promise.all([
      retrieval('Scroll', {filter, page_size: PAGE, page_token: state.t, collection: gallery.name}, signal),
      retrieval('Count', {filter, collection: gallery.name}, signal),
    ]);
    const items = (page.entries || []).map((entry) => entry.item);
    noteFields(items);
    summary.textContent = count(all.count, 'photograph');
    place.replaceChildren(
      items.length ? grid(items, `Photographs of ${name}`, {href: (item) => hash('search', {c: state.c, id: item.id}), marks: null})
        : el('p', {class: 'notice'}, 'No photograph to show.'),
      el('p', {class: 'row pages'},
        state.t ? el('a', {class: 'button', href: hash('gallery', {...state, t: ''})}, 'First page') : null,
        page.next_page_token ? el('a', {class: 'button', href: hash('gallery', {...state, t: page.next_page_token})}, 'Next page') : null));
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (state.f && error.code === 'INVALID_ARGUMENT') bar.show(error);
    place.replaceChildren(errorNotice(error, () => go('gallery', state)));
  }
}

export function show(main, parameters, signal) {
  const state = {};
  for (const name of ['identity', 'unknown', 'f', 't']) state[name] = parameters.get(name) || '';
  state.c = gallery.name;
  if (state.identity || state.unknown) showIndividual(main, state, signal);
  else showIndividuals(main, state, signal);
}
