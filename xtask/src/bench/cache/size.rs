//! Memory per item: what the resident size grows by when a million items are stored.

use super::servers::{Program, Wish};
use super::table::{Goal, Row};
use super::{Extent, Figures};
use std::time::Duration;

/// Lengths of values, and what an item may take in memory with a key of 32 B.
const SIZES: [(usize, f64); 2] = [(100, 160.0), (1024, 1120.0)];

const SETTLES: Duration = Duration::from_millis(500);

pub fn measure(programs: &[Program], extent: &Extent) -> Result<Figures, String> {
    let mut rows = Vec::new();
    for (value_len, most) in SIZES {
        let what = format!("memory per item, {value_len} B values");
        let mut row = Row::new(what, "B", Goal::AtMost(most), programs.len());
        for (at, program) in programs.iter().enumerate() {
            let wish = Wish { memory_mib: Some(4096), threads: 2, ..Wish::default() };
            let server = program.start(&wish)?;
            let before = server.rss();
            super::fill(program, &server, extent.items, value_len)?;
            std::thread::park_timeout(SETTLES);
            let held = server.items()?;
            if held != extent.items {
                row.notes[at] = format!("{held} held");
            }
            row.add(at, server.rss().saturating_sub(before) as f64 / extent.items as f64);
        }
        rows.push(row);
    }
    Ok(rows)
}
