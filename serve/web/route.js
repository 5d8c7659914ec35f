// What the page shows stands in the address behind '#', so that the browser's back, reload and bookmarks work:
// #/VIEW?name=value&...

export function read() {
  const [path, query = ''] = location.hash.replace(/^#\/?/, '').split('?', 2);
  return {view: path || 'search', parameters: new URLSearchParams(query)};
}

// parameters: {name: text or list of texts}; empty ones are left out.
export function hash(view, parameters = {}) {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== '' && one !== undefined && one !== null && one !== false) query.append(name, one);
    }
  }
  const text = query.toString();
  return `#/${view}${text ? '?' + text : ''}`;
}

export function go(view, parameters) {
  const to = hash(view, parameters);
  if (to === location.hash) {
    window.dispatchEvent(new HashChangeEvent('hashchange'));
  } else {
    location.hash = to;
  }
}

// The same without a new entry in the history.
export function replace(view, parameters) {
  history.replaceState(null, '', hash(view, parameters));
  window.dispatchEvent(new HashChangeEvent('hashchange'));
}
