// A Chromium that is watched: no error on its console, no request to another host, no serious fault by axe-core.
import { createRequire } from 'node:module';
import { mkdirSync, readFileSync } from 'node:fs';

const require = createRequire(`${process.env.MODULES}/`);
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');
export const shots = process.env.SHOTS;
mkdirSync(shots, { recursive: true });

export const faults = [];
let count = 0;

export function check(what, right, told = '') {
  count++;
  console.log(`${right ? 'ok' : 'not ok'} ${count} - ${what}${told ? ` (${told})` : ''}`);
  if (!right) faults.push(what);
}

export const end = () => {
  console.log(`1..${count}`);
  process.exitCode = faults.length ? 1 : 0;
};

export const launch = () => chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: ['--no-sandbox'] });

// A page whose misdeeds are kept: {page, errors, strangers, bytes}
export async function open(browser, address, { hash = '', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1440, height: 900 }, locale: 'en-GB', ...options });
  const page = await context.newPage();
  const errors = [], strangers = [];
  page.on('console', (message) => message.type() === 'error' && errors.push(message.text()));
  page.on('pageerror', (error) => errors.push(error.message));
  page.on('request', (request) => {
    const url = request.url();
    if (!url.startsWith(address) && !url.startsWith('data:') && !url.startsWith('blob:')) strangers.push(url);
  });
  page.setDefaultTimeout(30000);
  await page.goto(address + hash);
  await page.waitForSelector('.make, .part');
  return { context, page, errors, strangers };
}

// axe is run as the test's own, outside of the page's policy for scripts.
export async function accessible(page, what) {
  await page.waitForTimeout(250); // colours that fade
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  const serious = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical');
  for (const { id, nodes } of serious) console.log(`# ${id}: ${nodes.slice(0, 4).map((node) => `${node.target} ${node.failureSummary?.split('\n')[1] ?? ''}`).join(' | ')}`);
  check(`axe-core finds nothing serious: ${what}`, serious.length === 0);
}

// Until nothing in it is computed any more.
export const settled = (locator) => locator.evaluate((node) => new Promise((resolve) => {
  const look = () => (node.querySelector('.slot, [aria-busy=true]') ? setTimeout(look, 20) : resolve());
  setTimeout(look, 60);
}));

export const shot = (page, name, full = false) => page.screenshot({ path: `${shots}/${name}.png`, fullPage: full });
