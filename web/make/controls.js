// ControlNets and T2I-Adapters: a picture that says of how to draw.
import { html, Choice, Drop, FileButton, Fragment, IconButton, Range, Section } from '../parts.js';
import { readFile } from '../picture.js';
import { change, get, say, use } from '../state.js';
import { t } from '../text.js';
import { ofKind } from './model.js';

// A picture that a row of the form wants; dropped on it, or chosen.
export function PictureWell({ image, label, onPicture }) {
  const take = (file) => readFile(file).then(onPicture, () => say(t('input.noPicture'), true));
  return html`<${Drop} className=${image ? 'filled' : 'well'} onFile=${take}>
    ${image && html`<img class="well-picture" src=${image.url} alt=${image.name ?? ''} />`}
    ${!image && html`<p>${label}</p>`}
    <${FileButton} className="button small" label=${t(image ? 'input.other' : 'input.choose')} onFile=${take} />
  <//>`;
}

// Over which share of the steps it is there.
export const Share = ({ item, edit }) => html`<div class="pair">
  <${Range} label=${t('share.start')} value=${item.start} min=${0} max=${1} step=${0.05} onChange=${(start) => edit({ start })} />
  <${Range} label=${t('share.end')} value=${item.end} min=${0} max=${1} step=${0.05} onChange=${(end) => edit({ end })} />
</div>`;

const MODES = ['balanced', 'prompt', 'control'];
const FITS = ['crop', 'stretch', 'fill'];
const fieldChoices = (options, name, usual) => options?.control.find((field) => field.name === name)?.choices ?? usual;

export const newControl = (models) => ({ model: ofKind(models, 'control')[0]?.name ?? null, image: null, annotator: '', strength: 1, start: 0, end: 1 });

function Control({ item, i, items }) {
  const models = ofKind(use('models'), 'control');
  const options = use('options');
  const edit = (patch) => change({ controls: items.map((old, at) => (at === i ? { ...old, ...patch } : old)) });
  return html`<li class="item fields">
    <div class="item-head"><strong>${t('controls.one', { n: i + 1 })}</strong><${IconButton} icon="close" label=${t('controls.remove')} onClick=${() => change({ controls: items.filter((_, at) => at !== i) })} /></div>
    <${PictureWell} image=${item.image} label=${t('controls.drop')} onPicture=${(image) => edit({ image })} />
    <${Choice} label=${t('controls.model')} value=${item.model} options=${models.map((m) => [m.name, m.name])} onChange=${(model) => edit({ model })} />
    <${Choice} label=${t('controls.annotator')} value=${item.annotator} onChange=${(annotator) => edit({ annotator })}
      options=${[['', t('controls.map')], ...(options?.annotators ?? []).map((name) => [name, name])]} />
    <${Range} label=${t('controls.strength')} value=${item.strength} min=${0} max=${2} most=${100} step=${0.05} onChange=${(strength) => edit({ strength })} />
    <${Share} item=${item} edit=${edit} />
    <div class="pair">
      <${Choice} label=${t('controls.mode')} value=${item.mode ?? ''} onChange=${(mode) => edit({ mode })}
        options=${fieldChoices(options, 'mode', MODES).map((name) => [name, t(`controls.${name}`)])} />
      <${Choice} label=${t('controls.fit')} value=${item.fit ?? ''} onChange=${(fit) => edit({ fit })}
        options=${fieldChoices(options, 'fit', FITS).map((name) => [name, t(`controls.${name}`)])} />
    </div>
  </li>`;
}

export function addControl(image = null) {
  change({ controls: [...get('form').controls, { ...newControl(get('models')), image }] });
}

export function Controls() {
  const { controls } = use('form');
  const any = ofKind(use('models'), 'control').length > 0;
  const take = (file) => readFile(file).then(addControl, () => say(t('input.noPicture'), true));
  return html`<${Section} name="controls" title=${t('controls.title')} note=${controls.length || t('none')}>
    ${!any && html`<p class="hint">${t('controls.none')}</p>`}
    ${any && html`<${Fragment}>
      <ul class="items">${controls.map((item, i) => html`<${Control} key=${i} item=${item} i=${i} items=${controls} />`)}</ul>
      <${Drop} className="well" onFile=${take}><p>${t('controls.hint')}</p><${FileButton} icon="plus" label=${t('controls.add')} onFile=${take} /><//>
    <//>`}
  <//>`;
}
