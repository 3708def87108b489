//! The sections about the heap: allocator, fragmentation, leaks, roots. Pure.

use super::ROWS_MAX;
use crate::render::page::Page;
use crate::render::words::{blocks, bytes, fit, percent, total};
use crate::report::{Allocator, Leaks, Report, Root};

/// Frames of a stack that are shown.
const FRAMES_MAX: usize = 16;

pub(super) fn allocator(page: &mut Page, allocator: Option<&Allocator>) {
    let Some(of) = allocator else {
        page.section("Allocator", "not known");
        return;
    };
    let version = of.version.as_deref().unwrap_or("of unknown version");
    let sure = 100.0 * of.confidence;
    page.section(
        "Allocator",
        &format!("{} {version} (by {}; {sure:.0} % sure)", of.name, of.detected_by),
    );
    let of_blocks = |n: Option<u64>| n.map_or_else(String::new, blocks);
    let rows = [
        ("in use", of.in_use_bytes, of_blocks(of.in_use_count)),
        ("free", of.free_bytes, String::new()),
        ("mapped by itself", of.mmapped_bytes, of_blocks(of.mmapped_count)),
        ("top", of.top_bytes, "free, at the end of the heap".to_owned()),
        ("tcache", of.tcache_bytes, "free, kept by threads".to_owned()),
    ];
    let whole = total(rows.iter().filter_map(|(_, n, _)| *n));
    for (name, n, remark) in &rows {
        if let Some(n) = n {
            page.bar(name, *n, whole, remark);
        }
    }
    arenas(page, of);
    size_classes(page, of);
}

fn arenas(page: &mut Page, of: &Allocator) {
    if of.arenas.len() < 2 {
        return;
    }
    let mut arenas: Vec<_> = of.arenas.iter().collect();
    arenas.sort_by_key(|arena| std::cmp::Reverse(arena.system_bytes));
    page.line(&format!(
        "  {:<18} {:>10} {:>10} {:>10} {:>10}",
        "arena", "in use", "free", "trimmable", "size"
    ));
    for arena in arenas.iter().take(ROWS_MAX) {
        let name = if arena.main { "main".to_owned() } else { format!("{:#x}", arena.address) };
        let trimmable = arena.trimmable_bytes.map_or_else(|| "-".to_owned(), bytes);
        page.line(&format!(
            "  {name:<18} {:>10} {:>10} {trimmable:>10} {:>10}",
            bytes(arena.in_use_bytes),
            bytes(arena.free_bytes),
            bytes(arena.system_bytes),
        ));
    }
    more(page, arenas.len());
}

fn size_classes(page: &mut Page, of: &Allocator) {
    let whole = total(of.size_classes.iter().map(|class| class.in_use_bytes));
    let mut classes: Vec<_> = of.size_classes.iter().filter(|c| c.in_use_bytes > 0).collect();
    if classes.is_empty() {
        return;
    }
    classes.sort_by_key(|class| std::cmp::Reverse(class.in_use_bytes));
    page.line("  in use by size of block");
    for class in classes.iter().take(ROWS_MAX) {
        let name = format!("to {}", bytes(class.max_bytes));
        page.bar(&name, class.in_use_bytes, whole, &blocks(class.in_use_count));
    }
    more(page, classes.len());
}

pub(super) fn fragmentation(page: &mut Page, report: &Report) {
    let Some(of) = &report.fragmentation else {
        page.section("Fragmentation", "not known");
        return;
    };
    let share = of.ratio.map_or_else(String::new, |r| format!("{:.0} % of the heap", 100.0 * r));
    page.section("Fragmentation", &share);
    let rows = [
        ("free and resident", of.free_resident_bytes, "held by the process, used by nobody"),
        ("trimmable", of.trimmable_bytes, "whole pages of it"),
        ("retained", of.retained_bytes, "kept by the allocator for later"),
    ];
    let whole = report.rss.as_ref().map_or(0, |rss| rss.total_bytes);
    for (name, n, remark) in rows {
        if let Some(n) = n {
            page.bar(name, n, whole, remark);
        }
    }
    if let Some(suggestion) = &of.suggestion {
        let gain = bytes(suggestion.predicted_gain_bytes);
        page.prose(&format!("{}: predicted to give back {gain}", suggestion.action));
    }
}

pub(super) fn leaks(page: &mut Page, report: &Report) {
    let Some(of) = &report.leaks else {
        let is_asked = report.method.level > 0;
        let why = if is_asked { "not known" } else { "not looked for at level 0" };
        page.section("Leaked", why);
        return;
    };
    let whole = of.unreachable_bytes;
    page.section("Leaked", &format!("{} in {}", bytes(whole), blocks(of.unreachable_count)));
    if whole == 0 {
        page.prose("every block of glibc's malloc is reachable");
        return;
    }
    lost(page, of, whole);
}

fn lost(page: &mut Page, of: &Leaks, whole: u64) {
    page.prose(&format!(
        "{} of it directly ({}), the rest only through leaked blocks",
        bytes(of.direct_bytes),
        blocks(of.direct_count),
    ));
    if !of.by_type.is_empty() {
        page.line("  by type");
        for row in largest(&of.by_type, |row| row.bytes) {
            weighed(page, row.bytes, row.count, whole, &row.name);
        }
        more(page, of.by_type.len());
    }
    if !of.by_size.is_empty() {
        page.line("  by size of block");
        for row in largest(&of.by_size, |row| row.bytes) {
            weighed(page, row.bytes, row.count, whole, &format!("{} bytes", row.size_bytes));
        }
        more(page, of.by_size.len());
    }
    if !of.by_stack.is_empty() {
        page.line("  by stack, the innermost first");
        for row in largest(&of.by_stack, |row| row.bytes) {
            let (first, rest) = row
                .frames
                .split_first()
                .map_or(("?", &[][..]), |(first, rest)| (first.as_str(), rest));
            weighed(page, row.bytes, row.count, whole, first);
            for frame in rest.iter().take(FRAMES_MAX) {
                page.line(&format!("{:40}{}", "", fit(frame, 200)));
            }
        }
        more(page, of.by_stack.len());
    }
}

fn weighed(page: &mut Page, n: u64, count: u64, whole: u64, name: &str) {
    let share = percent(n, whole);
    let name = fit(name, 200);
    page.line(&format!("    {:>9} {share:>4.0} %  {:>16}  {name}", bytes(n), blocks(count)));
}

pub(super) fn roots(page: &mut Page, roots: Option<&[Root]>) {
    let Some(roots) = roots.filter(|roots| !roots.is_empty()) else { return };
    page.section("Held by", "what would go with one root if nothing else held it");
    let whole = total(roots.iter().map(|root| root.retained_bytes));
    for root in largest(roots, |root| root.retained_bytes) {
        weighed(page, root.retained_bytes, root.count, whole, &root.name);
    }
    more(page, roots.len());
}

/// The first rows of a table, largest first.
fn largest<T>(rows: &[T], size: fn(&T) -> u64) -> impl Iterator<Item = &T> {
    let mut rows: Vec<&T> = rows.iter().collect();
    rows.sort_by_key(|row| std::cmp::Reverse(size(row)));
    rows.into_iter().take(ROWS_MAX)
}

fn more(page: &mut Page, rows: usize) {
    if rows > ROWS_MAX {
        page.prose(&format!("and {} more in the JSON", rows - ROWS_MAX));
    }
}
