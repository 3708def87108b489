// The heap reports: the list of those that are kept, one in full, and the button that takes one.

import { Problem, get, post } from "./api.js";
import { causeName } from "./badge.js";
import { foreign, h, moment, renew, setText, targetHref } from "./dom.js";
import { NONE, bytes, clock, count, percent } from "./format.js";
import { blocksOf, panel, pairs, partsOf, shareBar, tableOf } from "./report-parts.js";

export const reportHref = (id) => `#/report/${encodeURIComponent(id)}`;
export const diffHref = (a, b) => `#/diff/${encodeURIComponent(a)}/${encodeURIComponent(b)}`;
const file = (id, end) => `api/v1/reports/${encodeURIComponent(id)}${end}`;

const ASKED_BY = { recorder: "the black box", http: "on request" };
const STAGES = { suspected: "when suspected", before_limit: "before the limit" };
const STATES = { running: "being taken", refused: "not taken" };

/** Takes a report of level 0, which leaves the process alone, and goes to it. */
export function takeButton(pidOf) {
  const said = h("span", { class: "quiet", role: "status" });
  const take = async () => {
    const pid = pidOf();
    if (!Number.isInteger(pid) || pid < 1) {
      setText(said, "Which process? Give its pid.");
      return;
    }
    button.disabled = true;
    setText(said, `Reading process ${pid}…`);
    try {
      const { id } = await post("reports", { pid, level: 0 });
      setText(said, "");
      location.hash = reportHref(id);
    } catch (error) {
      setText(said, error.message);
    }
    button.disabled = false;
  };
  const button = h(
    "button",
    { type: "button", class: "tool", onclick: () => void take() },
    "Take a heap report",
  );
  return h("p", { class: "take" }, button, " ", said);
}

// --- The list --------------------------------------------------------------------------------

export function reportsPage() {
  const none = h(
    "p",
    { class: "empty" },
    "No heap report is kept. One is taken of every suspect; this takes one of any process:",
  );
  const pid = h("input", {
    type: "number",
    min: "1",
    step: "1",
    id: "report-pid",
    placeholder: "pid",
    "aria-label": "Process to look into, by pid",
  });
  const button = takeButton(() => pid.valueAsNumber);
  button.prepend(pid, " ");
  const rows = h("div", { class: "panel reports" });
  return {
    element: h(
      "section",
      { class: "page", "aria-labelledby": "reports-title" },
      h("h1", { id: "reports-title" }, "Heap reports"),
      none,
      button,
      rows,
    ),
    needs: ["reports"],
    update({ reports }) {
      none.hidden = reports.length > 0;
      rows.hidden = reports.length === 0;
      renew(rows, listOf(reports));
    },
  };
}

function listOf(reports) {
  const earlier = (report, i) =>
    report.state === "ready" &&
    reports.slice(i + 1).find((one) => one.target === report.target && one.state === "ready");
  return tableOf(
    ["Taken", "Process", "Level", "Verdict", "Resident", "In use", "Leaked", "Trimmable", "For", ""],
    reports.map((report, i) => {
      const before = earlier(report, i);
      return [
        moment(clock(report.at), report.at),
        h("a", { href: reportHref(report.id) }, foreign(`${report.comm ?? "?"} (${report.pid})`)),
        String(report.level),
        verdictOf(report),
        bytes(report.rss_bytes),
        bytes(report.in_use_bytes),
        report.level > 0 ? bytes(report.unreachable_bytes) : NONE,
        bytes(report.trimmable_bytes),
        [ASKED_BY[report.asked_by], STAGES[report.stage]].filter(Boolean).join(", "),
        before ? h("a", { href: diffHref(before.id, report.id) }, "since the one before") : "",
      ];
    }),
  );
}

function verdictOf({ state, why, cause, confidence }) {
  if (state !== "ready") {
    return h("span", { class: "quiet" }, foreign([STATES[state] ?? state, why].filter(Boolean).join(": ")));
  }
  if (!cause) return NONE;
  const sure = h("span", { class: "quiet" }, ` ${percent(confidence)}`);
  return h("span", {}, causeName(cause), sure);
}

// --- One report ------------------------------------------------------------------------------

export function reportPage(id) {
  const head = h("header", { class: "target-head" });
  const body = h("div", { class: "page" });
  let shown = null;
  let left = false;

  return {
    element: h(
      "article",
      { class: "page target" },
      h("p", {}, h("a", { href: "#/reports", class: "back" }, "← Heap reports")),
      head,
      body,
    ),
    needs: ["reports"],
    async update({ reports }) {
      const others = reports.filter((one) => one.id !== id && one.state === "ready");
      // A finished report never changes.
      if (shown) {
        renew(shown.compare, compareOf(shown.report, others));
        return;
      }
      const found = await get(`reports/${encodeURIComponent(id)}`).catch((error) => {
        if (!(error instanceof Problem)) throw error;
        return error;
      });
      if (left || shown) return;
      if (found instanceof Problem) {
        const title = found.status === 404 ? "No such report" : "It could not be taken";
        renew(head, h("h1", {}, title), h("p", { class: "empty" }, foreign(found.message)));
      } else if (found.schema !== "plimsoll.report/1") {
        const doing = found.doing ?? "It is being taken";
        renew(head, h("h1", {}, "Taking the report…"), h("p", { class: "empty" }, foreign(doing)));
      } else {
        shown = { report: found, compare: h("div", {}) };
        renew(head, headOf(found));
        renew(shown.compare, compareOf(found, others));
        body.replaceChildren(shown.compare, ...bodyOf(id, found).filter(Boolean));
      }
    },
    leave() {
      left = true;
    },
  };
}

