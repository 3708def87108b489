//! Bytes in, in any split, frames out; and back. No IO, no clock, a bounded buffer.
//!
//! What is not a frame of this version is an error, after which nothing more is decoded: the
//! connection has to be closed. Keys that are not known are skipped.

use std::marker::PhantomData;

/// The longest line, without its newline. Units: bytes.
pub const LINE_BYTES_MAX: usize = 4096;

/// How much of an offending line an error shows.
const SHOWN_BYTES_MAX: usize = 80;

/// Why a connection has to be closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodecError {
    #[error("a line of more than {LINE_BYTES_MAX} bytes")]
    TooLong,
    #[error("version {0} of the protocol is not known here; this side speaks version 1")]
    UnknownVersion(u64),
    /// `text` is cut, its control characters escaped.
    #[error("not a frame: {what} in '{text}'")]
    Malformed { text: String, what: String },
}

impl CodecError {
    pub(crate) fn malformed(line: &[u8], error: &serde_json::Error) -> Self {
        let shown = &line[..line.len().min(SHOWN_BYTES_MAX)];
        Self::Malformed { text: shown.escape_ascii().to_string(), what: error.to_string() }
    }
}

pub trait Sealed {}

/// What a line can hold: [`Signal`](crate::Signal) or [`FromSubscriber`](crate::FromSubscriber).
pub trait Frame: Sealed + Sized {
    /// Parses a line without its newline.
    ///
    /// # Errors
    /// The line is none of this version.
    fn parse(line: &[u8]) -> Result<Self, CodecError>;

    /// Appends the frame as a line with its newline, of at most [`LINE_BYTES_MAX`] bytes before it.
    fn compose(&self, line: &mut Vec<u8>);

    /// The frame as a line of its own.
    fn to_line(&self) -> Vec<u8> {
        let mut line = Vec::with_capacity(256);
        self.compose(&mut line);
        line
    }
}

/// Puts lines together. Holds one unfinished line, at most.
#[derive(Clone, Debug)]
pub struct Decoder<F> {
    line: Vec<u8>,
    failed: Option<CodecError>,
    frame: PhantomData<fn() -> F>,
}

impl<F> Default for Decoder<F> {
    fn default() -> Self {
        Self { line: Vec::new(), failed: None, frame: PhantomData }
    }
}

impl<F: Frame> Decoder<F> {
    /// Takes bytes off the front of `input` until a frame is whole; None when `input` is used up.
    ///
    /// # Errors
    /// Garbage, an unknown version, a line that is too long; from then on the same at every call.
    pub fn decode(&mut self, input: &mut &[u8]) -> Result<Option<F>, CodecError> {
        match &self.failed {
            Some(error) => Err(error.clone()),
            None => self.next_line(input).inspect_err(|error| self.failed = Some(error.clone())),
        }
    }

    fn next_line(&mut self, input: &mut &[u8]) -> Result<Option<F>, CodecError> {
        let newline = input.iter().position(|&byte| byte == b'\n');
        let (part, rest) = match newline {
            Some(at) => (&input[..at], &input[at + 1..]),
            None => (*input, &[][..]),
        };
        if self.line.len() + part.len() > LINE_BYTES_MAX {
            return Err(CodecError::TooLong);
        }
        *input = rest;
        if newline.is_none() {
            self.line.extend_from_slice(part);
            return Ok(None);
        }
        if self.line.is_empty() {
            return F::parse(part).map(Some);
        }
        self.line.extend_from_slice(part);
        let frame = F::parse(&self.line);
        self.line.clear();
        frame.map(Some)
    }
}

#[cfg(test)]
mod tests;
