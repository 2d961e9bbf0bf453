// The room Make: the form on one side, stage and gallery on the other.
import { make, underWay } from '../draw.js';
import { html, useEffect, FileButton, Icon } from '../parts.js';
import { Gallery } from '../gallery.js';
import { change, get, use, usualForm } from '../state.js';
import { t } from '../text.js';
import { Controls } from './controls.js';
import { DropPlaces } from './drop.js';
import { Grid, makeGrid } from './grid.js';
import { Hires } from './hires.js';
import { ImagePrompts } from './image_prompts.js';
import { Input } from './input.js';
import { Loras } from './loras.js';
import { Model } from './model.js';
import { Prompt } from './prompt.js';
import { Queue } from './queue.js';
import { restoreFile } from './restore.js';
import { Sampling, Steps } from './sampling.js';
import { Count, Seed } from './seed.js';
import { Size } from './size.js';
import { Stage } from './stage.js';

function begin() {
  const form = get('form');
  if (form.grid.on) makeGrid(form);
  else make(form);
}

function MakeButton() {
  const form = use('form');
  const waiting = underWay(use('work')).length;
  const words = form.grid.on ? 'make.grid' : form.input ? 'make.change' : form.count > 1 ? 'make.many' : 'make.one';
  return html`<div class="make-bar">
    <button type="button" class="button primary make" onClick=${begin} aria-keyshortcuts="Control+Enter"><${Icon} name="spark" />${t(words, { n: form.count })}
      ${waiting > 0 && html`<span class="badge" aria-label=${t('make.waiting', { n: waiting })}>${waiting}</span>`}</button>
  </div>`;
}

const Foot = () => html`<div class="row foot">
  <${FileButton} className="button small quiet" icon="again" label=${t('restore.open')} onFile=${restoreFile} />
  <button type="button" class="button small quiet" onClick=${() => change(usualForm)}>${t('make.reset')}</button>
</div>`;

export function Make() {
  useEffect(() => {
    const onKey = (event) => {
      if ((event.ctrlKey || event.metaKey) && event.key === 'Enter' && !event.defaultPrevented && !document.querySelector('dialog[open]')) begin();
    };
    addEventListener('keydown', onKey);
    return () => removeEventListener('keydown', onKey);
  }, []);
  return html`<main class="room" id="main">
    <div class="panel">
      <div class="panel-top"><${Prompt} onMake=${begin} /><${MakeButton} /></div>
      <div class="settings">
        <${Model} />
        <div class="card fields"><${Size} /><${Steps} /><${Count} /><${Seed} /></div>
        <${Input} />
        <${Loras} />
        <${Controls} />
        <${ImagePrompts} />
        <${Sampling} />
        <${Hires} />
        <${Grid} />
        <${Foot} />
      </div>
    </div>
    <div class="work"><${Stage} /><${Queue} /><${Gallery} /></div>
    <${DropPlaces} />
  </main>`;
}
