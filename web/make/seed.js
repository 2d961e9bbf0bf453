// The seed: a new one each time, or a locked one; and how many pictures.
import { html, useId, Icon, IconButton, Range, Pills } from '../parts.js';
import { change, get, use } from '../state.js';
import { t } from '../text.js';

const random = () => String(crypto.getRandomValues(new Uint32Array(1))[0]);

// The last picture's on the stage: what "lock" means to who says nothing else.
function lastSeed() {
  const { jobs, shown } = get('work');
  return jobs.find((job) => job.id === shown)?.done.find((picture) => picture?.seed)?.seed;
}

export function Seed() {
  const { seed, locked } = use('form');
  const id = useId();
  const toggle = () => change(locked ? { locked: false } : { locked: true, seed: lastSeed() ?? (seed || random()) });
  const write = (event) => {
    const digits = event.target.value.replace(/\D/g, '').slice(0, 20);
    change({ seed: digits, locked: digits !== '' });
  };
  return html`<div class="field">
    <label for=${id}>${t('seed.label')}</label>
    <div class="joined">
      <input id=${id} type="text" inputmode="numeric" autocomplete="off" value=${locked ? seed : ''} placeholder=${t('seed.random')} onInput=${write} />
      <${IconButton} icon="dice" label=${t('seed.dice')} onClick=${() => change({ seed: random(), locked: true })} />
      <${IconButton} icon=${locked ? 'lock' : 'unlock'} label=${t(locked ? 'seed.unlock' : 'seed.lock')} aria-pressed=${locked} onClick=${toggle} />
    </div>
  </div>`;
}

const COUNTS = [1, 2, 4, 8];

export function Count() {
  const { count } = use('form');
  const options = [...new Set([...COUNTS, count])].sort((a, b) => a - b);
  return html`<div class="field"><span class="label" aria-hidden="true">${t('count.label')}</span>
    <${Pills} label=${t('count.label')} value=${count} onChange=${(n) => change({ count: n })}
      options=${options.map((n) => [n, n, t('count.pictures', { n })])} />
  </div>`;
}

// A picture near another: the seed's noise, gone some way towards that of a second seed.
export function Variation() {
  const { variation_seed, variation_strength } = use('form');
  const id = useId();
  return html`<div class="fields">
    <${Range} label=${t('variation.strength')} value=${variation_strength} min=${0} max=${1} step=${0.05} hint=${t('variation.hint')} onChange=${(value) => change({ variation_strength: value })} />
    <div class="field"><label for=${id}>${t('variation.seed')}</label>
      <input id=${id} type="text" inputmode="numeric" value=${variation_seed} placeholder=${t('seed.random')}
        onInput=${(event) => change({ variation_seed: event.target.value.replace(/\D/g, '') })} /></div>
  </div>`;
}
