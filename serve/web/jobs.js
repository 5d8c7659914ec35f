// Training jobs: which there are, how the one that is looked at goes on, a new one.
import {PLAIN_TEXT, el, errorNotice, percent, prose, say, sentence, time} from './dom.js';
import {training} from './api.js';
import {chart, shortNumber} from './chart.js';
import {server} from './gallery_state.js';
import {go, hash, replace} from './route.js';

const POLL_MS = 1000;
const LIST_EVERY = 5;  // polls
const PAGE = 20;
const COLLECTION_NAME = {...PLAIN_TEXT, pattern: '[A-Za-z0-9._\\-]{1,100}', title: 'letters, digits, -, _ and .'};
const UNDER_WAY = ['WAITING', 'RUNNING', 'PUBLISHING'];

function badge(state) {
  return el('span', {class: `badge state-${state.toLowerCase()}`}, sentence(state.toLowerCase()));
}

function progressBar(job) {
  const bar = el('progress', {max: 1, value: job.progress, 'aria-label': 'Progress'});
  return el('span', {class: 'progress'}, bar, el('span', {class: 'number'}, percent(job.progress)));
}

function curves(job) {
  const byName = new Map();
  for (const point of job.metrics || []) {
    if (!byName.has(point.name)) byName.set(point.name, []);
    byName.get(point.name).push({x: Number(point.step), y: Number(point.value), epoch: Number(point.epoch)});
  }
  return [...byName].slice(0, 12).map(([name, points]) => ({name, points: points.sort((a, b) => a.x - b.x)}));
}

function valueTable(series) {
  if (!series.length) return null;
  return el('details', {class: 'help'}, el('summary', {}, 'Values as a table'),
    el('table', {},
      el('thead', {}, el('tr', {}, el('th', {scope: 'col'}, 'metric'),
        ['first', 'last', 'least', 'greatest'].map((name) => el('th', {scope: 'col', class: 'number'}, name)))),
      el('tbody', {}, series.map(({name, points}) => {
        const values = points.map((point) => point.y);
        return el('tr', {}, el('th', {scope: 'row'}, name), [values[0], values[values.length - 1], Math.min(...values), Math.max(...values)]
          .map((value) => el('td', {class: 'number'}, shortNumber(value))));
      }))));
}

// The parts of a job's page are redrawn where they changed, so that what has the focus keeps it.
function jobPanel(job, act) {
  const head = el('div', {class: 'job-head'});
  const charts = el('div', {class: 'charts'});
  const table = el('div', {});
  const log = el('pre', {class: 'log', tabindex: '0', 'aria-label': 'Last lines of its log'});
  const config = el('details', {class: 'help'}, el('summary', {}, 'Its config'),
    el('pre', {class: 'log', tabindex: '0'}, job.config_yaml || ''));
  const problem = el('div', {});
  const element = el('section', {class: 'job', 'aria-label': `Job ${job.name || job.id}`}, head, problem, charts, table,
    el('h3', {}, 'Log'), log, config);
  let drawn = '';
  let drawnState = '';
  const update = (now) => {
    if (drawnState !== now.state) {
      drawnState = now.state;
      head.replaceChildren(
        el('h2', {}, now.name || now.id, ' ', badge(now.state)),
        el('div', {class: 'job-progress'}),
        el('div', {class: 'row'},
          UNDER_WAY.includes(now.state) && now.state !== 'PUBLISHING'
            ? cancelButton(now, act) : null,
          now.state === 'SUCCEEDED' ? publishForm(now, act) : null));
      if (drawn) say(`The job is now ${now.state.toLowerCase()}`);
    }
    head.querySelector('.job-progress').replaceChildren(progressBar(now), el('p', {class: 'muted small'},
      `Submitted ${time(now.submitted_ms)}, started ${time(now.started_ms)}, ended ${time(now.ended_ms)}` +
      (now.attempts > 1 ? `; started ${now.attempts} times` : '') + (now.collection ? `; published as ${now.collection}` : '')));
    const signature = `${now.state} ${(now.metrics || []).length}`;
    if (drawn !== signature && !charts.contains(document.activeElement) && !charts.matches(':hover')) {
      drawn = signature;
      const series = curves(now);
      charts.replaceChildren(...(series.length ? series.map(({name, points}) => chart(name, points))
        : [el('p', {class: 'muted'}, 'No values yet.')]));
      const open = table.querySelector('details[open]') !== null;
      table.replaceChildren(valueTable(series) || '');
      if (open && table.firstChild) table.firstChild.open = true;
    }
    if (log.textContent !== now.log_tail) {
      log.textContent = now.log_tail || '';
      log.scrollTop = log.scrollHeight;
    }
    problem.replaceChildren(now.error ? el('p', {class: 'notice bad'}, now.error) : '');
  };
  update(job);
  return {element, update};
}

// Asks once more, in its own place.
function cancelButton(job, act) {
  const button = el('button', {type: 'button', id: 'cancel-job', onclick: () => {
    if (button.dataset.sure) act('CancelJob', {id: job.id});
    button.dataset.sure = '1';
    button.textContent = 'Cancel it: are you sure?';
  }, onblur: () => {
    delete button.dataset.sure;
    button.textContent = 'Cancel this job';
  }}, 'Cancel this job');
  return button;
}

function publishForm(job, act) {
  const alias = el('input', {...COLLECTION_NAME, id: 'publish-alias', required: true, value: job.publish ? job.publish.alias : ''});
  return el('form', {class: 'row publish', onsubmit: (event) => {
    event.preventDefault();
    act('PublishJob', {id: job.id, target: {alias: alias.value.trim()}});
  }}, el('label', {for: 'publish-alias'}, 'Publish as'), alias, el('button', {type: 'submit', class: 'primary'}, 'Publish'));
}

