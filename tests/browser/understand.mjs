// The room Understand: every slider is moved, and what is shown then is what the engine computes: the pixels on the page
// are those of the API's answers, and the picture is the command line's.
import { execFileSync, spawn } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { accessible, check, end, launch, open, settled as still, shot } from './browser.mjs';

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
const job = { prompt: 'a red apple', seed: 7, steps: 10, guidance: 7.5, sampler: 'dpmpp_2m' };
const pictured = (name, more = {}) => ({ kind: 'step', name, as: 'picture', side: 128, ...more });

// ---- What is shown ----

const part = (name) => page.locator(`#part-${name}`);
const pill = (name, text) => part(name).locator('.pills label', { hasText: text }).click();
const rgb = (locator) => locator.evaluate((canvas) => {
  const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
  return [...data].filter((_, i) => i % 4 < 3);
});
const equal = (a, b) => a.length === b.length && a.every((v, i) => v === b[i]);
// Whether it comes to hold, in a time that no slow machine needs.
async function comes(holds) {
  for (const end = Date.now() + 20000; Date.now() < end; await page.waitForTimeout(50)) if (await holds()) return true;
  return holds();
}
const shows = async (what, locator, array) => check(what, await comes(async () => equal(await rgb(locator), [...array.data])), `${array.shape.join(' x ')}`);
const slider = (name, label) => part(name).locator(`input[type=range][aria-label="${label}"]`).first();
const LONGEST = 5000;
// Moves a slider, and says after how many ms, LONGEST if never, the picture on the canvas is another one.
async function move(name, label, value, canvas) {
  const input = await slider(name, label).elementHandle(), shown = await canvas.elementHandle();
  const took = await page.evaluate(([range, picture, wanted, longest]) => new Promise((resolve) => {
    const began = performance.now(), end = () => resolve(performance.now() - began);
    new MutationObserver((_, observer) => (observer.disconnect(), end())).observe(picture, { attributeFilter: ['width'] }); // a canvas that is drawn anew gets its size anew
    setTimeout(end, longest);
    range.value = wanted;
    range.dispatchEvent(new Event('input', { bubbles: true }));
  }), [input, shown, value, LONGEST]);
  await still(part(name));
  return took;
}
async function see(name) {
  await part(name).scrollIntoViewIfNeeded();
  await page.waitForTimeout(100);
  await still(part(name));
}
// How long a new picture takes, told: the middle one of several moves, for others use this machine, too.
async function quick(what, name, label, values, canvas) {
  const times = [];
  await still(page.locator('.parts')); // nothing else is being computed
  for (const value of values) times.push(await move(name, label, value, canvas));
  const middle = [...times].sort((a, b) => a - b)[times.length >> 1];
  check(`${what}: a new picture (wanted: within 300 ms)`, middle < LONGEST, `${times.map(Math.round).join(', ')} ms`);
}

// ---- The room ----

await page.getByRole('link', { name: 'Understand' }).click();
await page.waitForSelector('.understand .hero canvas');
await still(page.locator('.hero'));
const drawn = await ask('taps', job);
await shows('the drawing is the engine’s', page.locator('.hero canvas'), drawn.arrays.picture);
const file = `${tmpdir()}/latent-understand-${process.pid}.png`;
execFileSync(process.env.LATENT, ['txt2img', '-p', job.prompt, '--seed', '7', '--steps', '10', '--cfg', '7.5', '-o', file], { stdio: 'ignore' });
const pixelsOf = (url) => page.evaluate(async (address) => {
  const image = new Image();
  image.src = address;
  await image.decode();
  const c = new OffscreenCanvas(image.width, image.height).getContext('2d');
  c.drawImage(image, 0, 0);
  return [...c.getImageData(0, 0, image.width, image.height).data].filter((_, i) => i % 4 < 3);
}, url);
check('and the command line’s', equal(await rgb(page.locator('.hero canvas')), await pixelsOf(`data:image/png;base64,${readFileSync(file, 'base64')}`)));

// ---- Noise in ----

const { colour } = await import(`data:text/javascript,${encodeURIComponent(readFileSync(new URL('../../web/figures.js', import.meta.url), 'utf8'))}`);
// A map's colours, of values from 0 to most.
const coloured = (values, most = Math.max(...values)) => ({ shape: [values.length, 3], data: Uint8ClampedArray.from([...values].flatMap((v) => colour(Math.min(Math.max(v / most, 0), 1)))) });
const near = (a, b) => a.length === b.length && a.every((v, i) => Math.abs(v - b[i]) <= 1); // values went through float32

