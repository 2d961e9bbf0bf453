// Part 6, the latent: its channels, what one of them says, the way between two seeds or pictures, what the VAE loses.
import * as api from '../api.js';
import { html, useState, Range } from '../parts.js';
import { t } from '../text.js';
import { Captioned, Map, Pixels, Signed, urlOf } from './figure.js';
import { decoded, jobOf, modelOf, only, step, useLesson, valuesOf } from './lesson.js';
import { useLive } from './live.js';
import { OwnPicture, fitted } from './own.js';
import { Live, Part } from './part.js';

const planeOf = ({ shape: [, h, w], data }, c) => ({ values: data.subarray(c * h * w, (c + 1) * h * w), h, w });

// ---- Channels ----

// One channel times scale, plus shift.
function edited({ shape, data }, channel, scale, shift) {
  const out = Float32Array.from(data), size = shape[1] * shape[2];
  for (let i = channel * size; i < (channel + 1) * size; i++) out[i] = out[i] * scale + shift;
  return { shape, data: out };
}

function Channels({ drawn, lesson, on }) {
  const { latent, picture } = drawn, most = Math.max(...latent.data.map(Math.abs));
  const [channel, choose] = useState(2), [scale, setScale] = useState(1), [shift, setShift] = useState(2);
  const at = Math.min(channel, latent.shape[0] - 1), [low, high] = [Math.min, Math.max].map((of) => of(...planeOf(latent, at).values).toFixed(2));
  const live = useLive((signal) => decoded([edited(latent, at, scale, shift)], modelOf(lesson), signal), [latent, at, scale, shift], on);
  return html`<div class="channels" role="group" aria-label=${t('latent.channels')}>${Array.from({ length: latent.shape[0] }, (_, c) => html`
      <button type="button" aria-pressed=${c === at} onClick=${() => choose(c)}><${Signed} ...${planeOf(latent, c)} most=${most} label=${t('latent.channel', { n: c + 1 })} /><small>${c + 1}</small></button>`)}</div>
    <div class="sides narrow even"><div class="fields">
      <p class="hint">${t('latent.chosen', { n: String(at + 1), low, high })}</p>
      <${Range} label=${t('latent.scale')} value=${scale} min=${-2} max=${3} step=${0.1} onChange=${setScale} />
      <${Range} label=${t('latent.shift')} value=${shift} min=${-3} max=${3} step=${0.1} onChange=${setShift} /></div>
    <${Live} live=${live}>${([changed]) => html`<div class="cards"><${Captioned} caption=${t('latent.asDrawn')}><${Pixels} array=${picture} label=${t('latent.asDrawn')} /><//>
      <${Captioned} caption=${t('latent.edited', { n: at + 1 })}><div data-edited><${Pixels} array=${changed} label=${t('latent.edited', { n: at + 1 })} /></div><//></div>`}<//></div>`;
}

// ---- Between two ----

const mix = (a, b, of_a, of_b) => ({ shape: a.shape, data: a.data.map((v, i) => of_a * v + of_b * b.data[i]) });
const linear = (a, b, share) => mix(a, b, 1 - share, share);
// Along the arc, over all numbers together (Shoemake 1985).
function spherical(a, b, share) {
  let ab = 0, aa = 0, bb = 0;
  a.data.forEach((v, i) => { ab += v * b.data[i]; aa += v * v; bb += b.data[i] ** 2; });
  const angle = Math.acos(Math.min(Math.max(ab / Math.sqrt(aa * bb), -1), 1)), sine = Math.sin(angle);
  return sine < 1e-6 ? linear(a, b, share) : mix(a, b, Math.sin((1 - share) * angle) / sine, Math.sin(share * angle) / sine);
}
const length = ({ data }) => Math.sqrt(data.reduce((sum, v) => sum + v * v, 0) / data.length);

// The noise that a seed's drawing begins with: x_t of its first step is sigma / sqrt(1 + sigma^2) of it.
async function askEnd(job, signal) {
  const answer = await api.taps({ ...job, taps: [step('x_t', only(1))] }, signal), [{ array, sigma }] = valuesOf(answer);
  return { picture: answer.arrays.picture, latent: answer.arrays.latent, noise: { shape: array.shape, data: array.data.map((v) => v * Math.sqrt(1 + sigma * sigma) / sigma) } };
}

async function askBetween(lesson, ends, share, signal) {
  const draw = (noise) => api.taps(jobOf(lesson, { noise: api.writeFloats(noise.data) }), signal).then(({ arrays }) => arrays.picture);
  const noises = [linear, spherical].map((way) => way(ends[0].noise, ends[1].noise, share));
  const [latents, ...drawn] = await Promise.all([decoded([linear, spherical].map((way) => way(ends[0].latent, ends[1].latent, share)), modelOf(lesson), signal), ...noises.map(draw)]);
  return { latents, drawn, lengths: noises.map(length) };
}

