//! Kills by the kernel's OOM killer, from the kernel log: the victim, why, and whose limit it was.
//!
//! ```text
//! /dev/kmsg ──── kmsg ───┐
//!                        ├── message, time ── parse (lines) ── OomKill
//! syslog(2) ──── syslog ─┘
//! ```
//!
//! Reads only what the kernel itself printed (facility 0), so that no process can feign a kill.
//! Does not block, clears nothing and takes nothing from other readers of the log.

mod kill;
mod klogctl;
pub mod kmsg;
mod lines;
mod parse;
pub mod syslog;

pub use kill::{Constraint, OomKill, TaskDump};
pub use parse::{OomParser, TASKS_MAX};

use super::{ReadError, Roots, read_bounded};
use crate::clock::Stamp;
use kmsg::{Begin, Kmsg};
use std::io;
use std::path::Path;
use syslog::Syslog;

const KMSG: &str = "/dev/kmsg";
/// Records that one [`OomLog::drain`] takes. A report of 2,000 tasks is some 2,100 records.
const RECORDS_PER_DRAIN_MAX: usize = 8192;
/// Records that the look back at start takes: more than a ring of 16 MiB can hold.
const RECORDS_AT_START_MAX: usize = 1 << 20;

/// No way to the kernel log was open.
#[derive(Debug, thiserror::Error)]
#[error("cannot read the kernel log: /dev/kmsg: {kmsg}; syslog(2): {syslog}; {advice}")]
pub struct OomLogError {
    pub kmsg: io::Error,
    pub syslog: io::Error,
    /// What would help.
    pub advice: &'static str,
}

/// What one [`OomLog::drain`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Records that the ring overwrote before they were read; by syslog(2) at least as many. A
    /// kill among them is not seen: `oom_kill` of `/proc/vmstat` tells.
    pub lost: u64,
    /// The bound of one call was reached; another call would find more.
    pub more: bool,
}

/// The kernel log, followed from where it was opened.
///
/// Times: the kernel stamps its log with `local_clock`, which starts at boot like the boot clock
/// but stands still in suspend and is not steered by NTP, so [`OomKill::at`] may be off from the
/// agent's clock by the time suspended and by some seconds per month of uptime. A kill that is not
/// `before_start` happened between this drain and the last, whatever its stamp says; under
/// `printk.time=0` syslog(2) gives no times and the stamp is 0.
#[derive(Debug)]
pub struct OomLog {
    source: Source,
    parser: OomParser,
    /// Kills found by the look back, until the first drain.
    earlier: Vec<OomKill>,
}

#[derive(Debug)]
enum Source {
    Kmsg(Kmsg),
    Syslog(Syslog),
}

impl OomLog {
    /// Opens the log at its end: only later kills are reported.
    ///
    /// # Errors
    /// [`OomLogError`] if neither `/dev/kmsg` nor syslog(2) is allowed.
    pub fn open(roots: &Roots) -> Result<Self, OomLogError> {
        Self::open_at(roots, None)
    }

    /// Opens the log and looks back over what it still holds: the first drain also reports kills
    /// from `since` on, flagged `before_start`.
    ///
    /// Cost: one pass over the log, some 6 µs per record: 5 ms for the 900 records after boot,
    /// about a second for a full ring of 16 MiB.
    ///
    /// # Errors
    /// As [`OomLog::open`].
    pub fn open_since(roots: &Roots, since: Stamp) -> Result<Self, OomLogError> {
        Self::open_at(roots, Some(since))
    }

    fn open_at(roots: &Roots, since: Option<Stamp>) -> Result<Self, OomLogError> {
        let begin = if since.is_some() { Begin::Oldest } else { Begin::End };
        let kmsg = match Kmsg::open(Path::new(KMSG), begin) {
            Ok(kmsg) => return Ok(Self::following(Source::Kmsg(kmsg), since)),
            Err(error) => error,
        };
        match Syslog::probe() {
            Ok(syslog) => Ok(Self::following(Source::Syslog(syslog), since)),
            Err(syslog) => Err(OomLogError { kmsg, syslog, advice: advice(roots) }),
        }
    }

