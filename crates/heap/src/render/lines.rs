//! A report as weighted stacks: what pprof and the flame graph have in common. Pure.
//!
//! What is leaked is in use as well. Its lines come first and carry both; of the size classes only
//! what is not leaked is left, so that the lines together are the heap in use and nothing is
//! counted twice. The stacks of a probe window are a sample; what they do not cover is a line
//! of its own.

use crate::report::{Allocator, Leaks, Report};

use super::words::bytes;

/// Lines taken of one list; the rest is one line.
const LINES_MAX: usize = 2_000;
/// Frames of one stack.
const FRAMES_MAX: usize = 128;

/// One stack and what it stands for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Line {
    /// The outermost first.
    pub frames: Vec<String>,
    pub inuse_bytes: u64,
    pub inuse_count: u64,
    pub leaked_bytes: u64,
    pub leaked_count: u64,
}

/// Bytes and blocks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Weight {
    bytes: u64,
    count: u64,
}

impl Weight {
    const fn new(bytes: u64, count: u64) -> Self {
        Self { bytes, count }
    }

    const fn minus(self, other: Self) -> Self {
        Self::new(self.bytes.saturating_sub(other.bytes), self.count.saturating_sub(other.count))
    }

    const fn plus(self, other: Self) -> Self {
        Self::new(self.bytes.saturating_add(other.bytes), self.count.saturating_add(other.count))
    }
}

/// The lines of a report: leaked first, then what else is in use. Empty where no allocator could be
/// read.
#[must_use]
pub fn lines(report: &Report) -> Vec<Line> {
    let mut lines = report.leaks.as_ref().map(leaked).unwrap_or_default();
    if let Some(allocator) = &report.allocator {
        lines.extend(in_use(allocator, report.leaks.as_ref()));
    }
    lines
}

/// By stack where there are stacks, else by type, else by size: each of them is the whole, so only
/// one may be taken.
fn leaked(leaks: &Leaks) -> Vec<Line> {
    let whole = Weight::new(leaks.unreachable_bytes, leaks.unreachable_count);
    let mut parts: Vec<(Vec<String>, Weight)> = if !leaks.by_stack.is_empty() {
        let stack = |of: &crate::report::ByStack| {
            let frames = of.frames.iter().take(FRAMES_MAX).rev().cloned().collect();
            (frames, Weight::new(of.bytes, of.count))
        };
        leaks.by_stack.iter().map(stack).collect()
    } else if !leaks.by_type.is_empty() {
        let kind =
            |of: &crate::report::ByType| (vec![of.name.clone()], Weight::new(of.bytes, of.count));
        leaks.by_type.iter().map(kind).collect()
    } else {
        let size = |of: &crate::report::BySize| {
            (vec![format!("blocks of {} bytes", of.size_bytes)], Weight::new(of.bytes, of.count))
        };
        leaks.by_size.iter().map(size).collect()
    };
    parts.truncate(LINES_MAX);
    let known = parts.iter().fold(Weight::default(), |sum, (_, weight)| sum.plus(*weight));
    let rest = whole.minus(known);
    if rest.bytes > 0 {
        parts.push((vec!["not attributed".to_owned()], rest));
    }
    let line = |(frames, weight): (Vec<String>, Weight)| Line {
        frames: std::iter::once("leaked".to_owned()).chain(frames).collect(),
        inuse_bytes: weight.bytes,
        inuse_count: weight.count,
        leaked_bytes: weight.bytes,
        leaked_count: weight.count,
    };
    parts.into_iter().map(line).collect()
}

/// By size class, without what is leaked of it.
fn in_use(allocator: &Allocator, leaks: Option<&Leaks>) -> Vec<Line> {
    let own = Weight::new(allocator.in_use_bytes.unwrap_or(0), allocator.in_use_count.unwrap_or(0));
    let mapped =
        Weight::new(allocator.mmapped_bytes.unwrap_or(0), allocator.mmapped_count.unwrap_or(0));
    let gone = leaks.map_or(Weight::default(), |leaks| {
        Weight::new(leaks.unreachable_bytes, leaks.unreachable_count)
    });
    let mut left = own.plus(mapped).minus(gone);
    let mut lines = Vec::new();
    for class in allocator.size_classes.iter().take(LINES_MAX) {
        let within = |size: u64| (class.min_bytes..=class.max_bytes).contains(&size);
        let leaked = leaks.into_iter().flat_map(|leaks| &leaks.by_size);
        let leaked = leaked.filter(|of| within(of.size_bytes));
        let leaked =
            leaked.fold(Weight::default(), |sum, of| sum.plus(Weight::new(of.bytes, of.count)));
        let weight = Weight::new(class.in_use_bytes, class.in_use_count).minus(leaked);
        if weight.bytes == 0 {
            continue;
        }
        left = left.minus(weight);
        let name = if class.min_bytes == class.max_bytes {
            format!("blocks of {}", bytes(class.max_bytes))
        } else {
            format!("blocks of {} to {}", bytes(class.min_bytes), bytes(class.max_bytes))
        };
        lines.push(held(name, weight));
    }
    if left.bytes > 0 && left.bytes == mapped.bytes {
        lines.push(held("large blocks, each mapped by itself".to_owned(), left));
    } else if left.bytes > 0 {
        lines.push(held("not by size".to_owned(), left));
    }
    lines
}

fn held(name: String, weight: Weight) -> Line {
    Line {
        frames: vec!["in use".to_owned(), name],
        inuse_bytes: weight.bytes,
        inuse_count: weight.count,
        ..Line::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing;

    fn sums(lines: &[Line]) -> [u64; 4] {
        let mut sums = [0; 4];
        for line in lines {
            let own = [line.inuse_bytes, line.inuse_count, line.leaked_bytes, line.leaked_count];
            sums.iter_mut().zip(own).for_each(|(sum, own)| *sum += own);
        }
        sums
    }

    #[test]
    fn the_lines_add_up_to_the_heap_and_count_no_leak_twice() {
        let report = testing::leaking();
        let (allocator, leaks) = (report.allocator.clone().unwrap(), report.leaks.clone().unwrap());
        let [inuse, count, leaked, leaked_count] = sums(&lines(&report));
        let whole = allocator.in_use_bytes.unwrap() + allocator.mmapped_bytes.unwrap();
        assert_eq!(inuse, whole);
        assert_eq!(count, allocator.in_use_count.unwrap() + allocator.mmapped_count.unwrap());
        assert_eq!((leaked, leaked_count), (leaks.unreachable_bytes, leaks.unreachable_count));
    }

    #[test]
    fn stacks_win_over_types_and_types_over_sizes() {
        let mut report = testing::leaking();
        let first = |report: &Report| lines(report)[0].frames.join(";");
        assert_eq!(first(&report), "leaked;main (leak.cc:40);handle (leak.cc:21);operator new");
        report.leaks.as_mut().unwrap().by_stack.clear();
        assert_eq!(first(&report), "leaked;Session");
        report.leaks.as_mut().unwrap().by_type.clear();
        assert_eq!(first(&report), "leaked;blocks of 64 bytes");
    }

    #[test]
    fn without_an_allocator_there_is_nothing_to_weigh() {
        assert_eq!(lines(&testing::opaque()), []);
    }
}
