// A stand-in for the agent: serves agent/web with the agent's headers, and canned documents in
// the shape of agent/src/view.rs, some of their names hostile. A test changes `agent.documents`,
// pushes events, cuts the streams, or stops and restarts it.

import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { incident } from "./stub-incident.mjs";
import { DRAWING, reports } from "./stub-report.mjs";

const WEB = fileURLToPath(new URL("../../agent/web/", import.meta.url));
const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};
const HEADERS = {
  "content-security-policy":
    "default-src 'none'; script-src 'self'; style-src 'self'; " +
    "img-src 'self' data:; connect-src 'self'",
  "x-content-type-options": "nosniff",
};
const MIB = 1024 ** 2;
const GIB = 1024 ** 3;

export const HOSTILE = '<img src=x onerror="window.owned=1">\'&\n';
export const BIDI = "exe.\u202etxt.gnp";

const seconds = (ago) => new Date(Date.now() - ago * 1000).toISOString();

function judgement(state = "ok", cause = "unknown", rate = 0, p50 = null, confidence = 0.9) {
  return {
    state,
    cause,
    rate_bytes_per_s: rate,
    confidence,
    eta_s: p50 === null ? null : { p10: p50 * 0.8, p50, p90: p50 * 1.5 },
  };
}

export function verdict(kind, id, labels, used, limit, judged, more = {}) {
  return {
    target: { kind, id, pid: null, start_time: null, cgroup: null, labels, ...more },
    used_bytes: used,
    limit_bytes: limit,
    ...judged,
    since: seconds(2460),
    evidence:
      judged.state === "ok"
        ? []
        : [
            { what: "anonymous memory grew over the window", value: 212 * MIB, unit: "By" },
            { what: "slope of the floor", value: judged.rate_bytes_per_s, unit: "By/s" },
            { what: "window looked at", value: 2400, unit: "s" },
            { what: "share of readings that rose", value: 0.97, unit: "1" },
            { what: "threads", value: 41, unit: "{thread}" },
          ],
  };
}

const workload = (name, used, limit, judged, cgroup = `/kubepods/burstable/${name}`) =>
  verdict("workload", `workload:${name}`, { workload: name }, used, limit, judged, { cgroup });

function process(pid, comm, rss, limit, judged, more = {}) {
  return {
    id: `process:${pid}@${pid * 100}`,
    pid,
    start_time: seconds(86_400),
    comm,
    exe: `/usr/bin/${comm}`,
    uid: 1000,
    cgroup: "/kubepods/burstable/checkout-api",
    workload: "checkout-api",
    at: seconds(1),
    rss_bytes: rss,
    anon_bytes: rss * 0.7,
    file_bytes: rss * 0.2,
    shmem_bytes: rss * 0.1,
    swap_bytes: null,
    threads: 12,
    limit_bytes: limit,
    judgement: judged,
    interval_s: 5,
    ...more,
  };
}

