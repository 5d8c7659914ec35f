// Who is this? What Identify says of a photograph.
import {el, errorNotice, percent, score, sentence} from './dom.js';
import {hash} from './route.js';

// In few words, for below a thumbnail.
export function inShort(answer) {
  if (answer.is_new) return 'new individual?';
  const best = answer.candidates[0];
  if (!best) return '';
  return answer.calibration ? `${best.identity}, ${percent(best.probability)}` : best.identity;
}

function thresholdText(answer) {
  const {calibration} = answer;
  const text = `Scores of at least ${score(answer.threshold)} count as a known individual.`;
  if (!calibration) return `${text} The gallery is too small to tell how likely that is.`;
  return `${text} On this gallery itself that recognises ${percent(calibration.known_recognised)} of known and ` +
    `${percent(calibration.new_recognised)} of new individuals.`;
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
  if (answer.is_new || !best) {
    const why = best ? `the nearest, ${best.identity}, scores only ${score(best.best.score)}` : 'nobody here resembles it';
    headline = el('p', {class: 'headline new'}, 'New individual', el('span', {class: 'muted'}, ` \u2013 ${why}`));
  } else {
    headline = el('p', {class: 'headline'}, best.identity,
      el('span', {class: 'muted'}, calibrated ? ` \u2013 ${percent(best.probability)} likely` : ` \u2013 score ${score(best.best.score)}`));
  }
  return el('div', {class: 'verdict'}, headline,
    el('ol', {class: 'candidates', 'aria-label': 'Nearest individuals'},
      answer.candidates.slice(0, 5).map((candidate) => candidateRow(candidate, calibrated))),
    el('p', {class: 'muted small'}, thresholdText(answer)));
}

export function noVerdict(error) {
  if (error.code === 'FAILED_PRECONDITION') {
    return el('div', {class: 'verdict'}, el('p', {class: 'headline muted'}, 'Too few individuals to name one'),
      el('p', {class: 'muted small'}, sentence(error.message)),
      el('p', {class: 'muted small'}, 'The nearest photographs are shown all the same.'));
  }
  if (error.code === 'UNIMPLEMENTED') return el('div', {class: 'verdict'}, el('p', {class: 'muted'}, 'This server names no individuals.'));
  return el('div', {class: 'verdict'}, errorNotice(error));
}
