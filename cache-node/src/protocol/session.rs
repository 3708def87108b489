//! One connection's conversation: what has arrived is cut into commands and executed.
//!
//! Whatever the pieces in which bytes arrive, the answers are the same; but for `watch` and the
//! dumps, which memcached refuses while other answers wait to be written.

use super::ahead::Lookout;
use super::auth::{self, Gate};
use super::classic::get::{self, Fetch, Piece, Start};
use super::classic::update;
use super::dump::Dump;
use super::turn::{After, Turn};
use super::words::Words;
use super::{Context, LINE_BYTES_MAX, Next, OUT_BYTES_MAX, Peer, Progress, dispatch, meta};
use crate::store::{Charge, Refused, Store, Upload};
use crate::watch::{Closed, Watcher};

/// So many times `-R` commands are executed in one call: executing them is a thousand times
/// cheaper than the system calls around them, so others wait no longer for it.
const TURNS_PER_CALL: usize = 50;

/// Who sets `-R` below its default wants it to the letter.
const COMMANDS_DEFAULT: usize = 20;

/// The state of one connection's conversation.
#[derive(Debug)]
pub struct Session {
    peer: Peer,
    /// It was let in, or there is no gate.
    admitted: bool,
    pending: Pending,
    watcher: Option<(Watcher, Charge)>,
    /// The client asked for the end.
    quits: bool,
}

/// What a command that has begun still waits for.
#[derive(Debug)]
enum Pending {
    Nothing,
    /// The rest of a line of keys.
    Keys(Fetch),
    /// The rest of a line that is not looked at.
    Line,
    /// So many bytes that are not looked at.
    Swallow(u64),
    Value(Box<Incoming>),
    Dump(Box<Dump>),
}

/// A long value on its way in.
#[derive(Debug)]
struct Incoming {
    line: Box<[u8]>,
    upload: Upload,
    /// Bytes of the value still to come.
    left: usize,
}

/// What a step did.
enum Step {
    /// So many bytes are done with; the next step may follow.
    Took(usize),
    /// So many bytes are done with, and this is next.
    Stop(usize, Next),
}

impl Session {
    #[must_use]
    pub const fn new(peer: Peer) -> Self {
        Self { peer, admitted: false, pending: Pending::Nothing, watcher: None, quits: false }
    }

    /// The most input that a session ever asks to see at once: a line, and a value short enough
    /// to be stored from one slice. Units: bytes.
    #[must_use]
    pub fn input_bytes_max(store: &Store) -> usize {
        store.inline_bytes_max() + LINE_BYTES_MAX + 4
    }

    #[must_use]
    pub const fn peer(&self) -> &Peer {
        &self.peer
    }

    /// What this connection watches, after [`Next::Watch`].
    #[must_use]
    pub const fn watcher(&self) -> Option<&Watcher> {
        match &self.watcher {
            Some((watcher, _)) => Some(watcher),
            None => None,
        }
    }

    /// Why [`Next::Close`] came.
    #[must_use]
    pub const fn why_closed(&self) -> Closed {
        if self.quits { Closed::Normal } else { Closed::Error }
    }

    /// Whether no command has begun that is not at its end: a good moment to close.
    #[must_use]
    pub const fn is_idle(&self) -> bool {
        matches!(self.pending, Pending::Nothing)
    }

