// The room Make as somebody uses it: makes, cancels, paints a mask and repaints, restores from a file, searches, compares.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { accessible, check, end, launch, open, shot } from './browser.mjs';

const address = process.argv[2];
const browser = await launch();
const { context, page, errors, strangers } = await open(browser, address);
const api = async (path) => (await fetch(`${address}latent/v1/${path}`)).json();
const prompt = page.getByLabel('Prompt', { exact: true });
const makeButton = page.locator('button.make');
const finished = () => page.waitForSelector('.stage-actions:has-text("Keep seed")');
const latest = async () => (await api('jobs?limit=1')).jobs[0];
const openSection = async (name) => {
  const section = page.locator('details.section', { has: page.getByRole('heading', { name, exact: true }) });
  if (!(await section.evaluate((node) => node.open))) await section.locator('summary').first().click();
  return section;
};

// ---- The frame ----

const weight = async () => (await page.evaluate(() => performance.getEntriesByType('resource').filter((e) => e.name.includes('/page/')).reduce((sum, e) => sum + e.decodedBodySize, 0)));
check('under 300 KB', (await weight()) > 0 && (await weight()) < 300000, `${Math.round((await weight()) / 1000)} KB`);
const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime);
check('painted', paint > 0, `${Math.round(paint)} ms`);
const again = await fetch(`${address}page/style.css`);
const known = await fetch(`${address}page/style.css`, { headers: { 'If-None-Match': again.headers.get('etag') } });
check('what is known is not sent again', known.status === 304);
const policy = (await fetch(address)).headers.get('content-security-policy');
check('a policy without inline', policy.includes("default-src 'none'") && !policy.includes('unsafe'));
await shot(page, 'empty-light');
await accessible(page, 'empty page');

// ---- A picture ----

await prompt.fill('a red apple');
await page.waitForFunction(() => document.querySelector('.tokens')?.textContent.startsWith('3/'));
check('tokens are counted', true);
const began = Date.now();
await prompt.press('Control+Enter');
await page.waitForSelector('.live img.main-picture[alt^="Preview"]');
check('a preview while it is drawn', true, `${Date.now() - began} ms`);
await shot(page, 'drawing-light');
await finished();
check('a picture', true, `${Date.now() - began} ms`);
const first = await latest();
check('as the store has it', first.job.prompt === 'a red apple' && first.pictures.length === 1);
await page.waitForSelector('.tiles .tile');
check('it is in the gallery', (await page.locator('.tiles .tile').count()) === 1);

await page.getByRole('button', { name: 'Keep seed' }).click();
check('its seed is kept', (await page.getByLabel('Seed', { exact: true }).inputValue()) === first.pictures[0].seed);
await makeButton.click();
await page.waitForFunction(() => document.querySelectorAll('.tiles .tile').length === 2);
const bytes = async (url) => Buffer.from(await (await fetch(new URL(url, address))).arrayBuffer());
const second = await latest();
check('the same seed, the same picture', (await bytes(first.pictures[0].url)).equals(await bytes(second.pictures[0].url)));

// ---- Weights and names by keys ----

await prompt.fill('a red apple');
await prompt.evaluate((area) => area.setSelectionRange(3, 3));
await prompt.press('Control+ArrowUp');
await page.waitForFunction(() => document.querySelector('textarea').value === 'a (red:1.1) apple');
await prompt.press('Control+ArrowUp');
await page.waitForFunction(() => document.querySelector('textarea').value === 'a (red:1.2) apple');
await prompt.press('Control+ArrowDown');
await prompt.press('Control+ArrowDown');
check('weights by Ctrl and arrows', (await page.waitForFunction(() => document.querySelector('textarea').value === 'a red apple')) !== null);

// ---- Cancelling ----

const steps = page.getByLabel('Steps', { exact: true }).first();
await steps.fill('150');
await steps.blur();
await makeButton.click();
await page.waitForSelector('.progress:has-text("step")');
const stopped = Date.now();
await page.getByRole('button', { name: 'Cancel' }).click();
await page.waitForSelector('.veil.cancelled');
const cancelled = await latest();
check('cancelled', cancelled.state === 'cancelled', `${Date.now() - stopped} ms`);
await steps.fill('12');
await steps.blur();

// ---- Several, and the queue ----