/** Fresh documents; each test may change its own. */
export function documents() {
  const leak = judgement("oom_predicted", "heap_leak", 91_000, 5400, 0.93);
  const hostile = judgement("leak_suspected", "retained_growth", 21_000, 61_000, 0.7);
  const processes = [
    process(4211, "java", 388 * MIB, 512 * MIB, leak),
    process(999, HOSTILE, 97 * MIB, null, hostile, { workload: `pod/${HOSTILE}` }),
    process(1000, BIDI, 60 * MIB, null, judgement("warming_up"), { workload: "unit/shell" }),
    ...Array.from({ length: 197 }, (_, i) =>
      process(2000 + i, `worker-${i}`, (190 - i * 0.9) * MIB, null, judgement(), {
        workload: "unit/pool.service",
      }),
    ),
  ];
  return {
    node: node(),
    health: {
      ready: true,
      degraded: true,
      sources: [
        { name: "process", state: "ok", sees: "all processes, RSS split", why: null },
        { name: "cgroup", state: "ok", sees: "cgroup v1, 214 groups", why: null },
        {
          name: "smaps_rollup",
          state: "degraded",
          sees: "own processes only",
          why: "CAP_SYS_PTRACE is missing; with it PSS, USS and THP are read",
        },
        {
          name: "connector",
          state: "unavailable",
          sees: "nothing",
          why: "CAP_NET_ADMIN is missing; short-lived processes between sweeps stay unseen",
        },
        { name: "oom", state: "ok", sees: "kernel log", why: null },
      ],
    },
    verdicts: [
      verdict("node", "node", {}, 11.6 * GIB, 15.6 * GIB, judgement("ok", "unknown", 900, null)),
      workload("checkout-api", 436 * MIB, 512 * MIB, leak),
      workload(
        "image-resizer",
        1.93 * GIB,
        2 * GIB,
        judgement("oom_imminent", "off_heap", 2.4e5, 310),
      ),
      workload("session-cache", 710 * MIB, 1 * GIB, judgement("ok", "cache_fill", 12_000)),
      workload(
        "log-shipper",
        148 * MIB,
        256 * MIB,
        judgement("leak_suspected", "fds", 3_300, 34_000),
      ),
      workload("postgres", 3.2 * GIB, null, judgement("ok", "page_cache", 0)),
      workload("unit/ssh.service/sshd", 9 * MIB, null, judgement(), "/system.slice/ssh.service"),
      workload("nightly-report", 61 * MIB, 300 * MIB, judgement("warming_up")),
      workload(`pod/${HOSTILE}`, 97 * MIB, null, hostile, `/${BIDI}`),
      verdict("process", "process:4211@421100", { comm: "java" }, 388 * MIB, 512 * MIB, leak, {
        pid: 4211,
      }),
      verdict(
        "process",
        "process:77@7700",
        { comm: "tiny-leaker" },
        2 * MIB,
        64 * MIB,
        judgement("leak_suspected", "heap_leak", 800, 80_000),
        { pid: 77 },
      ),
    ],
    alerts: alerts(),
    incidents: [incident(HOSTILE)],
    pressure: {
      enabled: true,
      dry_run: false,
      scopes: [
        {
          scope: "cgroup:/shop",
          level: "medium",
          headroom_bytes: 12 * MIB,
          limit_bytes: 256 * MIB,
          eta_s: 9.5,
          want_bytes: 24 * MIB,
        },
      ],
      subscribers: [
        { id: 1, name: "plimsoll-cache", can_free_bytes: 90 * MIB, late: false },
        { id: 2, name: HOSTILE, can_free_bytes: 0, late: true },
      ],
      signals: [
        {
          at: new Date().toISOString(),
          subscriber: "plimsoll-cache",
          scope: "cgroup:/shop",
          level: "medium",
          asked_bytes: 24 * MIB,
          freed_bytes: 25 * MIB,
          outcome: "answered",
        },
      ],
    },
    cgroups: [
      cgroup("/kubepods/burstable/checkout-api", "checkout-api", 436 * MIB, 512 * MIB, leak),
      cgroup(`/${HOSTILE}`, "odd", 20 * MIB, null, judgement()),
    ],
    processes: { total: 10_000, processes },
    details: {
      cmdline: `java -jar app.jar --token=*** ${HOSTILE}`,
      peak_bytes: 402 * MIB,
      virtual_bytes: 6 * GIB,
      open_fds: 231,
      minor_faults: 1_204_334,
      major_faults: 12,
      pss_bytes: null,
      uss_bytes: null,
      thp_bytes: null,
      smaps_at: null,
      smaps_note: "not readable: CAP_SYS_PTRACE is missing",
      labels: { pod: "checkout-api-7d9f", hostile: HOSTILE },
    },
  };
}

function node() {
  return {
    at: seconds(1),
    hostname: "ip-10-0-4-17",
    os: "Debian GNU/Linux 12",
    kernel: "6.18.5",
    boot_id: "4f0c2a7e-1111-2222-3333-444455556666",
    cpus: 4,
    mem_total_bytes: 15.6 * GIB,
    mem_available_bytes: 4 * GIB,
    used_bytes: 11.6 * GIB,
    swap_total_bytes: 2 * GIB,
    swap_free_bytes: 1.7 * GIB,
    meminfo: { MemFree: 0.9 * GIB },
    vmstat: { oom_kill: 3 },
    psi: {
      some_avg10: 4.2,
      some_avg60: 2.1,
      some_avg300: 0.8,
      some_total_s: 93,
      full_avg10: 1.1,
      full_avg60: 0.5,
      full_avg300: 0.2,
      full_total_s: 31,
    },
    zones: [
      {
        node: 0,
        zone: "Normal",
        free_bytes: 0.9 * GIB,
        min_bytes: 66 * MIB,
        low_bytes: 330 * MIB,
        high_bytes: 400 * MIB,
        managed_bytes: 15 * GIB,
        free_blocks: [9, 4],
        fragmentation: 0.41,
      },
    ],
    slabs: [
      { name: "dentry", bytes: 210 * MIB, active_objects: 9, objects: 10 },
      { name: HOSTILE, bytes: 90 * MIB, active_objects: 9, objects: 10 },
    ],
    numa: [],
    hugepages: [],
    processes: 10_000,
    cgroups: 214,
    verdict: null,
  };
}

