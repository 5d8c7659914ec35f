// A photograph, an item, or several of both in; the nearest photographs or individuals out.
import {bytes, count, el, errorNotice, say} from './dom.js';
import {retrieval} from './api.js';
import {confirmPanel} from './confirm.js';
import {filterBar} from './filter.js';
import {gallery, noteFields} from './gallery_state.js';
import {photo} from './photos.js';
import {grid, groupList, nameOf, skeleton} from './results.js';
import {go, hash} from './route.js';
import * as uploads from './uploads.js';
import {inShort, noVerdict, verdict} from './verdict.js';

const NEIGHBOURS = 20;
const GROUP_SIZE = 5;
const SAMPLE = 12;  // photographs of the gallery to begin with

function stateOf(parameters) {
  return {
    c: gallery.name,
    p: parameters.get('p') || '',
    id: parameters.get('id') || '',
    like: parameters.getAll('like'),
    unlike: parameters.getAll('unlike'),
    f: parameters.get('f') || '',
    g: parameters.get('g') || '',
  };
}

const itemHref = (state) => (item) => hash('search', {c: state.c, id: item.id, f: state.f, g: state.g});

// The SearchRequest without its k.
async function searchOf(state) {
  const search = {collection: gallery.name, filter: state.f};
  const mine = state.p && uploads.find(state.p);
  const image = mine ? await uploads.base64(mine.blob) : null;
  if (state.like.length || state.unlike.length) {
    search.like = state.like.map((id) => ({item_id: id}));
    if (mine) search.like.unshift({image});
    else if (state.id && !state.like.includes(state.id)) search.like.unshift({item_id: state.id});
    search.unlike = state.unlike.map((id) => ({item_id: id}));
  } else if (mine) {
    search.image = image;
    if (mine.saved) search.exclude_id = mine.saved.id;
  } else {
    search.item_id = state.id;
    search.exclude_self = true;
  }
  return search;
}

// Takes files in and shows the first of them.
export async function take(files, parameters) {
  if (!gallery.accepts_images) {
    say('This gallery has no model, so it cannot look at photographs');
    return ['this gallery has no model, so it cannot look at photographs of yours'];
  }
  const {added, refused} = await uploads.add(files);
  if (added.length) {
    go('search', {c: gallery.name, p: added[0].number, f: parameters.get('f') || '', g: parameters.get('g') || ''});
    identifyInBackground();
  }
  return refused;
}

let lastRefused = [];
let refusedAt = '';  // the address where it is said

export async function takeAndTell(files, parameters) {
  lastRefused = await take(files, parameters);
  refusedAt = location.hash;
  const place = document.querySelector('.refused');
  if (place) place.replaceChildren(...refusedNotes());
}

function refusedNotes() {
  if (refusedAt !== location.hash) return [];
  return lastRefused.slice(0, 5).map((why) => el('p', {class: 'field-error'}, why));
}

// One after the other, so that what the user waits for comes first.
let identifying = false;
async function identifyInBackground() {
  if (identifying) return;
  identifying = true;
  const collection = gallery.name;
  try {
    for (const mine of uploads.list().filter((one) => one.verdict === undefined)) {
      if (gallery.name !== collection) break;
      const answer = await retrieval('Identify', {search: {image: await uploads.base64(mine.blob), collection}});
      mine.verdict = inShort(answer);
      for (const place of document.querySelectorAll(`[data-verdict="${mine.number}"]`)) place.textContent = mine.verdict;
    }
  } catch {
    // said where the photograph itself is looked at
  } finally {
    identifying = false;
  }
}

function dropZone(parameters, small) {
  const input = el('input', {type: 'file', id: 'files', class: 'visually-hidden', accept: 'image/*', multiple: true,
    disabled: !gallery.accepts_images});
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = '';
    takeAndTell(files, parameters);
  });
  const button = el('label', {for: 'files', class: 'button primary'}, small ? 'Other photographs' : 'Choose photographs');
  return el('div', {class: small ? 'drop small-drop' : 'drop'},
    small ? null : el('img', {src: 'icon.svg', alt: '', width: 56, height: 56}),
    small ? null : el('p', {class: 'lead'}, gallery.accepts_images
      ? 'Drop photographs here, or paste one' : 'This gallery has no model: search from a photograph that is in it'),
    input, gallery.accepts_images ? button : null,
    el('div', {class: 'refused', role: 'alert'}, refusedNotes()));
}

function strip(state) {
  const all = uploads.list();
  if (all.length < 2) return null;
  return el('ul', {class: 'strip', 'aria-label': 'Your photographs'}, all.map((mine) => {
    const current = String(mine.number) === state.p;
    return el('li', {},
      el('a', {href: hash('search', {c: state.c, p: mine.number, f: state.f, g: state.g}), 'aria-current': current ? 'true' : null},
        uploads.preview(mine),
        el('span', {class: 'caption'}, el('span', {class: 'id'}, mine.name),
          el('span', {class: 'muted', 'data-verdict': mine.number}, mine.verdict || '\u00a0'))),
      el('button', {type: 'button', class: 'remove', 'aria-label': `Remove ${mine.name}`, title: 'Remove', onclick: () => {
        uploads.forget(mine.number);
        const next = uploads.list()[0];
        go('search', current ? {c: state.c, p: next ? next.number : '', f: state.f, g: state.g} : {...state});
      }}, '\u00d7'));
  }));
}

