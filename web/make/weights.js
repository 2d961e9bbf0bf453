// Weights by keys, as A1111's page: Ctrl with up or down on a word, or on what is chosen, makes (word:1.1) of it;
// within <lora:NAME:0.8> the number is the LoRA's.

const round = (value) => Math.round(value * 100) / 100;

// <kind:name:0.8> around the place, or null.
function networkAt(text, at) {
  const open = text.lastIndexOf('<', at), close = text.indexOf('>', at - 1);
  if (open < 0 || close < 0 || text.slice(open + 1, at).includes('>')) return null;
  const match = /^<\w+:[^:>]+:(-?[\d.]+)$/.exec(text.slice(open, close));
  return match && { start: close - match[1].length, end: close, weight: Number(match[1]) };
}

// "(what:1.2)" around start and end, the innermost, or null.
function bracketAt(text, start, end) {
  let depth = 0;
  for (let open = start - 1; open >= 0; open--) {
    if (text[open] === ')') depth++;
    if (text[open] !== '(' || depth-- > 0) continue;
    const match = /^\(([^()]*):(-?[\d.]+)\)/.exec(text.slice(open));
    return match && open + match[0].length >= end ? { open, inner: match[1], weight: Number(match[2]), size: match[0].length } : null;
  }
  return null;
}

function wordAt(text, at) {
  const before = /[^\s,()[\]<>:|]*$/.exec(text.slice(0, at))[0];
  const behind = /^[^\s,()[\]<>:|]*/.exec(text.slice(at))[0];
  return [at - before.length, at + behind.length];
}

const splice = (text, from, to, put) => text.slice(0, from) + put + text.slice(to);

function reweigh(text, bracket, by) {
  const weight = round(bracket.weight + by);
  const put = weight === 1 ? bracket.inner : `(${bracket.inner}:${weight})`;
  const start = bracket.open + (weight === 1 ? 0 : 1);
  return { text: splice(text, bracket.open, bracket.open + bracket.size, put), start, end: start + bracket.inner.length };
}

// {text, start, end} as they are after a press; by: 0.1 or -0.1.
export function weigh(text, start, end, by) {
  const network = networkAt(text, start);
  if (network) {
    const put = String(round(network.weight + by / 2));
    return { text: splice(text, network.start, network.end, put), start: network.start, end: network.start + put.length };
  }
  const bracket = bracketAt(text, start, end);
  if (bracket) return reweigh(text, bracket, by);
  if (start === end) [start, end] = wordAt(text, start);
  while (end > start && text[end - 1] === ' ') end--;
  if (start === end) return { text, start, end };
  const inner = text.slice(start, end);
  return { text: splice(text, start, end, `(${inner}:${round(1 + by)})`), start: start + 1, end: start + 1 + inner.length };
}
