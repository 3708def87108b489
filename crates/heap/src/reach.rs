//! What nobody points to any more: level 1.
//!
//! ```text
//! running    modules, rate of reading ──▶ how long the pause would be: refused above the limit
//! frozen     mappings ─ arenas ─ roots ─ blocks and their pointers, each read once
//! running    mark from the roots ─ lost blocks ─ their types ─ what each root holds
//! ```
//!
//! Conservative: any word that looks like an address is one, so a lost block can be missed and
//! hardly ever invented: by pointers that are not stored as addresses (compressed, XORed, in a file
//! or in another process), and in the case that [`mark`] tells of. Blocks of glibc only.

use std::ops::Range;
use std::time::Duration;

use rustc_hash::FxHashMap;

use crate::Refusal;
use crate::maps::read;
use crate::memory::Live;
use crate::modules::Modules;
use crate::report::{BySize, ByType, Leaks, Root};
use crate::target::Opened;
use crate::{cpu, freeze, glibc};

mod blocks;
mod kinds;
mod mark;
mod naming;
mod pass;
mod rate;
mod roots;
mod space;
mod table;
mod threads;

use mark::{Lost, Marks};
use pass::{Before, Pass};
use table::Stopped;

/// Sizes and types that are listed; the rest is in the totals.
const LISTED_MAX: usize = 100;
/// Roots that are listed.
const ROOTS_LISTED_MAX: usize = 50;
/// What the tables may take of our own memory.
pub const TABLE_BYTES_MAX: u64 = 512 << 20;

/// How far the walk may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The target stands still for no longer than this.
    pub pause_max: Duration,
    /// What is kept of the target's heap takes no more than this of our own memory.
    pub table_bytes_max: u64,
}

/// What a walk found.
#[derive(Clone, Debug, Default)]
pub struct Walked {
    /// None where the pass was cut short: a part of the truth would be no truth.
    pub leaks: Option<Leaks>,
    pub roots: Option<Vec<Root>>,
    /// The lost blocks themselves.
    pub lost: Vec<LostBlock>,
    pub blocks: u64,
    pub pause: Duration,
    /// What the reading in it took of processors: shared by two threads, where two were free.
    pub pass_cpu: Duration,
    pub bytes_read: u64,
    /// What the tables took of our own memory.
    pub own_bytes: u64,
    pub complete: bool,
    pub notes: Vec<String>,
}

/// A block that no root reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LostBlock {
    /// What malloc returned.
    pub address: u64,
    pub usable_bytes: u64,
    pub direct: bool,
}

/// Says whether [`walk`] would be refused, without stopping the target.
///
/// # Errors
/// As [`walk`], as far as it can be foreseen.
pub fn foresee(opened: &Opened, limits: Limits) -> Result<(), Refusal> {
    Ahead::look(opened, &Live::new(opened.target()), limits).map(drop)
}

/// Stops the target for at most [`Limits::pause_max`] and finds what is lost.
///
/// # Errors
/// The pause would be too long, the target cannot be stopped, or its heap is not glibc's.
pub fn walk(opened: &Opened, limits: Limits) -> Result<Walked, Refusal> {
    let live = Live::new(opened.target());
    // From before the estimate on, which is of the rate at which the pass will go.
    let urgent = freeze::Urgent::begin();
    let Ahead { modules, data } = Ahead::look(opened, &live, limits)?;
    let tls_bytes = modules.list.iter().map(|module| module.tls_bytes).sum::<u64>();
    let before = Before { data: &data, tls_bytes, table_bytes_max: limits.table_bytes_max };
    let (passed, pause) = freeze::frozen(opened.target(), limits.pause_max, |frozen| {
        let began = cpu::of_thread();
        let pass = pass::run(opened, &live, before, frozen);
        (pass, cpu::of_thread().saturating_sub(began))
    })?;
    let (passed, own_cpu) = passed;
    drop(urgent);
    let pass = passed?.ok_or_else(no_heap)?;
    let pass_cpu = own_cpu + pass.ahead_cpu;
    let mut walked = Walked { pause: pause.length, pass_cpu, ..Walked::default() };
    conclude(opened, &live, &modules, pass, limits, &mut walked);
    walked.bytes_read = live.bytes_read();
    Ok(walked)
}

fn no_heap() -> Refusal {
    let why = "no heap of glibc was found in it".into();
    Refusal::Unavailable { what: "a walk for lost blocks", why }
}

/// What is looked at while the target runs.
struct Ahead {
    modules: Modules,
    data: Vec<Range<u64>>,
}

impl Ahead {
    fn look(opened: &Opened, live: &Live, limits: Limits) -> Result<Self, Refusal> {
        refuse(opened)?;
        let mappings = read::mappings(opened)?;
        let modules = Modules::find(opened, live, &mappings);
        let data = modules.data(opened, opened.link("exe").as_deref());
        let arenas = glibc::find_running(opened, live, &mappings, &data).ok_or_else(no_heap)?;
        rate::refuse_too_long(opened, live, &mappings, &arenas, limits.pause_max)?;
        Ok(Self { modules, data })
    }
}

