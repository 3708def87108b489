//! The scenarios, by name, and what each of them begins with.

mod burst;
mod crowd;
mod full_intake;
mod leak_goes_on;
mod leak_stops;
mod node_shortage;
mod orphaned;
mod slow_leak;
mod v2;

use crate::Fault;
use crate::agent::Agent;
use crate::arena::{Arena, Ground, Version};
use crate::gauge::Gauge;
use crate::judge::Report;
use crate::load;
use crate::meter::Meter;
use crate::process::{Process, Scratch};
use crate::subject::{Kind, Server, Subject};
use crate::wait::Interrupt;
use serde_json::Value;
use std::ffi::OsStr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// After filling, for levels to fall.
const CALM_WITHIN: Duration = Duration::from_secs(60);
/// Full is so much of what is stored into it, which is a tenth more than it holds.
const FULL_SHARE: f64 = 0.8;
const FULL_WITHIN: Duration = Duration::from_secs(150);

/// What a run works with.
#[derive(Clone, Debug)]
pub struct Setting {
    pub ground: Ground,
    pub agent: PathBuf,
    pub interrupt: Interrupt,
    /// By how much a scenario that would take minutes is shortened.
    pub time_scale: f64,
    /// By how much longer something may take than is promised, on a machine that is slow as such.
    pub slack: f64,
}

impl Setting {
    /// How often to look or ask: less often on a slow machine, which has other things to do. Units:
    /// milliseconds, on one that is not.
    #[must_use]
    pub fn pace(&self, ms: u32) -> Duration {
        Duration::from_secs_f64(f64::from(ms) * self.slack / 1000.0)
    }
}

/// One scenario of the table.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    pub name: &'static str,
    pub what: &'static str,
    pub when: When,
    /// Whether it says anything of a cache that knows no agent.
    pub of_peers: bool,
    run: fn(&Setting, &Subject, &mut Report) -> Result<(), Fault>,
}

/// Whether `all` includes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    Always,
    /// On a machine that is small enough.
    Small,
    /// Where cgroup v2 is mounted.
    OnV2,
    /// It takes too long.
    Asked,
}

pub const SCENARIOS: &[Scenario] = &[
    Scenario {
        name: "leak-stops",
        what: "a neighbour leaks 20 MiB/s to 200 MiB beside a cache of 300 MiB, below 512 MiB",
        when: When::Always,
        of_peers: true,
        run: leak_stops::run,
    },
    Scenario {
        name: "leak-goes-on",
        what: "the same, and the leak never stops",
        when: When::Always,
        of_peers: true,
        run: leak_goes_on::run,
    },
    Scenario {
        name: "full-intake",
        what: "twice what a cgroup of 256 MiB holds, at full speed",
        when: When::Always,
        of_peers: true,
        run: full_intake::run,
    },
    Scenario {
        name: "burst",
        what: "100 MiB in one second beside a full cache",
        when: When::Always,
        of_peers: true,
        run: burst::run,
    },
    Scenario {
        name: "node-shortage",
        what: "the node itself runs short; only on a machine of up to 1 GiB",
        when: When::Small,
        of_peers: true,
        run: node_shortage::run,
    },
    Scenario {
        name: "agent-killed",
        what: "kill -9 of the agent while the cache is squeezed",
        when: When::Always,
        of_peers: false,
        run: orphaned::killed,
    },
    Scenario {
        name: "agent-stopped",
        what: "SIGSTOP of the agent while the cache is squeezed",
        when: When::Always,
        of_peers: false,
        run: orphaned::stopped,
    },
    Scenario {
        name: "socket-removed",
        what: "the signal's socket is removed while the cache is squeezed",
        when: When::Always,
        of_peers: false,
        run: orphaned::unreachable,
    },
    Scenario {
        name: "crowd",
        what: "a hundred subscribers, one of which never reads",
        when: When::Always,
        of_peers: false,
        run: crowd::run,
    },
    Scenario {
        name: "slow-leak",
        what: "1 MiB/s to a limit ten minutes away; not part of all",
        when: When::Asked,
        of_peers: false,
        run: slow_leak::run,
    },
    Scenario {
        name: "senses",
        what: "v2: memory.events and stalls wake the agent",
        when: When::OnV2,
        of_peers: false,
        run: v2::senses::run,
    },
    Scenario {
        name: "kill",
        what: "v2: a kill for a cgroup's limit is on record",
        when: When::OnV2,
        of_peers: false,
        run: v2::kills::one,
    },
    Scenario {
        name: "oom-group",
        what: "v2: a cgroup that is killed as a whole is one incident",
        when: When::OnV2,
        of_peers: false,
        run: v2::kills::group,
    },
    Scenario {
        name: "kill-elsewhere",
        what: "v2: the kernel kills in another cgroup than the one that asked for memory",
        when: When::OnV2,
        of_peers: false,
        run: v2::kills::elsewhere,
    },
    Scenario {
        name: "limits",
        what: "v2: the limit of an outer cgroup binds an inner one",
        when: When::OnV2,
        of_peers: false,
        run: v2::limits::run,
    },
    Scenario {
        name: "page-cache",
        what: "v2: a cgroup full of page cache is not short of memory; needs /dev/ram0",
        when: When::Asked,
        of_peers: false,
        run: v2::page_cache::run,
    },
];