function facts(item) {
  const rows = [['id', item.id], ['path', item.path], ...Object.entries(item.metadata || {})].filter(([, value]) => value !== '');
  return el('dl', {class: 'facts'}, rows.slice(0, 30).map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));
}

// What is asked with: the photograph, who it is, and how to say so.
function queryPanel(state, parameters, signal) {
  const mine = state.p && uploads.find(state.p);
  const verdictPlace = el('div', {class: 'verdict-place', 'aria-live': 'polite'}, el('p', {class: 'muted'}, 'Comparing with the gallery\u2026'));
  const confirmPlace = el('div', {class: 'confirm-place'});
  const panel = el('aside', {class: 'query', 'aria-label': 'Query'});
  if (mine) {
    panel.append(uploads.preview(mine, true), el('p', {class: 'query-name'}, mine.name, ' ', el('span', {class: 'muted'}, bytes(mine.blob.size))));
  } else {
    const place = el('div', {class: 'query-item'}, el('p', {class: 'query-name'}, '\u00a0'));
    panel.append(photo(state.id, `Photograph ${state.id}, which is searched with`, 640, true), place);
    showItem(state, place, signal);
  }
  panel.append(verdictPlace, confirmPlace, el('div', {class: 'query-more'}, dropZone(parameters, true)));
  identify(state, mine, verdictPlace, confirmPlace, signal);
  return panel;
}

async function showItem(state, place, signal) {
  try {
    const {entries} = await retrieval('Get', {ids: [state.id], collection: gallery.name}, signal);
    if (!entries || !entries.length) return;
    const {item} = entries[0];
    noteFields([item]);
    place.replaceChildren(el('p', {class: 'query-name'}, item.identity
      ? el('a', {href: hash('gallery', {c: state.c, identity: item.identity})}, item.identity) : nameOf('')),
    facts(item));
  } catch (error) {
    if (error.name !== 'AbortError') place.replaceChildren(errorNotice(error));
  }
}

async function identify(state, mine, place, confirmPlace, signal) {
  const combined = state.like.length || state.unlike.length;
  let answer = null;
  try {
    const search = await searchOf({...state, like: [], unlike: []});
    answer = await retrieval('Identify', {search}, signal);
    place.replaceChildren(verdict(answer));
    if (mine && !state.f) {
      mine.verdict = inShort(answer);
      for (const label of document.querySelectorAll(`[data-verdict="${mine.number}"]`)) label.textContent = mine.verdict;
    }
  } catch (error) {
    if (error.name === 'AbortError') return;
    place.replaceChildren(noVerdict(error));
  }
  if (combined && !mine) return;
  await nearestKnown;
  if (signal.aborted) return;
  const names = new Set([...(answer ? answer.candidates.map((one) => one.identity) : []), ...seenIdentities]);
  names.delete('');
  confirmPlace.replaceChildren(confirmPanel(mine ? {photograph: mine} : {item: {id: state.id}}, [...names], Boolean(answer && answer.is_new)));
}

// Of the answer that is shown, for the list of who it may be.
let seenIdentities = [];
let nearestKnown = Promise.resolve();

function marksOf(state) {
  const marks = new Map([...state.like.map((id) => [id, 'like']), ...state.unlike.map((id) => [id, 'unlike'])]);
  return {
    all: marks,
    of: (id) => marks.get(id) || '',
    set(id, mark) {
      if (mark) marks.set(id, mark);
      else marks.delete(id);
      document.dispatchEvent(new Event('fluke-marks'));
    },
  };
}

// The examples that were marked, at the foot of the window.
function tray(state, marks) {
  const box = el('section', {class: 'tray', 'aria-label': 'Combined search'});
  const ids = (mark) => [...marks.all].filter(([, of]) => of === mark).map(([id]) => id);
  const chips = (mark, sign, name) => ids(mark).map((id) => el('li', {class: mark},
    el('span', {}, `${sign} ${id}`),
    el('button', {type: 'button', 'aria-label': `No longer ${name} ${id}`, onclick: () => marks.set(id, '')}, '\u00d7')));
  const show = () => {
    box.hidden = marks.all.size === 0 && !state.like.length && !state.unlike.length;
    if (box.hidden) return;
    const lacking = !state.p && !state.id && ids('like').length === 0;
    box.replaceChildren(
      el('ul', {'aria-label': 'Examples'}, chips('like', '+', 'like'), chips('unlike', '\u2212', 'unlike')),
      el('div', {class: 'row'},
        el('button', {type: 'button', class: 'quiet', onclick: () => {
          if (state.like.length || state.unlike.length) go('search', {...state, like: [], unlike: []});
          else [...marks.all.keys()].forEach((id) => marks.set(id, ''));
        }}, 'Clear'),
        el('button', {type: 'button', class: 'primary', id: 'combine', disabled: lacking, onclick: () =>
          go('search', {...state, like: ids('like'), unlike: ids('unlike')})}, 'Search with these')));
  };
  document.addEventListener('fluke-marks', function listen() {
    if (box.isConnected) show();
    else document.removeEventListener('fluke-marks', listen);
  });
  show();
  return box;
}