function headOf(report) {
  const { identity, verdict, method } = report;
  const target = `process:${identity.pid}@${identity.start_time}`;
  const pause = method.pause_us
    ? `stood still for ${(method.pause_us / 1000).toFixed(1)} ms`
    : "was left alone";
  return [
    h("p", { class: "quiet" }, "Heap report of ", moment(clock(report.taken_at), report.taken_at)),
    h("h1", {}, foreign(identity.exe ?? "a process"), ` (pid ${identity.pid})`),
    identity.cmdline ? h("p", {}, h("code", {}, foreign(identity.cmdline.join(" ")))) : null,
    h(
      "p",
      { class: "target-facts" },
      verdict ? causeName(verdict.cause) : h("span", { class: "quiet" }, "no verdict"),
      verdict ? h("span", { class: "quiet" }, `${percent(verdict.confidence)} sure`) : null,
      h("span", { class: "quiet" }, `level ${method.level}; the process ${pause}`),
      h("a", { href: targetHref(target) }, "the process"),
    ),
  ];
}

function compareOf(report, others) {
  const { pid, start_time: start } = report.identity;
  const own = others.filter((one) => one.target === `process:${pid}@${start}`).slice(0, 6);
  if (!own.length) return [];
  const link = (one) => {
    const [a, b] = one.at < report.taken_at ? [one.id, report.id] : [report.id, one.id];
    return h("a", { href: diffHref(a, b) }, moment(clock(one.at), one.at));
  };
  return h("p", {}, "Compare with ", own.flatMap((one, i) => (i ? [", ", link(one)] : [link(one)])));
}

function bodyOf(id, report) {
  return [
    report.verdict?.evidence?.length ? panel("Evidence", evidenceOf(report.verdict)) : null,
    h(
      "div",
      { class: "columns" },
      panel("Resident", residentOf(report.rss)),
      panel("Allocator", allocatorOf(report.allocator)),
    ),
    panel("Fragmentation", fragmentationOf(report)),
    panel("Leaked", leaksOf(report)),
    report.roots?.length ? panel("Held by", rootsOf(report.roots)) : null,
    panel("Flame graph", flameOf(id)),
    ...Object.entries(report.runtime_stats ?? {}).map(([name, stats]) =>
      panel(`Runtime: ${name}`, pairs(partsOf(stats))),
    ),
    panel("How it was taken", methodOf(id, report.method)),
  ];
}

function evidenceOf({ evidence }) {
  const amount = ({ value, unit }) => (/^(By|bytes?)$/.test(unit) ? bytes(value) : count(value));
  return pairs(evidence.map((one) => [foreign(one.what.replaceAll("_", " ")), amount(one)]));
}

const PARTS = {
  heap: "heap",
  arenas: "arenas",
  mmap_chunks: "mmap chunks",
  anon_other: "other anonymous",
  stacks: "stacks",
  file: "files",
  shmem: "shared memory",
  jit: "JIT code",
  unattributed: "unattributed",
};

function residentOf(rss) {
  if (!rss) return h("p", { class: "quiet" }, "Not known; the notes say why.");
  const { total_bytes: total, parts } = rss;
  const named = Object.entries(PARTS).map(([key, name]) => [name, parts[key] ?? 0]);
  named.sort((a, b) => b[1] - a[1]);
  const beside = [
    parts.thp ? `${bytes(parts.thp)} of it in huge pages` : null,
    parts.swap ? `${bytes(parts.swap)} more is swapped out` : null,
  ].filter(Boolean);
  return [
    h("p", {}, h("b", {}, bytes(total))),
    named.filter(([, n]) => n > 0).map(([name, n]) => shareBar(name, n, total)),
    beside.length ? h("p", { class: "quiet" }, beside.join("; ")) : null,
  ];
}

