// Where the user's own photographs come in, and the row of those that did.
import {el, say} from './dom.js';
import {patiently} from './api.js';
import {gallery} from './gallery_state.js';
import {go, hash} from './route.js';
import * as uploads from './uploads.js';
import {identify, inShort} from './verdict.js';

const MOST_REFUSALS = 5;  // that are told

let refusals = [];
let refusedAt = '';  // the address where they are told

function refusalNotes() {
  if (refusedAt !== location.hash) return [];
  return refusals.slice(0, MOST_REFUSALS).map((why) => el('p', {class: 'field-error'}, why));
}

// Takes files in, searches with the first of them, and tells of those that are no photographs.
export async function take(files, {f = '', g = ''}) {
  refusals = [];
  if (!gallery.accepts_images) {
    refusals.push('This gallery has no model, so it cannot look at photographs of yours.');
  } else {
    const {added, refused} = await uploads.add(files);
    refusals = refused;
    if (added.length) {
      go('search', {c: gallery.name, p: added[0].number, f, g});
      identifyAll();
    }
  }
  refusedAt = location.hash;
  const place = document.querySelector('.refused');
  if (place) place.replaceChildren(...refusalNotes());
  else if (refusals.length) say(refusals.join('. '));
}

// One after the other, so that what the user waits for comes first.
let identifying = false;
async function identifyAll() {
  if (identifying) return;
  identifying = true;
  const collection = gallery.name;
  try {
    for (const mine of uploads.list().filter((one) => one.verdict === undefined)) {
      if (gallery.name !== collection) break;
      const search = {image: await uploads.base64(mine.blob), collection};
      showVerdict(mine, inShort(await patiently(() => identify(search))));
    }
  } catch {
    // said where the photograph itself is looked at
  } finally {
    identifying = false;
  }
}

// Below its thumbnail.
export function showVerdict(mine, text) {
  mine.verdict = text;
  for (const place of document.querySelectorAll(`[data-verdict="${mine.number}"]`)) place.textContent = text;
}

export function dropZone(query, small) {
  const input = el('input', {type: 'file', id: 'files', class: 'visually-hidden', accept: 'image/*', multiple: true,
    disabled: !gallery.accepts_images});
  input.addEventListener('change', () => {
    const files = [...input.files];
    input.value = '';
    take(files, query);
  });
  const choose = gallery.accepts_images
    ? el('label', {for: 'files', class: 'button primary'}, small ? 'Other photographs' : 'Choose photographs') : null;
  const lead = gallery.accepts_images
    ? 'Drop photographs here, or paste one' : 'This gallery has no model: search from a photograph that is in it';
  return el('div', {class: small ? 'drop small-drop' : 'drop'},
    small ? null : [el('img', {src: 'icon.svg', alt: '', width: 56, height: 56}), el('p', {class: 'lead'}, lead)],
    input, choose,
    el('div', {class: 'refused', role: 'alert'}, refusalNotes()));
}

// Null for fewer than two photographs.
export function strip(query) {
  const all = uploads.list();
  if (all.length < 2) return null;
  const {c, f, g} = query;
  return el('ul', {class: 'strip', 'aria-label': 'Your photographs'}, all.map((mine) => {
    const isShown = String(mine.number) === query.p;
    const remove = () => {
      uploads.forget(mine.number);
      const [next] = uploads.list();
      go('search', isShown ? {c, p: next ? next.number : '', f, g} : query);
    };
    return el('li', {},
      el('a', {href: hash('search', {c, p: mine.number, f, g}), 'aria-current': isShown ? 'true' : null},
        uploads.preview(mine),
        el('span', {class: 'caption'}, el('span', {class: 'id'}, mine.name),
          el('span', {class: 'muted', 'data-verdict': mine.number}, mine.verdict || '\u00a0'))),
      el('button', {type: 'button', class: 'remove', 'aria-label': `Remove ${mine.name}`, title: 'Remove', onclick: remove}, '\u00d7'));
  }));
}
