"use strict";
const D = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id);
const F = D.frames, last = F.length - 1;
const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
const state = { frame: last, word: Math.max(0, D.words.tokens.length - 1), mode: "mean", block: 0 };
document.documentElement.style.setProperty("--shape", D.width + " / " + D.height);

/* ---- Small things ---- */

function element(tag, attributes = {}, ...children) {
  const e = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) name in e && name !== "style" ? e[name] = value : e.setAttribute(name, value);
  e.append(...children);
  return e;
}
const html = text => { const t = document.createElement("template"); t.innerHTML = text; return t.content; };
const picture = (src, alt) => element("img", { src: src || "", alt });
const captioned = (content, caption) => element("figure", {}, content, element("figcaption", {}, html(caption)));

/* ---- Maps ---- */

const unpacked = new Map();
function bytes(map) {
  if (!unpacked.has(map)) unpacked.set(map, Uint8Array.from(atob(map.data), c => c.charCodeAt(0)));
  return unpacked.get(map);
}
/* Plane i of a map. */
function paint(canvas, map, i, over) {
  if (!map) return;
  const n = map.h * map.w;
  paintMap(canvas, Array.from(bytes(map).subarray(i * n, (i + 1) * n), v => v / 255), map.h, map.w, { over });
}

/* ---- The drawing ---- */

$("picture").src = $("under").src = D.image;
$("picture").alt = D.prompt;
$("prompt").textContent = D.prompt ? "“" + D.prompt + "”" : "a picture without words";
$("negative").textContent = D.negative ? "but not “" + D.negative + "”" : "";
document.title = (D.prompt || "A picture") + " – how it came about";
const facts = [["model", D.model], ["size", D.width + "×" + D.height], ["latent", D.latent.join("×")], ["sampler", D.sampler], ["steps", D.sigmas.length],
  ["w", D.guidance], ["seed", D.seed], ["the U-Net predicts", D.prediction === "v" ? "v" : "ε"], ["numbers", D.precision]];
$("facts").append(...facts.map(([name, value]) => element("li", {}, name + " ", element("b", {}, String(value)))));
$("made").textContent = "Made by latent " + D.version + ". " + D.parameters.split("\n").slice(-1)[0];

/* ---- 1: noise out ---- */

const number = () => element("span", { className: "num" });
const forward = { x: picture("", "x_t"), x0: picture("", "estimate of x_0"), eps: picture("", "predicted noise"), a: number(), b: number() };
$("forward").append(captioned(forward.x, "<i>x<sub>t</sub></i>"), "=", forward.a, captioned(forward.x0, "<i>x̂</i><sub>0</sub>"), "+", forward.b, captioned(forward.eps, "<i>ε</i>"));
const film = F.map((f, i) => element("button", { type: "button", ariaLabel: "Step " + f.step, onclick: () => go(i) },
  picture(f.x, ""), picture(f.x0, ""), picture(f.eps, ""), element("small", {}, String(f.step))));
$("film").append(element("div", { className: "names" }, element("span", {}, html("x<sub>t</sub>")), element("span", {}, html("x̂<sub>0</sub>")), element("span", {}, "ε")), ...film);

const onCurve = plot($("curve"), [{ xs: D.sigmas.map((_, i) => i + 1), ys: D.sigmas, name: "σ" }], { logarithmic: true });

/* ---- 2: guidance ---- */

const guides = F.some(f => f.epsWith);
const g = { eps: picture("", "guided prediction"), without: picture("", "prediction without the prompt"), again: picture("", "prediction without the prompt"),
  with: picture("", "prediction with the prompt"), x0Without: picture("", "estimate without the prompt"), x0With: picture("", "estimate with the prompt"),
  x0: picture("", "guided estimate"), base: picture("", ""), difference: element("canvas", { ariaHidden: "true" }) };
