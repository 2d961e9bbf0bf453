// The list of things: emojibase's emoji without skin tones, hair and gender, and what the icon sets add; each with its
// names (the first leads), tags, kind and drawings.
import fs from "node:fs";
import path from "node:path";
import { byCode } from "./chance.mjs";
import { EVERYDAY, ICONS } from "./everyday.mjs";
import { isThingHeldOut } from "./held-out.mjs";
import { SETS, drawingOf, iconNames, openSets, plainHex } from "./sources.mjs";
import { WordNet } from "./wordnet.mjs";

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

// Hardly told apart: drawings of the first are more drawings of the second.
const SAME = new Map(Object.entries({
    "snowman-without-snow": "snowman", "hourglass-not-done": "hourglass-done", "camera-with-flash": "camera",
    "page-with-curl": "page-facing-up", "tear-off-calendar": "calendar", "dvd": "optical-disk",
    "notebook-with-decorative-cover": "notebook", "magnifying-glass-tilted-right": "magnifying-glass-tilted-left",
    "left-speech-bubble": "speech-balloon", "incoming-envelope": "envelope", "envelope-with-arrow": "envelope",
    "closed-mailbox-with-lowered-flag": "closed-mailbox-with-raised-flag", "speaker-low-volume": "speaker-high-volume",
    "open-mailbox-with-lowered-flag": "closed-mailbox-with-raised-flag", "speaker-medium-volume": "speaker-high-volume",
    "open-mailbox-with-raised-flag": "closed-mailbox-with-raised-flag", "globe-showing-americas": "globe-showing-europe-africa",
    "globe-showing-asia-australia": "globe-showing-europe-africa", "trackball": "computer-mouse",
    "two-hump-camel": "camel", "service-dog": "guide-dog", "locked-with-pen": "locked", "mx-claus": "santa-claus",
}));
const CLOCK = /(-oclock|-thirty)$/; // 24 clock faces
const sameAs = slug => (CLOCK.test(slug) ? "twelve-oclock" : SAME.get(slug) || slug);

// Left out: they say nothing that a picture shows, or can't be told from others.
const NO_THINGS = new Set(`input-latin-letters input-latin-uppercase input-latin-lowercase input-symbols input-numbers
middle-finger black-square-button white-square-button black-medium-small-square white-medium-small-square
black-medium-square white-medium-square black-small-square white-small-square part-alternation-mark`.split(/\s+/));

// Where the words of the table and of the sets differ from emojibase's name.
const OTHER_ICONS = {
    "tiger-face": ["tiger-face"], "lion": ["lion-face"], "panda": ["panda-face"], "frog": ["frog-face"], "fox": ["fox-face-1", "fox-face-2"],
    "bear": ["bear-face"], "wolf": ["wolf-face"], "unicorn": ["unicorn-face"], "hamster": ["hamster-face"],
    "robot": ["robot-face-1", "robot-face-2", "robot-face-3"], "red-heart": ["heart-suit"], "enraged-face": ["pouting-face"],
    "bullseye": ["direct-hit"], "water-pistol": ["pistol"], "chipmunk": ["chipmunk"], "jeans": ["jeans"], "optical-disk": ["computer-disk"],
    "wrapped-gift": ["wrapped-gift-1", "wrapped-gift-2"], "house-with-garden": ["house-with-garden"],
};

export const plain = name => name.toLowerCase().replace(/[’‘]/g, "'").replace(/[“”()]/g, "").replace(/^flag: /, "flag of ")
    .normalize("NFD").replace(/[\u0300-\u036f]/g, "").replace(/ & /g, " and ").replace(/!$/, "").replace(/^keycap: /, "number ");
