// The evaluation's 400 prompts, each with what a judge looks for: 100 trained ones, and 60 of each held-out kind.
import * as say from "./captions.mjs";
import { hash } from "./chance.mjs";
import { COLOURS } from "./colours.mjs";
import { withArticle } from "./grammar.mjs";
import { combination, isCaptionHeldOut, isHeldOut } from "./held-out.mjs";
import { isSolid } from "./traits.mjs";

const PER_KIND = 60;
const TRAINED = { plain: 36, colour: 16, background: 16, position: 8, pair: 12, count: 12 };

// So many of list, in the order of a hash, with no thing twice.
function chosen(list, count, salt) {
    const seen = new Set();
    const ordered = list.map(entry => [hash(`${salt}|${entry.prompt}`), entry]).sort((a, b) => a[0] - b[0]).map(pair => pair[1]);
    return ordered.filter(({ thing }) => !seen.has(thing) && seen.add(thing)).slice(0, count);
}

const part = ({ thing, things, colour, background, position, relation, count }) =>
    Object.fromEntries(Object.entries({ thing, things, colour, background, position, relation, count }).filter(([, value]) => value !== undefined));

// Of what was trained on: its first words without a style's.
function trainedPrompts(train) {
    return Object.entries(TRAINED).flatMap(([kind, count]) => {
        const all = train.filter(entry => entry.kind === kind && !/ and /.test(entry.background || "") && (kind !== "count" || entry.count <= 3) &&
            (kind !== "plain" || entry.variant === 0));
        // A plain picture's colour is the drawing's, which its name doesn't ask for.
        const asked = all.map(entry => ({ prompt: entry.text[kind === "plain" ? 4 : 0], kind, held_out: false,
            ...part(kind === "plain" ? { thing: entry.thing } : entry) }));
        return chosen(asked, count, kind);
    });
}

function colourPrompts(planner) {
    return planner.colourable.filter(({ thing }) => !thing.heldOut).flatMap(({ thing }) => COLOURS.filter(colour =>
        planner.colourOf(thing, colour).some(isHeldOut)).map(colour =>
        ({ prompt: withArticle(thing.names[0], colour), kind: "colour", held_out: true, thing: thing.slug, colour, count: 1 })));
}

function backgroundPrompts(planner) {
    return planner.placeable.filter(({ thing }) => !thing.heldOut && isSolid(thing)).flatMap(({ thing, drawings }) => COLOURS.filter(colour =>
        colour !== "white" && isHeldOut(combination.background(thing.slug, colour)) &&
        drawings.every(drawing => planner.ownColour(thing, drawing) !== colour)).map(colour =>
        ({ prompt: say.backgroundWays(withArticle(thing.names[0]), [colour])[0], kind: "background", held_out: true, thing: thing.slug, background: colour, count: 1 })));
}

// Each thing with another that follows from a hash, until the pair is held out; relations take turns.
function pairPrompts(planner) {
    const solid = planner.solid.filter(thing => !thing.heldOut && thing.drawings.length > 3);
    const bases = planner.bases.filter(thing => !thing.heldOut);
    const relations = Object.keys(say.RELATIONS);
    return solid.flatMap((first, i) => {
        const relation = relations[i % relations.length], others = relation === "on" ? bases : solid;
        const second = others.map(other => [hash(`pair prompt|${first.slug}|${other.slug}`), other]).sort((a, b) => a[0] - b[0])
            .map(pair => pair[1]).find(other => other !== first && isHeldOut(combination.pair(first.slug, other.slug)));
        if (!second) return [];
        const prompt = say.RELATIONS[relation](withArticle(first.names[0]), withArticle(second.names[0]))[0];
        return [{ prompt, kind: "pair", held_out: true, thing: first.slug, things: [first.slug, second.slug], relation, count: 2 }];
    });
}

function countPrompts(planner) {
    return planner.countable.filter(thing => !thing.heldOut && thing.drawings.length > 3).flatMap(thing => [2, 3].filter(count =>
        isHeldOut(combination.count(thing.slug, count))).map(count =>
        ({ prompt: say.countWays(thing.names[0], count)[0], kind: "count", held_out: true, thing: thing.slug, count })));
}

// Synonyms and sentences that no caption is.
function wordPrompts(planner, known) {
    return planner.known.filter(thing => isSolid(thing) && thing.drawings.length > 3).flatMap(thing => {
        const names = [...thing.names, ...thing.synonyms];
        const texts = [...thing.synonyms.map(name => withArticle(name)), ...names.flatMap(say.sentencesOf)];
        return texts.filter(text => isCaptionHeldOut(text) && !known.has(text)).map(prompt =>
            ({ prompt, kind: "words", held_out: true, thing: thing.slug }));
    });
}

export function promptsOf(planner, train) {
    const known = new Set(train.flatMap(entry => entry.text));
    const heldOut = [colourPrompts(planner), backgroundPrompts(planner), pairPrompts(planner), countPrompts(planner), wordPrompts(planner, known)];
    return [...trainedPrompts(train), ...heldOut.flatMap(list => chosen(list, PER_KIND, "held out"))];
}
