//! The node agent as a source of pressure: its words go to the control, and what the control gave
//! back goes to the agent as the answer.
//!
//! The agent says a word once; the control forgets one after three seconds. So what stands is said
//! again to it each second, with what is still owed, until the agent says otherwise or falls
//! silent. The own cgroup is not asked here: the control reads it anyway, and goes by it alone
//! while there is no agent.

use super::asks::Asks;
use super::signal::{Level, Signal};
use super::thread::{Control, Figures};
use plimsoll_pressure::{Answer, Bytes, Label, Options, Source, Subscriber, Told};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// How often is looked whether enough was given back, and whether anything was said.
const OWING: Duration = Duration::from_millis(5);
const IDLE: Duration = Duration::from_millis(200);
/// How often a word that stands is said again to the control.
const REPEAT: Duration = Duration::from_secs(1);
/// What could be freed is said anew when it is another by this share (one in so many) and by so
/// much, once a second at most: the agent asks by what it was told last, and a cache that was empty
/// when it subscribed could give nothing then.
const NEWS_SHARE: u64 = 16;
const NEWS_BYTES: u64 = 4 << 20;
const NEWS_APART: Duration = Duration::from_secs(1);
/// Of what is held, this share is given where a level comes without bytes: one in so many.
const SHARE_UNSAID: u64 = 8;

/// The subscription. Dropped, it ends.
#[derive(Debug)]
pub struct Agent {
    stops: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Subscribes at `socket`. That no agent is there is no error: it is tried again and again.
///
/// # Errors
/// The path is none that a socket can have, or a thread cannot be started.
pub fn subscribe(socket: &Path, control: Arc<Control>) -> std::io::Result<Agent> {
    let could_free = could_free(&control.figures(), control.figures().asked_bytes);
    let mut options = Options::new(socket, Label::from("plimsoll-cache"), Bytes(could_free));
    options.own = None;
    let subscriber = options.start()?;
    let stops = Arc::new(AtomicBool::new(false));
    let told_to_stop = Arc::clone(&stops);
    let mut ear = Ear { subscriber, control, word: None, asks: Asks::default(), said: None };
    let thread = std::thread::Builder::new().name("agent".into());
    let thread = thread.spawn(move || {
        while !told_to_stop.load(Relaxed) {
            ear.turn();
        }
    })?;
    Ok(Agent { stops, thread: Some(thread) })
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.stops.store(true, Relaxed);
        if let Some(thread) = self.thread.take() {
            // It ends within one turn; that it panicked was told when it did.
            let _ = thread.join();
        }
    }
}

/// The last word, for as long as anything is wanted.
#[derive(Debug)]
struct Word {
    told: Told,
    repeated: Instant,
}

/// The last answer to the agent.
#[derive(Debug)]
struct Said {
    told: Told,
    freed: u64,
    could_free: u64,
    at: Instant,
}

#[derive(Debug)]
struct Ear {
    subscriber: Subscriber,
    control: Arc<Control>,
    word: Option<Word>,
    asks: Asks,
    said: Option<Said>,
}

impl Ear {
    fn turn(&mut self) {
        let wait = if self.asks.is_empty() { IDLE } else { OWING };
        if let Some(told) = self.subscriber.wait_for(wait) {
            self.hear(told);
        }
        let figures = self.control.figures();
        let speaks = self.subscriber.agent().is_some();
        if speaks != figures.agent_speaks {
            self.control.agent_speaks(speaks);
        }
        self.answer_what_is_done(&figures);
        self.tell_what_could_be_freed(&figures);
        if let Some(word) = &mut self.word
            && word.repeated.elapsed() >= REPEAT
        {
            word.repeated = Instant::now();
            self.say(&figures);
        }
    }

    fn answer_what_is_done(&mut self, figures: &Figures) {
        let mut fell_short = false;
        while let Some(done) = self.asks.done(figures.given_back_total, Instant::now()) {
            fell_short |= done.fell_short;
            self.answer(done.told, done.freed, figures);
        }
        if fell_short {
            // What the agent still wants of it, it asks for anew.
            self.say(figures);
        }
    }

    /// An answer to the last word once more, where what could be freed has changed since.
    fn tell_what_could_be_freed(&mut self, figures: &Figures) {
        let Some(said) = self.said.as_ref().filter(|said| said.at.elapsed() >= NEWS_APART) else {
            return;
        };
        let changed = could_free(figures, figures.used_bytes).abs_diff(said.could_free);
        if self.asks.is_empty() && changed >= (said.could_free / NEWS_SHARE).max(NEWS_BYTES) {
            let (told, freed) = (said.told.clone(), said.freed);
            self.answer(told, freed, figures);
        }
    }

    fn answer(&mut self, told: Told, freed: u64, figures: &Figures) {
        let answer = answer(figures, freed);
        let could_free = answer.can_free_bytes.0;
        self.subscriber.ack(&told, answer);
        self.said = Some(Said { told, freed, could_free, at: Instant::now() });
    }

    fn hear(&mut self, told: Told) {
        let figures = self.control.figures();
        // What comes without an agent is for those who do not read their own cgroup.
        let level = if told.source == Source::Own { Level::None } else { told.overall };
        let unsaid = if level >= Level::Medium { figures.used_bytes / SHARE_UNSAID } else { 0 };
        let wanted = told.reclaim_bytes.map_or(unsaid, |bytes| bytes.0);
        let (now, given) = (Instant::now(), figures.given_back_total);
        if level == Level::None {
            // Nothing stands any more; what can be freed now is news to the agent all the same.
            self.word = None;
            self.asks.clear();
            self.control.signal(Signal::default());
            return self.answer(told, 0, &figures);
        }
        let crowded_out = self.asks.hear(told.clone(), wanted, given, now);
        self.word = Some(Word { told, repeated: now });
        self.say(&figures);
        if let Some(done) = crowded_out {
            self.answer(done.told, done.freed, &figures);
        }
    }

    /// Says to the control what stands.
    fn say(&self, figures: &Figures) {
        let Some(word) = &self.word else { return };
        let (now, counted_from) = (Instant::now(), figures.given_back_total);
        self.control.signal(Signal {
            level: word.told.overall,
            reclaim_bytes: self.asks.owed(counted_from, now),
            counted_from,
            deadline: self.asks.time_left(now),
        });
    }
}

fn answer(figures: &Figures, freed: u64) -> Answer {
    Answer {
        freed_bytes: Bytes(freed),
        used_bytes: Bytes(figures.used_bytes),
        can_free_bytes: Bytes(could_free(figures, figures.used_bytes)),
    }
}

/// What could be given back of `held`: all above the floor.
const fn could_free(figures: &Figures, held: u64) -> u64 {
    held.saturating_sub(figures.floor_bytes)
}
