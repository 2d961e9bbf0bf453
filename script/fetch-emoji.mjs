// The part of fetch-emoji that chooses, captions and draws. Arguments: SET STYLES PART SIZE JOBS WORK OUT.
import { spawn } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";

// margin: added around the drawing on each side, as a share of its size, where the set has no padding of its own.
const STYLES = {
    "noto": { package: "noto", words: "noto style", margin: 0.02 },
    "twemoji": { package: "twemoji", words: "twitter style", margin: 0.06 },
    // Has no list of characters; its names are those of the flat set.
    "fluent": { package: "fluent-emoji", chars: "fluent-emoji-flat", words: "3d style", margin: 0.02 },
    "fluent-flat": { package: "fluent-emoji-flat", words: "flat style", margin: 0.02 },
    // What the default model has never seen, for what is added to it: the flat set in shades of blue.
    "blueprint": { package: "fluent-emoji-flat", words: "blueprint", margin: 0.02, recolour: true },
};

// Labels: emojibase's subgroups, gathered until each has enough members for a classifier.
const LABELS = {
    "face": ["face-smiling", "face-affection", "face-tongue", "face-hand", "face-neutral-skeptical", "face-sleepy",
        "face-unwell", "face-hat", "face-glasses", "face-concerned", "face-negative", "face-costume", "cat-face",
        "monkey-face"],
    "heart": ["heart", "emotion"],
    "hand": ["hand-fingers-open", "hand-fingers-partial", "hand-single-finger", "hand-fingers-closed", "hands",
        "hand-prop", "body-parts"],
    "person": ["person", "person-gesture", "person-role", "person-fantasy", "person-activity", "person-sport",
        "person-resting", "family", "person-symbol"],
    "mammal": ["animal-mammal"],
    "animal": ["animal-bird", "animal-amphibian", "animal-reptile", "animal-marine", "animal-bug"],
    "plant": ["plant-flower", "plant-other"],
    "fruit": ["food-fruit", "food-vegetable"],
    "food": ["food-prepared", "food-asian", "food-sweet", "drink", "dishware"],
    "place": ["place-map", "place-geographic", "place-building", "place-religious", "place-other", "hotel"],
    "transport": ["transport-ground", "transport-water", "transport-air"],
    "sky": ["time", "sky-weather"],
    "activity": ["event", "award-medal", "sport", "game", "arts-crafts"],
    "clothing": ["clothing"],
    "music": ["sound", "music", "musical-instrument"],
    "electronics": ["phone", "computer", "light-video"],
    "office": ["book-paper", "money", "mail", "writing", "office"],
    "tool": ["lock", "tool", "science", "medical"],
    "household": ["household", "other-object"],
    "symbol": ["transport-sign", "warning", "arrow", "religion", "zodiac", "av-symbol", "gender", "math",
        "punctuation", "currency", "other-symbol", "keycap", "alphanum", "geometric"],
    "flag": ["flag", "country-flag", "subdivision-flag"],
};

// Hardly told apart at 32 pixels (or nothing but white on white): of each such group one stays, the rest is in `all` only.
const ALIKE = new Set(`
ram camera-with-flash page-with-curl spiral-notepad tear-off-calendar japanese-post-office heart-suit
left-speech-bubble right-anger-bubble thought-balloon white-heart speaker-low-volume speaker-medium-volume muted-speaker
outbox-tray revolving-hearts snowman-without-snow unlocked locked-with-pen locked-with-key open-file-folder e-mail
incoming-envelope envelope-with-arrow fog hourglass-not-done evergreen-tree sun-behind-small-cloud sun-behind-large-cloud
globe-showing-asia-australia globe-showing-americas water-buffalo two-hump-camel chart-increasing-with-yen yen-banknote
euro-banknote pound-banknote open-mailbox-with-lowered-flag open-mailbox-with-raised-flag closed-mailbox-with-lowered-flag
umbrella-with-rain-drops umbrella-on-ground dvd optical-disk notebook-with-decorative-cover
grinning-cat grinning-cat-with-smiling-eyes cat-with-wry-smile pouting-cat kissing-cat crying-cat neutral-face
face-without-mouth confused-face frowning-face hushed-face anguished-face worried-face frowning-face-with-open-mouth
face-with-diagonal-mouth grinning-face-with-big-eyes grinning-face-with-smiling-eyes kissing-face shushing-face
kissing-face-with-closed-eyes kissing-face-with-smiling-eyes angry-face-with-horns smiling-face relieved-face
persevering-face disappointed-face face-with-hand-over-mouth
new-moon waxing-crescent-moon first-quarter-moon waxing-gibbous-moon waning-gibbous-moon last-quarter-moon
waning-crescent-moon`.trim().split(/\s+/));
const CLOCK = /(-oclock|-thirty)$/; // 24 clock faces

