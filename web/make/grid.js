// Grids: one picture for each pair of values of two parameters, all of one seed, with labels.
import { html, useId, Choice, Fragment, Icon, Section, Switch } from '../parts.js';
import { cancelAll, jobOf, seedOf, show, submit } from '../draw.js';
import { canvasOf, download, load } from '../picture.js';
import { change, get, say, set, use } from '../state.js';
import { t } from '../text.js';
import { AXES, jobAt, valuesOf } from './axes.js';

const MOST_CELLS = 400;

// ---- Drawing one ----

const setCell = (id, at, patch) => set('grid', (grid) => (grid?.id === id
  ? { ...grid, cells: grid.cells.map((cell, i) => (i === at ? { ...cell, ...patch } : cell)) } : grid));

// A grid shows what its axes do, so all else stays: also a seed that nobody chose.
async function baseJob(form) {
  const job = { ...(await jobOf(form)), count: 1, preview: false };
  return job.seed === -1 ? { ...job, seed: seedOf(String(crypto.getRandomValues(new Uint32Array(1))[0])) } : job;
}

const ready = (id, at) => (job) => setCell(id, at, { picture: job.done[0], state: job.state, error: job.error });

async function submitCells(grid, base) {
  for (const [at, cell] of grid.cells.entries()) {
    if (get('grid')?.id !== grid.id || get('grid').stopped) return;
    await submit(jobAt(base, grid.x, grid.y, cell.x, cell.y), ready(grid.id, at));
  }
}

export async function makeGrid(form) {
  const { x, y } = form.grid;
  const xs = valuesOf(x), ys = valuesOf(y);
  if (!xs || !ys) return say(t('grid.wrong'), true);
  if (xs.length * ys.length > MOST_CELLS) return say(t('grid.large', { n: MOST_CELLS }), true);
  const grid = { id: crypto.randomUUID?.() ?? String(Math.random()), x, y, xs, ys, cells: ys.flatMap((b) => xs.map((a) => ({ x: a, y: b, state: 'waiting' }))) };
  set('grid', grid);
  show('grid');
  say(null);
  return submitCells(grid, await baseJob(form)).catch((error) => say(error.message, true));
}

export function stopGrid() {
  set('grid', (grid) => ({ ...grid, stopped: true }));
  cancelAll();
}

// ---- As one picture ----

const label = (axis, value) => (value === null ? '' : `${t(`axis.${axis.key}`)}: ${value}`);

async function compose(grid) {
  const pictures = await Promise.all(grid.cells.map((cell) => (cell.picture ? load(cell.picture.url) : null)));
  const width = Math.max(...pictures.map((p) => p?.naturalWidth ?? 0), 96), height = Math.max(...pictures.map((p) => p?.naturalHeight ?? 0), 64);
  const text = Math.max(12, Math.round(width / 22)), top = text * 2.4, left = grid.ys[0] === null ? 0 : text * 9;
  const canvas = canvasOf(left + grid.xs.length * width, top + grid.ys.length * height);
  const c = canvas.getContext('2d');
  c.fillStyle = '#fff';
  c.fillRect(0, 0, canvas.width, canvas.height);
  c.fillStyle = '#111';
  c.font = `${text}px system-ui, sans-serif`;
  c.textAlign = 'center';
  c.textBaseline = 'middle';
  grid.xs.forEach((value, i) => c.fillText(label(grid.x, value), left + (i + 0.5) * width, top / 2, width - 8));
  grid.ys.forEach((value, i) => c.fillText(label(grid.y, value), left / 2, top + (i + 0.5) * height, left - 8));
  pictures.forEach((p, i) => p && c.drawImage(p, left + (i % grid.xs.length) * width, top + Math.floor(i / grid.xs.length) * height));
  return canvas;
}

async function save(grid) {
  const canvas = await compose(grid);
  canvas.toBlob((blob) => {
    const url = URL.createObjectURL(blob);
    download(url, 'grid.png');
    setTimeout(() => URL.revokeObjectURL(url), 10000);
  });
}