export const slugOf = name => name.replace(/'/g, "").replace(/[^a-z0-9]+/g, "-").replace(/^-|-$/g, "");

// Joined sequences that end in a gender or hair sign, and couples or families built of people.
function isVariant(hex, label, name) {
    const parts = hex.split("-");
    if (/-200D-(2640|2642|1F9B[0-3])/.test(hex)) return true;
    if (parts.length > 2 && parts.filter(part => /^1F46[6-9]$|^1F9D[1-2]$/.test(part)).length > 1) return true;
    return label === "person" && (/: ?(beard|blond hair|facing right)/.test(name) ||
        (/^(man|woman|men|women)\b./.test(name) && parts.length > 1));
}

function readEmoji(work) {
    const folder = path.join(work, "node_modules", "emojibase-data");
    const data = JSON.parse(fs.readFileSync(path.join(folder, "en", "data.json"), "utf8"));
    const { subgroups } = JSON.parse(fs.readFileSync(path.join(folder, "meta", "groups.json"), "utf8"));
    const labelOf = new Map(Object.entries(LABELS).flatMap(([label, list]) => list.map(name => [name, label])));
    const list = new Map();
    for (const entry of data) {
        const label = entry.subgroup === undefined ? null : labelOf.get(subgroups[entry.subgroup]);
        const hex = plainHex(entry.hexcode);
        const name = plain(entry.label);
        const slug = slugOf(name);
        if (!label || !slug || list.has(slug) || NO_THINGS.has(slug) || isVariant(hex, label, name)) continue;
        list.set(slug, { hex, label, name, slug, tags: entry.tags || [] });
    }
    return [...list.values()];
}

// CLDR's English words for each emoji.
function readAnnotations(work) {
    const words = new Map();
    for (const kind of ["annotations", "annotations-derived"]) {
        const folder = path.join(work, "node_modules", `cldr-${kind}-full`, kind === "annotations" ? kind : "annotationsDerived");
        const { [kind === "annotations" ? kind : "annotationsDerived"]: top } =
            JSON.parse(fs.readFileSync(path.join(folder, "en", "annotations.json"), "utf8"));
        for (const [text, entry] of Object.entries(top.annotations)) {
            const hex = plainHex([...text].map(c => c.codePointAt(0).toString(16)).join("-"));
            words.set(hex, [...(entry.tts || []), ...(entry.default || [])]);
        }
    }
    return words;
}

const isWord = tag => /^[a-z][a-z '-]+$/.test(tag);

function flagNames(name, wordnet) {
    const country = name.replace(/^flag of /, "");
    const adjective = wordnet.adjectives.get(country.replaceAll(" ", "_"));
    return [name, ...(adjective ? [`${adjective} flag`] : []), `${country} flag`, `the ${name}`];
}

// The names of a thing, the leading one first, and its tags and kind.
function nameThing(emoji, annotations, wordnet, taken) {
    const cldr = (annotations.get(emoji.hex) || []).map(plain);
    const tags = [...new Set([...cldr, ...emoji.tags.map(plain)])].filter(isWord);
    const known = EVERYDAY.get(emoji.slug) || (/^flag of /.test(emoji.name) ? flagNames(emoji.name, wordnet) : []);
    const names = [...new Set(known.length ? known : [emoji.name])];
    const evidence = new Set([...tags, ...names, emoji.name]);
    const words = names.map(name => wordnet.wordsOf(name, emoji.label, evidence));
    const synonyms = [...new Set(words.flatMap(word => word.synonyms))].filter(name => !names.includes(name) && !taken.has(name));
    const { kind } = words.find(word => word.kind) || { kind: null };
    const others = emoji.label === "flag" ? [] : tags.filter(tag => !names.includes(tag));
    return { names, synonyms: synonyms.slice(0, 4), kind: kind === "container" && emoji.label === "tool" ? null : kind, tags: others };
}

function countryIcons(emoji) {
    const letters = emoji.hex.split("-").map(hex => parseInt(hex, 16) - 0x1f1e6);
    if (letters.length !== 2 || letters.some(letter => letter < 0 || letter > 25)) return [];
    const code = String.fromCharCode(...letters.map(letter => 97 + letter));
    return [["flag", `${code}-4x3`], ["circle-flags", code]];
}

// [set, icon] of every drawing of an emoji.
function iconsOf(emoji, sets) {
    const byEmoji = Object.keys(SETS).filter(key => !SETS[key].named).flatMap(key => {
        const others = key === "streamline" ? OTHER_ICONS[emoji.slug] || [] : [];
        return [...new Set([...iconNames(sets[key], emoji), ...others])].map(icon => [key, icon]);
    });
    return [...byEmoji, ...countryIcons(emoji)];
}

const newThing = (slug, label, name) => ({ slug, label, name, hex: "", tags: [], icons: [] });

// All things, by slug; each drawing is { set, icon }, the drawings themselves stay in the sets.
export function readThings(work) {
    const sets = openSets(work), wordnet = new WordNet(work), annotations = readAnnotations(work);
    const things = new Map();
    const emojis = readEmoji(work);
    for (const emoji of emojis.filter(one => sameAs(one.slug) === one.slug)) things.set(emoji.slug, { ...emoji, icons: [] });
    for (const emoji of emojis) things.get(sameAs(emoji.slug))?.icons.push(...iconsOf(emoji, sets));
    for (const { set, icon, name, label } of ICONS) {
        const slug = sameAs(slugOf(name));
        if (!things.has(slug)) things.set(slug, newThing(slug, label, name));
        things.get(slug).icons.push([set, icon]);
    }
    const list = [...things.values()].sort((a, b) => byCode(a.slug, b.slug));
    const taken = new Set(list.flatMap(thing => EVERYDAY.get(thing.slug) || [thing.name]));
    return list.map(thing => ({
        slug: thing.slug, label: thing.label, ...nameThing(thing, annotations, wordnet, taken),
        heldOut: isThingHeldOut(thing.slug),
        drawings: thing.icons.filter(([set, icon]) => drawingOf(sets[set], icon)).map(([set, icon]) => ({ set, icon })),
    })).filter(thing => thing.drawings.length);
}
