// Latent's own API (docs/server.md) as functions. All of them reject with an ApiError whose message is the server's.

export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

async function fault(answer) {
  const body = await answer.json().catch(() => null);
  return new ApiError(answer.status, body?.error?.message ?? `${answer.status} ${answer.statusText}`);
}

async function call(method, path, body, signal) {
  const json = body !== undefined && !(body instanceof Blob) && typeof body !== 'string';
  const answer = await fetch(`/latent/v1/${path}`, {
    method,
    signal,
    headers: json ? { 'Content-Type': 'application/json' } : undefined,
    body: json ? JSON.stringify(body) : body,
  });
  if (!answer.ok) throw await fault(answer);
  return answer.status === 204 ? null : answer.json();
}

// ---- Arrays: safetensors files ----

const TYPES = { F32: Float32Array, U8: Uint8Array };

// {arrays: {name: {shape, data}}, told: {key: value}}: eight bytes that say how long the header is, the header, numbers.
function readArrays(buffer) {
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  const { __metadata__: metadata = {}, ...header } = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const numbers = ({ dtype, data_offsets: [from, to] }) => new TYPES[dtype](buffer.slice(8 + size + from, 8 + size + to));
  const all = (object, of) => Object.fromEntries(Object.entries(object).map(([key, value]) => [key, of(value)]));
  return { arrays: all(header, (array) => ({ shape: array.shape, data: numbers(array) })), told: all(metadata, JSON.parse) };
}

async function arrays(path, body, signal) {
  const answer = await fetch(`/latent/v1/${path}`, { method: 'POST', signal, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) });
  if (!answer.ok) throw await fault(answer);
  return readArrays(await answer.arrayBuffer());
}

export function writeFloats(floats) {
  const bytes = new Uint8Array(floats.buffer, floats.byteOffset, floats.byteLength);
  let text = '';
  for (let i = 0; i < bytes.length; i += 8192) text += String.fromCharCode(...bytes.subarray(i, i + 8192));
  return btoa(text);
}

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, v]) => v)).toString();

export const options = () => call('GET', 'options');
export const models = () => call('GET', 'models');
export const describe = (name, kind) => call('GET', `models/describe?${query({ name, kind })}`);
export const submit = (job) => call('POST', 'jobs', job);
export const job = (id) => call('GET', `jobs/${id}`);
export const request = (id) => call('GET', `jobs/${id}/request`);
export const pictures = async (id) => (await call('GET', `jobs/${id}/pictures`)).pictures;
export const history = async (page) => (await call('GET', `jobs?${query(page)}`)).jobs;
export const queue = async () => (await call('GET', 'queue')).jobs;
export const tokens = (prompt, signal) => call('POST', 'tokens', { prompt }, signal);
// What a drawing is made of (docs/understand.md).
export const places = (size, signal) => call('GET', `taps?${query(size)}`, undefined, signal);
export const taps = (job, signal) => arrays('taps', job, signal);
export const steps = (job, signal) => call('POST', 'steps', job, signal);
export const words = (prompt, signal) => call('POST', 'words', { prompt }, signal);
export const noise = (asked, signal) => arrays('noise', asked, signal);
export const encode = (asked, signal) => arrays('encode', asked, signal);
export const decode = (asked, signal) => arrays('decode', asked, signal);
export const activations = (asked, signal) => arrays('activations', asked, signal);
export const similarity = (asked, signal) => arrays('similarity', asked, signal);
// Calls on[event](data) with each event of a training, until it ends; on.failed({message}) where it can't begin.
export async function learn(asked, on, signal) {
  const answer = await fetch('/latent/v1/training', { method: 'POST', signal, headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(asked) });
  if (!answer.ok) throw await fault(answer);
  const reader = answer.body.pipeThrough(new TextDecoderStream()).getReader();
  for (let text = '', part; !(part = await reader.read()).done;) {
    text += part.value;
    for (let end; (end = text.indexOf('\n\n')) >= 0; text = text.slice(end + 2)) {
      const [, name, data] = /^event: (.*)\ndata: (.*)$/.exec(text.slice(0, end)) ?? [];
      if (name) on[name]?.(JSON.parse(data));
    }
  }
}
// Trainings that run elsewhere, whose logs the server follows; rows from a byte on; the address of a sample.
export const trainings = (signal) => call('GET', 'training', undefined, signal);
export const training = (name, at, signal) => call('GET', `training/${encodeURIComponent(name)}?${query({ at })}`, undefined, signal);
export const sampleOf = (name, { step, changed }) => `/latent/v1/training/${encodeURIComponent(name)}/samples/${step}?${query({ changed })}`;
// Ends a job that waits or is drawn; forgets one that has ended, with its pictures.
export const remove = (id) => call('DELETE', `jobs/${id}`);
// Deletes one picture of a job that has ended.
export const removePicture = (id, number) => call('DELETE', `jobs/${id}/pictures/${number}`);
// What a picture's file (or the text that one held) says of how it was made.
export const settingsOfFile = (file) => call('POST', 'parameters', file);
export const settingsOfText = (text) => call('POST', 'parameters?text=1', text);

const EVENTS = ['progress', 'preview', 'picture', 'end'];

// Calls on[event](data) until the job ends; on.lost() if the server knows it no more. Returns what stops following.
export function follow(id, on) {
  const source = new EventSource(`/latent/v1/jobs/${id}/events`);
  for (const name of EVENTS) source.addEventListener(name, (event) => {
    if (name === 'end') source.close();
    on[name]?.(JSON.parse(event.data));
  });
  source.onerror = () => {
    if (source.readyState === EventSource.CLOSED) on.lost?.(); // else it tries again by itself
  };
  return () => source.close();
}
