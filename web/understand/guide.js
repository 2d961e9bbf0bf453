// Part 3, guidance: eps without the prompt, with it, and what w makes of both.
import * as api from '../api.js';
import { html, useEffect, useState, Choice, Range, Switch } from '../parts.js';
import { use } from '../state.js';
import { t } from '../text.js';
import { ofKind } from '../make/model.js';
import { Captioned, Map, Pixels } from './figure.js';
import { decoded, jobOf, modelOf, only, step, useLesson, valuesOf } from './lesson.js';
import { useLive } from './live.js';
import { Live, Part } from './part.js';

const STRIP = [0, 1, 2, 4, 7.5, 11, 15];

// ||a - b|| over the channels at each place of latents [c, h, w], and its mean square.
function distance(a, b) {
  const [c, h, w] = a.shape, out = new Float32Array(h * w);
  let sum = 0;
  for (let i = 0; i < c * h * w; i++) {
    const by = (a.data[i] - b.data[i]) ** 2;
    out[i % (h * w)] += by;
    sum += by;
  }
  return { values: out.map(Math.sqrt), h, w, rms: Math.sqrt(sum / (c * h * w)) };
}

// The picture and the latents first: they are drawn in a tenth of a second; what the latents look like comes after.
async function askGuided(job, at, signal) {
  const one = only(Math.min(at, job.steps));
  const answer = await api.taps({ ...job, taps: [step('eps.branch', one), step('eps', one), step('x_0', one)] }, signal);
  const values = valuesOf(answer).filter(({ call }) => call === 0), branches = values.filter(({ tap }) => tap === 0);
  const find = (tap, negative) => values.find((value) => value.tap === tap && (negative === undefined || value.negative === negative))?.array;
  const both = branches.length > 1 && { without: find(0, true), with: find(0, false) };
  return { picture: answer.arrays.picture, latents: { eps: find(1), estimate: find(2), ...both }, difference: both ? distance(both.with, both.without) : null };
}

async function askTerms(latents, model, signal) {
  const names = Object.keys(latents), pictures = await decoded(names.map((name) => latents[name]), model, signal);
  return Object.fromEntries(names.map((name, i) => [name, pictures[i]]));
}

function Terms({ now, w }) {
  const card = (array, caption, label) => html`<${Captioned} caption=${caption}><${Pixels} array=${array} label=${label} /><//>`;
  if (!now.without) return html`<p class="hint">${t('guide.alone')}</p><div class="equation">${card(now.eps, 'ε', t('guide.eps'))}</div>`;
  return html`<div class="equation" data-terms>${card(now.eps, 'ε', t('guide.eps'))}<span>=</span>${card(now.without, 'ε(∅)', t('guide.without'))}<span>+</span><b>${w} ·</b>
    <span class="paren" aria-hidden="true">(</span>${card(now.with, 'ε(p)', t('guide.with'))}<span>−</span>${card(now.without, 'ε(∅)', t('guide.without'))}<span class="paren" aria-hidden="true">)</span></div>`;
}

function Strip({ lesson, w, onChoose, on }) {
  const live = useLive(async (signal) => {
    const pictures = [];
    for (const guidance of STRIP) pictures.push((await api.taps(jobOf(lesson, { guidance }), signal)).arrays.picture);
    return pictures;
  }, [lesson], on);
  return html`<${Live} live=${live}>${(pictures) => html`<div class="film wide" role="group" aria-label=${t('guide.strip')}>
    ${pictures.map((picture, i) => html`<button type="button" aria-label="w = ${STRIP[i]}" aria-current=${STRIP[i] === w} onClick=${() => onChoose(STRIP[i])}>
      <${Pixels} array=${picture} /><small>${STRIP[i]}</small></button>`)}</div>`}<//>`;
}

// ---- By a classifier ----

async function askClassified(job, at, signal) {
  const answer = await api.taps({ ...job, taps: [step('gradient', only(Math.min(at, job.steps)))] }, signal), { array } = valuesOf(answer)[0];
  return { picture: answer.arrays.picture, gradient: distance(array, { data: new Float32Array(array.data.length) }) };
}

