// A part of the room: its words, something live, and the lines of the source that do it.
import { html, useEffect, useRef, useState, Icon } from '../parts.js';
import { use } from '../state.js';
import { t } from '../text.js';
import { useSeen } from './live.js';
import { useLight } from './lesson.js';

// ---- Source: what the program was built from ----

let woven;
const fetchSource = () => (woven ??= fetch('page/understand/source.html').then((answer) => answer.text())
  .then((text) => new DOMParser().parseFromString(text, 'text/html')));

// names: ["src/nn/blocks.c attend", ...]
function Source({ names, on }) {
  const ref = useRef();
  useEffect(() => {
    if (on) fetchSource().then((page) => ref.current?.replaceChildren(...names.map((name) => document.importNode(page.querySelector(`[data-code="${name}"]`), true))));
  }, [on]);
  return html`<div class="source"><p class="hint">${t('understand.source')}</p><div ref=${ref}></div></div>`;
}

// ---- What takes long ----

// [whether it is computed, what asks for it]: at once where the model is small, else when somebody asks.
export function useAsked(seen) {
  const [asked, ask] = useState(false), light = useLight();
  return [seen && (asked || light), () => ask(true)];
}
export const Ask = ({ onAsk }) => use('lessonInfo') && html`<p><button type="button" class="button" onClick=${onAsk}><${Icon} name="spark" />${t('understand.compute')}</button></p>`;

// ---- The part ----

// children(on): what is live, once it is seen; what takes long waits until it is asked for. apart: what takes no computing.
export function Part({ name, number, sources = [], apart, children }) {
  const ref = useRef(), seen = useSeen(ref);
  const [on, ask] = useAsked(seen);
  return html`<section ref=${ref} class="card part" id="part-${name}" aria-labelledby="title-${name}">
    <h2 id="title-${name}" tabindex="-1"><span class="number" aria-hidden="true">${number}</span>${t(`${name}.title`)}</h2>
    <p class="lead">${t(`${name}.text`)}</p>
    ${seen && !on && html`<${Ask} onAsk=${ask} />`}
    ${on && children(on)}
    ${seen && apart}
    <${Source} names=${sources} on=${seen} />
  </section>`;
}

// Says why something isn't there, and dims what is being computed anew when that takes a while.
export function Live({ live, children }) {
  return html`<div class="live ${live.busy ? 'busy' : ''}" aria-busy=${live.busy}>
    ${live.error && html`<p class="bad" role="alert">${live.error}</p>`}
    ${live.value ? children(live.value) : !live.error && html`<div class="ghost slot"></div>`}
  </div>`;
}
