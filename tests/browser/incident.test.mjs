// The incidents in a real browser against the stand-in: the list, one in full with its plot, the
// ways that lead there, and hostile names.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, openPage, paintedShare } from "./browser.mjs";
import { HOSTILE, startAgent } from "./stub-agent.mjs";
import { INCIDENT } from "./stub-incident.mjs";

let browser;
let agent;
let opened = [];

before(async () => {
  browser = await launch();
});
after(() => browser.close());
beforeEach(async () => {
  agent = await startAgent();
});
afterEach(async () => {
  await Promise.all(opened.map((one) => one.close()));
  opened = [];
  await agent.stop();
});

async function open(route, options = {}) {
  const one = await openPage(browser, agent.url + route, options);
  opened.push(one);
  await one.page.waitForSelector("#loading", { state: "detached" });
  return one;
}

test("the list leads to an incident that says what, who, why, since when and what to do", async () => {
  const { page, wrongs } = await open("#/incidents");
  await page.getByRole("link", { name: /The kernel killed/ }).click();
  await page.locator(".plot canvas").nth(2).waitFor();
  assert.equal(new URL(page.url()).hash, `#/incident/${INCIDENT}`);
  const text = await page.locator("main").innerText();
  for (const shown of [
    "/app had reached its limit",
    "the container ended with it",
    "it grew most",
    "held 94 MiB",
    "oom_score_adj 100",
    "and 2 more",
    "/app: 96 MiB",
    "0 processes in the cgroup",
    "Heap leak",
    "heap 34 MiB, file 1 MiB",
    "86 MiB",
    "Suspected 1 min 6 s and predicted 1 min before the kill.",
    "8 s early",
    "no answer",
    "The kernel printed no task dump.",
  ]) {
    assert.ok(text.includes(shown), `${shown} in ${text}`);
  }
  assert.deepEqual(wrongs, []);
});

test("the plot draws the growth, the limit and the kill, and says so in words", async () => {
  const { page } = await open(`#/incident/${INCIDENT}`);
  await page.locator(".plot canvas").first().waitFor();
  assert.ok((await paintedShare(page)) > 0.1);
  const words = await page.locator(".plot").first().getAttribute("aria-label");
  assert.match(words, /between 8 MiB and 94\.9 MiB/);
  assert.match(words, /Limit 96 MiB/);
  assert.match(words, /Marks: Leak suspected \d\d:.*OOM predicted .*killed /);
});

test("hostile names stay inert and visible", async () => {
  agent.push("incident", { id: INCIDENT, summary: `killed ${HOSTILE}` });
  const { page, wrongs } = await open("#/events");
  await page.locator("ol.events li").first().waitFor();
  await page.getByRole("link", { name: /killed <img/ }).click();
  await page.locator(".plot canvas").first().waitFor();
  const found = await page.evaluate(() => ({
    owned: "owned" in window,
    images: document.querySelectorAll("main img, main script, main iframe").length,
  }));
  assert.deepEqual(found, { owned: false, images: 0 });
  assert.deepEqual(wrongs, []);
});

test("an alert leads to its incident, and one that is gone is said to be", async () => {
  agent.documents.alerts[1].labels = { incident: INCIDENT };
  const { page } = await open("#/alerts");
  await page.getByRole("link", { name: "Incident", exact: true }).click();
  await page.locator(".plot canvas").first().waitFor();
  await page.goto(`${agent.url}#/incident/20991121T100900Z-1`);
  await page.getByText("No such incident").waitFor();
  agent.documents.incidents = [];
  await page.goto(`${agent.url}#/incidents`);
  await page.getByText("No kill is on record").waitFor();
});

test("nothing is cut off on a narrow screen", async () => {
  const { page } = await open(`#/incident/${INCIDENT}`, { viewport: { width: 380, height: 800 } });
  await page.locator(".plot canvas").nth(2).waitFor();
  const over = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.ok(over <= 0, `${over} px too wide`);
});
