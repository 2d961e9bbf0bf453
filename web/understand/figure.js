// Pictures, maps and curves of what the server computed, as the parts show them.
import { html, useEffect, useRef } from '../parts.js';
import { paintMap, plot } from '../figures.js';

// U8 [h, w, 3]
function putPixels(canvas, { shape: [h, w], data }) {
  canvas.width = w;
  canvas.height = h;
  const image = new ImageData(w, h);
  for (let i = 0; i < h * w; i++) image.data.set([data[3 * i], data[3 * i + 1], data[3 * i + 2], 255], 4 * i);
  canvas.getContext('2d').putImageData(image, 0, 0);
}

export const urlOf = (array) => {
  const canvas = document.createElement('canvas');
  putPixels(canvas, array);
  return canvas.toDataURL();
};

// A picture, or an empty place for one. label: what a screen reader says; none: it says nothing.
export function Pixels({ array, label, className = '' }) {
  const ref = useRef();
  useEffect(() => {
    if (array) putPixels(ref.current, array);
  }, [array]);
  return html`<canvas ref=${ref} class="pixels ${className}" width="1" height="1" role=${label ? 'img' : undefined} aria-label=${label} aria-hidden=${label ? undefined : 'true'}></canvas>`;
}

// values [h, w] from 0; bright is most.
export function Map({ values, h, w, most, over, label, className = '' }) {
  const ref = useRef();
  useEffect(() => {
    const largest = most ?? Math.max(...values, 1e-12);
    paintMap(ref.current, Array.from(values, (v) => Math.min(Math.max(v / largest, 0), 1)), h, w, { over });
  }, [values, most, over]);
  return html`<canvas ref=${ref} class="pixels ${className}" role=${label ? 'img' : undefined} aria-label=${label} aria-hidden=${label ? undefined : 'true'}></canvas>`;
}

// From blue by the card's grey to red: -1, 0, 1.
const signed = (v) => (v < .5 ? [40 + 400 * v, 90 + 300 * v, 240] : [240, 240 - 360 * (v - .5), 240 - 400 * (v - .5)]);
export function Signed({ values, h, w, most, label }) {
  const ref = useRef();
  useEffect(() => paintMap(ref.current, Array.from(values, (v) => .5 + .5 * Math.min(Math.max(v / most, -1), 1)), h, w, { colours: signed }), [values, most]);
  return html`<canvas ref=${ref} class="pixels blocky" role="img" aria-label=${label}></canvas>`;
}

// Curves as figures.js has them, with the points at `at` drawn large. label: for who doesn't see them.
export function Plot({ curves, at, label, caption, ...options }) {
  const ref = useRef(), move = useRef(() => {});
  const key = JSON.stringify([curves, options]);
  useEffect(() => {
    move.current = plot(ref.current, curves, options);
    move.current(at);
  }, [key]);
  useEffect(() => move.current(at), [at]);
  return html`<figure class="plot"><svg ref=${ref} role="img" aria-label=${label}></svg>${caption && html`<figcaption>${caption}</figcaption>`}</figure>`;
}

export const Captioned = ({ caption, children, className = '' }) => html`<figure class=${className}>${children}<figcaption>${caption}</figcaption></figure>`;
