// The words for a picture. Every caption says only what is drawn.
import { isCaptionHeldOut } from "./held-out.mjs";
import { isCountable, plural, withArticle } from "./grammar.mjs";
import { pick, sample, streamOf } from "./chance.mjs";

export const NUMBERS = ["no", "one", "two", "three", "four", "five"];

const repeat = (text, times) => new Array(times).fill(text);
const trained = list => list.filter(text => !isCaptionHeldOut(text));

// ---- One plain thing ----

// "{}" is the thing with its article.
const SENTENCES = ["a picture of {}", "a drawing of {}", "an image of {}", "an icon of {}", "an illustration of {}", "a photo of {}",
    "draw {}", "draw me {}", "please draw {}", "show me {}", "i want a picture of {}", "can you draw {}?", "i would like to see {}",
    "a simple drawing of {}", "this is {}", "here is {}", "make {}", "paint {}", "create an image of {}", "there is {}", "a nice picture of {}",
    "could you make a picture of {}?", "i need {}", "a clipart of {}", "a sticker of {}", "{} on a white background", "{} on white", "just {}"];
const ADJECTIVES = ["cute", "nice", "simple", "beautiful", "single", "lovely", "pretty", "cool", "funny"];

// Every way to say a plain thing in sentences, of which some are never trained on.
export const sentencesOf = name => SENTENCES.map(text => text.replace("{}", withArticle(name)));

// Of those to train on a third, another one for each name: a text tower learns them all, and each name has few.
const usualSentences = name => sample(trained(sentencesOf(name)), 9, streamOf(`sentences|${name}`));

export const styled = (text, style) => `${text}, ${style}`;

// Texts of a plain picture, repeated by weight: names first. extra: [text] that hold for this picture only (its colour).
export function plainCaptions(thing, styles, extra, next) {
    const [lead, ...others] = thing.names;
    const object = withArticle(lead);
    const list = [...repeat(lead, 4), ...repeat(object, 7)];
    for (const name of others) list.push(name, ...repeat(withArticle(name), 2));
    const words = trained(thing.synonyms.flatMap(name => [withArticle(name), name]));
    list.push(...sample(words, 3, next), ...sample(usualSentences(lead), 3, next));
    if (others.length) list.push(pick(usualSentences(pick(others, next)), next));
    if (isCountable(lead)) list.push(...trained([withArticle(lead, pick(ADJECTIVES, next))]));
    const tags = sample(thing.tags, 2, next);
    if (tags.length) list.push(`${lead}, ${tags.join(", ")}`);
    if (thing.synonyms.length) list.push(`${lead}, ${pick(thing.synonyms, next)}`);
    if (thing.kind && thing.kind !== lead) list.push(`${object}, ${thing.kind}`);
    list.push(...trained(extra), ...trained([`${lead} emoji`]));
    list.push(...repeat(styled(object, styles[0]), 2), styled(lead, styles[0]), styled(pick([lead, object], next), pick(styles, next)));
    return list;
}

// ---- Compositions ----

// Two of the ways, for one picture of three in the set's style too.
export function some(ways, styles, next) {
    const kept = trained(ways);
    const chosen = [...new Set(sample(kept.length ? kept : ways, 2, next))];
    return next() < 0.33 ? [...chosen, styled(chosen[0], pick(styles, next))] : chosen;
}

// Mostly the leading name; of others only those that are counted as it is.
export function nameFor(thing, next) {
    const [lead, ...others] = thing.names.slice(0, 3);
    const alike = others.filter(name => isCountable(name) === isCountable(lead));
    return next() < 0.75 || !alike.length ? lead : pick(alike, next);
}

export const colourWays = (name, colour) => [withArticle(name, colour), withArticle(name, colour), `${colour} ${name}`,
    `${name}, ${colour}`, `a picture of ${withArticle(name, colour)}`, `${withArticle(name)} in ${colour}`,
    `draw ${withArticle(name, colour)}`, ...(isCountable(name) ? [`${withArticle(name)} that is ${colour}`, `the ${name} is ${colour}`] : [])];

