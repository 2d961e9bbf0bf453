// The two prompts, with what helps to write them: tokens counted, weights by keys, names completed, earlier prompts.
import * as api from '../api.js';
import { html, useEffect, useId, useRef, useState, IconButton } from '../parts.js';
import { change, use } from '../state.js';
import { t } from '../text.js';
import { complete } from './complete.js';
import { History } from './history.js';
import { weigh } from './weights.js';

// "12 / 75", asked of the server a moment after the last key.
function Tokens({ text }) {
  const [count, setCount] = useState({ tokens: 0, room: 75 });
  useEffect(() => {
    const stop = new AbortController();
    const timer = setTimeout(() => api.tokens(text, stop.signal).then(setCount, () => {}), 200);
    return () => {
      clearTimeout(timer);
      stop.abort();
    };
  }, [text]);
  return html`<output class="tokens" aria-label=${t('prompt.tokens', { n: count.tokens, room: count.room })}>${count.tokens}<span>/${count.room}</span></output>`;
}

// A list below the text; the text keeps the focus, as a combobox does.
function Completions({ id, found, chosen, onTake }) {
  return html`<ul class="completions" id=${id} role="listbox" aria-label=${t('prompt.completions')}>
    ${found.map((item, i) => html`<li key=${item.put} id="${id}-${i}" role="option" aria-selected=${i === chosen}
      onMouseDown=${(event) => { event.preventDefault(); onTake(item); }}><span>${item.name}</span><small>${item.kind}</small></li>`)}
  </ul>`;
}

const NONE = { from: 0, found: [] };

// Grows with what is written, where the browser doesn't by itself (field-sizing).
function grow(area) {
  if (CSS.supports('field-sizing', 'content')) return;
  area.style.height = 'auto';
  area.style.height = `${area.scrollHeight + 2}px`;
}

function Writing({ name, label, placeholder, rows, onMake, children }) {
  const text = use('form')[name];
  const models = use('models');
  const area = useRef();
  const id = useId();
  const [offer, setOffer] = useState(NONE);
  const [chosen, setChosen] = useState(0);
  useEffect(() => grow(area.current), [text]);

  const write = (next, start, end = start) => {
    change({ [name]: next });
    requestAnimationFrame(() => area.current?.setSelectionRange(start, end));
  };
  const take = (item) => {
    const caret = area.current.selectionStart;
    write(text.slice(0, offer.from) + item.put + text.slice(caret), offer.from + item.put.length);
    setOffer(NONE);
  };
  const onInput = ({ target }) => {
    change({ [name]: target.value });
    setOffer(complete(target.value, target.selectionStart, models));
    setChosen(0);
  };
  const inList = {
    ArrowDown: () => setChosen((chosen + 1) % offer.found.length),
    ArrowUp: () => setChosen((chosen + offer.found.length - 1) % offer.found.length),
    Enter: () => take(offer.found[chosen]),
    Tab: () => take(offer.found[chosen]),
    Escape: () => setOffer(NONE),
  };
  const onKeyDown = (event) => {
    const command = event.ctrlKey || event.metaKey;
    const arrow = { ArrowUp: 0.1, ArrowDown: -0.1 }[event.key];
    if (command && arrow) {
      const after = weigh(text, area.current.selectionStart, area.current.selectionEnd, arrow);
      write(after.text, after.start, after.end);
    } else if (command && event.key === 'Enter') onMake();
    else if (offer.found.length && inList[event.key]) inList[event.key]();
    else return;
    event.preventDefault();
  };
  return html`<div class="field writing">
    <div class="row"><label for=${id}>${label}</label><${Tokens} text=${text} /></div>
    <textarea id=${id} ref=${area} rows=${rows} value=${text} placeholder=${placeholder} spellcheck="false"
      aria-autocomplete="list" aria-controls=${offer.found.length ? `${id}-list` : undefined}
      aria-activedescendant=${offer.found.length ? `${id}-list-${chosen}` : undefined}
      onInput=${onInput} onKeyDown=${onKeyDown} onBlur=${() => setOffer(NONE)}></textarea>
    ${offer.found.length > 0 && html`<${Completions} id="${id}-list" found=${offer.found} chosen=${chosen} onTake=${take} />`}
    ${children}
  </div>`;
}

export function Prompt({ onMake }) {
  const [remembering, setRemembering] = useState(false);
  const [help, setHelp] = useState(false);
  const take = ({ prompt, negative_prompt }) => {
    change({ prompt, negative_prompt: negative_prompt ?? '' });
    setRemembering(false);
  };
  return html`<section class="card fields prompts" aria-label=${t('prompt.section')}>
    <${Writing} name="prompt" label=${t('prompt.label')} placeholder=${t('prompt.placeholder')} rows="3" onMake=${onMake}>
      <div class="tools">
        <${IconButton} icon="clock" label=${t('history.title')} onClick=${() => setRemembering(true)} />
        <${IconButton} icon="help" label=${t('prompt.help')} aria-expanded=${help} onClick=${() => setHelp(!help)} />
      </div>
    <//>
    ${help && html`<ul class="hint tips">${['weight', 'lora', 'change', 'turn', 'make'].map((key) => html`<li>${t(`prompt.tip.${key}`)}</li>`)}</ul>`}
    <${Writing} name="negative_prompt" label=${t('prompt.negative')} placeholder=${t('prompt.negativePlaceholder')} rows="1" onMake=${onMake} />
    ${remembering && html`<${History} onTake=${take} onClose=${() => setRemembering(false)} />`}
  </section>`;
}
