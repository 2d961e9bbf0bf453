// What judges are asked about pictures that were drawn for the evaluation's prompts, and about held-out ones, which say what
// each judge is worth:
//   node judged.mjs PICTURES DRAWN SEEDS REAL
// PICTURES is make-pictures' folder. DRAWN holds what `latent eval --pictures` drew of its prompts-400.jsonl with the seeds 0
// to SEEDS - 1, and gets a metadata.jsonl; REAL is made, with links to the held-out pictures.
import fs from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";

// Of each kind the thing is asked for, and this besides.
const ASKED = { colour: ["colour"], background: ["background"], position: ["position"], pair: ["things", "relation"], count: ["count"] };

// A line of metadata.jsonl; a picture is of its prompt's or its list's kind.
export function asked(file, entry, kind) {
    const keys = ["thing", ...(ASKED[entry.kind] || [])].filter(key => entry[key] !== undefined);
    return { file_name: file, kind, ...Object.fromEntries(keys.map(key => [key, entry[key]])) };
}

// As `latent eval --pictures` names them: the third prompt, seed 7.
export const nameOf = (prompt, seed) => `${String(prompt + 1).padStart(3, "0")}-${seed}.png`;

export function drawnOf(prompts, seeds) {
    return prompts.flatMap((prompt, i) => Array.from({ length: seeds }, (_, seed) =>
        asked(nameOf(i, seed), prompt, `${prompt.kind}, ${prompt.held_out ? "held out" : "trained"}`)));
}

const read = file => fs.readFileSync(file, "utf8").split("\n").filter(Boolean).map(line => JSON.parse(line));
const write = (folder, rows) => fs.writeFileSync(path.join(folder, "metadata.jsonl"), rows.map(row => JSON.stringify(row) + "\n").join(""));

function writeReal(heldOut, real) {
    const rows = read(path.join(heldOut, "metadata.jsonl")).map(entry => [entry, path.basename(entry.file_name)]);
    fs.rmSync(real, { recursive: true, force: true });
    fs.mkdirSync(real, { recursive: true });
    // judges read links to files
    rows.forEach(([entry, name]) => fs.symlinkSync(path.resolve(heldOut, entry.file_name), path.join(real, name)));
    write(real, rows.map(([entry, name]) => asked(name, entry, entry.kind)));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
    const [pictures, drawn, seeds, real] = process.argv.slice(2);
    write(drawn, drawnOf(read(path.join(pictures, "prompts-400.jsonl")), Number(seeds)));
    writeReal(path.join(pictures, "held_out"), real);
}
