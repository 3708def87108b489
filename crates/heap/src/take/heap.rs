//! glibc's heap as a finding like those of the other examiners.

use crate::glibc::tally::{Figures, Tally};
use crate::glibc::walk::walk;
use crate::glibc::{self, Arenas, Chunk, Outcome, Visitor};
use crate::maps::read;
use crate::memory::window::Window;
use crate::modules::Module;
use crate::report::{Allocator, Arena, Fragmentation, Suggestion};
use crate::scene::{Claim, Finding, Part, Scene};

use super::{Progress, Step};

/// Chunks between two words about the progress.
const CHUNKS_BETWEEN: u64 = 65_536;
/// A trim is suggested from here on, in bytes and as a share of what the heap has resident.
const TRIM_BYTES_MIN: u64 = 8 << 20;
const TRIM_SHARE_MIN: f64 = 0.05;
/// From this share on a heap is called fragmented though a trim would give little back.
const FREE_SHARE_MIN: f64 = 0.4;
/// libc has two MiB.
const LIBC_BYTES_MAX: u64 = 16 << 20;

/// The heap of glibc's malloc, if the target has one.
pub(super) fn examine(scene: &Scene<'_>, progress: &mut dyn FnMut(Progress)) -> Option<Finding> {
    let data = scene.modules.data(scene.target, scene.exe);
    let arenas = glibc::find_running(scene.target, scene.memory, scene.mappings, &data)?;
    let mut ranges: Vec<_> = arenas.segments().cloned().collect();
    ranges.sort_by_key(|range| range.start);
    let residency = read::residency(scene.target, &ranges);
    let mut watched = Watched {
        tally: Tally::new(&arenas, residency.as_ref()),
        progress,
        chunks: 0,
        done_bytes: 0,
        total_bytes: ranges.iter().map(|range| range.end - range.start).sum(),
    };
    let mut window = Window::new(scene.memory, residency.as_ref());
    let outcome = walk(&mut window, &arenas, &mut watched);
    let figures = watched.tally.figures(scene.memory, &outcome);
    Some(finding(scene, &arenas, &outcome, figures))
}

struct Watched<'a> {
    tally: Tally<'a>,
    progress: &'a mut dyn FnMut(Progress),
    chunks: u64,
    done_bytes: u64,
    total_bytes: u64,
}

impl Visitor for Watched<'_> {
    fn chunk(&mut self, chunk: Chunk) {
        self.chunks += 1;
        self.done_bytes += chunk.bytes;
        if self.chunks.is_multiple_of(CHUNKS_BETWEEN) {
            let (done_bytes, total_bytes) = (self.done_bytes, self.total_bytes);
            (self.progress)(Progress { step: Step::Heap, done_bytes, total_bytes });
        }
        self.tally.chunk(chunk);
    }
}

fn finding(scene: &Scene<'_>, arenas: &Arenas, outcome: &Outcome, figures: Figures) -> Finding {
    let mut notes = arenas.notes.clone();
    notes.extend(outcome.notes.iter().cloned());
    if outcome.bytes_skipped > 0 {
        let skipped = outcome.bytes_skipped;
        notes.push(format!(
            "{skipped} bytes of the heap changed while they were read and were passed over"
        ));
    }
    let fragmentation = fragmentation(&figures);
    Finding {
        allocator: Some(allocator(scene, arenas, figures)),
        fragmentation: Some(fragmentation),
        claims: claims(arenas),
        incomplete: !outcome.complete || !arenas.notes.is_empty(),
        notes,
        ..Finding::default()
    }
}

