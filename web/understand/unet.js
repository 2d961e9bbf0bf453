// Part 5, the U-Net: its blocks to scale, and what each makes at a step; and those of VAE and CLIP.
import * as api from '../api.js';
import { html, useEffect, useRef, useState, Pills, Range } from '../parts.js';
import { t } from '../text.js';
import { drawUnet, percent, short } from '../figures.js';
import { Pixels, urlOf } from './figure.js';
import { framesOf, jobOf, modelOf, useLesson, valuesOf } from './lesson.js';
import { useLive } from './live.js';
import { Live, Part } from './part.js';

const FRAMES = 12, LARGE = 4, SIDE = 64;

async function askBlocks(lesson, signal) {
  const { places, width, height } = await api.places(modelOf(lesson), signal);
  const frames = framesOf(lesson.steps, width * height > 256 * 256 ? LARGE : FRAMES);
  const values = valuesOf(await api.taps(jobOf(lesson, { taps: [{ kind: 'activation', as: 'components', side: SIDE, ...frames }] }), signal));
  const blocks = places.filter(({ kind }) => kind === 'activation').map((place) => {
    const own = values.filter(({ name, call }) => name === place.name && call === 0);
    return { ...place, frames: own, seconds: own.reduce((sum, { seconds }) => sum + seconds, 0) / Math.max(own.length, 1) };
  });
  return { ...summed(blocks), steps: blocks[0].frames.map(({ step }) => step), width, height };
}

function summed(blocks) {
  const sum = (key) => blocks.reduce((all, block) => all + block[key], 0);
  return { blocks, parameters: sum('parameters'), flop: sum('flop'), seconds: sum('seconds') };
}

// ---- VAE and CLIP ----

const OTHERS = { 'vae-encoder': 'unet.encoder', 'vae-decoder': 'unet.decoder', 'clip-text': 'unet.clipText', 'clip-image': 'unet.clipImage' };

// Tokens in a row as a field: of a picture its patches, without the class token before them.
function folded({ shape: [h, w], data }) {
  const side = Math.sqrt(w - 1);
  if (h > 1) return { shape: [h, w, 3], data };
  if (Number.isInteger(side)) return { shape: [side, side, 3], data: data.subarray(3) };
  let rows = Math.floor(Math.sqrt(w));
  while (w % rows) rows--;
  return { shape: [rows, w / rows, 3], data };
}

async function askModule(lesson, module, signal) {
  const model = modelOf(lesson), { places } = await api.places({ module, ...model }, signal), { latent, picture } = (await api.taps(jobOf(lesson), signal)).arrays;
  const { arrays, told } = await api.activations({ module, text: lesson.prompt, image: urlOf(picture), latents: api.writeFloats(latent.data), shape: latent.shape, ...model }, signal);
  return summed(places.map((place) => {
    const array = folded(arrays[place.name]), [c, h, w] = place.shape;
    return { ...place, tokens: h === 1 && w, shape: [c, ...array.shape.slice(0, 2)], frames: [{ array }], seconds: told.seconds[place.name] };
  }));
}

function Module({ module, on }) {
  const lesson = useLesson(), [chosen, choose] = useState(null), live = useLive((signal) => askModule(lesson, module, signal), [lesson, module], on);
  return html`<${Live} live=${live}>${(now) => {
    const i = Math.min(chosen ?? now.blocks.length - 1, now.blocks.length - 1);
    return now.blocks.length > 0 && html`<${Drawing} blocks=${now.blocks} at=${0} chosen=${i} onChoose=${choose} /><${Block} now=${now} block=${now.blocks[i]} at=${0} onFrame=${choose} />
      <p class="hint">${t('unet.sum', { parameters: short(now.parameters), flop: short(now.flop) })} ${now.blocks[0].tokens && t('unet.folded')}</p>`;
  }}<//>`;
}

// ---- What is shown ----

const frameOf = (block, at) => block.frames[Math.min(at, block.frames.length - 1)];
const whatOf = (block) => t(`unet.${block.what.replace(/ /g, '_')}`);

