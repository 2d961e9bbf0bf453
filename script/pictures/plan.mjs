// Which pictures are made: scenes with their texts and what is in them, by kinds. A scene that holds a held-out combination
// is never one to train on.
import * as say from "./captions.mjs";
import { pick, streamOf } from "./chance.mjs";
import { COLOURS, distance, labOf, nameOf } from "./colours.mjs";
import { isCountable, withArticle } from "./grammar.mjs";
import { combination, isHeldOut } from "./held-out.mjs";
import { SETS } from "./sources.mjs";
import { hasColour, isBase, isColourable, isPlaceable, isSolid, mayFlip } from "./traits.mjs";

// Kinds of composed pictures, by weight; plain things are beside these, each drawing in four variants.
const WEIGHTS = { colour: 15, background: 12, size: 4, position: 7, pair: 17, count: 10, rule: 5, mixed: 8 };
const HELD_OUT_OF_A_KIND = 1200; // at most

// A table is a thing in pairs only.
const table = { slug: "table", label: "household", names: ["table"], synonyms: [], tags: [], heldOut: false, drawings: [] };

// [left, top, width, height] of each item, in units of the picture's side, in the order of the things that are named.
const boxesOf = items => items.map(({ x, y, size }) => [x - size / 2, y - size / 2, size, size].map(v => +v.toFixed(3)));

export class Planner {
    // infoOf({ set, icon }): what is known of a drawing, or null where it does not draw.
    constructor(things, infoOf, seed) {
        this.infoOf = infoOf;
        this.things = things.map(thing => ({ ...thing, drawings: thing.drawings.filter(infoOf) })).filter(thing => thing.drawings.length);
        this.seed = seed;
        this.solid = this.things.filter(isSolid);
        this.known = this.things.filter(thing => !thing.heldOut);
        this.bases = [...this.solid.filter(thing => isBase(thing) && !thing.heldOut), table];
        this.colourable = this.withDrawings(this.solid.filter(thing => !/^(red|orange|yellow|green|blue|purple|pink|brown|black|grey|white|gold|silver) /.test(thing.names[0])),
            isColourable);
        this.placeable = this.withDrawings(this.things, isPlaceable);
        this.countable = this.solid.filter(thing => isCountable(thing.names[0]));
    }

    // Of things those drawings that may be used so, and the things that have some.
    withDrawings(things, isUsable) {
        return things.map(thing => ({ thing, drawings: thing.drawings.filter(drawing => isUsable(thing, this.infoOf(drawing))) }))
            .filter(entry => entry.drawings.length);
    }

    // ---- Parts of scenes ----

    item(thing, drawing, place, next) {
        return { ...drawing, thing: thing.slug, flip: mayFlip(thing) && next() < 0.5, turn: 0, ...place };
    }

    ownColour(thing, drawing) {
        const info = this.infoOf(drawing);
        return hasColour(thing, info) ? nameOf(info.body.lab) : null;
    }

    // A colour that some drawing of it has by itself is no new combination.
    colourOf(thing, colour) {
        return thing.drawings.some(drawing => this.ownColour(thing, drawing) === colour) ? [] : [combination.colour(thing.slug, colour)];
    }

    // A background of which a thing stands out; not white, which is none.
    groundFor(lab, colour, next) {
        const own = colour ? labOf(colour) : lab;
        return pick(COLOURS.filter(name => name !== colour && name !== "white" && distance(labOf(name), own) > 0.2), next);
    }

    scene(kind, items, texts, fields, combinations = [], more = {}) {
        const held = combinations.filter(isHeldOut);
        const things = items.map(item => item.thing);
        return { kind, items, texts, combinations, held, fields: { kind, thing: things[0], set: items[0].set, boxes: boxesOf(items), ...fields },
            background: null, rule: null, ...more };
    }

    // ---- Kinds ----

