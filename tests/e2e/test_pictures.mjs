// The rules of script/make-pictures on made-up things: nothing is installed, nothing is drawn.
// usage: node test_pictures.mjs SOURCE
import assert from "node:assert";
import path from "node:path";
import { pathToFileURL } from "node:url";

const load = name => import(pathToFileURL(path.join(process.argv[2], "script", "pictures", `${name}.mjs`)));
const grammar = await load("grammar"), say = await load("captions"), colours = await load("colours");
const { analyse, compose } = await load("compose");
const { Planner } = await load("plan");
const { combination, isCaptionHeldOut, isHeldOut, isThingHeldOut } = await load("held-out");
const { promptsOf } = await load("prompts");

// ---- Words ----

for (const [name, one, many] of [["apple", "an apple", "apples"], ["cup of coffee", "a cup of coffee", "cups of coffee"],
    ["mouse", "a mouse", "mice"], ["slice of pizza", "a slice of pizza", "slices of pizza"], ["unicorn", "a unicorn", "unicorns"],
    ["bus", "a bus", "buses"], ["fish", "a fish", "fish"], ["face of a dog", "a face of a dog", "faces of a dog"], ["cherry", "a cherry", "cherries"]]) {
    assert.equal(grammar.withArticle(name), one);
    assert.equal(grammar.plural(name), many);
}
assert.equal(grammar.withArticle("grapes"), "grapes");
assert.equal(grammar.withArticle("apple", "blue"), "a blue apple");
assert.equal(grammar.withArticle("cat", "orange"), "an orange cat");

assert.ok(say.countWays("apple", 3, "red").includes("three red apples"));
assert.ok(say.colourWays("elephant", "pink").includes("a pink elephant"));
assert.ok(!say.colourWays("grapes", "pink").some(text => text.includes(" is ")));
assert.equal(say.backgroundWays("a banana", ["blue"])[0], "a banana on a blue background");
assert.deepEqual(say.RELATIONS.left("a dog", "a cat").slice(0, 3), ["a dog to the left of a cat", "a dog left of a cat", "a cat to the right of a dog"]);
assert.ok(say.RELATIONS.above("a dog", "a cat").includes("a cat below a dog"));
assert.equal(say.RELATIONS.on("a cat", "a table")[0], "a cat on a table");

// ---- Colours ----

const red = "#dd2222", dark = "#aa1111", eye = "#101010";
const svg = `<path fill="${red}"/><path fill="${dark}"/><circle fill="${eye}"/>`;
const channels = text => [...text.matchAll(/fill="#(..)(..)(..)"/g)].map(match => match.slice(1).map(hex => parseInt(hex, 16)));
const pixels = [...new Array(6).fill([0xdd, 0x22, 0x22]), ...new Array(3).fill([0xaa, 0x11, 0x11]), [0x10, 0x10, 0x10]].map(colours.oklabOf);
const body = colours.bodyOf(pixels);
assert.equal(colours.nameOf(body.lab), "red");
assert.equal(body.share, 1, "dark pixels do not count");
const [light, shaded, pupil] = channels(colours.recoloured(svg, body, "blue"));
assert.ok(light[2] > light[0] && light[2] > light[1] && shaded[2] > shaded[0], "the body is blue");
assert.ok(shaded[2] < light[2], "its shading stays");
assert.deepEqual(pupil, [0x10, 0x10, 0x10], "the eye stays");

// A drawing of 8x8 with a square of 4x2 in it.
const drawn = new Uint8Array(4 * 64);
for (const [x, y] of [2, 3, 4, 5].flatMap(x => [[x, 4], [x, 5]])) drawn.set([0xdd, 0x22, 0x22, 255], 4 * (8 * y + x));
assert.deepEqual(analyse(drawn, 8).box, [0.25, 0.5, 0.75, 0.75]);
assert.equal(analyse(new Uint8Array(4 * 64), 8), null);

// ---- The plan ----

const words = `apple banana dog cat elephant car boat tree flower hat shoe guitar drum hammer key lamp book pencil cup cake horse pig
cow duck frog snake whale shark rose tulip lemon pear bread egg bus train truck kite ball doll spoon fork ring coat scarf`.split(/\s+/);
const things = words.map(name => ({ slug: name, label: "tool", names: [name], synonyms: [], kind: null, tags: [], heldOut: isThingHeldOut(name),
    drawings: ["noto", "twemoji", "fluent", "fluent-flat"].map(set => ({ set, icon: name })) }));
