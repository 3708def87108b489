//! The command line: memcached's own flags with their meaning, and a few of ours.
//!
//! What memcached's flags set and this server has no use for is accepted, so that scripts written
//! for memcached go on working; what would promise something that is not kept is refused. Nothing
//! here prints or ends the process. A configuration file (`--config`) holds the same flags by their
//! long names; a flag on the command line beats the file.

mod apply;
mod check;
mod extended;
mod file;
mod flags;

pub use flags::{MEMCACHED_VERSION, usage, version};

use crate::settings::{Listen, Settings};
use flags::{Flag, Takes};
use lexopt::Arg;
use std::ffi::OsString;
use std::path::PathBuf;

/// What memcached ends with on wrong usage of most flags. Source: sysexits.h.
pub const EX_USAGE: u8 = 64;
/// A user that does not exist.
pub const EX_NOUSER: u8 = 67;
/// Something the system would not do.
pub const EX_OSERR: u8 = 71;
/// A configuration file that cannot be understood.
pub const EX_CONFIG: u8 = 78;
/// What memcached ends with on a value out of range.
const EX_FAILURE: u8 = 1;

/// What was asked for.
#[derive(Clone, Debug)]
pub enum Ask {
    Help,
    License,
    Version,
    Run(Box<Plan>),
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    #[default]
    Text,
    Json,
}

/// How much memory the cache may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Memory {
    /// `-m`. Units: bytes.
    Given(u64),
    /// A share of what the tightest cgroup, or the machine, has; above 0 and at most 1.
    Share(f64),
    /// What the budget takes by itself: most of the tightest cgroup's limit.
    Auto,
}

/// How to run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// [`Settings::memory_bytes`] holds only if memory was given.
    pub settings: Settings,
    pub memory: Memory,
    /// `-d`
    pub daemon: bool,
    /// `-P`
    pub pid_file: Option<PathBuf>,
    /// `-u`
    pub user: Option<String>,
    /// `-r`
    pub core_files: bool,
    pub log_format: LogFormat,
    /// `--snapshot-file`: written while serving; None: the file of `-e` is.
    pub snapshot_file: Option<PathBuf>,
    /// `--load-live`: load also what was written while serving.
    pub load_live: bool,
    /// Invoked under the name of memcached: its defaults hold.
    pub as_memcached: bool,
    /// What was accepted and does nothing; to be said once.
    pub notes: Vec<String>,
    protocol_given: bool,
    tcp_given: bool,
    udp_given: bool,
    chunk_max_given: bool,
}

/// Why it does not start, and the exit code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text}")]
pub struct Refusal {
    pub text: String,
    pub code: u8,
}

impl Refusal {
    fn usage(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: EX_USAGE }
    }

    fn value(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: EX_FAILURE }
    }

    fn config(text: impl Into<String>) -> Self {
        Self { text: text.into(), code: EX_CONFIG }
    }
}

impl Plan {
    fn new(name: &str, debug_clock: bool) -> Self {
        let as_memcached = name.starts_with("memcached");
        let mut settings = Settings {
            debug_clock: debug_clock || name == "memcached-debug",
            ..Settings::default()
        };
        if as_memcached {
            // The port may be that of another memcached.
            settings.admin = None;
            settings.pressure_socket = None;
            settings.probe = false;
        }
        let memory = if as_memcached { Memory::Given(settings.memory_bytes) } else { Memory::Auto };
        Self {
            settings,
            memory,
            daemon: false,
            pid_file: None,
            user: None,
            core_files: false,
            log_format: LogFormat::default(),
            snapshot_file: None,
            load_live: false,
            as_memcached,
            notes: Vec::new(),
            protocol_given: false,
            tcp_given: false,
            udp_given: false,
            chunk_max_given: false,
        }
    }

    fn note(&mut self, text: impl Into<String>) {
        self.notes.push(text.into());
    }

    fn listen(&mut self, listen: Listen) {
        if !self.settings.listen.contains(&listen) {
            self.settings.listen.push(listen);
        }
    }
}

/// A flag with its value, as it was given.
type Given = (&'static Flag, Option<String>);

/// Reads the command line, the program's name first. `debug_clock`: the environment asks for it.
///
/// # Errors
/// What is wrong, and the exit code that memcached has for it.
pub fn parse(args: impl IntoIterator<Item = OsString>, debug_clock: bool) -> Result<Ask, Refusal> {
    let mut args = args.into_iter();
    let name = args.next().map(PathBuf::from).unwrap_or_default();
    let name = name.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let given = read(args)?;
    for (flag, _) in &given {
        match flag.long {
            "help" => return Ok(Ask::Help),
            "license" => return Ok(Ask::License),
            "version" => return Ok(Ask::Version),
            _ => {}
        }
    }
    let mut plan = Plan::new(&name, debug_clock);
    let config = given.iter().rfind(|(flag, _)| flag.long == "config");
    if let Some((_, Some(path))) = config {
        let filed = file::read(path)?;
        let on_line = |flag: &Flag| given.iter().any(|(other, _)| other.long == flag.long);
        for (flag, value) in filed.into_iter().filter(|(flag, _)| !on_line(flag)) {
            apply::apply(&mut plan, flag, value.as_deref())
                .map_err(|refusal| Refusal::config(format!("{path}: {refusal}")))?;
        }
    }
    for (flag, value) in &given {
        apply::apply(&mut plan, flag, value.as_deref())?;
    }
    check::check(&mut plan)?;
    Ok(Ask::Run(Box::new(plan)))
}

fn read(args: impl Iterator<Item = OsString>) -> Result<Vec<Given>, Refusal> {
    let bad = |error: lexopt::Error| Refusal::value(error.to_string());
    let mut parser = lexopt::Parser::from_args(args);
    let mut given = Vec::new();
    while let Some(arg) = parser.next().map_err(bad)? {
        let flag = match arg {
            Arg::Short(short) => flags::by_short(short)
                .ok_or_else(|| Refusal::value(format!("Illegal argument \"{short}\"")))?,
            Arg::Long(long) => flags::by_long(long)
                .ok_or_else(|| Refusal::value(format!("Illegal argument \"--{long}\"")))?,
            Arg::Value(value) => {
                let value = value.to_string_lossy();
                return Err(Refusal::value(format!("Illegal argument \"{value}\"")));
            }
        };
        let value = match flag.takes {
            Takes::Nothing => None,
            Takes::Perhaps => parser.optional_value(),
            Takes::Value => Some(parser.value().map_err(bad)?),
        };
        let text = |value: OsString| {
            let text = value.into_string();
            text.map(|text| text.trim_start().to_owned())
                .map_err(|_| Refusal::value(format!("--{}: not UTF-8", flag.long)))
        };
        given.push((flag, value.map(text).transpose()?));
    }
    Ok(given)
}

#[cfg(test)]
mod tests;