    // variant 0 is the drawing as it is; others are turned round, smaller, a little aside or leaning.
    plain(thing, drawing, variant, next) {
        const size = variant ? 0.8 + 0.2 * next() : 1, room = (1 - size) / 2;
        const aside = () => 0.5 + (variant ? (2 * next() - 1) * room : 0);
        const lean = variant === 3 && mayFlip(thing) ? Math.round((next() * 2 - 1) * 10) : 0;
        const place = { x: aside(), y: aside(), size, whole: true, turn: lean, flip: variant % 2 === 1 && mayFlip(thing) };
        const colour = this.ownColour(thing, drawing);
        const extra = colour ? say.colourWays(thing.names[0], colour).slice(1, 4) : [];
        if (isSolid(thing) && isCountable(thing.names[0])) extra.push(pick(say.countWays(thing.names[0], 1), next));
        const texts = say.plainCaptions(thing, SETS[drawing.set].style, extra, next);
        return this.scene("plain", [this.item(thing, drawing, place, next)], texts, { style: SETS[drawing.set].style[0], ...(colour ? { colour } : {}), count: 1, variant });
    }

    single(size, next) {
        const room = (1 - size) / 2;
        return { x: 0.5 + (2 * next() - 1) * room * 0.7, y: 0.5 + (2 * next() - 1) * room * 0.7, size };
    }

    finish(kind, items, ways, fields, combinations, next, more) {
        const styles = SETS[items[0].set].style;
        return this.scene(kind, items, say.some(ways, styles, next), { style: styles[0], ...fields }, combinations, more);
    }

    colour(next) {
        const { thing, drawings } = pick(this.colourable, next);
        const drawing = pick(drawings, next), colour = pick(COLOURS, next);
        const item = this.item(thing, drawing, { ...this.single(0.78 + 0.18 * next(), next), colour }, next);
        return this.finish("colour", [item], say.colourWays(say.nameFor(thing, next), colour), { colour, count: 1 },
            this.colourOf(thing, colour), next);
    }

    background(next) {
        const { thing, drawings } = pick(this.placeable, next);
        const drawing = pick(drawings, next), lab = this.infoOf(drawing).body.lab;
        const first = this.groundFor(lab, null, next), second = next() < 0.2 ? this.groundFor(lab, null, next) : first;
        const colours = [...new Set([first, second])];
        const background = { colours, split: "sides", shade: Math.floor(3 * next()) - 1 };
        const item = this.item(thing, drawing, this.single(0.66 + 0.26 * next(), next), next);
        const ways = say.backgroundWays(withArticle(say.nameFor(thing, next)), colours);
        return this.finish("background", [item], ways, { background: say.overColours(colours), count: 1 },
            colours.map(name => combination.background(thing.slug, name)), next, { background });
    }

    size(next) {
        const { thing, drawings } = pick(this.placeable, next);
        const size = next() < 0.7 ? "small" : "large";
        const item = this.item(thing, pick(drawings, next), this.single(size === "small" ? 0.24 + 0.12 * next() : 1.0, next), next);
        return this.finish("size", [item], say.sizeWays(say.nameFor(thing, next), size), { size, count: 1 }, [], next);
    }

    position(next) {
        const { thing, drawings } = pick(this.placeable, next);
        const position = pick(["left", "right", "top", "bottom", "left", "right", "top", "bottom", "top left", "top right", "bottom left", "bottom right"], next);
        const size = 0.34 + 0.1 * next(), near = size / 2 + 0.03 + 0.03 * next();
        const x = /left/.test(position) ? near : /right/.test(position) ? 1 - near : 0.5;
        const y = /top/.test(position) ? near : /bottom/.test(position) ? 1 - near : 0.5;
        const item = this.item(thing, pick(drawings, next), { x, y, size }, next);
        return this.finish("position", [item], say.positionWays(say.nameFor(thing, next), position), { position, count: 1 }, [], next);
    }

    // Two different things that one set draws, each with its drawing.
    two(first, second, next) {
        const shared = first.drawings.filter(one => second.slug === "table" || second.drawings.some(other => other.set === one.set));
        if (first.slug === second.slug || !shared.length) return null;
        const drawing = pick(shared, next);
        const other = second.slug === "table" ? { set: drawing.set, icon: "table" } : pick(second.drawings.filter(one => one.set === drawing.set), next);
        return [drawing, other];
    }

