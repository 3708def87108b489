// The agent's page in a real browser against the stand-in: hostile names, keyboard, themes, narrow
// screens, the event stream, problems, and an agent that goes away.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { after, afterEach, before, beforeEach, test } from "node:test";
import { paintedShare, launch, openPage } from "./browser.mjs";
import { BIDI, HOSTILE, startAgent } from "./stub-agent.mjs";

const WEB = new URL("../../agent/web/", import.meta.url);
const TARGET = `#/target/${encodeURIComponent("workload:checkout-api")}`;
const PROCESS = `#/target/${encodeURIComponent("process:4211@421100")}`;
const ROUTES = [
  "",
  "#/processes",
  "#/cgroups",
  "#/alerts",
  "#/events",
  "#/target/node",
  TARGET,
  PROCESS,
  `#/target/${encodeURIComponent("process:999@99900")}`,
];

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

async function open(route = "", options = {}) {
  const one = await openPage(browser, agent.url + route, options);
  opened.push(one);
  await one.page.waitForSelector("#loading", { state: "detached" });
  return one;
}

/** Loads a route afresh and waits until it shows what it is for. */
async function visit(page, route) {
  await page.goto("about:blank");
  await page.goto(agent.url + route);
  await page.locator("table.rows tbody tr, .plot canvas, li.alert, ol.events li").first().waitFor();
}

const names = (page) => page.locator("table.rows tbody tr td a").allTextContents();
const isLive = (page) => page.locator("#stream[data-state=live]").waitFor();

test("nothing in the page can turn text into markup or code", async () => {
  const files = (await readdir(WEB, { recursive: true })).filter(
    (name) => /\.(js|html|svg)$/.test(name) && !name.startsWith("vendor"),
  );
  assert.ok(files.length >= 12, `only ${files} found`);
  const banned =
    /innerHTML|outerHTML|insertAdjacentHTML|document\.write|DOMParser|\beval\b|new Function|createContextualFragment|srcdoc|javascript:/;
  for (const name of files) {
    const text = await readFile(new URL(name, WEB), "utf8");
    assert.doesNotMatch(text, banned, name);
    if (name.endsWith("html")) assert.doesNotMatch(text, /\son\w+=|\sstyle=|<script>|<style/, name);
  }
});

test("the node is shown at a glance", async () => {
  const { page } = await open();
  const hull = page.locator("section.hull");
  await hull.getByText("ip-10-0-4-17").waitFor();
  const text = await hull.innerText();
  for (const shown of [
    "11.6 GiB",
    "used of 15.6 GiB",
    "4 GiB available",
    "4.2 % · 1.1 %",
    "307 MiB",
    "OOM kills\n3",
    "41 %",
    "2 degraded",
    "Debian GNU/Linux 12",
    "kernel reclaims below 330 MiB",
  ]) {
    assert.ok(text.includes(shown), `${shown} in ${text}`);
  }
  const bar = await page.getByTestId("node-bar").getAttribute("aria-label");
  assert.match(bar, /used 11\.6 GiB, reclaimable cache 3\.1 GiB, free 922 MiB/);
  await page.locator("details.health summary").click();
  await page.getByText("CAP_SYS_PTRACE is missing; with it").waitFor();
});

test("what the kernel or the agent lacks is said, never shown as zero", async () => {
  Object.assign(agent.documents.node, {
    psi: null,
    swap_total_bytes: null,
    swap_free_bytes: null,
    vmstat: {},
    zones: [],
    mem_available_bytes: null,
    os: null,
  });
  const { page, wrongs } = await open();
  const tiles = await page.locator(".tiles").innerText();
  assert.match(tiles, /Memory pressure, some · full\n–\nthis kernel shows no PSI/);
  assert.match(tiles, /Swap\n–/);
  assert.match(tiles, /OOM kills\n–\nthis kernel does not count them/);
  assert.match(tiles, /Fragmentation\n–/);
  assert.deepEqual(wrongs, []);
});

