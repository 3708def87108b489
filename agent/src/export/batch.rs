//! Requests out of resources: each is encoded at once, and cut before it gets too large to take.

use flate2::Compression;
use flate2::write::GzEncoder;
use prost::Message;
use std::io::Write as _;

/// A request is closed once it is this long; receivers of gRPC take 4 MiB by default, before
/// compression. Units: bytes.
const REQUEST_BYTES_MAX: usize = 1 << 20;

/// The field of a request that lists its resources, in all three signals.
const RESOURCES: u32 = 1;

/// Fills requests and hands each on when it is full.
#[derive(Debug)]
pub struct Batch<F: FnMut(Vec<u8>)> {
    gzip: bool,
    bytes: Vec<u8>,
    emit: F,
}

impl<F: FnMut(Vec<u8>)> Batch<F> {
    pub const fn new(gzip: bool, emit: F) -> Self {
        Self { gzip, bytes: Vec::new(), emit }
    }

    /// Adds one resource with all that belongs to it.
    pub fn push(&mut self, resource: &impl Message) {
        prost::encoding::message::encode(RESOURCES, resource, &mut self.bytes);
        if self.bytes.len() >= REQUEST_BYTES_MAX {
            self.flush();
        }
    }

    /// Hands on what there is.
    pub fn finish(mut self) {
        self.flush();
    }

    fn flush(&mut self) {
        if self.bytes.is_empty() {
            return;
        }
        let request = if self.gzip { zipped(&self.bytes) } else { self.bytes.clone() };
        self.bytes.clear();
        (self.emit)(request);
    }
}

fn zipped(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 8), Compression::fast());
    // Writing to memory cannot fail; if it did, the request would be refused and counted.
    let _ = encoder.write_all(bytes);
    encoder.finish().unwrap_or_default()
}

/// Whether a request is compressed. Uncompressed ones begin with the tag of their first field.
#[must_use]
pub fn is_gzip(request: &[u8]) -> bool {
    request.starts_with(&[0x1f, 0x8b])
}
