//! What the protocol asks of the server around it, as plain data and one trait.

use std::fmt::Debug;
use std::net::SocketAddr;

/// How the bytes of a connection travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    Tcp,
    Unix,
    /// One session for each datagram's commands; watching, dumping and large values are refused.
    Udp,
}

impl Transport {
    /// memcached's name of it in `stats conns` and in watchers' lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Unix => "unix",
            Self::Udp => "udp",
        }
    }
}

/// Who talks.
#[derive(Clone, Copy, Debug)]
pub struct Peer {
    pub transport: Transport,
    /// None: a unix socket.
    pub address: Option<SocketAddr>,
    /// The socket's descriptor, as watchers' lines show it.
    pub fd: i32,
}

/// A connection or listener in `stats conns`.
#[derive(Clone, Debug)]
pub struct Connection {
    pub fd: i32,
    /// `tcp:127.0.0.1:40000`, `unix:/run/x.sock`.
    pub address: String,
    /// Where an accepted one was accepted.
    pub listen_address: Option<String>,
    /// `conn_listening`, `conn_read`, `conn_parse_cmd`, ...
    pub state: &'static str,
    pub secs_since_last_cmd: u64,
}

/// What the server knows at the moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Gauges {
    /// Open connections, listeners with them as memcached counts.
    pub curr_connections: u64,
    pub total_connections: u64,
    pub rejected_connections: u64,
    pub connection_structures: u64,
    /// Times that listening stopped because the limit on connections was reached.
    pub listen_disabled_num: u64,
    pub time_in_listen_disabled_us: u64,
    pub accepting_conns: bool,
    /// Bytes of read buffers in use and free.
    pub read_buf_bytes: u64,
    pub read_buf_bytes_free: u64,
    /// Units: microseconds.
    pub user_time_us: u64,
    pub system_time_us: u64,
}

/// A limit that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the limit is below what the cache needs, or above what it has reserved")]
pub struct LimitRefused;

/// The server around the sessions.
pub trait Host: Send + Sync + Debug {
    /// Shows listeners and open connections.
    fn connections(&self, see: &mut dyn FnMut(&Connection));

    fn gauges(&self) -> Gauges;

    /// Obeys `cache_memlimit`: returns at once; the memory follows. Units: bytes.
    ///
    /// # Errors
    /// The limit cannot be had; nothing changed.
    fn set_memory_limit(&self, bytes: u64) -> Result<(), LimitRefused>;

    /// Adds the lines of `stats plimsoll` that are neither the store's nor the protocol's: level,
    /// budget, bytes given back.
    fn report(&self, add: &mut dyn FnMut(&str, &dyn std::fmt::Display));
}

/// No server at all: for tests and fuzz targets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Alone;

impl Host for Alone {
    fn connections(&self, _see: &mut dyn FnMut(&Connection)) {}

    fn gauges(&self) -> Gauges {
        Gauges {
            curr_connections: 1,
            total_connections: 1,
            accepting_conns: true,
            ..Gauges::default()
        }
    }

    fn set_memory_limit(&self, _bytes: u64) -> Result<(), LimitRefused> {
        Ok(())
    }

    fn report(&self, _add: &mut dyn FnMut(&str, &dyn std::fmt::Display)) {}
}
