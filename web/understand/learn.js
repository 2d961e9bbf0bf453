// Part 8, learning: a small LoRA that is trained while one looks on: its loss, and the same seed drawn with it; and a
// training that runs elsewhere.
import * as api from '../api.js';
import { html, useEffect, useRef, useState, Choice, FileButton, Icon, IconButton, Range } from '../parts.js';
import { canvasOf, download, load, readFile } from '../picture.js';
import { say } from '../state.js';
import { seconds, t } from '../text.js';
import { Captioned, Plot, urlOf } from './figure.js';
import { fitted } from './own.js';
import { jobOf, modelOf, useLesson } from './lesson.js';
import { useLive } from './live.js';
import { Followed } from './follow.js';
import { Part } from './part.js';

const EXAMPLES = 6, RATES = ['0.0001', '0.0003', '0.001', '0.003'], SAMPLES = 6;

// What the model doesn't draw by itself: its own picture upside down.
async function turned(url) {
  const image = await load(url), canvas = canvasOf(image.width, image.height), context = canvas.getContext('2d');
  context.translate(0, image.height);
  context.scale(1, -1);
  context.drawImage(image, 0, 0);
  return canvas.toDataURL();
}

async function askExamples(lesson, signal) {
  const all = [];
  for (let i = 0; i < EXAMPLES; i++) all.push({ url: await turned(urlOf((await api.taps(jobOf(lesson, { seed: 100 + i }), signal)).arrays.picture)) });
  return all;
}

const nothing = { steps: [], samples: [], left: null, lora: null, error: null };

function useTraining() {
  const [state, setState] = useState(nothing), [running, run] = useState(null), aborter = useRef();
  const patch = (change) => setState((now) => ({ ...now, ...change(now) }));
  useEffect(() => () => aborter.current?.abort(), []);
  const stop = () => aborter.current?.abort();
  const begin = async (asked) => {
    setState(nothing);
    aborter.current = new AbortController();
    run(true);
    await api.learn(asked, {
      step: (row) => patch(({ steps }) => ({ steps: [...steps, row], left: row.seconds_left })),
      sample: (sample) => patch(({ samples }) => ({ samples: [...samples, sample] })),
      end: ({ lora }) => patch(() => ({ lora })),
      failed: ({ message }) => patch(() => ({ error: message })),
    }, aborter.current.signal).catch((error) => error.name !== 'AbortError' && patch(() => ({ error: error.message })));
    run(false);
  };
  return { ...state, running, begin, stop };
}

function Pictures({ pictures, own, setOwn }) {
  const take = (file) => readFile(file).then(({ url }) => fitted(url)).then((url) => setOwn((all) => [...all, { url }]), () => say(t('input.noPicture'), true));
  return html`<div class="learned">${pictures.map(({ url }, i) => html`<span><img class="pixels" src=${url} alt=${t('learn.picture', { n: i + 1 })} />
      ${own.length > 0 && html`<${IconButton} icon="close" label=${t('clip.removePicture', { n: i + 1 })} onClick=${() => setOwn((all) => all.filter((_, k) => k !== i))} />`}</span>`)}</div>
    <p class="hint">${t(own.length ? 'learn.own' : 'learn.examples')}</p>
    <div class="row"><${FileButton} className="button small" label=${t('learn.add')} onFile=${take} /></div>`;
}

const Progress = ({ now }) => html`<div class="learning" aria-busy=${now.running ? 'true' : 'false'}>
  ${now.error && html`<p class="bad" role="alert">${now.error}</p>`}
  ${now.steps.length > 1 && html`<${Plot} curves=${[{ xs: now.steps.map(({ step }) => step), ys: now.steps.map(({ loss }) => loss), name: t('learn.loss'), dots: false }]} at=${now.steps.at(-1).step} width=${760} height=${200} ticks=${10}
    label=${t('learn.lossLabel', { step: now.steps.at(-1).step, loss: now.steps.at(-1).loss.toPrecision(3) })}
    caption=${t('learn.at', { step: now.steps.at(-1).step, steps: now.steps.at(-1).steps, loss: now.steps.at(-1).loss.toPrecision(3) }) + (now.running && now.left > 0 ? ` · ${t('stage.left', { time: seconds(now.left) })}` : '')} />`}
  ${now.samples.length > 0 && html`<h3>${t('learn.samples')}</h3>`}<div class="cards samples" data-samples>${now.samples.map(({ step, picture }) => html`<${Captioned} key=${step} caption=${t('learn.after', { n: step })}><img class="pixels" src="data:image/png;base64,${picture}" alt=${t('learn.after', { n: step })} /><//>`)}</div></div>`;

function Trained({ on }) {
  const lesson = useLesson(), now = useTraining(), [own, setOwn] = useState([]);
  const [steps, setSteps] = useState(120), [rank, setRank] = useState(8), [rate, setRate] = useState('0.003');
  const examples = useLive((signal) => askExamples(lesson, signal), [lesson], on);
  const pictures = own.length ? own : examples.value ?? [], text = lesson.prompt;
  const begin = () => now.begin({ pictures: pictures.map(({ url }) => ({ image: url, text })), steps, rank, rate: Number(rate), prompt: text, seed: lesson.seed, sample_steps: Math.ceil(steps / SAMPLES), ...modelOf(lesson) });
  return html`<div class="sides narrow even"><div class="fields">
      <${Range} label=${t('sampling.steps')} value=${steps} min=${10} max=${500} step=${10} most=${1000} onChange=${setSteps} />
      <${Range} label=${t('learn.rank')} value=${rank} min=${1} max=${32} most=${64} onChange=${setRank} />
      <${Choice} label=${t('learn.rate')} value=${rate} options=${RATES.map((value) => [value, value])} onChange=${setRate} /></div>
    <div class="fields"><${Pictures} pictures=${pictures} own=${own} setOwn=${setOwn} />
      <div class="row">${now.running ? html`<button type="button" class="button" onClick=${now.stop}><${Icon} name="stop" />${t('learn.stop')}</button>`
        : html`<button type="button" class="button primary" disabled=${!pictures.length} onClick=${begin}><${Icon} name="spark" />${t('learn.begin')}</button>`}
      ${now.lora && html`<button type="button" class="button" onClick=${() => download(`data:application/octet-stream;base64,${now.lora}`, 'lora.safetensors')}><${Icon} name="down" />${t('learn.download')}</button>`}</div></div></div>
    <${Progress} now=${now} />`;
}

export const Learning = ({ number }) => html`<${Part} name="learn" number=${number} sources=${['src/train/denoising.c noise_sample', 'src/train/objectives.c lt_unet_objective', 'src/eval/curve.c follow_log']}
  apart=${html`<${Followed} on=${true} />`}>${(on) => html`<${Trained} on=${on} />`}<//>`;