    /// Goes to the end of what the log holds now, keeping the kills since `since`.
    fn following(source: Source, since: Option<Stamp>) -> Self {
        let mut log = Self { source, parser: OomParser::default(), earlier: Vec::new() };
        if since.is_none() && matches!(log.source, Source::Kmsg(_)) {
            return log; // It was opened at its end.
        }
        let mut earlier = Vec::new();
        // An error shows again at the first drain, and is reported there.
        let _ = log.take(RECORDS_AT_START_MAX, &mut earlier);
        earlier.retain(|kill| since.is_some_and(|since| kill.at >= since));
        earlier.iter_mut().for_each(|kill| kill.before_start = true);
        log.earlier = earlier;
        log
    }

    /// By which way the log is read, for the health page.
    #[must_use]
    pub const fn how(&self) -> &'static str {
        match self.source {
            Source::Kmsg(_) => "kmsg",
            Source::Syslog(_) => "syslog",
        }
    }

    /// Whether each look copies the whole log, so that it is better not to look without a reason.
    #[must_use]
    pub const fn copies_all(&self) -> bool {
        matches!(self.source, Source::Syslog(_))
    }

    /// Appends the kills that were logged since the last call, oldest first.
    ///
    /// Does not block; takes a bounded number of records. Cost: by kmsg 0.2 µs when nothing
    /// is new; by syslog(2) a copy of the whole log, so call it when `oom_kill` of `/proc/vmstat`
    /// has moved.
    ///
    /// # Errors
    /// [`ReadError`] if the log has become unreadable.
    pub fn drain(&mut self, out: &mut Vec<OomKill>) -> Result<Drained, ReadError> {
        out.append(&mut self.earlier);
        self.take(RECORDS_PER_DRAIN_MAX, out).map_err(|error| match self.source {
            Source::Kmsg(_) => ReadError::of(Path::new(KMSG), error),
            Source::Syslog(_) => ReadError::of(Path::new("syslog(2)"), error),
        })
    }

    fn take(&mut self, records_max: usize, out: &mut Vec<OomKill>) -> io::Result<Drained> {
        let parser = &mut self.parser;
        match &mut self.source {
            Source::Kmsg(kmsg) => take_records(kmsg, parser, records_max, out),
            Source::Syslog(syslog) => take_news(syslog, parser, out),
        }
    }
}

fn take_records(
    kmsg: &mut Kmsg,
    parser: &mut OomParser,
    records_max: usize,
    out: &mut Vec<OomKill>,
) -> io::Result<Drained> {
    let mut drained = Drained::default();
    for _ in 0..records_max {
        let Some(entry) = kmsg.next()? else { return Ok(drained) };
        if entry.lost > 0 {
            drained.lost = drained.lost.saturating_add(entry.lost);
            *parser = OomParser::default();
        }
        if entry.record.from_kernel {
            out.extend(parser.push(&entry.record.text, entry.record.at));
        }
    }
    drained.more = true;
    Ok(drained)
}

fn take_news(
    syslog: &mut Syslog,
    parser: &mut OomParser,
    out: &mut Vec<OomKill>,
) -> io::Result<Drained> {
    let news = syslog.news()?;
    if news.gap {
        *parser = OomParser::default();
    }
    for line in news.bytes.split(|&b| b == b'\n').filter_map(syslog::parse) {
        if line.from_kernel {
            out.extend(parser.push(&line.text, line.at.unwrap_or_default()));
        }
    }
    Ok(Drained { lost: u64::from(news.gap), more: false })
}

fn advice(roots: &Roots) -> &'static str {
    let restrict = read_bounded(&roots.proc.join("sys/kernel/dmesg_restrict"), 64);
    match restrict.as_deref().map(<[u8]>::trim_ascii) {
        Ok(b"0") => "a seccomp filter or container rule forbids it: allow the syslog call",
        _ => "give the agent the capability SYSLOG; then syslog(2) works in a container too",
    }
}

#[cfg(test)]
mod tests;
