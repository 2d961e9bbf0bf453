// The picture's size, by frames of the usual proportions, all with about as many pixels as the model was trained for.
import { html, Fragment, Icon, IconButton, Range } from '../parts.js';
import { change, use } from '../state.js';
import { t } from '../text.js';

const PROPORTIONS = [[1, 1], [4, 3], [3, 2], [16, 9], [2, 1], [3, 4], [2, 3], [9, 16]];

export function sizeOf([a, b], info) {
  const pixels = info.width * info.height;
  const round = (side) => Math.max(info.factor, Math.round(side / info.factor) * info.factor);
  return { width: round(Math.sqrt((pixels * a) / b)), height: round(Math.sqrt((pixels * b) / a)) };
}

const same = (a, b) => a.width === b.width && a.height === b.height;

function Frame({ proportion: [a, b], size, chosen, onChoose }) {
  const scale = 26 / Math.max(a, b);
  return html`<label class="frame">
    <input type="radio" name="frame" checked=${chosen} aria-label=${t('size.frame', { a, b, ...size })} onChange=${onChoose} />
    <span><i style=${{ width: `${a * scale}px`, height: `${b * scale}px` }}></i>${a}:${b}</span>
  </label>`;
}

export function Size() {
  const form = use('form');
  const info = use('info');
  const own = info ?? { width: 512, height: 512, factor: 8 };
  const size = { width: form.width || own.width, height: form.height || own.height };
  const largest = Math.max(own.width, own.height) * 2;
  const side = (name) => html`<${Range} label=${t(`size.${name}`)} value=${size[name]} min=${own.factor} max=${largest}
    most=${4096} step=${own.factor} onChange=${(value) => change({ ...size, [name]: value })} />`;
  return html`<fieldset class="fields size">
    <legend>${t('size.label')}<output>${size.width} × ${size.height}</output></legend>
    <div class="frames">
      ${PROPORTIONS.map((p) => html`<${Frame} proportion=${p} size=${sizeOf(p, own)} chosen=${same(sizeOf(p, own), size)}
        onChoose=${() => change(p[0] === p[1] ? { width: 0, height: 0 } : sizeOf(p, own))} />`)}
    </div>
    <details class="more"><summary>${t('size.exact')}</summary>
      <div class="fields">${side('width')}${side('height')}
        <button type="button" class="button small" onClick=${() => change({ width: size.height, height: size.width })}><${Icon} name="swap" />${t('size.swap')}</button>
      </div>
    </details>
  </fieldset>`;
}
