//! The file: a header, then blocks, each behind checksums, then a block that says it is whole. Pure
//! but for reading and writing through what it is handed.
//!
//! ```text
//! header  "PLIMSNAP" version:u16 kind:u8 0:u8 unix_zero:u64 written:u32 salt:u32 crc:u32
//! block   "PLBK" order:u32 len:u32 crc(payload):u32 crc(these 16 bytes):u32 payload
//! ```
//!
//! Numbers are little-endian. Checksums of blocks begin with the file's salt, so that no client can
//! store a value that passes for a block.
//!
//! The last block has no payload. A block whose payload is damaged is passed over by its length;
//! where its own 20 bytes are damaged, the next sound ones are searched.

use crate::clock::Secs;
use std::io::{Error, ErrorKind, Read, Result, Write};

const MAGIC: &[u8; 8] = b"PLIMSNAP";
const BLOCK_MAGIC: &[u8; 4] = b"PLBK";
pub const VERSION: u16 = 1;
const HEADER_LEN: usize = 32;
const BLOCK_HEADER_LEN: usize = 20;

/// A block is closed when it is as long as this.
pub const BLOCK_BYTES: usize = 512 << 10;

/// What a block can be long at most: a little more than one, and generously so.
pub const PAYLOAD_BYTES_MAX: usize = 8 * BLOCK_BYTES;

/// Under which circumstances it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At a graceful stop: nothing can have changed since.
    Clean,
    /// While requests were answered.
    Live,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    pub kind: Kind,
    /// Seconds since 1970 at which the writer's clock showed zero.
    pub unix_at_zero: u64,
    /// When it was begun, on the writer's clock.
    pub written: Secs,
    /// Any number that clients do not know.
    pub salt: u32,
}

/// What became of one block.
#[derive(Debug, PartialEq, Eq)]
pub enum Block {
    Sound {
        order: u32,
        payload: Vec<u8>,
    },
    /// Checksums do not fit.
    Damaged,
}

/// How the file ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// With the last block.
    Whole,
    /// Without it, or with something behind it.
    Torn,
}

#[derive(Debug)]
pub struct Writer<W> {
    to: W,
    salt: u32,
    order: u32,
}

impl<W: Write> Writer<W> {
    pub fn begin(mut to: W, header: &Header) -> Result<Self> {
        let mut bytes = Vec::with_capacity(HEADER_LEN);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.push(u8::from(header.kind == Kind::Live));
        bytes.push(0);
        bytes.extend_from_slice(&header.unix_at_zero.to_le_bytes());
        bytes.extend_from_slice(&header.written.to_le_bytes());
        bytes.extend_from_slice(&header.salt.to_le_bytes());
        let crc = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        to.write_all(&bytes)?;
        Ok(Self { to, salt: header.salt, order: 0 })
    }

    pub fn block(&mut self, payload: &[u8]) -> Result<()> {
        if payload.is_empty() {
            return Ok(());
        }
        if payload.len() > PAYLOAD_BYTES_MAX {
            return Err(Error::new(ErrorKind::InvalidInput, "a block is too large"));
        }
        self.write(payload)
    }

    /// Writes the last block. Returns what was written to.
    pub fn end(mut self) -> Result<W> {
        self.write(&[])?;
        self.to.flush()?;
        Ok(self.to)
    }

    /// What is written to, to flush it on the way.
    pub fn inner(&mut self) -> &mut W {
        &mut self.to
    }

    fn write(&mut self, payload: &[u8]) -> Result<()> {
        let len = u32::try_from(payload.len()).unwrap_or(u32::MAX);
        let mut bytes = Vec::with_capacity(BLOCK_HEADER_LEN);
        bytes.extend_from_slice(BLOCK_MAGIC);
        for number in [self.order, len, checksum(self.salt, payload)] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let crc = checksum(self.salt, &bytes);
        bytes.extend_from_slice(&crc.to_le_bytes());
        self.order = self.order.wrapping_add(1);
        self.to.write_all(&bytes)?;
        self.to.write_all(payload)
    }
}

/// Why nothing of a file can be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    #[error("it is no snapshot, or its header is damaged")]
    Header,
    #[error("it is of version {0}, and only version {VERSION} is read")]
    Version(u16),
    #[error("{0}")]
    Io(#[from] Error),
}

#[derive(Debug)]
pub struct Reader<R> {
    from: R,
    salt: u32,
    /// Bytes read ahead while searching for a sound header.
    ahead: Vec<u8>,
    end: Option<End>,
    last_order: Option<u32>,
}

