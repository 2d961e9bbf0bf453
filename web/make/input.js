// The picture to start from: how far to go from it, what of it to repaint, and the canvas enlarged.
import { html, useState, Choice, Drop, FileButton, Fragment, Icon, IconButton, Range, Section, Switch } from '../parts.js';
import { readFile } from '../picture.js';
import { change, get, say, use } from '../state.js';
import { t } from '../text.js';
import { MaskEditor } from './mask.js';
import { NO_EXPANSION } from './outpaint.js';
import { covered } from './strokes.js';

// A photograph is drawn at the model's own number of pixels, in its own proportions.
function fitted({ width, height }) {
  const info = get('info');
  if (!info) return { width: 0, height: 0 };
  const scale = Math.sqrt((info.width * info.height) / (width * height));
  const round = (side) => Math.max(info.factor, Math.round((side * scale) / info.factor) * info.factor);
  return { width: round(width), height: round(height) };
}

export function startFrom(picture) {
  change({ input: { ...picture, strokes: [], expand: NO_EXPANSION }, ...fitted(picture) });
}

export const startFromFile = (file) => readFile(file).then(startFrom, () => say(t('input.noPicture'), true));

const edit = (patch) => change({ input: { ...get('form').input, ...patch } });

// The picture with its mask over it, on the canvas as large as it was made.
function Thumbnail({ input, onPaint }) {
  const { left, right, top, bottom } = input.expand;
  const width = input.width + left + right, height = input.height + top + bottom;
  const share = (part, whole) => `${(100 * part) / whole}%`;
  const place = { left: share(left, width), top: share(top, height), width: share(input.width, width), height: share(input.height, height) };
  return html`<button type="button" class="thumb" style=${{ aspectRatio: `${width} / ${height}` }} onClick=${onPaint} aria-label=${t('input.paint')}>
    <img src=${input.url} alt=${input.name ?? ''} style=${place} />
    <svg viewBox="0 0 ${input.width} ${input.height}" style=${place} aria-hidden="true">${maskShapes(input)}</svg>
  </button>`;
}

// Strokes as lines: only for show, so what was rubbed out is left away.
const maskShapes = ({ strokes }) => strokes.slice(strokes.findLastIndex((s) => s.kind === 'clear') + 1)
  .filter((s) => s.kind === 'stroke' && !s.erase)
  .map((s) => html`<polyline points=${(s.points.length > 1 ? s.points : [s.points[0], s.points[0]]).map((p) => p.join()).join(' ')} stroke-width=${s.size} />`);

function Expansion({ input }) {
  const info = use('info') ?? { factor: 8 };
  const most = Math.ceil(Math.max(input.width, input.height) / info.factor) * info.factor;
  const side = (name) => html`<${Range} label=${t(`expand.${name}`)} value=${input.expand[name]} min=${0} max=${most} step=${info.factor}
    onChange=${(pixels) => edit({ expand: { ...input.expand, [name]: pixels } })} />`;
  return html`<details class="more"><summary>${t('expand.title')}</summary><div class="fields">
    ${side('left')}${side('right')}${side('top')}${side('bottom')}<p class="hint">${t('expand.hint')}</p></div></details>`;
}

function Repainting({ form }) {
  const contents = ['original', 'fill', 'noise', 'nothing'];
  return html`<${Fragment}>
    <${Choice} label=${t('masked.content')} value=${form.masked_content} options=${contents.map((name) => [name, t(`masked.${name}`)])} onChange=${(value) => change({ masked_content: value })} />
    <${Range} label=${t('masked.blur')} value=${form.mask_blur} min=${0} max=${64} most=${1000} onChange=${(value) => change({ mask_blur: value })} />
    <${Switch} label=${t('masked.only')} hint=${t('masked.onlyHint')} on=${form.only_masked} onChange=${(on) => change({ only_masked: on })} />
    ${form.only_masked && html`<${Range} label=${t('masked.padding')} value=${form.mask_padding} min=${0} max=${256} most=${4096} onChange=${(value) => change({ mask_padding: value })} />`}
  <//>`;
}

export function Input() {
  const form = use('form');
  const [painting, setPainting] = useState(false);
  const input = form.input;
  const masked = input && (Object.values(input.expand).some(Boolean) || covered(input.strokes, input.width, input.height) > 0);
  const done = (strokes) => {
    edit({ strokes });
    setPainting(false);
  };
  return html`<${Section} name="input" title=${t('input.title')} note=${input ? t(masked ? 'input.repaints' : 'input.changes') : t('none')}>
    ${!input && html`<${Drop} className="well" onFile=${startFromFile}><p>${t('input.drop')}</p><${FileButton} label=${t('input.choose')} onFile=${startFromFile} /><//>`}
    ${input && html`<${Fragment}>
      <${Thumbnail} input=${input} onPaint=${() => setPainting(true)} />
      <div class="row">
        <button type="button" class="button small" onClick=${() => setPainting(true)}><${Icon} name="brush" />${t('input.paint')}</button>
        <${FileButton} className="button small" label=${t('input.other')} onFile=${startFromFile} />
        <${IconButton} icon="close" label=${t('input.remove')} onClick=${() => change({ input: null })} />
      </div>
      <${Range} label=${t('input.strength')} hint=${t('input.strengthHint')} value=${form.strength} min=${0.05} max=${1} step=${0.05} onChange=${(strength) => change({ strength })} />
      ${masked && html`<${Repainting} form=${form} />`}
      <${Expansion} input=${input} />
    <//>`}
    ${painting && html`<${MaskEditor} input=${input} onDone=${done} onClose=${() => setPainting(false)} />`}
  <//>`;
}