    /// Executes what is whole in `input`.
    pub fn run(&mut self, context: &Context, input: &[u8], out: &mut Vec<u8>) -> Progress {
        let commands = context.settings.commands_per_turn.max(1);
        let turns = if commands < COMMANDS_DEFAULT { 1 } else { TURNS_PER_CALL };
        let steps_max = commands.saturating_mul(turns);
        let most = context.settings.answers_max().unwrap_or(usize::MAX);
        let (mut taken, begun, mut answers) = (0, out.len(), 0);
        let mut lookout = Lookout::default();
        for _ in 0..steps_max {
            if answers > most {
                // As memcached has it: more answers wait than may, and none of them is sent.
                context.counters.response_obj_oom.add(1);
                out.truncate(begun);
                return Progress { taken: input.len(), next: Next::Close };
            }
            let (is_command, before) = (matches!(self.pending, Pending::Nothing), out.len());
            if is_command && self.admitted {
                lookout.look(&context.store, input, taken);
            }
            let (now, quiet) = (context.clock.now(), false);
            let peer = self.peer;
            let mut turn = Turn { context, peer: &peer, out: &mut *out, now, quiet };
            match self.step(&mut turn, &input[taken..]) {
                Step::Took(bytes) => taken += bytes,
                Step::Stop(bytes, next) => return Progress { taken: taken + bytes, next },
            }
            answers += usize::from(is_command && out.len() > before);
            if out.len() > OUT_BYTES_MAX {
                return Progress { taken, next: Next::Yield };
            }
        }
        context.counters.conn_yields.add(1);
        Progress { taken, next: Next::Yield }
    }

    fn step(&mut self, turn: &mut Turn<'_>, input: &[u8]) -> Step {
        match &mut self.pending {
            Pending::Nothing if self.watcher.is_some() => Step::Stop(input.len(), Next::Watch),
            Pending::Dump(dump) => {
                if dump.step(turn) {
                    self.pending = Pending::Nothing;
                }
                Step::Took(0)
            }
            _ if input.is_empty() => Step::Stop(0, Next::Read { at_least: 1 }),
            Pending::Nothing if !self.admitted => self.gate(turn, input),
            Pending::Nothing => self.line(turn, input),
            Pending::Keys(fetch) => {
                let fetch = *fetch;
                self.keys(turn, fetch, input)
            }
            Pending::Line => {
                let end = memchr::memchr(b'\n', input);
                if end.is_some() {
                    self.pending = Pending::Nothing;
                }
                Step::Took(end.map_or(input.len(), |end| end + 1))
            }
            Pending::Swallow(left) => {
                let bytes = input.len().min(usize::try_from(*left).unwrap_or(usize::MAX));
                *left -= bytes as u64;
                if *left == 0 {
                    self.pending = Pending::Nothing;
                }
                Step::Took(bytes)
            }
            Pending::Value(_) => self.value(turn, input),
        }
    }

    fn gate(&mut self, turn: &mut Turn<'_>, input: &[u8]) -> Step {
        if turn.context.shared.users.is_none() {
            self.admitted = true;
            return Step::Took(0);
        }
        match auth::step(turn, input) {
            Gate::Taken(bytes) => Step::Took(bytes),
            Gate::Open(bytes) => {
                self.admitted = true;
                Step::Took(bytes)
            }
            Gate::Wants(at_least) => Step::Stop(0, Next::Read { at_least }),
            Gate::Close => Step::Stop(input.len(), Next::Close),
        }
    }

    /// A command begins.
    fn line(&mut self, turn: &mut Turn<'_>, input: &[u8]) -> Step {
        let head = &input[..input.len().min(LINE_BYTES_MAX + 1)];
        let Some(end) = memchr::memchr(b'\n', head) else {
            if input.len() <= LINE_BYTES_MAX {
                return Step::Stop(0, Next::Read { at_least: input.len() + 1 });
            }
            return self.long_line(turn, head);
        };
        let line = &input[..end];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let line = &line[..memchr::memchr(0, line).unwrap_or(line.len())];
        turn.context.shared.hub.raw(turn.peer.fd, line);
        if line.first().is_some_and(|&byte| matches!(byte, b'g' | b'b' | b' ')) {
            match get::start(turn, line) {
                Start::Other => {}
                Start::Refused => return Step::Took(end + 1),
                Start::Keys { fetch, at } if get::whole(turn, fetch, &line[at..]) => {
                    return Step::Took(end + 1);
                }
                Start::Keys { fetch, at } => {
                    self.pending = Pending::Keys(fetch);
                    return Step::Took(at);
                }
            }
        }
        let words = Words::split(line);
        let after = dispatch::run(turn, &words, &input[end + 1..]);
        self.follow(turn, line, end + 1, after)
    }