let onDistance = () => {};
if (guides) {
  const paren = p => element("span", { className: "paren" }, p), none = "<i>ε</i><sub>∅</sub>";
  $("guided").append(captioned(g.eps, "<i>ε</i>"), "=", captioned(g.without, none), "+", element("span", {}, html("<b>" + D.guidance + "</b> ·")), paren("("),
    captioned(g.with, "<i>ε<sub>p</sub></i>"), "−", captioned(g.again, none), paren(")"));
  $("estimates").append(captioned(g.x0Without, "<i>x̂</i><sub>0</sub> of <i>ε</i><sub>∅</sub>, without the prompt"), captioned(g.x0With, "of <i>ε<sub>p</sub></i>, with it"),
    captioned(g.x0, "of <i>ε</i>, guided"), captioned(element("div", { className: "stage" }, g.base, g.difference), "‖<i>ε<sub>p</sub></i> − <i>ε</i><sub>∅</sub>‖"));
  const with2 = F.filter(f => f.epsWith);
  const move = plot($("distance"), [{ xs: with2.map(f => f.step), ys: with2.map(f => f.distance), name: "‖ε_p − ε_∅‖" }]);
  onDistance = move;
} else $("guidance").replaceChildren($("h2"), element("p", {}, "This picture was drawn without guidance: the U-Net was asked once a step."));

/* ---- 3: words ---- */

const W = D.words, tokens = [...W.tokens, { text: "start", id: 49406, place: 0, weight: 1, start: true }];
const layerName = name => name.replace(/^unet\./, "").replace(/\.transformer_blocks\.(\d+)\.attn2$/, (_, n) => n === "0" ? "" : " block " + n);
function listWords() {
  const chips = tokens.map((token, i) => {
    const mini = element("canvas", { ariaHidden: "true" });
    paint(mini, W.mean, i, false);
    const choose = () => { state.word = i; showWords(); };
    return element("button", { type: "button", onclick: choose, onmouseenter: choose, onfocus: choose }, mini,
      element("span", {}, token.start ? html("<i>start</i>") : token.text), element("small", {}, String(token.id)));
  });
  $("tokens").append(...chips);
  const layers = W.layers.map(layer => {
    const whole = element("canvas"), heads = layer.heads.map(() => element("canvas"));
    $("layers").append(element("div", {}, layerName(layer.name) + ", " + layer.h + "×" + layer.w + ", " + heads.length + " heads",
      element("div", { className: "maps" }, whole, element("div", { className: "heads" }, ...heads))));
    return { layer, whole, heads };
  });
  for (const button of document.querySelectorAll(".switch button"))
    button.onclick = () => { state.mode = button.dataset.mode; showWords(); };
  return { chips, layers };
}
const words = W.mean ? listWords() : null;
if (!words) $("words").replaceChildren($("h3"), element("p", {}, "This model reads no words."));
function showWords() {
  if (!words) return;
  const i = state.word, token = tokens[i], map = state.mode === "mean" ? W.mean : W.steps[state.frame] || W.mean;
  words.chips.forEach((chip, k) => chip.setAttribute("aria-pressed", k === i));
  for (const button of document.querySelectorAll(".switch button")) button.setAttribute("aria-pressed", button.dataset.mode === state.mode);
  $("under").src = state.mode === "mean" ? D.image : F[state.frame].x0;
  paint($("heat"), map, i, true);
  for (const l of words.layers) {
    paint(l.whole, l.layer.mean, i, false);
    l.heads.forEach((canvas, k) => paint(canvas, l.layer.heads[k], i, false));
  }
  const most = (100 * map.most[i]).toPrecision(2) + " %", when = state.mode === "mean" ? "over all steps" : "in step " + F[state.frame].step;
  $("about").textContent = token.start
    ? `The start token (id ${token.id}) says nothing of its own: what a place does not want from the words it takes from here, up to ${most} ${when}.`
    : `“${token.text}” is token ${token.id}, number ${token.place} of 77${token.weight !== 1 ? ", weighed " + token.weight : ""}. Where it is brightest it has ${most} of the attention ${when}.`;
}

/* ---- 4: the U-Net ---- */