function Drawing({ blocks, at, chosen, onChoose }) {
  const ref = useRef(), drawn = useRef();
  useEffect(() => {
    drawn.current = drawUnet(ref.current, blocks, { time: t('unet.time'), label: (b) => `${whatOf(b)} ${b.name}, ${b.shape.join(' × ')}` }, onChoose);
  }, [blocks]);
  useEffect(() => {
    drawn.current.places.forEach(({ image }, i) => image.setAttribute('href', urlOf(frameOf(blocks[i], at).array)));
  }, [blocks, at]);
  useEffect(() => {
    drawn.current.places.forEach(({ box }, i) => box.classList.toggle('chosen', i === chosen));
    for (const { path, from, target } of drawn.current.arcs) path.classList.toggle('lit', from === chosen || target === chosen);
  }, [blocks, chosen]);
  return html`<div class="scroll" tabindex="0" role="group" aria-label=${t('unet.blocks')}><svg ref=${ref} class="unet" role="group" aria-label=${t('unet.blocks')}></svg></div>`;
}

function Block({ now, block, at, onFrame }) {
  const goes = now.blocks.filter(({ beside }) => beside === block.name).map(({ name }) => name);
  const rows = [['makes', t(block.tokens ? 'unet.tokens' : 'unet.channels', { channels: String(block.shape[0]), height: block.shape[1], width: block.shape[2], count: block.tokens })], ['parameters', `${short(block.parameters)}, ${percent(block.parameters, now.parameters)}`],
    ['cost', `${short(block.flop)}FLOP, ${percent(block.flop, now.flop)}`], ['share', percent(block.seconds, now.seconds)], ...(block.beside ? [['from', block.beside]] : []), ...(goes.length ? [['to', goes.join(', ')]] : [])];
  return html`<div class="block" aria-live="polite">
    <div data-block=${block.name}><${Pixels} array=${frameOf(block, at).array} className="blocky" label=${t('unet.picture', { name: block.name })} /></div>
    <div><b>${whatOf(block)}</b> <code>${block.name}</code><dl>${rows.map(([name, value]) => html`<dt>${t(`unet.${name}`)}</dt><dd>${value}</dd>`)}</dl>
      ${block.frames.length > 1 && html`<div class="steps" role="group" aria-label=${t('unet.overSteps')}>${block.frames.map((frame, i) => html`<button type="button" aria-label=${t('out.step', { step: frame.step })} aria-current=${i === at} onClick=${() => onFrame(i)}><${Pixels} array=${frame.array} className="blocky" /></button>`)}</div>`}</div></div>`;
}

function Blocks({ on }) {
  const lesson = useLesson(), [at, setAt] = useState(6), [chosen, choose] = useState(null);
  const live = useLive((signal) => askBlocks(lesson, signal), [lesson], on);
  return html`<${Live} live=${live}>${(now) => {
    const frame = Math.min(at, now.steps.length - 1), i = Math.min(chosen ?? now.blocks.map(({ what }) => what).lastIndexOf('transformer'), now.blocks.length - 1);
    return html`<${Range} label=${t('unet.frame')} value=${frame + 1} min=${1} max=${now.steps.length} onChange=${(value) => setAt(value - 1)} hint=${t('unet.step', { step: now.steps[frame], steps: lesson.steps })} />
      <${Drawing} blocks=${now.blocks} at=${frame} chosen=${i} onChoose=${choose} />
      <${Block} now=${now} block=${now.blocks[i]} at=${frame} onFrame=${setAt} />
      <p class="hint">${t('unet.all', { parameters: short(now.parameters), flop: short(now.flop), width: now.width, height: now.height })}</p>`;
  }}<//>`;
}

function Networks({ on }) {
  const [module, setModule] = useState('unet');
  return html`<div class="row networks"><${Pills} label=${t('unet.which')} value=${module} onChange=${setModule} options=${[['unet', 'U-Net'], ...Object.entries(OTHERS).map(([key, name]) => [key, t(name)])]} /></div>
    ${module === 'unet' ? html`<${Blocks} on=${on} />` : html`<${Module} key=${module} module=${module} on=${on} />`}`;
}

export const Unet = ({ number }) => html`<${Part} name="unet" number=${number}
  sources=${['src/models/unet_half.c step', 'src/nn/blocks.c lt_residual_block', 'src/nn/blocks.c transformer_block', 'src/models/vae.c step', 'src/nn/blocks.c lt_clip_layer', 'tools/picture.c find_axis']}>${(on) => html`<${Networks} on=${on} />`}<//>`;
