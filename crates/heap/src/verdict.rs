//! What a report says is the matter: one cause, how sure, and on what evidence. Pure.
//!
//! Each rule looks at the report, and at an earlier one of the same life if there is one, and
//! claims a cause with a confidence or stays silent; the surest claim stands. Growth between two
//! reports says more than one report can: without it nothing is claimed with more than `ALONE_MAX`.
//! A report that shows nothing out of the ordinary is `unknown`: nothing is guessed.

use crate::diff;
use crate::report::{Evidence, Report, Verdict};
use facts::Facts;

mod facts;
#[cfg(test)]
pub(crate) mod testing;

/// The most that one report alone can show.
pub const ALONE_MAX: f64 = 0.7;
/// What is less than this is never a cause.
const WORTH_BYTES: u64 = 4 << 20;
/// But for lost blocks, which nobody means to have: so much, and such a share of the heap.
const LOST_BYTES_MIN: u64 = 64 << 10;
const LOST_SHARE_MIN: f64 = 0.05;
/// Of lost blocks that are worth more.
const LOST_LARGE_SHARE_MIN: f64 = 0.01;
/// Growth below this share of the earlier RSS is none.
const GROWTH_MIN: f64 = 0.02;

/// Judges `report`, and its growth since `earlier` where that is of the same life and earlier.
#[must_use]
pub fn judge(report: &Report, earlier: Option<&Report>) -> Verdict {
    let growth = earlier.and_then(|earlier| diff::growth(earlier, report));
    let growth = growth.as_ref().or(report.growth.as_ref());
    let facts = Facts::of(report, growth);
    const RULES: [fn(&Facts<'_>) -> Option<Verdict>; 8] = [
        heap_leak,
        retained_growth,
        fragmentation,
        off_heap,
        past_malloc,
        outside_heap,
        filled_cache,
        settled,
    ];
    let claims = RULES.iter().filter_map(|rule| rule(&facts));
    let surest = claims.max_by(|a, b| a.confidence.total_cmp(&b.confidence));
    surest.unwrap_or_else(|| {
        let total = facts.rss.map(|bytes| evidence("rss.total_bytes", bytes));
        verdict("unknown", 0.0, total.into_iter().collect())
    })
}

/// Blocks that nobody points to: many already, or more than before along with the RSS.
fn heap_leak(facts: &Facts<'_>) -> Option<Verdict> {
    let leaks = facts.report.leaks.as_ref()?;
    let unreachable = leaks.unreachable_bytes;
    let mut seen = vec![
        evidence("leaks.unreachable_bytes", unreachable),
        count("leaks.unreachable_count", leaks.unreachable_count),
    ];
    if let Some(top) = leaks.by_type.first() {
        seen.push(evidence(&format!("leaks.by_type {}", top.name), top.bytes));
    }
    if let Some(top) = leaks.by_stack.first() {
        let site = site(&top.frames).unwrap_or("?");
        seen.push(evidence(&format!("leaks.by_stack {site}"), top.bytes));
    }
    if let Some(more) = facts.grew("leaks.unreachable_bytes") {
        let share = facts.of_growth(more);
        seen.push(evidence("growth leaks.unreachable_bytes", more));
        seen.extend(facts.rss_growth.map(|more| evidence("growth rss.total_bytes", more)));
        if more >= WORTH_BYTES && share >= 0.3 {
            return Some(verdict("heap_leak", 0.6 + 0.38 * share, seen));
        }
        // What was lost once, at the start, is no leak that grows.
        if facts.is_growing() {
            return None;
        }
    }
    // Conservative roots hide some; a walk that was not frozen finds too many.
    let share = part(unreachable, facts.held()?);
    let trust = if facts.report.method.freeze == "none" { 0.6 } else { 1.0 };
    let large = unreachable >= LOST_BYTES_MIN && share >= LOST_SHARE_MIN
        || unreachable >= WORTH_BYTES && share >= LOST_LARGE_SHARE_MIN;
    large.then(|| verdict("heap_leak", ALONE_MAX * trust * (0.6 + 0.4 * share), seen))
}

/// The innermost frame that is the program's own. What a language's library does on the way to
/// malloc is the same for everybody.
pub(crate) fn site(frames: &[String]) -> Option<&str> {
    const LIBRARY: [&str; 12] = [
        "operator new",
        "std::",
        "void std::",
        "__gnu_cxx::",
        "void* std::",
        "alloc::",
        "core::",
        "<alloc::",
        "<core::",
        "<std::",
        "__rust",
        "__rdl_",
    ];
    let is_own = |frame: &&String| !LIBRARY.iter().any(|prefix| frame.starts_with(prefix));
    frames.iter().find(is_own).or(frames.first()).map(String::as_str)
}

/// One root, type or site that grows and is reachable all the same.
fn retained_growth(facts: &Facts<'_>) -> Option<Verdict> {
    let mut seen = Vec::new();
    let grown = facts.heap_growth().filter(|(_, more)| *more >= WORTH_BYTES);
    if let Some((name, more)) = grown {
        let share = facts.of_growth(more);
        if share < 0.5 {
            return None;
        }
        seen.push(evidence(&format!("growth {name}"), more));
        seen.extend(facts.rss_growth.map(|more| evidence("growth rss.total_bytes", more)));
        seen.extend(facts.largest());
        let lost = facts.grew("leaks.unreachable_bytes");
        seen.extend(lost.map(|lost| evidence("growth leaks.unreachable_bytes", lost)));
        let confidence = match lost {
            // The walk has shown that what came is still held by someone.
            Some(lost) if part(lost, more) < 0.2 => 0.9,
            Some(_) => return None,
            // A managed heap has nothing but what is reachable, once it was collected.
            None if name.starts_with("runtime_stats.") => 0.85,
            // It may as well be lost: whoever asks has to know more before this counts.
            None => 0.45,
        };
        return Some(verdict("retained_growth", confidence * share.min(1.0), seen));
    }
    if facts.growth.is_some() {
        return None;
    }
    let root = facts.report.roots.as_ref()?.iter().max_by_key(|root| root.retained_bytes)?;
    let share = part(root.retained_bytes, facts.held()?);
    seen.push(evidence(&format!("roots {}", root.name), root.retained_bytes));
    let large = root.retained_bytes >= WORTH_BYTES && share >= 0.5;
    // Large, but whether it grows is not known: most programs that are well look like this.
    large.then(|| verdict("retained_growth", 0.3 * share, seen))
}

/// Free inside the allocator and resident all the same, while what is in use stays.
fn fragmentation(facts: &Facts<'_>) -> Option<Verdict> {
    let told = facts.report.fragmentation.as_ref()?;
    let free = told.free_resident_bytes?;
    let mut seen = vec![evidence("fragmentation.free_resident_bytes", free)];
    let trimmable = told.trimmable_bytes;
    seen.extend(trimmable.map(|bytes| evidence("fragmentation.trimmable_bytes", bytes)));
    seen.extend(facts.in_use().map(|bytes| evidence("allocator.in_use_bytes", bytes)));
    if facts.is_growing() {
        let more = facts.grew("fragmentation.free_resident_bytes")?;
        seen.push(evidence("growth fragmentation.free_resident_bytes", more));
        let share = facts.of_growth(more);
        let caused = more >= WORTH_BYTES && share >= 0.5;
        return caused.then(|| verdict("fragmentation", 0.5 + 0.45 * share, seen));
    }
    let share = part(free, facts.rss?);
    let large = free >= 4 * WORTH_BYTES && share >= 0.3;
    large.then(|| verdict("fragmentation", ALONE_MAX * (0.5 + 0.5 * share), seen))
}

/// The RSS grows, or is far above, while the managed heap is not the reason.
fn off_heap(facts: &Facts<'_>) -> Option<Verdict> {
    let (name, heap) = facts.managed_capacity()?;
    let anonymous = facts.anonymous()?;
    let outside = anonymous.saturating_sub(heap);
    let mut seen = vec![evidence(name, heap), evidence("rss anonymous beside it", outside)];
    if facts.is_growing() {
        let more = facts.rss_growth?;
        let managed = facts.heap_growth().map_or(0, |(_, more)| more);
        let file = facts.grew("rss.parts.file").unwrap_or(0);
        let rest = more.saturating_sub(managed).saturating_sub(file);
        seen.push(evidence("growth outside the managed heap", rest));
        let share = facts.of_growth(rest);
        return (rest >= WORTH_BYTES && share >= 0.5)
            .then(|| verdict("off_heap", 0.4 + 0.45 * share, seen));
    }
    let share = part(outside, anonymous);
    let large = outside >= 16 * WORTH_BYTES && share >= 0.5;
    large.then(|| verdict("off_heap", ALONE_MAX * 0.8 * share, seen))
}

/// A native program's anonymous memory that malloc knows nothing of: mapped by the program itself,
/// or by an allocator of its own. Nothing is said where a runtime has its heap there.
fn past_malloc(facts: &Facts<'_>) -> Option<Verdict> {
    const OTHER: &str = "rss.parts.anon_other";
    if !facts.is_plain_malloc() {
        return None;
    }
    let bytes = facts.part(OTHER)?;
    let mut seen = vec![evidence(OTHER, bytes)];
    if facts.is_growing() {
        let more = facts.grew(OTHER)?;
        seen.push(evidence("growth rss.parts.anon_other", more));
        let share = facts.of_growth(more);
        // Where malloc has little, another allocator may be there that is not known.
        let trust = if facts.is_surely_malloc() { 0.45 } else { 0.05 };
        return (more >= WORTH_BYTES && share >= 0.5)
            .then(|| verdict("off_heap", 0.4 + trust * share, seen));
    }
    seen.extend(facts.held().map(|bytes| evidence("allocator.in_use_bytes", bytes)));
    let share = part(bytes, facts.rss?);
    let large = bytes >= 4 * WORTH_BYTES && share >= 0.5;
    large.then(|| verdict("off_heap", ALONE_MAX * 0.8 * share, seen))
}

/// Files, shared memory or stacks make up the growth, or most of what is resident.
fn outside_heap(facts: &Facts<'_>) -> Option<Verdict> {
    const PARTS: [(&str, &str); 3] = [
        ("rss.parts.file", "page_cache"),
        ("rss.parts.shmem", "shmem"),
        ("rss.parts.stacks", "threads"),
    ];
    let claim = |(name, cause): &(&str, &'static str)| {
        let bytes = facts.part(name)?;
        let mut seen = vec![evidence(name, bytes)];
        if facts.is_growing() {
            let more = facts.grew(name)?;
            seen.push(evidence(&format!("growth {name}"), more));
            let share = facts.of_growth(more);
            let caused = more >= WORTH_BYTES && share >= 0.5;
            return caused.then(|| verdict(cause, 0.5 + 0.45 * share, seen));
        }
        let share = part(bytes, facts.rss?);
        let large = bytes >= 16 * WORTH_BYTES && share >= 0.6;
        large.then(|| verdict(cause, ALONE_MAX * 0.8 * share, seen))
    };
    let claims = PARTS.iter().filter_map(claim);
    claims.max_by(|a, b| a.confidence.total_cmp(&b.confidence))
}

/// Large and all reachable, and no longer growing: what a cache looks like that is full.
fn filled_cache(facts: &Facts<'_>) -> Option<Verdict> {
    if facts.growth.is_none() || facts.is_growing() {
        return None;
    }
    let in_use = facts.held().filter(|&bytes| bytes >= 16 * WORTH_BYTES)?;
    let share = part(in_use, facts.rss?);
    let lost = facts.report.leaks.as_ref().map_or(0, |leaks| leaks.unreachable_bytes);
    let mut seen = vec![evidence("allocator.in_use_bytes", in_use)];
    seen.extend(facts.grew("rss.total_bytes").map(|more| evidence("growth rss.total_bytes", more)));
    let held = share >= 0.5 && part(lost, in_use) < 0.02;
    held.then(|| verdict("cache_fill", 0.4 * share, seen))
}

/// Nothing grew: said with evidence, but it names no cause.
fn settled(facts: &Facts<'_>) -> Option<Verdict> {
    let stayed = facts.growth.is_some() && !facts.is_growing();
    let more = facts.rss_growth.unwrap_or(0);
    stayed.then(|| verdict("unknown", 0.1, vec![evidence("growth rss.total_bytes", more)]))
}

fn verdict(cause: &str, confidence: f64, evidence: Vec<Evidence>) -> Verdict {
    let confidence = (confidence.clamp(0.0, 0.99) * 100.0).round() / 100.0;
    Verdict { cause: cause.to_owned(), confidence, evidence }
}

fn evidence(what: &str, bytes: u64) -> Evidence {
    Evidence { what: what.to_owned(), value: bytes as f64, unit: "bytes".to_owned() }
}

fn count(what: &str, count: u64) -> Evidence {
    Evidence { what: what.to_owned(), value: count as f64, unit: "blocks".to_owned() }
}

/// What share `bytes` are of `whole`, 0 to 1.
fn part(bytes: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (bytes as f64 / whole as f64).min(1.0) }
}

#[cfg(test)]
mod tests;
