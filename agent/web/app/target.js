// The page of one target: its memory over time, the verdict in words, and what else is known of it.

import { get, Problem } from "./api.js";
import { badge, causeName, meter, timeLeft } from "./badge.js";
import { chart } from "./chart.js";
import { foreign, h, moment, renew, targetHref } from "./dom.js";
import { factsOf } from "./facts.js";
import { bytes, clock, percent, quantity, rate } from "./format.js";
import { alertCard, orderAlerts } from "./log.js";
import { takeButton } from "./report.js";
import { bare, fromCgroup, fromProcess, fromVerdict, kindOf } from "./rows.js";
import { KINDS, SUSPECT, cause, state } from "./words.js";

/** Step: so that about 450 points fill the range. */
export const RANGES = {
  "15m": { seconds: 900, step: 2, label: "15 min" },
  "1h": { seconds: 3600, step: 8, label: "1 h" },
  "6h": { seconds: 21_600, step: 48, label: "6 h" },
  "24h": { seconds: 86_400, step: 192, label: "24 h" },
  "7d": { seconds: 604_800, step: 1344, label: "7 d" },
};
/** A process and the node bring their verdicts themselves. */
const NEEDS = {
  workload: ["workloads", "processes"],
  cgroup: ["cgroups", "judgedCgroups", "workloads"],
};
const METRICS = ["used", "anon", "file", "shmem", "swap"];
const SERIES_PAUSE_MS_MIN = 5_000;
const SERIES_PAUSE_MS_MAX = 60_000;

export function targetPage(id, rangeKey) {
  const kind = kindOf(id);
  const range = RANGES[rangeKey] ?? RANGES["1h"];
  const head = h("header", { class: "target-head" });
  const past = history(id, range);
  const verdictBox = h("section", { class: "panel", "aria-label": "Verdict" });
  const factsBox = h("section", { class: "panel", "aria-label": "Details" });
  const alertsBox = h("section", { "aria-label": "Alerts of this target" });
  const element = h(
    "article",
    { class: "page target" },
    h("p", {}, h("a", { href: "#/back", class: "back", "data-back": true }, "← Back")),
    head,
    pidOf(id) ? takeButton(() => pidOf(id)) : null,
    past.element,
    h("div", { class: "columns" }, verdictBox, factsBox),
    alertsBox,
  );
  let left = false;
  let own = null;

  return {
    element,
    needs: NEEDS[kind] ?? [],
    async update(data) {
      own = await readOwn(kind, id, data).catch(() => own);
      if (left) return;
      const judged = data.verdicts[kind]?.find((v) => v.target?.id === id);
      const verdict = own?.verdict ?? judged ?? null;
      const row = rowOf(kind, id, own, verdict);
      renew(head, headOf(row, own, verdict));
      renew(verdictBox, verdictOf(row, verdict));
      const facts = factsOf(kind, own, verdict, data);
      factsBox.hidden = facts.length === 0;
      renew(factsBox, facts);
      renew(alertsBox, alertsOf(id, data.alerts));
      await past.update({ limit: row.limit ?? null, eta: row.eta ?? null });
    },
    leave() {
      left = true;
      past.leave();
    },
  };
}

/** The pid of a process's id; undefined of anything else. */
function pidOf(id) {
  const pid = /^process:(\d+)@/.exec(id)?.[1];
  return pid && Number(pid);
}

/** What only the target's own document knows. Null once it is gone. */
async function readOwn(kind, id, data) {
  if (kind === "node") return data.node;
  if (kind === "cgroup") return data.cgroups.find((cgroup) => cgroup.id === id) ?? null;
  const pid = pidOf(id);
  if (!pid) return null;
  try {
    const process = await get(`processes/${pid}`);
    return process.id === id ? process : null;
  } catch (error) {
    if (error instanceof Problem && error.status === 404) return null;
    throw error;
  }
}

/** The chart and its range, read anew as often as a new point can have come. */
function history(id, range) {
  const plot = chart();
  const note = h("p", { class: "empty" }, "Reading its history…");
  const pause = Math.min(Math.max(range.step * 1000, SERIES_PAUSE_MS_MIN), SERIES_PAUSE_MS_MAX);
  let readAt = 0;
  let left = false;
  plot.element.hidden = true;

  return {
    element: h(
      "section",
      { class: "panel", "aria-label": "Memory over time" },
      rangePicker(id, range),
      note,
      plot.element,
    ),
    async update(forecast) {
      if (Date.now() - readAt < pause) return;
      readAt = Date.now();
      const to = Math.floor(readAt / 1000);
      const frame = { from: to - range.seconds, to, step: range.step };
      const { series, failure } = await readSeries(id, frame);
      if (left || (failure && !plot.element.hidden)) return;
      const known = series.used.some(([, value]) => Number.isFinite(value));
      plot.element.hidden = !known;
      note.hidden = known;
      const none = failure
        ? `No history: ${failure.message}`
        : `No history in the last ${range.label}.`;
      renew(note, foreign(none));
      if (known) plot.show(series, { ...frame, ...forecast, label: range.label });
    },
    leave() {
      left = true;
      plot.leave();
    },
  };
}

