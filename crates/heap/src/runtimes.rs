//! Which allocators and runtimes a process has, and what each says of itself when it is read from
//! outside: unfrozen, bounded, nothing written into the target.
//!
//! glibc's heap is not read here but in `glibc`. What cannot be read is named and said to be not
//! introspectable; nothing is guessed.

use crate::report::{Allocator, Arena, Fragmentation, Suggestion};
use crate::scene::{Finding, Scene};
use detect::Known;
use ground::Ground;
use serde_json::json;
use std::time::{Duration, Instant};

mod bytes;
mod cached;
pub mod detect;
pub mod go;
pub mod ground;
pub mod jemalloc;
pub mod jvm;
pub mod probe_socket;
pub mod python;

/// How long the walk over a managed heap may take; then its sums are lower bounds.
const WALK: Duration = Duration::from_secs(3);

/// Everything here that is found in the scene, the program's own runtime first.
#[must_use]
pub fn examine(scene: &Scene<'_>) -> Vec<Finding> {
    let ground = Ground::new(scene);
    let mut found: Vec<Finding> = detect::runtimes(&ground)
        .iter()
        .map(|known| match known.name {
            "jvm" => of_jvm(scene, known),
            "go" => of_go(&ground, known),
            "cpython" => of_python(&ground, known),
            _ => opaque_runtime(known),
        })
        .collect();
    found.extend(allocators(&ground));
    found.extend(of_probe(scene));
    found
}

fn of_jvm(scene: &Scene<'_>, known: &Known) -> Finding {
    let mut finding = runtime(known);
    match jvm::read(scene.target) {
        Ok(counters) => finding.stats = Some(("jvm".to_owned(), jvm::stats(&counters))),
        Err(note) => {
            finding.notes.push(note);
            finding.incomplete = true;
        }
    }
    finding
}

fn of_go(ground: &Ground<'_>, known: &Known) -> Finding {
    let mut finding = runtime(known);
    let Some(program) = ground.program() else { return finding };
    let go = go::read(ground, program);
    finding.stats = Some(("go".to_owned(), go.json()));
    let mut allocator = named(known);
    allocator.version.clone_from(&go.version);
    if let Some(stats) = &go.memstats {
        let free = stats.heap_inuse_bytes.saturating_sub(stats.heap_alloc_bytes);
        let kept = stats.heap_idle_bytes.saturating_sub(stats.heap_released_bytes);
        allocator.in_use_bytes = Some(stats.heap_alloc_bytes);
        allocator.in_use_count = Some(stats.heap_objects);
        allocator.free_bytes = Some(free.saturating_add(kept));
        finding.fragmentation = Some(Fragmentation {
            free_resident_bytes: Some(free.saturating_add(kept)),
            trimmable_bytes: Some(kept),
            retained_bytes: Some(stats.heap_released_bytes),
            ratio: ratio(free + kept, stats.heap_inuse_bytes + kept),
            suggestion: suggestion(
                "debug.FreeOSMemory(), or a lower GOMEMLIMIT",
                kept,
                free + kept,
            ),
        });
    }
    finding.allocator = Some(allocator);
    finding.claims = go::heap_mappings(ground.scene.mappings);
    finding.incomplete = go.memstats.is_none();
    finding.notes = go.notes;
    finding
}

fn of_python(ground: &Ground<'_>, known: &Known) -> Finding {
    let mut finding = runtime(known);
    let Some(module) = ground.with("_PyRuntime") else { return finding };
    let python = python::read(ground, module, Instant::now() + WALK);
    finding.incomplete = !python.notes.is_empty();
    finding.stats = Some(("python".to_owned(), python.json()));
    finding.notes = python.notes;
    finding
}

fn opaque_runtime(known: &Known) -> Finding {
    let why = format!(
        "{}: its managed heap is not introspectable from outside; the RSS split is what can be said",
        known.name
    );
    let stats = json!({"introspectable": false, "detected_by": known.by, "why": why});
    Finding { stats: Some((known.name.to_owned(), stats)), notes: vec![why], ..runtime(known) }
}