function allocatorOf(own) {
  if (!own) return h("p", { class: "quiet" }, "Not introspectable; the notes say why.");
  const whole = [own.in_use_bytes, own.free_bytes, own.mmapped_bytes].reduce((s, n) => s + (n ?? 0), 0);
  const classes = [...own.size_classes].sort((a, b) => b.in_use_bytes - a.in_use_bytes).slice(0, 10);
  const used = own.size_classes.reduce((sum, one) => sum + one.in_use_bytes, 0);
  return [
    h("p", {}, h("b", {}, foreign(`${own.name} ${own.version ?? ""}`))),
    h("p", { class: "quiet" }, foreign(`by ${own.detected_by}, ${percent(own.confidence)} sure`)),
    shareBar("in use", own.in_use_bytes, whole, blocksOf(own.in_use_count)),
    shareBar("free", own.free_bytes, whole),
    shareBar("mapped by itself", own.mmapped_bytes, whole, blocksOf(own.mmapped_count)),
    own.arenas.length > 1 ? arenasOf(own.arenas) : null,
    classes.length
      ? [
          h("h3", {}, "In use by size of block"),
          classes.map((one) =>
            shareBar(`to ${bytes(one.max_bytes)}`, one.in_use_bytes, used, blocksOf(one.in_use_count)),
          ),
        ]
      : null,
  ];
}

function arenasOf(arenas) {
  const rows = [...arenas].sort((a, b) => b.system_bytes - a.system_bytes).slice(0, 12);
  return [
    h("h3", {}, `Arenas: ${arenas.length}`),
    tableOf(
      ["Arena", "In use", "Free", "Trimmable", "Size"],
      rows.map((one) => [
        one.main ? "main" : `0x${one.address.toString(16)}`,
        bytes(one.in_use_bytes),
        bytes(one.free_bytes),
        bytes(one.trimmable_bytes),
        bytes(one.system_bytes),
      ]),
    ),
  ];
}

function fragmentationOf({ fragmentation: own, rss }) {
  if (!own) return h("p", { class: "quiet" }, "Not known; the notes say why.");
  const total = rss?.total_bytes ?? 0;
  const gain = own.suggestion;
  return [
    shareBar("free and resident", own.free_resident_bytes, total),
    shareBar("trimmable", own.trimmable_bytes, total),
    shareBar("retained", own.retained_bytes, total),
    gain
      ? h("p", {}, foreign(gain.action), `: predicted to give back ${bytes(gain.predicted_gain_bytes)}`)
      : null,
  ];
}

function leaksOf({ leaks, method }) {
  if (!leaks) {
    const why = method.level === 0 ? "Level 0 does not look for leaks." : "Not known; see the notes.";
    return h("p", { class: "quiet" }, why);
  }
  const { unreachable_bytes: whole, unreachable_count: n } = leaks;
  if (!whole) return h("p", {}, "Every block is reachable.");
  const largest = (rows) => [...rows].sort((a, b) => b.bytes - a.bytes).slice(0, 15);
  const part = (title, rows, name) =>
    rows.length
      ? [
          h("h3", {}, title),
          tableOf(
            ["", "Bytes", "Blocks"],
            largest(rows).map((row) => [name(row), bytes(row.bytes), count(row.count)]),
          ),
        ]
      : [];
  const stack = ({ frames }) =>
    h("ol", { class: "stack" }, frames.slice(0, 32).map((frame) => h("li", {}, foreign(frame))));
  return [
    h(
      "p",
      {},
      h("b", {}, bytes(whole)),
      ` in ${blocksOf(n)}; ${bytes(leaks.direct_bytes)} of it directly (${blocksOf(leaks.direct_count)})`,
    ),
    ...part("By stack, the innermost first", leaks.by_stack, stack),
    ...part("By type", leaks.by_type, (row) => row.type),
    ...part("By size of block", leaks.by_size, (row) => `${count(row.size_bytes)} bytes`),
  ];
}

function rootsOf(roots) {
  const rows = [...roots].sort((a, b) => b.retained_bytes - a.retained_bytes).slice(0, 15);
  return tableOf(
    ["Root", "Retains", "Blocks"],
    rows.map((root) => [root.name, bytes(root.retained_bytes), count(root.count)]),
  );
}

function flameOf(id) {
  const source = file(id, ".svg");
  const words = "Flame graph of what the process holds in memory; the figures are in the tables";
  return [
    h("p", { class: "quiet" }, h("a", { href: source }, "Open it by itself"), " to read each box."),
    h("div", { class: "scroll" }, h("img", { src: source, alt: words, class: "flame" })),
  ];
}

function methodOf(id, method) {
  const facts = [
    ["Level", String(method.level)],
    ["Stood still", method.pause_us ? `${(method.pause_us / 1000).toFixed(1)} ms` : "never"],
    ["Watched for", Number.isFinite(method.window_s) ? `${method.window_s} s` : NONE],
    ["Read", `${bytes(method.bytes_read)} in ${count(method.duration_ms)} ms`],
    ["Complete", method.complete ? "yes" : "no; see the notes"],
  ];
  return [
    pairs(facts),
    method.notes.map((note) => h("p", {}, foreign(note))),
    h(
      "p",
      {},
      h("a", { href: file(id, "") }, "JSON"),
      " · ",
      h("a", { href: file(id, ".pb.gz"), download: `${id}.pb.gz` }, "pprof"),
      " · ",
      h("a", { href: file(id, ".svg") }, "SVG"),
    ),
  ];
}