fn refuse(opened: &Opened) -> Result<(), Refusal> {
    let unavailable = |why: &str| {
        let why = why.to_owned();
        Err(Refusal::Unavailable { what: "a walk for lost blocks", why })
    };
    if !opened.is_64_bit {
        return unavailable("only heaps of 64-bit programs are known");
    }
    if !opened.same_namespace {
        return unavailable("its pid is that of another pid namespace; run in that one");
    }
    if let Some(tracer) = opened.status.tracer {
        return Err(Refusal::Traced { pid: opened.pid(), tracer });
    }
    Ok(())
}

/// Everything that needs no pause.
fn conclude(
    opened: &Opened,
    live: &Live,
    modules: &Modules,
    mut pass: Pass,
    limits: Limits,
    walked: &mut Walked,
) {
    walked.notes.append(&mut pass.notes);
    walked.notes.append(&mut pass.outcome.notes);
    walked.blocks = u64::from(pass.table.len());
    if let Some(stopped) = pass.table.stopped() {
        walked.own_bytes = pass.table.bytes();
        walked.notes.push(match stopped {
            Stopped::LetGo => format!(
                "the pass was not through after {} ms and the process was let go: nothing is known \
                 of lost blocks",
                limits.pause_max.as_millis()
            ),
            Stopped::Full => format!(
                "the heap has more blocks and pointers than fit in {} MiB: nothing is known of \
                 lost blocks",
                limits.table_bytes_max >> 20
            ),
        });
        return;
    }
    let free = pass.table.settle(&pass.outcome);
    let (roots, reached) = naming::named(opened, modules, &mut pass);
    let marks = Marks::new(&pass.table, reached.iter().copied(), &free);
    let lost = marks.lost(&pass.table);
    walked.own_bytes = pass.table.bytes() + marks.bytes() + (reached.capacity() * 8) as u64;
    walked.complete = pass.outcome.complete && pass.swapped_bytes == 0;
    if pass.outcome.bytes_skipped > 0 {
        let bytes = pass.outcome.bytes_skipped;
        walked.notes.push(format!("{bytes} bytes of the heap make no sense and were passed over"));
    }
    if pass.swapped_bytes > 0 {
        let mib = pass.swapped_bytes >> 20;
        walked.notes.push(format!(
            "{mib} MiB are in swap and were not read: what only they point to counts as unreachable"
        ));
    }
    if roots.unnamed > 0 {
        walked.notes.push(format!("{} pointers lie in roots beyond the bound", roots.unnamed));
    }
    let types = kinds::by_type(opened, live, modules, &pass, &lost);
    walked.leaks = Some(leaks(&pass, &lost, types));
    walked.roots = Some(retained(&pass, &marks, roots.names()));
    walked.lost = lost.iter().filter_map(|lost| lost_block(&pass, lost)).collect();
}

fn lost_block(pass: &Pass, lost: &Lost) -> Option<LostBlock> {
    Some(LostBlock {
        address: pass.table.user(lost.block)?,
        usable_bytes: pass.table.usable_bytes(lost.block),
        direct: lost.direct,
    })
}

fn leaks(pass: &Pass, lost: &[Lost], by_type: Vec<ByType>) -> Leaks {
    let mut leaks = Leaks { by_type, ..Leaks::default() };
    let mut by_size: FxHashMap<u64, u64> = FxHashMap::default();
    for lost in lost {
        let bytes = pass.table.usable_bytes(lost.block);
        leaks.unreachable_bytes += bytes;
        leaks.unreachable_count += 1;
        if lost.direct {
            leaks.direct_bytes += bytes;
            leaks.direct_count += 1;
        }
        *by_size.entry(bytes).or_default() += 1;
    }
    let sized = |(size_bytes, count)| BySize { size_bytes, bytes: size_bytes * count, count };
    leaks.by_size = by_size.into_iter().map(sized).collect();
    leaks.by_size.sort_unstable_by_key(|by| (std::cmp::Reverse(by.bytes), by.size_bytes));
    leaks.by_size.truncate(LISTED_MAX);
    leaks
}

/// What each root holds, most first.
fn retained(pass: &Pass, marks: &Marks, names: &[String]) -> Vec<Root> {
    let mut held = vec![(0_u64, 0_u64); names.len()];
    for block in 0..pass.table.len() {
        if let Some(owner) = marks.owner(block)
            && let Some((bytes, count)) = held.get_mut(usize::from(owner) - 1)
        {
            *bytes += pass.table.usable_bytes(block);
            *count += 1;
        }
    }
    let named = names.iter().zip(held).filter(|(_, (_, count))| *count > 0);
    let mut roots: Vec<Root> = named
        .map(|(name, (retained_bytes, count))| Root { name: name.clone(), retained_bytes, count })
        .collect();
    roots.sort_by(|a, b| (b.retained_bytes, &a.name).cmp(&(a.retained_bytes, &b.name)));
    roots.truncate(ROOTS_LISTED_MAX);
    roots
}
