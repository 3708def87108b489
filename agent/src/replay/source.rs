//! Where a trace is read from: a file or stdin, inflated where it begins like gzip.

use flate2::bufread::MultiGzDecoder;
use std::cell::Cell;
use std::fs::{File, Metadata};
use std::io::{self, BufReader, Chain, Cursor, Read};
use std::path::Path;
use std::rc::Rc;

const GZIP: [u8; 2] = [0x1f, 0x8b];
const BUFFER_BYTES: usize = 128 * 1024;

/// How much of a trace has been read. Units: bytes, as they lie in the file.
#[derive(Clone, Debug)]
pub struct Progress {
    taken: Rc<Cell<u64>>,
    total: Option<u64>,
}

impl Progress {
    /// The share that was read, 0…1; None of what has no length.
    #[must_use]
    pub fn share(&self) -> Option<f64> {
        let total = self.total.filter(|&total| total > 0)?;
        Some((self.taken.get() as f64 / total as f64).min(1.0))
    }
}

/// An open trace: reading it gives text.
pub struct Source {
    text: Box<dyn Read>,
    progress: Progress,
    metadata: Option<Metadata>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl Source {
    /// Opens the file at `path`.
    ///
    /// # Errors
    /// It cannot be opened, or its first bytes cannot be read.
    pub fn file(path: &Path) -> io::Result<Self> {
        let file = File::open(path)?;
        let metadata = file.metadata()?;
        let total = metadata.is_file().then_some(metadata.len());
        Ok(Self { metadata: Some(metadata), ..Self::of(file, total)? })
    }

    /// # Errors
    /// The first bytes cannot be read.
    pub fn stdin() -> io::Result<Self> {
        Self::of(io::stdin(), None)
    }

    fn of(mut raw: impl Read + 'static, total: Option<u64>) -> io::Result<Self> {
        let begin = begin(&mut raw)?;
        let is_gzip = begin == GZIP;
        let taken = Rc::new(Cell::new(0));
        let whole: Chain<Cursor<Vec<u8>>, _> = Cursor::new(begin).chain(raw);
        let counted = Counted { raw: whole, taken: Rc::clone(&taken) };
        let buffered = BufReader::with_capacity(BUFFER_BYTES, counted);
        let text: Box<dyn Read> =
            if is_gzip { Box::new(MultiGzDecoder::new(buffered)) } else { Box::new(buffered) };
        Ok(Self { text, progress: Progress { taken, total }, metadata: None })
    }

    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Of the file, if it is one.
    #[must_use]
    pub const fn metadata(&self) -> Option<&Metadata> {
        self.metadata.as_ref()
    }
}

impl Read for Source {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.text.read(room)
    }
}

/// The first two bytes, or fewer where there are no more.
fn begin(raw: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut begin = Vec::with_capacity(GZIP.len());
    raw.by_ref().take(GZIP.len() as u64).read_to_end(&mut begin)?;
    Ok(begin)
}

struct Counted<R> {
    raw: R,
    taken: Rc<Cell<u64>>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let read = self.raw.read(room)?;
        self.taken.set(self.taken.get() + read as u64);
        Ok(read)
    }
}
