// The room Understand: every slider is moved, and what is shown then is what the engine computes: the pixels on the page
// are those of the API's answers, and the picture is the command line's.
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { accessible, check, end, launch, open, shot } from './browser.mjs';

const address = process.argv[2];
const browser = await launch();
const { context, page, errors, strangers } = await open(browser, address);

// ---- The engine's numbers ----

function readArrays(bytes) {
  const size = Number(bytes.readBigUInt64LE(0)), { __metadata__: told = {}, ...header } = JSON.parse(bytes.subarray(8, 8 + size));
  const arrays = Object.fromEntries(Object.entries(header).map(([name, { dtype, shape, data_offsets: [a, b] }]) => {
    const data = Uint8Array.from(bytes.subarray(8 + size + a, 8 + size + b));
    return [name, { shape, data: dtype === 'F32' ? new Float32Array(data.buffer) : data }];
  }));
  const values = told.values ? JSON.parse(told.values) : [];
  return { arrays, values: values.map((value, i) => ({ ...value, array: arrays[`${i}.${value.name}`] })) };
}
async function ask(path, body) {
  const answer = await fetch(`${address}latent/v1/${path}`, { method: 'POST', body: JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${await answer.text()}`);
  return readArrays(Buffer.from(await answer.arrayBuffer()));
}
const job = { prompt: 'a red apple', seed: 7, steps: 12, guidance: 7.5, sampler: 'dpmpp_2m' };
const pictured = (name, more = {}) => ({ kind: 'step', name, as: 'picture', side: 128, ...more });

// ---- What is shown ----

const part = (name) => page.locator(`#part-${name}`);
const rgb = (locator) => locator.evaluate((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [...data].filter((_, i) => i % 4 < 3);
});
const still = (locator) => locator.evaluate((node) => new Promise((resolve) => {
  const look = () => (node.querySelector('.slot, [aria-busy=true]') ? setTimeout(look, 20) : resolve());
  setTimeout(look, 60);
}));
const equal = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);
async function shows(what, locator, array) {
  const pixels = await rgb(locator);
  check(what, equal(pixels, [...array.data]), `${array.shape.join(' x ')}`);
}
const slider = (name, label) => part(name).locator(`input[type=range][aria-label="${label}"]`).first();
// Moves a slider, and says after how many ms the picture on the canvas is another one.
async function move(name, label, value, canvas) {
  const input = await slider(name, label).elementHandle(), shown = await canvas.elementHandle();
  const took = await page.evaluate(([range, picture, wanted]) => new Promise((resolve) => {
    const before = picture.toDataURL(), began = performance.now();
    range.value = wanted;
    range.dispatchEvent(new Event('input', { bubbles: true }));
    const look = () => (picture.toDataURL() !== before || performance.now() - began > 5000 ? resolve(performance.now() - began) : requestAnimationFrame(look));
    requestAnimationFrame(look);
  }), [input, shown, value]);
  await still(part(name));
  return took;
}
async function see(name) {
  await part(name).scrollIntoViewIfNeeded();
  await page.waitForTimeout(100);
  await still(part(name));
}
// The measure, on the default model: by the middle one of several moves, for others use this machine, too.
async function quick(what, name, label, values, canvas) {
  const times = [];
  for (const value of values) times.push(await move(name, label, value, canvas));
  const middle = [...times].sort((a, b) => a - b)[times.length >> 1];
  check(`${what}: a new picture in under 0.3 s`, middle < 300, `${times.map(Math.round).join(', ')} ms`);
}

// ---- The room ----

await page.getByRole('link', { name: 'Understand' }).click();
await page.waitForSelector('.understand .hero canvas');
await still(page.locator('.hero'));
const drawn = await ask('taps', job);
await shows('the drawing is the engine’s', page.locator('.hero canvas'), drawn.arrays.picture);
const file = `${tmpdir()}/latent-understand-${process.pid}.png`;
execFileSync(process.env.LATENT, ['txt2img', '-p', job.prompt, '--seed', '7', '--steps', '12', '--cfg', '7.5', '-o', file], { stdio: 'ignore' });
const pixelsOf = (url) => page.evaluate(async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const c = new OffscreenCanvas(image.width, image.height).getContext('2d');
  c.drawImage(image, 0, 0);
  return [...c.getImageData(0, 0, image.width, image.height).data].filter((_, i) => i % 4 < 3);
}, url);
check('and the command line’s', equal(await rgb(page.locator('.hero canvas')), await pixelsOf(`data:image/png;base64,${readFileSync(file, 'base64')}`)));

// ---- Noise out ----

await see('out');
const film = await ask('taps', { ...job, taps: ['x_t', 'x_0', 'eps'].map((name) => pictured(name)) });
const inFilm = (name, step) => film.values.find((value) => value.name === name && value.step === step).array;
const strip = part('out').locator('[data-film="0"] .film button');
check('a frame for each step', (await strip.count()) === 12);
for (const [row, name] of ['x_t', 'x_0', 'eps'].entries()) await shows(`film: ${name} of step 3`, strip.nth(2).locator('canvas').nth(row), inFilm(name, 3));
await strip.nth(2).focus();
await page.keyboard.press('Enter');
await shows('the chosen frame is in the equation', part('out').locator('[data-film="0"] .equation canvas').nth(1), inFilm('x_0', 3));
check('with its level on the curve', (await part('out').locator('[data-film="0"] figcaption').last().textContent()).includes('Step 3 of 12'));
const other = await ask('taps', { ...job, sampler: 'euler_a' });
await shows('the other sampler’s picture', part('out').locator('[data-film="1"] .result canvas'), other.arrays.picture);
await move('out', 'Steps', 4, part('out').locator('[data-film="0"] .result canvas'));
check('fewer steps, fewer frames', (await strip.count()) === 4);

// ---- Guidance ----

await see('guide');
const guided = part('guide').locator('[data-guided] canvas');
await quick('w', 'guide', 'w, guidance', [11, 5, 3.5], guided);
const at = { first: 5, last: 5 };
const three = await ask('taps', { ...job, guidance: 3.5, taps: [pictured('eps.branch', at), pictured('eps', at)] });
await shows('the picture at w', guided, three.arrays.picture);
const terms = part('guide').locator('[data-terms] canvas');
await shows('its ε', terms.nth(0), three.values.find(({ name }) => name === 'eps').array);
await shows('ε without the prompt', terms.nth(1), three.values.find(({ name, negative }) => name === 'eps.branch' && negative).array);
await shows('ε with it', terms.nth(2), three.values.find(({ name, negative }) => name === 'eps.branch' && !negative).array);
await part('guide').getByText('Only at some noise levels').click();
await still(part('guide'));
await shows('an interval', guided, (await ask('taps', { ...job, guidance: 3.5, guidance_interval: [1, 8] })).arrays.picture);
await move('guide', 'w, guidance', 1, guided);
check('w = 1 asks once', (await part('guide').locator('[data-terms]').count()) === 0);

// ---- All of it ----

await accessible(page, 'the room');
await page.evaluate(() => scrollTo(0, 0));
await shot(page, 'understand-light', true);
const weight = await page.evaluate(() => performance.getEntriesByType('resource').filter((e) => e.name.includes('/page/')).reduce((sum, e) => sum + e.decodedBodySize, 0));
check('both rooms under 300 KB', weight > 0 && weight < 300000, `${Math.round(weight / 1000)} KB`);
await page.getByRole('button', { name: 'Dark colours' }).click();
await page.waitForTimeout(300);
await shot(page, 'understand-dark', true);
await accessible(page, 'the room, dark');
await page.getByLabel('Language').selectOption('de');
await page.waitForSelector('h1:has-text("Wie ein Bild entsteht")');
check('in German', true);
await context.close();

const phone = await open(browser, address, { hash: '#understand', viewport: { width: 360, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true });
for (const one of await phone.page.locator('.part').all()) {
  await one.scrollIntoViewIfNeeded();
  await phone.page.waitForTimeout(200);
  await still(one);
}
const over = await phone.page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
check('nothing is wider than a phone', over <= 0, `${over}`);
await shot(phone.page, 'understand-phone', true);
await accessible(phone.page, 'the room on a phone');

check('no error on the console', errors.length + phone.errors.length === 0, [...errors, ...phone.errors].join(' | '));
check('no request to another host', strangers.length + phone.strangers.length === 0);
await browser.close();
end();