await page.locator('.pills label', { hasText: '4' }).click();
for (let i = 0; i < 3; i++) await makeButton.click();
await page.waitForSelector('.queue li >> nth=1');
check('what waits is shown', true);
await shot(page, 'queue-light');
await page.waitForFunction(() => document.querySelectorAll('.tiles .tile').length === 14, null, { timeout: 120000 });
check('all of it is drawn', true);
await page.locator('.thumbs .tile').nth(2).click();
await page.locator('.pills label', { hasText: '1' }).click();
await shot(page, 'done-light', true);
await accessible(page, 'pictures');

// ---- A mask ----

await page.getByRole('button', { name: 'Change it' }).click();
const input = await openSection('Start from a picture');
await input.getByRole('button', { name: 'Paint a mask' }).last().click();
const canvas = page.locator('.painter canvas');
await page.waitForTimeout(300);
const box = await canvas.boundingBox();
const at = (x, y) => [box.x + box.width * x, box.y + box.height * y];
await page.mouse.move(...at(0.45, 0.35));
await page.mouse.down();
await page.mouse.move(...at(0.55, 0.45), { steps: 8 });
await page.mouse.move(...at(0.45, 0.55), { steps: 8 });
await page.mouse.up();
const share = async () => Number(/\d+/.exec(await page.locator('dialog output').textContent())[0]);
const painted = await share();
check('the brush paints', painted > 2 && painted < 60, `${painted} %`);
await shot(page, 'mask-light');
await accessible(page, 'mask editor');
await page.keyboard.press('Control+z');
await page.waitForFunction(() => /\b0 %/.test(document.querySelector('dialog output').textContent));
await page.keyboard.press('Control+Shift+Z');
await page.waitForFunction((n) => document.querySelector('dialog output').textContent.includes(String(n)), painted);
check('undo and redo', true);
await page.keyboard.press('e');
await page.mouse.move(...at(0.5, 0.4));
await page.mouse.down();
await page.mouse.up();
await page.waitForFunction((n) => Number(/\d+/.exec(document.querySelector('dialog output').textContent)[0]) < n, painted);
check('the eraser rubs out', true);
await page.keyboard.press('Control+z');
await page.mouse.wheel(0, -400);
await canvas.focus();
await page.keyboard.press('b');
await page.keyboard.press('ArrowDown');
await page.keyboard.press('Space');
check('keys paint too', (await share()) >= painted);
await page.keyboard.press('Control+z');
await page.getByRole('button', { name: 'Use this mask' }).click();
await prompt.fill('a blue star');
const before = (await latest()).number;
await makeButton.click();
await page.waitForFunction(() => document.querySelectorAll('.tiles .tile').length === 15, null, { timeout: 60000 });
const repainted = await latest();
const asked = await api(`jobs/${repainted.id}/request`);
check('repainted with the mask', repainted.number > before && asked.mask?.startsWith('data:image/png') && asked.image?.startsWith('data:'));

// What was not masked is as it was: compared in the page, corner by corner.
const differs = await page.evaluate(async ({ a, b, mask }) => {
  const pixels = async (url) => {
    const image = new Image();
    image.src = url;
    await image.decode();
    const c = new OffscreenCanvas(image.width, image.height).getContext('2d');
    c.drawImage(image, 0, 0);
    return c.getImageData(0, 0, image.width, image.height).data;
  };
  const [x, y, m] = await Promise.all([pixels(a), pixels(b), pixels(mask)]);
  let inside = 0, outside = 0, insideCount = 0, outsideCount = 0;
  for (let i = 0; i < x.length; i += 4) {
    const by = Math.abs(x[i] - y[i]) + Math.abs(x[i + 1] - y[i + 1]) + Math.abs(x[i + 2] - y[i + 2]);
    if (m[i] > 250) (inside += by), insideCount++;
    if (m[i] < 5) (outside += by), outsideCount++;
  }
  return { inside: inside / insideCount, outside: outside / outsideCount };
}, { a: asked.image, b: new URL(repainted.pictures[0].url, address).href, mask: asked.mask });
check('it changed under the mask, and little elsewhere', differs.inside > 2 * differs.outside, `${differs.inside.toFixed(1)} against ${differs.outside.toFixed(1)}`);
await shot(page, 'inpaint-light', true);

// ---- A larger canvas ----

