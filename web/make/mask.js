// Painting a mask: brush and eraser, undo, zoom, by mouse, pen, fingers (two move and zoom) and keys.
import { html, useEffect, useRef, useState, Dialog, Icon, IconButton, Pills } from '../parts.js';
import { canvasOf, load } from '../picture.js';
import { t, number } from '../text.js';
import { covered, paintStrokes } from './strokes.js';


// ---- The view: where the picture lies on the canvas ----

function fit(canvas, input) {
  const scale = Math.min(canvas.width / input.width, canvas.height / input.height) * 0.94;
  return { scale, x: (canvas.width - input.width * scale) / 2, y: (canvas.height - input.height * scale) / 2 };
}

function zoomAt(view, factor, x, y) {
  const scale = Math.min(64, Math.max(0.05, view.scale * factor));
  const by = scale / view.scale;
  return { scale, x: x - (x - view.x) * by, y: y - (y - view.y) * by };
}

const toPicture = (view, x, y) => [(x - view.x) / view.scale, (y - view.y) / view.scale];

// ---- What one editor holds ----

function drawCursor(c, view, cursor, size) {
  if (!cursor) return;
  c.beginPath();
  c.arc(view.x + cursor[0] * view.scale, view.y + cursor[1] * view.scale, (size / 2) * view.scale, 0, 2 * Math.PI);
  c.lineWidth = 3;
  c.strokeStyle = 'rgb(0 0 0 / .55)';
  c.stroke();
  c.lineWidth = 1.5;
  c.strokeStyle = '#fff';
  c.stroke();
}

// Stripes, which are seen on pictures of any colour.
function stripes() {
  const tile = canvasOf(12, 12);
  const c = tile.getContext('2d');
  c.fillStyle = '#fff';
  c.fillRect(0, 0, 12, 12);
  c.strokeStyle = '#c22a10';
  c.lineWidth = 5;
  for (const x of [-12, 0, 12]) {
    c.moveTo(x - 2, 14);
    c.lineTo(x + 14, -2);
  }
  c.stroke();
  return c.createPattern(tile, 'repeat');
}

// What is masked, as it lies on the screen.
function veil({ canvas, layer }, place) {
  const over = canvasOf(canvas.width, canvas.height);
  const c = over.getContext('2d');
  c.imageSmoothingEnabled = false;
  c.drawImage(layer, ...place);
  c.globalCompositeOperation = 'source-in';
  c.fillStyle = stripes();
  c.fillRect(0, 0, over.width, over.height);
  return over;
}

function draw(editor) {
  const { canvas, picture, view, cursor, size, input } = editor;
  const c = canvas.getContext('2d');
  c.clearRect(0, 0, canvas.width, canvas.height);
  if (!picture || !canvas.width || !canvas.height) return; // a dialog that shuts is nothing wide
  const place = [view.x, view.y, input.width * view.scale, input.height * view.scale];
  c.imageSmoothingEnabled = view.scale < 3;
  c.drawImage(picture, ...place);
  c.globalAlpha = 0.6;
  c.drawImage(veil(editor, place), 0, 0);
  c.globalAlpha = 1;
  drawCursor(c, view, cursor, size);
}

