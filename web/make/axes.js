// What a grid can vary, and how its values are written: "10, 20, 30", "1-5", "10-50 (+10)", "0-1 [5]".

const whole = { parse: Number, check: Number.isInteger };
const real = { parse: Number, check: Number.isFinite };
const word = { parse: (text) => text, check: (text) => text !== '' };
const put = (key) => (job, value) => ({ ...job, [key]: value });

// The first value is what the prompt has; it is replaced by each.
const replace = (job, value, values) => ({ ...job, prompt: job.prompt.replaceAll(values[0], value), negative_prompt: job.negative_prompt?.replaceAll(values[0], value) });
const allLoras = (job, strength) => ({ ...job, loras: job.loras?.map((lora) => ({ ...lora, strength })) });

export const AXES = {
  none: null,
  steps: { ...whole, put: put('steps') },
  guidance: { ...real, put: put('guidance') },
  seed: { ...whole, put: put('seed') },
  sampler: { ...word, put: put('sampler'), choices: 'samplers' },
  schedule: { ...word, put: put('schedule'), choices: 'schedules' },
  prompt: { ...word, put: replace },
  strength: { ...real, put: put('strength') },
  clip_skip: { ...whole, put: put('clip_skip') },
  loras: { ...real, put: allLoras },
  variation_strength: { ...real, put: put('variation_strength') },
  width: { ...whole, put: put('width') },
  height: { ...whole, put: put('height') },
  model: { ...word, put: put('model') },
};

const tidy = (value) => Math.round(value * 1e6) / 1e6;

// "1-5", with a step in (+2) or a number of values in [5]
function range(text) {
  const match = /^(-?[\d.]+)\s*-\s*(-?[\d.]+)\s*(?:\(\+?([\d.]+)\)|\[(\d+)\])?$/.exec(text);
  if (!match) return null;
  const [from, to] = [Number(match[1]), Number(match[2])];
  const count = match[4] ? Number(match[4]) : Math.floor(Math.abs(to - from) / Number(match[3] ?? 1) + 1e-9) + 1;
  if (count < 1 || count > 100) return null;
  const step = match[4] ? (to - from) / Math.max(1, count - 1) : Math.sign(to - from) * Number(match[3] ?? 1);
  return Array.from({ length: count }, (_, i) => tidy(from + i * step));
}

// Values are parted by commas; one with a comma in it stands in quotes.
const part = (text) => [...text.matchAll(/\s*(?:"([^"]*)"|([^,]*))\s*(?:,|$)/g)].map((match) => (match[1] ?? match[2]).trim()).filter(Boolean);

// The values of an axis, or null where one is none.
export function valuesOf({ key, values }) {
  const axis = AXES[key];
  if (!axis) return [null];
  const all = part(values).flatMap((text) => (axis.parse === Number && range(text)) || [axis.parse(text)]);
  return all.length && all.every(axis.check) ? all : null;
}

// The job of a place in the grid.
export function jobAt(job, x, y, xValue, yValue) {
  const across = AXES[x.key] ? AXES[x.key].put(job, xValue, valuesOf(x)) : job;
  return AXES[y.key] ? AXES[y.key].put(across, yValue, valuesOf(y)) : across;
}
