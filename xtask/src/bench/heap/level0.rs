//! Level 0: exact against mallinfo2(3) and malloc_trim(3), fast, and small in memory.

use super::blocks::{Blocks, Counts, compile};
use super::table::{Row, Table};
use plimsoll_heap::Report;
use plimsoll_heap::take::{Options, take};
use plimsoll_heap::target::Opened;
use std::time::Instant;

/// About one GiB of blocks.
const GIB_OF_BLOCKS: &str = "700000";

pub fn measure(table: &mut Table) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let dynamic = compile(dir.path(), &[])?;
    let stripped = compile(dir.path(), &["-static", "-DSTATIC", "-s"])?;
    // First: what earlier reports took may not have gone back.
    table.attempt("cost of a report", |table| {
        cost(&dynamic)?.into_iter().for_each(|row| table.push(row));
        Ok(())
    });
    let subjects = [
        ("one arena", &dynamic, &["mixed", "400000"][..]),
        ("one arena, static, stripped", &stripped, &["mixed", "400000"]),
        ("8 threads, 9 arenas", &dynamic, &["threads", "400000", "8"]),
        ("8 ended threads", &dynamic, &["exited", "400000", "8"]),
        ("mostly holes", &dynamic, &["holes", "80000"]),
    ];
    for (name, program, args) in subjects {
        table.attempt(name, |table| {
            let (mut blocks, _) = Blocks::start(program, args)?;
            let said = blocks.ask("count")?;
            let report = report(blocks.pid())?;
            against_malloc(name, &report, said).into_iter().for_each(|row| table.push(row));
            let trimmed = blocks.ask("trim")?;
            let given_back = said.anonymous.saturating_sub(trimmed.anonymous);
            table.push(against_trim(name, &report, given_back));
            Ok(())
        });
    }
    Ok(())
}

fn report(pid: u32) -> Result<Report, String> {
    let opened = Opened::open(pid).map_err(|e| e.to_string())?;
    take(&opened, &Options::default(), &mut |_| {}).map_err(|e| e.to_string())
}

fn against_malloc(name: &str, report: &Report, said: Counts) -> [Row; 2] {
    let sum = |part: fn(&plimsoll_heap::report::Allocator) -> [Option<u64>; 2]| {
        let parts = report.allocator.as_ref().map(part).unwrap_or_default();
        parts.into_iter().flatten().sum::<u64>()
    };
    let in_use = sum(|allocator| [allocator.in_use_bytes, allocator.tcache_bytes]);
    let free = sum(|allocator| [allocator.free_bytes, allocator.top_bytes]);
    let off = |ours: u64, theirs: u64| ours.abs_diff(theirs) as f64;
    [
        Row::new(format!("in use, off: {name}"), "B", off(in_use, said.in_use))
            .at_most(0.0)
            .against(format!("uordblks {}", said.in_use)),
        Row::new(format!("free, off: {name}"), "B", off(free, said.free))
            .at_most(0.0)
            .against(format!("fordblks {}", said.free)),
    ]
}

fn against_trim(name: &str, report: &Report, given_back: u64) -> Row {
    let fragmentation = report.fragmentation.as_ref();
    let foretold = fragmentation.and_then(|found| found.trimmable_bytes).unwrap_or(0);
    let off = foretold.abs_diff(given_back) as f64 / given_back.max(1) as f64;
    Row::new(format!("trimmable, off: {name}"), "%", off * 100.0)
        .at_most(1.0)
        .against(format!("malloc_trim(0) gave back {} KiB", given_back / 1024))
}

fn cost(program: &std::path::PathBuf) -> Result<Vec<Row>, String> {
    let (blocks, said) = Blocks::start(program, &["mixed", GIB_OF_BLOCKS])?;
    let gib = (said.in_use + said.free) as f64 / f64::from(1 << 30);
    // The first only sets the mark back.
    peak()?;
    let before = peak()?;
    let mut taken = Vec::new();
    for _ in 0..5 {
        let begun = Instant::now();
        report(blocks.pid())?;
        taken.push(begun.elapsed().as_secs_f64());
    }
    let memory = peak()?.saturating_sub(before) as f64 / f64::from(1 << 20);
    let median = super::super::cost::median(taken);
    let subject = format!("{gib:.2} GiB of blocks of 1 B to 20 KB");
    Ok(vec![
        Row::new("report of level 0, whole", "ms per GiB", median * 1000.0 / gib).against(&subject),
        Row::new("walk, with all around it", "GiB/s", gib / median).against(&subject),
        Row::new("own memory at its peak", "MiB per GiB", memory / gib)
            .at_most(40.0)
            .against(subject),
    ])
}

/// The most memory that this process had since it last asked.
fn peak() -> Result<u64, String> {
    let status = std::fs::read_to_string("/proc/self/status").map_err(|e| e.to_string())?;
    let line = status.lines().find(|line| line.starts_with("VmHWM:")).ok_or("no VmHWM")?;
    let kib: u64 = line.split_whitespace().nth(1).and_then(|n| n.parse().ok()).ok_or("no VmHWM")?;
    // 5 sets the mark back to what is held now.
    std::fs::write("/proc/self/clear_refs", "5").map_err(|e| e.to_string())?;
    Ok(kib * 1024)
}
