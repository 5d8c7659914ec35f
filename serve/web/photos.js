// Photographs of items, from the server's /photo, each in a box of fixed shape; a drawn fluke where there is none.
import {el, svg} from './dom.js';
import {fetchWithKey, key} from './api.js';
import {gallery} from './gallery_state.js';

// Photographs that were uploaded and confirmed on this page: the server does not keep them, so they are shown from here.
const own = new Map();

export function rememberPhoto(collection, id, blob) {
  own.set(`${collection}/${id}`, blob);
}

const SHAPE = 'M60 48C54 34 36 25 12 27c4 20 18 34 37 38 6 1 8 5 8 13l-2 14h10l-2-14c0-8 2-12 8-13 19-4 33-18 37-38-24-2-42 7-48 21z';

const LONGEST_ID = 24;  // characters that fit below the drawn fluke

function placeholder(id) {
  const short = id.length > LONGEST_ID ? `${id.slice(0, LONGEST_ID / 2 - 1)}\u2026${id.slice(-LONGEST_ID / 2)}` : id;
  return svg('svg', {class: 'no-photo', viewBox: '-20 4 160 120', role: 'img', 'aria-label': `No photograph of ${id} to show`},
    svg('path', {d: SHAPE, transform: 'translate(18 14) scale(.7)'}),
    svg('text', {x: 60, y: 104, 'text-anchor': 'middle'}, short));
}

// Of the item in a frame. `what` is the alternative text; size: pixels that are asked for.
export function photo(id, what, size = 320, eager = false) {
  const frame = el('span', {class: 'photo'});
  const none = () => frame.replaceChildren(placeholder(id));
  const mine = own.get(`${gallery.name}/${id}`);
  if (!mine && gallery.has_photos === false) {
    none();
    return frame;
  }
  const image = el('img', {alt: what, decoding: 'async', loading: eager ? null : 'lazy', width: 4, height: 3});
  frame.append(image);
  if (mine) {
    showBlob(image, mine);
    return frame;
  }
  image.addEventListener('error', none, {once: true});
  const path = `photo?collection=${encodeURIComponent(gallery.name)}&id=${encodeURIComponent(id)}&size=${size}`;
  if (!key()) {
    image.src = path;
  } else {
    whenNear(frame, () => fetchPhoto(image, path, none));
  }
  return frame;
}

// <img> cannot send the key.
async function fetchPhoto(image, path, none) {
  try {
    const response = await fetchWithKey(path);
    if (!response.ok) none();
    else showBlob(image, await response.blob());
  } catch {
    none();
  }
}

export function showBlob(image, blob) {
  const url = URL.createObjectURL(blob);
  const revoke = () => URL.revokeObjectURL(url);
  image.addEventListener('load', revoke, {once: true});
  image.addEventListener('error', revoke, {once: true});
  image.loading = 'eager';
  image.src = url;
}

const waiting = new WeakMap();
const observer = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    observer.unobserve(entry.target);
    waiting.get(entry.target)();
  }
}, {rootMargin: '300px'});

// Calls f once, when the element comes near to what is seen.
export function whenNear(element, f) {
  waiting.set(element, f);
  observer.observe(element);
}
