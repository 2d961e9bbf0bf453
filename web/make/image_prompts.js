// Image prompts (IP-Adapter): pictures that say what to draw, beside the words.
import { html, Choice, Drop, FileButton, Fragment, IconButton, Range, Section } from '../parts.js';
import { readFile } from '../picture.js';
import { change, get, say, use } from '../state.js';
import { t } from '../text.js';
import { PictureWell, Share } from './controls.js';
import { ofKind } from './model.js';

function ImagePrompt({ item, i, items }) {
  const adapters = ofKind(use('models'), 'IP-Adapter');
  const edit = (patch) => change({ image_prompts: items.map((old, at) => (at === i ? { ...old, ...patch } : old)) });
  return html`<li class="item fields">
    <div class="item-head"><strong>${t('images.one', { n: i + 1 })}</strong><${IconButton} icon="close" label=${t('images.remove')} onClick=${() => change({ image_prompts: items.filter((_, at) => at !== i) })} /></div>
    <${PictureWell} image=${item.image} label=${t('images.drop')} onPicture=${(image) => edit({ image })} />
    <${Choice} label=${t('images.adapter')} value=${item.adapter} options=${adapters.map((m) => [m.name, m.name])} onChange=${(adapter) => edit({ adapter })} />
    <${Range} label=${t('images.scale')} value=${item.scale} min=${0} max=${2} most=${10} step=${0.05} onChange=${(scale) => edit({ scale })} />
    <${Share} item=${item} edit=${edit} />
  </li>`;
}

export function addImagePrompt(image = null) {
  const { image_prompts, image_encoder } = get('form');
  const models = get('models');
  const adapter = ofKind(models, 'IP-Adapter')[0]?.name ?? null;
  change({
    image_prompts: [...image_prompts, { adapter, image, scale: 1, start: 0, end: 1 }],
    image_encoder: image_encoder ?? ofKind(models, 'image encoder')[0]?.name ?? null,
  });
}

export function ImagePrompts() {
  const { image_prompts, image_encoder } = use('form');
  const models = use('models');
  const encoders = ofKind(models, 'image encoder');
  const any = ofKind(models, 'IP-Adapter').length > 0;
  const take = (file) => readFile(file).then(addImagePrompt, () => say(t('input.noPicture'), true));
  return html`<${Section} name="images" title=${t('images.title')} note=${image_prompts.length || t('none')}>
    ${!any && html`<p class="hint">${t('images.none')}</p>`}
    ${any && html`<${Fragment}>
      <ul class="items">${image_prompts.map((item, i) => html`<${ImagePrompt} key=${i} item=${item} i=${i} items=${image_prompts} />`)}</ul>
      <${Drop} className="well" onFile=${take}><p>${t('images.hint')}</p><${FileButton} icon="plus" label=${t('images.add')} onFile=${take} /><//>
      <${Choice} label=${t('images.encoder')} value=${image_encoder ?? ''} options=${encoders.map((m) => [m.name, m.name])} onChange=${(name) => change({ image_encoder: name || null })} />
    <//>`}
  <//>`;
}
