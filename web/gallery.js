// Pictures that were made, the latest first, from the server's store: searched by words, compared, opened.
import * as api from './api.js';
import { Compare } from './compare.js';
import { html, useEffect, useState, Icon } from './parts.js';
import { get, say, set, use } from './state.js';
import { t } from './text.js';
import { Viewer } from './viewer.js';

const PAGE = 60;

const withPictures = (jobs) => jobs.filter((job) => job.pictures?.length);
const patch = (values) => set('gallery', (gallery) => ({ ...gallery, ...values }));

async function read(words, before) {
  const jobs = await api.history({ limit: PAGE, words, before });
  if (get('gallery').words !== words) return;
  const old = before ? get('gallery').jobs : [];
  patch({ jobs: [...old, ...withPictures(jobs)], next: jobs.at(-1)?.number, more: jobs.length === PAGE, loaded: true });
}

const load = (words, before) => read(words, before).catch((error) => say(error.message, true));

// A job that has just ended: it comes first, if it fits the search.
export async function showFirst() {
  const { words } = get('gallery');
  const [latest, ...rest] = await api.history({ limit: 4, words }).catch(() => []);
  const fresh = withPictures([latest, ...rest].filter(Boolean));
  const known = new Set(fresh.map((job) => job.id));
  patch({ jobs: [...fresh, ...get('gallery').jobs.filter((job) => !known.has(job.id))] });
}

export const picturesOf = (jobs) => jobs.flatMap((job) => job.pictures.map((picture) => ({
  ...picture, id: job.id, created: job.finished || job.created, prompt: job.job?.prompt ?? '', siblings: job.pictures.length,
})));

// The last picture of a job goes with it.
export async function forget({ id, number, siblings }) {
  await (siblings > 1 ? api.removePicture(id, number) : api.remove(id));
  const without = (job) => (job.id === id ? { ...job, pictures: job.pictures.filter((one) => one.number !== number) } : job);
  patch({ jobs: withPictures(get('gallery').jobs.map(without)) });
}

const same = (a, b) => a.id === b.id && a.number === b.number;

function Tile({ picture, comparing, chosen, onOpen }) {
  const words = picture.prompt || t('stage.unnamed');
  return html`<li><button type="button" class="tile" aria-pressed=${comparing ? chosen : undefined} title=${words}
    aria-label=${t(comparing ? 'gallery.choose' : 'gallery.open', { prompt: words })} onClick=${onOpen}>
    <img src=${picture.url} alt="" loading="lazy" width=${picture.width} height=${picture.height} />
  </button></li>`;
}

export function Gallery() {
  const { jobs, words, more, next, loaded } = use('gallery');
  const [open, setOpen] = useState(null);
  const [chosen, setChosen] = useState(null); // null: not comparing
  useEffect(() => {
    const timer = setTimeout(() => load(words), words ? 250 : 0);
    return () => clearTimeout(timer);
  }, [words]);
  const pictures = picturesOf(jobs);
  const choose = (picture) => setChosen(chosen.some((one) => same(one, picture)) ? chosen.filter((one) => !same(one, picture)) : [...chosen, picture].slice(-2));
  const at = open && pictures.findIndex((one) => same(one, open));
  const turn = (by) => setOpen(pictures[(at + by + pictures.length) % pictures.length]);
  return html`<section class="gallery" aria-label=${t('gallery.title')}>
    <div class="gallery-head">
      <h2>${t('gallery.title')}</h2>
      <label class="search-box"><${Icon} name="search" /><input type="search" placeholder=${t('gallery.search')} aria-label=${t('gallery.search')} value=${words} onInput=${(event) => patch({ words: event.target.value })} /></label>
      <button type="button" class="button small" aria-pressed=${chosen !== null} disabled=${pictures.length < 2} onClick=${() => setChosen(chosen ? null : [])}><${Icon} name="compare" />${t('gallery.compare')}</button>
    </div>
    ${chosen && chosen.length < 2 && html`<p class="hint" role="status">${t('gallery.chooseTwo', { n: 2 - chosen.length })}</p>`}
    <ul class="tiles">${pictures.map((picture) => html`<${Tile} key=${picture.url} picture=${picture} comparing=${chosen !== null} chosen=${chosen?.some((one) => same(one, picture))}
      onOpen=${() => (chosen ? choose(picture) : setOpen(picture))} />`)}</ul>
    ${loaded && pictures.length === 0 && html`<p class="hint">${t(words ? 'gallery.nothing' : 'gallery.empty')}</p>`}
    ${more && html`<button type="button" class="button" onClick=${() => load(words, next)}>${t('gallery.more')}</button>`}
    ${open && html`<${Viewer} picture=${open} onClose=${() => setOpen(null)} onTurn=${pictures.length > 1 ? turn : null} />`}
    ${chosen?.length === 2 && html`<${Compare} pictures=${chosen} onClose=${() => setChosen(null)} />`}
  </section>`;
}
