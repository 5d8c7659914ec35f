// Calls of the server: /api/fluke.v1.SERVICE/METHOD, JSON as protobuf maps it. Asks for a key when the server wants one.

const KEY = 'fluke-key';
const PATIENT_TRIES = 4;
const PAUSE_MS = 1000;

class ApiError extends Error {
  // code: a gRPC status name, e.g. INVALID_ARGUMENT; status: of HTTP, 0 where no answer came.
  constructor(message, code, status) {
    super(message);
    this.code = code;
    this.status = status;
  }
}

const CODES = ['OK', 'CANCELLED', 'UNKNOWN', 'INVALID_ARGUMENT', 'DEADLINE_EXCEEDED', 'NOT_FOUND', 'ALREADY_EXISTS',
  'PERMISSION_DENIED', 'RESOURCE_EXHAUSTED', 'FAILED_PRECONDITION', 'ABORTED', 'OUT_OF_RANGE', 'UNIMPLEMENTED', 'INTERNAL',
  'UNAVAILABLE', 'DATA_LOSS', 'UNAUTHENTICATED'];

export function key() {
  return sessionStorage.getItem(KEY) || '';
}

let asking = null;

// One dialog for all calls that wait for a key. Rejects when the user has none.
function askForKey(refused) {
  if (asking) return asking;
  const dialog = document.getElementById('key-dialog');
  const input = document.getElementById('key');
  document.getElementById('key-reason').textContent = refused
    ? 'It did not accept the key that you gave.' : 'Whoever runs the server can give you one.';
  input.value = '';
  asking = new Promise((resolve, reject) => {
    const form = dialog.querySelector('form');
    const cancel = document.getElementById('key-cancel');
    const finish = (act) => {
      form.onsubmit = dialog.oncancel = cancel.onclick = null;
      asking = null;
      if (dialog.open) dialog.close();
      act();
    };
    form.onsubmit = () => finish(() => {
      sessionStorage.setItem(KEY, input.value.trim());
      resolve();
    });
    dialog.oncancel = cancel.onclick = () => finish(() =>
      reject(new ApiError('the server asks for a key, and none was given', 'UNAUTHENTICATED', 401)));
  });
  dialog.showModal();
  input.focus();
  return asking;
}

// fetch with the key, asked for as often as the server wants another one.
export async function fetchWithKey(path, options = {}) {
  for (;;) {
    const used = key();
    const headers = {...options.headers};
    if (used) headers.authorization = `Bearer ${used}`;
    let response;
    try {
      response = await fetch(path, {...options, headers});
    } catch (error) {
      if (error.name === 'AbortError') throw error;
      throw new ApiError('the server does not answer', 'UNAVAILABLE', 0);
    }
    if (response.status !== 401) return response;
    if (key() === used) await askForKey(used !== '');
  }
}

async function errorOf(response) {
  let message = `the server answered ${response.status}`;
  let code = 'UNKNOWN';
  try {
    const answer = await response.json();
    if (answer.message) message = answer.message;
    if (answer.code !== undefined) code = typeof answer.code === 'number' ? CODES[answer.code] : answer.code;
  } catch {
    // not JSON: the HTTP status must do
  }
  if (code === 'PERMISSION_DENIED' && key()) message += ' (your key does not allow it)';
  return new ApiError(message, code, response.status);
}

async function call(service, method, request, signal) {
  const response = await fetchWithKey(`api/fluke.v1.${service}/${method}`, {
    method: 'POST',
    headers: {'content-type': 'application/json'},
    body: JSON.stringify(request),
    signal,
  });
  if (!response.ok) throw await errorOf(response);
  return response.json();
}

export const retrieval = (method, request, signal) => call('Retrieval', method, request, signal);
export const collections = (method, request, signal) => call('Collections', method, request, signal);
export const training = (method, request, signal) => call('Training', method, request, signal);

// For what nobody waits for: tries again, some times, where the server has too much to do or a key's rate is used up.
export async function patiently(task, signal) {
  for (let tries = 1; ; ++tries) {
    try {
      return await task();
    } catch (error) {
      if (error.code !== 'RESOURCE_EXHAUSTED' || tries === PATIENT_TRIES || (signal && signal.aborted)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
}

// {version, has_keys, jobs}
export async function pageInfo() {
  const response = await fetchWithKey('page.json');
  if (!response.ok) throw await errorOf(response);
  return response.json();
}
