// A target's memory over time: its parts stacked, the limit as the load line, and the fan of the
// forecast from now to the limit. Drawn by uPlot; the words beneath say the same to those who
// cannot see it.

import { h, renew, setText } from "./dom.js";
import { bytes, clock, day, duration } from "./format.js";
import { PARTS, SWAP, USED } from "./words.js";

const HEIGHT = 320;
const STEPS = Array.from({ length: 51 }, (_, power) => 2 ** power);

/** Values at the times of `base`: the nearest point of `points` no farther than `tolerance`. */
export function align(base, points, tolerance) {
  let at = 0;
  return base.map((time) => {
    while (
      at + 1 < points.length &&
      Math.abs(points[at + 1][0] - time) <= Math.abs(points[at][0] - time)
    )
      at += 1;
    const nearest = points[at];
    return nearest && Math.abs(nearest[0] - time) <= tolerance ? nearest[1] : null;
  });
}

/**
 * The stack, bottom to top, from the series of each metric: running sums of anon, shmem, other and
 * file. "other" is what `used` holds beyond the known parts. A gap in `used` is a gap in all.
 */
export function stack(series, step) {
  const times = series.used.map(([time]) => time);
  const used = series.used.map(([, value]) => value);
  const part = Object.fromEntries(
    ["anon", "shmem", "file", "swap"].map((key) => [key, align(times, series[key] ?? [], step)]),
  );
  part.other = used.map((total, i) =>
    total === null ? null : Math.max(0, total - part.anon[i] - part.shmem[i] - part.file[i]),
  );
  const sums = [];
  let below = used.map(() => 0);
  for (const { key } of PARTS) {
    below = below.map((sum, i) => (used[i] === null ? null : sum + (part[key][i] ?? 0)));
    sums.push(below);
  }
  return { times, used, part, sums };
}

/** How far the chart reaches: past now for a forecast, and up to the limit if it is near. */
export function extent({ from, to, used, limit, eta }) {
  const range = to - from;
  // The whole fan if it fits beside the past; else only where it sets out to.
  const fits = eta !== null && eta.p50 <= range * 1.5;
  const ahead = eta === null ? 0 : fits ? Math.min(eta.p90 * 1.1, range * 1.6) : range * 0.35;
  const top = Math.max(1, ...used.filter(Number.isFinite));
  const near = limit !== null && (limit <= top * 3 || (eta !== null && eta.p10 < ahead));
  return { from, to: to + ahead, top: near ? Math.max(limit, top) * 1.08 : top * 1.15, near };
}

export function chart() {
  const canvas = h("div", { class: "plot", role: "img" });
  const legend = h("ul", { class: "legend chart-legend" });
  const words = h("p", { class: "note" });
  const element = h("figure", { class: "chart" }, canvas, legend, words);
  const probe = h("span", { hidden: true });
  element.append(probe);
  let plot = null;
  let shown = null;

  // uPlot wants plain colours; the probe resolves the style sheet's variables for this theme.
  const colour = (name) => {
    probe.style.color = `var(--${name})`;
    return getComputedStyle(probe).color;
  };

  const build = () => {
    plot?.destroy();
    const width = canvas.clientWidth;
    if (!shown || !width) return;
    plot = new window.uPlot(options(shown, colour, width, showLegend), columns(shown), canvas);
  };

  const showLegend = (index) => renew(legend, legendAt(shown, index));

  const resized = new ResizeObserver(() => {
    if (plot && canvas.clientWidth) plot.setSize({ width: canvas.clientWidth, height: HEIGHT });
    else build();
  });
  resized.observe(canvas);
  document.addEventListener("themechange", build);

  return {
    element,
    show(series, frame) {
      shown = prepare(series, frame);
      build();
      showLegend(null);
      const text = describe(shown, frame);
      setText(words, text);
      canvas.setAttribute("aria-label", `Memory over time. ${text}`);
    },
    leave() {
      document.removeEventListener("themechange", build);
      resized.disconnect();
      plot?.destroy();
    },
  };
}

/** All that is drawn: the stack, the parts worth a legend, the limit, the forecast, the frame. */
function prepare(series, frame) {
  const stacked = stack(series, frame.step);
  const limit = Number.isFinite(frame.limit) ? frame.limit : null;
  const eta = limit !== null && Number.isFinite(frame.eta?.p50) ? frame.eta : null;
  const values = { ...stacked.part, used: stacked.used };
  const parts = [USED, ...PARTS.toReversed(), SWAP]
    .map((part) => ({ ...part, values: values[part.key] }))
    .filter((part) => part.values.some((value) => value > 0));
  const reach = extent({ ...frame, used: stacked.used, limit, eta });
  return { ...stacked, parts, limit, eta, extent: reach, marks: frame.marks ?? [] };
}

/** The values under the cursor, or the last ones. */
function legendAt({ parts, times }, index) {
  const i = index ?? times.length - 1;
  const time = Number.isFinite(times[i]) ? clock(new Date(times[i] * 1000)) : "";
  return [
    h("li", { class: "quiet" }, time),
    ...parts.map(({ key, label, means, values }) => {
      const swatch = h("i", { class: `swatch part-${key}` });
      return h("li", { title: means }, swatch, `${label} `, h("b", {}, bytes(values[i])));
    }),
  ];
}

