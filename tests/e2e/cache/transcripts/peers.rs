//! Whom conversations are held with: memcached, the built cache node, the sessions of this process.

use plimsoll_cache::clock::Clock;
use plimsoll_cache::protocol::{
    Alone, Context, Next, Peer as Who, Session, Shared, Transport, Users,
};
use plimsoll_cache::settings::Settings;
use plimsoll_cache::store::{Params, Store};
use plimsoll_cache::watch::Asleep;
use plimsoll_tests::Cache;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// A server that can be talked to.
pub(super) trait Peer {
    fn connect(&self) -> Box<dyn Talk>;
}

/// One connection.
pub(super) trait Talk {
    fn send(&mut self, bytes: &[u8]);

    /// What was received and not taken.
    fn received(&self) -> &[u8];

    fn take(&mut self, len: usize) -> Vec<u8>;

    /// Waits for more; false if none came, or none will.
    fn wait(&mut self, deadline: Instant) -> bool;

    /// Ends it: what came besides, and whether the server had closed it before.
    fn end(self: Box<Self>) -> (Vec<u8>, bool);
}

/// What is sent at the end of a conversation, to see whether more comes than its answer.
const AT_THE_END: &[u8] = b"\r\nmn\r\n";

fn rest(mut received: Vec<u8>) -> Vec<u8> {
    if received.ends_with(b"ERROR\r\nMN\r\n") {
        received.truncate(received.len() - b"ERROR\r\nMN\r\n".len());
    }
    received
}

/// Sessions of this process, driven without sockets.
pub(super) struct Direct {
    context: Context,
}

impl Direct {
    pub(super) fn start(arguments: &[String]) -> Self {
        let (settings, users) = settings(arguments);
        let params = Params {
            limit_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
            item_bytes_max: settings.item_bytes_max,
            partitions: 4,
            evicts: settings.evicts,
        };
        let store = Arc::new(Store::new(params).expect("memory"));
        let shared = Arc::new(Shared::new(&settings, Arc::new(Alone), users));
        let clock = Arc::new(Clock::start());
        let context = Context::new(store, Arc::new(settings), clock, shared, Arc::new(Asleep));
        Self { context }
    }
}

/// What memcached's arguments mean here; only those that transcripts use.
fn settings(arguments: &[String]) -> (Settings, Option<Users>) {
    let mut settings = Settings::default();
    let mut users = None;
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "-A" => settings.shutdown_command = true,
            "-C" => settings.cas = false,
            "-F" => settings.flush_all = false,
            "-W" => settings.watches = false,
            "-X" => settings.dumps = false,
            "-I" => {
                let bytes = words.next().and_then(|bytes| bytes.parse().ok());
                settings.item_bytes_max = bytes.expect("bytes behind -I");
            }
            "-Y" => {
                let text = words.next().expect("users behind -Y").replace(',', "\n");
                users = Some(Users::parse(text.as_bytes()).expect("users"));
            }
            "-o" => drop(words.next()),
            other => panic!("transcripts do not use {other}"),
        }
    }
    (settings, users)
}

impl Peer for Direct {
    fn connect(&self) -> Box<dyn Talk> {
        let who = Who { transport: Transport::Tcp, address: None, fd: 3 };
        Box::new(DirectTalk {
            context: self.context.clone(),
            session: Session::new(who),
            input: Vec::new(),
            out: Vec::new(),
            closed: false,
        })
    }
}

struct DirectTalk {
    context: Context,
    session: Session,
    input: Vec<u8>,
    out: Vec<u8>,
    closed: bool,
}

impl Talk for DirectTalk {
    fn send(&mut self, bytes: &[u8]) {
        if self.closed {
            return;
        }
        self.input.extend_from_slice(bytes);
        loop {
            let mut out = Vec::new();
            let progress = self.session.run(&self.context, &self.input, &mut out);
            self.input.drain(..progress.taken);
            self.out.append(&mut out);
            match progress.next {
                Next::Yield => {}
                Next::Read { at_least } if self.input.len() >= at_least => {}
                Next::Read { at_least } => {
                    assert!(at_least <= Session::input_bytes_max(&self.context.store));
                    return;
                }
                Next::Watch => return,
                Next::Close | Next::Shutdown { .. } => {
                    self.closed = true;
                    return;
                }
            }
        }
    }

    fn received(&self) -> &[u8] {
        &self.out
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        self.out.drain(..len).collect()
    }

    fn wait(&mut self, _deadline: Instant) -> bool {
        false
    }

    fn end(mut self: Box<Self>) -> (Vec<u8>, bool) {
        let closed = self.closed;
        self.send(AT_THE_END);
        (rest(self.out), closed)
    }
}

