// A canned incident in the shape of agent/src/view/incident.rs, some of its names hostile.

const MIB = 1024 ** 2;
export const INCIDENT = "20261121T100900Z-4211";

/** The list entry and the document of one kill that happened two minutes ago. */
export function incident(hostile) {
  const killed = Date.now() / 1000 - 120;
  const rfc3339 = (unix) => new Date(unix * 1000).toISOString();
  const summary = `The kernel killed ${hostile} (pid 4211): cgroup /app had reached its limit`;
  const ramp = (share) =>
    Array.from({ length: 120 }, (_, i) => {
      const used = Math.round((8 + i * 0.73) * share * MIB);
      return [killed - 120 + i, used, Math.round(used * 0.9), 0, 0, 0];
    });
  const target = "process:4211@421100";
  const said = (before, state, p50) => ({
    at: rfc3339(killed - before),
    before_s: before,
    target,
    state,
    cause: "heap_leak",
    used_bytes: 40 * MIB,
    limit_bytes: 96 * MIB,
    rate_bytes_per_s: 760_000,
    eta_s: p50 === null ? null : { p10: p50 * 0.8, p50, p90: p50 * 1.4 },
    error_s: p50 === null ? null : p50 - before,
    inside: p50 === null ? null : true,
  });
  const grower = {
    target,
    name: `${hostile} (pid 4211)`,
    workload: "unit/app.service",
    used_bytes: 94 * MIB,
    since: rfc3339(killed - 119),
    for_s: 119,
    grown_bytes: 86 * MIB,
    rate_bytes_per_s: 757_000,
    victim: true,
  };
  const document = {
    schema: "plimsoll.incident/1",
    id: INCIDENT,
    at: rfc3339(killed),
    summary,
    kind: "main_process",
    seen_by: "kernel_log",
    constraint: "memcg",
    victims: [
      {
        target,
        pid: 4211,
        comm: hostile,
        exe: "/usr/bin/app",
        workload: "unit/app.service",
        rss_bytes: 94 * MIB,
        oom_score_adj: 100,
        inferred: false,
      },
    ],
    victims_left_out: 2,
    killer: { pid: 4211, comm: hostile },
    memcg: { path: "/app", usage_bytes: 96 * MIB, limit_bytes: 96 * MIB, file_bytes: MIB },
    task_dump: [{ pid: 4211, name: hostile, rss_bytes: 94 * MIB, swap_bytes: 0, oom_score_adj: 100 }],
    task_dump_left_out: 0,
    growers: [grower],
    series: [
      { target, role: "victim", fine_from: rfc3339(killed - 120), points: ramp(1) },
      { target: "cgroup:/app", role: "cgroup", fine_from: null, points: ramp(1.02) },
      { target: "node", role: "node", fine_from: null, points: ramp(20) },
    ],
    foretold: {
      predicted: true,
      suspected_at: rfc3339(killed - 66),
      suspected_before_s: 66,
      predicted_at: rfc3339(killed - 60),
      predicted_before_s: 60,
      history: [said(66, "leak_suspected", null), said(60, "oom_predicted", 52)],
    },
    verdict: {
      target: { kind: "process", id: target, labels: {} },
      state: "oom_imminent",
      cause: "heap_leak",
      confidence: 0.93,
    },
    evidence: [
      {
        stage: "suspected",
        before_s: 65,
        target,
        comm: hostile,
        used_bytes: 40 * MIB,
        mappings: { heap: 34 * MIB, file: MIB, stack: 0 },
        smaps_note: null,
      },
    ],
    pressure: [
      {
        before_s: 20,
        scope: "cgroup:/app",
        level: "critical",
        subscriber: hostile,
        reclaim_bytes: 8 * MIB,
        freed_bytes: null,
      },
    ],
    aftermath: { cgroup_exists: true, processes: 0 },
    next: [{ what: `Look at ${hostile}: it grew most.`, why: "It grew by 86.0 MiB in 119 s." }],
    notes: ["The kernel printed no task dump."],
  };
  const listed = {
    id: INCIDENT,
    at: document.at,
    summary,
    kind: "main_process",
    seen_by: "kernel_log",
    cgroup: "/app",
    workload: "unit/app.service",
    victims: [`${hostile} (4211)`],
    victims_total: 3,
    limit_bytes: 96 * MIB,
    cause: "heap_leak",
    predicted_before_s: 60,
    on_disk: true,
  };
  return { listed, document };
}
