// A picture on a larger canvas: its borders are drawn out, for repainting to begin with.
import { canvasOf, load } from '../picture.js';

export const NO_EXPANSION = { left: 0, right: 0, top: 0, bottom: 0 };

// The nine fields around and with the picture: [source x, y, w, h, target x, y, w, h]
function fields(w, h, { left, right, top, bottom }) {
  const columns = [[0, 1, 0, left], [0, w, left, w], [w - 1, 1, left + w, right]];
  const rows = [[0, 1, 0, top], [0, h, top, h], [h - 1, 1, top + h, bottom]];
  return rows.flatMap(([sy, sh, y, height]) => columns.map(([sx, sw, x, width]) => [sx, sy, sw, sh, x, y, width, height]))
    .filter(([, , , , , , width, height]) => width && height);
}

async function drawOut(input) {
  const { left, right, top, bottom } = input.expand;
  const picture = await load(input.url);
  const canvas = canvasOf(input.width + left + right, input.height + top + bottom);
  const c = canvas.getContext('2d');
  for (const field of fields(input.width, input.height, input.expand)) c.drawImage(picture, ...field);
  return { url: canvas.toDataURL('image/png'), width: canvas.width, height: canvas.height };
}

// {image: {url, width, height}, mask}: what a job is given of an input.
export async function enlarge(input, paintMask) {
  const grown = Object.values(input.expand).some((side) => side > 0);
  return { image: grown ? await drawOut(input) : input, mask: paintMask(input) };
}
