// The photograph that is asked with, who it may be, and how to say who it is.
import {bytes, el, errorNotice} from './dom.js';
import {retrieval} from './api.js';
import {confirmPanel} from './confirm.js';
import {gallery, noteFields} from './gallery_state.js';
import {dropZone, showVerdict} from './own_photos.js';
import {photo} from './photos.js';
import {isCombined, isFiltersFault, searchRequest} from './query.js';
import {nameOf} from './results.js';
import {hash} from './route.js';
import * as uploads from './uploads.js';
import {identify, inShort, noVerdict, verdict} from './verdict.js';

const MOST_FACTS = 30;

function facts(item) {
  const rows = [['id', item.id], ['path', item.path], ...Object.entries(item.metadata || {})].filter(([, value]) => value !== '');
  return el('dl', {class: 'facts'}, rows.slice(0, MOST_FACTS).map(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));
}

// Its facts come last, because nobody knows beforehand how many there are.
async function showItem(query, name, more, signal) {
  try {
    const {entries} = await retrieval('Get', {ids: [query.id], collection: gallery.name}, signal);
    if (!entries || !entries.length) return;
    const {item} = entries[0];
    noteFields([item]);
    name.replaceChildren(item.identity
      ? el('a', {href: hash('gallery', {c: query.c, identity: item.identity})}, item.identity) : nameOf(''));
    more.append(facts(item));
  } catch (error) {
    if (error.name !== 'AbortError') more.append(errorNotice(error));
  }
}

// nearest: as of queryPanel.
async function showWho(query, mine, place, confirmPlace, nearest, signal) {
  let answer = null;
  try {
    answer = await identify(await searchRequest({...query, like: [], unlike: []}), signal);
    place.replaceChildren(verdict(answer));
    if (mine && !query.f) showVerdict(mine, inShort(answer));
  } catch (error) {
    if (error.name === 'AbortError') return;
    place.replaceChildren(await isFiltersFault(error, query.f, signal)
      ? el('p', {class: 'muted'}, 'Not compared: the filter cannot be read.') : noVerdict(error));
    if (error.code === 'NOT_FOUND') return;
  }
  const seen = isCombined(query) ? [] : await nearest;
  if (signal.aborted) return;
  const names = new Set([...(answer ? answer.candidates.map((one) => one.identity) : []), ...seen]);
  names.delete('');
  const subject = mine ? {photograph: mine} : {item: {id: query.id}};
  confirmPlace.replaceChildren(confirmPanel(subject, [...names], Boolean(answer && answer.is_new)));
}

// nearest: a promise of the identities of the answer that is shown, the nearest first.
export function queryPanel(query, nearest, signal) {
  const panel = el('aside', {class: 'query', 'aria-label': 'Query'});
  if (!query.p && !query.id) {
    panel.append(el('p', {class: 'query-name'}, 'Your examples'), dropZone(query, true));
    return panel;
  }
  const mine = query.p && uploads.find(query.p);
  const verdictPlace = el('div', {class: 'verdict-place', 'aria-live': 'polite'},
    el('p', {class: 'muted'}, 'Comparing with the gallery\u2026'));
  const confirmPlace = el('div', {class: 'confirm-place'});
  const more = el('div', {class: 'query-more'}, dropZone(query, true));
  if (mine) {
    panel.append(uploads.preview(mine, true),
      el('p', {class: 'query-name'}, mine.name, ' ', el('span', {class: 'muted'}, bytes(mine.blob.size))));
  } else {
    const name = el('p', {class: 'query-name one-line'}, '\u00a0');
    panel.append(photo(query.id, `Photograph ${query.id}, which is searched with`, 640, true), name);
    showItem(query, name, more, signal);
  }
  panel.append(verdictPlace, confirmPlace, more);
  showWho(query, mine, verdictPlace, confirmPlace, nearest, signal);
  return panel;
}