fn allocator(scene: &Scene<'_>, arenas: &Arenas, figures: Figures) -> Allocator {
    let main = arenas.list.first().map_or(0, |arena| arena.address);
    let module = scene.modules.holding(main);
    let place = module.map_or("anonymous memory", Module::name);
    let sum = |part: fn(&Arena) -> u64| figures.arenas.iter().map(part).sum::<u64>();
    let system = sum(|arena| arena.system_bytes) + figures.mapped_bytes;
    let anonymous = scene.target.status.anon_bytes.unwrap_or(0);
    Allocator {
        name: "glibc".to_owned(),
        version: module.filter(|module| module.is_libc()).and_then(|libc| version(scene, libc)),
        detected_by: format!("main_arena in {place}, by its 127 list heads"),
        // A libc whose malloc holds little is there, but somebody else serves the blocks.
        confidence: if system * 2 >= anonymous { 0.99 } else { 0.6 },
        in_use_bytes: Some(sum(|arena| arena.in_use_bytes)),
        in_use_count: Some(sum(|arena| arena.in_use_count)),
        free_bytes: Some(sum(|arena| arena.free_bytes)),
        top_bytes: Some(sum(|arena| arena.top_bytes)),
        tcache_bytes: Some(sum(|arena| arena.tcache_bytes)),
        mmapped_bytes: Some(figures.mapped_bytes),
        mmapped_count: Some(figures.mapped_count),
        arenas: figures.arenas,
        size_classes: figures.size_classes,
    }
}

/// `2.36` out of the file of libc itself, which says so in words.
fn version(scene: &Scene<'_>, libc: &Module) -> Option<String> {
    const BANNER: &[u8] = b"GNU C Library ";
    const BEFORE: &[u8] = b"release version ";
    let file = libc.contents(scene.target, LIBC_BYTES_MAX)?;
    let find = |bytes: &[u8], what: &[u8]| {
        bytes.windows(what.len()).position(|window| window == what).map(|at| at + what.len())
    };
    let banner = &file[find(&file, BANNER)?..];
    let banner = &banner[..banner.len().min(256)];
    let number = &banner[find(banner, BEFORE)?..];
    let digits = number.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    let text = std::str::from_utf8(&number[..digits]).ok()?.trim_end_matches('.');
    Some(text.to_owned())
}

fn fragmentation(figures: &Figures) -> Fragmentation {
    let free: u64 = figures
        .arenas
        .iter()
        .map(|arena| arena.free_bytes + arena.top_bytes + arena.tcache_bytes)
        .sum();
    let resident = figures.heap_resident_bytes.filter(|&resident| resident > 0);
    let share = |part: Option<u64>| Some(part? as f64 / resident? as f64);
    let ratio = share(figures.free_resident_bytes);
    let trimmable = figures.trimmable_bytes.unwrap_or(0);
    let suggestion = if trimmable >= TRIM_BYTES_MIN
        && share(figures.trimmable_bytes).is_some_and(|share| share >= TRIM_SHARE_MIN)
    {
        Some(Suggestion {
            action: "call malloc_trim(0), or set glibc.malloc.trim_threshold".to_owned(),
            predicted_gain_bytes: trimmable,
        })
    } else {
        let gain = figures.free_resident_bytes.unwrap_or(0);
        (gain >= TRIM_BYTES_MIN && ratio.is_some_and(|ratio| ratio >= FREE_SHARE_MIN)).then(|| {
            Suggestion {
                action: "pages are held by single blocks: a restart, fewer arenas \
                         (glibc.malloc.arena_max) or an allocator that sorts by size"
                    .to_owned(),
                predicted_gain_bytes: gain,
            }
        })
    };
    Fragmentation {
        free_resident_bytes: figures.free_resident_bytes,
        trimmable_bytes: figures.trimmable_bytes,
        retained_bytes: figures.free_resident_bytes.map(|there| free.saturating_sub(there)),
        ratio,
        suggestion,
    }
}

/// Arenas with the headers of their heaps, and blocks with a mapping of their own.
fn claims(arenas: &Arenas) -> Vec<Claim> {
    let page = |address: u64| address & !0xfff;
    let segments = arenas.list.iter().flat_map(|arena| {
        let part = if arena.main { Part::Heap } else { Part::Arenas };
        arena.segments.iter().map(move |range| Claim { range: page(range.start)..range.end, part })
    });
    let mapped = arenas.mmapped.iter().map(|chunk| Claim {
        range: page(chunk.address)..chunk.address + chunk.bytes,
        part: Part::MmapChunks,
    });
    segments.chain(mapped).collect()
}
