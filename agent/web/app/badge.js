// The signs the page uses again and again: the state badge, the limit's meter, the time left.

import { foreign, h, svg } from "./dom.js";
import { NONE, bytes, duration, percent, share } from "./format.js";
import { cause, state } from "./words.js";

/** A disc with water up to `level` and the load line across it. Shape tells what colour tells. */
function disc(level) {
  const height = 6 - 12 * level;
  const half = Math.sqrt(Math.max(0, 36 - height * height));
  const big = level > 0.5 ? 1 : 0;
  const water =
    level >= 1
      ? svg("circle", { cx: 8, cy: 8, r: 6, class: "water" })
      : svg("path", {
          d: `M${8 - half} ${8 + height}A6 6 0 ${big} 0 ${8 + half} ${8 + height}Z`,
          class: "water",
        });
  return svg(
    "svg",
    { viewBox: "0 0 16 16", width: 14, height: 14, "aria-hidden": "true" },
    water,
    svg("circle", { cx: 8, cy: 8, r: 6, class: "ring" }),
    svg("path", { d: "M0 8h16", class: level >= 1 ? "line under" : "line" }),
  );
}

/** The state in a disc and in words. */
export function badge(key) {
  const known = state(key);
  return h(
    "span",
    { class: "badge", "data-state": String(key), title: known.means || null },
    disc(known.level),
    h("span", {}, foreign(known.label)),
  );
}

export const causeName = (key) => foreign(cause(key).label);

/** How much of the limit is used: a bar with the line at its end, and the numbers. */
export function meter(used, limit) {
  const ratio = share(used, limit);
  if (ratio === null) return h("span", { class: "quiet" }, "no limit");
  const fill = h("span", { class: "fill" });
  fill.style.width = `${Math.min(100, ratio * 100)}%`;
  return h(
    "span",
    { class: "meter", "data-tone": ratio >= 0.9 ? "high" : "calm" },
    h("span", { class: "track", "aria-hidden": "true" }, fill),
    h(
      "span",
      { class: "reading" },
      `${percent(ratio)} `,
      h("span", { class: "quiet" }, `of ${bytes(limit)}`),
    ),
  );
}

/** p50, with p10–p90 beneath. */
export function timeLeft(eta) {
  if (!Number.isFinite(eta?.p50)) return h("span", { class: "quiet" }, NONE);
  return h(
    "span",
    { class: "eta" },
    h("b", {}, duration(eta.p50)),
    h("span", { class: "quiet" }, `${duration(eta.p10)} – ${duration(eta.p90)}`),
  );
}
