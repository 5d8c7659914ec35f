// Who is this? What Identify says of a photograph.
import {el, errorNotice, percent, score, sentence} from './dom.js';
import {retrieval} from './api.js';
import {hash} from './route.js';

// The IdentifyResponse. Where the gallery is too small to find a threshold: without calibration, and everybody counts as known.
export async function identify(search, signal) {
  try {
    return await retrieval('Identify', {search}, signal);
  } catch (error) {
    if (error.code !== 'FAILED_PRECONDITION') throw error;
    return retrieval('Identify', {search, threshold: '-Infinity'}, signal);
  }
}

// In few words, for below a thumbnail.
export function inShort(answer) {
  const best = answer.candidates[0];
  if (!answer.calibration) return best ? `${best.identity}, ${score(best.best.score)}` : '';
  if (answer.is_new) return 'new individual?';
  return best ? `${best.identity}, ${percent(best.probability)}` : '';
}

function thresholdText(answer) {
  const {calibration} = answer;
  if (!calibration) {
    return 'The gallery is too small to tell how likely that is, or whether it is a new individual: ' +
      'too few individuals have two photographs.';
  }
  return `Scores of at least ${score(answer.threshold)} count as a known individual. On this gallery itself that recognises ` +
    `${percent(calibration.known_recognised)} of known and ${percent(calibration.new_recognised)} of new individuals.`;
}

function candidateRow(candidate, calibrated) {
  const meter = el('span', {class: 'bar', 'aria-hidden': 'true'}, el('span', {}));
  meter.firstChild.style.width = `${Math.max(0, Math.min(1, candidate.probability)) * 100}%`;
  return el('li', {},
    el('a', {href: hash('gallery', {identity: candidate.identity})}, candidate.identity),
    calibrated ? meter : null,
    el('span', {class: 'number'}, calibrated ? percent(candidate.probability) : score(candidate.best.score)));
}

export function verdict(answer) {
  const best = answer.candidates[0];
  const calibrated = Boolean(answer.calibration);
  let headline;
  if (!calibrated) {
    headline = best
      ? el('p', {class: 'headline'}, best.identity, el('span', {class: 'muted'}, ' \u2013 the nearest'))
      : el('p', {class: 'headline muted'}, 'Nobody here to compare with');
  } else if (answer.is_new || !best) {
    const why = best ? `the nearest, ${best.identity}, scores only ${score(best.best.score)}` : 'nobody here resembles it';
    headline = el('p', {class: 'headline new'}, 'New individual', el('span', {class: 'muted'}, ` \u2013 ${why}`));
  } else {
    headline = el('p', {class: 'headline'}, best.identity,
      el('span', {class: 'muted'}, ` \u2013 ${percent(best.probability).replace('>', 'over').replace('<', 'under')} likely`));
  }
  return el('div', {class: 'verdict'}, headline,
    el('ol', {class: 'candidates', 'aria-label': 'Nearest individuals'},
      answer.candidates.slice(0, 5).map((candidate) => candidateRow(candidate, calibrated))),
    el('p', {class: 'muted small'}, thresholdText(answer)));
}

export function noVerdict(error) {
  const calm = {
    FAILED_PRECONDITION: sentence(error.message),
    NOT_FOUND: 'Not compared: it is not in the gallery.',
    UNIMPLEMENTED: 'This server names no individuals.',
  };
  return el('div', {class: 'verdict'}, error.code in calm ? el('p', {class: 'muted'}, calm[error.code]) : errorNotice(error));
}
