// Scenes to SVG. A scene is { background, rule, items }; an item is { set, icon, colour, x, y, size, flip, turn, whole }:
// x and y are its centre and size its longer side, in units of the picture's side; whole keeps the drawing's own padding.
import { bodyOf, backgroundOf, greyscale, mapColours, oklabOf, recoloured } from "./colours.mjs";
import { drawingOf } from "./sources.mjs";
import { TABLE } from "./furniture.mjs";

export const SIDE = 128; // units of a scene's SVG

const spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"';

// A body's names of gradients and clips, apart from those of another in the same scene.
const apart = (body, i) => body.replace(/\bid="([^"]+)"/g, `id="$1_${i}"`).replace(/url\((['"]?)#([^)'"]+)\1\)/g, `url(#$2_${i})`)
    .replace(/(xlink:href|href)="#([^"]+)"/g, `$1="#$2_${i}"`);

export const svgOf = ({ body, box: [left, top, side] }) => `<svg ${spaces} viewBox="${left} ${top} ${side} ${side}">${body}</svg>`;

// ---- What is to know of a drawing before it is placed ----

const isIn = alpha => alpha >= 64;

// [left, top, right, bottom] of what is drawn, in pixels, or null.
function boxOf(alpha, side) {
    const inside = Array.from({ length: side * side }, (_, i) => i).filter(i => isIn(alpha(i % side, Math.floor(i / side))));
    if (!inside.length) return null;
    const xs = inside.map(i => i % side), ys = inside.map(i => Math.floor(i / side));
    return [Math.min(...xs), Math.min(...ys), Math.max(...xs) + 1, Math.max(...ys) + 1];
}

// Of a box's four corners how many, two pixels within, are drawn.
const cornersOf = (alpha, [left, top, right, bottom]) =>
    [[left + 1, top + 1], [right - 2, top + 1], [left + 1, bottom - 2], [right - 2, bottom - 2]].filter(([x, y]) => isIn(alpha(x, y))).length;

// How far below the box's top its middle columns begin, in pixels.
function hollowOf(alpha, [left, top, right, bottom], side) {
    const middle = Math.round((left + right) / 2);
    const depths = [-3, -2, -1, 0, 1, 2, 3].map(d => {
        const x = Math.min(side - 1, Math.max(0, middle + d));
        let y = top;
        while (y < bottom && !isIn(alpha(x, y))) y++;
        return y - top;
    });
    return depths.reduce((a, b) => a + b) / depths.length;
}

// From a picture of side x side RGBA bytes: { box: [left, top, right, bottom] of what is drawn, as shares; square: whether it
// fills its corners; rest: how deep below its top its middle begins, as a share of its height; body: its colour }.
export function analyse(pixels, side) {
    const alpha = (x, y) => pixels[4 * (y * side + x) + 3] ?? 0;
    const box = boxOf(alpha, side);
    if (!box) return null;
    const opaque = Array.from({ length: side * side }, (_, i) => i).filter(i => pixels[4 * i + 3] > 200);
    const body = bodyOf(opaque.map(i => oklabOf(Array.from(pixels.subarray(4 * i, 4 * i + 3)))));
    const rest = hollowOf(alpha, box, side) / (box[3] - box[1]);
    return { box: box.map(v => v / side), square: cornersOf(alpha, box) >= 3, rest, body };
}

// ---- Styles by rule ----

// A line drawing: every shape white with a dark line; a line's width is a share of the drawing's side.
function outlined(body, side) {
    const line = `fill="#ffffff" stroke="#26262b" stroke-width="${(side / 64).toFixed(3)}" stroke-linejoin="round"`;
    const paint = /\s(?:fill|stroke|stroke-width|stroke-linecap|stroke-linejoin|opacity|fill-opacity|stroke-opacity|filter|style)="[^"]*"/g;
    const bare = body.replace(paint, "");
    return `<g ${line}>${bare}</g>`;
}

const RULES = {
    outline: outlined,
    silhouette: body => mapColours(withoutGradients(body), () => [0.2, 0, 0]),
    greyscale: body => greyscale(body),
};

// Gradients become their middle colour, blurs go.
function withoutGradients(body) {
    const middle = new Map();
    for (const [, id, inner] of body.matchAll(/<(?:linear|radial)Gradient[^>]*\bid="([^"]+)"[^>]*?(?:\/>|>([\s\S]*?)<\/(?:linear|radial)Gradient>)/g)) {
        const stops = [...(inner || "").matchAll(/stop-color="([^"]+)"/g)].map(match => match[1]);
        if (stops.length) middle.set(id, stops[Math.floor(stops.length / 2)]);
    }
    return body.replace(/url\((['"]?)#([^)'"]+)\1\)/g, (all, quote, id) => middle.get(id) || all).replace(/\sfilter="[^"]*"/g, "");
}

// ---- Scenes ----

// The drawing's body in the item's colour and the scene's style.
function bodyAs(item, drawing, info, rule) {
    const body = item.colour ? recoloured(drawing.body, info.body, item.colour) : drawing.body;
    return rule ? RULES[rule](body, drawing.box[2]) : body;
}

// From a drawing's own units to the scene's: its box's middle to the item's place, its longer side to the item's size.
function transformOf(item, [left, top, side], box) {
    const scale = item.size * SIDE / (side * Math.max(box[2] - box[0], box[3] - box[1]));
    const [x, y] = [left + side * (box[0] + box[2]) / 2, top + side * (box[1] + box[3]) / 2];
    const fixed = values => values.map(v => v.toFixed(4)).join(" ");
    const turn = item.turn ? ` rotate(${item.turn})` : "";
    return `translate(${fixed([item.x * SIDE, item.y * SIDE])})${turn} scale(${fixed([item.flip ? -scale : scale, scale])}) translate(${fixed([-x, -y])})`;
}

function placed(item, i, { sets, infoOf, rule }) {
    const drawing = item.icon === "table" ? TABLE : drawingOf(sets[item.set], item.icon);
    const info = infoOf(item), [left, top, side] = drawing.box;
    const transform = transformOf(item, drawing.box, item.whole ? [0, 0, 1, 1] : info.box);
    // A drawing ends at its own edge: some have more outside.
    const frame = `x="${left}" y="${top}" width="${side}" height="${side}" viewBox="${left} ${top} ${side} ${side}"`;
    return `<g transform="${transform}"><svg ${frame}>${apart(bodyAs(item, drawing, info, rule), i)}</svg></g>`;
}

// background: { colours: [name] or [name, name], split: "sides" or "halves", shade }
function behind(background) {
    if (!background) return "";
    const [first, second] = background.colours.map(name => backgroundOf(name, background.shade));
    const whole = `<rect width="${SIDE}" height="${SIDE}" fill="${first}"/>`;
    if (!second) return whole;
    const half = background.split === "sides" ? `x="${SIDE / 2}" width="${SIDE / 2}" height="${SIDE}"` :
        `y="${SIDE / 2}" width="${SIDE}" height="${SIDE / 2}"`;
    return `${whole}<rect ${half} fill="${second}"/>`;
}

export function compose(scene, sets, infoOf) {
    const items = scene.items.map((item, i) => placed(item, i, { sets, infoOf, rule: scene.rule }));
    return `<svg ${spaces} viewBox="0 0 ${SIDE} ${SIDE}">${behind(scene.background)}${items.join("")}</svg>`;
}