export const overColours = colours => colours.join(" and ");
export const backgroundWays = (object, colours) => {
    const ground = overColours(colours);
    const a = /^(orange)/.test(ground) ? "an" : "a";
    return [`${object} on ${a} ${ground} background`, `${object} on ${a} ${ground} background`, `${object}, ${ground} background`,
        `${object} in front of ${a} ${ground} background`, `${object} with ${a} ${ground} background`, ...(colours.length > 1 ? [] : [`${object} on ${ground}`])];
};

export const sizeWays = (name, size) => {
    const words = size === "small" ? ["small", "tiny", "little"] : ["large", "big", "huge"];
    return words.flatMap(word => [withArticle(name, word), `${name}, ${word}`]);
};

const WHERE = {
    "left": ["on the left", "on the left side", "to the left"], "right": ["on the right", "on the right side", "to the right"],
    "top": ["at the top", "above", "in the upper part"], "bottom": ["at the bottom", "below", "in the lower part"],
    "top left": ["in the top left corner", "at the top left"], "top right": ["in the top right corner", "at the top right"],
    "bottom left": ["in the bottom left corner", "at the bottom left"], "bottom right": ["in the bottom right corner", "at the bottom right"],
};
export const positionWays = (name, position) => WHERE[position].flatMap(where =>
    [`${withArticle(name)} ${where}`, `${withArticle(name, "small")} ${where}`]);

// relation: beside, left (a is left of b), above (a is above b), on (a stands on b).
export const RELATIONS = {
    beside: (a, b) => [`${a} and ${b}`, `${a} and ${b}`, `${b} and ${a}`, `${a} next to ${b}`, `${a} beside ${b}`, `${a} with ${b}`,
        `a picture of ${a} and ${b}`, `${a} together with ${b}`],
    left: (a, b) => [`${a} to the left of ${b}`, `${a} left of ${b}`, `${b} to the right of ${a}`, `${b} right of ${a}`,
        `${a} on the left and ${b} on the right`, `${a} on the left, ${b} on the right`],
    above: (a, b) => [`${a} above ${b}`, `${b} below ${a}`, `${a} over ${b}`, `${b} under ${a}`, `${a} at the top and ${b} at the bottom`],
    on: (a, b) => [`${a} on ${b}`, `${a} on ${b}`, `${a} on top of ${b}`, `${b} with ${a} on it`],
};

export function countWays(name, count, colour) {
    const words = colour ? `${colour} ${name}` : name;
    if (count === 1) return [`one ${words}`, `1 ${words}`, `a single ${words}`, `exactly one ${words}`];
    const many = plural(words);
    return [`${NUMBERS[count]} ${many}`, `${NUMBERS[count]} ${many}`, `${count} ${many}`, `a picture of ${NUMBERS[count]} ${many}`,
        `${NUMBERS[count]} ${many} together`, `there are ${NUMBERS[count]} ${many}`, ...(count === 2 ? [`a pair of ${many}`] : [])];
}

export const ruleWays = (name, rule) => ({
    outline: [`${withArticle(name)}, outline`, `a line drawing of ${withArticle(name)}`, `an outline of ${withArticle(name)}`,
        `${name}, line art`, `${withArticle(name)}, outline style`, `a coloring page of ${withArticle(name)}`],
    silhouette: [`a silhouette of ${withArticle(name)}`, `the silhouette of ${withArticle(name)}`, `${name} silhouette`,
        `${withArticle(name)}, silhouette`, `the shadow of ${withArticle(name)}`],
    greyscale: [`${withArticle(name)} in black and white`, `${name}, black and white`, `${withArticle(name)}, greyscale`,
        `a grayscale picture of ${withArticle(name)}`, `${withArticle(name)} in shades of grey`],
}[rule]);
