//! A report as text for a terminal: who, the verdict, then what it rests on. Pure.
//!
//! What could not be had is said in one line, with the reason among the notes.

mod heap;
mod next;

use serde_json::Value;

use super::page::Page;
use super::words::{amount, bytes, change, count, evidence as told, plain};
use crate::report::{Growth, Identity, Method, Report, Rss, Verdict};

/// Rows of a table; the document has them all.
const ROWS_MAX: usize = 12;
/// Lines about one runtime.
const FACTS_MAX: usize = 60;

/// The text of a report.
#[must_use]
pub fn text(report: &Report) -> String {
    let mut page = Page::default();
    head(&mut page, &report.identity, report);
    verdict(&mut page, report.verdict.as_ref());
    for step in next::steps(report) {
        page.prose(&format!("Next: {step}"));
    }
    resident(&mut page, report.rss.as_ref());
    heap::allocator(&mut page, report.allocator.as_ref());
    heap::fragmentation(&mut page, report);
    heap::leaks(&mut page, report);
    heap::roots(&mut page, report.roots.as_deref());
    runtimes(&mut page, report);
    growth(&mut page, report.growth.as_ref());
    method(&mut page, &report.method);
    page.into_text()
}

fn head(page: &mut Page, of: &Identity, report: &Report) {
    let exe = of.exe.as_deref().unwrap_or("a process");
    page.line(&format!("Heap report of {exe} (pid {}), {}", of.pid, report.taken_at));
    if let Some(id) = &report.id {
        page.prose(&format!("id {id}"));
    }
    if let Some(cmdline) = &of.cmdline {
        page.prose(&cmdline.join(" "));
    }
    let limit = of.limit_bytes.map_or_else(
        || "no limit".to_owned(),
        |limit| match of.headroom_bytes {
            Some(left) => format!("limit {}, {} left", bytes(limit), bytes(left)),
            None => format!("limit {}", bytes(limit)),
        },
    );
    let cgroup = of.cgroup.as_deref().unwrap_or("cgroup unknown");
    let runtime = of.runtime.as_deref().unwrap_or("runtime unknown");
    page.prose(&format!("{cgroup}; {limit}; {runtime}"));
}

pub(super) fn verdict(page: &mut Page, verdict: Option<&Verdict>) {
    let Some(verdict) = verdict else {
        page.section("Verdict", "none");
        return;
    };
    let sure = 100.0 * verdict.confidence;
    page.section("Verdict", &format!("{} ({sure:.0} % sure)", plain(&verdict.cause)));
    for evidence in verdict.evidence.iter().take(ROWS_MAX) {
        let value = amount(evidence.value, &evidence.unit);
        page.line(&format!("  {:<36} {value:>12}", told(&evidence.what)));
    }
}

fn resident(page: &mut Page, rss: Option<&Rss>) {
    let Some(rss) = rss else {
        page.section("Resident", "not known");
        return;
    };
    let total = rss.total_bytes;
    let parts = &rss.parts;
    page.section("Resident", &bytes(total));
    let mut named = [
        ("heap", parts.heap),
        ("arenas", parts.arenas),
        ("mmap chunks", parts.mmap_chunks),
        ("other anonymous", parts.anon_other),
        ("stacks", parts.stacks),
        ("files", parts.file),
        ("shared memory", parts.shmem),
        ("jit code", parts.jit),
        ("unattributed", parts.unattributed),
    ];
    named.sort_by_key(|(_, n)| std::cmp::Reverse(*n));
    for (name, n) in named.into_iter().filter(|(_, n)| *n > 0) {
        page.bar(name, n, total, "");
    }
    let beside = [(parts.thp, "of it in huge pages"), (parts.swap, "more is swapped out")];
    let beside: Vec<String> = beside
        .iter()
        .filter(|(n, _)| *n > 0)
        .map(|(n, what)| format!("{} {what}", bytes(*n)))
        .collect();
    if !beside.is_empty() {
        page.prose(&beside.join("; "));
    }
}

fn runtimes(page: &mut Page, report: &Report) {
    for (name, stats) in &report.runtime_stats {
        page.section(name, "");
        let mut facts = Vec::new();
        flatten(String::new(), stats, &mut facts);
        let more = facts.len().saturating_sub(FACTS_MAX);
        for (name, value) in facts.into_iter().take(FACTS_MAX) {
            page.line(&format!("  {name:<44} {value}"));
        }
        if more > 0 {
            page.prose(&format!("and {more} more in the JSON"));
        }
    }
}

/// Leaves of a JSON value by their dotted names; those named as bytes are shown as bytes.
fn flatten(name: String, value: &Value, into: &mut Vec<(String, String)>) {
    let below =
        |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| flatten(below(key), value, into)),
        Value::Array(list) => {
            for (at, value) in list.iter().enumerate() {
                let named = value.get("name").or_else(|| value.get("type")).and_then(Value::as_str);
                flatten(below(&named.map_or_else(|| at.to_string(), plain)), value, into);
            }
        }
        Value::Null => {}
        Value::Number(number) if name.ends_with("bytes") => {
            let shown = number.as_u64().map_or_else(|| number.to_string(), bytes);
            into.push((name, shown));
        }
        Value::Number(number) => {
            into.push((name, number.as_u64().map_or_else(|| number.to_string(), count)));
        }
        // The name is part of where it stands already.
        Value::String(_) if name.ends_with(".name") || name.ends_with(".type") => {}
        Value::String(text) => into.push((name, text.clone())),
        Value::Bool(yes) => into.push((name, yes.to_string())),
    }
}

fn growth(page: &mut Page, growth: Option<&Growth>) {
    let Some(growth) = growth else { return };
    page.section("Since", &format!("{} ({:.0} s earlier)", growth.since, growth.elapsed_s));
    let mut rows: Vec<(&String, &i64)> = growth.bytes.iter().filter(|(_, n)| **n != 0).collect();
    rows.sort_by_key(|(_, n)| std::cmp::Reverse(n.unsigned_abs()));
    for (name, n) in rows.into_iter().take(ROWS_MAX) {
        page.line(&format!("  {:<44} {:>12}", super::words::harmless(name), change(*n)));
    }
}

fn method(page: &mut Page, method: &Method) {
    page.section("How", &format!("level {}", method.level));
    let pause = match method.pause_us {
        0 => "the process was never stopped".to_owned(),
        us => format!("the process stood still for {:.1} ms", us as f64 / 1000.0),
    };
    let window = method
        .window_s
        .map_or_else(String::new, |s| format!("; its allocations were watched for {s:.1} s"));
    let whole = if method.complete { "complete" } else { "not complete" };
    page.prose(&format!(
        "{pause}{window}; {} read in {} ms; {whole}",
        bytes(method.bytes_read),
        count(method.duration_ms),
    ));
    for note in &method.notes {
        page.prose(&format!("- {note}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing;

    #[test]
    fn a_full_report_reads_from_verdict_to_notes() {
        insta::assert_snapshot!(text(&testing::leaking()));
    }

    #[test]
    fn a_report_with_little_in_it_says_what_is_missing_and_drives_no_terminal() {
        let text = text(&testing::opaque());
        assert!(!text.contains('\u{1b}'), "{text}");
        insta::assert_snapshot!(text);
    }
}
