// The line that says which items are looked at: a text in the server's filter language, and lists that write it.
import {PLAIN_TEXT, el, errorNotice, later, prose, whole} from './dom.js';
import {facet, fields} from './gallery_state.js';

const HELP = [
  ['camera = "north"', 'the field camera is exactly north'],
  ['year >= 2019', 'a number; also <, <=, > and !='],
  ['date < "2021-06-01"', 'texts compare letter by letter, so ISO dates order'],
  ['quality in ("good", "fair")', 'one of several'],
  ['exists(identity)', 'the field is there; `not exists(identity)`: it is not'],
  ['a = 1 and not (b = 2 or c = 3)', 'conditions joined; `and` binds tighter than `or`'],
  ['`sea state` = 3', 'a field whose name is no plain word'],
];

function quoted(text) {
  return '"' + text.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n').replace(/\r/g, '\\r').replace(/\t/g, '\\t') + '"';
}

function fieldName(name) {
  const keyword = /^(and|or|not|in|exists)$/i.test(name);
  return /^[\p{L}_][\p{L}\d_]*$/u.test(name) && !keyword ? name : '`' + name.replace(/[\\`]/g, '\\$&') + '`';
}

export function condition(field, value) {
  return `${fieldName(field)} = ${quoted(value)}`;
}

// `both` of two filters, either of which may be empty.
export function conjunction(one, other) {
  if (!one || !other) return one || other;
  const alone = (text) => (/\bor\b/i.test(text) ? `(${text})` : text);
  return `${alone(one)} and ${alone(other)}`;
}

// apply(text) is called with what is to hold from now on. Gives {element, show(error or null)}.
export function filterBar(text, apply) {
  const input = el('input', {...PLAIN_TEXT, id: 'filter', value: text,
    placeholder: 'All items \u2013 e.g. camera = "north"', 'aria-describedby': 'filter-error', 'aria-keyshortcuts': '/'});
  const problem = el('p', {class: 'field-error', id: 'filter-error', role: 'alert'});
  const clear = el('button', {type: 'button', class: 'quiet', hidden: !text, onclick: () => apply('')}, 'Clear');
  const help = el('details', {class: 'help'},
    el('summary', {}, 'How to write a filter'),
    el('dl', {}, HELP.map(([example, meaning]) => [el('dt', {}, el('code', {}, example)), el('dd', {}, prose(meaning))])),
    el('p', {class: 'muted small'}, 'Fields are id, identity, path and the names of your metadata, in just that case.'));
  const form = el('form', {class: 'filter', role: 'search', onsubmit: (event) => {
    event.preventDefault();
    apply(input.value.trim());
  }},
    el('label', {for: 'filter'}, 'Filter'),
    input,
    el('button', {type: 'submit'}, 'Apply'),
    clear);
  input.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape') return;
    event.preventDefault();
    input.value = text;
    input.blur();
  });
  const picker = el('div', {class: 'pickers'});
  const element = el('section', {class: 'filter-bar', 'aria-label': 'Filter'}, form, problem,
    el('div', {class: 'filter-more'}, picker, help));
  pickLists(picker, (field, value) => apply(conjunction(input.value.trim(), condition(field, value))));
  return {
    element,
    show(error) {
      problem.textContent = error ? error.message : '';
      input.toggleAttribute('aria-invalid', Boolean(error));
      if (error) input.setAttribute('aria-invalid', 'true');
    },
  };
}

// One list of the fields seen, one of the chosen field's values.
function pickLists(place, choose) {
  const field = el('select', {'aria-label': 'Field to filter by'});
  const value = el('select', {'aria-label': 'Value of the field', disabled: true}, el('option', {value: ''}, 'value'));
  const redraw = () => {
    const chosen = field.value;
    const names = ['identity', ...[...fields].sort()];
    field.replaceChildren(el('option', {value: ''}, 'pick a field'), ...names.map((name) => el('option', {value: name}, name)));
    field.value = names.includes(chosen) ? chosen : '';
  };
  field.addEventListener('change', async () => {
    value.disabled = true;
    const asked = field.value;
    if (!asked) return;
    value.replaceChildren(el('option', {value: ''}, 'loading\u2026'));
    try {
      const {counts, distinct} = await facet(asked);
      if (asked !== field.value) return;
      const more = Number(distinct) - counts.length;
      value.replaceChildren(el('option', {value: ''}, `value (${whole(distinct)})`),
        ...counts.map((one) => el('option', {value: one.value}, `${one.value} (${whole(one.count)})`)),
        ...(more > 0 ? [el('option', {value: '', disabled: true}, `and ${whole(more)} more: write them into the filter`)] : []));
      value.disabled = false;
    } catch (error) {
      place.append(errorNotice(error));
    }
  });
  value.addEventListener('change', () => {
    if (value.value) choose(field.value, value.value);
  });
  redraw();
  const listen = later(50, () => place.isConnected && redraw());
  window.addEventListener('fluke-fields', listen);
  new MutationObserver((_, observer) => {
    if (place.isConnected) return;
    observer.disconnect();
    window.removeEventListener('fluke-fields', listen);
  }).observe(document.getElementById('main'), {childList: true});
  place.append(el('span', {class: 'muted small'}, 'or pick:'), field, value);
}