function Classified({ lesson, at, names, on }) {
  const [name, setName] = useState(names[0]), [classes, setClasses] = useState([]), [chosen, choose] = useState(null), [s, setS] = useState(3);
  useEffect(() => {
    api.describe(name, 'classifier').then((info) => setClasses(info.classes), () => setClasses([]));
  }, [name]);
  const y = classes.includes(chosen) ? chosen : classes[0];
  const live = useLive((signal) => askClassified(jobOf(lesson, { classifier: name, class_name: y, classifier_scale: s }), at, signal), [lesson, at, name, y, s], on && Boolean(y));
  return html`<h3>${t('guide.classifier')}</h3><p class="hint">${t('guide.classifierText')}</p><div class="sides narrow">
    <div class="fields">${names.length > 1 && html`<${Choice} label=${t('guide.classifier')} value=${name} options=${names.map((one) => [one, one])} onChange=${setName} />`}
      <${Choice} label=${t('guide.class')} value=${y} options=${classes.map((one) => [one, one])} onChange=${choose} />
      <${Range} label=${t('guide.s')} value=${s} min=${0} max=${20} step=${0.5} most=${1000} onChange=${setS} /></div>
    <${Live} live=${live}>${({ picture, gradient }) => html`<div class="cards" data-classified><${Captioned} caption=${t('guide.classified', { s, y })}><${Pixels} array=${picture} label=${t('guide.classified', { s, y })} /><//>
      <${Captioned} caption=${t('guide.gradient')}><${Map} ...${gradient} label=${t('guide.gradient')} className="blocky" /><//></div>`}<//></div>`;
}

function Guided({ on }) {
  const lesson = useLesson();
  const [w, setW] = useState(7.5), [at, setAt] = useState(5), classifiers = ofKind(use('models'), 'classifier').map(({ name }) => name);
  const [limited, limit] = useState(false), [low, setLow] = useState(1), [high, setHigh] = useState(8);
  const interval = limited && high > low ? { guidance_interval: [low, high] } : {};
  const live = useLive((signal) => askGuided(jobOf(lesson, { guidance: w, ...interval }), at, signal), [lesson, w, at, limited, low, high], on);
  const terms = useLive((signal) => (live.value ? askTerms(live.value.latents, modelOf(lesson), signal) : Promise.resolve(null)), [live.value], on);
  return html`<div class="sides narrow">
    <div class="fields">
      <${Range} label=${t('guide.w')} value=${w} min=${0} max=${15} step=${0.5} onChange=${setW} />
      <${Range} label=${t('guide.step')} value=${Math.min(at, lesson.steps)} min=${1} max=${lesson.steps} onChange=${setAt} />
      <${Switch} label=${t('guide.interval')} hint=${t('guide.intervalHint')} on=${limited} onChange=${limit} />
      ${limited && html`<${Range} label=${t('guide.low')} value=${low} min=${0} max=${14} step=${0.1} onChange=${setLow} />
        <${Range} label=${t('guide.high')} value=${high} min=${0.1} max=${15} step=${0.1} onChange=${setHigh} />`}
    </div>
    <${Live} live=${live}>${(now) => html`<div class="result large" data-guided><${Pixels} array=${now.picture} label=${t('guide.picture', { w })} /></div>`}<//>
  </div>
  <${Live} live=${terms}>${(now) => html`<${Terms} now=${now} w=${w} />
    <div class="cards"><${Captioned} caption=${t('guide.estimate')}><${Pixels} array=${now.estimate} label=${t('guide.estimate')} /><//>
      ${live.value.difference && html`<${Captioned} caption=${t('guide.difference', { rms: live.value.difference.rms.toPrecision(2) })}><${Map} ...${live.value.difference} label=${t('guide.differenceLabel')} className="blocky" /><//>`}</div>`}<//>
  <h3>${t('guide.strip')}</h3><${Strip} lesson=${lesson} w=${w} onChoose=${setW} on=${on} />
  ${classifiers.length > 0 && html`<${Classified} lesson=${lesson} at=${at} names=${classifiers} on=${on} />`}`;
}

export const Guidance = ({ number }) => html`<${Part} name="guide" number=${number} sources=${['src/pipeline/denoiser.c add_branch', 'src/pipeline/guidance.c lt_guidance_shift']}>${(on) => html`<${Guided} on=${on} />`}<//>`;
