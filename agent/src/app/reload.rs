//! Reads the configuration anew: on SIGHUP, when a file of it changes, and when it is asked for.
//!
//! What is new is checked whole before anything is taken over, with the files it names; a fault
//! leaves everything as it was and is told in the log, by the event `config`, the metrics and
//! `/readyz?verbose`. Files are watched by looking at them each second: a ConfigMap is swapped by
//! a symbolic link, which watching the file itself would not show.

use super::supervisor;
use crate::api::{self, Guard, Reload, Rules};
use crate::config::{self, Config, DEFAULT_FILE, Request};
use crate::detect::Params;
use crate::sampler::State;
use crate::view::EventKind;
use crate::view::reload::{ReloadFigures, ReloadView};
use parking_lot::Mutex;
use plimsoll_guard::{Stamp, stamp};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A change is taken up once it has stood still for this long, twice at most.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The name under which it is one of the sources of `/readyz?verbose`.
const SOURCE: &str = "config";

/// Sets the level of the log; says why not.
pub type Relevel = Box<dyn Fn(&str) -> Result<(), String> + Send + Sync>;

/// Where the configuration comes from, and who is told of a new one.
pub(super) struct Parts {
    pub(super) request: Request,
    pub(super) listening: SocketAddr,
    pub(super) guard: Arc<Guard>,
    pub(super) state: Arc<Mutex<State>>,
    pub(super) relevel: Relevel,
}

pub(super) struct Reloader {
    parts: Parts,
    held: Mutex<Held>,
    /// The files as they were before the first request.
    at_start: BTreeMap<PathBuf, Stamp>,
}

struct Held {
    /// What runs: what was started with, and what was taken over since.
    running: Config,
    figures: ReloadFigures,
}

impl Reloader {
    pub(super) fn new(parts: Parts, running: Config) -> Self {
        let figures = ReloadFigures {
            last_was_good: true,
            good_at_unix_s: unix_s(),
            ..ReloadFigures::default()
        };
        parts.state.lock().health.ok(SOURCE, parts.guard.rules().describe());
        let at_start = stamps(&parts);
        Self { parts, held: Mutex::new(Held { running, figures }), at_start }
    }

    /// Loads and checks everything; nothing is changed by it.
    fn load(&self) -> Result<(Config, Rules), Vec<String>> {
        let new = config::load(&self.parts.request)
            .map_err(|problems| problems.0.iter().map(ToString::to_string).collect::<Vec<_>>())?
            .config;
        let rules = Rules::load(&new, self.parts.listening).map_err(|faults| faults.0)?;
        // Whoever takes the last credential away must not open the door by that.
        api::check_bind(self.parts.listening, new.http.insecure, rules.has_auth())
            .map_err(|refused| vec![refused.to_string()])?;
        Ok((new, rules))
    }

    fn take_over(&self, held: &mut Held, new: &Config, rules: Rules) -> ReloadView {
        let mut next = held.running.clone();
        config::adopt(&mut next, new);
        let applied = config::changed(&held.running, &next);
        let needs_restart = config::changed(&next, new);
        if next.log.level != held.running.log.level
            && let Err(why) = (self.parts.relevel)(&next.log.level)
        {
            tracing::warn!(why, "the level of the log stays");
        }
        let describe = rules.describe();
        self.parts.guard.swap(rules);
        let mut state = self.parts.state.lock();
        state.params = Params::from_config(&next.alerts);
        state.config = next.clone();
        state.health.ok(SOURCE, describe);
        drop(state);
        held.running = next;
        let owned = |keys: Vec<&str>| keys.into_iter().map(str::to_owned).collect();
        ReloadView {
            good: true,
            applied: owned(applied),
            needs_restart: owned(needs_restart),
            ..ReloadView::default()
        }
    }

    /// Tells of one reload wherever it has to be seen.
    fn tell(&self, view: &ReloadView) {
        let mut state = self.parts.state.lock();
        if !view.good {
            let faults = view.faults.join("; ");
            state.health.degraded(SOURCE, "the configuration that held before", faults);
        }
        let at = view.at.clone();
        state.events.emit(EventKind::Config, at, view);
        drop(state);
        let ReloadView { trigger, applied, needs_restart, faults, .. } = view;
        if view.good {
            tracing::info!(trigger, ?applied, ?needs_restart, "the configuration was read anew");
        } else {
            tracing::error!(trigger, ?faults, "the new configuration is bad; the old one holds");
        }
    }
}

impl Reload for Reloader {
    fn reload(&self, trigger: &str) -> Result<ReloadView, Vec<String>> {
        // One at a time, in the order in which they are asked for.
        let mut held = self.held.lock();
        let mut view = match self.load() {
            Ok((new, rules)) => self.take_over(&mut held, &new, rules),
            Err(faults) => ReloadView { faults, ..ReloadView::default() },
        };
        trigger.clone_into(&mut view.trigger);
        {
            let state = self.parts.state.lock();
            view.at = state.clock.rfc3339(state.clock.now());
        }
        held.figures.last_was_good = view.good;
        if view.good {
            held.figures.good += 1;
            held.figures.good_at_unix_s = unix_s();
            held.figures.waiting_for_restart = view.needs_restart.len();
        } else {
            held.figures.bad += 1;
        }
        drop(held);
        self.tell(&view);
        if view.good { Ok(view) } else { Err(view.faults) }
    }

    fn figures(&self) -> ReloadFigures {
        self.held.lock().figures
    }
}

/// Looks at the files for as long as it is polled, and reloads when one has changed and stood
/// still since the last look.
pub(super) async fn watch(reloader: Arc<Reloader>) {
    let mut every = tokio::time::interval(LOOK_EVERY);
    every.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    // What each file was when it was last taken up. A file that is named for the first time is
    // new, not changed.
    let mut taken = reloader.at_start.clone();
    let mut before = None;
    loop {
        every.tick().await;
        // The disk may hang; requests go on.
        let looker = Arc::clone(&reloader);
        let looked = tokio::task::spawn_blocking(move || stamps(&looker.parts));
        let Ok(now) = looked.await else { continue };
        let changed =
            now.iter().any(|(path, stamp)| taken.get(path).is_some_and(|was| was != stamp));
        if changed && before.as_ref() != Some(&now) {
            before = Some(now);
            continue;
        }
        // Before the reload: what changes while it reads has to be seen the next time.
        taken = now;
        if changed {
            reload(&reloader, "file").await;
        }
    }
}

/// Reloads off the thread of all requests.
pub(super) async fn reload(reloader: &Arc<Reloader>, trigger: &'static str) {
    let reloader = Arc::clone(reloader);
    let read = move || supervisor::reloading(|| reloader.reload(trigger).is_ok());
    let done = tokio::task::spawn_blocking(read);
    if done.await.is_err() {
        tracing::error!("the reload failed by a fault of its own");
    }
}

/// Every file whose change asks for a reload, as it is now.
fn stamps(parts: &Parts) -> BTreeMap<PathBuf, Stamp> {
    let request = &parts.request;
    let by_env = request.env.get("PLIMSOLL_CONFIG").filter(|f| !f.is_empty()).map(Into::into);
    let file = request.file.clone().or(by_env).unwrap_or_else(|| DEFAULT_FILE.into());
    let files = std::iter::once(file).chain(parts.guard.rules().files().to_vec());
    files.map(|path| (path.clone(), stamp(&path))).collect()
}

fn unix_s() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}
