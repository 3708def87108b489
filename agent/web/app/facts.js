// The particulars of a process, cgroup, workload or the node, as name and value. A value that is
// missing says so, and why if that is known.

import { foreign, h, moment, targetHref } from "./dom.js";
import { NONE, bytes, clock, count, percent } from "./format.js";
import { bare, placeOf, placeOfRow, workloadName } from "./rows.js";

/** What is known of a target besides its verdict; empty where there is nothing. */
export function factsOf(kind, own, verdict, data) {
  if (kind === "process") return own ? processFacts(own) : [];
  if (kind === "cgroup") return own ? cgroupFacts(own, data.verdicts.workload) : [];
  if (kind === "node") return own ? nodeFacts(own) : [];
  return workloadFacts(verdict, data.processes);
}

function pairs(title, entries) {
  return [
    h("h2", {}, title),
    h(
      "dl",
      { class: "pairs" },
      entries.map(([label, value]) => [
        h("dt", {}, label),
        h("dd", {}, value instanceof Node ? value : foreign(value ?? NONE)),
      ]),
    ),
  ];
}

const link = (id, text) => h("a", { href: targetHref(id) }, foreign(text));
/** What Kubernetes calls it, and what its manifest says of memory. */
function namesOf(own) {
  if (!own) return [];
  const said = [own.memory_request_bytes, own.memory_limit_bytes];
  return [
    ["Pod", `${own.namespace}/${own.pod}`],
    ["Container", own.container ?? NONE],
    ["Belongs to", own.owner ?? NONE],
    ["Requested · limit", said.map((value) => (value === null ? NONE : bytes(value))).join(" · ")],
  ];
}

const code = (text) => h("code", {}, foreign(text));

function labelsOf(labels) {
  const known = Object.entries(labels ?? {});
  return known.length
    ? [
        h("h3", {}, "Labels"),
        h(
          "ul",
          { class: "labels" },
          known.map(([key, value]) => h("li", {}, foreign(`${key}=${value}`))),
        ),
      ]
    : [];
}

function processFacts(p) {
  const smaps = (value) =>
    value === null || value === undefined
      ? h("span", { class: "quiet" }, foreign(p.smaps_note || "not available"))
      : bytes(value);
  // Read so seldom that it matters when.
  const read = p.smaps_at ? ` at ${clock(p.smaps_at)}` : "";
  return [
    ...pairs("Process", [
      ["Command line", p.cmdline ? code(p.cmdline) : "not shown"],
      ["Executable", p.exe ? code(p.exe) : NONE],
      ["Started", p.start_time ? moment(clock(p.start_time), p.start_time) : NONE],
      ["User", p.uid === null ? NONE : `uid ${p.uid}`],
      ["Workload", p.workload ? link(`workload:${p.workload}`, workloadName(p.workload, placeOfRow(p))) : NONE],
      ["Cgroup", p.cgroup ? link(`cgroup:${p.cgroup}`, p.cgroup) : NONE],
      ...namesOf(p.kubernetes),
      ["Threads", count(p.threads)],
      ["Open files", count(p.open_fds)],
      ["RSS", bytes(p.rss_bytes)],
      ["anon · file · shmem", [p.anon_bytes, p.file_bytes, p.shmem_bytes].map(bytes).join(" · ")],
      ["Swap", bytes(p.swap_bytes)],
      [`PSS${read}`, smaps(p.pss_bytes)],
      [`USS${read}`, smaps(p.uss_bytes)],
      [`Huge pages (THP)${read}`, smaps(p.thp_bytes)],
      ["Peak RSS", bytes(p.peak_bytes)],
      ["Virtual", bytes(p.virtual_bytes)],
      ["Faults, major · minor", `${count(p.major_faults)} · ${count(p.minor_faults)}`],
      [
        "Read every",
        Number.isFinite(p.interval_s) ? `${Number(p.interval_s.toPrecision(2))} s` : NONE,
      ],
    ]),
    ...labelsOf(p.labels),
  ];
}

