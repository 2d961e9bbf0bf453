// A picture of the gallery, large, with what it was made of.
import { forget } from './gallery.js';
import { readUrl } from './picture.js';
import { upscale } from './draw.js';
import { html, useState, Choice, Dialog, Icon, IconButton } from './parts.js';
import { ofKind } from './make/model.js';
import { startFrom } from './make/input.js';
import { restorePicture } from './make/restore.js';
import { say, use } from './state.js';
import { t, when } from './text.js';

const copy = (text) => navigator.clipboard.writeText(text).then(() => say(t('viewer.copied')), () => say(t('viewer.notCopied'), true));

// Deleting asks once, in its own place.
function Delete({ picture, onGone }) {
  const [sure, setSure] = useState(false);
  const go = () => (sure ? forget(picture).then(onGone, (error) => say(error.message, true)) : setSure(true));
  const words = t(sure ? 'viewer.sure' : 'viewer.delete');
  return html`<button type="button" class="button ${sure ? 'danger' : ''}" onClick=${go} onBlur=${() => setSure(false)}><${Icon} name="trash" />${words}</button>`;
}

// By the first upscaler of the shelf, or by the one that is chosen where there are several.
function Upscale({ picture, onBegun }) {
  const names = ofKind(use('models'), 'upscaler').map((item) => item.name);
  const [chosen, setChosen] = useState(null);
  if (!names.length) return null;
  const name = chosen ?? names[0];
  const go = () => upscale(picture, name).then(onBegun, (error) => say(error.message, true));
  return html`<div class="upscale">
    <button type="button" class="button" onClick=${go}><${Icon} name="compare" />${t('viewer.upscale')}</button>
    ${names.length > 1 && html`<${Choice} label=${t('viewer.upscaler')} value=${name} options=${names.map((one) => [one, one])} onChange=${setChosen} />`}
  </div>`;
}

export function Viewer({ picture, onClose, onTurn }) {
  const then = (act) => () => act().then(onClose, (error) => say(error.message, true));
  const onKeyDown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && onTurn) onTurn(by);
  };
  return html`<${Dialog} wide title=${picture.created ? when(picture.created) : t('viewer.title')} onClose=${onClose}>
    <div class="viewer" onKeyDown=${onKeyDown}>
      <div class="viewer-picture"><img src=${picture.url} alt=${picture.prompt || t('stage.unnamed')} />
        ${onTurn && html`<div class="turn"><${IconButton} icon="undo" label=${t('viewer.newer')} onClick=${() => onTurn(-1)} /><${IconButton} icon="redo" label=${t('viewer.older')} onClick=${() => onTurn(1)} /></div>`}
      </div>
      <div class="viewer-side">
        <pre tabindex="0" aria-label=${t('viewer.parameters')}>${picture.parameters ?? ''}</pre>
        <div class="viewer-actions">
          <button type="button" class="button primary" onClick=${then(() => restorePicture(picture))}><${Icon} name="again" />${t('viewer.reuse')}</button>
          <button type="button" class="button" onClick=${then(() => readUrl(picture.url).then(startFrom))}><${Icon} name="brush" />${t('stage.input')}</button>
          <a class="button" href=${picture.url} download="latent-${picture.seed}.png"><${Icon} name="down" />${t('download')}</a>
          <button type="button" class="button" onClick=${() => copy(picture.parameters ?? '')}><${Icon} name="copy" />${t('viewer.copy')}</button>
          <${Upscale} picture=${picture} onBegun=${onClose} />
          <${Delete} picture=${picture} onGone=${onClose} />
        </div>
      </div>
    </div>
  <//>`;
}
