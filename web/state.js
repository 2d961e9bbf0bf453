// What the page knows, in slices; a component that uses a slice is drawn again when it changes.
import { useEffect, useState } from './vendor/hooks.mjs';

export const usualForm = {
  prompt: '',
  negative_prompt: '',
  model: null, // null: the server's usual one
  vae: null,
  width: 0, // 0: the model's own
  height: 0,
  steps: 20,
  guidance: 7.5,
  sampler: 'dpmpp_2m',
  schedule: null, // what goes with the sampler
  clip_skip: 1,
  seamless: 'none',
  seed: '',
  locked: false, // false: each picture a new seed
  variation_seed: '',
  variation_strength: 0,
  count: 1,
  input: null, // {url, width, height, mask: strokes, expand: {left, right, top, bottom}}
  strength: 0.75,
  mask_blur: 4,
  masked_content: 'original',
  only_masked: false,
  mask_padding: 32,
  loras: [], // {name, strength}
  controls: [], // {model, image, annotator, strength, start, end, mode, fit}
  image_prompts: [], // {adapter, image, scale, start, end}
  image_encoder: null,
  rest: {}, // of a picture's settings that were taken up: what has no field here
  hires: { on: false, hires_scale: 2, hires_upscaler: 'latent', hires_strength: 0.7, hires_steps: 0 },
  grid: { on: false, x: { key: 'steps', values: '10, 20, 30' }, y: { key: 'none', values: '' } },
};

// Pictures are too large for what a browser keeps of a page.
const FORGOTTEN = { input: null, controls: [], image_prompts: [] };

const state = {
  form: { ...usualForm, ...remembered() },
  options: null, // of the server: samplers, schedules, limits, fields
  models: null,
  info: null, // of the chosen model: width, height, factor
  work: { jobs: [], shown: null }, // draw.js; shown: a job's id, or 'grid'
  grid: null, // make/grid.js: the table that is drawn
  queue: [],
  gallery: { jobs: [], words: '', more: false, loaded: false }, // gallery.js
  message: null, // {text, bad}
};
const listeners = new Map();

export const get = (slice) => state[slice];

export function set(slice, value) {
  state[slice] = typeof value === 'function' ? value(state[slice]) : value;
  for (const listener of listeners.get(slice) ?? []) listener(state[slice]);
}

export function listen(slice, listener) {
  if (!listeners.has(slice)) listeners.set(slice, new Set());
  listeners.get(slice).add(listener);
  return () => listeners.get(slice).delete(listener);
}

export function use(slice) {
  const [value, show] = useState(state[slice]);
  useEffect(() => {
    show(state[slice]);
    return listen(slice, (now) => show(() => now));
  }, [slice]);
  return value;
}

// ---- The form ----

export const change = (patch) => set('form', (form) => ({ ...form, ...patch }));

export const say = (text, bad = false) => set('message', text ? { text, bad } : null);

function remembered() {
  try {
    return { ...JSON.parse(localStorage.getItem('latent.form') ?? '{}'), ...FORGOTTEN };
  } catch {
    return {};
  }
}

let saving;
listen('form', (form) => {
  clearTimeout(saving);
  saving = setTimeout(() => keep('latent.form', JSON.stringify({ ...form, ...FORGOTTEN })), 300);
});

// A browser may keep nothing, in private windows for example.
export function keep(name, text) {
  try {
    localStorage.setItem(name, text);
  } catch {
    return false;
  }
  return true;
}

export function kept(name) {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}
