// What pages draw of numbers: maps as colours, curves, the U-Net to scale. Of the server's page, and woven into that of
// `latent explain`; so it includes nothing, and says nothing in any language of its own.

// ---- Numbers as text ----

const UNITS = [[1e9, ' G'], [1e6, ' M'], [1e3, ' k']];
export function short(n) {
  const unit = UNITS.find(([size]) => n >= size);
  return unit ? (n / unit[0]).toPrecision(3) + unit[1] : String(Math.round(n));
}
export const percent = (part, whole) => (whole ? (100 * part / whole).toFixed(1) + ' %' : '–');

// ---- Maps ----

const RAMP = [[0, 0, 4], [40, 11, 84], [101, 21, 110], [159, 42, 99], [212, 72, 66], [245, 125, 21], [250, 193, 39], [252, 255, 164]];
// 0 to 1 from black to yellow.
export function colour(v) {
  const at = v * (RAMP.length - 1), i = Math.min(Math.floor(at), RAMP.length - 2), f = at - i;
  return RAMP[i].map((c, k) => c + f * (RAMP[i + 1][k] - c));
}

// values [h, w] from 0 to 1, by colours [r, g, b] or [r, g, b, a]; over a picture what is under it is seen through.
export function paintMap(canvas, values, h, w, { over = false, colours = colour } = {}) {
  const context = canvas.getContext('2d');
  canvas.width = w;
  canvas.height = h;
  const image = context.createImageData(w, h);
  for (let k = 0; k < h * w; k++) image.data.set([...colours(values[k]), over ? 255 * (.25 + .55 * values[k]) : 255], 4 * k);
  context.putImageData(image, 0, 0);
}

// ---- Drawn by strokes ----

export function svg(tag, { style = {}, ...attributes } = {}, ...children) {
  const e = document.createElementNS('http://www.w3.org/2000/svg', tag);
  Object.assign(e.style, style); // by the page's policy no text of it
  for (const [name, value] of Object.entries(attributes)) e.setAttribute(name, value);
  e.append(...children);
  return e;
}

// Curves [{xs, ys, name, colour, dots}] over one axis, on which the point at x is drawn large by what is returned: move(x).
export function plot(target, curves, { logarithmic = false, ticks = 20, low, high, width = 1000, height = 190 } = {}) {
  const L = 46, R = 14, T = 12, B = 28;
  const scaled = (v) => (logarithmic ? Math.log10(Math.max(v, 1e-3)) : v);
  const all = curves.flatMap(({ ys }) => ys.map(scaled)), xs = curves.flatMap((curve) => curve.xs);
  const bottom = low ?? (logarithmic ? Math.min(...all) : Math.min(0, ...all)), top = high ?? Math.max(...all);
  const begin = Math.min(...xs), end = Math.max(...xs, begin + 1);
  const x = (v) => L + (width - L - R) * (v - begin) / (end - begin), y = (v) => T + (height - T - B) * (1 - (v - bottom) / ((top - bottom) || 1));
  target.replaceChildren();
  target.setAttribute('viewBox', `0 0 ${width} ${height}`);
  for (const v of [bottom, (bottom + top) / 2, top]) target.append(svg('line', { x1: L, x2: width - R, y1: y(v), y2: y(v), stroke: 'var(--line)' }),
    svg('text', { x: L - 6, y: y(v) + 4, 'text-anchor': 'end' }, String(+(logarithmic ? 10 ** v : v).toPrecision(2))));
  const every = Math.max(1, Math.ceil((end - begin) / ticks));
  for (let v = begin; v <= end; v += every) target.append(svg('text', { x: x(v), y: height - 8, 'text-anchor': 'middle' }, String(v)));
  let row = 0;
  const dots = curves.map(({ xs: own, ys, name, colour: stroke = 'var(--accent)', dots: dotted = true, thin = false }) => {
    target.append(svg('polyline', { points: own.map((v, i) => `${x(v)},${y(scaled(ys[i]))}`).join(' '), fill: 'none', stroke, 'stroke-width': thin ? 1 : 2 }));
    if (dotted) own.forEach((v, i) => target.append(svg('circle', { cx: x(v), cy: y(scaled(ys[i])), r: 3, fill: stroke })));
    if (name) target.append(svg('text', { x: width - R, y: T + 4 + 15 * row++, 'text-anchor': 'end', style: { fill: stroke === 'var(--accent)' ? 'var(--ink)' : stroke } }, name));
    const dot = svg('circle', { r: 7, fill: 'var(--card)', stroke, 'stroke-width': 3, visibility: 'hidden' });
    target.append(dot);
    return (at) => {
      const i = own.indexOf(at);
      dot.setAttribute('visibility', i < 0 ? 'hidden' : 'visible');
      if (i >= 0) dot.setAttribute('cx', x(at));
      if (i >= 0) dot.setAttribute('cy', y(scaled(ys[i])));
    };
  });
  return (at) => dots.forEach((move) => move(at));
}