test("hostile names stay inert and visible on every page", async () => {
  agent.push("incident", HOSTILE);
  agent.push("incident", { victim: HOSTILE, nested: { [HOSTILE]: BIDI } });
  agent.push("alert", agent.documents.alerts[0]);
  agent.push("verdict", agent.documents.verdicts.at(-3));
  const { page, wrongs } = await open();
  for (const route of ROUTES) {
    await visit(page, route);
    const found = await page.evaluate(() => ({
      owned: "owned" in window,
      images: document.querySelectorAll("main img, main script, main iframe").length,
      tricks: /[\u202a-\u202e\u2066-\u2069]/.test(document.body.textContent),
    }));
    assert.deepEqual(found, { owned: false, images: 0, tricks: false }, route);
  }
  await page.goto(`${agent.url}#/processes`);
  await page.getByRole("link", { name: '<img src=x onerror="window.owned=1">\'&\\n' }).waitFor();
  await page.getByRole("link", { name: "exe.‹202E›txt.gnp" }).waitFor();
  assert.deepEqual(wrongs, []);
});

test("rows come by urgency, and a click on a header sorts and says so", async () => {
  const { page } = await open();
  assert.deepEqual((await names(page)).slice(0, 3), [
    "image-resizer",
    "checkout-api",
    "log-shipper",
  ]);
  const used = page.getByRole("columnheader", { name: "Used" });
  await used.getByRole("button").click();
  assert.equal(await used.getAttribute("aria-sort"), "descending");
  assert.equal((await names(page))[0], "postgres");
  await used.getByRole("button").click();
  assert.equal(await used.getAttribute("aria-sort"), "ascending");
  assert.equal((await names(page))[0], "unit/ssh.service/sshd");
  const state = page.getByRole("columnheader", { name: "State" });
  assert.equal(await state.getAttribute("aria-sort"), null);
});

test("the filter and suspects-only narrow the table down", async () => {
  const { page } = await open();
  await page.locator("#filter").fill("heap che");
  assert.deepEqual(await names(page), ["checkout-api"]);
  await page.getByText("1 of 8 workloads.").waitFor();
  await page.locator("#filter").fill("no such thing");
  await page.getByText("None of the 8 workloads matches.").waitFor();
  await page.locator("#filter").fill("");
  await page.getByLabel("Suspects only").check();
  assert.equal((await names(page)).length, 4);
});

test("ten thousand processes: asks for 200, says so, and still shows a small suspect", async () => {
  const { page } = await open("#/processes");
  await page.getByText("The node runs 10,000; the agent sent the first 200").waitFor();
  assert.ok(agent.requests.includes("/api/v1/processes?sort=rss&limit=200"));
  assert.ok((await names(page)).includes("tiny-leaker"));
  await page.getByRole("button", { name: "Growth" }).click();
  await page.getByText("the first 200 by growth").waitFor();
  assert.ok(agent.requests.includes("/api/v1/processes?sort=rate&limit=200"));
});

test("the keyboard alone reaches a target and comes back", async () => {
  const { page } = await open();
  const focused = () => page.evaluate(() => document.activeElement.textContent);
  await page.keyboard.press("/");
  assert.equal(await page.evaluate(() => document.activeElement.id), "filter");
  await page.keyboard.press("Escape");
  await page.keyboard.press("j");
  await page.keyboard.press("ArrowDown");
  assert.equal(await focused(), "checkout-api");
  await page.keyboard.press("k");
  assert.equal(await focused(), "image-resizer");
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "checkout-api" }).waitFor();
  await page.keyboard.press("Escape");
  await page.locator("table.rows").waitFor();
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keyboard" }).waitFor();
  await page.keyboard.press("Escape");
  assert.equal(await page.getByRole("dialog").count(), 0);
});