impl Scenario {
    #[must_use]
    pub fn named(name: &str) -> Option<&'static Self> {
        SCENARIOS.iter().find(|scenario| scenario.name == name)
    }

    /// Whether `all` includes it here.
    #[must_use]
    pub fn is_in_all(&self, version: Version) -> bool {
        match self.when {
            When::Always => true,
            When::Small => node_shortage::is_small(),
            When::OnV2 => version == Version::V2,
            When::Asked => false,
        }
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

/// What comes before the cache: there is something to see for whoever sizes it.
#[derive(Debug)]
pub struct Bare {
    pub meter: Meter,
    pub agent: Agent,
    pub arena: Arc<Arena>,
    pub scratch: Scratch,
}

impl Bare {
    /// A cgroup with its limit, if any, and an agent.
    ///
    /// # Errors
    /// What could not be started.
    pub fn set(
        setting: &Setting,
        subject: &Subject,
        name: &str,
        limit: Option<u64>,
    ) -> Result<Self, Fault> {
        let scratch = Scratch::make(&format!("{name}-{}", subject.kind.name()))?;
        let arena = Arc::new(Arena::make(&setting.ground, name, limit)?);
        let meter = Meter::start(&arena, setting.pace(5))?;
        let agent = Agent::start(&setting.agent, &scratch, &setting.interrupt)?;
        Ok(Self { meter, agent, arena, scratch })
    }

    /// Starts the subject, and waits until the agent knows it.
    ///
    /// # Errors
    /// When it does not start or does not subscribe.
    pub fn serve(
        self,
        setting: &Setting,
        subject: &Subject,
        memory_mib: Option<u64>,
    ) -> Result<Stage, Fault> {
        let Self { meter, agent, arena, scratch } = self;
        let interrupt = &setting.interrupt;
        let server = subject.start(&arena, memory_mib, &agent.socket, &scratch, interrupt)?;
        let pid = (subject.kind == Kind::Ours).then(|| server.process.pid());
        agent.await_acquainted(&arena, pid, interrupt)?;
        Ok(Stage { server, meter, agent, arena, scratch })
    }
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
        Bare::set(setting, subject, name, Some(limit))?.serve(setting, subject, memory_mib)
    }

    /// Stores so many bytes, then waits until the agent finds nothing to say of it any more.
    /// Returns how many keys that were.
    ///
    /// A cache of ours that fills at a pace that would end at the limit soon holds back by itself:
    /// then it is filled again, until it holds what it was started for.
    ///
    /// # Errors
    /// When it stops answering, stays empty, or pressure does not end.
    pub fn fill(&self, setting: &Setting, bytes: u64, report: &mut Report) -> Result<u64, Fault> {
        let begun = Instant::now();
        let mut rounds = 0;
        let keys = loop {
            let keys = self.server.fill(bytes, &setting.interrupt)?;
            rounds += 1;
            self.await_calm(setting)?;
            let used = self.used()?;
            if used.is_none_or(|used| used as f64 >= bytes as f64 * FULL_SHARE) {
                break keys;
            }
            if begun.elapsed() > FULL_WITHIN {
                return Err(format!("the cache holds {used:?} after {rounds} times {bytes}"));
            }
        };
        let took = begun.elapsed().as_secs_f64();
        let held = mib(self.arena.usage().unwrap_or(0));
        let times = format!("{rounds} times in {took:.1} s");
        report.note(format!("filled {times}; {held} were held before it began"));
        Ok(keys)
    }

    fn await_calm(&self, setting: &Setting) -> Result<(), Fault> {
        let scope = self.scope();
        setting.interrupt.wait("calm before it begins", CALM_WITHIN, || {
            let pressure = self.agent.json("/api/v1/pressure")?;
            let scopes = pressure["scopes"].as_array().cloned().unwrap_or_default();
            let loud = |row: &&Value| row["scope"] == scope && row["level"] != "none";
            scopes.iter().find(loud).map_or(Ok(()), |row| Err(row.to_string()))
        })
    }

    /// What our cache holds; None: it is another. Units: bytes.
    fn used(&self) -> Result<Option<u64>, Fault> {
        if self.server.kind != Kind::Ours {
            return Ok(None);
        }
        let figures = self.server.client()?.stats("plimsoll")?;
        let used = figures.iter().find(|(name, _)| name == "used_bytes");
        let used = used.and_then(|(_, bytes)| bytes.parse().ok());
        used.map(Some).ok_or_else(|| "the cache does not say what it holds".to_owned())
    }

    /// What our cache says of itself; None: it is another.
    ///
    /// # Errors
    /// When it cannot be reached.
    pub fn gauge(&self, setting: &Setting) -> Result<Option<Gauge>, Fault> {
        let is_ours = self.server.kind == Kind::Ours;
        is_ours.then(|| Gauge::start(&self.server, setting.pace(2))).transpose()
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
        let log = self.scratch.file("leak.log");
        let leak = Process::start(&own, &args, &[], Some(&self.arena), &log)?;
        self.meter.follow(leak.pid());
        Ok(leak)
    }
}

/// Bytes for people.
#[must_use]
pub fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / crate::MIB as f64)
}
