// The room Understand: how a picture comes about, computed on the model that is running (docs/understand.md).
import * as api from '../api.js';
import { html, useEffect, useState, Choice, IconButton, Range } from '../parts.js';
import { use } from '../state.js';
import { t } from '../text.js';
import { ofKind } from '../make/model.js';
import { Pixels } from './figure.js';
import { jobOf, learnSize, teach, useLesson } from './lesson.js';
import { useLive } from './live.js';
import { Ask, Live, useAsked } from './part.js';
import { NoiseIn } from './in.js';
import { NoiseOut } from './out.js';
import { Guidance } from './guide.js';
import { Words } from './words.js';
import { Unet } from './unet.js';
import { Latent } from './latent.js';
import { Clip } from './clip.js';
import { Learning } from './learn.js';

const PARTS = { in: NoiseIn, out: NoiseOut, guide: Guidance, words: Words, unet: Unet, latent: Latent, clip: Clip, learn: Learning };

// ---- The drawing that all of it is about ----

function Text({ label, value, onChange }) {
  const [text, write] = useState(value);
  useEffect(() => {
    const timer = setTimeout(() => text !== value && onChange(text), 300); // not at each letter
    return () => clearTimeout(timer);
  }, [text]);
  return html`<div class="field"><label>${label}<input type="text" value=${text} onInput=${(event) => write(event.target.value)} /></label></div>`;
}

function Model({ lesson }) {
  const models = use('models'), names = [...new Set([models?.default, ...ofKind(models, 'checkpoint').map(({ name }) => name)])].filter(Boolean);
  const chosen = lesson.model ?? models?.default;
  useEffect(() => {
    if (models) learnSize(lesson.model);
  }, [models, lesson.model]);
  return names.length > 1 && html`<${Choice} label=${t('model.label')} value=${chosen ?? ''} options=${names.map((name) => [name, name])}
    onChange=${(name) => teach({ model: name === models.default ? null : name })} />`;
}

function Lesson() {
  const lesson = useLesson(), [on, ask] = useAsked(true);
  const live = useLive((signal) => api.taps(jobOf(lesson), signal), [lesson], on);
  const roll = () => teach({ seed: Math.floor(Math.random() * 1e6) });
  return html`<section class="card hero" aria-label=${t('understand.drawing')}>
    ${on ? html`<${Live} live=${live}>${({ arrays }) => html`<${Pixels} array=${arrays.picture} label=${t('understand.picture')} />`}<//>` : html`<${Ask} onAsk=${ask} />`}
    <div class="fields">
      <div><h1>${t('understand.title')}</h1><p class="hint">${t('understand.text')}</p></div>
      <div class="pair"><${Text} label=${t('prompt.label')} value=${lesson.prompt} onChange=${(prompt) => teach({ prompt })} />
        <${Text} label=${t('prompt.negative')} value=${lesson.negative_prompt} onChange=${(negative_prompt) => teach({ negative_prompt })} /></div>
      <div class="pair"><${Range} label=${t('sampling.steps')} value=${lesson.steps} min=${2} max=${40} onChange=${(steps) => teach({ steps })} />
        <div class="joined seed"><${Range} label=${t('seed.label')} value=${lesson.seed} min=${0} max=${999} most=${4294967295} onChange=${(seed) => teach({ seed })} />
          <${IconButton} icon="dice" label=${t('seed.dice')} onClick=${roll} /></div></div>
      <${Model} lesson=${lesson} />
    </div>
  </section>`;
}

// ---- The room ----

const inAddress = () => location.hash.split('/')[1];

function goTo(name) {
  document.getElementById(`part-${name}`)?.scrollIntoView();
  document.getElementById(`title-${name}`)?.focus({ preventScroll: true });
}

const Contents = ({ at }) => html`<nav class="contents" aria-label=${t('understand.contents')}><ol>
  ${Object.keys(PARTS).map((name) => html`<li><a href="#understand/${name}" aria-current=${name === at ? 'true' : undefined} onClick=${() => goTo(name)}>${t(`${name}.title`)}</a></li>`)}
</ol></nav>`;

export function Room() {
  const [at, setAt] = useState(inAddress());
  useEffect(() => {
    const onHash = () => setAt(inAddress());
    addEventListener('hashchange', onHash);
    goTo(inAddress());
    return () => removeEventListener('hashchange', onHash);
  }, []);
  return html`<main class="understand" id="main"><${Contents} at=${at} />
    <div class="parts"><${Lesson} />${Object.entries(PARTS).map(([name, part], i) => html`<${part} key=${name} number=${i + 1} />`)}</div>
  </main>`;
}
