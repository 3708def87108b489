//! A real cache node on a free port, and a client that speaks lines.

use crate::agent::{Answer, Lines, collect, http, signal};
use crate::{binary, wait_for};
use rustix::process::Signal;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long anything that must happen may take.
const SOON: Duration = Duration::from_secs(20);

/// A running server. Dropped, it is killed.
#[derive(Debug)]
pub struct Cache {
    child: Child,
    /// Where TCP listens; None: nowhere.
    pub address: Option<SocketAddr>,
    pub udp: Option<SocketAddr>,
    /// Where the admin side answers, unless it is switched off.
    pub admin: Option<SocketAddr>,
    stderr: Arc<Lines>,
    _scratch: tempfile::TempDir,
}

impl Cache {
    /// Starts it on a free port with `args` and waits until it listens. The admin side is on a free
    /// port too, unless `args` say otherwise.
    #[must_use]
    #[track_caller]
    pub fn start(args: &[&str]) -> Self {
        let mut command = Command::new(binary("plimsoll-cache"));
        if !args.iter().any(|arg| arg.starts_with("-p") || *arg == "-s") {
            command.args(["-p", "-1"]);
        }
        if !args.contains(&"--admin") {
            command.args(["--admin", "127.0.0.1:0"]);
        }
        command.args(args);
        Self::spawn(command)
    }

    /// Starts `command`, which runs a cache node, perhaps in a cgroup or under another name.
    ///
    /// # Panics
    /// When it does not listen soon.
    #[must_use]
    #[track_caller]
    pub fn spawn(mut command: Command) -> Self {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        // The server may have become another user when it writes there.
        std::fs::set_permissions(scratch.path(), PermissionsExt::from_mode(0o777)).expect("a mode");
        let ports = scratch.path().join("ports");
        command.env("MEMCACHED_PORT_FILENAME", &ports);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the cache starts");
        let stderr = collect(child.stderr.take().expect("stderr is piped"));
        let mut cache =
            Self { child, address: None, udp: None, admin: None, stderr, _scratch: scratch };
        let text = wait_for("the cache listens", SOON, || {
            if let Ok(Some(status)) = cache.child.try_wait() {
                panic!("the cache ended ({status}); log:\n{}", cache.log());
            }
            std::fs::read_to_string(&ports).map_err(|e| format!("{e}; log:\n{}", cache.log()))
        });
        let port = |kind: &str| {
            let found = text.lines().find_map(|line| line.strip_prefix(kind)?.trim().parse().ok());
            found.map(|port: u16| SocketAddr::from(([127, 0, 0, 1], port)))
        };
        cache.address = port("TCP INET:");
        cache.udp = port("UDP INET:");
        let off = command.get_args().any(|arg| arg == "off");
        cache.admin = if off { None } else { cache.admin_said() };
        cache
    }

    /// Where the admin side says that it is. None if it says that there is none, or for long
    /// nothing at all: what it writes may come later than the ports.
    fn admin_said(&self) -> Option<SocketAddr> {
        let deadline = Instant::now() + SOON;
        while Instant::now() < deadline {
            let log = self.log();
            let told = log.lines().find(|line| line.contains("admin: "));
            if let Some((_, address)) = told.and_then(|line| line.split_once("address=")) {
                return address.trim().parse().ok();
            }
            if log.contains("no admin side") {
                return None;
            }
            std::thread::park_timeout(Duration::from_millis(5));
        }
        None
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it has written to stderr so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.stderr.lock().clone()
    }

    /// A new connection.
    ///
    /// # Panics
    /// When it listens on no TCP port, or cannot be reached.
    #[must_use]
    #[track_caller]
    pub fn client(&self) -> Client {
        let address = self.address.expect("it listens on TCP");
        let stream = TcpStream::connect(address).expect("the cache accepts");
        stream.set_nodelay(true).expect("an option of a socket");
        Client::new(Stream::Tcp(stream))
    }

    /// Asks its admin side for `path`.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        let address = self.admin.expect("there is an admin side").to_string();
        http(&address, path).unwrap_or_else(|e| panic!("GET {path}: {e}; log:\n{}", self.log()))
    }

    /// One line of `stats`, or of `stats WHAT` for `WHAT name`.
    ///
    /// # Panics
    /// When there is no such line.
    #[must_use]
    #[track_caller]
    pub fn stat(&self, name: &str) -> String {
        let (which, name) = name.split_once(' ').unwrap_or(("", name));
        let text = self.client().multi(&format!("stats {which}"));
        let prefix = format!("STAT {name} ");
        let found = text.lines().find_map(|line| line.strip_prefix(&prefix));
        found.unwrap_or_else(|| panic!("no {name} in:\n{text}")).to_owned()
    }

    /// The same as a number.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    #[track_caller]
    pub fn count(&self, name: &str) -> u64 {
        let text = self.stat(name);
        text.parse().unwrap_or_else(|e| panic!("{name} {text}: {e}"))
    }

    pub fn signal(&self, which: Signal) {
        signal(&self.child, which);
    }

    /// Waits for its end; the exit code.
    ///
    /// # Panics
    /// When it does not end soon.
    #[track_caller]
    pub fn ended(&mut self) -> Option<i32> {
        wait_for("the cache ends", SOON, || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => Err(format!("{other:?}; log:\n{}", self.log())),
        })
    }

    /// SIGTERM, and its exit code.
    #[track_caller]
    pub fn terminate(&mut self) -> Option<i32> {
        self.signal(Signal::TERM);
        self.ended()
    }

    pub fn kill(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Cache {
    fn drop(&mut self) {
        self.kill();
    }
}

#[derive(Debug)]
enum Stream {
    Tcp(TcpStream),
    Unix(UnixStream),
}

impl std::io::Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Tcp(stream) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        }
    }
}