// Pointers that are down, and what they do together.
function pointers(editor, { begin, extend, end, abandon, redraw }) {
  const down = new Map();
  let pinch = null;
  const at = (event) => {
    const box = editor.canvas.getBoundingClientRect();
    const ratio = editor.canvas.width / box.width;
    return [(event.clientX - box.left) * ratio, (event.clientY - box.top) * ratio];
  };
  const two = () => {
    const [a, b] = [...down.values()];
    return { x: (a[0] + b[0]) / 2, y: (a[1] + b[1]) / 2, apart: Math.hypot(a[0] - b[0], a[1] - b[1]) || 1 };
  };
  return {
    down(event) {
      event.currentTarget.setPointerCapture(event.pointerId);
      down.set(event.pointerId, at(event));
      if (down.size === 2) {
        abandon();
        pinch = two();
      } else if (down.size === 1) begin(toPicture(editor.view, ...at(event)), event.button === 2 || event.buttons === 32);
    },
    move(event) {
      editor.cursor = toPicture(editor.view, ...at(event));
      if (down.has(event.pointerId)) down.set(event.pointerId, at(event));
      if (pinch && down.size === 2) {
        const now = two();
        const moved = { ...editor.view, x: editor.view.x + now.x - pinch.x, y: editor.view.y + now.y - pinch.y };
        editor.view = zoomAt(moved, now.apart / pinch.apart, now.x, now.y);
        pinch = now;
      } else if (down.size === 1 && !pinch) extend(editor.cursor);
      redraw();
    },
    up(event) {
      down.delete(event.pointerId);
      if (!pinch) end();
      if (down.size === 0) pinch = null;
    },
    wheel(event) {
      event.preventDefault();
      editor.view = zoomAt(editor.view, Math.exp(-event.deltaY / 400), ...at(event));
      redraw();
    },
  };
}

