// The drawing that all parts are about.
import * as api from '../api.js';
import { get, set, use } from '../state.js';

set('lesson', { prompt: 'a red apple', negative_prompt: '', seed: 7, steps: 10, guidance: 7.5, sampler: 'dpmpp_2m', model: null });

export const useLesson = () => use('lesson');
export const teach = (patch) => set('lesson', (lesson) => ({ ...lesson, ...patch }));

const SIDE = 128; // pixels that a picture of a latent has at most

// As a job; an empty negative prompt is none.
export function jobOf({ prompt, negative_prompt, seed, steps, guidance, sampler, model }, changes = {}) {
  return { prompt, seed, steps, guidance, sampler, ...(negative_prompt ? { negative_prompt } : {}), ...(model ? { model } : {}), ...changes };
}
export const modelOf = ({ model }) => (model ? { model } : {});

export const step = (name, at = {}) => ({ kind: 'step', name, ...at });
export const pictured = (name, at = {}) => ({ kind: 'step', name, as: 'picture', side: SIDE, ...at });
export const only = (n) => ({ first: n, last: n });

// About `most` of the steps, evenly, the last among them.
export function framesOf(steps, most) {
  const every = Math.ceil(steps / most);
  return { first: 1 + ((steps - 1) % every), every };
}

// The values of an answer as a list of {name, step, sigma, ..., array}.
export const valuesOf = ({ arrays, told }) => told.values.map((value, i) => ({ ...value, array: arrays[`${i}.${value.name}`] }));

// The pictures of latents of one shape.
export async function decoded(latents, model, signal) {
  const all = new Float32Array(latents.length * latents[0].data.length);
  latents.forEach(({ data }, i) => all.set(data, i * data.length));
  const { arrays } = await api.decode({ latents: api.writeFloats(all), shape: latents[0].shape, ...model }, signal);
  return latents.map((_, i) => arrays[i]);
}

// The model's size, once the server has told it: {width, height, ...}.
export const learnSize = (model) => api.describe(model).then((info) => set('lessonInfo', info), () => {});
export const sizeOf = () => get('lessonInfo') ?? { width: 64, height: 64 };

// Whether this machine answers while one moves a slider: of large pictures it doesn't, and they are drawn on demand.
export function useLight() {
  const info = use('lessonInfo');
  return Boolean(info) && info.width * info.height <= 256 * 256;
}
