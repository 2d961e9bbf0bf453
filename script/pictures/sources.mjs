// The sets of drawings: packages of the npm registry (their versions stand in make-pictures), and how to read them.
import fs from "node:fs";
import path from "node:path";

// style: the words that name it, the first leads. margin: added on each side, as a share of the drawing's size, where the
// set has no padding of its own. chars: the package whose list of characters holds, where that is another.
export const SETS = {
    "fluent": { package: "fluent-emoji", chars: "fluent-emoji-flat", style: ["3d style", "3d"], margin: 0.02 },
    "fluent-flat": { package: "fluent-emoji-flat", style: ["flat style", "flat design"], margin: 0.02 },
    "noto": { package: "noto", style: ["noto style"], margin: 0.02 },
    "twemoji": { package: "twemoji", style: ["twitter style"], margin: 0.06 },
    "noto-v1": { package: "noto-v1", style: ["old noto style"], margin: 0.02 },
    "fxemoji": { package: "fxemoji", style: ["firefox style"], margin: 0.02 },
    "emojitwo": { package: "emojione", style: ["emojitwo style"], margin: 0.03 },
    "streamline": { package: "streamline-emojis", style: ["cartoon style", "comic style"], margin: 0.03 },
    "kameleon": { package: "streamline-kameleon-color", style: ["icon style"], margin: 0, named: true },
    "flat-icons": { package: "flat-color-icons", style: ["icon style"], margin: 0.02, named: true },
    "flat-ui": { package: "flat-ui", style: ["icon style"], margin: 0.03, named: true },
    "meteocons": { package: "meteocons", style: ["weather icon style"], margin: -0.08, named: true },
    "flag": { package: "flag", style: ["rectangular"], margin: 0.03, named: true },
    "circle-flags": { package: "circle-flags", style: ["round"], margin: 0.04, named: true },
};

export const plainHex = hex => hex.toUpperCase().replace(/-?FE0F/g, "");

function openSet(work, set) {
    const read = (name, file) => {
        const where = path.join(work, "node_modules", "@iconify-json", name, file);
        return fs.existsSync(where) ? JSON.parse(fs.readFileSync(where, "utf8")) : {};
    };
    const listed = read(set.chars || set.package, "chars.json");
    const chars = new Map(Object.entries(listed).map(([hex, name]) => [plainHex(hex), name]));
    return { ...set, icons: read(set.package, "icons.json"), chars };
}

export const openSets = work =>
    Object.fromEntries(Object.entries(SETS).map(([key, set]) => [key, openSet(work, set)]));

// resvg 0.35 (resvg-js 2.6.2) ends the whole program at these.
const UNDRAWN = new Set(`noto-v1/ambulance noto-v1/bullet-train noto-v1/cocktail-glass noto-v1/lady-beetle
noto/package noto-v1/person-lifting-weights noto/rainbow-flag fluent-emoji/stadium`.split(/\s+/));

// The icon called so, or null (aliases with turns are not followed: two hands, no more).
function iconOf({ icons, package: from }, name) {
    if (UNDRAWN.has(`${from}/${name}`)) return null;
    const alias = (icons.aliases || {})[name];
    if (alias && !alias.hFlip && !alias.vFlip && !alias.rotate) return icons.icons[alias.parent];
    return icons.icons[name];
}

// Streamline's kameleon icons sit on a disc of their own, the first element, as large as the icon.
const withoutDisc = body => body.replace(/<path fill="#[0-9a-f]+" d="M24 4[78][^"]*"\/>/, "");

// { body, box: [left, top, side] } of an icon, padded to a square, or null where the set has none called so.
export function drawingOf(set, name) {
    const icon = name && iconOf(set, name);
    if (!icon) return null;
    const of = (key, otherwise) => icon[key] ?? set.icons[key] ?? otherwise;
    const [left, top, width, height] = [of("left", 0), of("top", 0), of("width", 16), of("height", 16)];
    const side = Math.max(width, height) * (1 + 2 * set.margin);
    const body = set.package === "streamline-kameleon-color" ? withoutDisc(icon.body) : icon.body;
    return { body, box: [left - (side - width) / 2, top - (side - height) / 2, side] };
}

// The names under which a set may have the emoji: by its characters, by its name, and numbered twins of that.
export function iconNames(set, emoji) {
    const first = set.chars.get(emoji.hex);
    const names = [first, emoji.slug].filter(name => name && iconOf(set, name));
    const stem = (first || emoji.slug).replace(/-[1-5]$/, "");
    const twins = [1, 2, 3].map(n => `${stem}-${n}`).filter(name => set.package === "streamline-emojis" && iconOf(set, name));
    return [...new Set(names.length ? [names[0], ...twins] : twins)];
}
