// A picture of one's own, at the model's size: what a part begins with in place of the drawing.
import { html, Drop, FileButton } from '../parts.js';
import { canvasOf, load, readFile } from '../picture.js';
import { say } from '../state.js';
import { t } from '../text.js';
import { sizeOf } from './lesson.js';

const MOST = 256; // pixels a side, of models that draw larger ones: noise by single steps takes as long as there are pixels

// {url} of the middle of a picture, scaled.
export async function fitted(url, most = Infinity) {
  const info = sizeOf(), image = await load(url);
  const scale = Math.min(1, most / Math.max(info.width, info.height)), width = Math.round(info.width * scale), height = Math.round(info.height * scale);
  const canvas = canvasOf(width, height), context = canvas.getContext('2d');
  const by = Math.max(width / image.naturalWidth, height / image.naturalHeight), w = image.naturalWidth * by, h = image.naturalHeight * by;
  context.fillStyle = '#fff';
  context.fillRect(0, 0, width, height);
  context.imageSmoothingQuality = 'high';
  context.drawImage(image, (width - w) / 2, (height - h) / 2, w, h);
  return canvas.toDataURL('image/png');
}
export const small = (url) => fitted(url, MOST);

// own: a data URL, or null for the drawing.
export function OwnPicture({ own, onChange }) {
  const take = (file) => readFile(file).then(({ url }) => fitted(url)).then(onChange, () => say(t('input.noPicture'), true));
  return html`<${Drop} className="own" onFile=${take}><div class="row">
    <${FileButton} className="button small" label=${t('own.choose')} onFile=${take} />
    ${own && html`<button type="button" class="button small quiet" onClick=${() => onChange(null)}>${t('own.drawing')}</button>`}
  </div><p class="hint">${t(own ? 'own.yours' : 'own.hint')}</p><//>`;
}
