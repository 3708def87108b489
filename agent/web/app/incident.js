// The incidents: the list of kills that are on record, and one of them in full, with its plot.

import { Problem, get } from "./api.js";
import { badge, causeName } from "./badge.js";
import { chart } from "./chart.js";
import { foreign, h, moment, renew, targetHref } from "./dom.js";
import { NONE, bytes, clock, duration, percent, rate } from "./format.js";
import { diffHref, reportHref } from "./report.js";
import { placeOf, workloadName } from "./rows.js";
import { KINDS_OF_KILL, SUSPECT, cause, state } from "./words.js";

const METRICS = ["used", "anon", "file", "shmem", "swap"];
const ROLES = { victim: "Victim", cgroup: "Its cgroup", limit: "Limiting cgroup", node: "Node" };

export const incidentHref = (id) => `#/incident/${encodeURIComponent(id)}`;

export function incidentsPage() {
  const none = h("p", { class: "empty" }, "No kill is on record. Long may it stay so.");
  const cards = h("ul", { class: "cards" });
  return {
    element: h(
      "section",
      { class: "page", "aria-labelledby": "incidents-title" },
      h("h1", { id: "incidents-title" }, "Incidents"),
      none,
      cards,
    ),
    needs: ["incidents"],
    update({ incidents }) {
      none.hidden = incidents.length > 0;
      renew(cards, incidents.map(card));
    },
  };
}

/** The workload of an incident or a victim, by the names of Kubernetes where it has them. */
const nameOf = ({ workload, labels }) => workloadName(workload, placeOf(labels));

function card(incident) {
  const { id, at, summary, kind, cause: why, predicted_before_s: before } = incident;
  const told = [
    KINDS_OF_KILL[kind] ?? String(kind),
    why && why !== "unknown" ? cause(why).label : null,
    Number.isFinite(before) ? `predicted ${duration(before)} before` : "not predicted",
    incident.on_disk ? null : "in memory only",
  ];
  return h(
    "li",
    { class: "alert panel", "data-severity": "critical", "data-firing": "true" },
    h(
      "p",
      { class: "alert-head" },
      h("span", { class: "quiet" }, moment(clock(at), at)),
      incident.workload ? h("b", {}, foreign(nameOf(incident))) : null,
    ),
    h("p", {}, h("a", { href: incidentHref(id) }, foreign(summary))),
    h("p", { class: "quiet" }, foreign(told.filter(Boolean).join(" · "))),
  );
}

export function incidentPage(id) {
  const head = h("header", { class: "target-head" });
  const plots = h("div", { class: "page" });
  const body = h("div", { class: "page" });
  let shown = null;
  let charts = [];
  let left = false;

  return {
    element: h(
      "article",
      { class: "page target" },
      h("p", {}, h("a", { href: "#/incidents", class: "back" }, "← Incidents")),
      head,
      plots,
      body,
    ),
    needs: [],
    async update() {
      const found = await get(`incidents/${encodeURIComponent(id)}`).catch((error) => {
        if (!(error instanceof Problem)) throw error;
        return null;
      });
      if (left) return;
      if (!found) {
        renew(head, h("h1", {}, "No such incident"), h("p", { class: "empty" }, foreign(id)));
        return;
      }
      // It changes only when its aftermath is added; a drawn plot keeps its cursor.
      if (shown === JSON.stringify(found)) return;
      shown = JSON.stringify(found);
      renew(head, headOf(found));
      for (const one of charts) one.leave();
      charts = (found.series ?? []).map(() => chart());
      plots.replaceChildren(...found.series.map((series, i) => plotOf(found, series, charts[i])));
      found.series.forEach((series, i) => draw(found, series, charts[i]));
      renew(body, bodyOf(found));
    },
    leave() {
      left = true;
      for (const one of charts) one.leave();
    },
  };
}

function headOf(incident) {
  return [
    h("p", { class: "quiet" }, "Incident of ", moment(clock(incident.at), incident.at)),
    h("h1", {}, foreign(incident.summary)),
    h("p", { class: "quiet" }, KINDS_OF_KILL[incident.kind] ?? foreign(incident.kind)),
  ];
}

function plotOf(incident, series, plot) {
  return h(
    "section",
    { class: "panel", "aria-label": `Memory of ${series.target}` },
    h(
      "h2",
      {},
      ROLES[series.role] ?? foreign(series.role),
      " ",
      h("a", { href: targetHref(series.target) }, foreign(series.target)),
    ),
    plot.element,
  );
}

