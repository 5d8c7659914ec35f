// Photographs that were marked as examples of what is looked for, or of what it shall not look like.
import {el} from './dom.js';
import {isCombined} from './query.js';
import {go} from './route.js';

// Marks of the query and those that the user sets; 'fluke-marks' on the document says that they changed.
export function marksOf(query) {
  const marks = new Map([...query.like.map((id) => [id, 'like']), ...query.unlike.map((id) => [id, 'unlike'])]);
  return {
    of: (id) => marks.get(id) || '',
    ids: (mark) => [...marks].filter(([, its]) => its === mark).map(([id]) => id),
    set(id, mark) {
      if (mark) marks.set(id, mark);
      else marks.delete(id);
      document.dispatchEvent(new Event('fluke-marks'));
    },
  };
}

// They and the button that searches with them, at the foot of the window.
export function tray(query, marks) {
  const box = el('section', {class: 'tray', 'aria-label': 'Combined search'});
  const chips = (mark, sign, name) => marks.ids(mark).map((id) => el('li', {class: mark},
    el('span', {}, `${sign} ${id}`),
    el('button', {type: 'button', 'aria-label': `No longer ${name} ${id}`, onclick: () => marks.set(id, '')}, '\u00d7')));
  const clear = () => {
    if (isCombined(query)) go('search', {...query, like: [], unlike: []});
    else [...marks.ids('like'), ...marks.ids('unlike')].forEach((id) => marks.set(id, ''));
  };
  const show = () => {
    const [like, unlike] = [marks.ids('like'), marks.ids('unlike')];
    box.hidden = like.length + unlike.length === 0 && !isCombined(query);
    if (box.hidden) return;
    box.replaceChildren(
      el('ul', {'aria-label': 'Examples'}, chips('like', '+', 'like'), chips('unlike', '\u2212', 'unlike')),
      el('div', {class: 'row'},
        el('button', {type: 'button', class: 'quiet', onclick: clear}, 'Clear'),
        el('button', {type: 'button', class: 'primary', id: 'combine', disabled: !query.p && !query.id && like.length === 0,
          onclick: () => go('search', {...query, like, unlike})}, 'Search with these')));
  };
  document.addEventListener('fluke-marks', function listen() {
    if (box.isConnected) show();
    else document.removeEventListener('fluke-marks', listen);
  });
  show();
  return box;
}
