//! Starts the programs, each in a cgroup of its own, and writes down what the agent says of them.
//! Everything goes when the stage is dropped.

use super::roster::{Part, Role};
use super::workshop::{Workshop, allocator};
use crate::{Agent, Cgroup, Load};
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

/// A state that accuses; the later the worse.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Suspicion {
    LeakSuspected,
    OomPredicted,
    OomImminent,
}

impl Suspicion {
    pub const ALL: [Self; 3] = [Self::LeakSuspected, Self::OomPredicted, Self::OomImminent];

    /// The word of the API.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LeakSuspected => "leak_suspected",
            Self::OomPredicted => "oom_predicted",
            Self::OomImminent => "oom_imminent",
        }
    }
}

/// What a verdict is about, of one program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    Process,
    Cgroup,
    Workload,
}

/// Units: seconds from the sighting.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Eta {
    pub p10: f64,
    pub p50: f64,
    pub p90: f64,
}

/// An accusation as it stood at one poll.
#[derive(Clone, Debug, PartialEq)]
pub struct Sighting {
    /// Since the program was started.
    pub at: Duration,
    pub kind: Kind,
    pub state: Suspicion,
    pub cause: String,
    pub eta: Option<Eta>,
}

/// How and when a program ended.
#[derive(Clone, Copy, Debug)]
pub struct End {
    /// Since it was started.
    pub at: Duration,
    pub status: ExitStatus,
    /// Kills that the kernel counts for its cgroup.
    pub oom_kills: u64,
}

impl End {
    #[must_use]
    pub fn is_oom_kill(&self) -> bool {
        self.oom_kills > 0 && self.status.signal() == Some(9)
    }
}

/// One program on the stage.
#[derive(Debug)]
pub struct Actor {
    pub role: Role,
    pub started: Instant,
    // Before the cgroup: it can be removed once it is empty.
    load: Load,
    pub cgroup: Cgroup,
    pub sightings: Vec<Sighting>,
    pub end: Option<End>,
    /// The most that its cgroup held when looked at. Units: bytes.
    pub peak: u64,
}

impl Actor {
    fn start(role: &Role, workshop: &Workshop) -> Result<Self, String> {
        let cgroup = Cgroup::named(role.name, role.limit_mib)?;
        let mut command = Command::new("setpriv");
        // The shell enters before the program begins, so that all of its memory is counted.
        let enter = r#"echo 0 >"$0/cgroup.procs" && exec "$@""#;
        command.args(["--pdeathsig", "KILL", "sh", "-c", enter]).arg(cgroup.dir());
        command.args(workshop.start(role.source, role.flags)).args(&role.words);
        command.envs(role.settings.iter().copied());
        if let Some(library) = role.preload {
            command.env("LD_PRELOAD", allocator(library)?);
        }
        let load = Load::of(&mut command);
        let started = Instant::now();
        let (sightings, end) = (Vec::new(), None);
        Ok(Self { role: role.clone(), started, load, cgroup, sightings, end, peak: 0 })
    }

    #[must_use]
    pub const fn leaks(&self) -> bool {
        matches!(self.role.part, Part::Leaks { .. })
    }

    /// The worst that was said of it; None if it was left alone.
    #[must_use]
    pub fn worst(&self) -> Option<Suspicion> {
        self.sightings.iter().map(|sighting| sighting.state).max()
    }

    fn look(&mut self) {
        if self.end.is_some() {
            return;
        }
        self.peak = self.peak.max(self.cgroup.usage().unwrap_or(0));
        if let Some(status) = self.load.status() {
            let oom_kills = self.cgroup.oom_kills().unwrap_or(0);
            self.end = Some(End { at: self.started.elapsed(), status, oom_kills });
        }
    }

    fn kind(&self, target: &Value) -> Option<Kind> {
        let own = self.cgroup.path();
        match target["kind"].as_str()? {
            "process" => (target["pid"] == self.load.pid()).then_some(Kind::Process),
            "cgroup" => (target["cgroup"] == own.as_str()).then_some(Kind::Cgroup),
            // A workload is named after its unit.
            "workload" => target["id"].as_str()?.contains(&own).then_some(Kind::Workload),
            _ => None,
        }
    }
}

/// All programs, and what was said of anything else meanwhile.
#[derive(Debug)]
pub struct Stage {
    pub actors: Vec<Actor>,
    /// Accused targets that are none of ours, and the worst said of each.
    pub others: BTreeMap<String, Suspicion>,
}

impl Stage {
    /// Starts one program after the other.
    ///
    /// # Errors
    /// What could not be had; what was started is stopped again.
    pub fn start(roles: &[Role], workshop: &Workshop) -> Result<Self, String> {
        let mut stage = Self { actors: Vec::new(), others: BTreeMap::new() };
        for role in roles {
            stage.actors.push(Actor::start(role, workshop)?);
        }
        Ok(stage)
    }

    /// Sees who has ended. To be called often: the instant of an end is only as exact as that.
    pub fn look(&mut self) {
        self.actors.iter_mut().for_each(Actor::look);
    }

    /// Asks the agent whom it accuses.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn ask(&mut self, agent: &Agent) {
        for state in Suspicion::ALL {
            let verdicts = agent.json(&format!("/api/v1/verdicts?state={}", state.word()));
            for verdict in verdicts.as_array().expect("a list") {
                self.note(state, verdict);
            }
        }
    }

    fn note(&mut self, state: Suspicion, verdict: &Value) {
        let target = &verdict["target"];
        for actor in &mut self.actors {
            let Some(kind) = actor.kind(target) else { continue };
            // Of what is dead the last verdict stands for a while.
            if actor.end.is_none() {
                let cause = verdict["cause"].as_str().unwrap_or_default().to_owned();
                let eta = eta(&verdict["eta_s"]);
                let at = actor.started.elapsed();
                actor.sightings.push(Sighting { at, kind, state, cause, eta });
            }
            return;
        }
        let id = target["id"].as_str().unwrap_or_default().to_owned();
        let worst = self.others.entry(id).or_insert(state);
        *worst = (*worst).max(state);
    }

    #[must_use]
    pub fn leaks_are_over(&self) -> bool {
        self.actors.iter().filter(|actor| actor.leaks()).all(|actor| actor.end.is_some())
    }
}

fn eta(value: &Value) -> Option<Eta> {
    let end = |name: &str| value[name].as_f64();
    Some(Eta { p10: end("p10")?, p50: end("p50")?, p90: end("p90")? })
}
