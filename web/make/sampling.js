// How it is drawn: steps, guidance, sampler and schedule.
import { html, Choice, IconButton, Range, Section } from '../parts.js';
import { change, use } from '../state.js';
import { t } from '../text.js';
import { Variation } from './seed.js';

// What samplers are called elsewhere, for who knows them so.
const TITLES = {
  euler: 'Euler', euler_a: 'Euler a', heun: 'Heun', lms: 'LMS', dpm2: 'DPM2', dpm2_a: 'DPM2 a', dpmpp_2m: 'DPM++ 2M',
  dpmpp_sde: 'DPM++ SDE', dpmpp_2m_sde: 'DPM++ 2M SDE', dpmpp_3m_sde: 'DPM++ 3M SDE', dpmpp_2s_a: 'DPM++ 2S a', ddim: 'DDIM',
  ddpm: 'DDPM', plms: 'PLMS', unipc: 'UniPC', lcm: 'LCM', tcd: 'TCD', restart: 'Restart', deis: 'DEIS', ipndm: 'iPNDM', ipndm_v: 'iPNDM_v',
  res_multistep: 'Res Multistep', res_multistep_ancestral: 'Res Multistep Ancestral',
};
export const titled = (name) => TITLES[name] ?? name;

export function Steps() {
  const { steps, guidance } = use('form');
  const most = use('options')?.limits.steps ?? 150;
  return html`<div class="fields">
    <${Range} label=${t('sampling.steps')} value=${steps} min=${1} max=${Math.min(60, most)} most=${most} onChange=${(value) => change({ steps: value })} />
    <${Range} label=${t('sampling.guidance')} value=${guidance} min=${1} max=${20} most=${100} step=${0.5} onChange=${(value) => change({ guidance: value })} />
  </div>`;
}

// What a picture's settings had besides, and this form has no field for.
function Rest() {
  const { rest } = use('form');
  const words = Object.entries(rest).map(([key, value]) => `${key} ${value}`).join(', ');
  return words && html`<div class="row rest"><p class="hint">${t('sampling.rest', { words })}</p><${IconButton} icon="close" label=${t('sampling.forget')} onClick=${() => change({ rest: {} })} /></div>`;
}

export function Sampling() {
  const form = use('form');
  const options = use('options');
  const seamless = options?.request.find((field) => field.name === 'seamless')?.choices ?? ['none'];
  return html`<${Section} name="sampling" title=${t('sampling.title')} note=${titled(form.sampler)}>
    <div class="pair">
      <${Choice} label=${t('sampling.sampler')} value=${form.sampler} onChange=${(sampler) => change({ sampler })}
        options=${(options?.samplers ?? [form.sampler]).map((name) => [name, titled(name)])} />
      <${Choice} label=${t('sampling.schedule')} value=${form.schedule ?? ''} onChange=${(schedule) => change({ schedule: schedule || null })}
        options=${[['', t('sampling.automatic')], ...(options?.schedules ?? []).map((name) => [name, name])]} />
    </div>
    <${Range} label=${t('sampling.clipSkip')} value=${form.clip_skip} min=${1} max=${12} hint=${t('sampling.clipSkipHint')} onChange=${(value) => change({ clip_skip: value })} />
    <${Choice} label=${t('sampling.seamless')} value=${form.seamless} options=${seamless.map((name) => [name, t(`seamless.${name}`)])} onChange=${(value) => change({ seamless: value })} />
    <${Variation} />
    <${Rest} />
  <//>`;
}
