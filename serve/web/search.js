// The first view: photographs come in, the nearest photographs or individuals come out.
import {count, el, errorNotice, prose, say} from './dom.js';
import {retrieval} from './api.js';
import {marksOf, tray} from './examples.js';
import {filterBar} from './filter.js';
import {gallery, noteFields} from './gallery_state.js';
import {dropZone, strip} from './own_photos.js';
import {isCombined, isFiltersFault, itemHref, queryIn, searchRequest} from './query.js';
import {queryPanel} from './query_panel.js';
import {grid, groupList, skeleton} from './results.js';
import {go, hash} from './route.js';
import * as uploads from './uploads.js';

const NEIGHBOURS = 20;
const GROUP_SIZE = 5;
const SAMPLE = 12;  // photographs of the gallery to begin with

async function showError(error, place, query, bar, signal) {
  if (error.name === 'AbortError') return;
  if (await isFiltersFault(error, query.f, signal)) {
    bar.show(error);
    place.replaceChildren(el('p', {class: 'notice'}, 'Nothing to show: the filter cannot be read.'));
  } else {
    place.replaceChildren(errorNotice(error, () => go('search', query)));
  }
}

function nothing(query, otherwise) {
  return el('p', {class: 'notice'}, query.f ? 'No photograph matches the filter.' : prose(otherwise));
}

// The comparison is looked at seldom: it is loaded when it is first wanted.
async function showMatches(query, item) {
  (await import('./compare.js')).compare(query, item);
}

// Gives the identities of what was found, the nearest first.
async function answerInto(place, query, bar, marks, signal) {
  const options = {href: itemHref(query), identityHref: (identity) => hash('gallery', {c: query.c, identity}), marks,
    compare: gallery.matches_regions && !isCombined(query) ? (item) => showMatches(query, item) : null};
  try {
    const search = await searchRequest(query);
    let hits;
    let shown;
    if (query.g === '1') {
      const {groups} = await retrieval('SearchGroups', {search, groups: NEIGHBOURS, group_size: GROUP_SIZE}, signal);
      hits = groups.flatMap((group) => group.hits);
      shown = groupList(groups, options);
      say(`${count(groups.length, 'individual')} found`);
    } else {
      ({hits} = await retrieval('Search', {...search, k: NEIGHBOURS}, signal));
      shown = grid(hits, 'Nearest photographs', options);
      say(`${count(hits.length, 'photograph')} found`);
    }
    place.replaceChildren(hits.length ? shown : nothing(query, 'The gallery holds no other photograph.'));
    noteFields(hits);
    return [...new Set(hits.map((hit) => hit.identity))];
  } catch (error) {
    await showError(error, place, query, bar, signal);
    return [];
  }
}

async function sampleInto(place, query, bar, signal) {
  try {
    const {entries} = await retrieval('Scroll', {filter: query.f, page_size: SAMPLE, collection: gallery.name}, signal);
    const items = (entries || []).map((entry) => entry.item);
    noteFields(items);
    place.replaceChildren(items.length ? grid(items, 'Photographs of the gallery', {href: itemHref(query), marks: null})
      : nothing(query, 'The gallery is empty. Add photographs with `fluke upsert`.'));
  } catch (error) {
    await showError(error, place, query, bar, signal);
  }
}

function showStart(main, query, bar, results, signal) {
  const gone = query.p && !uploads.find(query.p);
  results.append(skeleton(SAMPLE, false));
  main.replaceChildren(el('div', {class: 'start'},
    el('h1', {class: 'visually-hidden'}, 'Search'),
    gone ? el('p', {class: 'notice'}, 'That photograph was only kept while the page was open. Please choose it again.') : null,
    dropZone(query, false), strip(query),
    el('h2', {}, 'Or begin with a photograph of the gallery'), bar.element, results));
  sampleInto(results, query, bar, signal);
}

function showAnswer(main, query, bar, results, signal) {
  const marks = marksOf(query);
  const grouped = query.g === '1';
  const toggle = el('input', {type: 'checkbox', id: 'group', role: 'switch', checked: grouped,
    onchange: () => go('search', {...query, g: toggle.checked ? '1' : ''})});
  results.append(skeleton(NEIGHBOURS));
  const nearest = answerInto(results, query, bar, marks, signal);
  main.replaceChildren(el('div', {class: 'search'},
    el('h1', {class: 'visually-hidden'}, 'Search'),
    strip(query),
    queryPanel(query, nearest, signal),
    el('section', {class: 'answer', 'aria-label': 'Results'}, bar.element,
      el('div', {class: 'answer-head'}, el('h2', {}, grouped ? 'Nearest individuals' : 'Nearest photographs'),
        el('label', {class: 'switch', for: 'group'}, toggle, el('span', {}, 'Group by individual'))),
      results),
    tray(query, marks)));
}

export function show(main, parameters, signal) {
  const query = queryIn(parameters);
  const bar = filterBar(query.f, (f) => go('search', {...query, f}));
  const results = el('div', {class: 'results'});
  const asked = query.p ? uploads.find(query.p) : query.id || query.like.length;
  (asked ? showAnswer : showStart)(main, query, bar, results, signal);
}