impl<R: Read> Reader<R> {
    pub fn begin(mut from: R) -> std::result::Result<(Self, Header), Unreadable> {
        let mut bytes = [0; HEADER_LEN];
        from.read_exact(&mut bytes).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => Unreadable::Header,
            _ => Unreadable::Io(error),
        })?;
        let (head, crc) = bytes.split_at(HEADER_LEN - 4);
        if !head.starts_with(MAGIC) {
            return Err(Unreadable::Header);
        }
        let version = u16::from_le_bytes([head[8], head[9]]);
        if version != VERSION {
            return Err(Unreadable::Version(version));
        }
        if crc32fast::hash(head).to_le_bytes() != crc {
            return Err(Unreadable::Header);
        }
        let kind = if head[10] == 0 { Kind::Clean } else { Kind::Live };
        let unix_at_zero = u64::from(le(head, 12)) | u64::from(le(head, 16)) << 32;
        let (written, salt) = (le(head, 20), le(head, 24));
        let header = Header { kind, unix_at_zero, written, salt };
        Ok((Self { from, salt, ahead: Vec::new(), end: None, last_order: None }, header))
    }

    /// The next block; None at the end, which [`Self::end`] tells.
    pub fn next(&mut self) -> Result<Option<Block>> {
        if self.end.is_some() {
            return Ok(None);
        }
        let mut head = [0; BLOCK_HEADER_LEN];
        if self.fill(&mut head)? < BLOCK_HEADER_LEN {
            return Ok(self.over(End::Torn));
        }
        if !is_sound(self.salt, &head) {
            self.search(&head)?;
            return Ok(Some(Block::Damaged));
        }
        let (order, len, crc) = (le(&head, 4), le(&head, 8), le(&head, 12));
        if len == 0 {
            let is_last = self.fill(&mut [0])? == 0;
            return Ok(self.over(if is_last { End::Whole } else { End::Torn }));
        }
        let mut payload = Vec::new();
        // Taken piece by piece, so that a length alone reserves nothing.
        let len = len as usize;
        while payload.len() < len {
            let from = payload.len();
            payload.resize(len.min(from + BLOCK_BYTES), 0);
            let got = self.fill(&mut payload[from..])?;
            if from + got < payload.len() {
                return Ok(self.over(End::Torn));
            }
        }
        let is_in_order = self.last_order.is_none_or(|last| order > last);
        if checksum(self.salt, &payload) != crc || !is_in_order {
            return Ok(Some(Block::Damaged));
        }
        self.last_order = Some(order);
        Ok(Some(Block::Sound { order, payload }))
    }

    /// How it ended. None: not yet.
    pub const fn end(&self) -> Option<End> {
        self.end
    }

    fn over(&mut self, end: End) -> Option<Block> {
        self.end = Some(end);
        None
    }

    /// Reads ahead until a sound header begins what comes next, or to the end.
    fn search(&mut self, head: &[u8]) -> Result<()> {
        let mut window = head.to_vec();
        window.append(&mut self.ahead);
        let mut at = 1;
        loop {
            while at + BLOCK_HEADER_LEN <= window.len() {
                let head = &window[at..at + BLOCK_HEADER_LEN];
                if head.starts_with(BLOCK_MAGIC) && is_sound(self.salt, head) {
                    self.ahead = window.split_off(at);
                    return Ok(());
                }
                at += 1;
            }
            window.drain(..at);
            at = 0;
            let kept = window.len();
            window.resize(kept + BLOCK_BYTES, 0);
            let got = self.fill(&mut window[kept..])?;
            window.truncate(kept + got);
            if got == 0 {
                return Ok(());
            }
        }
    }

    /// Fills `to` as far as the file goes.
    fn fill(&mut self, to: &mut [u8]) -> Result<usize> {
        let ahead = self.ahead.len().min(to.len());
        to[..ahead].copy_from_slice(&self.ahead[..ahead]);
        self.ahead.drain(..ahead);
        let mut filled = ahead;
        while filled < to.len() {
            match self.from.read(&mut to[filled..]) {
                Ok(0) => break,
                Ok(n) => filled += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(filled)
    }
}

fn checksum(salt: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(salt);
    hasher.update(bytes);
    hasher.finalize()
}

fn is_sound(salt: u32, head: &[u8]) -> bool {
    let (fields, crc) = head.split_at(BLOCK_HEADER_LEN - 4);
    fields.starts_with(BLOCK_MAGIC)
        && checksum(salt, fields).to_le_bytes() == crc
        && le(fields, 8) as usize <= PAYLOAD_BYTES_MAX
}

fn le(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

#[cfg(test)]
mod tests;