// ---- On the stage ----

const Cell = ({ cell, words }) => html`<td class=${cell.state}>
  ${cell.picture ? html`<img src=${cell.picture.url} alt=${words} />` : html`<span class="cell-state">${cell.state === 'failed' ? cell.error : t(`state.${cell.state}`)}</span>`}
</td>`;

export function GridTable() {
  const grid = use('grid');
  if (!grid) return null;
  const done = grid.cells.filter((cell) => cell.picture).length;
  const waiting = grid.cells.some((cell) => cell.state === 'waiting') && !grid.stopped;
  return html`<div class="grid-stage">
    <div class="grid-scroll" tabindex="0" role="region" aria-label=${t('grid.title')}><table>
      <thead><tr>${grid.ys[0] !== null && html`<td></td>`}${grid.xs.map((value) => html`<th scope="col">${label(grid.x, value)}</th>`)}</tr></thead>
      <tbody>${grid.ys.map((b, row) => html`<tr>${b !== null && html`<th scope="row">${label(grid.y, b)}</th>`}
        ${grid.xs.map((a, column) => html`<${Cell} cell=${grid.cells[row * grid.xs.length + column]} words="${label(grid.x, a)} ${label(grid.y, b)}" />`)}</tr>`)}</tbody>
    </table></div>
    <div class="row stage-actions">
      <output class="hint">${t('grid.done', { done, n: grid.cells.length })}</output>
      ${waiting && html`<button type="button" class="button" onClick=${stopGrid}><${Icon} name="stop" />${t('stage.cancel')}</button>`}
      ${done > 0 && html`<button type="button" class="button" onClick=${() => save(grid)}><${Icon} name="down" />${t('grid.save')}</button>`}
    </div>
  </div>`;
}

// ---- In the form ----

function Axis({ name, axis, onChange }) {
  const id = useId();
  const options = use('options');
  const models = use('models');
  const choices = axis.key === 'model' ? models?.models.filter((m) => m.kind === 'checkpoint').map((m) => m.name) : options?.[AXES[axis.key]?.choices];
  return html`<div class="axis">
    <${Choice} label=${t(`grid.${name}`)} value=${axis.key} options=${Object.keys(AXES).map((key) => [key, t(`axis.${key}`)])} onChange=${(key) => onChange({ key, values: '' })} />
    ${axis.key !== 'none' && html`<div class="field"><label for=${id}>${t('grid.values')}</label>
      <input id=${id} type="text" value=${axis.values} placeholder=${t(AXES[axis.key].parse === Number ? 'grid.numbers' : 'grid.words')} onInput=${(event) => onChange({ ...axis, values: event.target.value })} /></div>`}
    ${choices && html`<button type="button" class="button small" onClick=${() => onChange({ ...axis, values: choices.join(', ') })}>${t('grid.all', { n: choices.length })}</button>`}
    ${axis.key === 'prompt' && html`<p class="hint">${t('grid.promptHint')}</p>`}
  </div>`;
}

export function Grid() {
  const { grid } = use('form');
  const edit = (patch) => change({ grid: { ...grid, ...patch } });
  const count = grid.on && (valuesOf(grid.x)?.length ?? 0) * (valuesOf(grid.y)?.length ?? 0);
  return html`<${Section} name="grid" title=${t('grid.title')} note=${grid.on ? t('count.pictures', { n: count }) : t('off')}>
    <${Switch} label=${t('grid.on')} hint=${t('grid.hint')} on=${grid.on} onChange=${(on) => edit({ on })} />
    ${grid.on && html`<${Fragment}>
      <${Axis} name="x" axis=${grid.x} onChange=${(x) => edit({ x })} />
      <${Axis} name="y" axis=${grid.y} onChange=${(y) => edit({ y })} />
    <//>`}
  <//>`;
}
