// A process that draws its part of a plan's pictures that are not there yet. Arguments: WORK OUT SIZE PART PARTS.
// resvg ends the process at some drawings: the file "drawing-PART" names the picture that was begun last.
import fs from "node:fs";
import path from "node:path";
import { compose } from "./compose.mjs";
import { infosWith } from "./furniture.mjs";
import { openRenderer } from "./render.mjs";
import { openSets } from "./sources.mjs";

const [work, out, size, part, parts] = process.argv.slice(2);
const { png } = openRenderer(work);
const sets = openSets(work);
const plan = JSON.parse(fs.readFileSync(path.join(out, "plan.json"), "utf8"));
const left = new Set(fs.readFileSync(path.join(out, "undrawn.txt"), "utf8").split("\n"));
const infoOf = infosWith(plan.infos);

let drawn = 0;
for (let i = +part; i < plan.scenes.length; i += +parts) {
    const { file, scene } = plan.scenes[i];
    const where = path.join(out, file);
    if (left.has(file) || fs.existsSync(where)) continue;
    fs.writeFileSync(path.join(out, `drawing-${part}`), file);
    fs.writeFileSync(`${where}.part`, png(compose(scene, sets, infoOf), +size));
    fs.renameSync(`${where}.part`, where);
    if (++drawn % 1000 === 0) process.send(1000);
}