function alerts() {
  const base = { target: "workload:checkout-api", labels: {}, verdict: null, ends_at: null };
  return [
    {
      ...base,
      id: "b",
      name: "LeakSuspected",
      severity: "warning",
      firing: false,
      summary: `${HOSTILE} grew for 40 min`,
      description: "",
      starts_at: seconds(9000),
      ends_at: seconds(4000),
    },
    {
      ...base,
      id: "a",
      name: "OomPredicted",
      severity: "critical",
      firing: true,
      summary: "checkout-api will reach its limit of 512 MiB in about 1 h 30 min",
      description: "It grows by 312 MiB/h, all of it anonymous memory that is never given back.",
      starts_at: seconds(1200),
    },
  ];
}

function cgroup(path, name, used, limit, judged) {
  return {
    id: `cgroup:${path}`,
    path,
    workload: name,
    labels: {},
    at: seconds(1),
    usage_bytes: used,
    working_set_bytes: used * 0.9,
    unreclaimable_bytes: used * 0.8,
    anon_bytes: used * 0.7,
    file_bytes: used * 0.2,
    shmem_bytes: 0,
    kernel_bytes: used * 0.1,
    swap_bytes: null,
    peak_bytes: used,
    max_bytes: limit,
    high_bytes: null,
    low_bytes: null,
    swap_max_bytes: null,
    limit_bytes: limit,
    limit_from: limit && path,
    events: { oom_kill: 1, max: 0 },
    psi: null,
    processes: 3,
    judgement: judged,
  };
}

/** A series that ends at what the target uses now: a ramp for suspects, and a gap in the middle. */
function series(query, docs) {
  const [from, to] = [Number(query.get("from")), Number(query.get("to"))];
  const step = Number(query.get("step")) || 10;
  const id = query.get("target");
  const seen = docs.verdicts.find((v) => v.target.id === id);
  const end = seen?.used_bytes ?? 100 * MIB;
  const rate = seen?.rate_bytes_per_s ?? 0;
  const share = { used: 1, anon: 0.66, file: 0.2, shmem: 0.06, swap: 0.03 }[query.get("metric")];
  const points = [];
  for (let t = from; t <= to; t += step) {
    const grown = Math.max(end * 0.35, end - rate * (to - t)) + end * 0.012 * Math.sin(t / 90);
    const gap = t > from + (to - from) * 0.3 && t < from + (to - from) * 0.33;
    points.push([t, gap ? null : Math.round(grown * share)]);
  }
  return { target: id, metric: query.get("metric"), unit: "By", points, step_s: null };
}

/** Starts the stand-in; `port` lets a test bring it back at the same place. */
export async function startAgent({ port = 0 } = {}) {
  const agent = { documents: documents(), requests: [], problem: null, seq: 0, events: [] };
  const streams = new Set();
  const server = createServer(
    (request, response) => void answer(agent, streams, request, response),
  );
  await new Promise((resolve) => {
    server.listen(port, "127.0.0.1", resolve);
  });
  agent.port = server.address().port;
  agent.url = `http://127.0.0.1:${agent.port}/`;
  agent.documents.reports = await reports(HOSTILE);
  agent.push = (event, data) => {
    const document = { seq: (agent.seq += 1), at: new Date().toISOString(), event, data };
    agent.events.push(document);
    for (const stream of streams) stream.write(frame(document));
  };
  agent.cutStreams = () => {
    for (const stream of streams) stream.destroy();
  };
  agent.stop = async () => {
    agent.cutStreams();
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
  };
  return agent;
}

const frame = (event) =>
  `id: ${event.seq}\nevent: ${event.event}\ndata: ${JSON.stringify(event)}\n\n`;