function cgroupFacts(c, workloads) {
  const max = (value) => (value === null ? "max" : bytes(value));
  const events = Object.entries(c.events ?? {}).filter(([, n]) => n > 0);
  return [
    ...pairs("Cgroup", [
      ["Owner", c.workload],
      ...namesOf(c.kubernetes),
      [
        "Limit in force",
        c.limit_bytes === null
          ? "none"
          : `${bytes(c.limit_bytes)} from ${c.limit_from ?? "itself"}`,
      ],
      ["max · high", `${max(c.max_bytes)} · ${max(c.high_bytes)}`],
      ["Working set", bytes(c.working_set_bytes)],
      ["Unreclaimable", bytes(c.unreclaimable_bytes)],
      ["anon · file · shmem", [c.anon_bytes, c.file_bytes, c.shmem_bytes].map(bytes).join(" · ")],
      ["Kernel", bytes(c.kernel_bytes)],
      ["Swap", bytes(c.swap_bytes)],
      ["Peak", bytes(c.peak_bytes)],
      [
        "Pressure, some · full",
        c.psi
          ? `${c.psi.some_avg10} % · ${c.psi.full_avg10 ?? NONE} % in the last 10 s`
          : "not shown by this kernel",
      ],
      [
        "Events",
        events.length ? events.map(([key, n]) => `${key} ${count(n)}`).join(" · ") : "none",
      ],
      ["Processes", count(c.processes)],
    ]),
    ...membersOf(workloads.filter((v) => v.target.cgroup === c.path)),
    ...labelsOf(c.labels),
  ];
}

/** The workloads whose processes are in a cgroup, at most 20. */
function membersOf(workloads) {
  const items = workloads.slice(0, 20).map(({ target, used_bytes: used }) => {
    return h("li", {}, link(target.id, workloadName(bare(target.id), placeOf(target.labels))), " ", h("b", {}, bytes(used)));
  });
  return items.length ? [h("h3", {}, "Workloads in it"), h("ul", { class: "members" }, items)] : [];
}

function workloadFacts(verdict, processes) {
  const name = verdict?.target?.id && bare(verdict.target.id);
  const members = processes.filter((p) => p.workload === name).slice(0, 20);
  return [
    ...(members.length
      ? [
          h("h2", {}, "Processes"),
          h(
            "ul",
            { class: "members" },
            members.map((p) =>
              h(
                "li",
                {},
                link(p.id, p.comm),
                h("span", { class: "quiet" }, ` pid ${p.pid}`),
                h("b", {}, bytes(p.rss_bytes)),
              ),
            ),
          ),
        ]
      : []),
    ...labelsOf(verdict?.target?.labels),
  ];
}

function nodeFacts(node) {
  const zones = (node.zones ?? []).map((z) => [
    `Zone ${z.zone}, node ${z.node}`,
    [
      `${bytes(z.free_bytes)} free`,
      `low ${bytes(z.low_bytes)}`,
      `fragmentation ${percent(z.fragmentation)}`,
    ].join(", "),
  ]);
  const numa = (node.numa ?? []).map((n) => [
    `NUMA node ${n.node}`,
    `${bytes(n.free_bytes)} free of ${bytes(n.total_bytes)}`,
  ]);
  const huge = (node.hugepages ?? []).map((p) => [
    `Huge pages of ${bytes(p.size_bytes)}`,
    `${count(p.free)} free of ${count(p.total)}`,
  ]);
  const slabs = (node.slabs ?? []).slice(0, 10).map((s) => [s.name, bytes(s.bytes)]);
  return [
    ...pairs(
      "Zones",
      [...zones, ...numa, ...huge].map(([label, value]) => [foreign(label), value]),
    ),
    ...(slabs.length
      ? pairs(
          "Largest slab caches",
          slabs.map(([label, value]) => [foreign(label), value]),
        )
      : []),
  ];
}
