// Pictures of both rooms for the docs, light and dark, wide and on a phone: tests/browser/run PROGRAM FOLDER shots writes
// them anew to docs/screens. All seeds are given, so that they change with the page alone.
import { mkdirSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { check, end, launch, open, settled } from './browser.mjs';

const address = process.argv[2], folder = fileURLToPath(new URL('../../docs/screens/', import.meta.url)), MOST = 150000;
const WIDE = { viewport: { width: 1280, height: 1030 } }, PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1.5, hasTouch: true, isMobile: true };
const THINGS = ['a house', 'a smiling sun', 'a blue fish', 'a green tree', 'a pink heart', 'a yellow star', 'a banana', 'a cat', 'a red apple'];
// What of the room Understand each shows.
const PARTS = { 'wide-light': null, 'wide-dark': '#part-unet', 'phone-light': '#part-in .fields', 'phone-dark': '#part-guide .fields' };
const browser = await launch(), plain = await browser.newPage();
mkdirSync(folder, { recursive: true });

// Chromium writes PNG; a WebP is a tenth of it.
const webp = (png, quality) => plain.evaluate(async ([base64, q]) => {
  const image = new Image();
  image.src = `data:image/png;base64,${base64}`;
  await image.decode();
  const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
  canvas.getContext('2d').drawImage(image, 0, 0);
  return canvas.toDataURL('image/webp', q).split(',')[1];
}, [png.toString('base64'), quality]);

async function keep(page, name) {
  const bytes = Buffer.from(await webp(await page.screenshot(), 0.86), 'base64');
  writeFileSync(`${folder}${name}.webp`, bytes);
  check(name, bytes.length < MOST, `${Math.round(bytes.length / 1000)} KB`);
}

// ---- What the gallery holds ----

const api = async (path, options) => (await fetch(`${address}latent/v1/${path}`, options)).json();
const drawn = await Promise.all(THINGS.map((prompt) => api('jobs', { method: 'POST', body: JSON.stringify({ prompt, seed: 7, steps: 30 }) })));
while ((await api('jobs?limit=50')).jobs.some(({ finished }) => !finished)) await new Promise((resolve) => setTimeout(resolve, 100));
check('all are drawn', drawn.every(({ id }) => id));

// ---- Both rooms ----

async function make(page) {
  await page.waitForSelector('.tiles .tile');
  await page.getByLabel('Prompt', { exact: true }).fill('a rocket');
  await page.waitForFunction(() => document.querySelector('.tokens')?.textContent.startsWith('2/'));
  await page.getByLabel('Seed', { exact: true }).fill('7');
  await page.locator('button.make').click();
  await page.waitForSelector('.stage-actions:has-text("Keep seed")');
  await page.evaluate(() => (document.activeElement.blur(), scrollTo(0, 0)));
  await page.waitForTimeout(500);
}

// What is seen is computed, above it too, so that nothing moves any more.
async function understand(page, part) {
  const parts = page.locator('.part');
  await settled(page.locator('.hero'));
  for (let i = 0; part && i < await parts.count(); i++) {
    await parts.nth(i).scrollIntoViewIfNeeded();
    await page.waitForTimeout(150);
    await settled(parts.nth(i));
  }
  if (part) await page.evaluate((id) => scrollTo(0, document.querySelector(id).getBoundingClientRect().top + scrollY - 66), part);
  await page.waitForTimeout(600);
  await settled(page.locator('.parts'));
}

for (const [size, options] of [['wide', WIDE], ['phone', PHONE]])
  for (const colorScheme of ['light', 'dark']) {
    const name = `${size}-${colorScheme}`, first = await open(browser, address, { ...options, colorScheme });
    await make(first.page);
    await keep(first.page, `make-${name}`);
    await first.context.close();
    const second = await open(browser, address, { hash: '#understand', ...options, colorScheme });
    await understand(second.page, PARTS[name]);
    await keep(second.page, `understand-${name}`);
    await second.context.close();
  }
await browser.close();
end();