await see('in');
const noised = part('in').locator('[data-noised] canvas');
const image = await part('in').locator('[data-noised] img').getAttribute('src');
check('it begins with the drawing', equal(await pixelsOf(image), [...drawn.arrays.picture.data]));
await quick('t', 'in', 't, steps of noise', [700, 120, 400], noised.first());
const asked = { image, timesteps: [400], seed: 7, latent: false };
await shows('x_t at once', noised.nth(0), (await ask('noise', asked)).arrays['0']);
await shows('x_t by single steps', noised.nth(1), (await ask('noise', { ...asked, chain: true })).arrays['0']);
await pill('in', 'in the latent');
await still(part('in'));
await shows('in the latent', noised.nth(0), (await ask('noise', { ...asked, latent: true })).arrays['0']);
const plan = await (await fetch(`${address}latent/v1/steps`, { method: 'POST', body: JSON.stringify({ sampler: 'ddpm', steps: 1000 }) })).json();
const abar = 1 / (1 + plan.sigmas[999 - 400] ** 2);
check('its ᾱ', (await part('in').locator('.numbers dd').first().textContent()) === abar.toFixed(4), abar.toFixed(4));
await part('in').locator('input[type=file]').setInputFiles(new URL('../../docs/emoji.png', import.meta.url).pathname);
await part('in').getByText('This is about your picture').waitFor();
await still(part('in'));
check('a picture of one’s own', !equal(await pixelsOf(await part('in').locator('[data-noised] img').getAttribute('src')), [...drawn.arrays.picture.data]));
await part('in').getByRole('button', { name: 'The drawing again' }).click();
await pill('in', 'in pixels');
await still(part('in'));

// ---- Noise out ----

await see('out');
const film = await ask('taps', { ...job, taps: ['x_t', 'x_0', 'eps'].map((name) => pictured(name)) });
const inFilm = (name, step) => film.values.find((value) => value.name === name && value.step === step).array;
const strip = part('out').locator('[data-film="0"] .film button');
check('a frame for each step', (await strip.count()) === 10);
for (const [row, name] of ['x_t', 'x_0', 'eps'].entries()) await shows(`film: ${name} of step 3`, strip.nth(2).locator('canvas').nth(row), inFilm(name, 3));
await strip.nth(2).focus();
await page.keyboard.press('Enter');
await shows('the chosen frame is in the equation', part('out').locator('[data-film="0"] .equation canvas').nth(1), inFilm('x_0', 3));
check('with its level on the curve', (await part('out').locator('[data-film="0"] figcaption').last().textContent()).includes('Step 3 of 10'));
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
await part('guide').getByText('Only at some noise levels').click();
await move('guide', 'w, guidance', 7.5, guided);

// Of the classifier that tests/browser/run has trained.
const classified = part('guide').locator('[data-classified] canvas');
await move('guide', 's, its scale', 12, classified.first());
await part('guide').getByLabel('Class y').selectOption('fish');
await page.waitForTimeout(100);
await still(part('guide'));
const toFish = await ask('taps', { ...job, classifier: 'things', class_name: 'fish', classifier_scale: 12, taps: [{ kind: 'step', name: 'gradient', ...at }] });
await shows('a classifier’s class at s', classified.first(), toFish.arrays.picture);
check('  is another picture', !equal([...toFish.arrays.picture.data], [...drawn.arrays.picture.data]));
const gradient = toFish.values[0].array, lengths = Array.from({ length: 64 }, (_, i) => Math.hypot(...Array.from({ length: gradient.shape[0] }, (_, c) => gradient.data[64 * c + i])));
check('  its gradient at each place', near(await rgb(classified.nth(1)), [...coloured(lengths).data]));
await quick('s', 'guide', 's, its scale', [3, 8, 5], classified.first());

// ---- Words ----