function submitForm(open) {
  const name = el('input', {id: 'job-name', type: 'text', autocomplete: 'off', required: true});
  const config = el('textarea', {id: 'job-config', rows: 12, spellcheck: 'false', required: true,
    placeholder: 'data: {manifest: flukes/manifest.csv}\nmodel: {backbone: resnet18, dim: 256}\nloss: {arcface: 1}\ntrain: {epochs: 30}'});
  const alias = el('input', {...COLLECTION_NAME, id: 'job-alias'});
  const problem = el('div', {});
  const button = el('button', {type: 'submit', class: 'primary'}, 'Submit');
  return el('details', {class: 'submit-job', open}, el('summary', {}, 'New job'), el('form', {onsubmit: async (event) => {
    event.preventDefault();
    button.disabled = true;
    problem.replaceChildren();
    try {
      const request = {name: name.value.trim(), config_yaml: config.value};
      if (alias.value.trim()) request.publish = {alias: alias.value.trim()};
      const job = await training('SubmitJob', request);
      say('The job was submitted');
      go('training', {id: job.id});
    } catch (error) {
      problem.replaceChildren(errorNotice(error));
      button.disabled = false;
    }
  }},
  el('label', {for: 'job-name'}, 'Name'), name,
  el('label', {for: 'job-config'}, prose('Config (YAML, as `fluke train` takes it)')), config,
  el('label', {for: 'job-alias'}, 'Publish as, when it succeeded (may stay empty)'), alias,
  problem, button));
}

function jobRow(job, current, token) {
  return el('li', {}, el('a', {href: hash('training', {id: job.id, t: token}), 'aria-current': job.id === current ? 'true' : null},
    el('span', {class: 'job-name'}, job.name || job.id), badge(job.state),
    el('span', {class: 'muted small'}, time(job.submitted_ms)),
    UNDER_WAY.includes(job.state) ? progressBar(job) : null));
}

export async function show(main, parameters, signal) {
  if (!server.jobs) {
    main.replaceChildren(el('div', {class: 'plain'}, el('h1', {}, 'Training'),
      el('p', {class: 'notice'}, prose('This server trains no models. Whoever runs it can allow jobs with ' +
        '`data` and `jobs.data` in its config.'))));
    return;
  }
  const id = parameters.get('id') || '';
  const token = parameters.get('t') || '';
  const list = el('ul', {class: 'job-list', 'aria-label': 'Jobs, newest first'},
    Array.from({length: 4}, () => el('li', {class: 'waiting'}, '\u00a0')));
  const pages = el('p', {class: 'row pages'});
  const detail = el('div', {class: 'job-detail'}, el('p', {class: 'muted'}, '\u00a0'));
  main.replaceChildren(el('div', {class: 'training'},
    el('div', {class: 'job-side'}, el('h1', {}, 'Training'), submitForm(false), list, pages), detail));
  const loadList = async () => {
    const {jobs, next_page_token: next} = await training('ListJobs', {page_size: PAGE, page_token: token}, signal);
    const focused = document.activeElement && list.contains(document.activeElement) ? document.activeElement.getAttribute('href') : null;
    list.replaceChildren(...(jobs || []).map((job) => jobRow(job, id, token)));
    if (focused) [...list.querySelectorAll('a')].find((link) => link.getAttribute('href') === focused)?.focus();
    pages.replaceChildren(token ? el('a', {class: 'button', href: hash('training')}, 'Newest') : '',
      next ? el('a', {class: 'button', href: hash('training', {t: next})}, 'Older') : '');
    return jobs || [];
  };
  try {
    const jobs = await loadList();
    if (!id && jobs.length) {
      replace('training', {id: jobs[0].id, t: token});
      return;
    }
    if (!id) {
      detail.replaceChildren(el('p', {class: 'notice'}, 'No jobs yet. A job trains a model on photographs that lie on the server.'));
      main.querySelector('.submit-job').open = true;
      return;
    }
    await follow(id, detail, loadList, signal);
  } catch (error) {
    if (error.name !== 'AbortError') detail.replaceChildren(errorNotice(error, () => go('training', {id, t: token})));
  }
}

// While the page can be seen: asks each second for a job that is under way, and now and then which jobs there are.
async function follow(id, place, loadList, signal) {
  const problem = el('div', {});
  let job = await training('GetJob', {id}, signal);
  let wake = () => {};
  let polls = 0;
  let failing = false;
  const act = async (method, request) => {
    problem.replaceChildren();
    try {
      job = await training(method, request);
      panel.update(job);
      await loadList();
      wake();
    } catch (error) {
      if (error.name !== 'AbortError') problem.replaceChildren(errorNotice(error));
    }
  };
  const panel = jobPanel(job, act);
  place.replaceChildren(problem, panel.element);
  const visible = () => wake();
  document.addEventListener('visibilitychange', visible);
  signal.addEventListener('abort', () => {
    document.removeEventListener('visibilitychange', visible);
    wake();
  });
  while (!signal.aborted) {
    await new Promise((resolve) => {
      wake = resolve;
      if (!document.hidden) setTimeout(resolve, POLL_MS);
    });
    if (signal.aborted) return;
    if (document.hidden) continue;
    const before = job.state;
    try {
      if (UNDER_WAY.includes(job.state)) {
        job = await training('GetJob', {id}, signal);
        panel.update(job);
      }
      if (before !== job.state || ++polls % LIST_EVERY === 0) await loadList();
      if (failing) problem.replaceChildren();
      failing = false;
    } catch (error) {
      if (error.name === 'AbortError') return;
      if (!failing) problem.replaceChildren(errorNotice(error));  // asked again in a second: the server may come back
      failing = true;
    }
  }
}
