// Small pieces that the rooms are put together from.
import { h, Fragment, render } from './vendor/preact.mjs';
import { useEffect, useId, useRef, useState } from './vendor/hooks.mjs';
import htm from './vendor/htm.mjs';
import { keep, kept } from './state.js';
import { t } from './text.js';

export const html = htm.bind(h);
export { Fragment, render, useEffect, useId, useRef, useState };

// ---- Icons: strokes in a square of 24 ----

const ICONS = {
  brush: 'M14 4l6 6-9 9H5v-6zM12 6l6 6',
  eraser: 'M4 15L14 5l6 6-8 8H8zM9 10l6 6',
  undo: 'M9 6L4 11l5 5M4 11h10a5 5 0 010 10h-2',
  redo: 'M15 6l5 5-5 5M20 11H10a5 5 0 000 10h2',
  close: 'M6 6l12 12M18 6L6 18',
  lock: 'M7 11V8a5 5 0 0110 0v3M5 11h14v9H5z',
  unlock: 'M7 11V8a5 5 0 019.6-2M5 11h14v9H5z',
  dice: 'M4 4h16v16H4zM9 9h.01M15 15h.01M12 12h.01M15 9h.01M9 15h.01',
  down: 'M12 4v12M7 11l5 5 5-5M5 20h14',
  trash: 'M5 7h14M10 7V4h4v3M7 7l1 13h8l1-13M10 11v5M14 11v5',
  again: 'M5 12a7 7 0 0112-5l2 2M19 4v5h-5M19 12a7 7 0 01-12 5l-2-2M5 20v-5h5',
  picture: 'M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15 9h.01',
  compare: 'M12 3v18M8 8l-4 4 4 4M16 8l4 4-4 4',
  clock: 'M12 8v5l3 2M12 3a9 9 0 100 18 9 9 0 000-18z',
  search: 'M11 5a6 6 0 100 12 6 6 0 000-12zM16 16l4 4',
  plus: 'M12 5v14M5 12h14',
  minus: 'M5 12h14',
  swap: 'M8 4L4 8l4 4M4 8h16M16 12l4 4-4 4M20 16H4',
  sun: 'M12 8a4 4 0 100 8 4 4 0 000-8zM12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.5 1.5M17.5 17.5L19 19M5 19l1.5-1.5M17.5 6.5L19 5',
  moon: 'M20 14A8 8 0 1110 4a7 7 0 0010 10z',
  spark: 'M12 3l2 6.5L20.5 12 14 14.5 12 21l-2-6.5L3.5 12 10 9.5z',
  stop: 'M7 7h10v10H7z',
  copy: 'M9 9h11v11H9zM5 15H4V4h11v1',
  fit: 'M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5',
  help: 'M9.5 9.5a2.5 2.5 0 115 0c0 1.7-2.5 2-2.5 4M12 17h.01M12 3a9 9 0 100 18 9 9 0 000-18z',
};

export const Icon = ({ name }) =>
  html`<svg class="icon" viewBox="0 0 24 24" aria-hidden="true"><path d=${ICONS[name]} /></svg>`;

// A button that is an icon: its words are for screen readers and for who waits over it.
export const IconButton = ({ icon, label, ...rest }) =>
  html`<button type="button" class="plain-button" aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`;

// ---- Fields ----

const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

// A number with a slider; what is typed may go beyond the slider's end, up to `most`.
export function Range({ label, value, min, max, step = 1, most = max, hint, onChange }) {
  const id = useId();
  const typed = (event) => {
    const wanted = event.target.valueAsNumber;
    const allowed = Number.isFinite(wanted) ? clamp(wanted, min, most) : value;
    event.target.value = allowed;
    onChange(allowed);
  };
  return html`<div class="field range">
    <label for=${id}>${label}</label>
    <input id=${id} type="number" min=${min} max=${most} step=${step} value=${value} onChange=${typed}
      aria-describedby=${hint ? `${id}-hint` : undefined} />
    <input type="range" aria-label=${label} min=${min} max=${max} step=${step} value=${value}
      onInput=${(event) => onChange(event.target.valueAsNumber)} />
    ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
  </div>`;
}