await see('words');
const heat = await ask('taps', { ...job, taps: [{ kind: 'heat' }, { kind: 'heat', first: 5, last: 5 }, { kind: 'attention', name: 'unet.middle_block.*', heads: true, as: 'mean' }] });
const heatOf = (tap, place) => heat.values.find((value) => value.tap === tap).array.data.subarray(64 * place, 64 * (place + 1));
const chips = part('words').locator('.tokens-list button');
check('three tokens and the start', (await chips.allTextContents()).join() === 'a320,red736,apple3055,start49406', (await chips.allTextContents()).join());
check('where “red” acts', near(await rgb(chips.nth(1).locator('canvas')), [...coloured(heatOf(0, 2)).data]));
await chips.nth(1).hover();
const most = (Math.round(1000 * Math.max(...heatOf(0, 2))) / 10).toString();
check('in numbers', (await part('words').locator('[aria-live]').textContent()).includes(`it has ${most} % of`), most);
const middle = heat.values.find(({ tap }) => tap === 2).array; // [4, 77, 4, 4]
const head = middle.data.subarray((2 * 77 + 2) * 16, (2 * 77 + 2) * 16 + 16);
check('in a head of the middle', near(await rgb(part('words').locator('.layers > div', { hasText: 'middle_block.1' }).locator('.heads canvas').nth(2)), [...coloured(head, Math.max(...head, 1e-12)).data]));
await pill('words', 'one step');
await still(part('words'));
check('in one step', near(await rgb(chips.nth(1).locator('canvas')), [...coloured(heatOf(1, 2)).data]));
await pill('words', 'all steps');
await shows('without it', part('words').locator('.cards.three canvas').nth(1), (await ask('taps', { ...job, prompt: 'a apple' })).arrays.picture);
await move('words', 'Weight of “red”', 1.5, part('words').locator('.cards.three canvas').nth(1));
check('the prompt says so', (await part('words').locator('[data-prompt]').textContent()) === 'a (red:1.5) apple');
await shows('with more of it', part('words').locator('.cards.three canvas').nth(1), (await ask('taps', { ...job, prompt: 'a (red:1.5) apple' })).arrays.picture);

// ---- The U-Net ----

await see('unet');
const seen = await ask('taps', { ...job, taps: [{ kind: 'activation', as: 'components', side: 64 }] });
const boxes = part('unet').locator('.box');
const blocks = seen.values.filter(({ step }) => step === 1);
check('a box for each block', (await boxes.count()) === blocks.length, `${blocks.length}`);
const made = (name, step) => seen.values.find((value) => value.name === name && value.step === step).array;
await boxes.nth(9).click();
await shows('what it makes', part('unet').locator(`[data-block="${blocks[9].name}"] canvas`), made(blocks[9].name, 7));
await move('unet', 'Step', 2, part('unet').locator('.block canvas').first());
await shows('at another step', part('unet').locator('.block canvas').first(), made(blocks[9].name, 2));
await boxes.nth(0).focus();
check('by keys, with its skip', (await part('unet').locator('.block code').textContent()) === blocks[0].name && (await part('unet').locator('.skip.lit').count()) === 1);

// VAE and CLIP in its place.
const floats = (array) => Buffer.from(array.buffer, array.byteOffset, array.byteLength).toString('base64');
const network = async (name, module, input, title) => {
  await pill('unet', title);
  await page.waitForTimeout(100);
  await still(part('unet'));
  const { places } = await (await fetch(`${address}latent/v1/taps?module=${module}`)).json(), { arrays } = await ask('activations', { module, ...input });
  check(`${name}: a box for each block`, places.length > 2 && (await comes(async () => (await boxes.count()) === places.length)), `${places.length}`);
  await boxes.nth(1).click();
  return { block: arrays[places[1].name], canvas: part('unet').locator(`[data-block="${places[1].name}"] canvas`) };
};
const decoder = await network('decoder', 'vae-decoder', { latents: floats(drawn.arrays.latent.data), shape: drawn.arrays.latent.shape }, 'VAE: decoder');
await shows('what the decoder’s block makes', decoder.canvas, decoder.block);
const encoder = await network('encoder', 'vae-encoder', { image }, 'VAE: encoder');
await shows('what the encoder’s makes', encoder.canvas, encoder.block);
const tower = await network('CLIP’s text', 'clip-text', { text: job.prompt }, 'CLIP: text');
await shows('what CLIP’s makes of 77 tokens, 7 x 11', tower.canvas, tower.block);
const tower2 = await network('CLIP’s picture', 'clip-image', { image }, 'CLIP: picture');
await shows('of patches, without the class token', tower2.canvas, { ...tower2.block, data: tower2.block.data.subarray(3) });

// ---- The latent ----