/** The series of every metric; one that is not kept is empty. Without `used` there is a failure. */
async function readSeries(target, frame) {
  const answers = await Promise.allSettled(
    METRICS.map((metric) => get("series", { target, metric, ...frame })),
  );
  const points = answers.map(({ value }) => (Array.isArray(value?.points) ? value.points : []));
  const series = Object.fromEntries(METRICS.map((metric, i) => [metric, points[i]]));
  return { series, failure: answers[0].reason };
}

function alertsOf(id, alerts) {
  const own = orderAlerts(alerts.filter((alert) => alert.target === id));
  if (!own.length) return [];
  const cards = own.map((alert) => alertCard(alert, false));
  return [h("h2", {}, "Alerts"), h("ul", { class: "cards" }, cards)];
}

function rangePicker(id, range) {
  return h(
    "nav",
    { class: "tabs ranges", "aria-label": "Range" },
    Object.entries(RANGES).map(([key, one]) =>
      h(
        "a",
        {
          href: targetHref(id, key),
          "aria-current": one === range ? "page" : null,
          "data-replace": true,
        },
        one.label,
      ),
    ),
  );
}

function rowOf(kind, id, own, verdict) {
  const judged = verdict ? fromVerdict(verdict) : {};
  const seen = !own
    ? {}
    : kind === "process"
      ? fromProcess(own)
      : kind === "cgroup"
        ? fromCgroup(own)
        : { name: "This node", used: own.used_bytes, limit: own.mem_total_bytes };
  const known = Object.fromEntries(Object.entries(seen).filter(([, value]) => value !== undefined));
  return { kind, id, name: kind === "node" ? "This node" : bare(id), ...judged, ...known };
}

function headOf(row, own, verdict) {
  const gone = !own && row.kind === "process";
  return [
    h(
      "p",
      { class: "quiet" },
      KINDS[row.kind] ?? "Target",
      " ",
      foreign(row.kind === "process" ? `pid ${bare(row.id).split("@")[0]}` : ""),
    ),
    h("h1", {}, foreign(row.name)),
    h(
      "div",
      { class: "target-facts" },
      row.state ? badge(row.state) : h("span", { class: "quiet" }, "no verdict"),
      verdict?.since
        ? h("span", { class: "quiet" }, "since ", moment(clock(verdict.since), verdict.since))
        : null,
      gone ? h("span", { class: "pill" }, "gone: this process has ended") : null,
    ),
    h(
      "dl",
      { class: "figures" },
      figure("Used", bytes(row.used)),
      figure("Limit", meter(row.used, row.limit)),
      figure("Growth", rate(row.rate)),
      figure("Time left", timeLeft(row.eta)),
    ),
  ];
}

const figure = (label, value) => h("div", {}, h("dt", {}, label), h("dd", {}, value));

function verdictOf(row, verdict) {
  if (!row.state)
    return [
      h("h2", {}, "Verdict"),
      h("p", { class: "quiet" }, "There is no verdict on this target."),
    ];
  const why = cause(row.cause);
  const suspect = state(row.state).rank >= SUSPECT;
  return [
    h("h2", {}, "Verdict"),
    h("p", {}, badge(row.state), " ", state(row.state).means),
    ...(suspect || row.cause !== "unknown"
      ? [
          h("h3", {}, "Cause: ", causeName(row.cause)),
          h("p", {}, why.means),
          suspect ? h("p", { class: "next" }, h("b", {}, "Next: "), why.next) : null,
        ].filter(Boolean)
      : []),
    suspect ? h("p", { class: "quiet" }, `Confidence ${percent(row.confidence)}.`) : "",
    ...(verdict?.evidence?.length
      ? [
          h("h3", {}, "Evidence"),
          h(
            "ul",
            { class: "evidence" },
            verdict.evidence.map(({ what, value, unit }) =>
              h("li", {}, foreign(String(what).replaceAll("_", " ")), h("b", {}, foreign(quantity(value, unit)))),
            ),
          ),
        ]
      : []),
  ];
}
