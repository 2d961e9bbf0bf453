// What is written beside the pictures: metadata of both parts, the list of things, the evaluation's prompts, counts.
import fs from "node:fs";
import path from "node:path";
import { promptsOf } from "./prompts.mjs";

function writeWhole(file, content) {
    fs.writeFileSync(`${file}.part`, content);
    fs.renameSync(`${file}.part`, file);
}

const lines = list => list.map(entry => JSON.stringify(entry) + "\n").join("");

// file_name is below the part's own folder. label: the thing, where there is one.
function record({ file, scene }, part) {
    const { fields, texts } = scene;
    const held = part === "held_out" ? { held_out: scene.part, combinations: scene.held } : {};
    return { file_name: file.slice(part.length + 1), text: texts, label: fields.thing, ...fields, ...held };
}

// The names that people may type for each thing that was learned; the model's file carries them.
const thingsOf = planner => planner.known.map(({ slug, label, names, synonyms, kind }) =>
    ({ thing: slug, group: label, names, synonyms, ...(kind ? { kind } : {}) }));

function countsOf(train, heldOut) {
    const by = (list, key) => list.reduce((sum, entry) => ({ ...sum, [entry[key]]: (sum[entry[key]] || 0) + 1 }), {});
    return {
        pictures: train.length, kinds: by(train, "kind"), sets: by(train, "set"),
        captions: train.reduce((sum, entry) => sum + entry.text.length, 0), different_captions: new Set(train.flatMap(entry => entry.text)).size,
        held_out_pictures: heldOut.length, held_out: by(heldOut, "held_out"),
        held_out_combinations: new Set(heldOut.flatMap(entry => entry.combinations)).size,
    };
}

// What each judge tells apart: the class of a picture, or undefined where it says nothing of it.
const JUDGES = {
    thing: entry => (["plain", "colour", "background", "size", "position"].includes(entry.kind) && entry.held_out !== "thing" ? entry.thing : undefined),
    colour: entry => (entry.kind === "colour" ? entry.colour : undefined),
    background: entry => (entry.kind === "background" && !/ and /.test(entry.background) ? entry.background : undefined),
    position: entry => (entry.kind === "position" ? entry.position : undefined),
    relation: entry => ({ beside: "beside", left: "beside", above: "above", on: "on" }[entry.kind === "pair" && entry.relation]),
    count: entry => (["count", "plain"].includes(entry.kind) && !(entry.kind === "plain" && entry.variant) ? String(entry.count) : undefined),
};
const MOST = 12000; // pictures of one judge but the thing's

// A data set for each judge: links to the same pictures, with the class as label.
function writeJudges(out, part, list) {
    for (const [aspect, classOf] of Object.entries(JUDGES)) {
        const all = list.filter(entry => classOf(entry) !== undefined), step = aspect === "thing" ? 1 : Math.ceil(all.length / MOST);
        const folder = path.join(out, "judges", aspect, part);
        fs.rmSync(folder, { recursive: true, force: true });
        fs.mkdirSync(folder, { recursive: true });
        const rows = all.filter((_, i) => i % step === 0).map(entry => ({ ...entry, file_name: path.basename(entry.file_name), label: classOf(entry) }));
        all.filter((_, i) => i % step === 0).forEach(entry => fs.linkSync(path.join(out, part, entry.file_name), path.join(folder, path.basename(entry.file_name))));
        writeWhole(path.join(folder, "metadata.jsonl"), lines(rows));
    }
}

export function writeSets(out, planner, lists) {
    const train = lists.train.map(entry => record(entry, "train")), heldOut = lists.heldOut.map(entry => record(entry, "held_out"));
    writeWhole(path.join(out, "train", "metadata.jsonl"), lines(train));
    writeWhole(path.join(out, "held_out", "metadata.jsonl"), lines(heldOut));
    writeJudges(out, "train", train);
    writeJudges(out, "held_out", heldOut);
    writeWhole(path.join(out, "things.json"), JSON.stringify(thingsOf(planner), null, 1) + "\n");
    writeWhole(path.join(out, "prompts-400.jsonl"), lines(promptsOf(planner, train)));
    const counts = { things: planner.known.length, held_out_things: planner.things.length - planner.known.length, ...countsOf(train, heldOut) };
    writeWhole(path.join(out, "counts.json"), JSON.stringify(counts, null, 1) + "\n");
    console.log(JSON.stringify(counts));
}
