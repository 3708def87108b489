// The agent's page: reads the documents of the HTTP API, keeps the newest of each, and shows them.
// This file wires: routes, polling, the stream, the keyboard. What is drawn is in app/*.js.

import { Problem, Unreachable, follow, get, health } from "./app/api.js";
import { foreign, h, setText } from "./app/dom.js";
import { clock } from "./app/format.js";
import { hull } from "./app/hull.js";
import { incidentPage, incidentsPage } from "./app/incident.js";
import { alertsPage, eventsPage } from "./app/log.js";
import { pressurePanel } from "./app/pressure.js";
import { diffPage } from "./app/report-diff.js";
import { reportPage, reportsPage } from "./app/report.js";
import { LIMIT, TABS, agentSort, table } from "./app/table.js";
import { targetPage } from "./app/target.js";
import { SUSPECT_STATES } from "./app/words.js";

const POLL_MS = 5_000;
const EVENT_PAUSE_MS = 1_000;
const EVENTS_MAX = 500;

const $ = (id) => document.getElementById(id);
const list = (value) => (Array.isArray(value) ? value : []);

/** The newest of each document, whichever page needs it. */
const data = {
  node: null,
  health: null,
  verdicts: { workload: [], cgroup: [], process: [] },
  alerts: [],
  incidents: [],
  reports: [],
  cgroups: [],
  processes: [],
  total: 0,
  events: [],
  pressure: null,
  stream: { live: false, since: null },
};

const READERS = {
  node: async () => {
    data.node = await get("node");
  },
  health: async () => {
    data.health = await health();
  },
  workloads: async () => {
    data.verdicts.workload = list(await get("verdicts", { kind: "workload" }));
  },
  judgedCgroups: async () => {
    data.verdicts.cgroup = list(await get("verdicts", { kind: "cgroup" }));
  },
  // Of processes there may be ten thousand; their list brings the state of those it shows.
  suspects: async () => {
    const answers = SUSPECT_STATES.map((state) => get("verdicts", { kind: "process", state }));
    data.verdicts.process = (await Promise.all(answers)).flatMap(list);
  },
  alerts: async () => {
    data.alerts = list(await get("alerts"));
  },
  // Not every agent has it: one without is no fault of the page's.
  pressure: async () => {
    data.pressure = await get("pressure").catch(() => null);
  },
  incidents: async () => {
    data.incidents = list(await get("incidents"));
  },
  reports: async () => {
    data.reports = list(await get("reports"));
  },
  cgroups: async () => {
    data.cgroups = list(await get("cgroups"));
  },
  processes: async () => {
    const { processes, total } = await get("processes", { sort: agentSort(), limit: LIMIT });
    data.processes = list(processes);
    data.total = total;
  },
};

// --- Pages -----------------------------------------------------------------------------------

let page = null;
let lastList = "#/workloads";

function watchPage(tab) {
  const top = hull();
  const below = table(tab.kind, () => void poll());
  const needs = { process: ["processes", "suspects"], cgroup: ["cgroups"] }[tab.kind] ?? [];
  return {
    element: h("div", { class: "page" }, top.element, below.element),
    needs: ["workloads", ...needs],
    toggleSuspects: below.toggleSuspects,
    update() {
      top.update(data);
      below.update(data);
    },
  };
}

