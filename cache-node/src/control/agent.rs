//! The node agent as a source of pressure: its words go to the control, and what the control gave
//! back goes to the agent as the answer.
//!
//! The agent says a word once; the control forgets one after three seconds. So the last word is
//! said again to it each second, with what is still owed of it, until the agent says another or
//! falls silent. The own cgroup is not asked here: the control reads it anyway, and goes by it
//! alone while there is no agent.

use super::signal::{Level, Signal};
use super::thread::{Control, Figures};
use crate::store::SEGMENT_BYTES_MAX;
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
/// An answer is on its way this long before it is due.
const BEFORE_DEADLINE: Duration = Duration::from_millis(50);
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
    let mut ear = Ear { subscriber, control, word: None, said: None, surplus: 0 };
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

/// A word that stands.
#[derive(Debug)]
struct Word {
    told: Told,
    wanted: u64,
    /// Given earlier in whole segments beyond what was asked for, and counted here.
    credit: u64,
    said: Instant,
    repeated: Instant,
    /// What the control had given back in all when it was said.
    given_before: u64,
    answered: bool,
}

/// The last answer to the agent.
#[derive(Debug)]
struct Said {
    told: Told,
    freed: u64,
    could_free: u64,
    at: Instant,
}

impl Word {
    fn given(&self, figures: &Figures) -> u64 {
        figures.given_back_total.saturating_sub(self.given_before) + self.credit
    }

    fn owed(&self, figures: &Figures) -> u64 {
        let in_time = self.said.elapsed() < self.told.deadline;
        if in_time { self.wanted.saturating_sub(self.given(figures)) } else { 0 }
    }
}

#[derive(Debug)]
struct Ear {
    subscriber: Subscriber,
    control: Arc<Control>,
    word: Option<Word>,
    said: Option<Said>,
    /// What was given of the last word beyond what it asked for: less than a segment, since the
    /// agent counts no more than it asked for, and many small asks are not to add up to more.
    surplus: u64,
}

impl Ear {
    fn turn(&mut self) {
        let owing = self.word.as_ref().is_some_and(|word| !word.answered);
        if let Some(told) = self.subscriber.wait_for(if owing { OWING } else { IDLE }) {
            self.hear(told);
        }
        let figures = self.control.figures();
        let speaks = self.subscriber.agent().is_some();
        if speaks != figures.agent_speaks {
            self.control.agent_speaks(speaks);
        }
        self.answer_when_done(&figures);
        self.tell_what_could_be_freed(&figures);
        if let Some(word) = &mut self.word
            && word.repeated.elapsed() >= REPEAT
        {
            word.repeated = Instant::now();
            say(&self.control, word, &figures);
        }
    }

    fn answer_when_done(&mut self, figures: &Figures) {
        let Some(word) = self.word.as_mut().filter(|word| !word.answered) else { return };
        let due = word.said.elapsed() + BEFORE_DEADLINE >= word.told.deadline;
        if word.owed(figures) > 0 && !due {
            return;
        }
        word.answered = true;
        let freed = word.given(figures);
        // More than a segment is what the control gave for reasons of its own.
        let beyond = freed.saturating_sub(word.wanted);
        self.surplus = if beyond < SEGMENT_BYTES_MAX { beyond } else { 0 };
        let told = word.told.clone();
        self.answer(told, freed, figures);
    }

    /// An answer to the last word once more, where what could be freed has changed since.
    fn tell_what_could_be_freed(&mut self, figures: &Figures) {
        let owing = self.word.as_ref().is_some_and(|word| !word.answered);
        let Some(said) = self.said.as_ref().filter(|said| said.at.elapsed() >= NEWS_APART) else {
            return;
        };
        let changed = could_free(figures, figures.used_bytes).abs_diff(said.could_free);
        if !owing && changed >= (said.could_free / NEWS_SHARE).max(NEWS_BYTES) {
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
        let credit = self.surplus.min(wanted);
        self.surplus -= credit;
        let now = Instant::now();
        let word = Word {
            wanted,
            credit,
            told,
            said: now,
            repeated: now,
            given_before: figures.given_back_total,
            answered: false,
        };
        say(&self.control, &word, &figures);
        if level == Level::None {
            // Nothing stands any more; what can be freed now is news to the agent all the same.
            self.answer(word.told, 0, &figures);
            (self.word, self.surplus) = (None, 0);
        } else {
            self.word = Some(word);
        }
    }
}

fn say(control: &Control, word: &Word, figures: &Figures) {
    let stands = word.told.source != Source::Own;
    control.signal(Signal {
        level: if stands { word.told.overall } else { Level::None },
        reclaim_bytes: word.owed(figures),
        deadline: word.told.deadline.saturating_sub(word.said.elapsed()),
    });
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
