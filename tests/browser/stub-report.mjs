// Canned heap reports in the shape of crates/heap/src/report.rs, made of that crate's own fixture,
// some of their names hostile.

import { readFile } from "node:fs/promises";

const FIXTURE = new URL("../../crates/heap/fixtures/leaking.json", import.meta.url);
const MIB = 1024 ** 2;
export const BEFORE = "20261121T100900000Z-4211";
export const AFTER = "20261121T101900000Z-4211";
export const REFUSED = "20261121T101930000Z-7";

/** Two reports of the hostile process and a refusal, as `{ listed, document }`. */
export async function reports(hostile) {
  const before = JSON.parse(await readFile(FIXTURE, "utf8"));
  before.id = BEFORE;
  before.identity = { ...before.identity, pid: 4211, start_time: 421100, exe: hostile };
  before.identity.cmdline = [hostile, "--token=***"];
  before.leaks.by_type[0].type = hostile;
  before.roots[0].name = hostile;
  before.method.notes.push(hostile);
  const after = structuredClone(before);
  after.id = AFTER;
  after.taken_at = "2026-11-21T10:19:00.000Z";
  after.rss.total_bytes += 8 * MIB;
  after.rss.parts.heap += 9 * MIB;
  after.rss.parts.file -= MIB;
  after.leaks.unreachable_bytes += 8 * MIB;
  after.leaks.by_stack[0].bytes += 8 * MIB;
  const listed = (document, stage) => ({
    id: document.id,
    state: "ready",
    at: document.taken_at,
    target: "process:4211@421100",
    pid: 4211,
    comm: hostile,
    exe: hostile,
    level: document.method.level,
    asked_by: "recorder",
    peer: null,
    stage,
    why: null,
    cause: document.verdict.cause,
    confidence: document.verdict.confidence,
    rss_bytes: document.rss.total_bytes,
    in_use_bytes: document.allocator.in_use_bytes,
    trimmable_bytes: document.fragmentation.trimmable_bytes,
    unreachable_bytes: document.leaks.unreachable_bytes,
    unreachable_count: document.leaks.unreachable_count,
    pause_us: document.method.pause_us,
    on_disk: true,
  });
  const refused = {
    ...listed(after, null),
    id: REFUSED,
    state: "refused",
    pid: 7,
    target: "process:7@1",
    asked_by: "http",
    peer: "127.0.0.1:40000",
    why: "process 7 is gone",
    cause: null,
  };
  return [
    { listed: refused, document: null },
    { listed: listed(after, "before_limit"), document: after },
    { listed: listed(before, "suspected"), document: before },
  ];
}

export const DRAWING =
  '<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="100" viewBox="0 0 1200 100">' +
  '<rect width="1200" height="100" fill="rgb(205,60,50)"/></svg>';
