// The table of workloads, processes or cgroups: sorted by urgency, filtered, live.
// Rows keep their elements between updates, so that focus and selection stay where they are.

import { badge, causeName, meter, timeLeft } from "./badge.js";
import { foreign, h, renew, setText, targetHref } from "./dom.js";
import { bytes, count, rate } from "./format.js";
import { filter, order, rowsOf } from "./rows.js";
import { spark, want } from "./spark.js";
import { cause } from "./words.js";

export const LIMIT = 200;

export const TABS = [
  { kind: "workload", route: "workloads", label: "Workloads" },
  { kind: "process", route: "processes", label: "Processes" },
  { kind: "cgroup", route: "cgroups", label: "Cgroups" },
];

/** `falls`: the first click puts the largest on top. */
const COLUMNS = [
  { key: "urgency", label: "State", falls: true },
  { key: "name", label: "Name" },
  { key: "cause", label: "Cause" },
  { key: "used", label: "Used", falls: true, numeric: true },
  { key: "share", label: "Of limit", falls: true },
  { key: "", label: "Last hour" },
  { key: "rate", label: "Growth", falls: true, numeric: true },
  { key: "eta", label: "Time left", numeric: true },
];

/** What was chosen outlives the visit to a target's page. */
const chosen = { sort: "urgency", reversed: false, words: "", suspects: false };

/** The order to ask of the agent, so that what it cuts off is what matters least. */
export function agentSort() {
  return { rate: "rate", eta: "eta" }[chosen.sort] ?? "rss";
}

/** Makes the table of one kind. `changed` is called when other documents are needed. */
export function table(kind, changed) {
  let data = null;
  const rows = new Map();
  const redraw = () => {
    if (data) draw();
  };
  const sortBy = (key) => {
    chosen.reversed = key === chosen.sort && !chosen.reversed;
    chosen.sort = key;
    redraw();
    changed();
  };
  const { bar, counts, suspects, narrowSort } = toolbar(kind, redraw, sortBy);
  const heads = COLUMNS.map((column) => head(column, sortBy));
  const body = h("tbody", { role: "rowgroup", onclick: openRow });
  const note = h("p", { class: "note", role: "status" });
  const element = h(
    "section",
    { class: "watch", "aria-label": "What is watched" },
    bar,
    h(
      "table",
      { role: "table", class: "rows" },
      h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, heads)),
      body,
    ),
    note,
  );

  function draw() {
    showSort(heads, narrowSort);
    showCounts(counts, data);
    const all = rowsOf(kind, data);
    const found = order(filter(all, chosen.words, chosen.suspects), chosen.sort, chosen.reversed);
    const shown = found.slice(0, LIMIT);
    place(body, rows, shown);
    setText(note, describe(kind, data, { all, found, shown }));
    const ids = shown.map((row) => row.id);
    want(ids, (id) => rows.get(id)?.line());
  }

  return {
    element,
    update(next) {
      data = next;
      draw();
    },
    toggleSuspects: () => suspects.click(),
  };
}

/** The tabs with their counts, the filter, and the sort order for screens without headers. */
function toolbar(kind, redraw, sortBy) {
  const counts = Object.fromEntries(TABS.map((tab) => [tab.kind, h("span", { class: "count" })]));
  const tabs = TABS.map((tab) => {
    const current = tab.kind === kind ? "page" : null;
    const href = `#/${tab.route}`;
    return h("a", { href, "aria-current": current }, tab.label, " ", counts[tab.kind]);
  });
  const input = h("input", {
    id: "filter",
    type: "search",
    placeholder: "Filter by name, cause, state",
    autocomplete: "off",
    spellcheck: "false",
    "aria-label": "Filter the table",
    "aria-keyshortcuts": "/",
    oninput: () => {
      chosen.words = input.value;
      redraw();
    },
  });
  input.value = chosen.words;
  const suspects = h("input", {
    id: "suspects",
    type: "checkbox",
    "aria-keyshortcuts": "s",
    onchange: () => {
      chosen.suspects = suspects.checked;
      redraw();
    },
  });
  suspects.checked = chosen.suspects;
  const narrowSort = h(
    "select",
    { "aria-label": "Sort by", onchange: () => sortBy(narrowSort.value) },
    COLUMNS.filter((c) => c.key).map((c) => h("option", { value: c.key }, `Sort: ${c.label}`)),
  );
  const check = h("label", { class: "check" }, suspects, "Suspects only");
  const bar = h(
    "div",
    { class: "bar" },
    h("nav", { class: "tabs", "aria-label": "Kinds" }, tabs),
    h("div", { class: "controls" }, narrowSort, input, check),
  );
  return { bar, counts, suspects, narrowSort };
}

