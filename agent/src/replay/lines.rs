//! One line after the other out of a stream, in one buffer of fixed size.
//!
//! A line ends in LF or CRLF; the last one may lack it. A byte order mark before the first line is
//! left out. A line longer than [`LINE_BYTES_MAX`] is refused rather than collected: a trace of any
//! length, or a file that is no trace, takes no more memory than this buffer.

use super::ReplayError;
use std::io::Read;
use std::ops::Range;

/// The longest line, without its end. Units: bytes.
pub const LINE_BYTES_MAX: usize = 64 * 1024;
const BUFFER_BYTES: usize = 4 * LINE_BYTES_MAX;

#[derive(Debug)]
pub struct Lines<R> {
    source: R,
    buffer: Box<[u8]>,
    /// What was read and not handed out yet.
    rest: Range<usize>,
    ended: bool,
    number: u64,
}

impl<R: Read> Lines<R> {
    pub fn new(source: R) -> Self {
        let buffer = vec![0; BUFFER_BYTES].into_boxed_slice();
        Self { source, buffer, rest: 0..0, ended: false, number: 0 }
    }

    /// The error for the line handed out last, or for the first if none was.
    pub fn malformed(&self, what: String) -> ReplayError {
        ReplayError::Line { line: self.number.max(1), what }
    }

    /// The next line, without its end; None after the last.
    ///
    /// # Errors
    /// `Read` where the source fails, `Line` where a line is too long.
    pub fn advance(&mut self) -> Result<Option<&[u8]>, ReplayError> {
        let mut searched = self.rest.start;
        loop {
            let found = memchr::memchr(b'\n', &self.buffer[searched..self.rest.end]);
            if let Some(at) = found {
                return Ok(Some(self.hand_out(searched + at, 1)));
            }
            if self.ended {
                let left = !self.rest.is_empty();
                return Ok(left.then(|| self.hand_out(self.rest.end, 0)));
            }
            if self.rest.len() > LINE_BYTES_MAX {
                self.number += 1;
                let what = format!("the line is longer than {LINE_BYTES_MAX} bytes");
                return Err(self.malformed(what));
            }
            let known = self.rest.len();
            self.fill()?;
            searched = self.rest.start + known;
        }
    }

    /// Hands out the line that ends at `end` in a terminator of so many bytes.
    fn hand_out(&mut self, end: usize, terminator: usize) -> &[u8] {
        let mut from = self.rest.start;
        self.rest.start = end + terminator;
        self.number += 1;
        if self.number == 1 && self.buffer[from..end].starts_with(b"\xef\xbb\xbf") {
            from += 3;
        }
        let line = &self.buffer[from..end];
        line.strip_suffix(b"\r").unwrap_or(line)
    }

    /// Reads more behind the rest, which moves to the front.
    fn fill(&mut self) -> Result<(), ReplayError> {
        self.buffer.copy_within(self.rest.clone(), 0);
        self.rest = 0..self.rest.len();
        let room = &mut self.buffer[self.rest.end..];
        let read = loop {
            match self.source.read(room) {
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Err(what) => return Err(ReplayError::Read { line: self.number, what }),
                Ok(read) => break read,
            }
        };
        self.ended = read == 0;
        self.rest.end += read;
        Ok(())
    }
}