// librsvg 2.54 gives up on these (NoMemory); named, so that a newer one makes no other set.
const UNDRAWN = new Set(["fluent/umbrella.png", "fluent/umbrella-with-rain-drops.png"]);

const fail = message => {
    console.error(`fetch-emoji: ${message}`);
    process.exit(1);
};
const plain = name => name.toLowerCase().replace(/[’‘]/g, "'").replace(/[“”()]/g, "").replace(/^flag: /, "flag of ")
    .normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/ & /g, " and ").replace(/!$/, "");
const slugOf = name => name.replace(/'/g, "").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");
const order = (a, b) => (a < b ? -1 : a > b ? 1 : 0); // by code unit: the same in every locale

function inSet(set, emoji) {
    if (set === "all") return true;
    const { label, slug } = emoji;
    if (["person", "symbol", "flag", "hand"].includes(label)) return false;
    if (label === "face" && set !== "objects-faces") return false;
    return !ALIKE.has(slug) && !CLOCK.test(slug);
}

const HELD_OUT = 20n; // one emoji of so many is for measuring only
function inPart(part, emoji) {
    const hash = BigInt(`0x${crypto.createHash("sha256").update(emoji.slug).digest("hex")}`);
    return part === "whole" || (part === "held-out") === (hash % HELD_OUT === 0n);
}

// Emoji without skin tones, components, hair and gender variants, each with a name and a slug of its own.
function readEmoji(work) {
    const folder = path.join(work, "node_modules", "emojibase-data");
    const data = JSON.parse(fs.readFileSync(path.join(folder, "en", "data.json"), "utf8"));
    const { subgroups } = JSON.parse(fs.readFileSync(path.join(folder, "meta", "groups.json"), "utf8"));
    const labelOf = new Map(Object.entries(LABELS).flatMap(([label, list]) => list.map(name => [name, label])));
    const slugs = new Set();
    const list = [];
    for (const entry of data) {
        const label = labelOf.get(subgroups[entry.subgroup]);
        if (!label || entry.subgroup === undefined) continue;
        // Joined sequences that end in a gender or hair sign, and couples or families built of people.
        const hex = entry.hexcode.replace(/-?FE0F/g, "");
        const parts = hex.split("-");
        if (/-200D-(2640|2642|1F9B[0-3])/.test(hex)) continue;
        if (parts.length > 2 && parts.filter(part => /^1F46[6-9]$|^1F9D[1-2]$/.test(part)).length > 1) continue;
        if (label === "person" && /^(man|woman|men|women)\b./.test(entry.label) && parts.length > 1) continue;
        const name = plain(entry.label);
        const slug = slugOf(name);
        if (!slug || slugs.has(slug)) continue;
        slugs.add(slug);
        list.push({ hex, label, name, slug, tags: entry.tags || [] });
    }
    return list.sort((a, b) => order(a.slug, b.slug));
}

// "a red apple", "an egg"; "grapes" and "broccoli" have none: by the last word before with, of, in, ...
const UNCOUNTED = new Set(`bacon beans bread broccoli butter clothes cooked dna food fog garlic hail ice
popcorn rice salt sake soap spaghetti sushi water wood yarn zzz skis locked foggy camping cooking construction
fireworks luggage lacrosse badminton tennis bowling hockey golf cricket lightning`.split(/\s+/));
function withArticle(name) {
    const head = name.split(/ (?:with|of|in|on|and|behind|over|at|for) /)[0].split(" ").pop();
    const singular = /(compass|bus|iris|canvas|gas|lens|chess|cross|dress|glass|.is|rhinoceros)$/.test(head);
    if (UNCOUNTED.has(head) || (/[^su]s$/.test(head) && !singular)) return name;
    const an = /^([aio]|e(?!u|w)|u(?!ni|k|fo)|hour|honest|x-)/.test(name) && !/^one/.test(name);
    return `${an ? "an" : "a"} ${name}`;
}

function captions(emoji, style) {
    const { name } = emoji;
    const object = withArticle(name);
    const words = new Set(name.split(/[^a-z0-9]+/));
    const isNew = tag => !tag.split(/[ -]/).every(word => words.has(word));
    const tags = emoji.tags.map(plain).filter(tag => /^[a-z][a-z -]+$/.test(tag) && isNew(tag)).slice(0, 3).join(", ");
    const list = [name, object, `a picture of ${object}`, `${name} emoji`, `${name}, ${style}`, `${object}, ${style}`,
        `a picture of ${object}, ${style}`];
    if (tags) list.push(`${name}, ${tags}`, `${name}, ${tags}, ${style}`);
    return [...new Set(list)];
}

function openStyle(work, style) {
    const folder = name => path.join(work, "node_modules", "@iconify-json", name);
    const icons = JSON.parse(fs.readFileSync(path.join(folder(style.package), "icons.json"), "utf8"));
    const listed = JSON.parse(fs.readFileSync(path.join(folder(style.chars || style.package), "chars.json"), "utf8"));
    const chars = new Map(Object.entries(listed).map(([hex, name]) => [hex.toUpperCase().replace(/-?FE0F/g, ""), name]));
    return { ...style, icons, chars };
}

// A colour's shade between blue and white, by its luma.
function shade(colour) {
    const hex = colour.length === 4 ? colour.replace(/[^#]/g, "$&$&") : colour;
    const [r, g, b] = [1, 3, 5].map(at => parseInt(hex.slice(at, at + 2), 16));
    const light = (0.299 * r + 0.587 * g + 0.114 * b) / 255;
    return `#${[0x10, 0x30, 0x90].map(c => Math.round(c + (255 - c) * light).toString(16).padStart(2, "0")).join("")}`;
}

// A drawing in such shades.
function blueprint(body) {
    const shaded = body.replace(/(fill|stroke|stop-color)="(#(?:[0-9a-f]{6}|[0-9a-f]{3}))"/gi, (_, key, colour) =>
        `${key}="${shade(colour)}"`);
    return `<g fill="${shade("#000")}">${shaded}</g>`;
}

// The icon as SVG text, or null where the set has none (aliases with turns are not followed: two hands, no more).
function svgOf(style, emoji) {
    const { icons } = style;
    let icon;
    for (const name of [style.chars.get(emoji.hex), emoji.slug]) {
        const alias = (icons.aliases || {})[name];
        if (alias && !alias.hFlip && !alias.vFlip && !alias.rotate) icon = icons.icons[alias.parent];
        else icon = icons.icons[name];
        if (icon) break;
    }
    if (!icon) return null;
    const of = (key, otherwise) => icon[key] ?? icons[key] ?? otherwise;
    const [left, top, width, height] = [of("left", 0), of("top", 0), of("width", 16), of("height", 16)];
    const side = Math.max(width, height) * (1 + 2 * style.margin);
    const box = [left - (side - width) / 2, top - (side - height) / 2, side, side].map(v => +v.toFixed(4)).join(" ");
    const body = style.recolour ? blueprint(icon.body) : icon.body;
    const spaces = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"';
    return `<svg ${spaces} viewBox="${box}">${body}</svg>`;
}

// The PNG's bytes, or null where rsvg-convert fails.
function draw(svg, size) {
    return new Promise((resolve, reject) => {
        const child = spawn("rsvg-convert", ["-w", size, "-h", size, "-b", "white", "-f", "png"],
            { stdio: ["pipe", "pipe", "ignore"] });
        const chunks = [];
        child.on("error", reject);
        child.stdin.on("error", () => {});
        child.stdout.on("data", chunk => chunks.push(chunk));
        child.on("close", code => resolve(code === 0 ? Buffer.concat(chunks) : null));
        child.stdin.end(svg);
    });
}

// Of a PNG file, from its header; 0 where there is none.
function widthOf(file) {
    if (!fs.existsSync(file)) return 0;
    const head = Buffer.alloc(24), handle = fs.openSync(file);
    fs.readSync(handle, head, 0, 24, 0);
    fs.closeSync(handle);
    return head.readUInt32BE(16);
}

function writeWhole(file, content) {
    fs.writeFileSync(`${file}.part`, content);
    fs.renameSync(`${file}.part`, file);
}

const [set, styleList, part, size, jobs, work, out] = process.argv.slice(2);
if (!["objects", "objects-faces", "all"].includes(set)) fail(`no set is named ${set}`);
if (!(+size >= 16 && +size <= 1024) || !(+jobs >= 1)) fail("--size is 16 to 1024, --jobs at least 1");
if (!["whole", "train", "held-out"].includes(part)) fail(`no part is named ${part}`);
const styles = styleList.split(",");
const unknown = styles.find(name => !Object.hasOwn(STYLES, name));
if (unknown !== undefined) fail(`no style is named ${unknown}: ${Object.keys(STYLES).join(", ")}`);

const emojis = readEmoji(work).filter(emoji => inSet(set, emoji) && inPart(part, emoji));
const tasks = [];
for (const name of [...new Set(styles)].sort(order)) {
    const style = openStyle(work, STYLES[name]);
    fs.mkdirSync(path.join(out, name), { recursive: true });
    for (const emoji of emojis) {
        const file = `${name}/${emoji.slug}.png`;
        const svg = UNDRAWN.has(file) ? null : svgOf(style, emoji);
        if (svg) tasks.push({ name, style, emoji, svg, file });
    }
}

const blank = await draw('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1 1"/>', size);
if (!blank) fail("rsvg-convert does not draw");
let next = 0, drawn = 0;
const bad = [];
await Promise.all(Array.from({ length: +jobs }, async () => {
    while (next < tasks.length) {
        const task = tasks[next++];
        const file = path.join(out, task.file);
        if (widthOf(file) === +size) continue;
        const png = await draw(task.svg, size);
        if (png && !png.equals(blank)) writeWhole(file, png);
        else bad.push(task.file);
        if (++drawn % 500 === 0) console.error(`drawn: ${drawn} of at most ${tasks.length}`);
    }
}));
for (const file of bad.sort(order)) console.error(`left out, does not draw: ${file}`);

const lines = tasks.filter(task => !bad.includes(task.file)).sort((a, b) => order(a.file, b.file))
    .map(({ name, style, emoji, file }) => JSON.stringify({
        file_name: file, text: captions(emoji, style.words), label: emoji.label, emoji: emoji.slug, style: name,
    }));
writeWhole(path.join(out, "metadata.jsonl"), lines.join("\n") + "\n");

// Prompts: of the emojis that every chosen style draws, sorted, every k-th; the sheet's begin half a step later.
const count = new Map();
for (const line of lines) {
    const { emoji } = JSON.parse(line);
    count.set(emoji, (count.get(emoji) || 0) + 1);
}
const shared = emojis.filter(emoji => count.get(emoji.slug) === new Set(styles).size);
const words = [...new Set(styles)].sort(order).map(name => STYLES[name].words);
const pick = (n, shift) => Array.from({ length: Math.min(n, shared.length) }, (_, i) =>
    shared[Math.floor((i + shift) * shared.length / Math.min(n, shared.length))]);
const evaluation = pick(100, 0).map(emoji => ({ prompt: withArticle(emoji.name), emoji: emoji.slug }));
const sheet = pick(48, 0.5).map((emoji, i) => ({
    prompt: `${withArticle(emoji.name)}, ${words[i % words.length]}`, emoji: emoji.slug,
}));
for (const [name, list] of [["prompts-100.jsonl", evaluation], ["prompts-48.jsonl", sheet]])
    writeWhole(path.join(out, name), list.map(entry => JSON.stringify(entry) + "\n").join(""));
console.log(`${out}: ${lines.length} pictures of ${count.size} emojis, ${bad.length} left out`);