    /// A line of which no end is in sight: keys are answered as they come, all else
    /// ends the connection, as it does in memcached.
    fn long_line(&mut self, turn: &mut Turn<'_>, head: &[u8]) -> Step {
        // The last word may go on; what begins the line is far before it.
        match get::start(turn, head) {
            Start::Keys { fetch, at } if at < head.len() => {
                self.pending = Pending::Keys(fetch);
                Step::Took(at)
            }
            Start::Refused => {
                self.pending = Pending::Line;
                Step::Took(0)
            }
            Start::Keys { .. } | Start::Other => Step::Stop(0, Next::Close),
        }
    }

    /// Goes on after a command whose line is `taken` bytes long, with its end.
    fn follow(&mut self, turn: &mut Turn<'_>, line: &[u8], taken: usize, after: After) -> Step {
        match after {
            After::Nothing => {}
            After::Taken(bytes) => return Step::Took(taken + bytes),
            After::Wants(bytes) => {
                return Step::Stop(0, Next::Read { at_least: taken + bytes });
            }
            After::Swallow(bytes) => self.pending = Pending::Swallow(bytes),
            After::Upload(upload, left) => {
                let line = line.into();
                self.pending = Pending::Value(Box::new(Incoming { line, upload, left }));
            }
            After::Dump(dump) => self.pending = Pending::Dump(dump),
            After::Watch(watcher, charge) => {
                self.watcher = Some((watcher, charge));
                turn.out.extend_from_slice(b"OK\r\n");
                return Step::Stop(taken, Next::Watch);
            }
            After::Close => {
                self.quits = line.starts_with(b"quit");
                return Step::Stop(taken, Next::Close);
            }
            After::Shutdown { save } => return Step::Stop(taken, Next::Shutdown { save }),
        }
        Step::Took(taken)
    }

    fn keys(&mut self, turn: &mut Turn<'_>, fetch: Fetch, input: &[u8]) -> Step {
        match get::piece(turn, fetch, input, OUT_BYTES_MAX) {
            Piece::End { taken, rest } => {
                self.pending = if rest { Pending::Line } else { Pending::Nothing };
                Step::Took(taken)
            }
            Piece::More { taken, full: true } => Step::Took(taken),
            Piece::More { taken, full: false } => {
                let at_least = input.len() - taken + 1;
                Step::Stop(taken, Next::Read { at_least })
            }
        }
    }

    /// A piece of a long value.
    fn value(&mut self, turn: &mut Turn<'_>, input: &[u8]) -> Step {
        let Pending::Value(incoming) = &mut self.pending else { return Step::Took(0) };
        if incoming.left > 0 {
            let bytes = input.len().min(incoming.left);
            let pushed = incoming.upload.push(&turn.context.store, &input[..bytes]);
            incoming.left -= bytes;
            if let Err(why) = pushed {
                let rest = Pending::Swallow(incoming.left as u64 + 2);
                if let Pending::Value(incoming) = std::mem::replace(&mut self.pending, rest) {
                    cut_short(turn, *incoming, why);
                }
            }
            return Step::Took(bytes);
        }
        let Some(end) = input.get(..2) else {
            return Step::Stop(0, Next::Read { at_least: 2 });
        };
        let Pending::Value(incoming) = std::mem::replace(&mut self.pending, Pending::Nothing)
        else {
            return Step::Took(0);
        };
        let Incoming { line, upload, .. } = *incoming;
        let words = Words::split(&line);
        let upload = (end == b"\r\n").then_some(upload);
        match update::mode(words.at(0)) {
            Some(mode) => update::finish(turn, &words, mode, upload),
            None => meta::set::finish(turn, &words, upload),
        }
        Step::Took(2)
    }
}

/// There is no room for the rest of a long value.
fn cut_short(turn: &mut Turn<'_>, incoming: Incoming, why: Refused) {
    let Incoming { line, upload, .. } = incoming;
    // What has come is given back before its key is locked.
    drop(upload);
    let words = Words::split(&line);
    match update::mode(words.at(0)) {
        Some(mode) => update::cut_short(turn, &words, mode, why),
        None => meta::set::cut_short(turn, &words, why),
    }
}
