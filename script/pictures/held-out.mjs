// What is never trained on, in any style: one thing of twenty, one combination of ten, and one caption of twelve of those
// that are not plain names. All by a hash of the words.
import crypto from "node:crypto";
import { hash } from "./chance.mjs";

// The rule of the first edition, so that its held-out things stay held out.
export function isThingHeldOut(slug) {
    return BigInt(`0x${crypto.createHash("sha256").update(slug).digest("hex")}`) % 20n === 0n;
}

// A combination as words: "colour|apple|blue", "background|dog|red", "pair|cat|dog", "count|dog|3".
export const combination = {
    colour: (thing, colour) => `colour|${thing}|${colour}`,
    background: (thing, colour) => `background|${thing}|${colour}`,
    pair: (a, b) => `pair|${[a, b].sort().join("|")}`,
    count: (thing, count) => `count|${thing}|${count}`,
};

export const isHeldOut = words => hash(words) % 10 === 0;
export const isCaptionHeldOut = text => hash(`caption|${text}`) % 12 === 0;