/** The series of one target, with the kill and what was said before it as marks. */
function draw(incident, series, plot) {
  const points = series.points;
  if (!points.length) return;
  const metrics = METRICS.map((metric, i) => [metric, points.map((row) => [row[0], row[i + 1]])]);
  const killed = new Date(incident.at).getTime() / 1000;
  const from = points[0][0];
  const to = Math.max(killed, points.at(-1)[0]);
  const said = incident.foretold.history.filter(
    (one, i, all) =>
      one.target === series.target &&
      one.state !== all.slice(0, i).findLast((other) => other.target === one.target)?.state,
  );
  const marks = said
    .filter((one) => state(one.state).rank >= SUSPECT)
    .map((one) => ({ at: killed - one.before_s, label: state(one.state).label }))
    .filter((mark) => mark.at >= from);
  plot.show(Object.fromEntries(metrics), {
    from,
    to: to + (to - from) * 0.02,
    step: Math.max(1, (to - from) / 500),
    limit: limitOf(incident, series),
    eta: null,
    label: duration(to - from),
    marks: [...marks, { at: killed, label: "killed", grave: true }],
  });
}

/** Only what the limit is held against is drawn with it. */
function limitOf(incident, series) {
  return series.role === "node" ? null : (incident.memcg?.limit_bytes ?? null);
}

function bodyOf(incident) {
  return [
    panel("What to do", nextOf(incident)),
    h(
      "div",
      { class: "columns" },
      panel("Who", whoOf(incident)),
      panel("Why", whyOf(incident)),
    ),
    incident.heap?.reports?.length ? panel("Inside", insideOf(incident.heap)) : null,
    panel("Since when", growersOf(incident)),
    panel("What had been foretold", foretoldOf(incident)),
    incident.pressure?.length ? panel("Pressure signals", signalsOf(incident)) : null,
    incident.task_dump?.length ? panel("The kernel's task dump", dumpOf(incident)) : null,
    incident.notes?.length
      ? panel("Missing", incident.notes.map((note) => h("p", {}, foreign(note))))
      : null,
  ];
}

const panel = (title, content) =>
  h("section", { class: "panel", "aria-label": title }, h("h2", {}, title), content);

const pairs = (entries) =>
  h(
    "dl",
    { class: "pairs" },
    entries.map(([label, value]) => [
      h("dt", {}, label),
      h("dd", {}, value instanceof Node ? value : foreign(value ?? NONE)),
    ]),
  );

function nextOf({ next }) {
  if (!next?.length) return h("p", { class: "quiet" }, "Nothing follows from what is known.");
  return h(
    "ol",
    { class: "advice" },
    next.map(({ what, why }) =>
      h("li", {}, h("b", {}, foreign(what)), " ", h("span", { class: "quiet" }, foreign(why))),
    ),
  );
}

function whoOf({ victims, victims_left_out: more, killer, memcg, aftermath }) {
  const name = (victim) => `${victim.comm ?? "?"} (pid ${victim.pid ?? "?"})`;
  const told = (victim) => {
    const facts = [name(victim), victim.exe, victim.workload && nameOf(victim)];
    if (Number.isFinite(victim.rss_bytes)) facts.push(`held ${bytes(victim.rss_bytes)}`);
    if (victim.oom_score_adj) facts.push(`oom_score_adj ${victim.oom_score_adj}`);
    if (victim.inferred) facts.push("inferred");
    return facts.filter(Boolean).join(", ");
  };
  const left = !aftermath
    ? "not looked at yet"
    : aftermath.cgroup_exists
      ? `${aftermath.processes} processes in the cgroup`
      : "the cgroup is gone";
  return pairs([
    ...victims.map((victim) => ["Killed", told(victim)]),
    ...(more ? [["", `and ${more} more`]] : []),
    ["Asked for memory", killer ? `${killer.comm ?? "?"} (pid ${killer.pid ?? "?"})` : NONE],
    ["Limit", memcg ? `${memcg.path}: ${bytes(memcg.limit_bytes)}` : "the node's memory"],
    ["In use", memcg ? bytes(memcg.usage_bytes) : NONE],
    ["Page cache in it", memcg ? bytes(memcg.file_bytes) : NONE],
    ["Left some seconds later", left],
  ]);
}

