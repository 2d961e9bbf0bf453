// Two pictures in one place: what is left of the handle is the first, what is right of it the second.
import { html, useState, Dialog } from './parts.js';
import { t } from './text.js';

export function Compare({ pictures: [a, b], onClose }) {
  const [at, setAt] = useState(50);
  const move = (event) => {
    if (event.type === 'pointermove' && !event.buttons) return;
    const box = event.currentTarget.getBoundingClientRect();
    setAt(Math.min(100, Math.max(0, (100 * (event.clientX - box.left)) / box.width)));
  };
  return html`<${Dialog} wide title=${t('compare.title')} onClose=${onClose}>
    <div class="compare" style=${{ aspectRatio: `${a.width} / ${a.height}` }} onPointerDown=${move} onPointerMove=${move}>
      <img src=${b.url} alt=${b.prompt} draggable="false" />
      <img src=${a.url} alt=${a.prompt} draggable="false" style=${{ clipPath: `inset(0 ${100 - at}% 0 0)` }} />
      <i class="handle" style=${{ left: `${at}%` }}></i>
    </div>
    <input type="range" class="compare-slider" min="0" max="100" value=${at} aria-label=${t('compare.slider')} onInput=${(event) => setAt(event.target.valueAsNumber)} />
    <div class="compare-words"><p>${a.prompt}<small>${t('stage.seed', { seed: String(a.seed) })}</small></p><p>${b.prompt}<small>${t('stage.seed', { seed: String(b.seed) })}</small></p></div>
  <//>`;
}
