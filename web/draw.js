// From the form to a job, and from the job to pictures. Jobs of this page are followed one at a time, in their order:
// a browser keeps few connections to one server.
import * as api from './api.js';
import { get, keep, kept, listen, say, set } from './state.js';
import { t } from './text.js';
import { enlarge } from './make/outpaint.js';
import { paintMask } from './make/strokes.js';
import { readUrl } from './picture.js';
import { showFirst } from './gallery.js';

// ---- The job that a form asks for ----

const given = (values) => Object.fromEntries(Object.entries(values).filter(([, v]) => v !== null && v !== '' && v !== undefined));

// Rows that the form has, but lacks a choice or a picture in, are not asked for.
const controlsOf = (form) => form.controls.filter((c) => c.model && c.image)
  .map(({ model, image, ...rest }) => given({ model, image: image.url, ...rest }));
const promptsOf = (form) => form.image_prompts.filter((p) => p.adapter && p.image)
  .map(({ adapter, image, ...rest }) => given({ adapter, image: image.url, ...rest }));
const list = (items) => (items.length ? items : null);

function hiresOf(form) {
  const { on, ...hires } = form.hires;
  return on && !form.input ? hires : {};
}

const variationOf = (form) => (form.variation_strength > 0
  ? { variation_seed: seedOf(form.variation_seed), variation_strength: form.variation_strength } : {});

// Over 2^53 a seed is text: JavaScript's numbers would round it.
export const seedOf = (text) => (text === '' ? -1 : Number.isSafeInteger(Number(text)) ? Number(text) : String(text));

// The form's size is the picture's; an enlarged canvas is larger by as much. Of a masked part alone it is the part's.
function sidesOf(form, { width, height }) {
  const own = get('info') ?? { width: 0, height: 0, factor: 8 };
  const wanted = { width: form.width || own.width, height: form.height || own.height };
  if (form.only_masked || !wanted.width) return wanted;
  const round = (side) => Math.round(side / own.factor) * own.factor;
  return { width: round((wanted.width * width) / form.input.width), height: round((wanted.height * height) / form.input.height) };
}

async function inputOf(form) {
  if (!form.input) return {};
  const { image, mask } = await enlarge(form.input, paintMask);
  const whole = { image: image.url, strength: form.strength, ...sidesOf(form, image) };
  if (!mask) return whole;
  const { mask_blur, masked_content, only_masked, mask_padding } = form;
  return { ...whole, mask, mask_blur, masked_content, only_masked, ...(only_masked ? { mask_padding } : {}) };
}

export async function jobOf(form) {
  const { prompt, negative_prompt, model, vae, width, height, steps, guidance, sampler, schedule, clip_skip, seamless, count } = form;
  const prompts = list(promptsOf(form));
  return given({
    ...form.rest,
    prompt, negative_prompt, model, vae, width, height, steps, guidance, sampler, schedule, clip_skip, seamless, count,
    seed: form.locked ? seedOf(form.seed) : -1,
    preview: true,
    loras: list(form.loras.filter((lora) => lora.name)),
    controls: list(controlsOf(form)),
    image_prompts: prompts,
    image_encoder: prompts && form.image_encoder,
    ...variationOf(form),
    ...hiresOf(form),
    ...(await inputOf(form)),
  });
}

// ---- Jobs that are under way ----

const edit = (id, patch) => set('work', (work) => ({
  ...work,
  jobs: work.jobs.map((job) => (job.id === id ? { ...job, ...patch } : job)),
}));
const find = (id) => get('work').jobs.find((job) => job.id === id);
export const show = (id) => set('work', (work) => ({ ...work, shown: id }));

const ended = (job) => ['done', 'failed', 'cancelled'].includes(job.state);
export const underWay = (work) => work.jobs.filter((job) => !ended(job));

let followed = null;

function followNext() {
  if (followed) return;
  const next = underWay(get('work'))[0];
  if (!next) return;
  followed = next.id;
  const shown = find(get('work').shown);
  if (!next.cell && (!shown || ended(shown))) show(next.id);
  api.follow(next.id, {
    progress: (job) => edit(next.id, job),
    preview: ({ url }) => edit(next.id, { preview: url }),
    picture: ({ number, url }) => addPicture(next.id, number, url),
    end: (job) => finish(next.id, job),
    lost: () => finish(next.id, { state: 'failed', error: t('work.lost') }),
  });
}

function addPicture(id, number, url) {
  const done = [...find(id).done];
  done[number] = { ...done[number], url };
  edit(id, { done });
}

const withWords = (pictures, { id, asked }, { finished }) =>
  pictures.map((picture) => ({ ...picture, id, prompt: asked?.prompt ?? '', created: finished, siblings: pictures.length }));

async function finish(id, job) {
  const pictures = await api.pictures(id).catch(() => []);
  const was = find(id);
  edit(id, { ...job, done: pictures.length ? withWords(pictures, was, job) : was.done, preview: null });
  followed = null;
  if (job.state === 'failed') say(job.error, true);
  was.cell?.(find(id));
  if (pictures.length) showFirst(id);
  followNext();
}

// Follows a job; what it was asked for is kept beside, for its words. cell: called with it when it has ended.
export function watch(snapshot, asked, cell) {
  const job = { ...snapshot, asked, cell, done: [], preview: null };
  set('work', (work) => ({ ...work, jobs: [...work.jobs.filter((old) => old.id !== job.id), job].slice(-200) }));
  followNext();
  return job.id;
}

export async function submit(job, cell) {
  const snapshot = await api.submit(job);
  return watch(snapshot, { prompt: job.prompt }, cell);
}

// A picture that is there, made larger.
export async function upscale({ url, prompt }, upscaler) {
  const { url: image } = await readUrl(url);
  show(watch(await api.submit({ kind: 'upscale', upscaler, image }), { prompt }));
}

// One press of the button.
export async function make(form) {
  try {
    const busy = underWay(get('work')).length > 0;
    const id = await submit(await jobOf(form));
    if (!busy) show(id);
    say(null);
  } catch (error) {
    say(error.message, true);
  }
}

export async function cancel(id) {
  const job = find(id);
  if (job && !ended(job)) edit(id, { cancelling: true });
  await api.remove(id).catch((error) => say(error.message, true));
  if (job && id !== followed) edit(id, { state: 'cancelled' });
  if (job && id !== followed) job.cell?.(find(id));
}

export const cancelAll = () => [...underWay(get('work'))].reverse().forEach((job) => cancel(job.id));

// ---- A page that was loaded again goes on watching ----

listen('work', (work) => keep('latent.jobs', JSON.stringify(underWay(work).filter((job) => !job.cell).map((job) => job.id))));

export async function takeUp() {
  const ids = JSON.parse(kept('latent.jobs') ?? '[]');
  for (const id of ids) {
    const job = await api.job(id).catch(() => null);
    if (job && !ended(job)) watch(job, await api.request(id).then(({ prompt }) => ({ prompt }), () => ({})));
  }
}
