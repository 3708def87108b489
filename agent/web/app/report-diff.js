// Two heap reports side by side: what grew and what shrank between them.

import { Problem, get } from "./api.js";
import { foreign, h, moment, renew } from "./dom.js";
import { NONE, bytes, clock, count, duration } from "./format.js";
import { reportHref } from "./report.js";
import { panel, tableOf } from "./report-parts.js";

const ROWS_MAX = 15;

export function diffPage(a, b) {
  const head = h("header", { class: "target-head" });
  const body = h("div", { class: "page" });
  let done = false;

  return {
    element: h(
      "article",
      { class: "page target" },
      h("p", {}, h("a", { href: "#/reports", class: "back" }, "← Heap reports")),
      head,
      body,
    ),
    needs: [],
    async update() {
      if (done) return;
      done = true;
      const read = (id) => get(`reports/${encodeURIComponent(id)}`);
      const found = await Promise.all([read(a), read(b)]).catch((error) => {
        done = false;
        if (!(error instanceof Problem)) throw error;
        return error;
      });
      const whole = (one) => one?.schema === "plimsoll.report/1";
      if (found instanceof Problem || !found.every(whole)) {
        done = false;
        const why = found.message ?? "One of them is still being taken.";
        renew(head, h("h1", {}, "Nothing to compare"), h("p", { class: "empty" }, foreign(why)));
        return;
      }
      const [before, now] = found;
      renew(head, headOf(a, b, before, now));
      body.replaceChildren(...bodyOf(a, b, before, now));
    },
  };
}

function headOf(a, b, before, now) {
  const { identity } = now;
  const same =
    identity.pid === before.identity.pid && identity.start_time === before.identity.start_time;
  const link = (id, { taken_at: at }) => h("a", { href: reportHref(id) }, moment(clock(at), at));
  const elapsed = (new Date(now.taken_at) - new Date(before.taken_at)) / 1000;
  return [
    h("p", { class: "quiet" }, "From ", link(a, before), " to ", link(b, now), `, ${duration(elapsed)}`),
    h("h1", {}, foreign(identity.exe ?? "a process"), ` (pid ${identity.pid})`),
    same
      ? null
      : h("p", { class: "empty" }, "These are two processes, or two lives of one pid: mind that."),
  ];
}

function bodyOf(a, b, before, now) {
  const source = `api/v1/reports/diff?${new URLSearchParams({ a, b, format: "svg" })}`;
  const json = `api/v1/reports/diff?${new URLSearchParams({ a, b })}`;
  const words = "Flame graph of the later report, coloured by what grew; see the tables";
  const listed = [
    ["Leaked, by type", (one) => one.leaks?.by_type, (row) => row.type, (row) => row.bytes],
    ["Leaked, by stack", (one) => one.leaks?.by_stack, stackName, (row) => row.bytes],
    ["Leaked, by size of block", (one) => one.leaks?.by_size, sizeName, (row) => row.bytes],
    ["Held by", (one) => one.roots, (row) => row.name, (row) => row.retained_bytes],
    ["In use, by size of block", (one) => one.allocator?.size_classes, className, inUse],
  ];
  const tables = listed.flatMap(([title, rowsOf, name, size]) => {
    const rows = changes(rowsOf(before), rowsOf(now), name, size);
    return rows.length ? [panel(title, tableFrom(rows))] : [];
  });
  return [
    panel("What changed", tableFrom(figures(before, now))),
    ...tables,
    panel("Flame graph", [
      h("p", { class: "quiet" }, "Red grew, blue shrank. ", h("a", { href: source }, "Open it by itself"), " · ", h("a", { href: json }, "JSON")),
      h("div", { class: "scroll" }, h("img", { src: source, alt: words, class: "flame" })),
    ]),
  ];
}

const stackName = ({ frames }) => frames.slice(0, 6).join(" ← ");
const sizeName = ({ size_bytes: size }) => `${count(size)} bytes`;
const className = ({ max_bytes: max }) => `to ${bytes(max)}`;
const inUse = ({ in_use_bytes: n }) => n;

/** The single figures that both know, and that are not nothing in both. */
function figures(before, now) {
  const parts = Object.keys(now.rss?.parts ?? {}).map((key) => [
    `resident: ${key.replaceAll("_", " ")}`,
    (one) => one.rss?.parts?.[key],
  ]);
  const all = [
    ["resident", (one) => one.rss?.total_bytes],
    ...parts,
    ["in use", (one) => one.allocator?.in_use_bytes],
    ["free", (one) => one.allocator?.free_bytes],
    ["mapped by itself", (one) => one.allocator?.mmapped_bytes],
    ["free and resident", (one) => one.fragmentation?.free_resident_bytes],
    ["trimmable", (one) => one.fragmentation?.trimmable_bytes],
    ["leaked", (one) => one.leaks?.unreachable_bytes],
  ];
  return all
    .map(([name, read]) => ({ name, was: read(before), is: read(now) }))
    .filter(({ was, is }) => Number.isFinite(was ?? is) && (was || is));
}

/** The rows of two lists by name, those that changed most first. */
function changes(before, now, name, size) {
  const sums = (rows) =>
    (rows ?? []).reduce((all, row) => all.set(name(row), (all.get(name(row)) ?? 0) + size(row)), new Map());
  const [was, is] = [sums(before), sums(now)];
  return [...new Set([...was.keys(), ...is.keys()])]
    .map((key) => ({ name: key, was: was.get(key) ?? 0, is: is.get(key) ?? 0 }))
    .filter((row) => row.was !== row.is)
    .sort((x, y) => Math.abs(y.is - y.was) - Math.abs(x.is - x.was))
    .slice(0, ROWS_MAX);
}

function tableFrom(rows) {
  const signed = (n) => (Number.isFinite(n) ? `${n > 0 ? "+" : ""}${n === 0 ? "0" : bytes(n)}` : NONE);
  const change = ({ was, is }) => {
    const by = was === null || was === undefined ? Number.NaN : is - was;
    const tone = by > 0 ? "grew" : by < 0 ? "shrank" : "quiet";
    return h("b", { class: tone }, signed(by));
  };
  return tableOf(
    ["", "Before", "After", "Change"],
    rows.map((row) => [row.name, bytes(row.was), bytes(row.is), change(row)]),
  );
}
