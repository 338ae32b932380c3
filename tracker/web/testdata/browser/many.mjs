// Measures the pages of a sweep of 10,000 runs in a real browser, with the policy in
// force: the first paint after the click on a link, and how long the page takes to
// answer a key, a click and a change of the theme. Medians of several visits; it
// fails above 300 and 100 ms.
//
//   node many.mjs http://127.0.0.1:8600 /sweep/1 /run/5000 ...
//
// make test-browser-many fills a database and runs it.
import { chromium } from "playwright-core";

const [base, ...places] = process.argv.slice(2);
const visits = 7, paintLimit = 300, answerLimit = 100;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--no-first-run"],
});
const median = (all) => all.sort((a, b) => a - b)[Math.floor(all.length / 2)];
let failures = 0;
const page = await (await browser.newContext({ viewport: { width: 1600, height: 900 } })).newPage();
page.on("pageerror", (e) => { failures++; console.error("FAIL", e.message); });
// The duration of every event, from the input to the next frame.
await page.addInitScript(() => {
  globalThis.answers = [];
  new PerformanceObserver((l) => globalThis.answers.push(...l.getEntries().map((e) => e.duration))).observe({ type: "event", durationThreshold: 16, buffered: true });
});
for (const place of places) {
  const paints = [], answers = [];
  for (let i = 0; i < visits; i++) {
    await page.goto(base + place, { waitUntil: "load" });
    paints.push(await page.evaluate(() => new Promise((done) => {
      const seen = performance.getEntriesByName("first-contentful-paint")[0];
      if (seen) done(seen.startTime);
      else new PerformanceObserver((l) => done(l.getEntries()[0].startTime)).observe({ type: "paint", buffered: true });
    })));
    await page.click("#theme");
    await page.keyboard.press("Tab");
    await page.keyboard.press("PageDown");
    const more = await page.$("details > summary");
    if (more) await more.click();
    // Events that take less than 16 ms are not reported: then all did.
    await page.evaluate(() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 100))));
    answers.push(await page.evaluate(() => Math.max(16, ...globalThis.answers)));
  }
  const paint = median(paints), answer = median(answers);
  console.log(`${place}: first paint ${paint.toFixed(0)} ms, slowest answer ${answer.toFixed(0)} ms (medians of ${visits} visits)`);
  if (!(paint < paintLimit)) { failures++; console.error("FAIL", place, "paints late"); }
  if (!(answer < answerLimit)) { failures++; console.error("FAIL", place, "answers late"); }
}
await browser.close();
process.exit(failures ? 1 : 0);
