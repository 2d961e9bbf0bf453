// Part 4, words: a prompt's tokens, where each acts in the picture, and what it is without one of them.
import * as api from '../api.js';
import { html, useState, Fragment, Pills, Range } from '../parts.js';
import { number as localized, t } from '../text.js';
import { Captioned, Map, Pixels } from './figure.js';
import { jobOf, modelOf, only, useLesson, valuesOf } from './lesson.js';
import { useLive } from './live.js';
import { Live, Part } from './part.js';

const MOST_PLACES = 1024; // of a layer whose heads are shown: larger ones would be many MB

const layerName = (name) => name.replace(/^unet\./, '').replace(/\.transformer_blocks\.(\d+)\.attn2$/, (_, n) => (n === '0' ? '' : ` ${n}`));

// Plane i of [..., h, w].
function plane({ shape, data }, i) {
  const [h, w] = shape.slice(-2);
  return { values: data.subarray(i * h * w, (i + 1) * h * w), h, w };
}
// Of [heads, tokens, h, w] one head's, and the mean of all.
const headOf = (array, head, place) => plane(array, head * array.shape[1] + place);
function meanOf(array, place) {
  const { h, w } = headOf(array, 0, place), values = new Float32Array(h * w);
  for (let head = 0; head < array.shape[0]; head++) headOf(array, head, place).values.forEach((v, k) => { values[k] += v / array.shape[0]; });
  return { values, h, w };
}

async function askWords(lesson, at, signal) {
  const { places } = await api.places(modelOf(lesson), signal);
  const layers = places.filter(({ kind, shape }) => kind === 'attention' && shape[2] * shape[3] <= MOST_PLACES);
  const heads = layers.map(({ name }) => ({ kind: 'attention', name, heads: true, as: 'mean' }));
  const [{ words, chunks }, answer] = await Promise.all([api.words(lesson.prompt, signal),
    api.taps(jobOf(lesson, { taps: [{ kind: 'heat' }, { kind: 'heat', ...only(Math.min(at, lesson.steps)) }, ...heads] }), signal)]);
  const values = valuesOf(answer), start = { text: t('words.start'), id: 49406, chunk: 0, place: 0, weight: 1, start: true };
  const heat = (tap) => values.find((value) => value.tap === tap).array;
  return { words: [...words, start], chunks, picture: answer.arrays.picture, all: heat(0), step: heat(1), layers: values.filter(({ kind, tap }) => tap > 1) };
}

// ---- Where a word acts ----

function Tokens({ now, heat, chosen, onChoose }) {
  return html`<div class="tokens-list" role="group" aria-label=${t('words.tokens')}>${now.words.map((word, i) => html`
    <button type="button" aria-pressed=${i === chosen} onClick=${() => onChoose(i)} onMouseEnter=${() => onChoose(i)} onFocus=${() => onChoose(i)}>
      <${Map} ...${plane(heat, word.place)} /><span>${word.start ? html`<i>${word.text}</i>` : word.text}</span><small>${word.id}${now.chunks > 1 ? ` · ${word.chunk + 1}` : ''}</small></button>`)}</div>`;
}

function About({ word, map, chunks }) {
  const most = localized(Math.round(1000 * Math.max(...map.values)) / 10);
  return html`<p class="hint" aria-live="polite">${word.start ? t('words.aboutStart', { id: String(word.id), most })
    : t(chunks > 1 ? 'words.aboutChunk' : 'words.about', { word: word.text, id: String(word.id), place: word.place % 77, chunk: word.chunk + 1, weight: word.weight, most })}</p>`;
}

const Layers = ({ layers, place }) => html`<div class="layers">${layers.map(({ name, array }) => html`<div key=${name}>
  <code>${layerName(name)}</code> <small>${array.shape[2]}×${array.shape[3]}</small>
  <div class="maps"><${Map} ...${meanOf(array, place)} className="blocky" />
    <div class="heads">${Array.from({ length: array.shape[0] }, (_, head) => html`<${Map} ...${headOf(array, head, place)} className="blocky" />`)}</div></div></div>`)}</div>`;

// ---- Without it, or with more of it ----

// Where in the prompt the i-th token's word stands: [from, to); null: it can't be told.
function spanOf(prompt, words, i) {
  const lower = prompt.toLowerCase();
  let from = 0, to = 0;
  for (const { text } of words.slice(0, i + 1)) {
    from = lower.indexOf(text.toLowerCase(), to);
    if (from < 0) return null;
    to = from + text.length;
  }
  while (from > 0 && /[\p{L}\p{N}]/u.test(prompt[from - 1])) from--;
  while (to < prompt.length && /[\p{L}\p{N}]/u.test(prompt[to])) to++;
  return [from, to];
}

