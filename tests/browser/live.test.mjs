// The page as a real agent serves it, at PLIMSOLL_URL. HOSTILE_COMM names a process that the agent
// must be watching, LEAK_PID one that grows in a cgroup with a limit of 2 GiB, if they are given.
// Fails without an agent: a check that is skipped checks nothing.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { visible } from "../../agent/web/app/format.js";
import { launch, openPage, paintedShare } from "./browser.mjs";

const { PLIMSOLL_URL, HOSTILE_COMM, LEAK_PID } = process.env;
const DEADLINE = { timeout: 60_000 };

let browser;
let opened;

before(async () => {
  assert.ok(PLIMSOLL_URL, "set PLIMSOLL_URL to the address of a running agent");
  browser = await launch();
  opened = await openPage(browser, new URL("/", PLIMSOLL_URL).href);
});
after(async () => {
  await browser?.close();
});

test("the node's figures are there", async () => {
  const { page } = opened;
  await page.locator("section.hull .big", { hasText: /\d (M|G|T)iB/ }).waitFor(DEADLINE);
  const hull = await page.locator("section.hull").innerText();
  assert.match(hull, /used of [\d.]+ [MGT]iB · \d+(\.\d)? %/);
  assert.match(hull, /\d+ CPUs/);
  assert.match(hull, /[1-9][\d,]* processes/);
  assert.match(await page.locator("details.health").innerText(), /sees all|\d+ degraded|starting/);
});

test("the stream is live", async () => {
  await opened.page.locator("#stream[data-state=live]").waitFor(DEADLINE);
});

test("the table has the node's processes, the hostile one inert among them", async () => {
  const { page } = opened;
  await page.goto(new URL("/#/processes", PLIMSOLL_URL).href);
  await page.locator("table.rows tbody tr").first().waitFor(DEADLINE);
  if (HOSTILE_COMM) {
    const name = visible(HOSTILE_COMM);
    await page.getByRole("link", { name, exact: true }).first().waitFor(DEADLINE);
  }
  assert.equal(await page.locator("main img, main script, main iframe").count(), 0);
});

test("a click opens the target, and its memory is drawn", async () => {
  const { page } = opened;
  await page.locator("table.rows tbody tr td a").first().click();
  await page.locator(".plot canvas").waitFor(DEADLINE);
  await page.waitForFunction(
    () => document.querySelector(".chart .note").textContent.includes("now "),
    undefined,
    DEADLINE,
  );
  assert.ok((await paintedShare(page)) > 0.005, "the canvas is blank");
});

test("a process in a limited cgroup lies below its line, and the cgroup says whose it is", async () => {
  if (!LEAK_PID) return;
  const { page } = opened;
  const answer = await fetch(new URL(`/api/v1/processes/${LEAK_PID}`, PLIMSOLL_URL));
  const { id, cgroup } = await answer.json();
  await page.goto(new URL(`/#/target/${encodeURIComponent(id)}/15m`, PLIMSOLL_URL).href);
  await page.getByText(/% of 2 GiB/).waitFor(DEADLINE);
  await page.locator(".figures").getByText(/^\+\d.*[MG]iB\/h$/).waitFor(DEADLINE);
  await page.getByRole("link", { name: cgroup, exact: true }).click();
  await page.getByText(`2 GiB from ${cgroup}`).waitFor(DEADLINE);
  await page.locator(".plot canvas").waitFor(DEADLINE);
});

test("a heap report of it is taken by a click, and a second one is compared with the first", async () => {
  if (!LEAK_PID) return;
  const { page } = opened;
  const take = async () => {
    const { id } = await (await fetch(new URL(`/api/v1/processes/${LEAK_PID}`, PLIMSOLL_URL))).json();
    await page.goto(new URL(`/#/target/${encodeURIComponent(id)}`, PLIMSOLL_URL).href);
    await page.getByRole("button", { name: "Take a heap report" }).click();
    await page.getByRole("heading", { name: "Resident" }).waitFor(DEADLINE);
    await page.waitForFunction(
      () => document.querySelector("img.flame")?.naturalWidth > 0,
      undefined,
      DEADLINE,
    );
  };
  await take();
  const said = await page.locator("main").innerText();
  assert.ok(said.includes("was left alone"), said);
  // The same process again only after reports.cooldown: the page says so, and then it is taken.
  const before = page.url();
  await page.goto(new URL("/#/reports", PLIMSOLL_URL).href);
  const again = async () => {
    await page.getByLabel(/by pid/).fill(LEAK_PID);
    await page.getByRole("button", { name: "Take a heap report" }).click();
    await page.waitForFunction(
      () => location.hash.startsWith("#/report/") || /Too soon/.test(document.body.innerText),
      undefined,
      DEADLINE,
    );
  };
  const deadline = Date.now() + DEADLINE.timeout;
  for (await again(); !page.url().includes("#/report/"); await again()) {
    assert.ok(Date.now() < deadline, "never taken a second time");
    await page.waitForTimeout(500);
  }
  assert.notEqual(page.url(), before);
  await page.getByText("Compare with").getByRole("link").first().click();
  await page.getByRole("heading", { name: "What changed" }).waitFor(DEADLINE);
});

test("nothing went wrong in the page, nor against its content security policy", () => {
  // A process that ended in between is an honest 404, which the browser logs too.
  const wrongs = opened.wrongs.filter((text) => !text.startsWith("Failed to load resource"));
  assert.deepEqual(wrongs, []);
});
