//! Takes one report: the one place that calls `plimsoll_heap`, for the agent and the command alike.

use super::policy::Order;
use crate::config::{CmdlineMode, Config};
use crate::sources::Roots;
use crate::sources::process::{Redactor, read_arguments};
use crate::units::Bytes;
use plimsoll_heap::take::{Options, Progress, Step};
use plimsoll_heap::target::Opened;
use plimsoll_heap::{Refusal, Report, Target, diff, verdict};
use std::time::Duration;

/// The deepest level that there is a reader for; who asks for more gets this one, and a note.
const DEEPEST: u8 = 2;

/// Told what is being done.
pub type Doing<'a> = &'a dyn Fn(&str);

/// What takes a report of an order, told of an earlier one of the same process.
pub type Taker =
    Box<dyn Fn(&Order, Option<&Report>, Doing<'_>) -> Result<Report, Refusal> + Send + Sync>;

/// How a process is looked at, and what is shown of its command line.
#[derive(Clone, Debug)]
pub struct Discretion {
    roots: Roots,
    /// None: not even read.
    redactor: Option<Redactor>,
    /// The longest stall of a process that a reading may cause.
    stall_max: Duration,
}

impl Discretion {
    #[must_use]
    pub fn new(config: &Config) -> Self {
        let shown = config.privacy.cmdline == CmdlineMode::Redacted;
        Self {
            roots: Roots { proc: config.proc_root.clone(), sys: config.sys_root.clone() },
            redactor: shown.then(|| Redactor::new(&config.privacy.redact)),
            stall_max: config.sampling.pss_stall_max,
        }
    }
}

/// Takes a report with `plimsoll_heap`.
///
/// # Errors
/// Why there is none.
pub fn take(
    order: &Order,
    before: Option<&Report>,
    discretion: &Discretion,
    doing: Doing<'_>,
) -> Result<Report, Refusal> {
    let Order { process, room, window, .. } = *order;
    let target = Target { pid: process.pid, start_time: process.start_time };
    let opened = Opened::open_in(&discretion.roots.proc, process.pid)?;
    if opened.target() != target {
        return Err(Refusal::Gone { pid: process.pid });
    }
    let redactor = discretion.redactor.as_ref();
    let arguments = redactor.and_then(|r| read_arguments(&discretion.roots, process, r).ok());
    let options = Options {
        level: order.level.min(DEEPEST),
        max_pause_ms: u64::try_from(order.max_pause.as_millis()).unwrap_or(u64::MAX),
        window,
        limit_bytes: room.limit.map(|bytes| bytes.0),
        headroom_bytes: room.headroom.map(|bytes| bytes.0),
        cmdline: Some(arguments.clone().unwrap_or_default()),
        stall_max: discretion.stall_max,
        ..Options::default()
    };
    let mut report = plimsoll_heap::take(&opened, &options, &mut |at| doing(&words(at)))?;
    // None where it is not to be shown: not even the program's own name for itself.
    report.identity.cmdline = arguments;
    if order.level > report.method.level {
        let level = report.method.level;
        let note = format!("level {} was asked for; this is one of level {level}", order.level);
        report.method.notes.push(note);
        report.method.complete = false;
    }
    report.growth = before.and_then(|before| diff::growth(before, &report));
    report.verdict = Some(verdict::judge(&report, before));
    Ok(report)
}

fn words(at: Progress) -> String {
    let what = match at.step {
        Step::Mappings => "reads the mappings",
        Step::Modules => "looks for libraries and symbols",
        Step::Runtimes => "asks the runtimes",
        Step::Heap => "walks the heap",
        Step::Resident => "counts what is resident",
        Step::Window { left_s } => return format!("watches its allocations, {left_s} s to go"),
        Step::Lost => "looks for what nobody points to",
    };
    match at.total_bytes {
        0 => what.to_owned(),
        total => format!("{what}: {} of {}", Bytes(at.done_bytes), Bytes(total)),
    }
}