// The prompt with that word at a weight; 0: without it.
function weighed(prompt, [from, to], weight) {
  const word = weight === 0 ? '' : weight === 1 ? prompt.slice(from, to) : `(${prompt.slice(from, to)}:${weight})`;
  return (prompt.slice(0, from) + word + prompt.slice(to)).replace(/\s+/g, ' ').trim();
}

function difference(a, b) {
  const [h, w] = a.shape, values = new Float32Array(h * w);
  for (let k = 0; k < 3 * h * w; k++) values[Math.floor(k / 3)] += Math.abs(a.data[k] - b.data[k]) / (3 * 255);
  return { values, h, w };
}

function Weigh({ lesson, now, word, i, on }) {
  const [weight, setWeight] = useState(0);
  const span = word.start || /[()[\]\\]/.test(lesson.prompt) ? null : spanOf(lesson.prompt, now.words, i);
  const prompt = span ? weighed(lesson.prompt, span, weight) : lesson.prompt;
  const live = useLive((signal) => api.taps(jobOf(lesson, { prompt }), signal), [lesson, prompt], on);
  if (!span) return html`<p class="hint">${t(word.start ? 'words.chooseOne' : 'words.noSpan')}</p>`;
  const name = lesson.prompt.slice(...span);
  return html`<div class="sides narrow even"><div class="fields">
      <${Range} label=${t('words.weight', { word: name })} value=${weight} min=${0} max=${2} step=${0.1} onChange=${setWeight} />
      <p class="hint">${t('words.reads')} <code data-prompt>${prompt || '∅'}</code></p></div>
    <${Live} live=${live}>${({ arrays }) => html`<div class="cards three">
      <${Captioned} caption=${t('words.before')}><${Pixels} array=${now.picture} label=${t('words.before')} /><//>
      <${Captioned} caption=${weight === 0 ? t('words.dropped', { word: name }) : t('words.weighed', { word: name, weight })}><${Pixels} array=${arrays.picture} label=${prompt} /><//>
      <${Captioned} caption=${t('words.change')}><${Map} ...${difference(now.picture, arrays.picture)} most=${0.5} label=${t('words.change')} /><//></div>`}<//></div>`;
}

// ---- All of it ----

function Chosen({ now, lesson, mode, on, children }) {
  const [chosen, choose] = useState(null);
  const i = Math.min(chosen ?? Math.max(now.words.length - 2, 0), now.words.length - 1), word = now.words[i];
  const heat = mode === 'step' ? now.step : now.all, map = plane(heat, word.place);
  return html`<${Fragment}><div class="sides narrow first">
      <div class="stage-map" data-heat><${Pixels} array=${now.picture} label=${t('understand.picture')} /><${Map} ...${map} over label=${t('words.heat', { word: word.text })} /></div>
      <div class="fields"><${Tokens} now=${now} heat=${heat} chosen=${i} onChoose=${choose} />${children}<${About} word=${word} map=${map} chunks=${now.chunks} /></div></div>
    <h3>${t('words.drop')}</h3><${Weigh} lesson=${lesson} now=${now} word=${word} i=${i} on=${on} />
    <h3>${t('words.layers')}</h3><p class="hint">${t('words.layersHint')}</p><${Layers} layers=${now.layers} place=${word.place} /><//>`;
}

function Acting({ on }) {
  const lesson = useLesson();
  const [mode, setMode] = useState('all'), [at, setAt] = useState(5);
  const live = useLive((signal) => askWords(lesson, at, signal), [lesson, at], on);
  return html`<${Live} live=${live}>${(now) => html`<${Chosen} now=${now} lesson=${lesson} mode=${mode} on=${on}>
    <div class="row"><${Pills} label=${t('words.mode')} value=${mode} onChange=${setMode} options=${[['all', t('words.all')], ['step', t('words.step')]]} /></div>
    ${mode === 'step' && html`<${Range} label=${t('guide.step')} value=${Math.min(at, lesson.steps)} min=${1} max=${lesson.steps} onChange=${setAt} />`}
  <//>`}<//>`;
}

export const Words = ({ number }) => html`<${Part} name="words" number=${number}
  sources=${['tools/words.c make_room', 'src/pipeline/attention_map.c make_row', 'src/pipeline/heat.c add_layer', 'src/nn/blocks.c attend']}>${(on) => html`<${Acting} on=${on} />`}<//>`;
