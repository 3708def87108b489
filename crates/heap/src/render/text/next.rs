//! What to do about what a report says: the next step, for whoever reads it. Pure.

use crate::render::words::fit;
use crate::report::Report;
use crate::verdict;

const COMPARE: &str = "take another report later and compare the two: `plimsoll report diff A.json \
                       B.json` says what grew";

/// Sentences in the order in which they are worth following.
pub(super) fn steps(report: &Report) -> Vec<String> {
    let cause = report.verdict.as_ref().map_or("unknown", |verdict| verdict.cause.as_str());
    let step = match cause {
        "heap_leak" => leak(report),
        "fragmentation" => fragmentation(report),
        "retained_growth" if report.growth.is_some() => held(report),
        "off_heap" => off_heap(report),
        "threads" => "count its threads: each keeps its stack for as long as it runs".to_owned(),
        "page_cache" => "files that are mapped: the kernel takes their pages back when it needs \
                         them, unless they are written to"
            .to_owned(),
        "shmem" => "look for what fills its tmpfs, memfds or shared memory: it stays until it is \
                    deleted or unmapped"
            .to_owned(),
        "cache_fill" => {
            "nothing, if it stays so: it is large, in use and no longer grows".to_owned()
        }
        _ => unknown(report),
    };
    vec![step]
}

/// Whether lost blocks can be looked for at all.
fn has_glibc(report: &Report) -> bool {
    report.allocator.as_ref().is_some_and(|allocator| allocator.name == "glibc")
}

fn is_native(report: &Report) -> bool {
    report.identity.runtime.as_deref().is_none_or(|runtime| runtime == "native")
}

fn leak(report: &Report) -> String {
    let pid = report.identity.pid;
    let stack = report.leaks.as_ref().and_then(|leaks| leaks.by_stack.first());
    match (report.method.level, stack.and_then(|stack| verdict::site(&stack.frames))) {
        (_, Some(site)) => format!(
            "look at {}: what the first stack under LEAKED allocates is dropped without being \
             freed",
            fit(site, 200)
        ),
        (2.., _) => "nothing was lost in the window: what is lost is older, or it leaks rarely; a \
                     longer --window-s sees more"
            .to_owned(),
        _ => format!(
            "`plimsoll report {pid} --level 2` names the code that allocates what is lost, while \
             it still does"
        ),
    }
}

fn fragmentation(report: &Report) -> String {
    let told = report.fragmentation.as_ref().and_then(|of| of.suggestion.as_ref());
    let what = told.map_or("see what is free under FRAGMENTATION", |told| told.action.as_str());
    format!("nothing is lost by it, it is free and not given back: {what}")
}

fn held(report: &Report) -> String {
    if report.roots.as_ref().is_some_and(|roots| !roots.is_empty()) {
        return "what grows is still held: bound what stands first under HELD BY".to_owned();
    }
    if is_native(report) && has_glibc(report) {
        return format!(
            "`plimsoll report {} --level 1` tells whether what grew is lost, or held and by whom",
            report.identity.pid
        );
    }
    "what grows is still held: bound what stands first among the runtime's types or sites"
        .to_owned()
}

fn off_heap(report: &Report) -> String {
    if is_native(report) {
        return "it was mapped past malloc, by mmap(2) or an allocator of the program's own: look \
                for who maps and does not unmap (`strace -k -e mmap,munmap`)"
            .to_owned();
    }
    "the managed heap is not the reason: look at direct buffers, native libraries, and memory that \
     it maps itself"
        .to_owned()
}

fn unknown(report: &Report) -> String {
    let is_walked = report.leaks.is_some() || report.method.level > 0;
    if is_walked || !is_native(report) || !has_glibc(report) {
        return COMPARE.to_owned();
    }
    format!(
        "`plimsoll report {} --level 1` stops the process for a moment and tells what nobody \
         points to any more; or {COMPARE}",
        report.identity.pid
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::testing;

    #[test]
    fn the_next_step_fits_the_cause_and_what_is_known_already() {
        let mut report = testing::leaking();
        assert!(steps(&report)[0].contains("first stack"));
        report.leaks.as_mut().unwrap().by_stack.clear();
        report.method.level = 1;
        assert!(steps(&report)[0].contains("--level 2"));
        report.leaks = None;
        report.method.level = 0;
        report.growth = None;
        report.verdict = Some(verdict::judge(&report, None));
        assert!(steps(&report)[0].contains("--level 1"), "{:?}", steps(&report));
        report.verdict.as_mut().unwrap().cause = "off_heap".to_owned();
        assert!(steps(&report)[0].contains("mmap"));
        assert_eq!(steps(&testing::opaque()), [COMPARE]);
    }
}
