// The large picture: what is being drawn, and what was.
import { html, useState, Icon } from '../parts.js';
import { cancel } from '../draw.js';
import { readUrl } from '../picture.js';
import { change, say, use } from '../state.js';
import { seconds, t } from '../text.js';
import { Viewer } from '../viewer.js';
import { GridTable } from './grid.js';
import { startFrom } from './input.js';

// ---- Nothing yet ----

const EXAMPLES = ['example.1', 'example.2', 'example.3', 'example.4'];

const Empty = () => html`<div class="empty">
  <div class="empty-mark" aria-hidden="true"><i></i><i></i><i></i><i></i><i></i><i></i><i></i><i></i><i></i></div>
  <p>${t('stage.empty')}</p>
  <ul class="chips" aria-label=${t('stage.examples')}>${EXAMPLES.map((key) => html`<li><button type="button" class="chip" onClick=${() => change({ prompt: t(key) })}>${t(key)}</button></li>`)}</ul>
</div>`;

// ---- Being drawn ----

function told(job) {
  if (job.cancelling) return t('stage.cancelling');
  if (job.state === 'waiting') return job.place ? t('stage.waits', { n: job.place }) : t('stage.starts');
  if (!job.steps || !job.step) return t('stage.prepares');
  const which = job.pictures > 1 ? t('stage.picture', { n: job.picture + 1, pictures: job.pictures }) : '';
  return [which, t('stage.step', { step: job.step, steps: job.steps })].filter(Boolean).join(' · ');
}

// Of all its pictures.
const share = (job) => (job.pictures ? (job.picture + (job.steps ? Math.min(1, job.step / job.steps) : 0)) / job.pictures : 0);

const Progress = ({ job }) => html`<div class="progress">
  <div class="bar" role="progressbar" aria-label=${t('stage.progress')} aria-valuemin="0" aria-valuemax="100" aria-valuenow=${Math.round(100 * share(job))}><i style=${{ transform: `scaleX(${share(job)})` }}></i></div>
  <div class="row"><span>${told(job)}</span>
    <span class="left">${job.seconds_left !== null && job.seconds_left !== undefined && job.state === 'running' ? t('stage.left', { time: seconds(job.seconds_left) }) : ''}</span>
    <button type="button" class="button" disabled=${job.cancelling} onClick=${() => cancel(job.id)}><${Icon} name="stop" />${t('stage.cancel')}</button></div>
</div>`;

// ---- Drawn ----

export const useAsInput = (picture) => readUrl(picture.url).then(startFrom).then(() => say(t('input.taken')), (error) => say(error.message, true));

function Actions({ picture, onOpen }) {
  const reuse = () => change({ seed: picture.seed, locked: true });
  return html`<div class="row stage-actions">
    <span class="hint">${t('stage.seed', { seed: String(picture.seed ?? '') })}</span>
    <button type="button" class="button" onClick=${reuse}><${Icon} name="lock" />${t('stage.reuse')}</button>
    <button type="button" class="button" onClick=${() => useAsInput(picture)}><${Icon} name="brush" />${t('stage.input')}</button>
    <a class="button" href=${picture.url} download="latent-${picture.seed}.png"><${Icon} name="down" />${t('download')}</a>
    <button type="button" class="button" onClick=${onOpen}>${t('stage.details')}</button>
  </div>`;
}

function Thumbs({ pictures, at, onChoose }) {
  return html`<div class="thumbs" role="group" aria-label=${t('stage.pictures')}>${pictures.map((picture, i) => picture && html`<button type="button"
    class="tile" aria-pressed=${i === at} aria-label=${t('stage.picture', { n: i + 1, pictures: pictures.length })} onClick=${() => onChoose(i)}><img src=${picture.url} alt="" /></button>`)}</div>`;
}

const coarse = ({ target }) => target.classList.toggle('coarse', target.naturalWidth < 48);

function Job({ job }) {
  const [at, choose] = useState(0);
  const [open, setOpen] = useState(false);
  const live = job.state === 'waiting' || job.state === 'running';
  const picture = job.done[Math.min(at, job.done.length - 1)];
  const seen = live ? job.preview ?? picture?.url : picture?.url;
  return html`<div class="job">
    <figure class=${live ? 'live' : ''}>
      ${seen ? html`<img class="main-picture" src=${seen} onLoad=${coarse} alt=${live ? t('stage.preview') : job.asked?.prompt || t('stage.unnamed')} />` : html`<div class="veil ${job.state}"><span>${live ? '' : t(`state.${job.state}`)}</span></div>`}
    </figure>
    ${job.done.filter(Boolean).length > 1 && html`<${Thumbs} pictures=${job.done} at=${at} onChoose=${choose} />`}
    ${live ? html`<${Progress} job=${job} />` : picture && html`<${Actions} picture=${picture} onOpen=${() => setOpen(true)} />`}
    ${job.notes?.length > 0 && html`<ul class="hint notes">${job.notes.map((note) => html`<li>${note}</li>`)}</ul>`}
    ${open && html`<${Viewer} picture=${picture} onClose=${() => setOpen(false)} />`}
  </div>`;
}

export function Stage() {
  const { jobs, shown } = use('work');
  const job = jobs.find((one) => one.id === shown);
  return html`<section class="stage" aria-label=${t('stage.label')}>
    ${shown === 'grid' ? html`<${GridTable} />` : job ? html`<${Job} key=${job.id} job=${job} />` : html`<${Empty} />`}
  </section>`;
}
