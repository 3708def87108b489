// Turns the agent's documents into rows of one shape, and orders and filters them. Pure.
//
// Row: { kind, id, name, note, state, cause, used, limit, rate, eta, confidence }.

import { share, visible } from "./format.js";
import { SUSPECT, cause, state } from "./words.js";

/** What a person would call the target of a verdict. */
export function nameOf(verdict) {
  const { kind, id = "", labels = {} } = verdict.target ?? {};
  const place = placeOf(labels);
  if (kind === "process") return labels.comm ?? id;
  if (kind === "cgroup") return place ?? verdict.target.cgroup ?? bare(id);
  if (kind === "workload") return workloadName(labels.workload ?? bare(id), place);
  return kind === "node" ? "This node" : id;
}

/** `namespace/pod/container` by the labels of an owner; undefined of what has no such names. */
export function placeOf(labels = {}) {
  const [namespace, pod, container] = ["namespace", "pod", "container"].map(
    (part) => labels?.[`k8s.${part}.name`],
  );
  return pod && [namespace, pod, container].filter(Boolean).join("/");
}

/** The same of a row of processes or cgroups. */
export const placeOfRow = ({ kubernetes: own }) =>
  own ? [own.namespace, own.pod, own.container].filter(Boolean).join("/") : undefined;

/** A workload with its pod's name in the place of the pod's uid. */
export function workloadName(workload, place) {
  return place ? `${place}/${workload.slice(workload.lastIndexOf("/") + 1)}` : workload;
}

/** The text form without its kind: `workload:web` is `web`. */
export const bare = (id) => String(id).slice(String(id).indexOf(":") + 1);

export const kindOf = (id) => (id === "node" ? "node" : String(id).split(":", 1)[0]);

export function fromVerdict(verdict) {
  const { kind, id } = verdict.target;
  return {
    kind,
    id,
    name: nameOf(verdict),
    note: noteOf(verdict),
    state: verdict.state,
    cause: verdict.cause,
    used: verdict.used_bytes,
    limit: verdict.limit_bytes,
    rate: verdict.rate_bytes_per_s,
    eta: verdict.eta_s,
    confidence: verdict.confidence,
  };
}

function noteOf({ target: { kind, pid, cgroup, labels } }) {
  const place = placeOf(labels);
  if (kind === "process") return [`pid ${pid ?? "?"}`, place].filter(Boolean).join(" · ");
  return ((kind === "workload" || place) && cgroup) || "";
}

function fromJudgement(judgement = {}) {
  const { state, cause, rate_bytes_per_s: rate, eta_s: eta, confidence } = judgement;
  return { state, cause, rate, eta, confidence };
}

export function fromProcess(process) {
  return {
    kind: "process",
    id: process.id,
    name: process.comm,
    note: `pid ${process.pid} · ${placeOfRow(process) || process.workload || process.cgroup || ""}`,
    workload: process.workload,
    used: process.rss_bytes,
    limit: process.limit_bytes,
    ...fromJudgement(process.judgement),
  };
}

export function fromCgroup(cgroup) {
  return {
    kind: "cgroup",
    id: cgroup.id,
    name: placeOfRow(cgroup) ?? cgroup.path,
    note: (placeOfRow(cgroup) ? cgroup.path : cgroup.workload) ?? "",
    workload: cgroup.workload,
    used: cgroup.usage_bytes,
    limit: cgroup.limit_bytes,
    ...fromJudgement(cgroup.judgement),
  };
}

/**
 * The rows of one kind. Processes come as the agent's list, which is cut, so suspects that the cut
 * took away are added from the verdicts.
 */
export function rowsOf(kind, { verdicts, processes, cgroups }) {
  if (kind === "cgroup") return cgroups.map(fromCgroup);
  const judged = verdicts[kind].map(fromVerdict);
  if (kind === "workload") return judged;
  const listed = processes.map(fromProcess);
  const ids = new Set(listed.map((row) => row.id));
  return listed.concat(judged.filter((row) => isSuspect(row) && !ids.has(row.id)));
}

export const isSuspect = (row) => state(row.state).rank >= SUSPECT;

const number = (value, otherwise) => (Number.isFinite(value) ? value : otherwise);
const text = (a, b) => a.localeCompare(b);

/** Comparisons that put first what one wants to see first when a column is chosen. */
const ORDERS = {
  urgency: (a, b) =>
    state(b.state).rank - state(a.state).rank ||
    number(a.eta?.p50, Infinity) - number(b.eta?.p50, Infinity) ||
    0 ||
    number(b.used, 0) - number(a.used, 0),
  name: (a, b) => text(String(a.name), String(b.name)),
  cause: (a, b) => text(cause(a.cause).label, cause(b.cause).label),
  used: (a, b) => number(b.used, -1) - number(a.used, -1),
  share: (a, b) => number(share(b.used, b.limit), -1) - number(share(a.used, a.limit), -1),
  rate: (a, b) => number(b.rate, -Infinity) - number(a.rate, -Infinity) || 0,
  eta: (a, b) => number(a.eta?.p50, Infinity) - number(b.eta?.p50, Infinity) || 0,
};

/** Sorted copy; equal rows keep a stable order by id, so that live updates do not shuffle. */
export function order(rows, key, reversed = false) {
  const compare = ORDERS[key] ?? ORDERS.urgency;
  const sign = reversed ? -1 : 1;
  return [...rows].sort((a, b) => sign * compare(a, b) || text(String(a.id), String(b.id)));
}

/** Rows that hold every word of the filter somewhere in what is shown of them. */
export function filter(rows, words, suspectsOnly) {
  const wanted = words.toLowerCase().split(/\s+/).filter(Boolean);
  return rows.filter((row) => {
    if (suspectsOnly && !isSuspect(row)) return false;
    const shown = [row.name, row.note, row.id, state(row.state).label, cause(row.cause).label];
    const hay = shown.map(visible).join(" ").toLowerCase();
    return wanted.every((word) => hay.includes(word));
  });
}
