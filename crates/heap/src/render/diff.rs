//! A difference of two reports as text for a terminal, and in single lines. Pure.

use super::page::Page;
use super::words::{bytes, change, count, fit, plain};
use crate::diff::{Change, Diff, Row};
use crate::report::Verdict;
use std::cmp::Reverse;

/// Rows of a table; the document has more.
const ROWS_MAX: usize = 12;
/// How each table is called; those that are not here go by their own names.
const TITLES: [(&str, &str); 5] = [
    ("leaks.by_type", "Leaked, by type"),
    ("leaks.by_stack", "Leaked, by stack"),
    ("leaks.by_size", "Leaked, by size of block"),
    ("roots", "Held by"),
    ("allocator.size_classes", "In use, by size of block"),
];

/// The text of a difference.
#[must_use]
pub fn diff_text(diff: &Diff) -> String {
    let mut page = Page::default();
    let elapsed = diff.elapsed_s.map_or_else(String::new, |s| format!(", {s:.0} s"));
    page.line(&format!(
        "Process {}: from {} to {}{elapsed}",
        diff.b.pid, diff.a.taken_at, diff.b.taken_at
    ));
    if !diff.same_life {
        page.prose("These are two processes, or two lives of one pid: mind that.");
    }
    if diff.elapsed_s.is_some_and(|s| s < 0.0) {
        page.prose("The first was taken after the second: what follows reads backwards.");
    }
    if let Some(verdict) = &diff.verdict {
        super::text::verdict(&mut page, Some(verdict));
        if verdict.cause == "retained_growth" && diff.b.level == 0 && is_malloc(verdict) {
            page.prose(
                "Next: a report of level 1 tells whether what grew is lost, or held and by whom",
            );
        }
    }
    if diff.bytes.is_empty() && diff.tables.is_empty() {
        page.section("Changed", "nothing");
        return page.into_text();
    }
    page.section("Changed", "");
    let figures = figures(diff);
    for (name, by) in figures.iter().take(2 * ROWS_MAX) {
        page.line(&row(&plain(name), **by));
    }
    more(&mut page, figures.len(), 2 * ROWS_MAX);
    for (name, rows) in &diff.tables {
        page.section(title(name), "");
        for of in largest(rows).into_iter().take(ROWS_MAX) {
            let blocks = match of.count.delta {
                0 => String::new(),
                n if n > 0 => format!("  +{} blocks", count(n.unsigned_abs())),
                n => format!("  -{} blocks", count(n.unsigned_abs())),
            };
            page.line(&(row(&of.name, of.bytes) + &blocks));
        }
        more(&mut page, rows.len(), ROWS_MAX);
    }
    page.into_text()
}

/// Whether it rests on blocks of malloc, of which a walk can tell more.
fn is_malloc(verdict: &Verdict) -> bool {
    verdict.evidence.iter().any(|seen| seen.what.starts_with("growth allocator."))
}

/// What grew and shrank most, a line each: the figures first, then each table's largest change.
#[must_use]
pub fn diff_lines(diff: &Diff) -> Vec<String> {
    let said = |name: &str, by: &Change| {
        format!("{}: {} to {} ({})", name, bytes(by.a), bytes(by.b), change(by.delta))
    };
    let mut lines: Vec<String> =
        figures(diff).into_iter().take(3).map(|(name, by)| said(&plain(name), by)).collect();
    for (name, rows) in &diff.tables {
        if let Some(of) = largest(rows).first() {
            let place = title(name).to_lowercase();
            lines.push(format!("{place}: {}", said(&fit(&of.name, 60), &of.bytes)));
        }
    }
    lines
}

/// The largest change first.
fn figures(diff: &Diff) -> Vec<(&str, &Change)> {
    let mut all: Vec<(&str, &Change)> =
        diff.bytes.iter().map(|(name, by)| (name.as_str(), by)).collect();
    all.sort_by_key(|(_, by)| Reverse(by.delta.unsigned_abs()));
    all
}

fn largest(rows: &[Row]) -> Vec<&Row> {
    let mut rows: Vec<&Row> = rows.iter().collect();
    rows.sort_by_key(|row| Reverse(row.bytes.delta.unsigned_abs()));
    rows
}

fn title(name: &str) -> &str {
    TITLES.iter().find(|(known, _)| *known == name).map_or(name, |(_, title)| title)
}

fn row(name: &str, by: Change) -> String {
    let (a, b) = (bytes(by.a), bytes(by.b));
    format!("  {:>10}  {:<44} {a:>10} → {b:>10}", change(by.delta), fit(name, 44))
}

fn more(page: &mut Page, rows: usize, shown: usize) {
    if rows > shown {
        page.prose(&format!("and {} more in the JSON", rows - shown));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::diff;
    use crate::render::testing;

    fn grown() -> Diff {
        let before = testing::leaking();
        let mut now = before.clone();
        now.taken_at = "2026-11-21T10:19:00.000Z".to_owned();
        now.rss.as_mut().unwrap().total_bytes += 8 << 20;
        now.rss.as_mut().unwrap().parts.heap += 9 << 20;
        now.rss.as_mut().unwrap().parts.file -= 1 << 20;
        let leaks = now.leaks.as_mut().unwrap();
        leaks.by_type[0].bytes += 8 << 20;
        leaks.by_type[0].count += 1000;
        diff(&before, &now)
    }

    #[test]
    fn a_difference_reads_from_the_largest_change_down() {
        insta::assert_snapshot!(diff_text(&grown()));
    }

    #[test]
    fn its_lines_name_the_figures_and_the_tables() {
        let lines = diff_lines(&grown());
        assert_eq!(lines[0], "rss.parts.heap: 60.0 MiB to 69.0 MiB (+9.0 MiB)");
        let of_type = "leaked, by type: Session: 31.2 KiB to 8.0 MiB (+8.0 MiB)";
        assert!(lines.iter().any(|line| line == of_type), "{lines:?}");
    }

    #[test]
    fn what_is_the_same_or_backwards_or_of_another_process_is_said_to_be() {
        let report = testing::leaking();
        assert!(diff_text(&diff(&report, &report)).contains("CHANGED  nothing"));
        let other = diff_text(&diff(&testing::opaque(), &report));
        assert!(other.contains("two processes"), "{other}");
    }
}
