//! The subscriber's thread: one poll over the socket, systemd's watch and the waker.
//!
//! It reads before it judges silence, so that a thread that was held up takes nobody for dead.

use super::state::{SILENCE, State};
use super::{Acker, OnTold, Options};
use crate::own::Own;
use crate::watch::{Rang, Watch};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, SocketType};
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::Duration;

/// Between two attempts to connect: doubled after each failure.
const RETRY_FIRST: Duration = Duration::from_millis(100);
const RETRY_MOST: Duration = Duration::from_secs(5);

/// Subscribers of one node do not come back all at once.
const SPREAD_MS: u32 = 100;

/// Between two looks at the own cgroup.
const OWN_EVERY: Duration = Duration::from_millis(250);

/// Between two looks at what may have lapsed.
const TICK: Duration = Duration::from_millis(500);

/// Read at one time: so much, so often.
const READ_BYTES: usize = 4096;
const READS_MAX: usize = 16;

pub fn start(
    acker: Acker,
    options: Options,
    on_told: Option<OnTold>,
) -> std::io::Result<JoinHandle<()>> {
    let mut worker = Worker {
        acker,
        socket: options.socket,
        own: options.own,
        watch: options.watch,
        on_told,
        stream: None,
        opened_at: Duration::ZERO,
        retry_at: Duration::ZERO,
        retry_after: RETRY_FIRST,
        own_at: Duration::ZERO,
    };
    let thread = std::thread::Builder::new().name("pressure".into());
    thread.spawn(move || worker.run())
}

struct Worker {
    acker: Acker,
    socket: PathBuf,
    own: Option<Own>,
    watch: Option<Watch>,
    on_told: Option<OnTold>,
    stream: Option<OwnedFd>,
    opened_at: Duration,
    retry_at: Duration,
    retry_after: Duration,
    own_at: Duration,
}

impl Worker {
    fn run(&mut self) {
        loop {
            if self.stream.is_none() && self.now() >= self.retry_at {
                self.connect();
            }
            self.wait();
            self.tick();
            self.deliver();
            if self.acker.shared.state.lock().is_closed {
                // What was answered last still goes out; nothing can be answered from now on.
                self.carry();
                return self.state(State::disconnected);
            }
        }
    }

    fn now(&self) -> Duration {
        self.acker.shared.started.elapsed()
    }

    fn state<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.acker.shared.state.lock())
    }

    fn connect(&mut self) {
        self.opened_at = self.now();
        match open(&self.socket) {
            Ok(stream) => {
                self.stream = Some(stream);
                self.state(|state| state.connected(std::process::id()));
            }
            Err(_) => self.retry(),
        }
    }

    fn retry(&mut self) {
        let spread = Duration::from_millis(u64::from(std::process::id() % SPREAD_MS));
        self.retry_at = self.now() + self.retry_after + spread;
        self.retry_after = (self.retry_after * 2).min(RETRY_MOST);
    }

    fn disconnect(&mut self) {
        if self.stream.take().is_some() {
            self.state(State::disconnected);
            self.retry();
        }
    }

    /// Waits until something comes or is due, and takes it in.
    fn wait(&mut self) {
        let (wants_to_write, is_alone, silent_at) =
            self.state(|state| (!state.out.is_empty(), state.is_alone, state.silent_at()));
        let now = self.now();
        let until_retry = match self.stream {
            None => self.retry_at.saturating_sub(now),
            Some(_) => TICK,
        };
        let until_own = if is_alone { self.own_at.saturating_sub(now) } else { TICK };
        // A silence is noticed when it is one, and not at the next look.
        let until_silent = silent_at.map_or(TICK, |at| at.saturating_sub(now));
        let within = TICK.min(until_retry).min(until_own).min(until_silent);
        let timeout = Timespec { tv_sec: 0, tv_nsec: i64::from(within.min(TICK).subsec_nanos()) };

        let write = if wants_to_write { PollFlags::OUT } else { PollFlags::empty() };
        let stream = self.stream.as_ref().map(|fd| (fd.as_fd(), PollFlags::IN | write));
        let watch = self.watch.as_ref().map(|watch| (watch.as_fd(), watch.interest()));
        let waker = (self.acker.shared.waker.as_fd(), PollFlags::IN);
        let [woken, polled, rang] = polled([Some(waker), stream, watch], &timeout);
        if !woken.is_empty() {
            // Empties the counter; that it was empty already changes nothing.
            let _ = rustix::io::read(&self.acker.shared.waker, &mut [0_u8; 8]);
        }
        if let Some(watch) = &self.watch {
            match watch.take(rang) {
                Rang::No => {}
                Rang::Yes => self.state(|state| state.rang(now)),
                Rang::Over => self.watch = None,
            }
        }
        if !polled.is_empty() && !self.carry() {
            self.disconnect();
        }
    }

    /// Reads and writes what can be. False: the connection has to be closed.
    fn carry(&self) -> bool {
        let Some(stream) = &self.stream else { return true };
        let mut state = self.acker.shared.state.lock();
        let mut buffer = [0; READ_BYTES];
        for _ in 0..READS_MAX {
            match rustix::net::recv(stream, &mut buffer, RecvFlags::DONTWAIT) {
                Ok((0, _)) => return false,
                Ok((length, _)) => {
                    if state.receive(&buffer[..length], self.now()).is_err() {
                        return false;
                    }
                }
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(_) => return false,
            }
        }
        if state.out.is_empty() {
            return true;
        }
        match rustix::net::send(stream, &state.out, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(length) => {
                state.out.drain(..length);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }

    fn tick(&mut self) {
        let now = self.now();
        let (is_heard, is_alone) = self.state(|state| {
            state.tick(now);
            (state.is_heard(), state.is_alone)
        });
        if is_heard {
            self.retry_after = RETRY_FIRST;
        } else if self.stream.is_some() && now.saturating_sub(self.opened_at) >= SILENCE {
            self.disconnect();
        }
        if is_alone && now >= self.own_at {
            self.own_at = now + OWN_EVERY;
            let judged = self.own.as_ref().map(|own| own.read().judge(&own.thresholds));
            self.state(|state| state.judged(judged.unwrap_or_default(), now));
        }
    }

    fn deliver(&mut self) {
        let Some(on_told) = &mut self.on_told else {
            if self.state(|state| state.has_told()) {
                self.acker.shared.told.notify_all();
            }
            return;
        };
        // Not in the head of a `while let`, where the lock would be held during the call.
        loop {
            let told = self.acker.shared.state.lock().take();
            let Some(told) = told else { return };
            on_told(&self.acker, told);
        }
    }
}

fn open(path: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let fd = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    // A full queue of connections is EAGAIN, and tried again like any other failure.
    rustix::net::connect(&fd, &SocketAddrUnix::new(path)?)?;
    Ok(fd)
}

/// What happened on each of those that are there; nothing if the wait was cut short.
fn polled(wanted: [Option<(BorrowedFd<'_>, PollFlags)>; 3], timeout: &Timespec) -> [PollFlags; 3] {
    let mut fds: Vec<PollFd<'_>> =
        wanted.iter().flatten().map(|(fd, flags)| PollFd::from_borrowed_fd(*fd, *flags)).collect();
    let mut found = [PollFlags::empty(); 3];
    if poll(&mut fds, Some(timeout)).is_ok() {
        let mut polled = fds.iter().map(PollFd::revents);
        for (slot, _) in found.iter_mut().zip(&wanted).filter(|(_, wanted)| wanted.is_some()) {
            *slot = polled.next().unwrap_or_else(PollFlags::empty);
        }
    }
    found
}