const B = D.blocks, time = B.reduce((s, b) => s + b.seconds, 0), flop = B.reduce((s, b) => s + b.flop, 0), parameters = B.reduce((s, b) => s + b.parameters, 0);
const pictureOf = b => b.pictures[Math.min(Math.round(state.frame / D.activationsEvery), b.pictures.length - 1)];
const unet = drawUnet($("unet"), B, { time: "share of the time", label: b => b.what + " " + b.name + ", " + b.shape.join(" by ") },
  i => { state.block = i; showBlock(); });
state.block = Math.max(0, B.map(b => b.what).lastIndexOf("transformer"));
function showBlock() {
  const b = B[state.block], i = state.block;
  unet.places.forEach((p, k) => p.box.classList.toggle("chosen", k === i));
  for (const a of unet.arcs) a.path.classList.toggle("lit", a.from === i || a.target === i);
  const goes = B.filter(o => o.beside === b.name).map(o => o.name);
  const rows = [["makes", b.shape[0] + " channels of " + b.shape[1] + "×" + b.shape[2]], ["parameters", short(b.parameters) + ", " + percent(b.parameters, parameters)],
    ["cost", short(b.flop) + "FLOP, " + percent(b.flop, flop)], ["time", percent(b.seconds, time)]];
  if (b.beside) rows.push(["skip from", b.beside]);
  if (goes.length) rows.push(["skip to", goes.join(", ")]);
  const strip = element("div", { className: "strip" }, ...b.pictures.map((src, k) => {
    const image = picture(src, "step " + F[k * D.activationsEvery].step);
    image.className = src === pictureOf(b) ? "lit" : "";
    return image;
  }));
  $("block").replaceChildren(picture(pictureOf(b), "What the block makes"), element("div", {}, element("b", {}, b.what + " "), element("code", {}, b.name),
    element("dl", {}, ...rows.flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)])), strip));
}

/* ---- A step ---- */

function show() {
  const f = F[state.frame];
  $("step").value = state.frame;
  $("step").setAttribute("aria-valuetext", "step " + f.step);
  $("now").textContent = `step ${f.step} of ${D.sigmas.length} · t ${Math.round(f.t)} · σ ${f.sigma.toPrecision(3)}`;
  forward.x.src = f.x;
  forward.x0.src = f.x0;
  forward.eps.src = f.eps;
  forward.a.textContent = Math.sqrt(f.abar).toFixed(3) + " ·";
  forward.b.textContent = Math.sqrt(1 - f.abar).toFixed(3) + " ·";
  film.forEach((button, i) => button.setAttribute("aria-current", i === state.frame));
  onCurve(f.step);
  if (guides) {
    g.eps.src = f.eps;
    g.without.src = g.again.src = f.epsWithout || f.eps;
    g.with.src = f.epsWith || f.eps;
    g.x0Without.src = f.x0Without || f.x0;
    g.x0With.src = f.x0With || f.x0;
    g.x0.src = g.base.src = f.x0;
    paint(g.difference, f.difference, 0, true);
    onDistance(f.step);
  }
  if (words && state.mode === "step") showWords();
  unet.places.forEach((p, i) => p.image.setAttribute("href", pictureOf(B[i]) || ""));
  showBlock();
}
function go(frame) {
  state.frame = Math.max(0, Math.min(last, frame));
  show();
}
let playing = 0;
function play() {
  if (playing) clearInterval(playing), playing = 0;
  else {
    if (state.frame === last) go(0);
    playing = setInterval(() => { go(state.frame + 1); if (state.frame === last) play(); }, still ? 1200 : 350);
  }
  $("play").textContent = playing ? "❚❚" : "▶";
  $("play").setAttribute("aria-label", playing ? "Stop" : "Play the steps");
}
$("step").max = last;
$("step").oninput = () => go(+$("step").value);
$("play").onclick = play;
$("theme").onclick = () => {
  const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
};
addEventListener("keydown", event => {
  if (event.target.matches("input, textarea") || event.altKey || event.ctrlKey || event.metaKey) return;
  if (event.key === "ArrowLeft") go(state.frame - 1);
  else if (event.key === "ArrowRight") go(state.frame + 1);
  else if ((event.key === "Enter" || event.key === " ") && event.target.matches(".box")) { event.preventDefault(); event.target.onclick(); }
});
go(Math.floor(last * .45));
showWords();