// Whose fault a bad request is: the filter's, if it is refused alone as well.
async function isFiltersFault(error, filter, signal) {
  if (!filter || error.code !== 'INVALID_ARGUMENT') return false;
  try {
    await retrieval('Count', {filter, collection: gallery.name}, signal);
    return false;
  } catch (again) {
    return again.code === 'INVALID_ARGUMENT';
  }
}

async function answerInto(place, state, bar, marks, signal) {
  const grouped = state.g === '1';
  try {
    const search = await searchOf(state);
    const options = {href: itemHref(state), identityHref: (identity) => hash('gallery', {c: state.c, identity}), marks};
    let shown;
    let hits;
    if (grouped) {
      const {groups} = await retrieval('SearchGroups', {search, groups: NEIGHBOURS, group_size: GROUP_SIZE}, signal);
      hits = groups.flatMap((group) => group.hits);
      shown = groups.length ? groupList(groups, options) : null;
      say(`${count(groups.length, 'individual')} found`);
    } else {
      ({hits} = await retrieval('Search', {...search, k: NEIGHBOURS}, signal));
      shown = hits.length ? grid(hits, 'Nearest photographs', options) : null;
      say(`${count(hits.length, 'photograph')} found`);
    }
    seenIdentities = [...new Set(hits.map((hit) => hit.identity))];
    place.replaceChildren(shown || el('p', {class: 'notice'}, state.f ? 'No photograph matches the filter.' : 'The gallery holds no other photograph.'));
    noteFields(hits);
  } catch (error) {
    if (error.name === 'AbortError') return;
    seenIdentities = [];
    if (await isFiltersFault(error, state.f, signal)) {
      bar.show(error);
      place.replaceChildren(el('p', {class: 'notice'}, 'Nothing to show: the filter cannot be read.'));
    } else {
      place.replaceChildren(errorNotice(error, () => go('search', state)));
    }
  }
}

async function sampleInto(place, state, bar, signal) {
  try {
    const {entries} = await retrieval('Scroll', {filter: state.f, page_size: SAMPLE, collection: gallery.name}, signal);
    const items = (entries || []).map((entry) => entry.item);
    noteFields(items);
    place.replaceChildren(items.length ? grid(items, 'Photographs of the gallery', {href: itemHref(state), marks: null})
      : el('p', {class: 'notice'}, state.f ? 'No photograph matches the filter.' : 'The gallery is empty. Add photographs with `fluke upsert`.'));
  } catch (error) {
    if (error.name === 'AbortError') return;
    if (await isFiltersFault(error, state.f, signal)) {
      bar.show(error);
      place.replaceChildren(el('p', {class: 'notice'}, 'Nothing to show: the filter cannot be read.'));
    } else {
      place.replaceChildren(errorNotice(error, () => go('search', state)));
    }
  }
}

export function show(main, parameters, signal) {
  const state = stateOf(parameters);
  const gone = state.p && !uploads.find(state.p);
  const bar = filterBar(state.f, (f) => go('search', {...state, f}));
  const results = el('div', {class: 'results'});
  const asked = !gone && (state.p || state.id || state.like.length);
  if (!asked) {
    results.append(skeleton(SAMPLE, false));
    main.replaceChildren(el('div', {class: 'start'},
      el('h1', {class: 'visually-hidden'}, 'Search'),
      gone ? el('p', {class: 'notice'}, 'That photograph was only kept while the page was open. Please choose it again.') : null,
      dropZone(parameters, false), strip(state),
      el('h2', {}, 'Or begin with a photograph of the gallery'), bar.element, results));
    sampleInto(results, state, bar, signal);
    return;
  }
  const marks = marksOf(state);
  const combined = state.like.length + state.unlike.length > 0;
  const grouped = state.g === '1';
  const toggle = el('input', {type: 'checkbox', id: 'group', role: 'switch', checked: grouped,
    onchange: () => go('search', {...state, g: toggle.checked ? '1' : ''})});
  results.append(skeleton(NEIGHBOURS));
  const title = combined ? 'Nearest to your examples' : grouped ? 'Nearest individuals' : 'Nearest photographs';
  nearestKnown = answerInto(results, state, bar, marks, signal);
  main.replaceChildren(el('div', {class: 'search'},
    el('h1', {class: 'visually-hidden'}, 'Search'),
    strip(state),
    state.p || state.id ? queryPanel(state, parameters, signal)
      : el('aside', {class: 'query', 'aria-label': 'Query'}, el('p', {class: 'query-name'}, 'Your examples'), dropZone(parameters, true)),
    el('section', {class: 'answer', 'aria-label': 'Results'}, bar.element,
      el('div', {class: 'answer-head'}, el('h2', {}, title), el('label', {class: 'switch', for: 'group'}, toggle, el('span', {}, 'Group by individual'))),
      results),
    tray(state, marks)));
}
