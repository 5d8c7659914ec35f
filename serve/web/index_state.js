// What is served: the collection that is looked at, and the others.
import {bytes, count, el, errorNotice, say, whole} from './dom.js';
import {collections, retrieval} from './api.js';
import {all, gallery, loadServer, server, whyReadOnly} from './gallery_state.js';
import {hash} from './route.js';

const METRICS = {cosine: 'cosine similarity', ip: 'inner product', l2: 'negative squared distance'};

function factRows(state) {
  const changed = Number(state.changed);
  return [
    ['Photographs', whole(state.size)],
    ['Vectors', `${state.dimension} numbers each, compared by ${METRICS[state.metric] || state.metric}`],
    ['Kind of index', state.index_type || 'exact'],
    ['Model', state.accepts_images ? (gallery.model || 'of the server\u2019s config') : 'none: takes vectors and items only'],
    ['Model\u2019s fingerprint', state.model_fingerprint || '\u2013'],
    ['Snapshot', `number ${whole(state.snapshot)}` + (changed > 0 ? `, ${count(changed, 'change')} since` : ', nothing changed since')],
    ['Takes changes', state.read_only ? 'no, it is served read-only' : 'yes'],
    gallery.memory_bytes !== undefined ? ['Memory', bytes(gallery.memory_bytes)] : null,
    gallery.disk_bytes !== undefined ? ['Disk', bytes(gallery.disk_bytes)] : null,
  ].filter(Boolean);
}

// Name, and whether numbers stand in it.
const COLUMNS = [['Collection', false], ['Also called', false], ['Photographs', true], ['Model', false],
  ['Snapshot', true], ['Changed', true], ['Disk', true]];

function collectionTable() {
  return el('div', {class: 'table-box', tabindex: '0', role: 'region', 'aria-label': 'Collections'}, el('table', {},
    el('thead', {}, el('tr', {}, COLUMNS.map(([name, isNumber]) =>
      el('th', {scope: 'col', class: isNumber ? 'number' : null}, name)))),
    el('tbody', {}, all.slice(0, 1024).map((one) => el('tr', {},
      el('th', {scope: 'row'}, el('a', {href: hash('index', {c: one.name})}, one.name)),
      el('td', {}, (one.aliases || []).join(', ')),
      el('td', {class: 'number'}, whole(one.size)),
      el('td', {}, one.accepts_images ? one.model || 'config' : '\u2013'),
      el('td', {class: 'number'}, whole(one.snapshot)),
      el('td', {class: 'number'}, whole(one.changed)),
      el('td', {class: 'number'}, bytes(one.disk_bytes)))))));
}

export async function show(main, parameters, signal) {
  const place = el('dl', {class: 'facts wide'});
  const tables = el('div', {}, all.length ? collectionTable() : '');
  const said = el('div', {role: 'status'});
  const why = whyReadOnly();
  const button = el('button', {type: 'button', id: 'snapshot', disabled: Boolean(why), 'aria-describedby': why ? 'why-no-snapshot' : null,
    onclick: () => snapshot()}, 'Make a snapshot');
  const draw = (state) => place.replaceChildren(...factRows(state).flatMap(([name, value]) => [el('dt', {}, name), el('dd', {}, value)]));
  const load = async () => {
    try {
      draw({...gallery, ...await retrieval('Describe', {collection: gallery.name}, signal)});
    } catch (error) {
      if (error.name !== 'AbortError') said.replaceChildren(errorNotice(error, load));
    }
  };
  const snapshot = async () => {
    button.disabled = true;
    said.replaceChildren(el('p', {class: 'muted'}, 'Folding the changes into a new snapshot\u2026'));
    try {
      const {snapshot: number} = await collections('SnapshotCollection', {name: gallery.name});
      said.replaceChildren(el('p', {class: 'good'}, `Snapshot ${whole(number)} is on disk.`));
      say(`Snapshot ${number} is on disk`);
      await loadServer();
      tables.replaceChildren(all.length ? collectionTable() : '');
      await load();
    } catch (error) {
      if (error.name !== 'AbortError') said.replaceChildren(errorNotice(error));
    }
    button.disabled = false;
  };
  draw(gallery);
  main.replaceChildren(el('div', {class: 'plain'},
    el('h1', {}, `Index of ${gallery.title}`), place,
    el('p', {class: 'row'}, button, why ? el('span', {class: 'muted', id: 'why-no-snapshot'}, why) : null), said,
    all.length ? el('h2', {}, 'Collections') : null, tables,
    el('p', {class: 'muted small'}, `fluke ${server.version}. `,
      el('a', {href: 'metrics'}, 'Metrics'), ' \u00b7 ', el('a', {href: 'healthz'}, 'health'))));
  load();
}
