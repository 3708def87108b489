//! The scenarios, by name, and what each of them begins with.

mod leak_stops;

use crate::Fault;
use crate::agent::Agent;
use crate::arena::{Arena, Ground};
use crate::judge::Report;
use crate::load;
use crate::meter::Meter;
use crate::process::{Process, Scratch};
use crate::subject::{Kind, Server, Subject};
use crate::wait::Interrupt;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;

/// What a run works with.
#[derive(Clone, Debug)]
pub struct Setting {
    pub ground: Ground,
    pub agent: PathBuf,
    pub interrupt: Interrupt,
    /// By how much a scenario that would take minutes is shortened.
    pub time_scale: f64,
}

/// One scenario of the table.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub what: &'static str,
    /// Whether `all` includes it.
    pub in_all: bool,
    run: fn(&Setting, &Subject, &mut Report) -> Result<(), Fault>,
}

pub const SCENARIOS: &[Scenario] = &[Scenario {
    name: "leak-stops",
    what: "a neighbour leaks 20 MiB/s to 200 MiB beside a cache of 300 MiB, below 512 MiB",
    in_all: true,
    run: leak_stops::run,
}];

impl Scenario {
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Runs it. What hinders it is a promise not kept: nothing is said of the others then.
    #[must_use]
    pub fn report(&self, setting: &Setting, subject: &Subject) -> Report {
        let mut report = Report {
            scenario: self.name.to_owned(),
            subject: subject.kind.name().to_owned(),
            cgroup: setting.ground.version.name(),
            ..Report::default()
        };
        if let Err(fault) = (self.run)(setting, subject, &mut report) {
            report.must("the scenario runs to its end", "it does", fault, false);
        }
        report
    }
}

/// Agent, cgroup and cache, as most scenarios begin. Ends in the order of its fields.
#[derive(Debug)]
pub struct Stage {
    pub server: Server,
    pub meter: Meter,
    pub agent: Agent,
    pub arena: Arc<Arena>,
    pub scratch: Scratch,
}

impl Stage {
    /// A cgroup of `limit` bytes, an agent, and the subject in the cgroup with its subscription.
    ///
    /// # Errors
    /// What could not be started.
    pub fn set(
        setting: &Setting,
        subject: &Subject,
        name: &str,
        limit: u64,
        memory_mib: Option<u64>,
    ) -> Result<Self, Fault> {
        let interrupt = &setting.interrupt;
        let scratch = Scratch::make(&format!("{name}-{}", subject.kind.name()))?;
        let arena = Arc::new(Arena::make(&setting.ground, name, limit)?);
        let meter = Meter::start(&arena)?;
        let agent = Agent::start(&setting.agent, &scratch, interrupt)?;
        let server = subject.start(&arena, memory_mib, &agent.socket, &scratch, interrupt)?;
        let pid = (subject.kind == Kind::Ours).then(|| server.process.pid());
        agent.await_acquainted(&arena, pid, interrupt)?;
        Ok(Self { server, meter, agent, arena, scratch })
    }

    /// The scope under which the agent speaks of the cgroup.
    #[must_use]
    pub fn scope(&self) -> String {
        format!("cgroup:{}", self.arena.path())
    }

    /// Starts a neighbour that leaks in the cgroup.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn leak(&self, mib_per_s: f64, most_mib: f64) -> Result<Process, Fault> {
        let own = std::env::current_exe().map_err(|e| e.to_string())?;
        let (rate, most) = (mib_per_s.to_string(), most_mib.to_string());
        let args = [load::LOAD, "leak", &rate, &most].map(OsStr::new);
        Process::start(&own, &args, &[], Some(&self.arena), &self.scratch.file("leak.log"))
    }
}

/// Bytes for people.
#[must_use]
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / crate::MIB as f64)
}
