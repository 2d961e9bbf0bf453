// Part 1, noise in: a picture at any t, at once and by single steps, and the schedules of the noise.
import * as api from '../api.js';
import { html, useState, Choice, Pills, Range } from '../parts.js';
import { use } from '../state.js';
import { number as localized, t } from '../text.js';
import { Captioned, Pixels, Plot, urlOf } from './figure.js';
import { jobOf, modelOf, useLesson } from './lesson.js';
import { useLive } from './live.js';
import { OwnPicture, small } from './own.js';
import { Live, Part } from './part.js';

const STRIP = [0, 100, 200, 300, 400, 500, 600, 700, 800, 900, 999], STEPS = 1000, PLANNED = 20;

// ---- The picture ----

const askNoised = ({ image, at, seed, latent, model }, chain, signal) =>
  api.noise({ image, timesteps: [at], seed, latent, chain, ...model }, signal).then(({ arrays }) => arrays['0']);

function Strip({ asked, at, onChoose, on }) {
  const live = useLive((signal) => api.noise({ image: asked.image, timesteps: STRIP, seed: asked.seed, latent: asked.latent, ...asked.model }, signal), [asked.key], on);
  return html`<${Live} live=${live}>${({ arrays }) => html`<div class="film wide" role="group" aria-label=${t('in.strip')}>${STRIP.map((value, i) => html`
    <button type="button" aria-label="t = ${value}" aria-current=${value === at} onClick=${() => onChoose(value)}><${Pixels} array=${arrays[i]} /><small>${value}</small></button>`)}</div>`}<//>`;
}