test("a live update keeps the focus on its row, wherever the row goes", async () => {
  const { page } = await open();
  await page.getByRole("link", { name: "log-shipper" }).focus();
  const target = agent.documents.verdicts.find((v) => v.target.id === "workload:log-shipper");
  Object.assign(target, { state: "oom_imminent", eta_s: { p10: 30, p50: 61, p90: 99 } });
  agent.push("verdict", target);
  await page.getByText("1 min 1 s").waitFor();
  assert.equal((await names(page))[0], "log-shipper");
  assert.equal(await page.evaluate(() => document.activeElement.textContent), "log-shipper");
});

test("a target's page draws its memory and explains the verdict", async () => {
  const { page, wrongs } = await open(TARGET);
  await page.locator(".plot canvas").waitFor();
  assert.ok((await paintedShare(page)) > 0.1);
  const text = await page.locator("article.target").innerText();
  for (const shown of [
    "OOM predicted",
    "85 % of 512 MiB",
    "+312 MiB/h",
    "1 h 12 min – 2 h 15 min",
    "Anonymous memory grows without ever being given back",
    "41 threads",
    "anon",
    "shmem",
    "Forecast: reached in 1 h 30 min",
  ]) {
    assert.ok(text.includes(shown), `${shown} in ${text}`);
  }
  assert.ok(
    agent.requests.some(
      (r) => r.includes("target=workload%3Acheckout-api") && r.includes("metric=shmem"),
    ),
  );
  await page.getByRole("link", { name: "7 d", exact: true }).click();
  await page.getByText("Last 7 d:").waitFor();
  assert.ok(agent.requests.some((r) => r.includes("step=1344")));
  await page.getByRole("link", { name: "Back" }).click();
  await page.locator("table.rows").waitFor();
  assert.deepEqual(wrongs, []);
});

test("a process says what it is, why a figure is missing, and when it has ended", async () => {
  const { page } = await open(PROCESS);
  await page.getByText("java -jar app.jar --token=***").waitFor();
  assert.equal(await page.getByText("not readable: CAP_SYS_PTRACE is missing").count(), 3);
  await page.goto(`${agent.url}#/target/${encodeURIComponent("process:4211@1")}`);
  await page.getByText("gone: this process has ended").waitFor();
});

test("addresses that make no sense do no harm", async () => {
  for (const route of ["#/target/%E0%A4%A", "#/nowhere", "#/target/", "#/target/%3Cimg%3E/9y"]) {
    const { page, wrongs } = await open(route);
    await page.locator("main h1").first().waitFor();
    assert.deepEqual(wrongs, [], route);
  }
});

test("a screen of 360 px needs no sideways scrolling on any page", async () => {
  agent.push("verdict", agent.documents.verdicts[1]);
  const { page } = await open("", { viewport: { width: 360, height: 740 } });
  for (const route of ROUTES) {
    await visit(page, route);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok(wide <= 360, `${route} is ${wide} px wide`);
  }
  await page.goto(agent.url);
  await page.getByLabel("Sort by").selectOption("used");
  assert.equal((await names(page))[0], "postgres");
});

test("the theme follows the system until one is chosen, and the choice is remembered", async () => {
  const { page } = await open("", { colorScheme: "dark" });
  const background = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await background();
  assert.equal(dark, "rgb(10, 19, 26)");
  await page.getByRole("button", { name: "Theme: auto" }).click();
  assert.equal(await background(), "rgb(243, 246, 247)");
  await page.reload();
  await page.getByRole("button", { name: "Theme: light" }).waitFor();
  assert.equal(await background(), "rgb(243, 246, 247)");
});

test("text has AA contrast in both themes", async () => {
  for (const colorScheme of ["light", "dark"]) {
    const { page } = await open("", { colorScheme });
    const poor = await page.evaluate(() => {
      const probe = document.body.appendChild(document.createElement("i"));
      const light = (name) => {
        probe.style.color = `var(--${name})`;
        const parts = getComputedStyle(probe)
          .color.match(/[\d.]+/g)
          .slice(0, 3)
          .map(Number);
        const [r, g, b] = parts
          .map((v) => v / 255)
          .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
      };
      const texts = [
        "ink",
        "quiet",
        "sea",
        "alarm",
        "state-ok",
        "state-warming",
        "state-suspected",
        "state-predicted",
        "state-imminent",
      ];
      return texts
        .flatMap((text) =>
          ["panel", "bg", "sunk"].map((ground) => {
            const [a, b] = [light(text), light(ground)].sort((x, y) => y - x);
            return [`${text} on ${ground}`, (a + 0.05) / (b + 0.05)];
          }),
        )
        .filter(([, ratio]) => ratio < 4.5);
    });
    assert.deepEqual(poor, [], colorScheme);
  }
});

