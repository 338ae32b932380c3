// Looks at every page with a real browser: at 400 and 1600 pixels, light and dark.
// It fails on an error of the console, on a page that scrolls sideways, on what
// axe-core calls serious, on a first paint that is late, on a request to another
// host, and where keyboard or live updates do not work.
//
//   node look.mjs http://127.0.0.1:8600 [directory for screenshots]
//
// make test-browser installs what it needs and starts the pages.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { chromium } from "playwright-core";

const [base, shots] = process.argv.slice(2);
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
const browser = await chromium.launch({
  executablePath,
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
let failures = 0, paints = [];
const fail = (...words) => { failures++; console.error("FAIL", ...words); };
if (shots) mkdirSync(shots, { recursive: true });

async function open(width, scheme, bypassCSP = false) {
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: scheme, bypassCSP });
  const page = await context.newPage();
  const where = () => `${page.url().slice(base.length) || "/"} at ${width} ${scheme}:`;
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) fail(where(), m.text()); });
  page.on("pageerror", (e) => fail(where(), e.message));
  page.on("request", (r) => { if (!r.url().startsWith(base)) fail(where(), "asks", r.url()); });
  return { page, where, close: () => context.close() };
}

// The pages: each sweep with its comparison, and a run of each.
const { page: guide, close } = await open(1600, "light");
await guide.goto(base);
const places = ["/", "/sql", "/plugins", "/diff"];
for (const sweep of await guide.$$eval("th a[href^='/sweep/']", (all) => all.map((a) => a.getAttribute("href")))) {
  places.push(sweep, `${sweep}/compare`);
  await guide.goto(base + sweep);
  places.push(...await guide.$$eval("a[href*='/data/']", (all) => all.map((a) => a.getAttribute("href"))));
  await guide.goto(`${base}${sweep}?phase=replicate`);
  const runs = await guide.$$eval("a[href^='/run/']", (all) => all.map((a) => a.getAttribute("href")));
  if (runs.length > 0) places.push(runs[0]);
  if (runs.length > 1) places.push(`/diff?a=${runs[0].slice(5)}&b=${runs.at(-1).slice(5)}`);
}
await close();

for (const [width, scheme] of [[1600, "light"], [1600, "dark"], [400, "light"], [400, "dark"]]) {
  for (const place of places) {
    // axe-core is written into the page, which the policy forbids everybody else.
    const { page, where, close } = await open(width, scheme, true);
    await page.goto(base + place, { waitUntil: "load" });
    if (place === "/sql") {
      await page.goto(`${base}/sql?saved=leaderboard`);
      await page.focus("#query");
      await Promise.all([page.waitForNavigation(), page.keyboard.press("Control+Enter")]);
    }
    const wide = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    if (wide > 0) fail(where(), "scrolls sideways by", wide);
    await page.evaluate(axe);
    for (const v of (await page.evaluate(() => globalThis.axe.run())).violations) {
      const text = `${v.impact} ${v.id}: ${v.nodes.slice(0, 3).map((n) => n.html.slice(0, 150)).join(" | ")}`;
      if (["serious", "critical"].includes(v.impact)) fail(where(), text);
      else console.log(where(), text);
    }
    if (shots) await page.screenshot({ path: `${shots}/${place.replaceAll(/[\/?&=]/g, "-").replace(/^-$/, "-sweeps").slice(1)}-${width}-${scheme}.png`, fullPage: true });
    await close();
  }
}

// With the policy in force: paint, keyboard, theme, filters.
{
  const { page, where, close } = await open(1600, "light");
  for (const place of places) {
    await page.goto(base + place, { waitUntil: "load" });
    const paint = await page.evaluate(() => new Promise((done) => {
      const seen = performance.getEntriesByName("first-contentful-paint")[0];
      if (seen) done(seen.startTime - performance.getEntriesByType("navigation")[0].responseEnd);
      else new PerformanceObserver((l) => done(l.getEntries()[0].startTime - performance.getEntriesByType("navigation")[0].responseEnd)).observe({ type: "paint", buffered: true });
    }));
    paints.push([paint, place]);
  }
  await page.goto(base + (places.find((p) => p.startsWith("/sweep/")) ?? "/"));
  await page.keyboard.press("Tab");
  if (await page.evaluate(() => document.activeElement.className) !== "skip") fail(where(), "the first stop of the keyboard is not the way to the content");
  await page.keyboard.press("Enter");
  if (await page.evaluate(() => document.activeElement.id) !== "main") fail(where(), "the way to the content leads elsewhere");
  const before = await page.evaluate(() => getComputedStyle(document.body.parentElement).backgroundColor);
  await page.click("#theme");
  const after = await page.evaluate(() => getComputedStyle(document.body.parentElement).backgroundColor);
  if (before === after) fail(where(), "the theme does not change");
  await page.waitForFunction(() => document.getElementById("live").textContent === "live", null, { timeout: 10000 }).catch(() => fail(where(), "is not live"));
  const filter = await page.$("select[name=variant]");
  if (filter) {
    await Promise.all([page.waitForNavigation(), filter.selectOption({ index: 1 })]);
    if (!page.url().includes("variant=")) fail(where(), "the filter does nothing");
  }
  await close();
}
await browser.close();
paints.sort((a, b) => b[0] - a[0]);
console.log(`${places.length} pages, latest first paint ${paints[0][0].toFixed(0)} ms after the answer (${paints[0][1]})`);
if (failures) {
  console.error(`${failures} failures`);
  process.exit(1);
}
