// Open pages of a running server in a real Chromium, and judge them as a person would.
import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { createRequire } from 'node:module';
import path from 'node:path';
import { root, temporaryDir } from '../support/millrace.mjs';

const fromUi = createRequire(path.join(root, 'ui/package.json'));
const { chromium } = fromUi('playwright-core');
const axe = readFileSync(fromUi.resolve('axe-core/axe.min.js'), 'utf8');
const executable = process.env.MILLRACE_CHROMIUM ?? '/usr/bin/chromium';

/** Why there can be no browser here, or false: for the `skip` of a test. */
export const noBrowser = existsSync(executable) ? false : `no browser at ${executable}; install Debian's chromium`;

export const sizes = {
  wide: { width: 1280, height: 900 },
  narrow: { width: 390, height: 844 },
};

/** A Chromium with a profile of its own, removed again by `close`. */
export class Browser {
  static async start() {
    const browser = new Browser();
    browser.profile = await temporaryDir();
    browser.chromium = await chromium.launch({
      executablePath: executable,
      args: [
        '--no-sandbox',
        '--headless',
        '--disable-gpu',
        '--disable-quic',
        '--no-first-run',
        '--disable-background-networking',
        '--disable-component-update',
        '--disable-sync',
        `--disk-cache-dir=${browser.profile}`,
      ],
    });
    return browser;
  }

  /** Open `url` as a new person: empty storage, English words, and the given look. */
  async open(url, { size = sizes.wide, scheme = 'light', motion = 'reduce', timezone = 'Europe/Berlin' } = {}) {
    const context = await this.chromium.newContext({
      viewport: size,
      colorScheme: scheme,
      reducedMotion: motion,
      locale: 'en-GB',
      timezoneId: timezone,
    });
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const page = await context.newPage();
    page.setDefaultTimeout(15_000);
    page.complaints = [];
    page.on('console', (message) => {
      if (['error', 'warning'].includes(message.type())) page.complaints.push(message.text());
    });
    page.on('pageerror', (error) => page.complaints.push(String(error)));
    await page.goto(url);
    return page;
  }

  /** Close all pages: each one open goes on drawing. */
  async closePages() {
    for (const context of this.chromium.contexts()) await context.close();
  }

  async close() {
    await this.chromium?.close();
    await rm(this.profile, { recursive: true, force: true });
  }
}

/** Keep a picture where MILLRACE_SCREENSHOTS says, for people to look at. */
export async function picture(page, name, { fullPage = true } = {}) {
  const folder = process.env.MILLRACE_SCREENSHOTS;
  if (!folder) return;
  await mkdir(folder, { recursive: true });
  await page.screenshot({
    path: path.join(folder, `${name}.png`),
    fullPage,
  });
}

