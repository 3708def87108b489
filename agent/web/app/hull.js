// The node at a glance: how deep she lies, and what presses on her.

import { badge, timeLeft } from "./badge.js";
import { foreign, h, moment, renew, setText, targetHref } from "./dom.js";
import { NONE, bytes, clock, count, percent } from "./format.js";

/** Makes the panel once; `update` fills it again and again. */
export function hull() {
  const host = h("h1", { id: "host" }, NONE);
  const facts = h("p", { class: "facts" });
  const verdict = h("a", { class: "node-verdict", href: targetHref("node") });
  const deck = waterline();
  const tiles = {
    psi: tile("Memory pressure, some · full"),
    swap: tile("Swap"),
    oom: tile("OOM kills"),
    fragmentation: tile("Fragmentation"),
  };
  const agent = agentHealth();
  const element = h(
    "section",
    { class: "hull panel", "aria-labelledby": "host" },
    h("div", { class: "hull-head" }, h("div", {}, host, facts), verdict),
    deck.element,
    h("div", { class: "tiles" }, ...Object.values(tiles).map((t) => t.element), agent.element),
  );

  const update = ({ node, health }) => {
    if (health) agent.update(health);
    if (!node) return;
    renew(host, foreign(node.hostname || "This node"));
    renew(facts, hostFacts(node));
    renew(
      verdict,
      node.verdict ? badge(node.verdict.state) : null,
      node.verdict?.eta_s ? timeLeft(node.verdict.eta_s) : null,
      h("span", { class: "more" }, "Node over time"),
    );
    deck.update(node);
    fillTiles(tiles, node);
  };
  return { element, update };
}

function hostFacts(node) {
  const boot = String(node.boot_id ?? "").slice(0, 8);
  const known = [
    node.os,
    node.kernel && `Linux ${node.kernel}`,
    node.cpus && `${node.cpus} CPUs`,
    `${count(node.processes)} processes`,
    `${count(node.cgroups)} cgroups`,
    boot && `boot ${boot}`,
  ];
  return [
    ...known.filter(Boolean).map((fact) => foreign(fact, "fact")),
    h("span", { class: "fact" }, "read at ", moment(clock(node.at), node.at)),
  ];
}

/**
 * The bar from empty to full: used, cache the kernel can drop, free; and the line where the kernel
 * begins to reclaim, which is total − the sum of the zones' low watermarks.
 */
function waterline() {
  const parts = ["used", "cache", "free"].map((name) => h("span", { class: `water-${name}` }));
  const line = h("span", { class: "load-line" }, h("span", { class: "mark" }));
  const bar = h(
    "div",
    { class: "waterline", role: "img", "data-testid": "node-bar" },
    ...parts,
    line,
  );
  const used = h("b", { class: "big" }, NONE);
  const ofTotal = h("span", { class: "quiet" });
  const legend = h("ul", { class: "legend" });

  const update = (node) => {
    const total = node.mem_total_bytes;
    const free = node.meminfo?.MemFree ?? 0;
    const cache = Math.max(0, (node.mem_available_bytes ?? free) - free);
    const amounts = [node.used_bytes, cache, Math.max(0, total - node.used_bytes - cache)];
    parts.forEach((part, i) => {
      part.style.flexGrow = String(amounts[i]);
    });
    const low = (node.zones ?? []).reduce((sum, zone) => sum + (zone.low_bytes ?? 0), 0);
    line.hidden = low === 0;
    line.style.left = `${100 * (1 - low / total)}%`;
    setText(used, bytes(node.used_bytes));
    setText(
      ofTotal,
      ` used of ${bytes(total)} · ${percent(node.used_bytes / total)} · ` +
        `${bytes(node.mem_available_bytes)} available`,
    );
    renew(
      legend,
      item("used", `used ${bytes(amounts[0])}`),
      item("cache", `reclaimable cache ${bytes(amounts[1])}`),
      item("free", `free ${bytes(amounts[2])}`),
      low ? item("line", `kernel reclaims below ${bytes(low)} free`) : null,
    );
    bar.setAttribute("aria-label", [...legend.children].map((li) => li.textContent).join(", "));
  };
  const item = (name, label) => h("li", {}, h("i", { class: `swatch ${name}` }), label);
  return {
    element: h("div", { class: "deck" }, h("p", { class: "reading" }, used, ofTotal), bar, legend),
    update,
  };
}