await see('latent');
const z = drawn.arrays.latent;
await part('latent').locator('.channels button').nth(3).click();
await move('latent', 'times', 2, part('latent').locator('[data-edited] canvas'));
const changed = Float32Array.from(z.data, (v, i) => (i >= 3 * 64 && i < 4 * 64 ? Math.fround(v * 2 + 2) : v));
await shows('an edited channel, decoded', part('latent').locator('[data-edited] canvas'), (await ask('decode', { latents: floats(changed), shape: z.shape })).arrays['0']);
const share = (key) => part('latent').locator(`[data-between="${key}"] canvas`);
const second = await ask('taps', { ...job, seed: 8 });
await shows('the other seed', share('second'), second.arrays.picture);
await move('latent', 'How far towards it', 0.25, share('latent-linear'));
const mixed = Float32Array.from(z.data, (v, i) => 0.75 * v + 0.25 * second.arrays.latent.data[i]);
await shows('latents on a line, decoded', share('latent-linear'), (await ask('decode', { latents: floats(mixed), shape: z.shape })).arrays['0']);
await move('latent', 'How far towards it', 0, share('noise-spherical'));
check('the whole way back is the first seed’s', near(await rgb(share('noise-spherical')), [...drawn.arrays.picture.data]));
const chosen = part('latent').locator('.pair .own input[type=file]');
await chosen.nth(1).setInputFiles(new URL('../../docs/emoji.png', import.meta.url).pathname);
await part('latent').locator('[data-pictures] canvas').nth(3).waitFor();
await move('latent', 'How far towards the second', 0.25, part('latent').locator('[data-pictures] canvas').nth(1));
const ownEnds = await Promise.all([0, 3].map(async (i) => (await ask('encode', { image: await part('latent').locator('[data-pictures] canvas').nth(i).evaluate((canvas) => canvas.toDataURL()) })).arrays.latent));
const ownMixed = Float32Array.from(ownEnds[0].data, (v, i) => 0.75 * v + 0.25 * ownEnds[1].data[i]);
await shows('between the drawing and one’s own picture, decoded', part('latent').locator('[data-pictures] canvas').nth(1), (await ask('decode', { latents: floats(ownMixed), shape: z.shape })).arrays['0']);
await chosen.nth(0).setInputFiles(new URL('../../docs/maps.png', import.meta.url).pathname);
await page.waitForTimeout(200);
await still(part('latent'));
check('between two of one’s own', !equal(await rgb(part('latent').locator('[data-pictures] canvas').first()), [...drawn.arrays.picture.data]));
const coded = await ask('encode', { image });
await shows('there and back', part('latent').locator('[data-loss] canvas').nth(1), coded.arrays.decoded);
const error = coded.arrays.picture.data.reduce((sum, v, i) => sum + (v - coded.arrays.decoded.data[i]) ** 2, 0) / coded.arrays.picture.data.length;
const psnr = (10 * Math.log10(65025 / error)).toFixed(1);
check('what is lost', (await part('latent').locator('[data-loss] figcaption').nth(1).textContent()).includes(`${psnr} dB`), `${psnr} dB`);

// ---- CLIP ----

await see('clip');
const urls = await part('clip').locator('.matrix img').evaluateAll((images) => images.map(({ src }) => src));
const compared = await ask('similarity', { texts: ['a red apple', 'a blue fish', 'a smiling sun', 'a house'], images: urls });
const cells = await part('clip').locator('.matrix tbody td').allTextContents();
check('cosines', cells.join() === [...compared.arrays.similarity.data].map((v) => v.toFixed(2)).join(), cells.slice(0, 4).join());
await part('clip').locator('.matrix input').first().fill('a green tree');
await part('clip').locator('.matrix input').first().blur();
await page.waitForTimeout(100);
await still(part('clip'));
check('of another text', (await part('clip').locator('.matrix tbody td').allTextContents()).join() !== cells.join());

// ---- Learning ----

