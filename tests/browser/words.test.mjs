// The pure modules of the page: numbers into words, rows into order. No browser.

import assert from "node:assert/strict";
import { test } from "node:test";
import { align, extent, stack } from "../../agent/web/app/chart.js";
import { bytes, duration, percent, quantity, rate, visible } from "../../agent/web/app/format.js";
import { filter, order, rowsOf } from "../../agent/web/app/rows.js";
import { documents } from "./stub-agent.mjs";

test("what runs in a pod has the names of Kubernetes where it has any, and its ids beside them", () => {
  const names = {
    "k8s.namespace.name": "shop",
    "k8s.pod.name": "web-1",
    "k8s.container.name": "app",
  };
  const kubernetes = { namespace: "shop", pod: "web-1", container: "app" };
  const of = (kind, id, labels, more) => ({ target: { kind, id, labels, ...more }, state: "ok" });
  const workload = of("workload", "workload:pod/77/java", { ...names, workload: "pod/77/java" });
  const unit = of("workload", "workload:unit/a.service/x", { workload: "unit/a.service/x" });
  const data = {
    verdicts: { workload: [workload, unit], process: [], cgroup: [] },
    processes: [{ id: "process:7@1", pid: 7, comm: "java", workload: "pod/77/java", kubernetes }],
    cgroups: [
      { id: "cgroup:/pod77/1", path: "/pod77/1", kubernetes },
      { id: "cgroup:/pod77", path: "/pod77", kubernetes: { ...kubernetes, container: null } },
      { id: "cgroup:/a", path: "/a", kubernetes: null },
    ],
  };
  const shown = (kind) => rowsOf(kind, data).map(({ name, note }) => [name, note]);
  assert.deepEqual(shown("workload"), [
    ["shop/web-1/app/java", ""],
    ["unit/a.service/x", ""],
  ]);
  assert.deepEqual(shown("process"), [["java", "pid 7 · shop/web-1/app"]]);
  assert.deepEqual(shown("cgroup"), [
    ["shop/web-1/app", "/pod77/1"],
    ["shop/web-1", "/pod77"],
    ["/a", ""],
  ]);
  assert.equal(filter(rowsOf("cgroup", data), "pod77", false).length, 2, "ids are found too");
});

test("numbers read well, and a missing one is a dash", () => {
  assert.deepEqual([0, 1023, 1536, 104_857_600, 2 ** 40, -2048].map(bytes), [
    "0 B",
    "1023 B",
    "1.5 KiB",
    "100 MiB",
    "1 TiB",
    "−2 KiB",
  ]);
  assert.deepEqual([null, undefined, NaN, "7"].map(bytes), ["–", "–", "–", "–"]);
  assert.deepEqual([0, 0.1, 91_000, -91_000].map(rate), [
    "steady",
    "steady",
    "+312 MiB/h",
    "−312 MiB/h",
  ]);
  assert.deepEqual([0, 59.6, 250, 12_000, 187_200].map(duration), [
    "0 s",
    "1 min",
    "4 min 10 s",
    "3 h 20 min",
    "2 d 4 h",
  ]);
  assert.deepEqual([0, 0.031, 0.85, null].map(percent), ["0 %", "3.1 %", "85 %", "–"]);
  assert.equal(quantity(1, "{thread}"), "1 thread");
  assert.equal(quantity(41, "{fd}"), "41 fds");
  assert.equal(quantity(3, "<b>\n"), "3 <b>\\n");
});

test("what is invisible or turns the writing round is written out", () => {
  assert.equal(visible("a\nb\0\x1b[31m"), "a\\nb\\0‹001B›[31m");
  assert.equal(visible("x\u202ey\u200bz\u2066\ufeff"), "x‹202E›y‹200B›z‹2066›‹FEFF›");
  assert.equal(visible("\ud800 \u{e0041}"), "‹D800› ‹E0041›");
  assert.equal(visible("größe 日本 <b>"), "größe 日本 <b>");
  assert.equal(visible(null), "");
});

test("urgency is state, then time left, then size, and a tie keeps its order", () => {
  const row = (id, state, p50, used) => ({ id, name: id, state, eta: p50 && { p50 }, used });
  const rows = [
    row("a", "ok", null, 9),
    row("d", "oom_predicted", 80, 1),
    row("b", "ok", null, 9),
    row("c", "oom_predicted", 20, 1),
    row("e", "leak_suspected", null, 1),
  ];
  assert.deepEqual(
    order(rows, "urgency").map((r) => r.id),
    ["c", "d", "e", "a", "b"],
  );
  assert.deepEqual(
    order(rows, "urgency", true).map((r) => r.id),
    ["a", "b", "e", "d", "c"],
  );
});

test("a suspect that the agent's list has cut off is still among the rows", () => {
  const { verdicts, processes, cgroups } = documents();
  const judged = { process: verdicts.filter((v) => v.target.kind === "process") };
  const rows = rowsOf("process", { verdicts: judged, processes: processes.processes, cgroups });
  assert.equal(rows.length, 201);
  assert.equal(rows.filter((r) => r.id === "process:4211@421100").length, 1);
  assert.deepEqual(
    filter(rows, "TINY", true).map((r) => r.name),
    ["tiny-leaker"],
  );
  assert.deepEqual(
    filter(rows, "‹202E›", false).map((r) => r.id),
    ["process:1000@100000"],
  );
});

test("the stack adds up to what is used, and a gap is a gap", () => {
  const { sums, part } = stack(
    {
      used: [
        [0, 100],
        [10, null],
        [20, 200],
      ],
      anon: [
        [1, 60],
        [21, 90],
      ],
      file: [
        [0, 30],
        [20, 30],
      ],
      shmem: [],
      swap: [],
    },
    10,
  );
  assert.deepEqual(
    part.other,
    [10, 0, 80].map((v, i) => (i === 1 ? null : v)),
  );
  assert.deepEqual(sums.at(-1), [100, null, 200]);
  assert.deepEqual(
    align(
      [0, 100],
      [
        [1, 5],
        [60, 6],
      ],
      10,
    ),
    [5, null],
  );
});

test("the chart reaches ahead to the limit when the forecast lies within reach", () => {
  const seen = { from: 0, to: 3600, used: [50, 60], limit: 100 };
  assert.equal(extent({ ...seen, eta: null }).to, 3600);
  assert.equal(extent({ ...seen, eta: { p10: 500, p50: 800, p90: 1000 } }).to, 4700);
  assert.equal(extent({ ...seen, eta: { p10: 1e5, p50: 2e5, p90: 3e5 } }).to, 4860);
  assert.equal(extent({ ...seen, limit: 1e6, eta: null }).near, false);
});
