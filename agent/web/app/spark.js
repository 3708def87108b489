// Small lines of the last hour, for the rows on top of the table. Few, slow and cached, so that
// they cost the agent next to nothing: at most ROWS_MAX targets, one request at a time.

import { get } from "./api.js";
import { svg } from "./dom.js";

export const ROWS_MAX = 20;
const FRESH_MS = 60_000;
const WIDTH = 84;
const HEIGHT = 22;

const kept = new Map();
let wanted = [];
let busy = false;

/** Asks for the lines of these targets; `drawn(id)` is called as each one comes. */
export function want(ids, drawn) {
  wanted = ids.slice(0, ROWS_MAX);
  if (!busy) void work(drawn);
}

async function work(drawn) {
  busy = true;
  for (;;) {
    const id = wanted.find((one) => Date.now() - (kept.get(one)?.at ?? 0) > FRESH_MS);
    if (id === undefined) break;
    const to = Math.floor(Date.now() / 1000);
    const points = await get("series", {
      target: id,
      metric: "used",
      from: to - 3600,
      to,
      step: 60,
    }).then(
      (series) => series.points,
      () => [],
    );
    if (kept.size > 10 * ROWS_MAX) kept.clear();
    kept.set(id, { at: Date.now(), points: Array.isArray(points) ? points : [] });
    drawn(id);
  }
  busy = false;
}

/** The line of a target, or null while there is none. */
export function spark(id) {
  const points = (kept.get(id)?.points ?? []).filter(([, y]) => Number.isFinite(y));
  if (points.length < 2) return null;
  const x0 = points[0][0];
  const width = points.at(-1)[0] - x0 || 1;
  const values = points.map(([, y]) => y);
  const high = Math.max(...values);
  // A flat line stays flat: a change below 10 % of the value is not blown up.
  const span = Math.max(high - Math.min(...values), high * 0.1, 1);
  const path = points.map(
    ([x, y]) =>
      `${(2 + ((WIDTH - 4) * (x - x0)) / width).toFixed(1)},` +
      `${(HEIGHT - 3 - (HEIGHT - 6) * (1 - (high - y) / span)).toFixed(1)}`,
  );
  return svg(
    "svg",
    {
      viewBox: `0 0 ${WIDTH} ${HEIGHT}`,
      width: WIDTH,
      height: HEIGHT,
      class: "spark",
      "aria-hidden": "true",
    },
    svg("polyline", { points: path.join(" ") }),
  );
}
