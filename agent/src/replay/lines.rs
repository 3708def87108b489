//! One line after the other out of a stream, in one buffer of fixed size.
//!
//! A line ends in LF or CRLF; the last one may lack it. A byte order mark before the first line is
//! left out. A line longer than [`LINE_BYTES_MAX`] is refused rather than collected: a trace of any
//! length, or a file that is no trace, takes no more memory than this buffer.

use super::ReplayError;
use std::io::Read;
use std::ops::Range;

/// The longest line, without its line feed. Units: bytes.
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
                self.bound(searched + at)?;
                return Ok(Some(self.hand_out(searched + at, 1)));
            }
            self.bound(self.rest.end)?;
            if self.ended {
                let left = !self.rest.is_empty();
                return Ok(left.then(|| self.hand_out(self.rest.end, 0)));
            }
            let known = self.rest.len();
            self.fill()?;
            searched = self.rest.start + known;
        }
    }

    /// Refuses a line that begins the rest and reaches up to `end` at least.
    fn bound(&mut self, end: usize) -> Result<(), ReplayError> {
        if end - self.rest.start <= LINE_BYTES_MAX {
            return Ok(());
        }
        self.number += 1;
        Err(self.malformed(format!("the line is longer than {LINE_BYTES_MAX} bytes")))
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io;

    /// Hands out a text in chunks of these sizes, over and over.
    struct Chunks<'a> {
        text: &'a [u8],
        sizes: std::iter::Cycle<std::vec::IntoIter<usize>>,
    }

    impl Read for Chunks<'_> {
        fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
            let most = self.sizes.next().unwrap_or(1).min(room.len());
            self.text.read(&mut room[..most])
        }
    }

    fn collect(source: impl Read) -> Result<Vec<Vec<u8>>, String> {
        let mut lines = Lines::new(source);
        let mut all = Vec::new();
        while let Some(line) = lines.advance().map_err(|e| e.to_string())? {
            all.push(line.to_vec());
        }
        Ok(all)
    }

    #[test]
    fn ends_of_all_kinds_are_taken_off() {
        let text = b"\xef\xbb\xbfa\r\n\n\r\nb\rc\n\xef\xbb\xbfd";
        let expected: [&[u8]; 5] = [b"a", b"", b"", b"b\rc", b"\xef\xbb\xbfd"];
        assert_eq!(collect(&text[..]).unwrap(), expected);
        assert_eq!(collect(&b""[..]).unwrap(), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_line_without_an_end_is_refused_before_it_fills_the_memory() {
        let endless = b"ok\n".chain(io::repeat(b'x'));
        let what = collect(endless).unwrap_err();
        assert_eq!(what, "2: the line is longer than 65536 bytes");
        let mut longest = vec![b'y'; LINE_BYTES_MAX];
        longest.extend(b"\nz\n");
        assert_eq!(collect(&longest[..]).unwrap().len(), 2);
        longest.insert(0, b'y');
        assert!(collect(&longest[..]).is_err());
    }

    proptest! {
        #[test]
        fn how_a_text_is_cut_into_chunks_does_not_matter(
            text in "[ab,\r\n]{0,400}",
            sizes in prop::collection::vec(1_usize..40, 1..8),
        ) {
            let chunks = Chunks { text: text.as_bytes(), sizes: sizes.into_iter().cycle() };
            prop_assert_eq!(collect(chunks), collect(text.as_bytes()));
        }

        #[test]
        fn lines_are_those_of_the_standard_library(text in "([ab\r]{0,9}\n){0,30}") {
            let expected: Vec<_> = text.lines().map(|line| line.as_bytes().to_vec()).collect();
            prop_assert_eq!(collect(text.as_bytes()).unwrap(), expected);
        }
    }
}
