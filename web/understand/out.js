// Part 2, noise out: a drawing as a film strip of x_t, the estimate of x_0 and eps, beside that of another sampler.
import * as api from '../api.js';
import { html, useState, Choice, Range } from '../parts.js';
import { use } from '../state.js';
import { t } from '../text.js';
import { titled } from '../make/sampling.js';
import { Captioned, Pixels, Plot } from './figure.js';
import { framesOf, jobOf, pictured, useLesson, valuesOf } from './lesson.js';
import { useLive } from './live.js';
import { Live, Part } from './part.js';

const FRAMES = 12, ROWS = [['x_t', 'xₜ'], ['x_0', 'x̂₀'], ['eps', 'ε']];

async function askFilm(job, signal) {
  const frames = framesOf(job.steps, FRAMES);
  const [{ sigmas }, answer] = await Promise.all([api.steps(job, signal), api.taps({ ...job, taps: ROWS.map(([name]) => pictured(name, frames)) }, signal)]);
  const values = valuesOf(answer).filter(({ call }) => call === 0), steps = [...new Set(values.map(({ step }) => step))].sort((a, b) => a - b);
  const frame = (step) => Object.fromEntries(values.filter((value) => value.step === step).map((value) => [value.name, value]));
  return { frames: steps.map(frame), sigmas: sigmas.slice(0, -1), picture: answer.arrays.picture };
}

// x_t = sqrt(abar) x_0 + sqrt(1 - abar) eps, with its pictures.
function Equation({ frame }) {
  const abar = 1 / (1 + frame.x_t.sigma ** 2);
  const term = (name, symbol) => html`<${Captioned} caption=${symbol}><${Pixels} array=${frame[name].array} label=${t(`out.${name}`)} /><//>`;
  return html`<div class="equation">${term('x_t', 'xₜ')}<span>=</span><span class="num">${Math.sqrt(abar).toFixed(3)} ·</span>${term('x_0', 'x̂₀')}
    <span>+</span><span class="num">${Math.sqrt(1 - abar).toFixed(3)} ·</span>${term('eps', 'ε')}</div>`;
}

function Strip({ film, at, onChoose }) {
  return html`<div class="film" role="group" aria-label=${t('out.film')}>
    <div class="names" aria-hidden="true">${ROWS.map(([, symbol]) => html`<span>${symbol}</span>`)}<small></small></div>
    ${film.frames.map((frame, i) => html`<button type="button" aria-label=${t('out.step', { step: frame.x_t.step })} aria-current=${i === at} onClick=${() => onChoose(i)}>
      ${ROWS.map(([name]) => html`<${Pixels} array=${frame[name].array} />`)}<small>${frame.x_t.step}</small></button>`)}
  </div>`;
}

function Film({ own, onChange, at, onChoose, name, on }) {
  const lesson = useLesson(), options = use('options');
  const live = useLive((signal) => askFilm(jobOf(lesson, own), signal), [lesson, own], on);
  return html`<div class="side" data-film=${name}>
    <div class="trio">
      <${Choice} label=${t('sampling.sampler')} value=${own.sampler} onChange=${(sampler) => onChange({ ...own, sampler })}
        options=${(options?.samplers ?? [own.sampler]).map((value) => [value, titled(value)])} />
      <${Choice} label=${t('sampling.schedule')} value=${own.schedule ?? ''} onChange=${(schedule) => onChange({ ...own, schedule: schedule || null })}
        options=${[['', t('sampling.automatic')], ...(options?.schedules ?? []).map((value) => [value, value])]} />
      <${Range} label=${t('sampling.steps')} value=${own.steps} min=${1} max=${40} onChange=${(steps) => onChange({ ...own, steps })} />
    </div>
    <${Live} live=${live}>${(film) => {
      const i = Math.min(at, film.frames.length - 1), frame = film.frames[i];
      return html`<${Equation} frame=${frame} /><${Strip} film=${film} at=${i} onChoose=${onChoose} />
        <${Plot} curves=${[{ xs: film.sigmas.map((_, k) => k + 1), ys: film.sigmas, name: 'σ' }]} at=${frame.x_t.step} logarithmic width=${520} height=${150} ticks=${10}
          label=${t('out.curve', { step: frame.x_t.step, steps: film.sigmas.length, sigma: frame.x_t.sigma.toPrecision(3) })}
          caption=${t('out.at', { step: frame.x_t.step, steps: film.sigmas.length, t: Math.round(frame.x_t.t), sigma: frame.x_t.sigma.toPrecision(3) })} />
        <div class="result"><${Pixels} array=${film.picture} label=${t('understand.picture')} /></div>`;
    }}<//>
  </div>`;
}

export function NoiseOut({ number }) {
  const [at, choose] = useState(6);
  const [films, setFilms] = useState([{ sampler: 'dpmpp_2m', schedule: null, steps: 10 }, { sampler: 'euler_a', schedule: null, steps: 10 }]);
  const change = (which) => (film) => setFilms((all) => all.map((one, i) => (i === which ? film : one)));
  return html`<${Part} name="out" number=${number} sources=${['src/diffusion/sampler.c lt_denoise', 'src/pipeline/taps.c lt_taps_answer']}>${(on) => html`
    <${Range} label=${t('out.frame')} value=${at + 1} min=${1} max=${FRAMES} onChange=${(value) => choose(value - 1)} />
    <div class="sides">${films.map((own, i) => html`<${Film} name=${i} own=${own} on=${on} at=${at} onChoose=${choose} onChange=${change(i)} />`)}</div>
    <p class="hint">${t('out.hint')}</p>`}<//>`;
}
