// Twelve colour names, and drawings in them: fills whose hue is the drawing's own are moved, with their shading, to another.
// Colours are [L, a, b] of Oklab (Björn Ottosson, bottosson.github.io/posts/oklab), L from 0 to 1.

const srgb = {
    red: "#dc2a30", orange: "#f5871f", yellow: "#fcd22f", green: "#3aa244", turquoise: "#2cc4bd", blue: "#2f6fd6",
    purple: "#8440b8", pink: "#f585b8", brown: "#8a5532", black: "#33333a", grey: "#93979c", white: "#eceff3",
};

const linear = v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
const gamma = v => (v <= 0.0031308 ? 12.92 * v : 1.055 * v ** (1 / 2.4) - 0.055);

// rgb: three numbers from 0 to 255.
export function oklabOf(rgb) {
    const [r, g, b] = rgb.map(v => linear(v / 255));
    const l = Math.cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
    const m = Math.cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
    const s = Math.cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
    return [0.2104542553 * l + 0.793617785 * m - 0.0040720468 * s,
        1.9779984951 * l - 2.428592205 * m + 0.4505937099 * s, 0.0259040371 * l + 0.7827717662 * m - 0.808675766 * s];
}

function rgbOf([L, a, b]) {
    const l = (L + 0.3963377774 * a + 0.2158037573 * b) ** 3;
    const m = (L - 0.1055613458 * a - 0.0638541728 * b) ** 3;
    const s = (L - 0.0894841775 * a - 1.291485548 * b) ** 3;
    return [4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s, -1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s,
        -0.0041960863 * l - 0.7034186147 * m + 1.707614701 * s].map(v => Math.round(255 * gamma(Math.min(1, Math.max(0, v)))));
}

const hexOf = rgb => `#${rgb.map(v => v.toString(16).padStart(2, "0")).join("")}`;
const rgbOfHex = hex => {
    const digits = hex.length < 6 ? [...hex.slice(1, 4)].map(c => c + c).join("") : hex.slice(1, 7);
    return [0, 2, 4].map(i => parseInt(digits.slice(i, i + 2), 16));
};

export const COLOURS = Object.keys(srgb);
const LAB = Object.fromEntries(COLOURS.map(name => [name, oklabOf(rgbOfHex(srgb[name]))]));
const chromaOf = ([, a, b]) => Math.hypot(a, b);
const hueOf = ([, a, b]) => Math.atan2(b, a);
export const distance = (one, other) => Math.hypot(...one.map((v, i) => v - other[i]));
const angle = d => Math.abs(Math.atan2(Math.sin(d), Math.cos(d)));

// A background of that colour: the name's own, or a little lighter or darker (shade -1, 0, 1).
export const backgroundOf = (name, shade) => hexOf(rgbOf(LAB[name].map((v, i) => (i ? v : v + 0.025 * shade))));
export const labOf = name => LAB[name];

// The name of a colour, or null where it lies between two.
export function nameOf(lab) {
    const near = COLOURS.map(name => [distance(lab, LAB[name]), name]).sort((a, b) => a[0] - b[0]);
    return near[0][0] < 0.75 * near[1][0] && near[0][0] < 0.16 ? near[0][1] : null;
}

// ---- What a drawing's colour is ----

const GREY = 0.035; // chroma below which a colour has no hue
const WINDOW = 0.62; // radians of hue to each side that are the same colour in other light

// Whether a colour of a drawing is one of its body's: of the same hue, or grey where the body is. Eyes and gleams aren't.
export function isOfBody(lab, body) {
    const chroma = chromaOf(lab);
    if (body.hue === null) return chroma < 2 * GREY && lab[0] > 0.3 && lab[0] < 0.985;
    return chroma >= GREY && angle(hueOf(lab) - body.hue) < WINDOW && lab[0] > 0.2;
}

// pixels: opaque ones as Oklab. { lab, hue, share }: the mean of the most frequent colour, its hue (null: grey), its share
// of all but the dark ones, which are lines, eyes and tyres.
export function bodyOf(pixels) {
    const bins = new Array(36).fill(0), light = pixels.filter(([L]) => L > 0.3);
    let greys = 0;
    for (const lab of light) {
        if (chromaOf(lab) < GREY) greys += lab[0] < 0.985;
        else bins[Math.floor((hueOf(lab) + Math.PI) / (2 * Math.PI) * 36) % 36]++;
    }
    const around = bins.map((_, i) => [-3, -2, -1, 0, 1, 2, 3].reduce((sum, d) => sum + bins[(i + d + 36) % 36], 0));
    const best = around.indexOf(Math.max(...around));
    const hue = around[best] >= greys ? (best + 0.5) / 36 * 2 * Math.PI - Math.PI : null;
    const own = light.filter(lab => isOfBody(lab, { hue }));
    const lab = [0, 1, 2].map(i => own.reduce((sum, one) => sum + one[i], 0) / Math.max(1, own.length));
    return { hue: hue === null ? null : hueOf(lab), lab, share: light.length < 0.5 * pixels.length ? 0 : own.length / light.length };
}

// ---- Another colour ----

// lab moved as the body moves to the named colour: the difference from the body's mean is shading, and stays.
function moved(lab, body, name) {
    const target = LAB[name];
    const room = name === "black" ? 0.55 : name === "white" ? 0.5 : 0.8; // near the ends there is less light to shade with
    const L = target[0] + (lab[0] - body.lab[0]) * room;
    const grey = chromaOf(target) < GREY;
    const ratio = body.hue === null || grey ? 1 : Math.min(1.25, Math.max(0.35, chromaOf(lab) / Math.max(GREY, chromaOf(body.lab))));
    const turn = body.hue === null || grey ? 0 : 0.4 * Math.atan2(Math.sin(hueOf(lab) - body.hue), Math.cos(hueOf(lab) - body.hue));
    const [a, b] = [target[1] * ratio, target[2] * ratio];
    return [Math.min(0.99, Math.max(0.08, L)), a * Math.cos(turn) - b * Math.sin(turn), a * Math.sin(turn) + b * Math.cos(turn)];
}

const NAMED = { white: "#ffffff", black: "#000000", red: "#ff0000", gray: "#808080", grey: "#808080", silver: "#c0c0c0" };

// svg with every colour exchanged for change(its Oklab), where that gives one.
export function mapColours(svg, change) {
    return svg.replace(/((?:fill|stroke|stop-color|flood-color|color)\s*[=:]\s*"?\s*)([^"';>]+(?=["';]))/g, (all, head, value) =>
        head + value.replace(/^(#[0-9a-fA-F]{3,8}|white|black|red|gray|grey|silver)$/, text => {
            const hex = NAMED[text] || text;
            const lab = change(oklabOf(rgbOfHex(hex)));
            return lab ? hexOf(rgbOf(lab)) : text;
        }));
}

export const recoloured = (svg, body, name) => mapColours(svg, lab => (isOfBody(lab, body) ? moved(lab, body, name) : null));
export const greyscale = svg => mapColours(svg, lab => [lab[0], 0, 0]);