// Choices without chance: all follow from SHA-256 of words, so that a second run makes the same.
import crypto from "node:crypto";

// The first 48 bits of SHA-256 of text.
export const hash = text => parseInt(crypto.createHash("sha256").update(text).digest("hex").slice(0, 12), 16);

// A stream of numbers in [0, 1) that follows from text (mulberry32).
export function streamOf(text) {
    let state = hash(text) >>> 0;
    return () => {
        state = (state + 0x6d2b79f5) >>> 0;
        let t = Math.imul(state ^ (state >>> 15), state | 1);
        t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
        return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
    };
}

export const pick = (list, next) => list[Math.floor(next() * list.length)];

// count members of list, none twice, in the order drawn.
export function sample(list, count, next) {
    const rest = [...list];
    for (let i = 0; i < Math.min(count, rest.length); i++) {
        const j = i + Math.floor(next() * (rest.length - i));
        [rest[i], rest[j]] = [rest[j], rest[i]];
    }
    return rest.slice(0, count);
}

export const byCode = (a, b) => (a < b ? -1 : a > b ? 1 : 0); // the same in every locale
