//! The stacks that allocate what is lost: level 2.
//!
//! ```text
//! sites      malloc and its like in the target's own libc, each where a trap is cheap
//!    │ attached to this process only
//! window     one allocation in so many: registers and the top of the stack ─▶ unwind ─▶ stacks
//!    │                                  address ─▶ table of live blocks ◀─ free
//! walk       what nobody points to, with the target stopped (level 1), the probes still there
//!    │
//! joined     lost ∩ live ─▶ stacks ─▶ naming
//! ```
//!
//! A stack alone accuses whoever allocates most; that its blocks are live, whoever caches. Only
//! what was allocated in the window, not freed and is out of reach counts. The kernel takes
//! the probes out when their files close, however this process ends. Refuses what has no malloc
//! that it can find, and machines other than x86-64.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use plimsoll_bpf::{Allocations, Edge};
use rustc_hash::FxHashMap;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use rustix::time::{ClockId, clock_gettime};

use crate::maps::read;
use crate::memory::Live;
use crate::modules::Modules;
use crate::reach::LostBlock;
use crate::report::ByStack;
use crate::target::Opened;

mod entry;
mod hazards;
mod naming;
mod pace;
mod sites;
mod unwind;

use unwind::Stacks;

/// Between two looks at the ring, which holds some 500 samples.
const TICK: Duration = Duration::from_millis(20);
/// Between two words about the progress, and two looks at the cost.
const ROUND: Duration = Duration::from_millis(250);
/// Samples taken at one look.
const DRAIN_MAX: usize = 1024;
/// Blocks of this size and more are all taken: few, and each counts.
const EACH_FROM_BYTES: u64 = 64 << 10;
/// Until the rate is known.
const FIRST_ONE_IN: u32 = 32;
/// Times that libraries are looked for again: code made at run time is in none, ever.
const RENEWALS_MAX: u32 = 16;
/// Stacks that are listed.
const LISTED_MAX: usize = 100;

/// Probes in a target, until this is dropped.
#[expect(missing_debug_implementations, reason = "tables of tens of thousands of stacks")]
pub struct Window<'a> {
    opened: &'a Opened,
    allocations: Allocations,
    stacks: Stacks<'a>,
    renewals: u32,
    ended: Option<OwnedFd>,
    notes: Vec<String>,
    length: Duration,
}

/// What a window was good for.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    pub by_stack: Vec<ByStack>,
    pub length: Duration,
    pub notes: Vec<String>,
}

impl<'a> Window<'a> {
    /// Sets the probes. The error says why there are none, in one line.
    ///
    /// # Errors
    /// BPF is refused, the kernel has no uprobes, or no malloc was found.
    pub fn open(opened: &'a Opened) -> Result<Self, String> {
        if !cfg!(target_arch = "x86_64") {
            return Err("probes are for x86-64 only".to_owned());
        }
        let status = opened.text("status").map_err(|refusal| refusal.to_string())?;
        let release = rustix::system::uname().release().to_string_lossy().into_owned();
        if let Some(why) = hazards::hazard(&String::from_utf8_lossy(&status), &release) {
            return Err(why.to_owned());
        }
        let edge = Edge::open().map_err(|refusal| refusal.to_string())?;
        let mappings = read::mappings(opened).map_err(|refusal| refusal.to_string())?;
        let modules = Modules::find(opened, &Live::new(opened.target()), &mappings);
        let sites = sites::find(opened, &mappings, &modules)?;
        let mut notes = Vec::new();
        if sites.are_slow {
            let note = "some functions of malloc begin with what the kernel has to step over: \
                        each trap there costs some 20 µs";
            notes.push(note.to_owned());
        }
        let allocations = Allocations::attach(&edge, &sites.file, &sites.list, opened.pid())
            .map_err(|refusal| refusal.to_string())?;
        // The kernel took a number: it is still the target's.
        opened.check().map_err(|refusal| refusal.to_string())?;
        let pid = i32::try_from(opened.pid()).ok().and_then(Pid::from_raw);
        let ended = pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
        let stacks = Stacks::new(opened, modules);
        let length = Duration::ZERO;
        Ok(Self { opened, allocations, stacks, renewals: 0, ended, notes, length })
    }

