// What may be meant by what is being written: LoRAs behind "<lora:", LoRAs and embeddings by their names.

const named = (models, kind) => (models?.models ?? []).filter((item) => item.kind === kind && item.name).map((item) => item.name);

// The word that ends at the caret: {word, from, network}
function wordBefore(text, caret) {
  const before = text.slice(0, caret);
  const network = /<(?:lora:)?([^<>:]*)$/.exec(before);
  if (network) return { word: 'lora'.startsWith(network[1]) ? '' : network[1], from: caret - network[0].length, network: true };
  const word = /[^\s,()[\]<>:|]+$/.exec(before)?.[0] ?? '';
  return { word, from: caret - word.length, network: false };
}

const fits = (name, word) => name.toLowerCase().includes(word.toLowerCase());

// [{name, kind, put}], best first; put takes the place of text from `from` to the caret.
export function complete(text, caret, models) {
  const { word, from, network } = wordBefore(text, caret);
  if (!network && word.length < 2) return { from, found: [] };
  const loras = named(models, 'LoRA').filter((name) => fits(name, word)).map((name) => ({ name, kind: 'LoRA', put: `<lora:${name}:1>` }));
  const words = network ? [] : named(models, 'embedding').filter((name) => fits(name, word)).map((name) => ({ name, kind: 'embedding', put: name }));
  const begins = (item) => (item.name.toLowerCase().startsWith(word.toLowerCase()) ? 0 : 1);
  return { from, found: [...words, ...loras].filter((item) => item.put !== word).sort((a, b) => begins(a) - begins(b)).slice(0, 8) };
}