await see('learn');
const stepsToLearn = part('learn').getByLabel('Steps', { exact: true }).first();
await stepsToLearn.fill('20');
await stepsToLearn.blur();
await part('learn').getByRole('button', { name: 'Train a LoRA' }).click();
const keep = part('learn').getByRole('button', { name: 'Keep the LoRA' });
await keep.waitFor({ timeout: 120000 });
const samples = part('learn').locator('[data-samples] img');
check('a sample at first, on the way, and at the end', (await samples.count()) === 6, `${await samples.count()}`); // each fourth step
check('the loss of each step', (await part('learn').locator('.plot polyline').getAttribute('points')).split(' ').length === 20);
check('the first is the drawing', equal(await pixelsOf(await samples.first().getAttribute('src')), [...drawn.arrays.picture.data]));
const [kept] = await Promise.all([page.waitForEvent('download'), keep.click()]);
const lora = `${tmpdir()}/latent-understand-${process.pid}.safetensors`;
await kept.saveAs(lora);
execFileSync(process.env.LATENT, ['txt2img', '-p', job.prompt, '--lora', lora, '--seed', '7', '--steps', '10', '-o', file], { stdio: 'ignore' });
const learned = await pixelsOf(`data:image/png;base64,${readFileSync(file, 'base64')}`);
check('the last is the command line’s with the LoRA', equal(await pixelsOf(await samples.last().getAttribute('src')), learned) && !equal(learned, [...drawn.arrays.picture.data]));

// A training by the command line, looked on from its first row to its last.
check('no training runs yet', (await part('learn').getByText('No log is there yet').count()) === 1);
const learnt = `${process.env.TRAINED}/tiny.safetensors`, pictures = `${process.env.TRAINED}/pictures`;
mkdirSync(pictures);
copyFileSync(file, `${pictures}/0.png`);
const training = spawn(process.env.LATENT, ['train', 'unet', '-d', pictures, '-o', learnt, '--size', '32', '--space', 'pixel', '--unconditional', '--width', '32', '--mult', '1,2', '--attention', '0,1', '--groups', '4', '--heads', '2',
  '-b', '4', '--steps', '400', '--sample-steps', '200', '-t', '1', '-q'], { stdio: 'ignore' });
const trained = new Promise((resolve) => training.on('exit', resolve));
const logged = part('learn').locator('[data-log="tiny.safetensors"]'), line = logged.locator('.plot polyline').first();
await line.waitFor({ timeout: 60000 });
const points = async () => (await line.getAttribute('points')).split(' ').map((point) => point.split(',').map(Number));
const early = training.exitCode === null && (await logged.locator('figcaption').first().textContent());
check('its curve is there while it runs', early && early.includes('it is running'), early || 'it had ended');
check('it ends well', (await trained) === 0);
await logged.getByText('Step 400').waitFor();
await logged.locator('[data-followed] img').nth(1).waitFor();
const rows = readFileSync(`${learnt}.jsonl`, 'utf8').trim().split('\n').map((row) => JSON.parse(row).loss);
const means = Array.from({ length: rows.length / 2 }, (_, i) => (rows[2 * i] + rows[2 * i + 1]) / 2), drawnPoints = await points();
const fallen = drawnPoints.map(([, y]) => y), [highest, lowest] = [Math.max(...means), Math.min(0, ...means)], [down, up] = [220 - 28, 12];
check('the curve is the log’s', fallen.length === 200 && fallen.every((y, i) => Math.abs(y - (down - (down - up) * (means[i] - lowest) / (highest - lowest))) < .01), `${fallen.length} points of ${rows.length} rows`);
const followed = await logged.locator('[data-followed] img').evaluateAll((images) => images.map(({ src }) => src));
check('its samples are those files', followed.length === 2 && equal(await pixelsOf(followed[1]), await pixelsOf(`data:image/png;base64,${readFileSync(`${learnt}-400.png`, 'base64')}`)));

// ---- Its source ----

await part('guide').locator('.code summary').first().click();
const sources = await page.locator('.part').evaluateAll((parts) => parts.map((one) => one.querySelectorAll('.code pre').length));
check('each part has lines of source', sources.length === 8 && sources.every((count) => count > 0), sources.join());
check('the lines that do it', (await part('guide').locator('.code pre').first().textContent()).includes('add_branch('));
await part('guide').locator('.code summary').first().click();

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
const over = await phone.page.evaluate(() => document.documentElement.scrollWidth - 360);
check('nothing is wider than a phone', over <= 0, `${over}`);
await shot(phone.page, 'understand-phone', true);
await accessible(phone.page, 'the room on a phone');

check('no error on the console', errors.length + phone.errors.length === 0, [...errors, ...phone.errors].join(' | '));
check('no request to another host', strangers.length + phone.strangers.length === 0);
await browser.close();
end();
