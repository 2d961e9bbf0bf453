// Part 7, CLIP: texts against pictures, drawn ones and one's own.
import * as api from '../api.js';
import { html, useState, FileButton, IconButton } from '../parts.js';
import { readFile } from '../picture.js';
import { say } from '../state.js';
import { t } from '../text.js';
import { colour } from '../figures.js';
import { urlOf } from './figure.js';
import { fitted } from './own.js';
import { jobOf, modelOf, useLesson } from './lesson.js';
import { useLive } from './live.js';
import { Live, Part } from './part.js';

const FIRST = ['a red apple', 'a blue fish', 'a smiling sun', 'a house'], MOST = 12;

// Bright is alike, from the least to the most of the table. Ink is what stands out more: by WCAG's relative luminance.
const lightness = (rgb) => rgb.map((v) => (v / 255 <= .04 ? v / 3294 : ((v / 255 + .055) / 1.055) ** 2.4)).reduce((sum, v, i) => sum + [.2126, .7152, .0722][i] * v, 0);
function cellStyle(share) {
  const rgb = colour(.15 + .8 * share).map(Math.round);
  return { background: `rgb(${rgb.join(' ')})`, color: lightness(rgb) > .179 ? '#000' : '#fff' };
}

function Table({ texts, images, similarity, onText, onRemove }) {
  const at = (i, k) => similarity.data[i * images.length + k], low = Math.min(...similarity.data), high = Math.max(...similarity.data);
  const best = (k) => texts.reduce((most, _, i) => (at(i, k) > at(most, k) ? i : most), 0);
  return html`<div class="scroll" tabindex="0" role="region" aria-label=${t('clip.table')}><table class="matrix"><thead><tr><td></td>
    ${images.map(({ url, text }, k) => html`<th scope="col"><img src=${url} alt=${text ?? t('clip.yours', { n: k + 1 })} />${!text && html`<${IconButton} icon="close" label=${t('clip.removePicture', { n: k + 1 })} onClick=${() => onRemove(k)} />`}</th>`)}</tr></thead>
    <tbody>${texts.map((text, i) => html`<tr><th scope="row"><input type="text" aria-label=${t('clip.line', { n: i + 1 })} value=${text} onChange=${(event) => onText(i, event.target.value)} /></th>
      ${images.map((_, k) => html`<td style=${cellStyle((at(i, k) - low) / (high - low || 1))} class=${best(k) === i ? 'best' : ''}>${at(i, k).toFixed(2)}</td>`)}</tr>`)}</tbody></table></div>`;
}

function Compared({ on }) {
  const lesson = useLesson(), [texts, setTexts] = useState(FIRST), [own, setOwn] = useState([]);
  const drawn = useLive(async (signal) => {
    const all = [];
    for (const prompt of FIRST) all.push({ text: prompt, url: urlOf((await api.taps(jobOf(lesson, { prompt }), signal)).arrays.picture) });
    return all;
  }, [lesson.seed, lesson.model, lesson.steps], on);
  const images = [...(drawn.value ?? []), ...own];
  const live = useLive(async (signal) => (images.length ? { texts, images, similarity: (await api.similarity({ texts, images: images.map(({ url }) => url), ...modelOf(lesson) }, signal)).arrays.similarity } : null), [texts, drawn.value, own], on && images.length > 0);
  const take = (file) => readFile(file).then(({ url }) => fitted(url)).then((url) => setOwn((all) => [...all, { url }].slice(-MOST)), () => say(t('input.noPicture'), true));
  return html`<${Live} live=${live}>${(now) => html`<${Table} ...${now} onText=${(i, text) => setTexts((all) => all.map((one, k) => (k === i ? text : one)))}
      onRemove=${(k) => setOwn((all) => all.filter((_, i) => i !== k - drawn.value.length))} />`}<//>
    <div class="row clip-tools"><button type="button" class="button small" disabled=${texts.length >= MOST} onClick=${() => setTexts((all) => [...all, ''])}>${t('clip.addText')}</button>
      <${FileButton} className="button small" label=${t('clip.addPicture')} onFile=${take} /></div><p class="hint">${t('clip.hint')}</p>`;
}

export const Clip = ({ number }) => html`<${Part} name="clip" number=${number} sources=${['server/parts_api.c add_similarity']}>${(on) => html`<${Compared} on=${on} />`}<//>`;
