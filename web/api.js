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

const query = (values) => new URLSearchParams(Object.entries(values).filter(([, v]) => v)).toString();

export const options = () => call('GET', 'options');
export const models = () => call('GET', 'models');
export const describe = (name) => call('GET', `models/describe?${query({ name })}`);
export const submit = (job) => call('POST', 'jobs', job);
export const job = (id) => call('GET', `jobs/${id}`);
export const request = (id) => call('GET', `jobs/${id}/request`);
export const pictures = async (id) => (await call('GET', `jobs/${id}/pictures`)).pictures;
export const history = async (page) => (await call('GET', `jobs?${query(page)}`)).jobs;
export const queue = async () => (await call('GET', 'queue')).jobs;
export const tokens = (prompt, signal) => call('POST', 'tokens', { prompt }, signal);
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