const isWanted = ({ state, target }, query) =>
  state === (query.get("state") ?? state) && target.kind === (query.get("kind") ?? target.kind);

async function answer(agent, streams, request, response) {
  const url = new URL(request.url, "http://agent");
  const docs = agent.documents;
  agent.requests.push(url.pathname + url.search);
  const send = (document, status = 200, type = "application/json") => {
    response.writeHead(status, { ...HEADERS, "content-type": type });
    response.end(JSON.stringify(document));
  };
  if (agent.problem && url.pathname.startsWith(agent.problem.path)) {
    return send(agent.problem.document, agent.problem.document.status, "application/problem+json");
  }
  const canned = {
    "/api/v1/node": docs.node,
    "/api/v1/verdicts": docs.verdicts.filter((v) => isWanted(v, url.searchParams)),
    "/api/v1/alerts": docs.alerts,
    "/api/v1/incidents": docs.incidents.map((one) => one.listed),
    "/api/v1/pressure": docs.pressure,
    "/api/v1/reports": docs.reports.map((one) => one.listed),
    "/api/v1/cgroups": docs.cgroups,
    "/api/v1/processes": docs.processes,
    "/readyz": docs.health,
  }[url.pathname];
  if (url.pathname === "/api/v1/reports" && request.method === "POST") {
    return takeReport(docs, request, send);
  }
  if (canned) return send(canned);
  if (url.pathname.startsWith("/api/v1/reports/")) return report(docs, url, response, send);
  if (url.pathname === "/api/v1/series") return send(series(url.searchParams, docs));
  if (url.pathname.startsWith("/api/v1/processes/")) {
    const view = docs.processes.processes.find(
      (p) => String(p.pid) === url.pathname.split("/").at(-1),
    );
    if (view) {
      return send({
        ...view,
        ...docs.details,
        verdict: docs.verdicts.find((v) => v.target.id === view.id) ?? null,
      });
    }
  }
  const wanted = docs.incidents.find((one) => url.pathname.endsWith(`/incidents/${one.listed.id}`));
  if (wanted) return send(wanted.document);
  if (url.pathname === "/api/v1/events") {
    response.writeHead(200, { ...HEADERS, "content-type": "text/event-stream" });
    response.write(`: hello\n\n${agent.events.map(frame).join("")}`);
    streams.add(response);
    response.on("close", () => streams.delete(response));
    return undefined;
  }
  return file(url.pathname, response, send);
}

const problem = (status, title, detail) => ({ type: "about:blank", title, status, detail });
const PROBLEM = "application/problem+json";

/** What a POST takes is the newest report that is finished; pid 7 is gone. */
async function takeReport(docs, request, send) {
  let body = "";
  for await (const part of request) body += part;
  const { pid, level } = JSON.parse(body);
  if (request.headers["content-type"] !== "application/json" || level !== 0) {
    return send(problem(400, "Bad", body), 400, PROBLEM);
  }
  if (pid === 7) return send(problem(409, "Report refused", "process 7 is gone"), 409, PROBLEM);
  return send({ id: docs.reports.find((one) => one.document).listed.id }, 201);
}

function report(docs, url, response, send) {
  const name = url.pathname.split("/").at(-1);
  if (name.endsWith(".svg") || (name === "diff" && url.searchParams.get("format") === "svg")) {
    response.writeHead(200, { ...HEADERS, "content-type": TYPES[".svg"] });
    return response.end(DRAWING);
  }
  const found = docs.reports.find((one) => one.listed.id === name);
  if (!found) return send(problem(404, "Unknown report", `there is no report ${name}`), 404, PROBLEM);
  if (found.document) return send(found.document);
  return found.listed.state === "running"
    ? send(found.listed, 202)
    : send(problem(409, "Report refused", found.listed.why), 409, PROBLEM);
}

async function file(path, response, send) {
  const name = path === "/" ? "index.html" : normalize(path).replace(/^[/.]+/, "");
  try {
    const body = await readFile(join(WEB, name));
    response.writeHead(200, { ...HEADERS, "content-type": TYPES[extname(name)] ?? "text/plain" });
    return response.end(body);
  } catch {
    return send(
      { type: "about:blank", title: "Not Found", status: 404, detail: path },
      404,
      "application/problem+json",
    );
  }
}
