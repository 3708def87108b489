//! What the server was started with, under memcached's own names where they mean the same.

use plimsoll_guard::Named;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

/// Where TCP or UDP listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Port {
    /// `0`: nowhere.
    Off,
    /// `-1`: any that is free.
    Any,
    At(u16),
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("0"),
            Self::Any => f.write_str("-1"),
            Self::At(port) => port.fmt(f),
        }
    }
}

/// One address of `-l`; None: the port is that of `-p`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listen {
    pub ip: IpAddr,
    pub port: Option<u16>,
}

/// Which protocol clients may speak (`-B`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Binding {
    #[default]
    Auto,
    Ascii,
    /// Accepted, but only the ASCII protocol is spoken.
    Binary,
}

impl Binding {
    /// As `stats settings` shows it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Auto => "auto-negotiate",
            Self::Ascii => "ascii",
            Self::Binary => "binary",
        }
    }
}

/// What memcached's flags set and this server has no use for: `stats settings` shows it again.
#[derive(Clone, Debug, PartialEq)]
pub struct Echoed {
    /// `-f`
    pub growth_factor: f64,
    /// `-n`. Units: bytes.
    pub chunk_size: u32,
    pub hashpower_init: u32,
    pub hash_expand: bool,
    pub hash_algorithm: String,
    pub slab_reassign: bool,
    pub slab_automove: u32,
    pub slab_automove_ratio: f64,
    pub slab_automove_window: u32,
    pub slab_automove_freeratio: f64,
    /// Units: bytes.
    pub slab_chunk_max: u64,
    pub tail_repair_time: u32,
    pub lru_segmented: bool,
    pub lru_maintainer: bool,
    pub hot_lru_pct: u32,
    pub warm_lru_pct: u32,
    pub hot_max_factor: f64,
    pub warm_max_factor: f64,
    pub temp_lru: bool,
    pub temporary_ttl: u32,
}

impl Default for Echoed {
    fn default() -> Self {
        Self {
            growth_factor: 1.25,
            chunk_size: 48,
            hashpower_init: 0,
            hash_expand: true,
            hash_algorithm: "murmur3".to_owned(),
            slab_reassign: true,
            slab_automove: 1,
            slab_automove_ratio: 0.8,
            slab_automove_window: 30,
            slab_automove_freeratio: 0.01,
            slab_chunk_max: 512 << 10,
            tail_repair_time: 0,
            lru_segmented: true,
            lru_maintainer: true,
            hot_lru_pct: 20,
            warm_lru_pct: 40,
            hot_max_factor: 0.2,
            warm_max_factor: 2.0,
            temp_lru: false,
            temporary_ttl: 61,
        }
    }
}

#[derive(Clone, Debug)]
pub struct Settings {
    /// `-l`; empty: 127.0.0.1.
    pub listen: Vec<Listen>,
    /// `-l` as it was given.
    pub interfaces: Option<String>,
    /// `-p`
    pub port: Port,
    /// `-U`
    pub udp_port: Port,
    /// `-s`: then there is no network.
    pub unix_socket: Option<PathBuf>,
    /// `-a`
    pub unix_mode: u32,
    /// `-m`, or a share of the cgroup's limit. Units: bytes.
    pub memory_bytes: u64,
    /// `-I`. Units: bytes.
    pub item_bytes_max: u64,
    /// `-t`
    pub threads: usize,
    /// `-c`
    pub connections_max: usize,
    /// Connections beyond `-c` are told so and closed (`-o no_maxconns_fast`: they wait).
    pub refuses_at_once: bool,
    /// `-R`: commands of one connection before the others have their turn.
    pub commands_per_turn: usize,
    /// `-b`
    pub backlog: u32,
    /// `-M`: refuse instead of evicting.
    pub evicts: bool,
    /// `-C` disables it.
    pub cas: bool,
    /// `-D`
    pub prefix_delimiter: u8,
    /// Statistics by key prefix, from the start (`-D`) or by `stats detail on`.
    pub detail: bool,
    /// `-B`
    pub binding: Binding,
    /// `-Y`
    pub auth_file: Option<PathBuf>,
    /// `-F` disables it.
    pub flush_all: bool,
    /// `-X` disables metadump and cachedump.
    pub dumps: bool,
    /// `-W` disables `watch`.
    pub watches: bool,
    /// `-A`: the `shutdown` command is obeyed.
    pub shutdown_command: bool,
    /// `-o idle_timeout`; None: never.
    pub idle_timeout: Option<Duration>,
    /// `-o read_buf_mem_limit`: buffers of connections; None: within the whole budget. Bytes.
    pub buffer_bytes_max: Option<u64>,
    /// `-o watcher_logbuf_size`: lines kept for one watcher. Units: bytes.
    pub watcher_bytes_max: u64,
    /// `-o worker_logbuf_size`: lines kept for one thread. Units: bytes.
    pub worker_log_bytes_max: u64,
    /// `-o track_sizes`
    pub track_sizes: bool,
    /// `-o no_lru_crawler`
    pub crawler: bool,
    /// `-o lru_crawler_sleep`. Units: microseconds.
    pub crawler_sleep: u32,
    /// `-o lru_crawler_tocrawl`; 0: all.
    pub crawler_items: u32,
    /// `-e`: what is held is written here on a graceful stop and read at the start.
    pub restart_file: Option<PathBuf>,
    /// `-v`, `-vv`
    pub verbosity: u8,
    /// The `debugtime` command is obeyed.
    pub debug_clock: bool,
    /// `--admin`; None: off.
    pub admin: Option<SocketAddr>,
    /// `--admin-tokens`, `--admin-web-config`, `--admin-host`: who may ask the admin side.
    pub admin_named: Named,
    /// `--admin-insecure`: whoever reaches the admin side may read it.
    pub admin_insecure: bool,
    /// `--pressure-socket`: where the node agent says how short memory is; None: off.
    pub pressure_socket: Option<PathBuf>,
    /// `--probe`: whether heap reports may ask for the allocator's own figures.
    pub probe: bool,
    pub echoed: Echoed,
}