/// The arguments for a real server: users behind `-Y` are written into a file, which is kept for
/// as long as what is returned.
fn real(arguments: &[String]) -> (Vec<String>, Option<tempfile::NamedTempFile>) {
    let (mut given, mut file) = (Vec::new(), None);
    let mut words = arguments.iter();
    while let Some(word) = words.next() {
        given.push(word.clone());
        if word == "-Y" {
            let users = words.next().expect("users behind -Y").replace(',', "\n");
            let mut made = tempfile::NamedTempFile::new().expect("a file");
            made.write_all(users.as_bytes()).expect("it can be written");
            given.push(made.path().to_string_lossy().into_owned());
            file = Some(made);
        }
    }
    (given, file)
}

/// The built cache node.
pub(super) struct Built {
    cache: Cache,
    /// The auth file.
    _file: Option<tempfile::NamedTempFile>,
}

impl Built {
    pub(super) fn start(arguments: &[String]) -> Self {
        let (given, file) = real(arguments);
        let given: Vec<&str> = given.iter().map(String::as_str).collect();
        Self { cache: Cache::start(&[&["-t", "2"], &given[..]].concat()), _file: file }
    }
}

impl Peer for Built {
    fn connect(&self) -> Box<dyn Talk> {
        Box::new(TcpTalk::connect(self.cache.address.expect("it listens on TCP")))
    }
}

/// A memcached of this machine, on a port of its own.
pub(super) struct Memcached {
    child: Child,
    address: SocketAddr,
    /// The auth file.
    _file: Option<tempfile::NamedTempFile>,
}

impl Memcached {
    /// Whether `program` is there.
    pub(super) fn is_there(program: &str) -> bool {
        Command::new(program).arg("-V").output().is_ok()
    }

    pub(super) fn start(program: &str, arguments: &[String]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = free.local_addr().expect("its address");
        drop(free);
        let (given, file) = real(arguments);
        let mut command = Command::new(program);
        let port = address.port().to_string();
        command.args(["-l", "127.0.0.1", "-p", &port, "-u", "root", "-U", "0", "-t", "2"]);
        command.args(given);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("memcached starts");
        let server = Self { child, address, _file: file };
        plimsoll_tests::wait_for("memcached listens", Duration::from_secs(5), || {
            TcpStream::connect(address).map_err(|e| e.to_string())
        });
        server
    }
}

impl Drop for Memcached {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer for Memcached {
    fn connect(&self) -> Box<dyn Talk> {
        Box::new(TcpTalk::connect(self.address))
    }
}

/// A connection over TCP.
pub(super) struct TcpTalk {
    stream: TcpStream,
    received: Vec<u8>,
    closed: bool,
}

impl TcpTalk {
    pub(super) fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).expect("the server accepts");
        stream.set_nodelay(true).expect("a socket");
        Self { stream, received: Vec::new(), closed: false }
    }

    /// Reads once, for at most so long.
    fn read(&mut self, within: Duration) -> bool {
        let mut piece = [0; 64 << 10];
        let within = within.max(Duration::from_millis(1));
        self.stream.set_read_timeout(Some(within)).expect("a socket");
        match self.stream.read(&mut piece) {
            Ok(0) => self.closed = true,
            Ok(len) => {
                self.received.extend_from_slice(&piece[..len]);
                return true;
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {}
            Err(_) => self.closed = true,
        }
        false
    }
}

impl Talk for TcpTalk {
    fn send(&mut self, bytes: &[u8]) {
        // A server that has closed the connection is found out when its answer is read.
        let _ = self.stream.write_all(bytes);
    }

    fn received(&self) -> &[u8] {
        &self.received
    }

    fn take(&mut self, len: usize) -> Vec<u8> {
        self.received.drain(..len).collect()
    }

    fn wait(&mut self, deadline: Instant) -> bool {
        let left = deadline.saturating_duration_since(Instant::now());
        !left.is_zero() && !self.closed && self.read(left)
    }

    fn end(mut self: Box<Self>) -> (Vec<u8>, bool) {
        // What the server does unasked it does at once; a line that it answers comes after that.
        let _ = self.stream.write_all(AT_THE_END);
        let deadline = Instant::now() + Duration::from_secs(1);
        while !self.received.ends_with(b"MN\r\n") && self.wait(deadline) {}
        let closed = self.closed;
        let _ = self.stream.shutdown(Shutdown::Write);
        while !self.closed && self.wait(Instant::now() + Duration::from_secs(1)) {}
        (rest(std::mem::take(&mut self.received)), closed)
    }
}