const infoOf = () => ({ box: [0.1, 0.1, 0.9, 0.9], square: false, rest: 0, body });
const planOf = seed => new Planner(things, infoOf, seed).plan(3000);

const { train, heldOut } = planOf("1");
assert.equal(JSON.stringify(planOf("1")), JSON.stringify({ train, heldOut }), "the same seed, the same plan");
assert.notEqual(JSON.stringify(planOf("2").train), JSON.stringify(train), "another seed, another plan");

const heldThings = new Set(things.filter(thing => thing.heldOut).map(thing => thing.slug));
assert.ok(heldThings.size > 0 && heldOut.length > 0);
for (const scene of train) {
    assert.ok(!scene.combinations.some(isHeldOut), `trained on ${scene.combinations}`);
    assert.ok(!scene.items.some(item => heldThings.has(item.thing)), "trained on a held-out thing");
    assert.ok(scene.texts.length > 0);
}
const trainedThings = new Set(train.flatMap(scene => scene.items.map(item => item.thing)));
for (const scene of heldOut.filter(one => one.part !== "thing")) {
    assert.ok(scene.held.length > 0 && scene.held.every(isHeldOut));
    assert.ok(scene.items.every(item => trainedThings.has(item.thing)), "each part of a held-out combination is trained on");
}
const counted = train.filter(scene => scene.kind === "count" && scene.fields.count === 3);
assert.ok(counted.every(scene => scene.items.length === 3 && scene.texts.every(text => /three|3/.test(text))));
const above = train.filter(scene => scene.fields.relation === "above");
assert.ok(above.every(({ items: [a, b] }) => a.y < b.y));
assert.equal(combination.pair("dog", "cat"), combination.pair("cat", "dog"));

// ---- Prompts ----

const planner = new Planner(things, infoOf, "1");
const rows = train.map(scene => ({ ...scene.fields, text: scene.texts }));
const known = new Set(rows.flatMap(row => row.text));
const prompts = promptsOf(planner, rows);
for (const prompt of prompts.filter(one => one.kind === "words")) assert.ok(isCaptionHeldOut(prompt.prompt) && !known.has(prompt.prompt));
assert.ok(["colour", "background", "pair", "count", "words"].every(kind => prompts.some(one => one.held_out && one.kind === kind)));
assert.ok(prompts.every(one => !heldThings.has(one.thing)));

// ---- What judges are asked ----

const { asked, drawnOf, nameOf } = await load("judged");
assert.deepEqual(asked("a.png", { kind: "count", thing: "dog", count: 2, colour: "red" }, "count"), { file_name: "a.png", kind: "count", thing: "dog", count: 2 });
assert.deepEqual(asked("a.png", { kind: "plain", thing: "dog", colour: "red", count: 1 }, "plain"), { file_name: "a.png", kind: "plain", thing: "dog" });
const pair = { kind: "pair", held_out: true, thing: "dog", things: ["dog", "cat"], relation: "left", count: 2 };
assert.deepEqual(drawnOf([{ kind: "words", held_out: true, thing: "dog" }, pair], 2).map(row => Object.values(row)), [
    ["001-0.png", "words, held out", "dog"], ["001-1.png", "words, held out", "dog"],
    ["002-0.png", "pair, held out", "dog", ["dog", "cat"], "left"], ["002-1.png", "pair, held out", "dog", ["dog", "cat"], "left"]]);
assert.equal(nameOf(399, 7), "400-7.png");

// ---- Scenes ----

const sets = { test: { package: "test", margin: 0, icons: { width: 10, height: 10, icons: { dot: { body: '<g id="a"/><use href="#a" fill="url(#a)"/>' } } } } };
const place = { set: "test", icon: "dot", size: 0.5, flip: false, turn: 0 };
const scene = { background: { colours: ["blue"], split: "sides", shade: 0 }, rule: null, items: [{ ...place, x: 0.25, y: 0.5 }, { ...place, x: 0.75, y: 0.5 }] };
const composed = compose(scene, sets, () => ({ box: [0, 0, 1, 1], body }));
assert.ok(/id="a_0".*href="#a_0".*url\(#a_0\).*id="a_1".*href="#a_1"/.test(composed), "two drawings' names are apart");
assert.ok(composed.includes(`fill="${colours.backgroundOf("blue", 0)}"`));
console.log("ok");
