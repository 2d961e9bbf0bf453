// A mask as what the hand did: strokes over a picture, in its own pixels, so that undo is leaving one out.
// {kind: 'stroke', erase, size, points: [[x, y], ...]}, {kind: 'clear'}, {kind: 'invert'}
import { canvasOf } from '../picture.js';

function paintStroke(c, { erase, size, points }) {
  c.globalCompositeOperation = erase ? 'destination-out' : 'source-over';
  c.lineWidth = size;
  c.lineCap = c.lineJoin = 'round';
  c.beginPath();
  c.moveTo(...points[0]);
  for (const [x, y] of points) c.lineTo(x + 0.01, y); // a line without length is no dot
  c.stroke();
  c.globalCompositeOperation = 'source-over';
}

function invert(c, width, height) {
  c.globalCompositeOperation = 'source-out';
  c.fillRect(0, 0, width, height);
  c.globalCompositeOperation = 'source-over';
}

const PAINT = {
  stroke: paintStroke,
  clear: (c, stroke, width, height) => c.clearRect(0, 0, width, height),
  invert: (c, stroke, width, height) => invert(c, width, height),
};

// On a transparent canvas: what is masked is opaque, in that colour.
export function paintStrokes(c, strokes, width, height, colour) {
  c.clearRect(0, 0, width, height);
  c.strokeStyle = c.fillStyle = colour;
  for (const stroke of strokes) PAINT[stroke.kind](c, stroke, width, height);
}

// The share of the picture that is masked, as seen on a small copy.
export function covered(strokes, width, height) {
  const small = canvasOf(Math.min(96, width), Math.min(96, height));
  const c = small.getContext('2d', { willReadFrequently: true });
  const layer = canvasOf(width, height);
  paintStrokes(layer.getContext('2d'), strokes, width, height, '#fff');
  c.drawImage(layer, 0, 0, small.width, small.height);
  const { data } = c.getImageData(0, 0, small.width, small.height);
  let sum = 0;
  for (let i = 3; i < data.length; i += 4) sum += data[i];
  return sum / 255 / (data.length / 4);
}

// The mask of an input picture as a data URL, white where it is repainted: what was painted, and what the canvas was
// enlarged by, a little into the picture so that the seam is drawn over. null: there is none.
export function paintMask({ width, height, strokes, expand: { left, right, top, bottom } }) {
  const grown = left + right + top + bottom > 0;
  if (!grown && covered(strokes, width, height) === 0) return null;
  const mask = canvasOf(width + left + right, height + top + bottom);
  const c = mask.getContext('2d');
  const seam = (side) => (side ? Math.round(Math.min(width, height) / 16) : 0);
  c.fillStyle = grown ? '#fff' : '#000';
  c.fillRect(0, 0, mask.width, mask.height);
  c.fillStyle = '#000';
  c.fillRect(left + seam(left), top + seam(top), width - seam(left) - seam(right), height - seam(top) - seam(bottom));
  const painted = canvasOf(width, height);
  paintStrokes(painted.getContext('2d'), strokes, width, height, '#fff');
  c.drawImage(painted, left, top);
  return mask.toDataURL('image/png');
}