function tile(label) {
  const value = h("b", {}, NONE);
  const note = h("span", { class: "quiet" });
  return {
    element: h("div", { class: "tile" }, h("span", { class: "label" }, label), value, note),
    set(shown, beneath, tone = "calm") {
      setText(value, shown);
      setText(note, beneath);
      this.element.dataset.tone = tone;
    },
  };
}

const points = (value) =>
  Number.isFinite(value) ? `${value.toFixed(value < 10 ? 1 : 0)} %` : NONE;

function fillTiles({ psi, swap, oom, fragmentation }, node) {
  const p = node.psi;
  if (p) {
    psi.set(
      `${points(p.some_avg10)} · ${points(p.full_avg10)}`,
      `in 10 s; in 5 min ${points(p.some_avg300)} · ${points(p.full_avg300)}`,
      p.some_avg10 >= 10 ? "high" : "calm",
    );
  } else {
    psi.set(NONE, "this kernel shows no PSI");
  }

  const swapTotal = node.swap_total_bytes;
  if (swapTotal === 0) swap.set("none", "no swap on this node");
  else {
    const usedSwap =
      Number.isFinite(swapTotal) && Number.isFinite(node.swap_free_bytes)
        ? swapTotal - node.swap_free_bytes
        : null;
    swap.set(bytes(usedSwap), `used of ${bytes(swapTotal)}`);
  }

  const kills = node.vmstat?.oom_kill;
  oom.set(
    count(kills),
    kills === undefined ? "this kernel does not count them" : "since boot",
    kills > 0 ? "high" : "calm",
  );

  const zone = [...(node.zones ?? [])]
    .filter((z) => Number.isFinite(z.fragmentation))
    .sort((a, b) => (b.managed_bytes ?? b.free_bytes) - (a.managed_bytes ?? a.free_bytes))[0];
  if (zone) {
    fragmentation.set(
      percent(zone.fragmentation),
      "of free memory too scattered for a huge page",
      zone.fragmentation >= 0.95 ? "high" : "calm",
    );
  } else fragmentation.set(NONE, "no zone figures");
}

const SOURCE_WORDS = { ok: "ok", degraded: "degraded", unavailable: "unavailable", off: "off" };

/** What the agent sees and what not, and what would give it more sight. */
function agentHealth() {
  const value = h("b", {}, NONE);
  const note = h("span", { class: "quiet" }, "what it can see");
  const list = h("ul", { class: "sources" });
  const element = h(
    "details",
    { class: "tile health" },
    h("summary", {}, h("span", { class: "label" }, "Agent"), value, note),
    list,
  );

  const update = ({ ready, sources }) => {
    const lacking = sources.filter((s) => s.state === "degraded" || s.state === "unavailable");
    setText(
      value,
      !ready ? "starting" : lacking.length ? `${lacking.length} degraded` : "sees all",
    );
    setText(note, `${sources.length} sources · why`);
    element.dataset.tone = lacking.length ? "high" : "calm";
    renew(
      list,
      sources.map((source) =>
        h(
          "li",
          { "data-state": String(source.state) },
          h("b", {}, foreign(source.name)),
          " ",
          h("span", { class: "pill" }, foreign(SOURCE_WORDS[source.state] ?? source.state)),
          h("p", {}, foreign(source.sees)),
          source.why ? h("p", { class: "why" }, "Lacking: ", foreign(source.why)) : null,
        ),
      ),
    );
  };
  return { element, update };
}
