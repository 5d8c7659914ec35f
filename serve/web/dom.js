// Makes elements. Text only ever becomes text: nothing here reads markup from data.

const SVG = 'http://www.w3.org/2000/svg';

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes || {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name.startsWith('on')) {
      element.addEventListener(name.slice(2), value);
    } else {
      element.setAttribute(name, value === true ? '' : String(value));
    }
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

// el('a', {class: 'x', href: '#', onclick: f}, 'text', child, [more]); null children are left out.
export function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

// Of fields whose text is no prose.
export const PLAIN_TEXT = {type: 'text', autocomplete: 'off', autocapitalize: 'off', spellcheck: 'false'};

// Our own text with `code` in it; never text from data.
export function prose(text) {
  return text.split('`').map((part, i) => (i % 2 ? el('code', {}, part) : part));
}

// Said to screen readers, once.
export function say(text) {
  const said = document.getElementById('said');
  said.textContent = '';
  requestAnimationFrame(() => { said.textContent = text; });
}

export function errorNotice(error, retry) {
  return el('div', {class: 'notice bad', role: 'alert'},
    el('p', {}, sentence(error.message || String(error))),
    retry ? el('button', {type: 'button', class: 'quiet', onclick: retry}, 'Try again') : null);
}

export function sentence(text) {
  return text ? text[0].toUpperCase() + text.slice(1) : text;
}

export function count(number, one, many = one + 's') {
  return `${whole(number)} ${Number(number) === 1 ? one : many}`;
}

// int64 come as texts.
export function whole(number) {
  return Number(number).toLocaleString('en-US');
}

export function percent(share) {
  const value = share * 100;
  const text = value > 99 && value < 100 ? '> 99' : value < 1 && value > 0 ? '< 1' : Math.round(value);
  return `${text}\u00a0%`;
}

export function score(value) {
  return Number(value).toFixed(3).replace('-', '\u2212');
}

export function bytes(number) {
  let value = Number(number);
  for (const unit of ['B', 'KB', 'MB', 'GB']) {
    if (value < 1000) return `${value < 10 && unit !== 'B' ? value.toFixed(1) : Math.round(value)} ${unit}`;
    value /= 1000;
  }
  return `${value.toFixed(1)} TB`;
}

export function time(ms) {
  return Number(ms) > 0 ? new Date(Number(ms)).toLocaleString('en-GB', {dateStyle: 'medium', timeStyle: 'short'}) : '\u2013';
}

// Calls f when nothing has been asked for during `ms`.
export function later(ms, f) {
  let timer;
  return (...values) => {
    clearTimeout(timer);
    timer = setTimeout(() => f(...values), ms);
  };
}

// Arrow keys, Home and End move the focus among the elements of `selector` in a grid, by where they stand on the screen; one of
// them at a time is in the order of Tab.
export function arrowKeys(grid, selector) {
  const cells = () => [...grid.querySelectorAll(selector)];
  const choose = (cell) => {
    for (const other of cells()) other.tabIndex = other === cell ? 0 : -1;
  };
  grid.addEventListener('focusin', (event) => {
    const cell = event.target.closest(selector);
    if (cell) choose(cell);
  });
  grid.addEventListener('keydown', (event) => {
    const here = event.target.closest(selector);
    if (!here || event.ctrlKey || event.metaKey || event.altKey) return;
    const all = cells();
    const at = all.indexOf(here);
    let to;
    if (event.key === 'ArrowRight') to = all[at + 1];
    else if (event.key === 'ArrowLeft') to = all[at - 1];
    else if (event.key === 'Home') to = all[0];
    else if (event.key === 'End') to = all[all.length - 1];
    else if (event.key === 'ArrowDown') to = nearestInRow(here, all.slice(at + 1), 1);
    else if (event.key === 'ArrowUp') to = nearestInRow(here, all.slice(0, at).reverse(), -1);
    else return;
    event.preventDefault();
    if (to) to.focus();
  });
  const first = cells()[0];
  if (first) choose(first);
}

// Of the next row in the direction of `others`, the one that stands nearest.
function nearestInRow(here, others, direction) {
  const from = here.getBoundingClientRect();
  let row = null;
  let best = null;
  let distance = Infinity;
  for (const other of others) {
    const box = other.getBoundingClientRect();
    if ((box.top - from.top) * direction < 8) continue;
    if (row === null) row = box.top;
    if (Math.abs(box.top - row) > 8) break;
    if (Math.abs(box.left - from.left) < distance) {
      best = other;
      distance = Math.abs(box.left - from.left);
    }
  }
  return best;
}