function describe({ used, limit, eta, extent: { near }, marks }, { label }) {
  const values = used.filter(Number.isFinite);
  if (!values.length) return `No history in the last ${label}.`;
  const parts = [
    `Last ${label}: between ${bytes(Math.min(...values))} and ${bytes(Math.max(...values))}, ` +
      `now ${bytes(values.at(-1))}.`,
  ];
  if (limit === null) parts.push("No limit.");
  else parts.push(`Limit ${bytes(limit)}${near ? "" : ", above this chart"}.`);
  if (eta) {
    parts.push(
      `Forecast: reached in ${duration(eta.p50)} (80 % between ${duration(eta.p10)} and ` +
        `${duration(eta.p90)}).`,
    );
  }
  if (marks.length) {
    const named = marks.map((mark) => `${mark.label} ${clock(new Date(mark.at * 1000))}`);
    parts.push(`Marks: ${named.join(", ")}.`);
  }
  return parts.join(" ");
}

/** The largest sum first, so that the lower ones are painted over it. */
const columns = ({ times, sums, part }) => [times, ...sums.toReversed(), part.swap];

function options(shown, colour, width, showLegend) {
  const axis = {
    stroke: colour("quiet"),
    font: "12px system-ui, sans-serif",
    grid: { stroke: colour("grid"), width: 1 },
    ticks: { show: false },
  };
  return {
    width,
    height: HEIGHT,
    legend: { show: false },
    padding: [14, 12, 0, 0],
    cursor: { y: false, drag: { x: false, y: false }, points: { show: false } },
    scales: {
      x: { time: true, range: () => [shown.extent.from, shown.extent.to] },
      y: { range: () => [0, shown.extent.top] },
    },
    axes: [
      { ...axis, size: 32, values: (_, splits) => timeLabels(splits, shown.extent) },
      { ...axis, size: 68, incrs: STEPS, values: (_, splits) => splits.map(bytes) },
    ],
    series: [
      {},
      ...PARTS.toReversed().map(({ key, label }) => ({
        label,
        stroke: colour(`part-${key}-line`),
        fill: colour(`part-${key}`),
        width: 1,
        points: { show: false },
      })),
      {
        label: "swap",
        stroke: colour("part-swap"),
        width: 1.5,
        dash: [2, 3],
        points: { show: false },
      },
    ],
    hooks: {
      draw: [(u) => drawAhead(u, shown, colour), (u) => drawMarks(u, shown.marks, colour)],
      setCursor: [(u) => showLegend(u.cursor.idx)],
    },
  };
}

function timeLabels(splits, { from, to }) {
  const two = (n) => String(n).padStart(2, "0");
  const wide = to - from > 36 * 3600;
  return splits.map((second) => {
    const date = new Date(second * 1000);
    const minutes = `${two(date.getHours())}:${two(date.getMinutes())}`;
    if (wide && minutes === "00:00") return day(date).slice(5);
    return to - from < 300 ? `${minutes}:${two(date.getSeconds())}` : minutes;
  });
}

function drawAhead(u, { times, used, limit, eta, extent: { near } }, colour) {
  const { ctx, bbox } = u;
  const scale = window.devicePixelRatio || 1;
  const x = (value) => u.valToPos(value, "x", true);
  const y = (value) => u.valToPos(value, "y", true);
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top - 14 * scale, bbox.width + 12 * scale, bbox.height + 14 * scale);
  ctx.clip();

  const last = used.findLastIndex(Number.isFinite);
  if (eta && last >= 0) {
    const [x0, y0, end] = [x(times[last]), y(used[last]), y(limit)];
    const hit = (seconds) => x(times[last] + seconds);
    ctx.fillStyle = colour("fan");
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(hit(eta.p10), end);
    ctx.lineTo(hit(eta.p90), end);
    ctx.fill();
    ctx.lineWidth = 2 * scale;
    ctx.strokeStyle = colour("alarm");
    ctx.setLineDash([6 * scale, 4 * scale]);
    ctx.beginPath();
    ctx.moveTo(x0, y0);
    ctx.lineTo(hit(eta.p50), end);
    ctx.stroke();
  }
  if (limit !== null && near) drawLimit(ctx, bbox, y(limit), scale, colour);
  ctx.restore();
}

/** Moments with a name: dashed lines from top to bottom, the grave one whole. */
function drawMarks(u, marks, colour) {
  const { ctx, bbox } = u;
  const scale = window.devicePixelRatio || 1;
  ctx.save();
  ctx.font = `600 ${11 * scale}px system-ui, sans-serif`;
  ctx.textBaseline = "top";
  marks.forEach(({ at, label, grave }, i) => {
    const x = u.valToPos(at, "x", true);
    ctx.strokeStyle = ctx.fillStyle = colour(grave ? "alarm" : "quiet");
    ctx.lineWidth = (grave ? 2 : 1) * scale;
    ctx.setLineDash(grave ? [] : [3 * scale, 3 * scale]);
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
    const right = x > bbox.left + bbox.width / 2;
    ctx.textAlign = right ? "right" : "left";
    // Names of marks that lie close stand below each other.
    ctx.fillText(label, x + (right ? -4 : 4) * scale, bbox.top + (4 + 14 * (i % 6)) * scale);
  });
  ctx.restore();
}

function drawLimit(ctx, { left, width }, level, scale, colour) {
  const centre = left + 26 * scale;
  ctx.setLineDash([]); // uPlot leaves the dashes of the swap line behind
  ctx.strokeStyle = colour("alarm");
  ctx.lineWidth = 2 * scale;
  ctx.beginPath();
  ctx.moveTo(left, level);
  ctx.lineTo(left + width, level);
  ctx.stroke();
  ctx.beginPath();
  ctx.arc(centre, level, 6 * scale, 0, 2 * Math.PI);
  ctx.stroke();
  ctx.fillStyle = colour("alarm");
  ctx.font = `600 ${12 * scale}px system-ui, sans-serif`;
  ctx.textAlign = "left";
  ctx.textBaseline = "bottom";
  ctx.fillText("limit", centre + 12 * scale, level - 3 * scale);
}
