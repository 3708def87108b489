// Parts that the pages of heap reports share: panels, pairs, tables, and bars of a share.

import { foreign, h, svg } from "./dom.js";
import { NONE, bytes, count, percent } from "./format.js";

export const panel = (title, content) =>
  h("section", { class: "panel", "aria-label": title }, h("h2", {}, foreign(title)), content);

export const pairs = (entries) =>
  h(
    "dl",
    { class: "pairs" },
    entries.map(([label, value]) => [
      h("dt", {}, label),
      h("dd", {}, value instanceof Node ? value : foreign(value ?? NONE)),
    ]),
  );

export const tableOf = (heads, rows) =>
  h(
    "div",
    { class: "scroll" },
    h(
      "table",
      {},
      h("thead", {}, h("tr", {}, heads.map((head) => h("th", { scope: "col" }, head)))),
      h(
        "tbody",
        {},
        rows.map((cells) =>
          h("tr", {}, cells.map((cell) => h("td", {}, cell instanceof Node ? cell : foreign(cell)))),
        ),
      ),
    ),
  );

export const blocksOf = (n) => (Number.isFinite(n) ? `${count(n)} block${n === 1 ? "" : "s"}` : "");

/** A name, an amount, and its share of the whole as a bar; nothing where it is not known. */
export function shareBar(name, n, whole, remark = "") {
  if (!Number.isFinite(n)) return null;
  const share = whole > 0 ? Math.min(1, n / whole) : 0;
  const bar = svg(
    "svg",
    { viewBox: "0 0 100 6", preserveAspectRatio: "none", "aria-hidden": "true" },
    svg("rect", { width: 100, height: 6, class: "track" }),
    svg("rect", { width: (share * 100).toFixed(2), height: 6, class: "fill" }),
  );
  const said = [whole > 0 ? percent(n / whole) : null, remark].filter(Boolean).join(" · ");
  return h(
    "p",
    { class: "share" },
    h("span", {}, foreign(name)),
    bar,
    h("b", {}, bytes(n)),
    h("span", { class: "quiet" }, said),
  );
}

const FACTS_MAX = 60;

/** The leaves of a document as name and value; those named as bytes are shown as bytes. */
export function partsOf(value, name = "") {
  if (value === null || value === undefined) return [];
  if (typeof value !== "object") {
    const isBytes = typeof value === "number" && /bytes$/.test(name);
    const shown = isBytes ? bytes(value) : typeof value === "number" ? count(value) : String(value);
    return [[foreign(name.replaceAll("_", " ")), shown]];
  }
  const below = (key, part) => partsOf(part, name ? `${name} ${key}` : key);
  const named = (part, i) => (typeof part?.name === "string" ? part.name : String(i));
  const parts = Array.isArray(value)
    ? value.flatMap((part, i) => below(named(part, i), part))
    : Object.entries(value).flatMap(([key, part]) => (key === "name" ? [] : below(key, part)));
  return parts.slice(0, FACTS_MAX);
}