/** Wait until `check` does not throw; its last error is the test's. */
export async function eventually(check, ms = 10_000) {
  const end = Date.now() + ms;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Scroll to the end and back, so that everything that loads when it is seen has been seen. */
export async function seeAll(page) {
  await page.evaluate(async () => {
    for (let y = 0; y < document.body.scrollHeight; y += 400) {
      scrollTo(0, y);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    scrollTo(0, 0);
  });
  await page.waitForLoadState('load');
}

/** No error in the console, nothing wider than the window, and usable without eyes or a mouse. */
export async function assertSound(page, what) {
  assert.deepEqual(page.complaints, [], `${what}: the console is not silent`);
  assert.deepEqual(await page.evaluate(findWide), [], `${what}: wider than the window`);
  assert.deepEqual(await page.evaluate(findBarriers), [], `${what}: barriers`);
  assert.deepEqual(await page.evaluate(findFaint), [], `${what}: text with too little contrast`);
  assert.deepEqual(await page.evaluate(findSmall), [], `${what}: too small for a finger`);
  assert.deepEqual(await findByAxe(page), [], `${what}: axe-core finds`);
}

/** What axe-core, which knows WCAG 2.2 up to AA and good practice, has against the page. */
async function findByAxe(page) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations'] }));
  return violations.flatMap(({ id, nodes }) => nodes.map((node) => `${id}: ${node.html.slice(0, 160)}`));
}

/** In the page: what a finger would miss. Links within a sentence, and what is drawn wholly inside another, are spared. */
function findSmall() {
  const finger = innerWidth <= 620 ? 40 : 24;
  const hit = (e) => (['checkbox', 'radio'].includes(e.type) ? e.labels?.[0] : undefined);
  const inSentence = (e) => e.tagName === 'A' && getComputedStyle(e).display === 'inline' && e.closest('p, dd, li');
  return [...document.querySelectorAll('button, a[href], input:not([type=hidden]), select, [role=button]')]
    .filter((e) => e.getClientRects().length > 0 && !inSentence(e) && !e.matches('.skip'))
    .map((e) => ({ e, box: (hit(e) ?? e).getBoundingClientRect() }))
    .filter(({ box }) => box.width > 1 && box.height > 1)
    .filter(({ box }) => box.height < finger || box.width < Math.min(finger, 24))
    .map(({ e, box }) => `${Math.round(box.width)} × ${Math.round(box.height)} ${e.outerHTML.slice(0, 120)}`);
}

/** In the page: what makes it scroll sideways. */
function findWide() {
  if (document.documentElement.scrollWidth <= innerWidth) return [];
  return [...document.body.querySelectorAll('*')]
    .filter((e) => e.getBoundingClientRect().right > innerWidth + 1)
    .map((e) => `${e.tagName}.${e.getAttribute('class')}`);
}

/** In the page: what a screen reader or a keyboard stumbles over. */
function findBarriers() {
  const found = [];
  const all = (selector) => [...document.querySelectorAll(selector)].filter((e) => e.getClientRects().length > 0);
  const words = (e) => {
    const by = e.getAttribute('aria-labelledby');
    const label = by
      ? by
          .split(' ')
          .map((id) => document.getElementById(id)?.textContent ?? '')
          .join(' ')
      : '';
    return (e.getAttribute('aria-label') ?? (label || e.labels?.[0]?.textContent || e.textContent)).trim();
  };
  const name = (e) => `<${e.tagName.toLowerCase()} class="${e.getAttribute('class')}">`;

  if (!document.documentElement.lang) found.push('the page has no language');
  if (!document.title) found.push('the page has no title');
  for (const landmark of ['main', 'header', 'nav', 'footer']) {
    if (all(landmark).length === 0) found.push(`no <${landmark}>`);
  }
  if (all('main').length !== 1) found.push('not exactly one <main>');
  if (all('h1').length !== 1) found.push(`${all('h1').length} <h1> instead of one`);
  let level = 1;
  for (const heading of all('h1, h2, h3, h4')) {
    const next = Number(heading.tagName[1]);
    if (next > level + 1) found.push(`heading ${next} after ${level}: ${heading.textContent}`);
    level = next;
  }
  for (const e of all('button, a[href], input:not([type=hidden]), select, textarea')) {
    if (!words(e)) found.push(`nameless ${name(e)}`);
  }
  for (const e of all('section, aside, nav, [role=group], [role=radiogroup]')) {
    if (!words(e)) found.push(`nameless ${name(e)}`);
  }
  for (const e of all('img:not([alt])')) found.push(`no alt: ${name(e)}`);
  for (const e of all('svg, canvas')) {
    if (!e.closest('[aria-hidden=true]') && !e.getAttribute('aria-label'))
      found.push(`neither named nor hidden: ${name(e)}`);
  }
  for (const e of all('table')) {
    if (!e.querySelector('th[scope=col]')) found.push(`table without column heads: ${name(e)}`);
  }
  const ids = [...document.querySelectorAll('[id]')].map((e) => e.id);
  for (const id of ids.filter((id, i) => ids.indexOf(id) !== i)) found.push(`two elements have the id ${id}`);
  return found;
}

/** In the page: text whose contrast with what is behind it is under WCAG's AA. */
function findFaint() {
  const pen = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const read = (color) => {
    pen.clearRect(0, 0, 1, 1);
    pen.fillStyle = color;
    pen.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = pen.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a), 1];
  const light = (color) => {
    const [r, g, b] = color.map((c) => (c / 255 <= 0.03928 ? c / 255 / 12.92 : ((c / 255 + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const contrast = (a, b) => {
    const [low, high] = [light(a), light(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  };
  /** The colours that may be behind an element: one, or the ends of a gradient. */
  const behind = (element) => {
    const layers = [];
    for (let e = element; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      const ends = style.backgroundImage.match(/rgba?\([^)]*\)/g);
      if (style.backgroundImage.includes('gradient') && ends)
        return ends.map((end) => layers.reduceRight((at, layer) => over(layer, at), read(end)));
      const color = read(style.backgroundColor);
      if (color[3] > 0) layers.push(color);
      if (color[3] === 1) break;
    }
    return [layers.reduceRight((at, layer) => over(layer, at), [255, 255, 255, 1])];
  };

  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const e = node.parentElement;
    const box = e.getBoundingClientRect();
    if (!node.data.trim() || box.width < 2 || box.height < 2 || e.closest('script, style, noscript, :disabled'))
      continue;
    const style = getComputedStyle(e);
    if (style.visibility === 'hidden') continue;
    const color = read(e instanceof SVGElement ? style.fill : style.color);
    const size = parseFloat(style.fontSize);
    const needed = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700) ? 3 : 4.5;
    for (const back of behind(e)) {
      const ratio = contrast(over(color, back), back);
      if (ratio < needed) found.push(`${ratio.toFixed(2)} “${node.data.trim().slice(0, 30)}” ${style.color}`);
    }
  }
  return found;
}
