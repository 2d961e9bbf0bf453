// Which model draws, and its VAE.
import * as api from '../api.js';
import { html, useEffect, Choice } from '../parts.js';
import { change, set, use } from '../state.js';
import { t } from '../text.js';

export const ofKind = (models, kind) => (models?.models ?? []).filter((item) => item.kind === kind && item.name);

export function Model() {
  const form = use('form');
  const models = use('models');
  const checkpoints = ofKind(models, 'checkpoint');
  const vaes = ofKind(models, 'VAE');
  const chosen = checkpoints.some((item) => item.name === form.model) ? form.model : models?.default;
  useEffect(() => {
    if (models) api.describe(form.model && chosen).then((info) => set('info', info), () => set('info', null));
  }, [models, chosen]);
  const names = [...new Set([models?.default, ...checkpoints.map((item) => item.name)])].filter(Boolean);
  return html`<div class="card fields model">
    <${Choice} label=${t('model.label')} value=${chosen ?? ''} options=${names.map((name) => [name, name])}
      onChange=${(name) => change({ model: name === models.default ? null : name })} />
    ${vaes.length > 0 && html`<${Choice} label=${t('model.vae')} value=${form.vae ?? ''} onChange=${(vae) => change({ vae: vae || null })}
      options=${[['', t('model.ownVae')], ...vaes.map((item) => [item.name, item.name])]} />`}
  </div>`;
}
