// Settings back into the form: of a picture's file (A1111's or ours), of its text, or of a job as it was sent.
import * as api from '../api.js';
import { load } from '../picture.js';
import { change, get, say, usualForm } from '../state.js';
import { t } from '../text.js';
import { NO_EXPANSION } from './outpaint.js';

const KEPT = ['prompt', 'negative_prompt', 'vae', 'width', 'height', 'steps', 'guidance', 'sampler', 'schedule', 'clip_skip', 'seamless',
  'strength', 'mask_blur', 'masked_content', 'only_masked', 'mask_padding', 'loras', 'variation_strength'];
const HIRES = ['hires_scale', 'hires_upscaler', 'hires_strength', 'hires_steps'];

// What a job says besides, for the same bytes again; pictures and models are no settings.
const NO_SETTINGS = ['kind', 'format', 'model', 'seed', 'variation_seed', 'count', 'preview', 'preview_vae', 'image', 'mask', 'controls', 'image_prompts',
  'image_encoder', 'regions', 'classifier', 'class_name', 'clip'];
const restOf = (job) => Object.fromEntries(Object.entries(job).filter(([key]) => ![...KEPT, ...HIRES, ...NO_SETTINGS].includes(key)));

const pick = (from, keys) => Object.fromEntries(keys.filter((key) => from[key] !== undefined && from[key] !== null).map((key) => [key, from[key]]));

// Of a job that says what isn't as usual. Pictures that it began with are nobody's to guess: the input goes.
export function restoreJob(job, model) {
  const known = get('models')?.models.some((item) => item.kind === 'checkpoint' && item.name === model);
  change({
    ...usualForm,
    ...pick(job, KEPT),
    model: known && model !== get('models').default ? model : null,
    seed: String(job.seed ?? ''),
    locked: job.seed !== undefined && job.seed !== -1,
    variation_seed: String(job.variation_seed ?? ''),
    hires: { ...usualForm.hires, ...pick(job, HIRES), on: job.hires_scale > 0 },
    grid: { ...get('form').grid, on: false },
    rest: restOf(job),
  });
}

const modelOf = (parameters) => /(?:^|, |\n)Model: ("[^"]*"|[^,\n]*)/.exec(parameters ?? '')?.[1].replaceAll('"', '') ?? null;

export async function restoreFile(file) {
  try {
    const { job, parameters } = await api.settingsOfFile(file);
    restoreJob(job, modelOf(parameters));
    say(t('restore.done'));
  } catch (error) {
    say(error.status === 404 ? t('restore.none') : error.message, true);
  }
}

export async function restoreText(text) {
  const { job, parameters } = await api.settingsOfText(text);
  restoreJob(job, modelOf(parameters));
  say(t('restore.done'));
}

async function measured(url) {
  const image = await load(url);
  return { url, width: image.naturalWidth, height: image.naturalHeight };
}

// A picture of the gallery, with what it began with, and its own seed.
export async function restorePicture(picture) {
  const job = await api.request(picture.id);
  restoreJob({ ...job, seed: picture.seed }, job.model);
  if (typeof job.image === 'string' && job.image.startsWith('data:')) {
    change({ input: { ...(await measured(job.image)), strokes: [], expand: NO_EXPANSION } });
  }
  say(t('restore.done'));
}
