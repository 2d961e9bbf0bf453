// What waits and is drawn, of all who use this server.
import * as api from '../api.js';
import { cancel, show, underWay } from '../draw.js';
import { html, useEffect, IconButton } from '../parts.js';
import { get, set, use } from '../state.js';
import { seconds, t } from '../text.js';

async function look() {
  if (document.hidden) return;
  const jobs = await api.queue().catch(() => null);
  if (jobs && (jobs.length || get('queue').length)) set('queue', jobs);
}

function Row({ job }) {
  const own = get('work').jobs.find((one) => one.id === job.id);
  const words = own?.asked?.prompt || t(own ? 'stage.unnamed' : 'queue.other');
  const state = job.state === 'running' ? t('stage.step', { step: job.step, steps: job.steps })
    : job.seconds_to_start !== null ? t('queue.in', { time: seconds(job.seconds_to_start) }) : t('state.waiting');
  return html`<li>
    <button type="button" class="row-button" disabled=${!own} onClick=${() => show(job.id)}><span>${words}</span><small>${state}</small></button>
    <${IconButton} icon="close" label=${t('queue.cancel', { prompt: words })} onClick=${() => cancel(job.id).then(look)} />
  </li>`;
}

export function Queue() {
  const jobs = use('queue');
  const busy = underWay(use('work')).length;
  useEffect(() => {
    look();
    const timer = setInterval(look, busy ? 1000 : 10000);
    return () => clearInterval(timer);
  }, [busy]);
  if (jobs.length < 2) return null;
  return html`<section class="card queue" aria-label=${t('queue.title')}>
    <h2>${t('queue.title')} <span class="note">${jobs.length}</span></h2>
    <ul class="rows">${jobs.slice(0, 50).map((job) => html`<${Row} key=${job.id} job=${job} />`)}</ul>
  </section>`;
}