// ---- The U-Net ----

const GAP = 7, LEFT = 30, SLANT = .55;

// How large a block [c, h, w] is drawn: its face h x w, and as deep as it has channels.
function scaleOf(blocks, width) {
  const widest = Math.max(...blocks.map((b) => b.shape[0])), tallest = Math.max(...blocks.flatMap((b) => b.shape.slice(1)));
  const depth = (b) => 4 + 20 * b.shape[0] / widest;
  const room = width - LEFT - blocks.reduce((sum, b) => sum + depth(b) + GAP, 0);
  const scale = Math.min(room / blocks.reduce((sum, b) => sum + b.shape[2], 0), 60 / tallest);
  return { depth, side: (pixels) => Math.max(pixels * scale, 3) };
}

// Blocks of one height stand in one row, below the skips that arrive there.
function rowsOf(blocks, side) {
  const heights = [...new Set(blocks.map((b) => b.shape[1]))].sort((a, b) => b - a), tops = [];
  let y = 16;
  for (const h of heights) {
    y += 14 + 5 * blocks.filter((b) => b.beside && b.shape[1] === h).length + 20 * SLANT;
    tops.push(y);
    y += side(h) + 10;
  }
  return { heights, tops, bottom: y + 10 };
}

function boxOf(b, x, t, w, h, d, label) {
  const dy = d * SLANT;
  return svg('g', { class: 'box', tabindex: 0, role: 'button', 'aria-label': label },
    svg('polygon', { class: 'side', points: `${x},${t} ${x + d},${t - dy} ${x + w + d},${t - dy} ${x + w},${t}` }),
    svg('polygon', { class: 'side', points: `${x + w},${t} ${x + w + d},${t - dy} ${x + w + d},${t + h - dy} ${x + w},${t + h}` }),
    svg('image', { x, y: t, width: w, height: h, preserveAspectRatio: 'none' }), svg('rect', { class: 'face', x, y: t, width: w, height: h }));
}

// A skip goes up from the block that it comes from, over all between, and down to the one beside which it is put.
function skipOf(p, q, n) {
  const up = Math.min(p.t, q.t) - 20 * SLANT - 5 * n - 2, a = p.x + p.w / 2 + p.d / 2, z = q.x + q.w / 2 + q.d / 2;
  return svg('path', { class: 'skip', d: `M${a} ${p.t - p.d * SLANT} V${up + 4} Q${a} ${up} ${a + 4} ${up} H${z - 4} Q${z} ${up} ${z} ${up + 4} V${q.t - q.d * SLANT}` });
}

function skipsOf(root, blocks, places) {
  const count = {};
  return blocks.filter((b) => b.beside).map((to) => {
    const from = blocks.findIndex((b) => b.name === to.beside), target = blocks.indexOf(to);
    const n = count[to.shape[1]] = (count[to.shape[1]] || 0) + 1, path = skipOf(places[from], places[target], n);
    root.prepend(path);
    return { path, from, target };
  });
}

// blocks [{name, what, shape [c, h, w], seconds, beside}] in the order in which they run; words {time, label(block)};
// choose(i) when one is clicked or gone to. Returns {places: [{box, image}], arcs: [{path, from, target}]}.
export function drawUnet(root, blocks, words, choose, width = 1090) {
  const { depth, side } = scaleOf(blocks, width), { heights, tops, bottom } = rowsOf(blocks, side);
  const most = Math.max(...blocks.map((b) => b.seconds)), used = blocks.reduce((sum, b) => sum + side(b.shape[2]) + depth(b) + GAP, 0);
  let x = LEFT + (width - LEFT - used) / 2;
  root.replaceChildren();
  root.setAttribute('viewBox', `0 0 ${width} ${bottom + 62}`);
  const places = blocks.map((b, i) => {
    const w = side(b.shape[2]), d = depth(b), t = tops[heights.indexOf(b.shape[1])], bar = most ? 44 * b.seconds / most : 0;
    const box = boxOf(b, x, t, w, side(b.shape[1]), d, words.label(b));
    box.onclick = box.onfocus = () => choose(i);
    root.append(svg('rect', { class: 'time', x, y: bottom + 44 - bar, width: w, height: bar }), box);
    const place = { box, image: box.querySelector('image'), x, w, d, t };
    x += w + d + GAP;
    return place;
  });
  root.append(svg('text', { x: places[0].x, y: bottom + 58 }, words.time));
  heights.forEach((h, k) => {
    const i = blocks.findIndex((b) => b.shape[1] === h), square = blocks[i].shape[1] === blocks[i].shape[2];
    root.append(svg('text', { x: Math.max(places[i].x - 6, 26), y: tops[k] + 9, 'text-anchor': 'end' }, `${h}${square ? '²' : ''}`));
  });
  return { places, arcs: skipsOf(root, blocks, places) };
}
