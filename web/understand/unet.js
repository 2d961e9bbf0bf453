// Part 5, the U-Net: its blocks to scale, and what each makes at a step.
import * as api from '../api.js';
import { html, useEffect, useRef, useState, Range } from '../parts.js';
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
  const sum = (of) => blocks.reduce((all, block) => all + of(block), 0);
  return { blocks, steps: blocks[0].frames.map(({ step }) => step), width, height, parameters: sum((b) => b.parameters), flop: sum((b) => b.flop), seconds: sum((b) => b.seconds) };
}

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
  const rows = [['makes', t('unet.channels', { channels: String(block.shape[0]), height: block.shape[1], width: block.shape[2] })], ['parameters', `${short(block.parameters)}, ${percent(block.parameters, now.parameters)}`],
    ['cost', `${short(block.flop)}FLOP, ${percent(block.flop, now.flop)}`], ['share', percent(block.seconds, now.seconds)], ...(block.beside ? [['from', block.beside]] : []), ...(goes.length ? [['to', goes.join(', ')]] : [])];
  return html`<div class="block" aria-live="polite">
    <div data-block=${block.name}><${Pixels} array=${frameOf(block, at).array} className="blocky" label=${t('unet.picture', { name: block.name })} /></div>
    <div><b>${whatOf(block)}</b> <code>${block.name}</code><dl>${rows.map(([name, value]) => html`<dt>${t(`unet.${name}`)}</dt><dd>${value}</dd>`)}</dl>
      <div class="steps" role="group" aria-label=${t('unet.overSteps')}>${block.frames.map((frame, i) => html`<button type="button" aria-label=${t('out.step', { step: frame.step })} aria-current=${i === at} onClick=${() => onFrame(i)}><${Pixels} array=${frame.array} className="blocky" /></button>`)}</div></div></div>`;
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

export const Unet = ({ number }) => html`<${Part} name="unet" number=${number}
  sources=${['src/models/unet_half.c step', 'src/nn/blocks.c lt_residual_block', 'src/nn/blocks.c transformer_block', 'tools/picture.c find_axis']}>${(on) => html`<${Blocks} on=${on} />`}<//>`;