function pageOf(route) {
  const [name, id, range] = route.replace(/^#\/?/, "").split("/");
  if (name === "alerts") return { nav: "alerts", title: "Alerts", ...alertsPage(pressurePanel()) };
  if (name === "events") return { nav: "events", title: "Events", ...eventsPage() };
  if (name === "incidents") return { nav: "incidents", title: "Incidents", ...incidentsPage() };
  if (name === "reports") return { nav: "reports", title: "Heap reports", ...reportsPage() };
  if ((name === "report" || name === "diff") && id) {
    try {
      const [one, other] = [id, range ?? ""].map(decodeURIComponent);
      const found = name === "report" ? reportPage(one) : diffPage(one, other);
      return { nav: "reports", title: `Heap report ${one}`, ...found };
    } catch {
      /* a broken address: show the list */
    }
  }
  if ((name === "target" || name === "incident") && id) {
    try {
      const target = decodeURIComponent(id);
      return name === "incident"
        ? { nav: "incidents", title: `Incident ${target}`, ...incidentPage(target) }
        : { nav: "watch", title: target, back: true, ...targetPage(target, range) };
    } catch {
      /* a broken address: show the list */
    }
  }
  const tab = TABS.find((one) => one.route === name) ?? TABS[0];
  return { nav: "watch", title: tab.label, list: true, ...watchPage(tab) };
}

function show() {
  const former = page;
  page?.leave?.();
  page = pageOf(location.hash);
  if (page.list) lastList = location.hash || "#/workloads";
  document.title = `${page.title} · Plimsoll`;
  for (const link of document.querySelectorAll("[data-nav]")) {
    if (link.dataset.nav === page.nav) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  $("main").replaceChildren(page.element);
  if (former) $("main").focus({ preventScroll: true });
  if (former && former.title !== page.title) scrollTo(0, 0);
  refresh();
  void poll();
}

function refresh() {
  if (loaded) void page.update(data);
  const firing = data.alerts.filter((alert) => alert.firing).length;
  setText($("firing"), `${firing}`);
  $("firing").setAttribute("aria-label", `${firing} firing`);
  $("firing").hidden = firing === 0;
}

// --- Polling ---------------------------------------------------------------------------------

let loaded = false;
let polling = false;
let again = false;
let timer = 0;
let unreachableSince = null;

/** Reads what the page needs, and again after a pause; a slow agent is asked less often. */
async function poll() {
  if (document.hidden) return;
  if (polling) {
    again = true;
    return;
  }
  polling = true;
  clearTimeout(timer);
  const began = performance.now();
  const needs = [...new Set(["node", "health", "alerts", ...page.needs])];
  const answers = await Promise.allSettled(needs.map((need) => READERS[need]()));
  const failed = answers.filter((answer) => answer.status === "rejected").map((a) => a.reason);
  loaded ||= failed.length < needs.length;
  tell(failed);
  refresh();
  polling = false;
  const took = performance.now() - began;
  timer = setTimeout(() => void poll(), again ? 0 : Math.max(POLL_MS, 10 * took));
  again = false;
}

/** Says in the banner what went wrong; silence means all went well. */
function tell(failed) {
  const gone = failed.find((error) => error instanceof Unreachable);
  if (gone) {
    unreachableSince ??= new Date();
    banner(
      `The agent cannot be reached since ${clock(unreachableSince)}. ` +
        (loaded ? "What you see is from before. Trying again…" : "Trying again…"),
    );
    return;
  }
  unreachableSince = null;
  const problem = failed[0];
  if (!problem) banner("");
  else if (problem instanceof Problem) {
    banner(`The agent answered with a problem (${problem.status}). ${problem.message}`);
  } else banner(`A document could not be read: ${problem.message}`);
}

function banner(text) {
  const shown = $("banner");
  document.body.dataset.stale = String(Boolean(unreachableSince));
  if (shown.dataset.text === text) return;
  shown.dataset.text = text;
  shown.hidden = !text;
  shown.replaceChildren(foreign(text));
}

// --- The stream ------------------------------------------------------------------------------

let soon = 0;

/** Keeps the event, and reads anew what it may have changed. A replay brings nothing twice. */
function receive(event) {
  const key = `${event.seq} ${event.at}`;
  if (data.events.some((known) => known.key === key)) return;
  data.events.unshift({ ...event, key });
  data.events.sort((a, b) => String(b.at).localeCompare(String(a.at)) || b.seq - a.seq);
  data.events.length = Math.min(data.events.length, EVENTS_MAX);
  soon ||= setTimeout(() => {
    soon = 0;
    void poll();
  }, EVENT_PAUSE_MS);
}

function showStream(stream) {
  data.stream = stream;
  const shown = $("stream");
  shown.dataset.state = stream.live ? "live" : "down";
  setText(shown, stream.live ? "live" : `reconnecting… stale since ${clock(stream.since)}`);
  refresh();
  void poll();
}

// --- The keyboard ----------------------------------------------------------------------------

const typing = (element) => element?.matches?.("input, select, textarea");

function moveRow(by) {
  const links = [...document.querySelectorAll("table.rows tbody tr td a")];
  if (!links.length) return;
  const at = links.indexOf(document.activeElement);
  const next = at < 0 ? (by > 0 ? 0 : links.length - 1) : at + by;
  const link = links[Math.max(0, Math.min(links.length - 1, next))];
  link.focus();
  link.closest("tr").scrollIntoView({ block: "nearest" });
}

const KEYS = {
  "/": () => {
    $("filter")?.focus();
    $("filter")?.select();
  },
  j: () => moveRow(1),
  ArrowDown: () => moveRow(1),
  k: () => moveRow(-1),
  ArrowUp: () => moveRow(-1),
  s: () => page.toggleSuspects?.(),
  "?": () => $("help").showModal(),
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || $("help").open) return;
  if (event.key === "Escape") {
    if (typing(document.activeElement)) document.activeElement.blur();
    else if (document.querySelector("details.health[open]")) {
      document.querySelector("details.health").open = false;
    } else if (page.back) location.hash = lastList;
    return;
  }
  const down = event.key === "ArrowDown" && document.activeElement === $("filter");
  if (typing(document.activeElement) && !down) return;
  // Arrows scroll where there is no table to walk through.
  if (!KEYS[event.key] || (event.key.startsWith("Arrow") && !page.list)) return;
  event.preventDefault();
  KEYS[event.key]();
});

document.addEventListener("click", (event) => {
  const link = event.target.closest("a");
  if (link?.dataset.back !== undefined) {
    event.preventDefault();
    location.hash = lastList;
  } else if (link?.dataset.replace !== undefined) {
    event.preventDefault();
    location.replace(link.href);
  } else if (link?.id === "skip") {
    event.preventDefault();
    $("main").focus();
  }
});

$("help-open").addEventListener("click", () => $("help").showModal());
addEventListener("hashchange", show);
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) void poll();
});

show();
follow({ onEvent: receive, onState: showStream });
