// The collection that is looked at, and what the server is. One for the whole page.
import {collections, pageInfo, retrieval} from './api.js';

// As DescribeCollection answers. name: as requests say it; empty = the default one.
export const gallery = {name: '', title: 'default', size: 0, read_only: false, accepts_images: true, has_photos: undefined,
  matches_regions: false};

export const server = {version: '', has_keys: false, jobs: false};

export let all = [];  // collections that there are; empty where the server does not tell

export async function loadServer() {
  Object.assign(server, await pageInfo());
  try {
    all = (await collections('ListCollections', {page_size: 1024})).collections || [];
  } catch (error) {
    if (error.code !== 'UNIMPLEMENTED' && error.status !== 404) throw error;
  }
}

export async function loadGallery(name, signal) {
  let found;
  try {
    found = await collections('DescribeCollection', {name}, signal);
  } catch (error) {
    if (error.code !== 'UNIMPLEMENTED') throw error;
    found = {...await retrieval('Describe', {collection: name}, signal), has_photos: undefined};
  }
  Object.assign(gallery, {matches_regions: false}, found, {title: found.name || name || 'default', name});
  fields.clear();
  values.clear();
}

// Why nothing can be written; empty where it can.
export function whyReadOnly() {
  return gallery.read_only ? 'This gallery is served read-only, so nothing can be written back to it.' : '';
}

// Metadata fields of the items seen.
export const fields = new Set();

export function noteFields(items) {
  const before = fields.size;
  for (const item of items) {
    for (const name of Object.keys(item.metadata || {})) {
      if (fields.size < 100) fields.add(name);
    }
  }
  if (fields.size !== before) window.dispatchEvent(new Event('fluke-fields'));
}

const values = new Map();

// The most frequent values of a field, with their numbers of items.
export function facet(field, signal) {
  if (!values.has(field)) {
    const asked = retrieval('Facet', {field, limit: 100, collection: gallery.name}, signal);
    asked.catch(() => values.delete(field));
    values.set(field, asked);
  }
  return values.get(field);
}

// After something was written.
export function forgetValues() {
  values.clear();
}
