// Part 8: a training that `latent train` runs, by the log that it writes and the samples that it draws.
import * as api from '../api.js';
import { html, useEffect, useState, Choice } from '../parts.js';
import { t, when } from '../text.js';
import { Captioned, Plot } from './figure.js';

const PAUSE = 1000, POINTS = 300, SAMPLES = 12, FRESH = 30; // ms; of a curve; pictures; seconds

// ---- Rows ----

// What a log was cut by, or begun anew, goes when rows of those steps come again.
function joined(before, more) {
  const cut = more.steps.length ? before.steps.findIndex((step) => step >= more.steps[0]) : -1, keep = cut < 0 ? before.steps.length : cut;
  return { ...more, steps: [...before.steps.slice(0, keep), ...more.steps], values: [...before.values.slice(0, keep), ...more.values] };
}

const mean = (values) => values.reduce((sum, v) => sum + v, 0) / values.length;
// As many rows as a curve can show, each the mean of some.
function thinned({ steps, values }) {
  const each = Math.ceil(steps.length / POINTS), at = Array.from({ length: Math.ceil(steps.length / each) }, (_, i) => i * each);
  return { xs: at.map((i) => steps[Math.min(i + each, steps.length) - 1]), ys: at.map((i) => mean(values.slice(i, i + each))) };
}
// Over a twentieth of all rows behind each.
const smooth = ({ xs, ys }) => ({ xs, ys: ys.map((_, i) => mean(ys.slice(Math.max(0, i + 1 - Math.ceil(ys.length / 20)), i + 1))) });

// ---- What the server says ----

const none = { at: 0, steps: [], values: [], samples: [] };
async function askAll(wanted, before, signal) {
  const { followed, logs } = await api.trainings(signal), found = logs.sort((a, b) => b.changed - a.changed);
  const one = found.find(({ name }) => name === wanted) ?? found[0], rows = before?.one?.name === one?.name ? before?.rows ?? none : none;
  return { followed, logs: found, one, rows: one ? joined(rows, await api.training(one.name, rows.at, signal)) : none };
}

// Again and again while the page is seen; null: it isn't known yet.
function useFollowed(wanted, on) {
  const [state, setState] = useState(null);
  useEffect(() => {
    const aborter = new AbortController();
    let now = null, timer;
    const go = async () => {
      if (!document.hidden) now = await askAll(wanted, now, aborter.signal).catch(({ message: error }) => ({ logs: [], rows: none, ...now, error }));
      if (aborter.signal.aborted) return;
      setState(now);
      if (now?.followed !== false) timer = setTimeout(go, PAUSE);
    };
    if (on) go();
    return () => {
      aborter.abort();
      clearTimeout(timer);
    };
  }, [wanted, on]);
  return state;
}

// ---- What is shown ----

function Curve({ rows, one }) {
  const curve = thinned(rows), step = rows.steps.at(-1), loss = smooth(curve).ys.at(-1).toPrecision(3);
  return html`<${Plot} curves=${[{ ...curve, colour: 'var(--edge)', dots: false, thin: true }, { ...smooth(curve), name: t('learn.loss'), dots: false }]} width=${760} height=${220} ticks=${8}
    label=${t('learn.lossLabel', { step, loss })} caption=${`${t('follow.at', { step, loss })} · ${one.age < FRESH ? t('follow.runs') : t('follow.rests', { when: when(one.changed) })}`} />`;
}

function Samples({ one, samples }) {
  const sorted = [...samples].sort((a, b) => a.step - b.step), every = Math.ceil(sorted.length / SAMPLES);
  const shown = sorted.filter((_, i) => (sorted.length - 1 - i) % every === 0);
  return shown.length > 0 && html`<h3>${t('follow.samples')}</h3><div class="cards samples" data-followed>${shown.map((sample) => html`<${Captioned} key=${sample.step} caption=${t('learn.after', { n: sample.step })}>
    <img class="pixels" src=${api.sampleOf(one.name, sample)} alt=${t('learn.after', { n: sample.step })} /><//>`)}</div>`;
}

export function Followed({ on }) {
  const [wanted, choose] = useState(null), now = useFollowed(wanted, on);
  return html`<h3>${t('follow.title')}</h3><div class="learning" data-log=${now?.one?.name}>
    ${now?.error && html`<p class="bad" role="alert">${now.error}</p>`}
    ${now && !now.one && html`<p class="hint">${t(now.followed ? 'follow.waits' : 'follow.hint')}</p>`}
    ${now?.logs.length > 1 && html`<${Choice} label=${t('follow.which')} value=${now.one.name} options=${now.logs.map(({ name }) => [name, name])} onChange=${choose} />`}
    ${now?.rows.steps.length > 0 && html`<${Curve} ...${now} />`}
    ${now?.one && html`<${Samples} one=${now.one} samples=${now.rows.samples} />`}</div>`;
}
