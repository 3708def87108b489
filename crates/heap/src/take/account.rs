//! The split of the resident set, read in the way that hurts the target least.
//!
//! `smaps` says all there is to know, but the kernel walks each mapping with the target's lock
//! held. Where the largest mapping would take longer than the bound, `pagemap` is read instead: it
//! lets go of the lock every 2 MiB. It does not know of huge pages. What neither gives is
//! unattributed.

use std::io::BufReader;
use std::ops::Range;
use std::time::{Duration, Instant};

use crate::maps::smaps::{self, Usage};
use crate::maps::split::Split;
use crate::maps::{Mapping, Residency, read};
use crate::report::Rss;
use crate::scene::{Claim, Finding};
use crate::target::Opened;
use crate::target::stat::Status;

/// Address space of which the pages are asked for, one by one: 128 MiB of answers.
const PAGEMAP_BYTES_MAX: u64 = 64 << 30;
/// Threads whose stack pointers are asked for.
const THREADS_MAX: usize = 4096;
/// Claims that are taken into account.
const CLAIMS_MAX: usize = 1 << 20;
const SMAPS_BUFFER: usize = 256 << 10;

pub(super) struct Account {
    pub rss: Rss,
    pub complete: bool,
    pub notes: Vec<String>,
}

pub(super) fn account(
    opened: &Opened,
    mappings: &[Mapping],
    findings: &[Finding],
    stall_max: Duration,
    time: Duration,
) -> Account {
    let deadline = Instant::now() + time;
    let mut notes = Vec::new();
    // As it is now: the report began a while ago.
    let status = opened.text("status").map_or(opened.status, |text| Status::parse(&text));
    let claims = disjoint(findings);
    let ranges: Vec<Range<u64>> = claims.iter().map(|claim| claim.range.clone()).collect();
    let residency =
        within(&ranges, PAGEMAP_BYTES_MAX).then(|| read::residency(opened, &ranges)).flatten();
    let stacks = stack_pointers(opened);
    let mut split = Split::new(&claims, residency.as_ref(), &stacks);
    let stall = smaps::predicted_stall(mappings, status.rss_bytes.unwrap_or(u64::MAX));
    let complete = if stall <= stall_max {
        let read = opened.file("smaps").and_then(|file| {
            let mut reader = BufReader::with_capacity(SMAPS_BUFFER, file);
            smaps::each(&mut reader, deadline, &mut |usage| split.add(&usage))
        });
        match read {
            Ok(true) => true,
            Ok(false) => {
                notes.push("not all mappings could be read in time".to_owned());
                false
            }
            Err(error) => {
                notes.push(format!("smaps: {error}"));
                false
            }
        }
    } else {
        notes.push(format!(
            "smaps would hold the target up for {} ms: pages were counted instead, huge pages are \
             not known",
            stall.as_millis()
        ));
        by_pages(opened, mappings, deadline, &mut split, &mut notes)
    };
    if status.hugetlb_bytes.is_some_and(|bytes| bytes > 0) {
        notes.push("pages of hugetlbfs are not part of the resident set".to_owned());
    }
    // The kernel's own count is off by what its CPUs have not added up yet, so it only fills gaps.
    let rss = split.rss(if complete { None } else { status.rss_bytes });
    Account { rss, complete, notes }
}

/// All mappings by their pages. False if some had to be left out.
fn by_pages(
    opened: &Opened,
    mappings: &[Mapping],
    deadline: Instant,
    split: &mut Split<'_>,
    notes: &mut Vec<String>,
) -> bool {
    let mut left = PAGEMAP_BYTES_MAX;
    for (index, mapping) in mappings.iter().enumerate() {
        let too_much = mapping.bytes() > left && mapping.readable;
        if too_much || Instant::now() > deadline {
            let rest = mappings.len() - index;
            notes.push(format!("the pages of {rest} mappings were not counted: they are too many"));
            return false;
        }
        if !mapping.readable && mapping.bytes() > PAGEMAP_BYTES_MAX / 64 {
            // Address space that is only reserved.
            split.add(&Usage { mapping: mapping.clone(), ..Usage::default() });
            continue;
        }
        left = left.saturating_sub(mapping.bytes());
        let Some(residency) = read::residency(opened, &[mapping.range()]) else {
            notes.push("pagemap cannot be read".to_owned());
            return false;
        };
        split.add(&usage(mapping, &residency));
    }
    true
}

fn usage(mapping: &Mapping, residency: &Residency) -> Usage {
    let range = mapping.range();
    let rss = residency.resident_bytes(&range);
    Usage {
        mapping: mapping.clone(),
        rss,
        anonymous: residency.anonymous_bytes(&range),
        huge: 0,
        swap: residency.swapped_bytes(&range),
    }
}

/// All claims by address; of two that overlap the one that begins first goes on.
fn disjoint(findings: &[Finding]) -> Vec<Claim> {
    let mut claims: Vec<Claim> =
        findings.iter().flat_map(|finding| &finding.claims).take(CLAIMS_MAX).cloned().collect();
    claims.sort_by_key(|claim| claim.range.start);
    let mut end = 0;
    claims.retain_mut(|claim| {
        claim.range.start = claim.range.start.max(end);
        end = end.max(claim.range.end);
        !claim.range.is_empty()
    });
    claims
}

fn within(ranges: &[Range<u64>], bytes_max: u64) -> bool {
    let bytes = ranges.iter().map(|range| range.end - range.start);
    bytes.fold(0_u64, u64::saturating_add) <= bytes_max
}

/// Where the threads' stacks are, of those that are not running right now.
fn stack_pointers(opened: &Opened) -> Vec<u64> {
    let Ok(tasks) = std::fs::read_dir(opened.path().join("task")) else { return Vec::new() };
    let names = tasks.flatten().take(THREADS_MAX).map(|task| task.file_name());
    names
        .filter_map(|name| {
            let text = opened.text(&format!("task/{}/syscall", name.to_str()?)).ok()?;
            stack_pointer(&text)
        })
        .collect()
}

/// The last word but one of `/proc/PID/task/TID/syscall`. None for `running`.
fn stack_pointer(text: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(text).ok()?;
    let hex = text.split_ascii_whitespace().rev().nth(1)?.strip_prefix("0x")?;
    u64::from_str_radix(hex, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scene::Part;

    #[test]
    fn the_stack_pointer_is_found_in_and_out_of_system_calls() {
        assert_eq!(stack_pointer(b"35 0x0 0x1 0x7ffe10 0x7f05\n"), Some(0x7f_fe10));
        assert_eq!(stack_pointer(b"-1 0x7ffe10 0x7f05\n"), Some(0x7f_fe10));
        assert_eq!(stack_pointer(b"running\n"), None);
    }

    #[test]
    fn claims_never_overlap() {
        let claim = |range, part| Claim { range, part };
        let claims = vec![claim(5..9, Part::Jit), claim(1..7, Part::Heap), claim(2..3, Part::Jit)];
        let finding = Finding { claims, ..Finding::default() };
        let expected = [claim(1..7, Part::Heap), claim(7..9, Part::Jit)];
        assert_eq!(disjoint(&[finding]), expected);
    }
}