    // Where a and b are, by their relation; units of the picture's side.
    places(relation, [one, other], next) {
        const size = 0.42 + 0.05 * next(), shift = 0.04 * (next() - 0.5);
        if (relation === "above") return [{ x: 0.5 + shift, y: 0.255, size }, { x: 0.5 - shift, y: 0.745, size }];
        if (relation !== "on") return [{ x: 0.255, y: 0.5 + shift, size }, { x: 0.745, y: 0.5 - shift, size }];
        const below = 0.62, above = 0.4, a = this.infoOf(one), b = this.infoOf(other);
        const tall = (info, side) => side * (info.box[3] - info.box[1]) / Math.max(info.box[2] - info.box[0], info.box[3] - info.box[1]);
        const height = tall(b, below), top = 0.97 - height;
        const foot = top + Math.min(0.35, b.rest + 0.04) * height;
        return [{ x: 0.5 + shift, y: Math.max(0.2, foot - tall(a, above) / 2), size: above }, { x: 0.5, y: 0.97 - height / 2, size: below }];
    }

    pair(next) {
        const relation = pick(["beside", "left", "above", "left", "on", "beside", "above"], next);
        const first = pick(this.solid, next), second = pick(relation === "on" ? this.bases : this.solid, next);
        const drawings = this.two(first, second, next);
        if (!drawings) return null;
        const places = this.places(relation, drawings, next);
        // What is under another is drawn first.
        const items = [this.item(first, drawings[0], places[0], next), this.item(second, drawings[1], places[1], next)];
        const ways = say.RELATIONS[relation](withArticle(say.nameFor(first, next)), withArticle(say.nameFor(second, next)));
        return this.finish("pair", relation === "on" ? [...items].reverse() : items, ways, { thing: first.slug, things: [first.slug, second.slug], relation, count: 2, boxes: boxesOf(items) },
            [combination.pair(first.slug, second.slug)], next);
    }

    // Places of so many alike things.
    spread(count, next) {
        const jitter = () => 0.03 * (next() - 0.5);
        const rows = { 1: [[0.5, 0.5]], 2: [[0.26, 0.5], [0.74, 0.5]], 4: [[0.26, 0.26], [0.74, 0.26], [0.26, 0.74], [0.74, 0.74]],
            3: next() < 0.5 ? [[0.18, 0.5], [0.5, 0.5], [0.82, 0.5]] : [[0.5, 0.26], [0.26, 0.74], [0.74, 0.74]],
            5: next() < 0.5 ? [[0.2, 0.2], [0.8, 0.2], [0.5, 0.5], [0.2, 0.8], [0.8, 0.8]] : [[0.18, 0.3], [0.5, 0.3], [0.82, 0.3], [0.33, 0.7], [0.67, 0.7]] }[count];
        const isRow = count === 3 && rows[0][1] === 0.5;
        const size = { 1: 0.7, 2: 0.43, 3: isRow ? 0.29 : 0.42, 4: 0.41, 5: 0.29 }[count];
        return rows.map(([x, y]) => ({ x: x + jitter(), y: y + jitter(), size }));
    }

    countOf(entry, colour, next) {
        const { thing, drawings } = entry;
        const count = pick([1, 2, 2, 2, 3, 3, 3, 4, 4, 5, 5], next), drawing = pick(drawings, next);
        const flip = mayFlip(thing) && next() < 0.5;
        const items = this.spread(count, next).map(place => this.item(thing, drawing, { ...place, flip, ...(colour ? { colour } : {}) }, () => 1));
        const combinations = [...(count > 1 ? [combination.count(thing.slug, count)] : []), ...(colour ? this.colourOf(thing, colour) : [])];
        return this.finish(colour ? "mixed" : "count", items, say.countWays(say.nameFor(thing, next), count, colour), { count, ...(colour ? { colour } : {}) },
            combinations, next);
    }

    count(next) {
        const thing = pick(this.countable, next);
        return this.countOf({ thing, drawings: thing.drawings }, null, next);
    }

