// The part of make-pictures that chooses, captions and draws. Arguments: COMPOSED LIMIT SIZE SEED WORKERS WORK OUT.
import { fork } from "node:child_process";
import crypto from "node:crypto";
import fs from "node:fs";
import path from "node:path";
import { analyse, svgOf } from "./compose.mjs";
import { infosWith } from "./furniture.mjs";
import { Planner } from "./plan.mjs";
import { openRenderer } from "./render.mjs";
import { drawingOf, openSets } from "./sources.mjs";
import { readThings } from "./things.mjs";
import { writeSets } from "./write.mjs";

const SIDE = 48; // pixels, to look at a drawing

// What is known of every drawing, by "set/icon"; those that do not draw, or nothing, have none.
function analyseAll(things, work) {
    const sets = openSets(work), { pixels } = openRenderer(work);
    const infos = {};
    for (const { set, icon } of things.flatMap(thing => thing.drawings)) {
        try {
            infos[`${set}/${icon}`] ??= analyse(pixels(svgOf(drawingOf(sets[set], icon)), SIDE), SIDE);
        } catch (error) {
            console.error(`left out, does not draw: ${set}/${icon} (${error.message})`);
        }
    }
    return infos;
}

// The name follows from all that is drawn: what is there already need not be drawn again.
function fileOf(folder, { kind, items, background, rule }, size) {
    const name = crypto.createHash("sha256").update(JSON.stringify([items, background, rule, size])).digest("hex").slice(0, 20);
    return `${folder}/${kind}/${name.slice(0, 2)}/${name}.png`;
}

const withFiles = (scenes, folder, size) => {
    const files = new Map(scenes.map(scene => [fileOf(folder, scene, size), scene])); // twins are one
    return [...files].map(([file, scene]) => ({ file, scene }));
};

// One of the processes, begun again where resvg ends it; what it could not draw is added to undrawn.txt, and left out.
function drawPart(part, { workers, work, out, size, tell }) {
    const child = fork(new URL("draw.mjs", import.meta.url), [work, out, size, part, workers], { stdio: ["ignore", "inherit", "ignore", "ipc"] });
    child.on("message", tell);
    return new Promise((resolve, reject) => child.on("error", reject).on("exit", (code, signal) => {
        if (code === 0) return resolve();
        if (signal !== "SIGABRT") return reject(new Error(`a process that draws ended with ${signal || code}`));
        const file = fs.readFileSync(path.join(out, `drawing-${part}`), "utf8");
        console.error(`left out, does not draw: ${file}`);
        fs.appendFileSync(path.join(out, "undrawn.txt"), `${file}\n`);
        resolve(drawPart(part, { workers, work, out, size, tell }));
    }));
}

async function drawAll(scenes, options) {
    let drawn = 0;
    const tell = count => console.error(`drawn: ${drawn += count} of at most ${scenes.length}`);
    for (const folder of new Set(scenes.map(({ file }) => path.dirname(file)))) fs.mkdirSync(path.join(options.out, folder), { recursive: true });
    fs.appendFileSync(path.join(options.out, "undrawn.txt"), "");
    await Promise.all(Array.from({ length: options.workers }, (_, part) => drawPart(part, { ...options, tell })));
    for (let part = 0; part < options.workers; part++) fs.rmSync(path.join(options.out, `drawing-${part}`), { force: true });
}

// Pictures of another plan, which no list names any more.
function removeOthers(out, scenes) {
    const named = new Set(scenes.map(({ file }) => path.normalize(file)));
    for (const part of ["train", "held_out"])
        for (const file of fs.readdirSync(path.join(out, part), { recursive: true }))
            if (/\.png(\.part)?$/.test(file) && !named.has(path.join(part, file))) fs.rmSync(path.join(out, part, file));
}

// So many of list, evenly; all of it with a limit of 0.
function thinned(list, limit) {
    if (!limit || list.length <= limit) return list;
    return Array.from({ length: limit }, (_, i) => list[Math.floor(i * list.length / limit)]);
}

const [composed, limit, size, seed, workers, work, out] = process.argv.slice(2);
const things = readThings(work);
const infos = analyseAll(things, work);
const planner = new Planner(things, infosWith(infos), seed);
const { train, heldOut } = planner.plan(+composed);
const lists = {
    train: withFiles(thinned(train, Math.ceil(0.9 * limit)), "train", size),
    heldOut: withFiles(thinned(heldOut, Math.ceil(0.1 * limit)), "held_out", size),
};
const scenes = [...lists.train, ...lists.heldOut];
fs.mkdirSync(out, { recursive: true });
fs.writeFileSync(path.join(out, "plan.json"), JSON.stringify({ infos, scenes }));
await drawAll(scenes, { workers: +workers, work, out, size });
removeOthers(out, scenes);
const isDrawn = ({ file }) => fs.existsSync(path.join(out, file));
writeSets(out, planner, { train: lists.train.filter(isDrawn), heldOut: lists.heldOut.filter(isDrawn) });