await input.getByText('Enlarge the canvas').click();
await input.getByLabel('Right', { exact: true }).first().fill('32');
await input.getByLabel('Right', { exact: true }).first().blur();
await makeButton.click();
await page.waitForFunction(() => document.querySelectorAll('.tiles .tile').length === 16, null, { timeout: 60000 });
const wide = (await latest()).pictures[0];
check('outpainted: wider by so much', wide.width > wide.height, `${wide.width} x ${wide.height}`);
await input.getByRole('button', { name: 'Start from nothing' }).click();

// ---- Settings from a file ----

const file = `${tmpdir()}/latent-browser-${process.pid}.png`;
execFileSync(process.env.LATENT, ['txt2img', '-p', 'a (green:1.3) tree', '-n', 'snow', '--seed', '4242', '--steps', '7', '--cfg', '5.5', '--sampler', 'euler_a', '-o', file], { stdio: 'ignore' });
await page.locator('.foot input[type=file]').setInputFiles(file);
await page.waitForFunction(() => document.querySelector('textarea').value === 'a (green:1.3) tree');
const value = (label) => page.getByLabel(label, { exact: true }).first().inputValue();
await openSection('Sampling');
const restored = [await value('Leave out'), await value('Steps'), await value('Guidance'), await value('Seed'), await value('Sampler')];
check('a picture of the command line restores its settings', restored.join() === 'snow,7,5.5,4242,euler_a', restored.join());
await makeButton.click();
await page.waitForFunction(() => document.querySelectorAll('.tiles .tile').length === 17, null, { timeout: 60000 });
check('and is drawn again, byte for byte', (await bytes((await latest()).pictures[0].url)).equals(readFileSync(file)));
const a1111 = await fetch(`${address}latent/v1/parameters?text=1`, { method: 'POST', body: 'a castle\nNegative prompt: fog\nSteps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6, Seed: 77, Size: 64x64, Model hash: 0123456789, Model: other, Clip skip: 2, Version: v1.10.1' }).then((r) => r.json());
check('a text by A1111 is read', a1111.job.prompt === 'a castle' && a1111.job.clip_skip === 2 && a1111.job.steps === 25 && a1111.job.seed === 77, JSON.stringify(a1111.job));
const plain = `${tmpdir()}/latent-browser-plain-${process.pid}.png`;
writeFileSync(plain, await page.evaluate(async () => {
  const c = document.createElement('canvas');
  return (await (await new Promise((r) => c.toBlob(r))).arrayBuffer().then((b) => [...new Uint8Array(b)]));
}).then((list) => Buffer.from(list)));
await page.locator('.foot input[type=file]').setInputFiles(plain);
await page.waitForSelector('.message.bad:has-text("no settings")');
errors.splice(0, errors.length, ...errors.filter((text) => !text.includes('404'))); // the browser's own note of that answer
check('one without settings says so', true);

// ---- A grid ----

const grid = await openSection('Grid');
await grid.getByText('Compare values side by side').click();
await grid.getByLabel('Values', { exact: true }).first().fill('2, 4, 8');
await grid.getByLabel('Down', { exact: true }).selectOption('guidance');
await grid.getByLabel('Values', { exact: true }).last().fill('1-7 (+6)');
await makeButton.click();
await page.waitForFunction(() => document.querySelectorAll('.grid-scroll td img').length === 6, null, { timeout: 60000 });
check('a grid of six', (await page.locator('.grid-scroll th').allTextContents()).join().includes('Steps: 8'));
await page.waitForTimeout(300);
await shot(page, 'grid-light');
await accessible(page, 'grid');
const [saved] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Save as one picture' }).click()]);
check('is saved as one picture', saved.suggestedFilename() === 'grid.png');
await grid.getByText('Compare values side by side').click();

// ---- The gallery ----