// options: [[value, text], ...]
export function Choice({ label, value, options, onChange, hint }) {
  const id = useId();
  return html`<div class="field">
    <label for=${id}>${label}</label>
    <select id=${id} value=${value ?? ''} onChange=${(event) => onChange(event.target.value)}>
      ${options.map(([key, text]) => html`<option value=${key} selected=${key === (value ?? '')}>${text}</option>`)}
    </select>
    ${hint && html`<p class="hint">${hint}</p>`}
  </div>`;
}

export const Switch = ({ label, on, onChange, hint }) => html`<label class="switch">
  <input type="checkbox" role="switch" checked=${on} onChange=${(event) => onChange(event.target.checked)} />
  <span class="track" aria-hidden="true"></span>
  <span>${label}${hint && html`<small>${hint}</small>`}</span>
</label>`;

// One of a few, side by side. options: [[value, content, label], ...]
export function Pills({ label, value, options, onChange }) {
  const name = useId();
  return html`<div class="pills" role="radiogroup" aria-label=${label}>
    ${options.map(([key, content, words]) => html`<label key=${key}>
      <input type="radio" name=${name} checked=${key === value} aria-label=${words} onChange=${() => onChange(key)} />
      <span>${content}</span>
    </label>`)}
  </div>`;
}

// A part of the form that is shut until it is needed; it stays as it was left. note: what it is set to, in a word.
export function Section({ name, title, note, children }) {
  const key = `latent.open.${name}`;
  return html`<details class="card section" open=${kept(key) === '1'}
    onToggle=${(event) => keep(key, event.currentTarget.open ? '1' : '0')}>
    <summary><h2>${title}</h2>${note && html`<span class="note">${note}</span>`}</summary>
    <div class="fields">${children}</div>
  </details>`;
}

// ---- Dialogs ----

// firm: a click beside it doesn't shut it, for there is work in it.
export function Dialog({ title, onClose, wide, firm, children, actions }) {
  const ref = useRef();
  const id = useId();
  useEffect(() => {
    ref.current.showModal();
    return () => ref.current?.close();
  }, []);
  const onCancel = (event) => {
    event.preventDefault();
    onClose();
  };
  const onClick = (event) => !firm && event.target === ref.current && onClose();
  return html`<dialog ref=${ref} class=${wide ? 'wide' : ''} aria-labelledby=${id} onCancel=${onCancel} onClick=${onClick}>
    <div class="dialog-body">
      <header><h2 id=${id}>${title}</h2><${IconButton} icon="close" label=${t('close')} onClick=${onClose} /></header>
      ${children}
      ${actions && html`<footer>${actions}</footer>`}
    </div>
  </dialog>`;
}

// ---- Files ----

// Asks for a picture's file; also how a keyboard gets at what a mouse drops.
export function FileButton({ label, onFile, icon = 'picture', className = 'button' }) {
  const ref = useRef();
  const chosen = (event) => {
    const [file] = event.target.files;
    event.target.value = '';
    if (file) onFile(file);
  };
  return html`<${Fragment}>
    <button type="button" class=${className} onClick=${() => ref.current.click()}><${Icon} name=${icon} />${label}</button>
    <input ref=${ref} type="file" accept="image/png,image/jpeg,image/webp" hidden tabindex="-1" aria-label=${label} onChange=${chosen} />
  <//>`;
}

// Where a picture may be dropped, too.
export function Drop({ onFile, className = '', children }) {
  const [over, setOver] = useState(false);
  const drop = (event) => {
    const [file] = event.dataTransfer.files;
    setOver(false);
    if (!file) return;
    event.preventDefault();
    event.stopPropagation();
    onFile(file);
  };
  const hover = (event) => {
    event.preventDefault();
    setOver(true);
  };
  return html`<div class="drop ${className} ${over ? 'over' : ''}" onDragOver=${hover} onDragLeave=${() => setOver(false)} onDrop=${drop}>${children}</div>`;
}
