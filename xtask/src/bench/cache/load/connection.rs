//! One connection: what is to be sent, what is under way, what has come.

use super::super::wire::{Answer, Dialect};
use super::Outcome;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

/// Room for answers; grows for larger values.
const IN_BYTES: usize = 64 << 10;

const CONNECT_WITHIN: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub struct Connection {
    pub stream: TcpStream,
    out: Vec<u8>,
    sent: usize,
    input: Vec<u8>,
    filled: usize,
    /// When each request under way was due.
    under_way: VecDeque<Instant>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> std::io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, CONNECT_WITHIN)?;
        stream.set_nonblocking(true)?;
        stream.set_nodelay(true)?;
        let (out, input) = (Vec::new(), vec![0; IN_BYTES]);
        Ok(Self { stream, out, sent: 0, input, filled: 0, under_way: VecDeque::new() })
    }

    pub fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether the kernel has not taken all that is to be sent.
    pub fn is_behind(&self) -> bool {
        self.sent < self.out.len()
    }

    /// Puts a request behind what is to be sent.
    pub fn add(&mut self, due: Instant, write: impl FnOnce(&mut Vec<u8>)) {
        write(&mut self.out);
        self.under_way.push_back(due);
    }

    /// Sends as much as the kernel takes.
    pub fn send(&mut self) -> Result<(), String> {
        while self.sent < self.out.len() {
            match self.stream.write(&self.out[self.sent..]) {
                Ok(0) => return Err("closed".to_owned()),
                Ok(n) => self.sent += n,
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.to_string()),
            }
        }
        self.out.clear();
        self.sent = 0;
        Ok(())
    }

    /// Reads what has come and counts its answers.
    pub fn receive(&mut self, dialect: Dialect, outcome: &mut Outcome) -> Result<(), String> {
        loop {
            if self.filled == self.input.len() {
                self.input.resize(self.filled * 2, 0);
            }
            let room = self.input.len() - self.filled;
            match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Err("closed".to_owned()),
                Ok(n) => {
                    self.filled += n;
                    self.take(dialect, outcome)?;
                    if n < room {
                        return Ok(());
                    }
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) => return Err(e.to_string()),
            }
        }
    }

    fn take(&mut self, dialect: Dialect, outcome: &mut Outcome) -> Result<(), String> {
        let now = Instant::now();
        let mut at = 0;
        while let Some((len, answer)) = dialect.answer(&self.input[at..self.filled])? {
            at += len;
            let due = self.under_way.pop_front().ok_or("answered what was not asked")?;
            outcome.latencies.add(now.saturating_duration_since(due));
            outcome.answered += 1;
            match answer {
                Answer::Yes => outcome.hits += 1,
                Answer::Miss => outcome.misses += 1,
                Answer::Refused => outcome.refused += 1,
            }
        }
        self.input.copy_within(at..self.filled, 0);
        self.filled -= at;
        Ok(())
    }
}
