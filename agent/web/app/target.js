// The page of one target: its memory over time, the verdict in words, and what else is known of it.

import { get, Problem } from "./api.js";
import { badge, causeName, meter, timeLeft } from "./badge.js";
import { chart } from "./chart.js";
import { foreign, h, moment, renew, targetHref } from "./dom.js";
import { factsOf } from "./facts.js";
import { bytes, clock, percent, quantity, rate } from "./format.js";
import { alertCard, orderAlerts } from "./log.js";
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
const METRICS = ["used", "anon", "file", "shmem", "swap"];
const SERIES_PAUSE_MS = 5_000;

export function targetPage(id, rangeKey) {
  const kind = kindOf(id);
  const range = RANGES[rangeKey] ?? RANGES["1h"];
  const head = h("header", { class: "target-head" });
  const plot = chart();
  const plotNote = h("p", { class: "empty" }, "Reading its history…");
  const verdictBox = h("section", { class: "panel", "aria-label": "Verdict" });
  const factsBox = h("section", { class: "panel", "aria-label": "Details" });
  const alertsBox = h("section", { "aria-label": "Alerts of this target" });
  const element = h(
    "article",
    { class: "page target" },
    h("p", {}, h("a", { href: "#/back", class: "back", "data-back": true }, "← Back")),
    head,
    h(
      "section",
      { class: "panel", "aria-label": "Memory over time" },
      rangePicker(id, range),
      plotNote,
      plot.element,
    ),
    h("div", { class: "columns" }, verdictBox, factsBox),
    alertsBox,
  );
  plot.element.hidden = true;

  let left = false;
  let own = null;
  let readAt = 0;
  let limits = { limit: null, eta: null };

  async function readSeries() {
    if (Date.now() - readAt < Math.max(SERIES_PAUSE_MS, range.step * 1000)) return;
    readAt = Date.now();
    const to = Math.floor(readAt / 1000);
    const from = to - range.seconds;
    const query = { target: id, from, to, step: range.step };
    const answers = await Promise.allSettled(
      METRICS.map((metric) => get("series", { ...query, metric })),
    );
    if (left) return;
    const series = Object.fromEntries(
      METRICS.map((metric, i) => [
        metric,
        Array.isArray(answers[i].value?.points) ? answers[i].value.points : [],
      ]),
    );
    const known = series.used.some(([, value]) => Number.isFinite(value));
    plot.element.hidden = !known;
    plotNote.hidden = known;
    plotNote.replaceChildren(
      foreign(
        answers[0].status === "rejected"
          ? `No history: ${answers[0].reason.message}`
          : `No history in the last ${range.label}.`,
      ),
    );
    if (known) plot.show(series, { from, to, step: range.step, label: range.label, ...limits });
  }

  /** What only the target's own document knows. Null once it is gone. */
  async function readOwn(data) {
    if (kind === "node") return data.node;
    if (kind === "cgroup") return data.cgroups.find((cgroup) => cgroup.id === id) ?? null;
    if (kind !== "process") return null;
    const pid = /^process:(\d+)@/.exec(id)?.[1];
    if (!pid) return null;
    try {
      const process = await get(`processes/${pid}`);
      return process.id === id ? process : null;
    } catch (error) {
      if (error instanceof Problem && error.status === 404) return null;
      throw error;
    }
  }

  return {
    element,
    needs: ["verdicts", { cgroup: "cgroups", workload: "processes" }[kind]].filter(Boolean),
    async update(data) {
      own = await readOwn(data).catch(() => own);
      if (left) return;
      const verdict = own?.verdict ?? data.verdicts.find((v) => v.target?.id === id) ?? null;
      const row = rowOf(kind, id, own, verdict);
      limits = { limit: row.limit ?? null, eta: row.eta ?? null };
      renew(head, headOf(row, own, verdict));
      renew(verdictBox, verdictOf(row, verdict));
      const facts = factsOf(kind, own, verdict, data);
      factsBox.hidden = facts.length === 0;
      renew(factsBox, facts);
      const alerts = orderAlerts(data.alerts.filter((alert) => alert.target === id));
      renew(
        alertsBox,
        alerts.length
          ? [
              h("h2", {}, "Alerts"),
              h(
                "ul",
                { class: "cards" },
                alerts.map((alert) => alertCard(alert, false)),
              ),
            ]
          : [],
      );
      await readSeries();
    },
    leave() {
      left = true;
      plot.leave();
    },
  };
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
    h("p", { class: "quiet" }, `Confidence ${percent(row.confidence)}.`),
    ...(verdict?.evidence?.length
      ? [
          h("h3", {}, "Evidence"),
          h(
            "ul",
            { class: "evidence" },
            verdict.evidence.map(({ what, value, unit }) =>
              h("li", {}, foreign(what), h("b", {}, foreign(quantity(value, unit)))),
            ),
          ),
        ]
      : []),
  ];
}
