// The shelf of LoRAs: each with how strongly it is added. Those named in the prompt come on top.
import { html, useState, Icon, IconButton, Range, Section } from '../parts.js';
import { change, use } from '../state.js';
import { t } from '../text.js';
import { ofKind } from './model.js';

function Chosen({ lora, i, loras }) {
  const edit = (patch) => change({ loras: loras.map((old, at) => (at === i ? { ...old, ...patch } : old)) });
  return html`<li class="item">
    <div class="item-head"><strong>${lora.name}</strong>
      <${IconButton} icon="close" label=${t('loras.remove', { name: lora.name })} onClick=${() => change({ loras: loras.filter((_, at) => at !== i) })} /></div>
    <${Range} label=${t('loras.strength', { name: lora.name })} value=${lora.strength} min=${-1} max=${2} most=${10} step=${0.05} onChange=${(strength) => edit({ strength })} />
  </li>`;
}

const words = (item) => [item.details, item.words && t('loras.words', { words: item.words })].filter(Boolean).join(' · ');

export function Loras() {
  const { loras } = use('form');
  const [search, setSearch] = useState('');
  const all = ofKind(use('models'), 'LoRA');
  const free = all.filter((item) => !loras.some((lora) => lora.name === item.name) && item.name.toLowerCase().includes(search.toLowerCase()));
  return html`<${Section} name="loras" title=${t('loras.title')} note=${loras.length || (all.length ? t('loras.shelf', { n: all.length }) : t('none'))}>
    ${loras.length > 0 && html`<ul class="items">${loras.map((lora, i) => html`<${Chosen} key=${lora.name} lora=${lora} i=${i} loras=${loras} />`)}</ul>`}
    ${all.length === 0 && html`<p class="hint">${t('loras.none')}</p>`}
    ${all.length > 6 && html`<input class="search" type="search" placeholder=${t('loras.search')} aria-label=${t('loras.search')} value=${search} onInput=${(event) => setSearch(event.target.value)} />`}
    <ul class="shelf">${free.slice(0, 60).map((item) => html`<li key=${item.name}><button type="button" class="row-button" onClick=${() => change({ loras: [...loras, { name: item.name, strength: 1 }] })}>
      <span><${Icon} name="plus" />${item.name}</span>${words(item) && html`<small>${words(item)}</small>`}</button></li>`)}</ul>
  <//>`;
}