const tiles = await page.locator('.tiles .tile').count();
await page.getByLabel('Search prompts and settings').fill('blue star');
await page.waitForFunction((n) => document.querySelectorAll('.tiles .tile').length < n, tiles);
check('searched by words', (await page.locator('.tiles .tile').count()) === 2);
await page.getByRole('button', { name: 'Compare' }).click();
await page.locator('.tiles .tile').nth(0).click();
await page.locator('.tiles .tile').nth(1).click();
await page.waitForSelector('.compare');
await page.locator('.compare-slider').fill('30');
check('two compared by a slider', (await page.locator('.compare img').nth(1).evaluate((node) => node.style.clipPath)).includes('70%'));
await shot(page, 'compare-light');
await accessible(page, 'compare');
await page.keyboard.press('Escape');
await page.waitForSelector('dialog', { state: 'detached' });
await page.locator('.tiles .tile').first().click();
await page.waitForSelector('.viewer');
await shot(page, 'viewer-light');
await accessible(page, 'viewer');
await page.getByRole('button', { name: 'Delete' }).click();
await page.getByRole('button', { name: 'Really delete?' }).click();
await page.waitForSelector('dialog', { state: 'detached' });
check('deleted', (await page.locator('.tiles .tile').count()) === 1);
await page.locator('.tiles .tile').first().click();
await page.getByRole('button', { name: 'Use its settings' }).click();
await page.waitForSelector('dialog', { state: 'detached' }); // once they are
check('its settings are used again', (await prompt.inputValue()) === 'a blue star');
await page.locator('.tiles .tile').first().click();
const small = await page.locator('.viewer img').evaluate((node) => node.naturalWidth);
await page.getByRole('button', { name: 'Enlarge' }).click();
await page.waitForFunction((width) => document.querySelector('.tiles .tile img')?.naturalWidth === 2 * width, small);
check('enlarged by an upscaler', (await latest()).job.kind === 'upscale');
const { id: two } = await (await fetch(`${address}latent/v1/jobs`, { method: 'POST', body: JSON.stringify({ prompt: 'two boats', count: 2, steps: 2 }) })).json();
while ((await api(`jobs/${two}`)).state !== 'done') await page.waitForTimeout(50);
await page.getByLabel('Search prompts and settings').fill('two boats');
await page.waitForFunction(() => document.querySelectorAll('.tiles .tile[title="two boats"]').length === 2);
await page.locator('.tiles .tile').first().click();
await page.getByRole('button', { name: 'Delete' }).click();
await page.getByRole('button', { name: 'Really delete?' }).click();
await page.waitForSelector('dialog', { state: 'detached' });
const left = [await page.locator('.tiles .tile').count(), (await api(`jobs/${two}/pictures`)).pictures.length];
check('one of two is deleted', left.join() === '1,1', left.join());
await page.getByLabel('Search prompts and settings').fill('');

// ---- Earlier prompts, language, dark, small ----

await page.getByRole('button', { name: 'Earlier prompts' }).click();
await page.locator('dialog .row-button', { hasText: 'a (green:1.3) tree' }).click();
check('an earlier prompt', (await prompt.inputValue()) === 'a (green:1.3) tree');
await page.getByRole('button', { name: 'Dark colours' }).click();
await makeButton.click();
await page.waitForTimeout(200);
await finished();
await shot(page, 'done-dark');
await accessible(page, 'dark');
await page.getByLabel('Language').selectOption('de');
await page.waitForSelector('button.make:has-text("malen")');
check('the form is as it was', (await page.locator('textarea').first().inputValue()) === 'a (green:1.3) tree');
check('in German', (await page.evaluate(() => document.documentElement.lang)) === 'de');
await shot(page, 'german-dark');
await context.close();

for (const [name, colorScheme] of [['light', 'light'], ['dark', 'dark']]) {
  const phone = await open(browser, address, { viewport: { width: 360, height: 780 }, colorScheme, deviceScaleFactor: 2, hasTouch: true, isMobile: true });
  await phone.page.getByLabel('Prompt', { exact: true }).fill('a smiling sun');
  await phone.page.locator('button.make').click();
  await phone.page.waitForSelector('.stage-actions');
  await phone.page.waitForTimeout(400);
  const over = await phone.page.evaluate(() => document.documentElement.scrollWidth - 360);
  check(`nothing is wider than a phone: ${name}`, over <= 0, `${over}`);
  await shot(phone.page, `phone-${name}`);
  await shot(phone.page, `phone-${name}-whole`, true);
  await accessible(phone.page, `phone, ${name}`);
  errors.push(...phone.errors);
  strangers.push(...phone.strangers);
  await phone.context.close();
}
const large = await open(browser, address, { viewport: { width: 2560, height: 1400 } });
await large.page.waitForSelector('.tiles .tile');
await shot(large.page, 'large-light');
errors.push(...large.errors);
strangers.push(...large.strangers);

check('no error on the console', errors.length === 0, errors.join(' | '));
check('no request to another host', strangers.length === 0, strangers.join(' '));
await browser.close();
end();
