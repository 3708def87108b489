//! The lines that watchers read, as memcached writes them: `ts=… gid=… type=…`; keys are
//! URL-encoded.

use super::{Hub, Kinds};
use crate::protocol::Peer;
use std::io::Write as _;
use std::time::{SystemTime, UNIX_EPOCH};

/// There are no slab classes here; every item is of this one.
const CLASS: u8 = 1;

/// What became of a fetch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    NotFound,
    Found,
    Flushed,
    Expired,
}

/// A fetch of one key.
#[derive(Clone, Copy, Debug)]
pub struct Fetched<'a> {
    pub key: &'a [u8],
    pub outcome: Outcome,
    pub size: usize,
    pub fd: i32,
}

/// A change of one key.
#[derive(Clone, Copy, Debug)]
pub struct Stored<'a> {
    pub key: &'a [u8],
    /// `stored`, `not_stored`, `exists`, `not_found`, `too_large`, `no_memory`.
    pub status: &'static str,
    /// `set`, `add`, `cas`, …
    pub command: &'static str,
    /// 0: never. Units: seconds.
    pub ttl: u32,
    pub size: usize,
    pub fd: i32,
}

/// An item that had to go.
#[derive(Clone, Copy, Debug)]
pub struct Evicted<'a> {
    pub key: &'a [u8],
    pub fetched: bool,
    /// What was left of its time; None: it would never have ended. Units: seconds.
    pub ttl: Option<u32>,
    /// Since it was last used. Units: seconds.
    pub idle: u32,
    pub size: usize,
}

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Closed {
    Error,
    Normal,
    Idle,
    Shutdown,
}

impl Hub {
    pub fn fetched(&self, it: &Fetched<'_>) {
        if !self.wants(Kinds::FETCHERS) {
            return;
        }
        let status = match it.outcome {
            Outcome::NotFound => "not_found",
            Outcome::Found => "found",
            Outcome::Flushed => "flushed",
            Outcome::Expired => "expired",
        };
        let class = if it.outcome == Outcome::Found { CLASS } else { 0 };
        self.tell(Kinds::FETCHERS, |line| {
            line.extend_from_slice(b"type=item_get key=");
            url_encode(it.key, line);
            let (size, fd) = (it.size, it.fd);
            append(line, format_args!(" status={status} clsid={class} cfd={fd} size={size}"));
        });
    }

    pub fn stored(&self, it: &Stored<'_>) {
        if !self.wants(Kinds::MUTATIONS) {
            return;
        }
        self.tell(Kinds::MUTATIONS, |line| {
            line.extend_from_slice(b"type=item_store key=");
            url_encode(it.key, line);
            let Stored { status, command, ttl, size, fd, .. } = it;
            let rest = format_args!(
                " status={status} cmd={command} ttl={ttl} clsid={CLASS} cfd={fd} size={size}"
            );
            append(line, rest);
        });
    }

    /// An item was deleted, by `delete` or by `md`.
    pub fn deleted(&self, key: &[u8], command: &str, size: usize) {
        if self.wants(Kinds::DELETIONS) {
            self.tell(Kinds::DELETIONS, |line| {
                line.extend_from_slice(b"type=deleted key=");
                url_encode(key, line);
                append(line, format_args!(" cmd={command} clsid={CLASS} size={size}"));
            });
        }
    }

    pub fn evicted(&self, it: &Evicted<'_>) {
        if !self.wants(Kinds::EVICTIONS) {
            return;
        }
        self.tell(Kinds::EVICTIONS, |line| {
            line.extend_from_slice(b"type=eviction key=");
            url_encode(it.key, line);
            let fetch = if it.fetched { "yes" } else { "no" };
            let ttl = it.ttl.map_or(-1, i64::from);
            let (idle, size) = (it.idle, it.size);
            let rest = format_args!(" fetch={fetch} ttl={ttl} la={idle} clsid={CLASS} size={size}");
            append(line, rest);
        });
    }

    pub fn connected(&self, peer: &Peer) {
        if self.wants(Kinds::CONNECTIONS) {
            self.tell(Kinds::CONNECTIONS, |line| {
                append(line, format_args!("type=conn_new {} cfd={}", Whence(peer), peer.fd));
            });
        }
    }

    pub fn closed(&self, peer: &Peer, why: Closed) {
        if !self.wants(Kinds::CONNECTIONS) {
            return;
        }
        let why = match why {
            Closed::Error => "error",
            Closed::Normal => "normal",
            Closed::Idle => "idle_timeout",
            Closed::Shutdown => "shutdown",
        };
        self.tell(Kinds::CONNECTIONS, |line| {
            let (whence, fd) = (Whence(peer), peer.fd);
            append(line, format_args!("type=conn_close {whence} reason={why} cfd={fd}"));
        });
    }

    /// A command line as it came.
    pub fn raw(&self, fd: i32, line: &[u8]) {
        if self.wants(Kinds::RAW) {
            self.tell(Kinds::RAW, |to| {
                append(to, format_args!("<{fd} "));
                to.extend_from_slice(&line[..line.len().min(RAW_BYTES_MAX)]);
            });
        }
    }

    /// What the server itself does; `what` is `type=… name=value …`.
    pub fn system(&self, what: std::fmt::Arguments<'_>) {
        if self.wants(Kinds::SYSTEM) {
            self.tell(Kinds::SYSTEM, |line| append(line, what));
        }
    }
}

/// What of a command line is shown. Units: bytes.
const RAW_BYTES_MAX: usize = 500;

struct Whence<'a>(&'a Peer);

impl std::fmt::Display for Whence<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use crate::protocol::Transport;
        let transport = match self.0.transport {
            Transport::Unix => "local",
            Transport::Tcp => "tcp",
            Transport::Udp => "udp",
        };
        match self.0.address {
            Some(at) => write!(f, "rip={} rport={} transport={transport}", at.ip(), at.port()),
            None => write!(f, "rip=unix rport=0 transport={transport}"),
        }
    }
}

/// When, and the number of the line.
pub(super) fn stamp(gid: u64) -> Vec<u8> {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let mut line = Vec::with_capacity(256);
    let (secs, micros) = (since.as_secs(), since.subsec_micros());
    append(&mut line, format_args!("ts={secs}.{micros} gid={gid} "));
    line
}

fn append(line: &mut Vec<u8>, what: std::fmt::Arguments<'_>) {
    // Writing to a vector cannot fail.
    let _ = line.write_fmt(what);
}

/// Appends `bytes` as they stand in a URL. Source: RFC 3986, section 2.3.
pub(crate) fn url_encode(bytes: &[u8], out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~') {
            out.push(byte);
        } else {
            let (high, low) = (usize::from(byte >> 4), usize::from(byte & 15));
            out.extend_from_slice(&[b'%', DIGITS[high], DIGITS[low]]);
        }
    }
}