function Numbers({ at, curve }) {
  const { abar, beta } = curve, a = abar[at];
  const rows = [['ᾱₜ', a.toFixed(4)], ['√ᾱₜ', Math.sqrt(a).toFixed(3)], ['√(1−ᾱₜ)', Math.sqrt(1 - a).toFixed(3)], ['SNR = ᾱₜ/(1−ᾱₜ)', (a / (1 - a)).toPrecision(3)], ['βₜ', beta[at].toFixed(5)]];
  return html`<dl class="numbers" aria-live="polite">${rows.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
}

function Noised({ image, lesson, at, setAt, curve, on }) {
  const [space, setSpace] = useState('pixels');
  const asked = { image, at, seed: lesson.seed, latent: space === 'latent', model: modelOf(lesson) };
  asked.key = JSON.stringify([image, lesson.seed, space, lesson.model]);
  const live = useLive((signal) => askNoised(asked, false, signal), [asked.key, at], on && Boolean(image));
  const chain = useLive((signal) => askNoised(asked, true, signal), [live.value], Boolean(live.value)); // takes longer: it comes after
  return html`<div class="fields">
      <${Range} label=${t('in.t')} value=${at} min=${0} max=${STEPS - 1} onChange=${setAt} />
      <div class="row"><${Pills} label=${t('in.space')} value=${space} onChange=${setSpace} options=${[['pixels', t('in.pixels')], ['latent', t('in.latent')]]} /></div>
      ${curve && html`<${Numbers} at=${at} curve=${curve} />`}</div>
    <${Live} live=${live}>${(closed) => html`<div class="equation big" data-noised aria-busy=${chain.busy}>
      <${Captioned} caption="x₀"><img class="pixels" src=${image} alt=${t('in.x0')} /><//><span>→</span>
      <${Captioned} caption=${t('in.closed')}><${Pixels} array=${closed} label=${t('in.closedLabel', { t: at })} /><//><span>${'~'}</span>
      <${Captioned} caption=${t('in.chain', { n: at + 1 })}><${Pixels} array=${chain.value} label=${t('in.chainLabel', { t: at })} /><//></div>`}<//>
    <${Strip} asked=${asked} at=${at} onChoose=${setAt} on=${on && Boolean(image)} />`;
}

// ---- The schedules ----

// abar and beta over t from 0 to 999, from the levels of a sampler that goes through all of them.
async function askCurve(job, signal) {
  const { sigmas } = await api.steps({ ...job, sampler: 'ddpm', steps: STEPS }, signal);
  const abar = sigmas.slice(0, STEPS).reverse().map((sigma) => 1 / (1 + sigma * sigma));
  return { abar, beta: abar.map((a, i) => 1 - a / (i ? abar[i - 1] : 1)) };
}

const over = Array.from({ length: STEPS }, (_, i) => i);
function Curves({ own, zero, at }) {
  const two = (of) => [{ xs: over, ys: zero.abar.map((_, i) => of(zero, i)), name: t('in.zero'), colour: 'var(--soft)', dots: false, thin: true }, { xs: over, ys: own.abar.map((_, i) => of(own, i)), name: t('in.own'), dots: false }];
  const plots = [['ᾱₜ', ({ abar }, i) => abar[i], {}], ['SNR', ({ abar }, i) => abar[i] / Math.max(1 - abar[i], 1e-9), { logarithmic: true }], ['βₜ', ({ beta }, i) => Math.min(beta[i], .06), {}]];
  return html`<div class="plots">${plots.map(([name, of, options]) => html`<${Plot} curves=${two(of)} at=${at} ...${options} width=${420} height=${210} ticks=${5} label=${t('in.curve', { name })} caption=${name} />`)}</div>`;
}

function Schedules({ lesson, on }) {
  const options = use('options'), [chosen, choose] = useState('karras');
  const names = options?.schedules ?? [];
  const live = useLive(async (signal) => {
    const ask = (schedule) => api.steps(jobOf(lesson, { sampler: 'euler', steps: PLANNED, schedule }), signal).then(({ sigmas }) => [schedule, sigmas.slice(0, PLANNED)], () => null);
    return (await Promise.all(names.map(ask))).filter(Boolean);
  }, [lesson.model, names.length], on && names.length > 0);
  return html`<${Live} live=${live}>${(all) => {
    const lines = all.filter(([name]) => name !== chosen).map(([, ys]) => ({ xs: ys.map((_, k) => k + 1), ys, colour: 'var(--edge)', dots: false, thin: true }));
    const one = all.find(([name]) => name === chosen);
    if (one) lines.push({ xs: one[1].map((_, k) => k + 1), ys: one[1], name: chosen });
    return html`<div class="sides narrow even"><${Choice} label=${t('sampling.schedule')} value=${chosen} options=${all.map(([name]) => [name, name])} onChange=${choose} hint=${t('in.schedulesHint', { n: PLANNED, all: localized(all.length) })} />
      <${Plot} curves=${lines} logarithmic width=${620} height=${220} label=${t('in.schedulesLabel', { name: chosen })} /></div>`;
  }}<//>`;
}

// ---- All of it ----

function Adding({ on }) {
  const lesson = useLesson(), [own, setOwn] = useState(null), [at, setAt] = useState(250);
  const drawing = useLive(async (signal) => small(own ?? urlOf((await api.taps(jobOf(lesson), signal)).arrays.picture)), [lesson, own], on);
  const curves = useLive(async (signal) => ({ own: await askCurve(jobOf(lesson), signal), zero: await askCurve(jobOf(lesson, { zero_snr: true }), signal) }), [lesson.model], on);
  return html`<${OwnPicture} own=${own} onChange=${setOwn} />
    <${Noised} image=${drawing.value} lesson=${lesson} at=${at} setAt=${setAt} curve=${curves.value?.own} on=${on} />
    <h3>${t('in.curves')}</h3><p class="hint">${t('in.curvesHint')}</p>
    <${Live} live=${curves}>${(both) => html`<${Curves} ...${both} at=${at} />`}<//>
    <h3>${t('in.schedules')}</h3><${Schedules} lesson=${lesson} on=${on} />`;
}

export const NoiseIn = ({ number }) => html`<${Part} name="in" number=${number} sources=${['src/diffusion/schedule.c lt_forward_process', 'src/api/parts.c walk']}>${(on) => html`<${Adding} on=${on} />`}<//>`;