/// What one client may ask the admin side for. Units: requests a second.
const ADMIN_RATE: u32 = 100;
/// What memcached holds for each answer that waits to be written. Units: bytes.
const ANSWER_BYTES: u64 = 1 << 10;

impl Settings {
    /// Answers of one connection that may wait to be written; None: as many as there are. The limit
    /// for buffers is in memcached each thread's share, counted in its own sizes: so it is here.
    #[must_use]
    pub fn answers_max(&self) -> Option<usize> {
        let share = self.buffer_bytes_max? / self.threads.max(1) as u64;
        usize::try_from((share / ANSWER_BYTES).max(1)).ok()
    }

    /// Addresses and ports on which TCP listens; port 0: any that is free.
    #[must_use]
    pub fn tcp_addresses(&self) -> Vec<SocketAddr> {
        self.addresses(self.port)
    }

    /// As [`Self::tcp_addresses`], for UDP.
    #[must_use]
    pub fn udp_addresses(&self) -> Vec<SocketAddr> {
        self.addresses(self.udp_port)
    }

    fn addresses(&self, port: Port) -> Vec<SocketAddr> {
        let common = match port {
            _ if self.unix_socket.is_some() => return Vec::new(),
            Port::Off => return Vec::new(),
            Port::Any => 0,
            Port::At(port) => port,
        };
        if self.listen.is_empty() {
            return vec![([127, 0, 0, 1], common).into()];
        }
        let addresses = self.listen.iter();
        addresses.map(|l| SocketAddr::new(l.ip, l.port.unwrap_or(common))).collect()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: Vec::new(),
            interfaces: None,
            port: Port::At(11211),
            udp_port: Port::Off,
            unix_socket: None,
            unix_mode: 0o700,
            memory_bytes: 64 << 20,
            item_bytes_max: 1 << 20,
            threads: 4,
            connections_max: 1024,
            refuses_at_once: true,
            commands_per_turn: 20,
            backlog: 1024,
            evicts: true,
            cas: true,
            prefix_delimiter: b':',
            detail: false,
            binding: Binding::Auto,
            auth_file: None,
            flush_all: true,
            dumps: true,
            watches: true,
            shutdown_command: false,
            idle_timeout: None,
            buffer_bytes_max: None,
            watcher_bytes_max: 256 << 10,
            worker_log_bytes_max: 64 << 10,
            track_sizes: false,
            crawler: true,
            crawler_sleep: 100,
            crawler_items: 0,
            restart_file: None,
            verbosity: 0,
            debug_clock: false,
            admin: Some(([127, 0, 0, 1], 11212).into()),
            admin_named: Named { rate: ADMIN_RATE, ..Named::default() },
            admin_insecure: false,
            pressure_socket: Some(plimsoll_pressure::SOCKET.into()),
            probe: true,
            echoed: Echoed::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_with_a_port_of_its_own_keeps_it() {
        let listen = |ip: &str, port| Listen { ip: ip.parse().unwrap(), port };
        let settings = Settings {
            listen: vec![listen("127.0.0.2", None), listen("::1", Some(7))],
            udp_port: Port::Any,
            ..Settings::default()
        };
        let shown: Vec<String> = settings.tcp_addresses().iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["127.0.0.2:11211", "[::1]:7"]);
        assert_eq!(settings.udp_addresses()[0].port(), 0);
    }

    #[test]
    fn a_unix_socket_is_instead_of_the_network() {
        let settings = Settings { unix_socket: Some("/s".into()), ..Settings::default() };
        assert!(settings.tcp_addresses().is_empty());
    }
}
