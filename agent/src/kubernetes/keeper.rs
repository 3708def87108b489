//! The thread that asks for names, and what it has learnt.
//!
//! One question at a time, each bounded by a timeout; the sampler says whether somebody is unknown
//! and takes the newest directory, and waits for neither. A failure changes nothing of what is
//! known.

use super::pace::Pace;
use super::setup::{Asked, Setup};
use crate::clock::{Clock, Stamp};
use crate::workload::names::{Directory, Pod};
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;

/// How often the thread looks up although nobody called.
const IDLE: Duration = Duration::from_secs(60);

/// Where names are asked for and kept.
#[derive(Debug)]
pub struct Keeper {
    whom: String,
    inner: Mutex<Inner>,
    called: Condvar,
}

#[derive(Debug, Default)]
struct Inner {
    directory: Arc<Directory>,
    told: Told,
    /// Somebody is there whose name is not known.
    wanted: bool,
    stopping: bool,
}

/// How asking has gone.
#[derive(Clone, Debug, Default)]
pub struct Told {
    /// Questions that were answered; the number of the newest directory.
    pub answered: u64,
    pub failed: u64,
    pub last: Outcome,
    pub answered_at: Option<Stamp>,
    /// How long the last question took.
    pub took: Duration,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Outcome {
    #[default]
    NotYet,
    Good,
    Bad(String),
}

impl Keeper {
    /// Starts asking.
    ///
    /// # Errors
    /// When the thread cannot be made.
    pub fn start(setup: Setup, clock: Clock) -> std::io::Result<Arc<Self>> {
        let own =
            Arc::new(Self { whom: setup.whom(), inner: Mutex::default(), called: Condvar::new() });
        let keeper = Arc::clone(&own);
        std::thread::Builder::new()
            .name("plimsoll-names".to_owned())
            .stack_size(512 * 1024)
            .spawn(move || keeper.run(setup, clock))?;
        Ok(own)
    }

    /// Who is asked, for people.
    #[must_use]
    pub fn whom(&self) -> &str {
        &self.whom
    }

    /// How asking has gone, and who is known if that is newer than answer `seen`.
    #[must_use]
    pub fn look(&self, seen: u64) -> (Told, Option<Arc<Directory>>) {
        let inner = self.inner.lock();
        let newer = inner.told.answered > seen;
        (inner.told.clone(), newer.then(|| Arc::clone(&inner.directory)))
    }

    /// Says whether somebody is there whose name is not known.
    pub fn want(&self, wanted: bool) {
        let mut inner = self.inner.lock();
        let roused = wanted && !inner.wanted;
        inner.wanted = wanted;
        drop(inner);
        if roused {
            self.called.notify_all();
        }
    }

    /// Ends the thread, at the latest when the question that is under way has timed out. Nobody
    /// need wait for that.
    pub fn stop(&self) {
        self.inner.lock().stopping = true;
        self.called.notify_all();
    }

    fn run(&self, mut setup: Setup, mut clock: Clock) {
        let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime,
            Err(why) => {
                self.inner.lock().told.last = Outcome::Bad(why.to_string());
                return;
            }
        };
        let mut pace = Pace::new(setup.interval);
        while self.next(&pace, clock) {
            clock.resync();
            let began = clock.now();
            let answer = runtime.block_on(ask(&mut setup));
            let now = clock.now();
            pace.asked(now, answer.is_ok());
            let mut inner = self.inner.lock();
            inner.told.took = now.since(began);
            match answer {
                Ok(directory) => {
                    inner.directory = Arc::new(directory);
                    inner.told.answered += 1;
                    inner.told.answered_at = Some(now);
                    inner.told.last = Outcome::Good;
                    // Who is still unknown is for the sampler to say of this answer.
                    inner.wanted = false;
                }
                Err(why) => {
                    inner.told.failed += 1;
                    inner.told.last = Outcome::Bad(why);
                }
            }
        }
    }

    /// Waits until it is time; false when it is to stop.
    fn next(&self, pace: &Pace, clock: Clock) -> bool {
        let mut inner = self.inner.lock();
        loop {
            if inner.stopping {
                return false;
            }
            let wait = pace.wait(clock.now(), inner.wanted);
            if wait.is_zero() {
                return true;
            }
            self.called.wait_for(&mut inner, wait.min(IDLE));
        }
    }
}

async fn ask(setup: &mut Setup) -> Result<Directory, String> {
    let question = async {
        match &mut setup.asked {
            Asked::Kubelet(kubelet) => kubelet.pods().await,
            Asked::Runtime(runtime) => runtime.pods().await,
        }
    };
    let pods: Vec<Pod> = tokio::time::timeout(setup.timeout, question)
        .await
        .map_err(|_| "no answer in time (kubernetes.timeout)".to_owned())??;
    Ok(Directory::new(pods))
}

impl Setup {
    /// Asks once, for those who only want to know whether it can be done. Waits.
    ///
    /// # Errors
    /// What failed, and what to do.
    pub fn try_once(mut self) -> Result<Directory, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.map_err(|e| e.to_string())?.block_on(ask(&mut self))
    }
}
