//! Takes a report: of level 0, everything that can be read while the target goes on undisturbed;
//! of level 1, what is lost besides, for which the target is stopped; of level 2, also who
//! allocates it, for which its allocations are trapped for a while.
//!
//! What could not be had stays null and a note says why; only a target of which nothing can be
//! read is refused. Every step has a bound, so that a report always ends.

use std::time::{Duration, Instant};

use crate::Refusal;
use crate::maps::{Mapping, read};
use crate::memory::Live;
use crate::modules::Modules;
use crate::report::{Identity, Method, Report, SCHEMA};
use crate::scene::{Examine, Scene};
use crate::target::Opened;
use crate::{runtimes, verdict};

mod account;
mod choose;
mod heap;
mod lost;

/// The pause in the target's own work that a reading may cause: the agent's own bound.
const STALL_MAX: Duration = Duration::from_millis(5);
/// How long one report may look at mappings.
const SPLIT_TIME: Duration = Duration::from_secs(10);
/// What a pause may take if nobody says otherwise.
const MAX_PAUSE_MS: u64 = 500;
/// How long a window is if nobody says otherwise, and at most.
const WINDOW: Duration = Duration::from_secs(10);
const WINDOW_MAX: Duration = Duration::from_secs(120);
const ARGUMENTS_MAX: usize = 256;

/// What the caller knows or wants.
#[derive(Clone, Debug)]
pub struct Options {
    /// 0, or 1 to stop the target and find what it lost, or 2 to trap its allocations as well.
    pub level: u8,
    /// The longest that the target may stand still at level 1 and 2.
    pub max_pause_ms: u64,
    /// For how long allocations are trapped at level 2.
    pub window: Duration,
    /// The limit of the target's cgroup and what is left of it.
    pub limit_bytes: Option<u64>,
    pub headroom_bytes: Option<u64>,
    /// Arguments as the caller allows them to be shown; without, only the program's name is.
    pub cmdline: Option<Vec<String>>,
    /// The longest single stall of the target by reading `smaps`; above it `pagemap` is read, which
    /// holds the target's lock for 2 MiB at a time.
    pub stall_max: Duration,
    /// Allocators and runtimes besides glibc's, in the order in which they are asked.
    pub examiners: Vec<Examine>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            level: 0,
            max_pause_ms: MAX_PAUSE_MS,
            window: WINDOW,
            limit_bytes: None,
            headroom_bytes: None,
            cmdline: None,
            stall_max: STALL_MAX,
            examiners: vec![runtimes::examine],
        }
    }
}

/// How far a report has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    pub step: Step,
    /// Of the step; 0 of 0 where it is not known.
    pub done_bytes: u64,
    pub total_bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    Mappings,
    Modules,
    Runtimes,
    Heap,
    Resident,
    /// Level 2: allocations are trapped for so long yet.
    Window {
        left_s: u64,
    },
    /// Level 1: the target stands still for part of it.
    Lost,
}

impl From<Step> for Progress {
    fn from(step: Step) -> Self {
        Self { step, done_bytes: 0, total_bytes: 0 }
    }
}

/// Takes a report.
///
/// # Errors
/// [`Refusal`] if nothing can be read, if the process ended or ran another program meanwhile, or if
/// it cannot be stopped, or not for as short as wanted.
pub fn take(
    opened: &Opened,
    options: &Options,
    progress: &mut dyn FnMut(Progress),
) -> Result<Report, Refusal> {
    let begun = Instant::now();
    // First: the rest is then of the same moment as what was lost, not of before the window.
    let looked = (options.level > 0).then(|| lost::look(opened, options, progress)).transpose()?;
    let live = Live::new(opened.target());
    progress(Step::Mappings.into());
    let mappings = read::mappings(opened)?;
    let exe = opened.link("exe");
    let mut notes = Vec::new();
    let mut findings = Vec::new();
    let mut complete = true;
    if let Some(why) = unreadable(opened, &live, &mappings) {
        notes.push(why);
        complete = false;
    } else {
        progress(Step::Modules.into());
        let modules = Modules::find(opened, &live, &mappings);
        notes.extend(modules.notes.iter().cloned());
        let exe = exe.as_deref();
        let scene =
            Scene { target: opened, exe, mappings: &mappings, modules: &modules, memory: &live };
        progress(Step::Runtimes.into());
        findings.extend(options.examiners.iter().flat_map(|examine| examine(&scene)));
        findings.extend(heap::examine(&scene, progress));
    }
    progress(Step::Resident.into());
    let account = account::account(opened, &mappings, &findings, options.stall_max, SPLIT_TIME);
    // All that was read was the target's.
    opened.check()?;
    complete &= account.complete;
    notes.extend(account.notes);
    for finding in &mut findings {
        notes.append(&mut finding.notes);
        complete &= !finding.incomplete;
    }
    let mut report = Report {
        schema: SCHEMA.to_owned(),
        id: None,
        taken_at: jiff::Timestamp::now().to_string(),
        identity: identity(opened, exe, options),
        method: Method {
            level: 0,
            freeze: "none".to_owned(),
            bytes_read: live.bytes_read(),
            complete,
            notes,
            ..Method::default()
        },
        rss: Some(account.rss),
        allocator: None,
        fragmentation: None,
        leaks: None,
        roots: None,
        runtime_stats: std::collections::BTreeMap::new(),
        growth: None,
        verdict: None,
    };
    choose::fill(&mut report, findings);
    if let Some(looked) = looked {
        looked.add_to(&mut report);
    }
    report.method.duration_ms = millis(begun.elapsed());
    report.verdict = Some(verdict::judge(&report, None));
    Ok(report)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Why nothing but the mappings can be looked at; None if the memory can be.
fn unreadable(opened: &Opened, live: &Live, mappings: &[Mapping]) -> Option<String> {
    use crate::memory::Memory;
    if !opened.is_64_bit {
        return Some("the program has 32-bit words: only its mappings were read".to_owned());
    }
    if !opened.same_namespace {
        let why = "this /proc shows another pid namespace: only the mappings were read; take the \
                   report with the agent in the host's pid namespace";
        return Some(why.to_owned());
    }
    let readable = mappings.iter().find(|mapping| mapping.readable && mapping.inode != 0)?;
    if live.word(readable.start).is_some() {
        return None;
    }
    Some(format!("its memory may not be read, only its mappings were: {}", opened.why_denied()))
}

fn identity(opened: &Opened, exe: Option<String>, options: &Options) -> Identity {
    let cgroup = opened.text("cgroup").ok().and_then(|text| memory_cgroup(&text));
    let own = || {
        let text = opened.text("cmdline").ok()?;
        let first = text.split(|&byte| byte == 0).next().filter(|first| !first.is_empty())?;
        Some(vec![String::from_utf8_lossy(first).into_owned()])
    };
    let mut cmdline = options.cmdline.clone().or_else(own);
    if let Some(cmdline) = &mut cmdline {
        cmdline.truncate(ARGUMENTS_MAX);
    }
    Identity {
        pid: opened.pid(),
        start_time: opened.target().start_time,
        exe,
        cmdline,
        cgroup,
        limit_bytes: options.limit_bytes,
        headroom_bytes: options.headroom_bytes,
        runtime: None,
    }
}

/// The cgroup that counts memory: of the memory controller on v1, the one there is on v2.
fn memory_cgroup(text: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(text);
    let of = |wanted: fn(&str) -> bool| {
        text.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let path = fields.next()?;
            wanted(controllers).then(|| path.to_owned())
        })
    };
    of(|controllers| controllers.split(',').any(|one| one == "memory"))
        .or_else(|| of(str::is_empty))
}