    /// Draws allocations for `length`, or until that costs too much or the target ends. `progress`
    /// is told what is left.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn watch(
        &mut self,
        length: Duration,
        progress: &mut dyn FnMut(Duration),
    ) -> Result<(), String> {
        let (begun, own_begun) = (Instant::now(), own_cpu());
        let cpus = std::thread::available_parallelism().map_or(1, usize::from);
        let mut one_in = FIRST_ONE_IN;
        let (mut round, mut counted) = (begun, self.allocations.counts());
        self.sample(one_in)?;
        while begun.elapsed() < length && !self.has_ended_after(TICK) {
            self.drain();
            let since = round.elapsed();
            if since < ROUND {
                continue;
            }
            let counts = self.allocations.counts();
            let wanted = pace::one_in(counts.allocated - counted.allocated, since);
            if wanted != one_in {
                one_in = wanted;
                self.sample(one_in)?;
            }
            (round, counted) = (Instant::now(), counts);
            self.learn_modules();
            progress(length.saturating_sub(begun.elapsed()));
            let own = own_cpu().saturating_sub(own_begun);
            let trap_cpus = pace::trap_cpus(counts.allocated, counts.freed, begun.elapsed());
            if let Some(why) = pace::too_dear(trap_cpus, own, begun.elapsed(), cpus) {
                let seconds = begun.elapsed().as_secs_f64();
                self.notes.push(format!("the window ended after {seconds:.1} s: {why}"));
                break;
            }
        }
        // Frees are still followed.
        self.sample(0)?;
        self.drain();
        self.length = begun.elapsed();
        self.note(own_cpu().saturating_sub(own_begun));
        Ok(())
    }

    /// Joins what was allocated in the window and still lives with what is `lost`, and takes the
    /// probes out.
    #[must_use]
    pub fn close(mut self, lost: &[LostBlock]) -> Watched {
        self.drain();
        self.learn_modules();
        let live = self.allocations.live();
        let Self { opened, allocations, stacks, mut notes, length, .. } = self;
        drop(allocations);
        let lost: FxHashMap<u64, u64> =
            lost.iter().map(|block| (block.address, block.usable_bytes)).collect();
        let mut sums: FxHashMap<&[u64], (u64, u64)> = FxHashMap::default();
        let (mut drawn, mut nameless) = (0, 0);
        for block in live.iter().filter(|block| lost.contains_key(&block.address)) {
            let Some(frames) = stacks.of(block.id) else {
                nameless += 1;
                continue;
            };
            drawn += 1;
            let sum = sums.entry(frames).or_default();
            sum.0 = sum.0.saturating_add(block.size.saturating_mul(block.stands_for));
            sum.1 = sum.1.saturating_add(block.stands_for);
        }
        notes.push(format!(
            "by stack: estimated from {drawn} lost blocks out of those drawn in the window, each \
             of which stands for as many as were not drawn; what was lost before it has no stack"
        ));
        if nameless + stacks.dropped > 0 {
            notes.push(format!("{} samples have no stack", nameless + stacks.dropped));
        }
        Watched { by_stack: by_stack(opened, stacks.modules(), sums), length, notes }
    }

    fn sample(&mut self, one_in: u32) -> Result<(), String> {
        let each_from = if one_in == 0 { u64::MAX } else { EACH_FROM_BYTES };
        self.allocations.sample(one_in, each_from).map_err(|refusal| refusal.to_string())
    }

    fn drain(&mut self) {
        let stacks = &mut self.stacks;
        self.allocations.drain(DRAIN_MAX, |sample| stacks.add(&sample));
    }

    /// Libraries that were loaded in the window.
    fn learn_modules(&mut self) {
        if !self.stacks.met_unknown || self.renewals == RENEWALS_MAX {
            return;
        }
        self.renewals += 1;
        if let Ok(mappings) = read::mappings(self.opened) {
            let live = Live::new(self.opened.target());
            self.stacks.renew(Modules::find(self.opened, &live, &mappings));
        }
    }

    /// Waits for `time`. True if the target ended meanwhile.
    fn has_ended_after(&self, time: Duration) -> bool {
        let ended = self.ended.as_ref().map(|ended| PollFd::new(ended, PollFlags::IN));
        let mut files: Vec<PollFd<'_>> = ended.into_iter().collect();
        let timeout = Timespec::try_from(time).ok();
        matches!(poll(&mut files, timeout.as_ref()), Ok(1..))
    }

    fn note(&mut self, own: Duration) {
        let counts = self.allocations.counts();
        let seconds = self.length.as_secs_f64().max(1e-9);
        let trap_cpus = pace::trap_cpus(counts.allocated, counts.freed, self.length);
        self.notes.push(format!(
            "{} allocations and {} frees were trapped in {seconds:.1} s, which took the process \
             about {trap_cpus:.2} CPUs; {} stacks were taken, which took {:.2} CPUs here",
            counts.allocated,
            counts.freed,
            counts.taken,
            own.as_secs_f64() / seconds,
        ));
        if counts.dropped > 0 {
            self.notes.push(format!("{} samples had no room and were dropped", counts.dropped));
        }
    }
}

/// What this thread has used of a CPU.
fn own_cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// Largest first, named, and joined where the names are the same.
fn by_stack(
    opened: &Opened,
    modules: &Modules,
    sums: FxHashMap<&[u64], (u64, u64)>,
) -> Vec<ByStack> {
    let mut sums: Vec<(&[u64], (u64, u64))> = sums.into_iter().collect();
    sums.sort_by(|a, b| (b.1, a.0).cmp(&(a.1, b.0)));
    sums.truncate(LISTED_MAX);
    // Without the innermost, which is malloc itself.
    for (frames, _) in &mut sums {
        *frames = frames.get(1..).unwrap_or_default();
    }
    let addresses: Vec<u64> = sums.iter().flat_map(|(frames, _)| *frames).copied().collect();
    let names = naming::named(opened, modules, &addresses);
    let mut joined: BTreeMap<Vec<String>, (u64, u64)> = BTreeMap::new();
    for (frames, (bytes, count)) in sums {
        let named = frames.iter().filter_map(|at| names.get(at)).flatten().cloned();
        let sum = joined.entry(named.collect()).or_default();
        *sum = (sum.0.saturating_add(bytes), sum.1.saturating_add(count));
    }
    let mut listed: Vec<ByStack> = joined
        .into_iter()
        .map(|(frames, (bytes, count))| ByStack { frames, bytes, count })
        .collect();
    listed.sort_by(|a, b| (b.bytes, b.count, &a.frames).cmp(&(a.bytes, a.count, &b.frames)));
    listed
}
