// Says who is on a photograph, and writes that into the gallery: an uploaded one is added to it, an item gets its new identity.
import {PLAIN_TEXT, el, errorNotice, say} from './dom.js';
import {retrieval} from './api.js';
import {condition} from './filter.js';
import {forgetValues, gallery, whyReadOnly} from './gallery_state.js';
import {rememberPhoto} from './photos.js';
import {hash} from './route.js';
import {base64} from './uploads.js';

const TRIED_IDS = 1000;

// The file's name, with a number behind it where the gallery has such an item already.
async function freeId(name) {
  const dot = name.lastIndexOf('.');
  const [stem, ending] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  const ids = [name, ...Array.from({length: TRIED_IDS - 1}, (_, i) => `${stem}-${i + 2}${ending}`)];
  for (let first = 0; first < ids.length; first = first * 10 || 10) {
    const tried = ids.slice(first, first * 10 || 10);
    const {entries} = await retrieval('Get', {ids: tried, collection: gallery.name});
    const taken = new Set((entries || []).map((entry) => entry.item.id));
    const free = tried.find((id) => !taken.has(id));
    if (free) return free;
  }
  throw new Error(`the gallery has more than ${TRIED_IDS} photographs called ${name}`);
}

async function addPhotograph(photograph, identity) {
  const id = await freeId(photograph.name);
  await retrieval('Upsert', {
    items: [{item: {id, identity, path: '', metadata: {}}, photograph: {image: await base64(photograph.blob)}}],
    collection: gallery.name,
  });
  rememberPhoto(gallery.name, id, photograph.blob);
  photograph.saved = {id, identity};
  return id;
}

async function changeIdentity(id, identity) {
  const {entries} = await retrieval('Get', {ids: [id], collection: gallery.name});
  if (!entries || !entries.length) throw new Error(`there is no item ${id} any more`);
  await retrieval('Update', {items: [{...entries[0].item, identity}], collection: gallery.name});
  return id;
}

// subject: {photograph} or {item}; suggestions: identities, the likeliest first; isNew: what Identify thinks.
export function confirmPanel(subject, suggestions, isNew) {
  const why = whyReadOnly();
  const disabled = Boolean(why);
  const done = el('div', {class: 'confirm-done', role: 'status'});
  const same = el('select', {id: 'same-identity', disabled: disabled || !suggestions.length},
    suggestions.length ? suggestions.map((name) => el('option', {value: name}, name)) : el('option', {value: ''}, 'nobody near'));
  const name = el('input', {...PLAIN_TEXT, id: 'new-identity', placeholder: 'its name', disabled, required: true});
  const buttons = [
    el('button', {type: 'submit', class: isNew ? null : 'primary', disabled: disabled || !suggestions.length},
      subject.photograph ? 'Confirm' : 'Change'),
    el('button', {type: 'submit', class: isNew ? 'primary' : null, disabled}, subject.photograph ? 'Add' : 'Change'),
  ];
  const write = async (identity, isNewName) => {
    buttons.forEach((button) => { button.disabled = true; });
    done.replaceChildren(el('p', {class: 'muted'}, 'Writing\u2026'));
    try {
      if (isNewName) await refuseTakenName(identity);
      const id = subject.photograph ? await addPhotograph(subject.photograph, identity) : await changeIdentity(subject.item.id, identity);
      forgetValues();
      done.replaceChildren(el('p', {class: 'good'}, subject.photograph ? 'Added to the gallery as ' : 'Changed: ',
        el('a', {href: hash('search', {c: gallery.name, id})}, id), `, ${identity}.`));
      say(`${id} is now ${identity}`);
    } catch (error) {
      done.replaceChildren(errorNotice(error));
      buttons.forEach((button) => { button.disabled = false; });
    }
  };
  const form = (label, field, button, isNewName) => el('form', {onsubmit: (event) => {
    event.preventDefault();
    const identity = field.value.trim();
    if (identity) write(identity, isNewName);
  }}, el('label', {for: field.id}, label), field, button);
  return el('section', {class: 'confirm', 'aria-label': 'Who is it?'},
    el('h3', {}, subject.photograph ? 'Add it to the gallery as' : 'Correct who it is'),
    why ? el('p', {class: 'muted', id: 'why-read-only'}, why) : null,
    form('Same individual', same, buttons[0], false),
    form('New individual', name, buttons[1], true),
    subject.photograph && subject.photograph.saved
      ? el('p', {class: 'good'}, `Already added as ${subject.photograph.saved.id}, ${subject.photograph.saved.identity}.`) : null,
    done);
}

async function refuseTakenName(identity) {
  const {count} = await retrieval('Count', {filter: condition('identity', identity), collection: gallery.name});
  if (Number(count) > 0) {
    throw new Error(`${identity} is in the gallery already, with ${count} photographs: choose it as the same individual, or another name`);
  }
}