function head({ key, label, numeric }, sortBy) {
  const button = () => h("button", { type: "button", onclick: () => sortBy(key) }, label);
  const attributes = { scope: "col", role: "columnheader", class: numeric ? "num" : null };
  return h("th", attributes, key ? button() : label);
}

/** A click anywhere in a row opens it, unless text is being selected. */
function openRow(event) {
  const row = event.target.closest("tr");
  if (!row || event.target.closest("a") || String(getSelection())) return;
  row.querySelector("a")?.click();
}

function showSort(heads, narrowSort) {
  COLUMNS.forEach((column, i) => {
    const falls = Boolean(column.falls) !== chosen.reversed;
    if (column.key !== chosen.sort) heads[i].removeAttribute("aria-sort");
    else heads[i].setAttribute("aria-sort", falls ? "descending" : "ascending");
  });
  narrowSort.value = chosen.sort;
}

function showCounts(counts, { node, verdicts, total, cgroups }) {
  setText(counts.workload, count(verdicts.workload.length));
  setText(counts.process, count(node?.processes ?? total));
  setText(counts.cgroup, count(node?.cgroups ?? cgroups.length));
}

/** Puts the rows in order, moving only what stands in the wrong place. */
function place(body, rows, shown) {
  const focused = document.activeElement;
  const gone = new Set(rows.keys());
  shown.forEach((row, i) => {
    gone.delete(row.id);
    let line = rows.get(row.id);
    if (!line) rows.set(row.id, (line = makeRow(row)));
    line.update(row);
    if (body.children[i] !== line.element)
      body.insertBefore(line.element, body.children[i] ?? null);
  });
  for (const id of gone) {
    rows.get(id).element.remove();
    rows.delete(id);
  }
  if (focused !== document.activeElement && body.contains(focused)) {
    focused.focus({ preventScroll: true });
  }
}

function makeRow({ id }) {
  const cells = COLUMNS.map((column) =>
    h("td", {
      role: "cell",
      class: column.numeric ? "num" : null,
      "data-label": column.label,
    }),
  );
  const [stateCell, nameCell, causeCell, usedCell, shareCell, sparkCell, rateCell, etaCell] = cells;
  const link = h("a", { href: targetHref(id) });
  const under = h("span", { class: "under quiet" });
  nameCell.append(link, under);
  const element = h("tr", { role: "row", "data-id": id }, cells);
  let before = "";

  return {
    element,
    line() {
      sparkCell.replaceChildren(spark(id) ?? "");
    },
    update(row) {
      const now = JSON.stringify(row);
      if (now === before) return;
      before = now;
      element.dataset.state = row.state;
      renew(stateCell, badge(row.state));
      renew(link, foreign(row.name));
      renew(under, foreign(row.note));
      const plain = row.state === "ok" && row.cause === "unknown";
      renew(causeCell, plain ? h("span", { class: "quiet" }, "–") : causeName(row.cause));
      causeCell.title = cause(row.cause).means;
      usedCell.textContent = bytes(row.used);
      renew(shareCell, meter(row.used, row.limit));
      rateCell.textContent = rate(row.rate);
      renew(etaCell, timeLeft(row.eta));
    },
  };
}

function describe(kind, data, { all, found, shown }) {
  const many = TABS.find((tab) => tab.kind === kind).label.toLowerCase();
  if (!all.length) return `No ${many} yet. The first sweep may still be under way.`;
  const parts = [];
  if (!found.length) parts.push(`None of the ${count(all.length)} ${many} matches.`);
  else if (shown.length < found.length) {
    parts.push(`The first ${count(shown.length)} of ${count(found.length)} ${many}.`);
  } else parts.push(`${count(shown.length)} of ${count(all.length)} ${many}.`);
  if (kind === "process" && data.total > all.length) {
    const by = { rate: "growth", eta: "time left" }[agentSort()] ?? "resident memory";
    parts.push(
      `The node runs ${count(data.total)}; the agent sent the first ${count(LIMIT)} by ${by} ` +
        "and every suspect. The filter looks through these only.",
    );
  }
  return parts.join(" ");
}