fn allocators(ground: &Ground<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let known = detect::allocators(ground);
    for image in &ground.images {
        let Some(by) = detect::may_hold_jemalloc(ground, image) else { continue };
        match jemalloc::read(ground, image) {
            Some(stats) => found.push(of_jemalloc(&stats, &by)),
            None if by.is_sure => found.push(unread_jemalloc(&by)),
            None => {}
        }
    }
    found.extend(known.iter().map(|known| {
        let note = format!(
            "{}: not introspectable from outside; the RSS split is what can be said",
            known.name
        );
        Finding { allocator: Some(named(known)), notes: vec![note], ..Finding::default() }
    }));
    found
}

fn unread_jemalloc(by: &detect::Hint) -> Finding {
    let confidence = if by.what.starts_with("library") { 1.0 } else { 0.9 };
    let known = Known { name: "jemalloc", by: by.what.clone(), confidence };
    let note = "jemalloc: neither 5.3.0 nor 5.3.1, or not in use yet: its arenas are not understood. \
                Link plimsoll-probe to have its own statistics";
    Finding {
        allocator: Some(named(&known)),
        notes: vec![note.to_owned()],
        incomplete: true,
        ..Finding::default()
    }
}

fn of_jemalloc(stats: &jemalloc::Stats, by: &detect::Hint) -> Finding {
    let (in_use, active) = (stats.allocated_bytes(), stats.active_bytes());
    let inside = active.saturating_sub(in_use);
    let (dirty, muzzy) = (stats.dirty_bytes(), stats.muzzy_bytes());
    let free = inside.saturating_add(dirty);
    let arena = |arena: &jemalloc::ArenaStats| {
        let in_use = arena.small_bytes.saturating_add(arena.large_bytes);
        let unused = arena.dirty_bytes.saturating_add(arena.muzzy_bytes);
        let held = arena.active_bytes.saturating_add(unused);
        Arena {
            address: arena.address,
            main: arena.index == 0,
            system_bytes: held.saturating_add(arena.retained_bytes),
            in_use_bytes: in_use,
            in_use_count: arena.small_count.saturating_add(arena.large_count),
            free_bytes: held.saturating_sub(in_use),
            trimmable_bytes: Some(arena.dirty_bytes),
            ..Arena::default()
        }
    };
    let allocator = Allocator {
        version: Some(stats.layout.to_owned()),
        in_use_bytes: Some(in_use),
        in_use_count: Some(stats.allocated_count()),
        free_bytes: Some(free.saturating_add(muzzy)),
        arenas: stats.arenas.iter().map(arena).collect(),
        size_classes: stats.classes.clone(),
        ..named(&Known {
            name: "jemalloc",
            by: format!("{}; its arenas were read", by.what),
            confidence: 1.0,
        })
    };
    let fragmentation = Fragmentation {
        free_resident_bytes: Some(free),
        trimmable_bytes: Some(dirty),
        retained_bytes: Some(stats.retained_bytes().saturating_add(muzzy)),
        ratio: ratio(free, active.saturating_add(dirty)),
        suggestion: suggestion(
            "mallctl arena.4096.purge, or a shorter dirty_decay_ms",
            dirty,
            active.saturating_add(dirty),
        ),
    };
    Finding {
        allocator: Some(allocator),
        fragmentation: Some(fragmentation),
        stats: Some(("jemalloc".to_owned(), stats.json())),
        ..Finding::default()
    }
}

fn of_probe(scene: &Scene<'_>) -> Option<Finding> {
    let (stats, notes) = match probe_socket::ask(scene.target)? {
        Ok(answer) => (Some(("probe".to_owned(), answer)), Vec::new()),
        Err(note) => (None, vec![note]),
    };
    Some(Finding { stats, notes, ..Finding::default() })
}

fn runtime(known: &Known) -> Finding {
    Finding { runtime: Some(known.name.to_owned()), ..Finding::default() }
}

fn named(known: &Known) -> Allocator {
    Allocator {
        name: known.name.to_owned(),
        version: None,
        detected_by: known.by.clone(),
        confidence: known.confidence,
        in_use_bytes: None,
        in_use_count: None,
        free_bytes: None,
        top_bytes: None,
        tcache_bytes: None,
        mmapped_bytes: None,
        mmapped_count: None,
        arenas: Vec::new(),
        size_classes: Vec::new(),
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}

/// What is worth doing: nothing for less than a tenth of what is held.
fn suggestion(action: &str, gain: u64, held: u64) -> Option<Suggestion> {
    const WORTH: u64 = 10;
    let worth = gain > 0 && gain >= held / WORTH;
    worth.then(|| Suggestion { action: action.to_owned(), predicted_gain_bytes: gain })
}