/// A connection. Every read has a time limit.
#[derive(Debug)]
pub struct Client {
    stream: BufReader<Stream>,
}

impl Client {
    fn new(stream: Stream) -> Self {
        let set = match &stream {
            Stream::Tcp(stream) => stream.set_read_timeout(Some(SOON)),
            Stream::Unix(stream) => stream.set_read_timeout(Some(SOON)),
        };
        set.expect("an option of a socket");
        Self { stream: BufReader::new(stream) }
    }

    /// Connects to a unix socket.
    ///
    /// # Panics
    /// When nobody listens there.
    #[must_use]
    #[track_caller]
    pub fn unix(path: &std::path::Path) -> Self {
        Self::new(Stream::Unix(UnixStream::connect(path).expect("the cache accepts")))
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// The connection is closed.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> std::io::Result<()> {
        match self.stream.get_mut() {
            Stream::Tcp(stream) => stream.write_all(bytes.as_ref()),
            Stream::Unix(stream) => stream.write_all(bytes.as_ref()),
        }
    }

    /// # Panics
    /// When the connection is closed.
    #[track_caller]
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).expect("the cache reads");
    }

    /// The next line without its end; None at the end of the connection.
    #[must_use]
    #[track_caller]
    pub fn try_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        match self.stream.read_until(b'\n', &mut line) {
            Ok(0) => None,
            Ok(_) => Some(String::from_utf8_lossy(&line).trim_end().to_owned()),
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => None,
            Err(e) => panic!("no line: {e}"),
        }
    }

    /// # Panics
    /// When the connection ends.
    #[must_use]
    #[track_caller]
    pub fn line(&mut self) -> String {
        self.try_line().expect("a line")
    }

    /// Sends a command and reads one line.
    #[must_use]
    #[track_caller]
    pub fn ask(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        self.line()
    }

    /// Sends a command and reads up to the line `END`, which is left out, or to an error.
    #[must_use]
    #[track_caller]
    pub fn multi(&mut self, command: &str) -> String {
        self.send(format!("{command}\r\n"));
        let mut text = String::new();
        loop {
            let line = self.line();
            if line == "END" {
                return text;
            }
            let ends = line.contains("ERROR");
            text += &line;
            text.push('\n');
            if ends {
                return text;
            }
        }
    }

    /// Stores a value.
    ///
    /// # Panics
    /// When it is not stored.
    #[track_caller]
    pub fn set(&mut self, key: &str, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.send(
            [format!("set {key} 0 0 {}\r\n", value.len()).as_bytes(), value, b"\r\n"].concat(),
        );
        assert_eq!(self.line(), "STORED", "set {key}");
    }

    /// Fetches a value.
    ///
    /// # Panics
    /// When the answer is not as the protocol has it.
    #[must_use]
    #[track_caller]
    pub fn get(&mut self, key: &str) -> Option<Vec<u8>> {
        let line = self.ask(&format!("get {key}"));
        if line == "END" {
            return None;
        }
        let words: Vec<&str> = line.split(' ').collect();
        assert_eq!(&words[..2], ["VALUE", key], "{line}");
        let value = self.bytes(words[3].parse().expect("a length"));
        assert_eq!(self.bytes(7), b"\r\nEND\r\n");
        Some(value)
    }

    /// Exactly so many bytes.
    ///
    /// # Panics
    /// When fewer come.
    #[must_use]
    #[track_caller]
    pub fn bytes(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        self.stream.read_exact(&mut bytes).expect("so many bytes");
        bytes
    }

    /// Everything up to the end of the connection.
    ///
    /// # Panics
    /// When it does not end soon.
    #[must_use]
    #[track_caller]
    pub fn rest(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.stream.read_to_end(&mut bytes) {
            Ok(_) => {}
            Err(e) if e.kind() == std::io::ErrorKind::ConnectionReset => {}
            Err(e) => panic!("no end: {e}"),
        }
        bytes
    }

    /// Says that nothing more will be sent.
    pub fn finish(&self) {
        // Fails only if the connection is closed already.
        let _ = match self.stream.get_ref() {
            Stream::Tcp(stream) => stream.shutdown(std::net::Shutdown::Write),
            Stream::Unix(stream) => stream.shutdown(std::net::Shutdown::Write),
        };
    }
}
