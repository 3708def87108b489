//! The engine and the socket together: brings hellos and answers in, and words out.
//!
//! The server has a thread of its own, so that no subscriber delays the sampler nor another one;
//! everything here only copies in and out of its registry. A socket that cannot be had is tried
//! again; until then there are no subscribers and nothing is asked.

use super::engine::{Engine, Reading, Say};
use super::policy::Params;
use crate::clock::Stamp;
use crate::config::{PressureConfig, keys::pressure as keys};
use plimsoll_pressure::server::{Counters, Credentials, Event, Limits, Policy, Server, Settings};
use plimsoll_pressure::{Epoch, Level, Scope};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How soon a socket that could not be had is tried again.
const RETRY: Duration = Duration::from_secs(5);
/// How soon answers are looked for while some are expected.
const ANSWERS_WITHIN: Duration = Duration::from_millis(50);
/// How often the node is read while it is short of memory and somebody can make room.
const NODE_INTERVAL: Duration = Duration::from_millis(250);

/// Finds the memory cgroup of a pid.
pub type Locate = Arc<dyn Fn(u32) -> Option<String> + Send + Sync>;

/// What the server is made of, each time it is tried.
struct Plan {
    settings: Settings,
    uids: Vec<String>,
    gids: Vec<String>,
    locate: Locate,
    next_try: Stamp,
}

impl std::fmt::Debug for Plan {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plan").field("settings", &self.settings).finish_non_exhaustive()
    }
}

#[derive(Debug)]
pub struct Service {
    engine: Engine,
    server: Option<Server>,
    /// None: switched off.
    plan: Option<Plan>,
}

impl Service {
    /// No socket, no subscribers.
    #[must_use]
    pub fn off() -> Self {
        let params = params_of(&crate::config::Config::default().pressure);
        Self { engine: Engine::new(params, false), server: None, plan: None }
    }

    /// Not listening yet; see [`Service::open`]. `epoch` must differ from that of any other start.
    #[must_use]
    pub fn new(config: &PressureConfig, epoch: u64, locate: Locate, now: Stamp) -> Self {
        let mut settings = Settings::new(Epoch(epoch));
        settings.socket.clone_from(&config.socket);
        settings.bell.clone_from(&config.bell);
        settings.mode = keys::mode(&config.mode).unwrap_or(0o600);
        settings.limits = Limits {
            subscribers_max: config.subscribers_max,
            subscribers_of_one_user_max: config.subscribers_max.div_ceil(2),
            ..Limits::default()
        };
        let (uids, gids) = (config.allowed_uids.clone(), config.allowed_gids.clone());
        let plan = config.enabled.then_some(Plan { settings, uids, gids, locate, next_try: now });
        Self { engine: Engine::new(params_of(config), config.dry_run), server: None, plan }
    }

    /// Tries to listen if that is due. None: nothing was tried.
    ///
    /// # Errors
    /// Why the socket cannot be had, in words.
    pub fn open(&mut self, now: Stamp) -> Option<Result<PathBuf, String>> {
        let plan = self.plan.as_mut().filter(|plan| now >= plan.next_try)?;
        if self.server.is_some() {
            return None;
        }
        plan.next_try = now.plus(RETRY);
        Some(match Server::start(plan.settings.clone(), plan.policy()) {
            Ok(server) => {
                self.server = Some(server);
                Ok(plan.settings.socket.clone())
            }
            Err(why) => Err(why.to_string()),
        })
    }

    /// Takes in who came, who left and what was answered, and lets deadlines pass.
    pub fn hear(&mut self, now: Stamp) {
        let Some(server) = &self.server else { return };
        for event in server.events() {
            match event {
                Event::Joined(subscriber) => self.engine.join(&subscriber, now),
                Event::Left { id, .. } => self.engine.leave(id, now),
                Event::Acked { id, seq, answer, .. } => self.engine.answer(id, seq, &answer, now),
            }
        }
        self.engine.listeners(server.bell_cgroups());
        let says = self.engine.tick(now);
        self.speak(says, now);
    }

    /// Takes a reading of a scope, and tells its subscribers what follows from it.
    pub fn observe(&mut self, scope: &Scope, reading: Reading<'_>, now: Stamp) {
        let says = self.engine.observe(scope, reading, now);
        self.speak(says, now);
        if let (Some(server), Some(word)) = (&self.server, self.engine.alarm(scope)) {
            server.ring(&word);
        }
    }

    fn speak(&mut self, says: Vec<Say>, now: Stamp) {
        for say in says {
            let seq = self.server.as_ref().and_then(|server| server.tell(say.to, &say.word));
            self.engine.said(&say, seq, now);
        }
    }

    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    pub const fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// How soon there is something to do here; None: nothing that others would not do anyway.
    #[must_use]
    pub fn pause(&self) -> Option<Duration> {
        if self.engine.is_waiting() { Some(ANSWERS_WITHIN) } else { self.node_interval() }
    }

    /// How often the node should be read, if more often than it is.
    #[must_use]
    pub fn node_interval(&self) -> Option<Duration> {
        let level = self.engine.scopes.get(&Scope::Node).map(|standing| standing.demand.level);
        level.is_some_and(|level| level >= Level::Medium).then_some(NODE_INTERVAL)
    }

    #[must_use]
    pub const fn is_on(&self) -> bool {
        self.plan.is_some()
    }

    #[must_use]
    pub const fn is_listening(&self) -> bool {
        self.server.is_some()
    }

    #[must_use]
    pub fn socket(&self) -> Option<&Path> {
        self.plan.as_ref().map(|plan| plan.settings.socket.as_path())
    }

    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.plan.as_ref().map_or(0, |plan| plan.settings.epoch.0)
    }

    #[must_use]
    pub fn counters(&self) -> Counters {
        self.server.as_ref().map(Server::counters).unwrap_or_default()
    }
}

impl Plan {
    fn policy(&self) -> Policy {
        let own = rustix::process::geteuid().as_raw();
        let (uids, gids) = (Ids::of(&self.uids), Ids::of(&self.gids));
        let locate = Arc::clone(&self.locate);
        let admits = move |peer: &Credentials| {
            peer.uid == 0 || peer.uid == own || uids.have(peer.uid) || gids.have(peer.gid)
        };
        Policy::new(admits).locating(move |pid| locate(pid))
    }
}

/// Who is on a list.
#[derive(Debug)]
struct Ids {
    any: bool,
    ids: Vec<u32>,
}

impl Ids {
    fn of(list: &[String]) -> Self {
        let any = list.iter().any(|id| id == keys::ANY);
        Self { any, ids: list.iter().filter_map(|id| id.parse().ok()).collect() }
    }

    fn have(&self, id: u32) -> bool {
        self.any || self.ids.contains(&id)
    }
}

const fn params_of(config: &PressureConfig) -> Params {
    Params {
        shares: [config.headroom_low, config.headroom_medium, config.headroom_critical],
        deadline: config.deadline,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_admit_whom_they_name_and_any_admits_everyone() {
        let named = Ids::of(&["33".to_owned(), "1000".to_owned()]);
        assert!(named.have(33) && !named.have(34));
        assert!(Ids::of(&["any".to_owned()]).have(4_000_000_000));
        assert!(!Ids::of(&[]).have(0));
    }
}
