// What is asked: an uploaded photograph (p), an item (id), examples (like, unlike), a filter (f), by individual or not (g). It stands
// in the address and becomes a SearchRequest.
import {retrieval} from './api.js';
import {gallery} from './gallery_state.js';
import {hash} from './route.js';
import * as uploads from './uploads.js';

export function queryIn(parameters) {
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

export const isCombined = (query) => query.like.length + query.unlike.length > 0;

// The search from another item, with the same filter.
export const itemHref = (query) => (item) => hash('search', {c: query.c, id: item.id, f: query.f, g: query.g});

// The SearchRequest without its k.
export async function searchRequest(query) {
  const search = {collection: gallery.name, filter: query.f};
  const mine = query.p && uploads.find(query.p);
  const image = mine ? await uploads.base64(mine.blob) : null;
  if (isCombined(query)) {
    search.like = query.like.map((id) => ({item_id: id}));
    if (mine) search.like.unshift({image});
    else if (query.id && !query.like.includes(query.id)) search.like.unshift({item_id: query.id});
    search.unlike = query.unlike.map((id) => ({item_id: id}));
  } else if (mine) {
    search.image = image;
    if (mine.saved) search.exclude_id = mine.saved.id;
  } else {
    search.item_id = query.id;
    search.exclude_self = true;
  }
  return search;
}

// Whose fault a bad request is: the filter's, if it is refused alone as well.
export async function isFiltersFault(error, filter, signal) {
  if (!filter || error.code !== 'INVALID_ARGUMENT') return false;
  try {
    await retrieval('Count', {filter, collection: gallery.name}, signal);
    return false;
  } catch (again) {
    return again.code === 'INVALID_ARGUMENT';
  }
}
