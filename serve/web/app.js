// The page: which view is shown, the collection, the colours, and what is dropped or pasted anywhere.
import {el, errorNotice} from './dom.js';
import * as browse from './browse.js';
import {all, gallery, loadGallery, loadServer} from './gallery_state.js';
import * as indexState from './index_state.js';
import * as jobs from './jobs.js';
import {take} from './own_photos.js';
import {queryIn} from './query.js';
import {go, hash, read} from './route.js';
import * as search from './search.js';

const VIEWS = {
  search: {title: 'Search', show: search.show},
  gallery: {title: 'Gallery', show: browse.show},
  training: {title: 'Training', show: jobs.show},
  index: {title: 'Index', show: indexState.show},
};

const main = document.getElementById('main');
const chooser = document.getElementById('collection');
let current = null;  // ends what the last view still waits for
let loaded = null;   // the collection that `gallery` describes
let started = null;  // what the server is
let shownHash = null;

async function render() {
  const {view, parameters} = read();
  const chosen = VIEWS[view] ? view : 'search';
  const focused = document.activeElement && document.activeElement.id;
  if (current) current.abort();
  const {signal} = current = new AbortController();
  for (const link of document.querySelectorAll('nav a')) {
    if (link.dataset.view === chosen) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  try {
    const collection = parameters.get('c') || '';
    if (!started) started = loadServer().catch((error) => {
      started = null;
      throw error;
    });
    const opening = loaded === collection ? null : loadGallery(collection, signal);
    await Promise.all([started, opening]);
    if (signal.aborted) return;
    loaded = collection;
  } catch (error) {
    if (signal.aborted) return;
    loaded = null;
    main.replaceChildren(el('div', {class: 'plain'}, errorNotice(error, render),
      parameters.get('c') ? el('p', {}, el('a', {href: '#/search'}, 'Look at the default collection')) : null));
    return;
  }
  showCollections();
  for (const link of document.querySelectorAll('nav a')) link.href = hash(link.dataset.view, {c: gallery.name});
  document.title = `${VIEWS[chosen].title} \u2013 ${gallery.title} \u2013 fluke`;
  const before = shownHash;
  shownHash = location.hash;
  VIEWS[chosen].show(main, parameters, signal);
  if (before === null || before === shownHash) return;
  window.scrollTo(0, 0);
  const again = focused && document.getElementById(focused);
  if (again && again !== document.activeElement) again.focus({preventScroll: true});
  else if (document.activeElement === document.body) main.focus({preventScroll: true});
}

function showCollections() {
  const names = new Map([['', gallery.name ? 'default' : gallery.title]]);
  for (const one of all) {
    if (gallery.name || one.name !== gallery.title) names.set(one.name, one.name);
    for (const alias of one.aliases || []) names.set(alias, `${alias} (${one.name})`);
  }
  if (!names.has(gallery.name)) names.set(gallery.name, gallery.name);
  chooser.replaceChildren(...[...names].slice(0, 2000).map(([value, title]) => el('option', {value}, title)));
  chooser.value = gallery.name;
  chooser.disabled = names.size < 2;
}

chooser.addEventListener('change', () => {
  const {view} = read();
  go(VIEWS[view] ? view : 'search', {c: chooser.value});
});

// Light or dark: the system's, until one is chosen here.
const themeButton = document.getElementById('theme');
const systemDark = window.matchMedia('(prefers-color-scheme: dark)');
const isDark = () => (document.documentElement.dataset.theme || (systemDark.matches ? 'dark' : 'light')) === 'dark';
const showTheme = () => themeButton.setAttribute('aria-pressed', String(isDark()));
themeButton.addEventListener('click', () => {
  document.documentElement.dataset.theme = isDark() ? 'light' : 'dark';
  try {
    localStorage.setItem('fluke-theme', document.documentElement.dataset.theme);
  } catch {
    // no storage: until the page is closed
  }
  showTheme();
});
systemDark.addEventListener('change', showTheme);
showTheme();

// '/' goes to the filter, Escape leaves what is open.
document.addEventListener('keydown', (event) => {
  const typing = event.target.closest('input, textarea, select, dialog');
  if (event.key === '/' && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    const filter = document.getElementById('filter');
    if (!filter) return;
    event.preventDefault();
    filter.focus();
    filter.select();
  } else if (event.key === 'Escape' && !document.querySelector('dialog[open]')) {
    const open = event.target.closest('details[open]') || document.querySelector('details.help[open]');
    if (!open) return;
    open.open = false;
    open.querySelector('summary').focus();
  }
});

document.getElementById('skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});

// Photographs that are dropped or pasted anywhere.
let inside = 0;
const hasFiles = (event) => event.dataTransfer && [...event.dataTransfer.types].includes('Files');
const dragging = (on) => document.body.classList.toggle('dragging', on);
document.addEventListener('dragenter', (event) => {
  if (hasFiles(event)) dragging(++inside > 0);
});
document.addEventListener('dragleave', (event) => {
  if (hasFiles(event)) dragging(--inside > 0);
});
document.addEventListener('dragover', (event) => {
  if (hasFiles(event)) event.preventDefault();
});
document.addEventListener('drop', (event) => {
  inside = 0;
  dragging(false);
  if (!hasFiles(event)) return;
  event.preventDefault();
  takeFiles([...event.dataTransfer.files]);
});
document.addEventListener('paste', (event) => {
  const files = [...(event.clipboardData ? event.clipboardData.files : [])];
  if (!files.length) return;
  event.preventDefault();
  takeFiles(files);
});

function takeFiles(files) {
  const {view, parameters} = read();
  take(files, view === 'search' ? queryIn(parameters) : {});
}

window.addEventListener('hashchange', render);
render();
