// The frame: name, rooms, language, light or dark, messages; and what is fetched at the start.
import * as api from './api.js';
import { takeUp } from './draw.js';
import { Fragment, html, render, useEffect, useState, Icon, IconButton } from './parts.js';
import { Make } from './make/make.js';
import { keep, kept, say, set, use } from './state.js';
import { language, languages, speak, t } from './text.js';

// Each a component, or what fetches one when somebody comes in.
const ROOMS = { make: Make, understand: later('understand/understand.js', 'understand/understand.css') };

// "#understand/words": the room, and what in it.
const named = () => location.hash.slice(1).split('/')[0];
const roomInAddress = () => (ROOMS[named()] ? named() : 'make');

// A component that shows what module exports as Room, once that and its style are there.
function later(module, style) {
  return function Later() {
    const [room, show] = useState(null);
    useEffect(() => {
      Promise.all([import(`./${module}`), styled(style)]).then(([{ Room }]) => show(() => Room), (error) => say(error.message, true));
    }, []);
    return room ? html`<${room} />` : html`<main class="room" id="main" aria-busy="true"></main>`;
  };
}

function styled(style) {
  if (document.querySelector(`link[href$="${style}"]`)) return null;
  const link = Object.assign(document.createElement('link'), { rel: 'stylesheet', href: `page/${style}` });
  document.head.append(link);
  return new Promise((resolve) => {
    link.onload = link.onerror = resolve;
  });
}

// ---- Light or dark: as the system has it, until told otherwise ----

const dark = matchMedia('(prefers-color-scheme: dark)');
const isDark = () => (kept('latent.theme') ?? (dark.matches ? 'dark' : 'light')) === 'dark';

function applyTheme() {
  document.documentElement.dataset.theme = isDark() ? 'dark' : 'light';
}
applyTheme();
dark.addEventListener('change', applyTheme);

function Theme() {
  const [now, setNow] = useState(isDark());
  const turn = () => {
    keep('latent.theme', now ? 'light' : 'dark');
    applyTheme();
    setNow(!now);
  };
  return html`<${IconButton} icon=${now ? 'sun' : 'moon'} label=${t(now ? 'top.light' : 'top.dark')} onClick=${turn} />`;
}

// ---- The frame ----

const Rooms = ({ room }) => html`<nav aria-label=${t('top.rooms')}>
  ${Object.keys(ROOMS).map((name) => html`<a href="#${name}" aria-current=${name === room ? 'page' : undefined}>${t(`room.${name}`)}</a>`)}
</nav>`;

const Top = ({ room }) => html`<header class="top">
  <a class="skip" href="#main">${t('top.skip')}</a>
  <span class="name"><svg viewBox="0 0 32 32" aria-hidden="true"><circle cx="9" cy="9" r="5" /><circle cx="23" cy="9" r="5" opacity=".7" /><circle cx="9" cy="23" r="5" opacity=".45" /><circle cx="23" cy="23" r="5" opacity=".2" /></svg>Latent</span>
  <${Rooms} room=${room} />
  <div class="row top-tools">
    <select aria-label=${t('top.language')} value=${language} onChange=${(event) => speak(event.target.value)}>
      ${Object.entries(languages).map(([tag, name]) => html`<option value=${tag} selected=${tag === language}>${name}</option>`)}
    </select>
    <${Theme} />
  </div>
</header>`;

function Message() {
  const message = use('message');
  useEffect(() => {
    if (!message || message.bad) return undefined;
    const timer = setTimeout(() => say(null), 4000);
    return () => clearTimeout(timer);
  }, [message]);
  return html`<div class="messages" role=${message?.bad ? 'alert' : 'status'}>${message && html`<p class="message ${message.bad ? 'bad' : ''}"><span>${message.text}</span>
    <${IconButton} icon="close" label=${t('close')} onClick=${() => say(null)} /></p>`}</div>`;
}

function Page() {
  const [room, setRoom] = useState(roomInAddress());
  useEffect(() => {
    const onHash = () => setRoom(roomInAddress());
    addEventListener('hashchange', onHash);
    return () => removeEventListener('hashchange', onHash);
  }, []);
  return html`<${Fragment}><${Top} room=${room} /><${ROOMS[room]} /><${Message} /><//>`;
}

const root = document.getElementById('page');
root.textContent = '';
render(html`<${Page} />`, root);

for (const [slice, ask] of [['options', api.options], ['models', api.models]])
  ask().then((value) => set(slice, value), (error) => say(error.message, true));
takeUp();
