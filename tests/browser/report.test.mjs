// The heap reports in a real browser against the stand-in: the list, one in full, two compared, the
// button that takes one, refusals, and hostile names.

import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { launch, openPage } from "./browser.mjs";
import { startAgent } from "./stub-agent.mjs";
import { AFTER, BEFORE, REFUSED } from "./stub-report.mjs";

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

/** Every text that has to be there is there. */
async function shows(page, texts) {
  const text = await page.locator("main").innerText();
  for (const shown of texts) assert.ok(text.includes(shown), `${shown} in ${text}`);
}

const drawn = (page) =>
  page.waitForFunction(() => document.querySelector("img.flame")?.naturalWidth > 0);

test("the list leads to a report that says where the memory is and what is leaked", async () => {
  const { page, wrongs } = await open("#/reports");
  await page.locator("table tbody tr").nth(2).waitFor();
  await shows(page, ["not taken: process 7 is gone", "the black box, before the limit", "105 MiB"]);
  await page.getByRole("link", { name: /<img.*\(4211\)/ }).last().click();
  await page.getByRole("heading", { name: "Leaked" }).waitFor();
  assert.equal(new URL(page.url()).hash, `#/report/${BEFORE}`);
  await drawn(page);
  await shows(page, [
    "Heap leak",
    "92 % sure",
    "level 2; the process stood still for 8.2 ms",
    "--token=***",
    "105 MiB",
    "4 MiB of it in huge pages",
    "glibc 2.36",
    "10,900 blocks",
    "Arenas: 2",
    "predicted to give back 18 MiB",
    "33.6 MiB in 1,550 blocks",
    "handle (leak.cc:21)",
    "std::vector<Row>",
    "thread 4243 stack",
    "every 64th allocation was followed",
  ]);
  assert.deepEqual(wrongs, []);
});

test("two reports of one process are compared, what grew most first", async () => {
  const { page, wrongs } = await open("#/reports");
  await page.getByRole("link", { name: "since the one before" }).click();
  await page.getByRole("heading", { name: "What changed" }).waitFor();
  assert.equal(new URL(page.url()).hash, `#/diff/${BEFORE}/${AFTER}`);
  await drawn(page);
  await shows(page, ["10 min", "+9 MiB", "−1 MiB", "operator new ← handle", "+8 MiB"]);
  await page.goto(`${agent.url}#/report/${BEFORE}`);
  await page.getByText("Compare with").getByRole("link").click();
  await page.getByRole("heading", { name: "What changed" }).waitFor();
  assert.equal(new URL(page.url()).hash, `#/diff/${BEFORE}/${AFTER}`, "the earlier one comes first");
  assert.deepEqual(wrongs, []);
});

test("a report is taken from the page of a process and from the list, and a refusal is said", async () => {
  const { page } = await open("#/target/process%3A4211%40421100");
  await page.getByRole("button", { name: "Take a heap report" }).click();
  await page.getByRole("heading", { name: "Leaked" }).waitFor();
  assert.equal(new URL(page.url()).hash, `#/report/${AFTER}`);
  await page.goto(`${agent.url}#/reports`);
  await page.getByRole("button", { name: "Take a heap report" }).click();
  await page.getByText("Which process? Give its pid.").waitFor();
  await page.getByLabel(/by pid/).fill("7");
  await page.getByRole("button", { name: "Take a heap report" }).click();
  await page.getByText("Report refused: process 7 is gone").waitFor();
  await page.goto(`${agent.url}#/target/cgroup%3A%2Fapp`);
  await page.locator(".target-head h1").waitFor();
  assert.equal(await page.getByRole("button", { name: "Take a heap report" }).count(), 0);
});

test("one that is refused, running, or gone is said to be", async () => {
  const { page } = await open(`#/report/${REFUSED}`);
  await page.getByRole("heading", { name: "It could not be taken" }).waitFor();
  await page.getByText("process 7 is gone").waitFor();
  await page.goto(`${agent.url}#/report/20991121T100900000Z-1`);
  await page.getByRole("heading", { name: "No such report" }).waitFor();
  Object.assign(agent.documents.reports[0].listed, { state: "running", doing: "walks the heap" });
  await page.goto(`${agent.url}#/report/${REFUSED}`);
  await page.getByText("walks the heap").waitFor();
  await page.goto(`${agent.url}#/diff/${REFUSED}/${AFTER}`);
  await page.getByRole("heading", { name: "Nothing to compare" }).waitFor();
  agent.documents.reports = [];
  await page.goto(`${agent.url}#/reports`);
  await page.getByText("No heap report is kept").waitFor();
});

test("hostile names stay inert, in reports, their comparison and their events", async () => {
  const { listed } = agent.documents.reports[1];
  agent.push("report", listed);
  const { page, wrongs } = await open("#/events");
  await page.getByRole("link", { name: /heap report of <img/ }).click();
  await page.getByRole("heading", { name: "Leaked" }).waitFor();
  for (const route of [`#/diff/${BEFORE}/${AFTER}`, "#/reports", `#/report/${BEFORE}`]) {
    await page.goto(agent.url + route);
    await page.getByText(/<img src=x/).first().waitFor();
    const found = await page.evaluate(() => ({
      owned: "owned" in window,
      images: document.querySelectorAll("main img:not(.flame), main script, main iframe").length,
    }));
    assert.deepEqual(found, { owned: false, images: 0 }, route);
  }
  assert.deepEqual(wrongs, []);
});

test("nothing is cut off on a narrow screen", async () => {
  const { page } = await open(`#/report/${AFTER}`, { viewport: { width: 380, height: 800 } });
  await page.getByRole("heading", { name: "Leaked" }).waitFor();
  const over = await page.evaluate(
    () => document.documentElement.scrollWidth - document.documentElement.clientWidth,
  );
  assert.ok(over <= 0, `${over} px too wide`);
});