    rule(next) {
        const thing = pick(this.solid, next), drawing = pick(thing.drawings, next);
        const rule = pick(["outline", "outline", "silhouette", "greyscale"], next);
        const item = this.item(thing, drawing, this.single(0.75 + 0.2 * next(), next), next);
        const ways = say.ruleWays(say.nameFor(thing, next), rule);
        return this.scene("rule", [item], say.some(ways, SETS[drawing.set].style, next), { style: rule, count: 1 }, [], { rule });
    }

    // A colour with a background, a colour with a number, or two coloured things.
    mixed(next) {
        const kind = Math.floor(3 * next()), entry = pick(this.colourable, next), colour = pick(COLOURS, next);
        if (kind === 0) return isCountable(entry.thing.names[0]) ? this.countOf(entry, colour, next) : null;
        return kind === 1 ? this.colourOnGround(entry, colour, next) : this.twoColours(entry, colour, next);
    }

    colourOnGround({ thing, drawings }, colour, next) {
        const ground = this.groundFor(null, colour, next);
        const item = this.item(thing, pick(drawings, next), { ...this.single(0.66 + 0.26 * next(), next), colour }, next);
        const ways = say.backgroundWays(withArticle(say.nameFor(thing, next), colour), [ground]);
        return this.finish("mixed", [item], ways, { colour, background: ground, count: 1 },
            [...this.colourOf(thing, colour), combination.background(thing.slug, ground)], next,
            { background: { colours: [ground], split: "sides", shade: Math.floor(3 * next()) - 1 } });
    }

    twoColours(entry, colour, next) {
        const other = pick(this.colourable, next), second = pick(COLOURS, next);
        const drawings = this.two({ ...entry.thing, drawings: entry.drawings }, { ...other.thing, drawings: other.drawings }, next);
        if (!drawings || second === colour) return null;
        const relation = pick(["beside", "left", "above"], next), places = this.places(relation, drawings, next);
        const [a, b] = [entry.thing, other.thing];
        const items = [this.item(a, drawings[0], { ...places[0], colour }, next), this.item(b, drawings[1], { ...places[1], colour: second }, next)];
        const ways = say.RELATIONS[relation](withArticle(a.names[0], colour), withArticle(b.names[0], second));
        return this.finish("mixed", items, ways, { things: [a.slug, b.slug], colours: [colour, second], relation, count: 2 },
            [combination.pair(a.slug, b.slug), ...this.colourOf(a, colour), ...this.colourOf(b, second)], next);
    }

    // ---- All of it ----

    // Scenes to train on and held-out ones. composed: so many to train on that are not plain.
    plan(composed) {
        const train = [], heldOut = [];
        for (const thing of this.things)
            thing.drawings.forEach((drawing, i) => {
                const few = thing.label === "symbol" ? 2 : thing.label === "flag" ? 2 : 4;
                for (let variant = 0; variant < (thing.heldOut ? 1 : few); variant++) {
                    const scene = this.plain(thing, drawing, variant, streamOf(`${this.seed}|plain|${thing.slug}|${i}|${variant}`));
                    (thing.heldOut ? heldOut : train).push({ ...scene, part: thing.heldOut ? "thing" : "train" });
                }
            });
        const sum = Object.values(WEIGHTS).reduce((a, b) => a + b);
        for (const [kind, weight] of Object.entries(WEIGHTS)) this.planKind(kind, Math.round(weight * composed / sum), train, heldOut);
        return { train, heldOut };
    }

    planKind(kind, wanted, train, heldOut) {
        const bySlug = new Map(this.things.map(thing => [thing.slug, thing]));
        let made = 0, held = 0;
        for (let i = 0; made < wanted && i < 30 * wanted; i++) {
            const scene = this[kind](streamOf(`${this.seed}|${kind}|${i}`));
            if (!scene) continue;
            const isNew = scene.items.some(item => bySlug.get(item.thing)?.heldOut);
            if (!scene.held.length && !isNew) train.push({ ...scene, part: "train" }), made++;
            else if (scene.held.length && !isNew && kind !== "mixed" && held++ < HELD_OUT_OF_A_KIND) heldOut.push({ ...scene, part: kind });
        }
    }
}

