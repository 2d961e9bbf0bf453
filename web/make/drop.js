// A file over the page: places to drop it, each with what comes of it.
import { html, useEffect, useState, Icon } from '../parts.js';
import { readFile } from '../picture.js';
import { get, say } from '../state.js';
import { t } from '../text.js';
import { addControl } from './controls.js';
import { addImagePrompt } from './image_prompts.js';
import { startFromFile } from './input.js';
import { ofKind } from './model.js';
import { restoreFile } from './restore.js';

const pictureFor = (add) => (file) => readFile(file).then(add, () => say(t('input.noPicture'), true));

const PLACES = [
  { key: 'restore', icon: 'again', take: restoreFile },
  { key: 'input', icon: 'brush', take: startFromFile },
  { key: 'control', icon: 'fit', take: pictureFor(addControl), kind: 'control' },
  { key: 'images', icon: 'picture', take: pictureFor(addImagePrompt), kind: 'IP-Adapter' },
];

const carriesFile = (event) => [...(event.dataTransfer?.types ?? [])].includes('Files');

export function DropPlaces() {
  const [shown, setShown] = useState(false);
  const [over, setOver] = useState(null);
  useEffect(() => {
    let depth = 0;
    const events = {
      dragenter: (event) => carriesFile(event) && ++depth && setShown(true),
      dragleave: (event) => carriesFile(event) && --depth <= 0 && setShown(false),
      dragover: (event) => carriesFile(event) && event.preventDefault(),
      drop: (event) => {
        depth = 0;
        setShown(false);
        if (!carriesFile(event) || event.defaultPrevented) return;
        event.preventDefault();
        restoreFile(event.dataTransfer.files[0]);
      },
    };
    for (const [name, act] of Object.entries(events)) addEventListener(name, act);
    return () => Object.entries(events).forEach(([name, act]) => removeEventListener(name, act));
  }, []);
  if (!shown || document.querySelector('dialog[open]')) return null;
  const places = PLACES.filter(({ kind }) => !kind || ofKind(get('models'), kind).length);
  const drop = (take) => (event) => {
    event.preventDefault();
    take(event.dataTransfer.files[0]);
  };
  return html`<div class="places">${places.map(({ key, icon, take }) => html`<div key=${key} class="place ${over === key ? 'over' : ''}"
    onDragEnter=${() => setOver(key)} onDrop=${drop(take)}><${Icon} name=${icon} /><strong>${t(`place.${key}`)}</strong><span>${t(`place.${key}Hint`)}</span></div>`)}</div>`;
}