export function MaskEditor({ input, onDone, onClose }) {
  const canvas = useRef();
  const editor = useRef({ input, size: Math.round(Math.max(input.width, input.height) / 8), erase: false, stroke: null, view: { scale: 1, x: 0, y: 0 } }).current;
  const [strokes, setStrokes] = useState(input.strokes);
  const [undone, setUndone] = useState([]);
  const [size, setSize] = useState(editor.size);
  const [erase, setErase] = useState(false);
  Object.assign(editor, { size, erase, strokes });

  const redraw = () => draw(editor);
  const repaint = (all) => {
    paintStrokes(editor.layer.getContext('2d'), all, input.width, input.height, '#000');
    redraw();
  };
  const add = (stroke) => {
    editor.strokes = [...editor.strokes, stroke];
    setStrokes(editor.strokes);
    setUndone([]);
  };
  const begin = (point, rubs) => {
    editor.stroke = { kind: 'stroke', erase: editor.erase || rubs, size: editor.size, points: [point] };
    repaint([...editor.strokes, editor.stroke]);
  };
  const extend = (point) => {
    if (!editor.stroke) return;
    editor.stroke.points.push(point);
    repaint([...editor.strokes, editor.stroke]);
  };
  const abandon = () => {
    editor.stroke = null;
    repaint(editor.strokes);
  };
  const end = () => {
    if (editor.stroke) add(editor.stroke);
    editor.stroke = null;
  };
  const undo = () => {
    if (!editor.strokes.length) return;
    setUndone([editor.strokes.at(-1), ...undone]);
    setStrokes(editor.strokes.slice(0, -1));
  };
  const redo = () => {
    if (!undone.length) return;
    setStrokes([...editor.strokes, undone[0]]);
    setUndone(undone.slice(1));
  };
  const zoom = (factor) => {
    editor.view = zoomAt(editor.view, factor, editor.canvas.width / 2, editor.canvas.height / 2);
    redraw();
  };
  const whole = () => {
    editor.view = fit(editor.canvas, input);
    redraw();
  };
  const resize = (factor) => setSize(Math.max(1, Math.min(Math.max(input.width, input.height), Math.round(editor.size * factor) || 1)));
  const hand = useRef(pointers(editor, { begin: (...a) => editor.acts.begin(...a), extend: (...a) => editor.acts.extend(...a), end: () => editor.acts.end(), abandon: () => editor.acts.abandon(), redraw })).current;
  editor.acts = { begin, extend, end, abandon };

  // Keys: arrows move the brush, Space paints where it is.
  const move = (x, y) => {
    const [a, b] = editor.cursor ?? [input.width / 2, input.height / 2];
    const by = Math.max(1, editor.size / 2);
    editor.cursor = [Math.min(input.width, Math.max(0, a + x * by)), Math.min(input.height, Math.max(0, b + y * by))];
    redraw();
  };
  const stamp = () => add({ kind: 'stroke', erase: editor.erase, size: editor.size, points: [editor.cursor ?? [input.width / 2, input.height / 2]] });
  const KEYS = {
    b: () => setErase(false), e: () => setErase(true), '[': () => resize(0.8), ']': () => resize(1.25),
    '+': () => zoom(1.25), '=': () => zoom(1.25), '-': () => zoom(0.8), 0: whole, i: () => add({ kind: 'invert' }),
  };
  const CANVAS_KEYS = { ArrowLeft: () => move(-1, 0), ArrowRight: () => move(1, 0), ArrowUp: () => move(0, -1), ArrowDown: () => move(0, 1), ' ': stamp };
  const onKeyDown = (event) => {
    const command = event.ctrlKey || event.metaKey;
    const inCanvas = event.target === editor.canvas && CANVAS_KEYS[event.key];
    if (command && event.key.toLowerCase() === 'z') (event.shiftKey ? redo : undo)();
    else if (command && event.key.toLowerCase() === 'y') redo();
    else if (!command && inCanvas) inCanvas();
    else if (!command && event.target.type !== 'number' && KEYS[event.key]) KEYS[event.key]();
    else return;
    event.preventDefault();
  };

  useEffect(() => {
    editor.canvas = canvas.current;
    editor.layer = canvasOf(input.width, input.height);
    const place = () => {
      const box = editor.canvas.getBoundingClientRect();
      editor.canvas.width = Math.round(box.width * devicePixelRatio);
      editor.canvas.height = Math.round(box.height * devicePixelRatio);
      whole();
    };
    const watch = new ResizeObserver(place);
    load(input.url).then((picture) => {
      editor.picture = picture;
      repaint(editor.strokes);
      watch.observe(editor.canvas);
    });
    editor.canvas.addEventListener('wheel', hand.wheel, { passive: false });
    return () => watch.disconnect();
  }, []);
  useEffect(() => editor.picture && repaint(strokes), [strokes, size]);

  const share = covered(strokes, input.width, input.height);
  return html`<${Dialog} wide firm title=${t('mask.title')} onClose=${onClose} actions=${html`
      <output class="hint" aria-live="polite">${t('mask.covered', { share: number(Math.round(share * 100)) })}</output>
      <button type="button" class="button" onClick=${onClose}>${t('cancel')}</button>
      <button type="button" class="button primary" onClick=${() => onDone(strokes)}>${t('mask.done')}</button>`}>
    <div class="painter" onKeyDown=${onKeyDown}>
      <div class="toolbar" role="toolbar" aria-label=${t('mask.tools')}>
        <${Pills} label=${t('mask.tool')} value=${erase} onChange=${setErase} options=${[[false, html`<${Icon} name="brush" />`, t('mask.brush')], [true, html`<${Icon} name="eraser" />`, t('mask.eraser')]]} />
        <label class="brush-size"><span>${t('mask.size')}</span><input type="range" min="1" max=${Math.max(input.width, input.height) / 2} value=${size} onInput=${(event) => setSize(event.target.valueAsNumber)} /></label>
        <span class="group">
          <${IconButton} icon="undo" label=${t('mask.undo')} disabled=${!strokes.length} onClick=${undo} />
          <${IconButton} icon="redo" label=${t('mask.redo')} disabled=${!undone.length} onClick=${redo} />
          <${IconButton} icon="swap" label=${t('mask.invert')} onClick=${() => add({ kind: 'invert' })} />
          <${IconButton} icon="trash" label=${t('mask.clear')} onClick=${() => add({ kind: 'clear' })} />
        </span>
        <span class="group">
          <${IconButton} icon="minus" label=${t('mask.out')} onClick=${() => zoom(0.8)} />
          <${IconButton} icon="plus" label=${t('mask.in')} onClick=${() => zoom(1.25)} />
          <${IconButton} icon="fit" label=${t('mask.fit')} onClick=${whole} />
        </span>
      </div>
      <canvas ref=${canvas} tabindex="0" role="img" aria-label=${t('mask.canvas')} onContextMenu=${(event) => event.preventDefault()}
        onPointerDown=${hand.down} onPointerMove=${hand.move} onPointerUp=${hand.up} onPointerCancel=${hand.up}></canvas>
    </div>
  <//>`;
}