function whyOf({ verdict, evidence }) {
  const parts = (kinds) =>
    Object.entries(kinds ?? {})
      .filter(([, value]) => value > 0)
      .sort((a, b) => b[1] - a[1])
      .map(([kind, value]) => `${kind} ${bytes(value)}`)
      .join(", ");
  return [
    verdict
      ? h(
          "p",
          {},
          badge(verdict.state),
          " ",
          causeName(verdict.cause),
          h("span", { class: "quiet" }, ` confidence ${percent(verdict.confidence)}`),
        )
      : h("p", { class: "quiet" }, "There was no verdict."),
    pairs(
      (evidence ?? []).map((taken) => [
        `${taken.stage === "suspected" ? "When suspected" : "Before the limit"}, ` +
          `${duration(taken.before_s)} before`,
        `${taken.comm ?? taken.target}: ${bytes(taken.used_bytes)}; ` +
          (taken.mappings ? parts(taken.mappings) : (taken.smaps_note ?? "no mappings read")),
      ]),
    ),
  ];
}

function tableOf(heads, rows) {
  return h(
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
}

const STAGES = { suspected: "When suspected", before_limit: "Before the limit" };

/** The heap reports that were taken before the kill. */
function insideOf({ reports }) {
  const ready = reports.filter((report) => report.state === "ready");
  const pair = ready.filter((report) => report.target === ready[0]?.target);
  const rows = reports.map((report) => [
    STAGES[report.stage] ?? moment(clock(report.at), report.at),
    report.state === "ready"
      ? h("a", { href: reportHref(report.id) }, foreign(`${report.comm ?? "?"} (${report.pid})`))
      : `not taken: ${report.why ?? "the process was gone"}`,
    report.cause ? causeName(report.cause) : NONE,
    bytes(report.rss_bytes),
    bytes(report.in_use_bytes),
    bytes(report.trimmable_bytes),
    report.level > 0 ? bytes(report.unreachable_bytes) : NONE,
  ]);
  return [
    tableOf(["Taken", "Process", "Verdict", "Resident", "In use", "Trimmable", "Leaked"], rows),
    pair.length > 1
      ? h("p", {}, h("a", { href: diffHref(pair[0].id, pair.at(-1).id) }, "What changed between them"))
      : null,
  ];
}

function growersOf({ growers }) {
  if (!growers?.length) return h("p", { class: "quiet" }, "Nothing was seen to grow.");
  return tableOf(
    ["Process", "Grew by", "In", "Rate", "To"],
    growers.map((one) => [
      h("a", { href: targetHref(one.target) }, foreign(one.name + (one.victim ? ", killed" : ""))),
      bytes(one.grown_bytes),
      duration(one.for_s),
      rate(one.rate_bytes_per_s),
      bytes(one.used_bytes),
    ]),
  );
}

function foretoldOf({ foretold }) {
  const verdict = foretold.predicted
    ? `Suspected ${duration(foretold.suspected_before_s)} and predicted ` +
      `${duration(foretold.predicted_before_s)} before the kill.`
    : foretold.suspected_at
      ? `Suspected ${duration(foretold.suspected_before_s)} before the kill, not predicted.`
      : "Nothing had been suspected.";
  const error = (s) => (Number.isFinite(s) ? `${duration(Math.abs(s))} ${s > 0 ? "late" : "early"}` : NONE);
  return [
    h("p", {}, verdict),
    tableOf(
      ["Before the kill", "Target", "State", "Foretold end in", "Error"],
      foretold.history.map((said) => [
        duration(said.before_s),
        said.target,
        badge(said.state),
        said.eta_s ? duration(said.eta_s.p50) : NONE,
        error(said.error_s),
      ]),
    ),
  ];
}

function signalsOf({ pressure }) {
  return tableOf(
    ["Before the kill", "Scope", "Level", "To", "Wanted", "Freed"],
    pressure.map((note) => [
      duration(note.before_s),
      note.scope,
      note.level,
      note.subscriber,
      bytes(note.reclaim_bytes),
      note.freed_bytes === null ? "no answer" : bytes(note.freed_bytes),
    ]),
  );
}

function dumpOf({ task_dump: tasks, task_dump_left_out: more }) {
  const rows = [...tasks].sort((a, b) => (b.rss_bytes ?? 0) - (a.rss_bytes ?? 0)).slice(0, 30);
  return [
    tableOf(
      ["Task", "Pid", "RSS", "Swap", "oom_score_adj"],
      rows.map((task) => [
        task.name,
        String(task.pid),
        bytes(task.rss_bytes),
        bytes(task.swap_bytes),
        String(task.oom_score_adj ?? NONE),
      ]),
    ),
    tasks.length + more > rows.length
      ? h("p", { class: "note" }, `${tasks.length + more - rows.length} more in the JSON or left out.`)
      : null,
  ];
}