test("the stream shows live, says when it is down, and comes back without doubles", async () => {
  const { page } = await open("#/events");
  await isLive(page);
  agent.push("pressure", { scope: "node", level: "medium", reclaim_bytes: 314_572_800 });
  await page.getByText("scope node · level medium · reclaim 300 MiB").waitFor();
  agent.cutStreams();
  await page.getByText(/reconnecting… stale since \d\d:\d\d:\d\d/).waitFor();
  agent.push("incident", "the kernel killed java");
  await page.getByText("the kernel killed java").waitFor();
  await isLive(page);
  assert.equal(await page.locator("ol.events li").count(), 2);
  await page.getByText("Live. The last 2 events, newest first.").waitFor();
});

test("a problem document is told in words, and the rest goes on", async () => {
  agent.problem = {
    path: "/api/v1/processes",
    document: {
      type: "about:blank",
      title: "Bad sort",
      status: 400,
      detail: `unknown '${HOSTILE}'`,
    },
  };
  const { page } = await open("#/processes");
  const banner = page.getByRole("alert");
  await banner.waitFor();
  assert.match(await banner.innerText(), /a problem \(400\)\. Bad sort: unknown '<img src=x/);
  await page.getByText("ip-10-0-4-17").waitFor();
  assert.equal(await page.evaluate(() => "owned" in window), false);
});

test("an agent that goes away leaves its last figures and a banner until it returns", async () => {
  const { page } = await open();
  await isLive(page);
  const { port } = agent;
  await agent.stop();
  await page
    .getByText(/The agent cannot be reached since .* What you see is from before/)
    .waitFor();
  assert.ok((await names(page)).includes("checkout-api"));
  agent = await startAgent({ port });
  await page.getByRole("alert").waitFor({ state: "hidden" });
  await isLive(page);
});

test("an agent that has only just started is an empty page with words, not an error", async () => {
  Object.assign(agent.documents, {
    verdicts: [],
    alerts: [],
    cgroups: [],
    processes: { total: 0, processes: [] },
    pressure: { enabled: true, dry_run: false, scopes: [], subscribers: [], signals: [] },
  });
  agent.documents.health = { ready: false, degraded: false, sources: [] };
  const { page, wrongs } = await open();
  await page.getByText("No workloads yet. The first sweep may still be under way.").waitFor();
  await page.getByText("starting").waitFor();
  await page.goto(`${agent.url}#/alerts`);
  await page.getByText("Nothing is firing.").waitFor();
  assert.deepEqual(wrongs, []);
});

test("who is asked to make room is shown with what came of it", async () => {
  const { page, wrongs } = await open("#/alerts");
  const room = page.getByRole("region", { name: "Making room" });
  await room.getByText("12 MiB of 256 MiB left, 10 s until the limit, 24 MiB wanted back").waitFor();
  await room.getByText("can free 90 MiB").waitFor();
  await room.getByText("did not answer the last time").waitFor();
  await room.getByText("asked for 24 MiB, 25 MiB freed (answered)").waitFor();
  assert.deepEqual(wrongs, []);
});

test("alerts that fire stand above those that have ended", async () => {
  const { page } = await open("#/alerts");
  await page.locator("li.alert").first().waitFor();
  const texts = await page.locator("li.alert").allInnerTexts();
  assert.match(texts[0], /critical, firing\s+OomPredicted/);
  assert.match(texts[1], /resolved\s+LeakSuspected/);
  assert.equal(await page.locator("#firing").innerText(), "1");
});
