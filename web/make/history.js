// Prompts that were drawn before, the latest first, each once.
import * as api from '../api.js';
import { html, useEffect, useState, Dialog } from '../parts.js';
import { say } from '../state.js';
import { t } from '../text.js';

function distinct(jobs) {
  const seen = new Map();
  for (const { job } of jobs) {
    const key = `${job.prompt}\n${job.negative_prompt ?? ''}`;
    if (job.prompt && !seen.has(key)) seen.set(key, job);
  }
  return [...seen.values()];
}

export function History({ onTake, onClose }) {
  const [words, setWords] = useState('');
  const [prompts, setPrompts] = useState(null);
  useEffect(() => {
    const timer = setTimeout(() => api.history({ limit: 200, words }).then((jobs) => setPrompts(distinct(jobs)), (error) => say(error.message, true)), words ? 200 : 0);
    return () => clearTimeout(timer);
  }, [words]);
  return html`<${Dialog} title=${t('history.title')} onClose=${onClose}>
    <input class="search" type="search" placeholder=${t('gallery.search')} aria-label=${t('gallery.search')} value=${words} onInput=${(event) => setWords(event.target.value)} />
    <ul class="rows">
      ${prompts?.map((job) => html`<li key=${job.prompt + job.negative_prompt}><button type="button" class="row-button" onClick=${() => onTake(job)}>
        <span>${job.prompt}</span>${job.negative_prompt && html`<small>− ${job.negative_prompt}</small>`}</button></li>`)}
    </ul>
    ${prompts?.length === 0 && html`<p class="hint">${t('history.none')}</p>`}
  <//>`;
}