function Between({ lesson, on }) {
  const [other, setOther] = useState(8), [share, setShare] = useState(0.5);
  const ends = useLive((signal) => Promise.all([lesson.seed, other].map((seed) => askEnd(jobOf(lesson, { seed }), signal))), [lesson, other], on);
  const live = useLive((signal) => (ends.value ? askBetween(lesson, ends.value, share, signal) : Promise.resolve(null)), [ends.value, share], on);
  const card = (array, caption, key) => html`<${Captioned} caption=${caption}><div data-between=${key}><${Pixels} array=${array} label=${caption} /></div><//>`;
  return html`<div class="pair"><${Range} label=${t('latent.other')} value=${other} min=${0} max=${999} most=${4294967295} onChange=${setOther} />
      <${Range} label=${t('latent.share')} value=${share} min=${0} max=${1} step=${0.05} onChange=${setShare} /></div>
    <${Live} live=${ends}>${(two) => html`<div class="cards ends">${card(two[0].picture, t('stage.seed', { seed: String(lesson.seed) }), 'first')}
      ${live.value && html`<${Live} live=${live}>${(now) => html`<div class="ways"><div class="cards">${card(now.drawn[0], t('latent.noiseLinear', { length: now.lengths[0].toFixed(2) }), 'noise-linear')}${card(now.drawn[1], t('latent.noiseSpherical', { length: now.lengths[1].toFixed(2) }), 'noise-spherical')}</div>
        <div class="cards">${card(now.latents[0], t('latent.latentLinear'), 'latent-linear')}${card(now.latents[1], t('latent.latentSpherical'), 'latent-spherical')}</div></div>`}<//>`}
      ${card(two[1].picture, t('stage.seed', { seed: String(other) }), 'second')}</div>`}<//>`;
}

// Two pictures of one's own; each is the drawing until it is chosen.
function BetweenPictures({ drawn, lesson, on }) {
  const [own, setOwn] = useState([null, null]), [share, setShare] = useState(0.5), any = own.some(Boolean), model = modelOf(lesson);
  const ends = useLive((signal) => Promise.all(own.map(async (url) => (await api.encode({ image: await fitted(url ?? urlOf(drawn.picture)), ...model }, signal)).arrays)), [own, drawn.picture], on && any);
  const live = useLive((signal) => decoded([linear, spherical].map((way) => way(ends.value[0].latent, ends.value[1].latent, share)), model, signal), [ends.value, share], any && Boolean(ends.value));
  const card = (array, caption) => html`<${Captioned} caption=${caption}><${Pixels} array=${array} label=${caption} /><//>`;
  return html`<div class="pair">${own.map((url, k) => html`<${OwnPicture} own=${url} onChange=${(to) => setOwn((all) => all.map((one, i) => (i === k ? to : one)))} />`)}</div>
    ${any && html`<${Range} label=${t('latent.sharePictures')} value=${share} min=${0} max=${1} step=${0.05} onChange=${setShare} />
      <${Live} live=${ends}>${([a, b]) => html`<div class="cards" data-pictures>${card(a.picture, 'x₁')}${live.value && html`${card(live.value[0], t('latent.latentLinear'))}${card(live.value[1], t('latent.latentSpherical'))}`}${card(b.picture, 'x₂')}</div>`}<//>`}`;
}

// ---- What the VAE loses ----

function psnr(a, b) {
  const error = a.data.reduce((sum, v, i) => sum + (v - b.data[i]) ** 2, 0) / a.data.length;
  return error ? 10 * Math.log10(255 * 255 / error) : Infinity;
}
const loss = (a, b) => ({ values: Float32Array.from({ length: a.data.length / 3 }, (_, k) => [0, 1, 2].reduce((sum, c) => sum + Math.abs(a.data[3 * k + c] - b.data[3 * k + c]), 0) / 765), h: a.shape[0], w: a.shape[1] });

function Loss({ drawn, lesson, on }) {
  const [own, setOwn] = useState(null);
  const live = useLive(async (signal) => (await api.encode({ image: await fitted(own ?? urlOf(drawn.picture)), ...modelOf(lesson) }, signal)).arrays, [own, drawn.picture], on);
  return html`<${OwnPicture} own=${own} onChange=${setOwn} />
    <${Live} live=${live}>${({ picture, latent, decoded: back }) => html`<div class="cards wide-cards" data-loss>
      <${Captioned} caption="x"><${Pixels} array=${picture} label=${t('latent.original')} /><//>
      <${Captioned} caption=${t('latent.back', { psnr: psnr(picture, back).toFixed(1) })}><${Pixels} array=${back} label=${t('latent.backLabel')} /><//>
      <${Captioned} caption=${t('latent.lost')}><${Map} ...${loss(picture, back)} most=${0.1} label=${t('latent.lost')} /><//></div>
      <p class="hint">${t('latent.sizes', { numbers: picture.data.length, shape: picture.shape.join('×'), latent: latent.data.length, latentShape: latent.shape.join('×'), times: (picture.data.length / latent.data.length).toFixed(0) })}</p>`}<//>`;
}

// ---- All of it ----

function Looking({ on }) {
  const lesson = useLesson();
  const live = useLive(async (signal) => (await api.taps(jobOf(lesson), signal)).arrays, [lesson], on);
  return html`<${Live} live=${live}>${(drawn) => html`<h3>${t('latent.channels')}</h3><p class="hint">${t('latent.channelsHint')}</p><${Channels} drawn=${drawn} lesson=${lesson} on=${on} />
    <h3>${t('latent.between')}</h3><p class="hint">${t('latent.betweenHint')}</p><${Between} lesson=${lesson} on=${on} />
    <h3>${t('latent.pictures')}</h3><p class="hint">${t('latent.picturesHint')}</p><${BetweenPictures} drawn=${drawn} lesson=${lesson} on=${on} />
    <h3>${t('latent.loss')}</h3><${Loss} drawn=${drawn} lesson=${lesson} on=${on} />`}<//>`;
}

export const Latent = ({ number }) => html`<${Part} name="latent" number=${number} sources=${['src/api/parts.c encode', 'src/pipeline/noise.c slerp_column']}>${(on) => html`<${Looking} on=${on} />`}<//>`;
