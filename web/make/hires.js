// A second pass over the enlarged picture (hires fix).
import { html, Choice, Fragment, Range, Section, Switch } from '../parts.js';
import { change, use } from '../state.js';
import { t } from '../text.js';
import { ofKind } from './model.js';

const PLAIN = ['latent', 'latent-bicubic', 'latent-nearest', 'latent-nearest-exact', 'latent-antialiased', 'latent-bicubic-antialiased', 'lanczos'];

export function Hires() {
  const { hires, input } = use('form');
  const upscalers = ofKind(use('models'), 'upscaler').map((item) => item.name);
  const edit = (patch) => change({ hires: { ...hires, ...patch } });
  return html`<${Section} name="hires" title=${t('hires.title')} note=${hires.on && !input ? `× ${hires.hires_scale}` : t('off')}>
    <${Switch} label=${t('hires.on')} hint=${t(input ? 'hires.noInput' : 'hires.hint')} on=${hires.on} onChange=${(on) => edit({ on })} />
    ${hires.on && html`<${Fragment}>
      <${Range} label=${t('hires.scale')} value=${hires.hires_scale} min=${1} max=${4} most=${8} step=${0.25} onChange=${(hires_scale) => edit({ hires_scale })} />
      <${Choice} label=${t('hires.upscaler')} value=${hires.hires_upscaler} options=${[...PLAIN, ...upscalers].map((name) => [name, name])} onChange=${(hires_upscaler) => edit({ hires_upscaler })} />
      <${Range} label=${t('hires.strength')} value=${hires.hires_strength} min=${0.05} max=${1} step=${0.05} onChange=${(hires_strength) => edit({ hires_strength })} />
      <${Range} label=${t('hires.steps')} value=${hires.hires_steps} min=${0} max=${60} most=${150} hint=${t('hires.stepsHint')} onChange=${(hires_steps) => edit({ hires_steps })} />
    <//>`}
  <//>`;
}
