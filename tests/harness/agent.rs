//! A real agent on a free port, with a state directory of its own.

use crate::{binary, wait_for};
use parking_lot::{Mutex, MutexGuard};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

#[derive(Debug)]
pub struct Agent {
    child: Child,
    pub address: String,
    state_dir: PathBuf,
    /// Keeps the directory of an agent that was not given one.
    _scratch: Option<tempfile::TempDir>,
    stderr: Arc<Lines>,
}

pub(crate) type Lines = Mutex<String>;
/// The socket of the pressure signal, below the state directory.
const PRESSURE_SOCKET: &str = "pressure.sock";

/// An HTTP answer as it came.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    /// # Panics
    /// When the body is no JSON.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e} in {}", self.body))
    }
}

impl Agent {
    /// Starts an agent and waits until it is ready.
    #[must_use]
    pub fn start(args: &[&str]) -> Self {
        let scratch = tempfile::tempdir().expect("a temporary directory");
        let mut agent = Self::start_in(scratch.path(), args);
        agent._scratch = Some(scratch);
        agent
    }

    /// Starts an agent on a state directory that outlives it.
    #[must_use]
    pub fn start_in(state_dir: &Path, args: &[&str]) -> Self {
        let mut command = Command::new(binary("plimsoll"));
        command.args(["run", "--listen", "127.0.0.1:0", "--state-dir"]).arg(state_dir).args(args);
        // One of its own: the default place is one agent's only.
        command.env("PLIMSOLL_PRESSURE_SOCKET", state_dir.join(PRESSURE_SOCKET));
        Self::spawn(command, state_dir)
    }

    /// Starts `command`, which runs an agent that announces its address.
    ///
    /// # Panics
    /// When it does not become ready.
    #[must_use]
    pub fn spawn(mut command: Command, state_dir: &Path) -> Self {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("plimsoll starts");
        let stdout = collect(child.stdout.take().expect("stdout is piped"));
        let stderr = collect(child.stderr.take().expect("stderr is piped"));
        let mut agent = Self {
            child,
            address: String::new(),
            state_dir: state_dir.to_owned(),
            _scratch: None,
            stderr,
        };
        let mut has_tls = false;
        agent.address =
            wait_for("the agent announces its address", Duration::from_secs(20), || {
                let said = locked(&stdout).clone() + &locked(&agent.stderr);
                let at = said.find("http").ok_or_else(|| said.clone())?;
                let (scheme, rest) = said[at..].split_once("://").ok_or_else(|| said.clone())?;
                has_tls = scheme == "https";
                let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ':');
                Ok(rest[..end.unwrap_or(rest.len())].to_owned())
            });
        if has_tls {
            // Who speaks TLS asks for himself.
            return agent;
        }
        wait_for("the agent is ready", Duration::from_secs(20), || {
            match agent.try_get("/readyz") {
                Ok(answer) if answer.status == 200 => Ok(()),
                other => Err(format!("{other:?}")),
            }
        });
        agent
    }

    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    #[must_use]
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Where applications subscribe to the pressure signal.
    #[must_use]
    pub fn pressure_socket(&self) -> PathBuf {
        self.state_dir.join(PRESSURE_SOCKET)
    }

    /// What it has written to stderr so far: the log.
    #[must_use]
    pub fn log(&self) -> String {
        locked(&self.stderr).clone()
    }

    /// # Panics
    /// When no answer comes.
    #[must_use]
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.try_get(path).unwrap_or_else(|e| panic!("GET {path}: {e}; log:\n{}", self.log()))
    }

    /// # Panics
    /// When the answer is not 200 and JSON.
    #[must_use]
    #[track_caller]
    pub fn json(&self, path: &str) -> Value {
        let answer = self.get(path);
        assert_eq!(answer.status, 200, "GET {path}: {}", answer.body);
        answer.json()
    }

    /// # Errors
    /// When no answer comes.
    pub fn try_get(&self, path: &str) -> Result<Answer, String> {
        http(&self.address, path)
    }

    /// The value of one line of `/metrics`, named with its labels as it is printed.
    ///
    /// # Panics
    /// When there is no such line.
    #[must_use]
    #[track_caller]
    pub fn metric(&self, series: &str) -> f64 {
        let text = self.get("/metrics").body;
        let value = |line: &str| line.strip_prefix(series)?.strip_prefix(' ')?.parse().ok();
        text.lines().find_map(value).unwrap_or_else(|| panic!("no {series} in:\n{text}"))
    }

    /// The alerts, firing and resolved, that concern process `pid` or the cgroup `path`.
    ///
    /// # Panics
    /// When the answer is not as documented.
    #[must_use]
    #[track_caller]
    pub fn alerts_on(&self, pid: u32, path: Option<&str>) -> Vec<Value> {
        let alerts = self.json("/api/v1/alerts");
        let pid = pid.to_string();
        let concerns = |alert: &&Value| {
            let labels = &alert["labels"];
            let own = |name: &str, value: &str| labels[name].as_str() == Some(value);
            own("pid", &pid) || path.is_some_and(|path| own("cgroup", path))
        };
        alerts.as_array().expect("a list").iter().filter(concerns).cloned().collect()
    }

    /// The first event since the agent's start that is `wanted`, waited for as long as `within`.
    ///
    /// # Panics
    /// When none comes.
    #[track_caller]
    pub fn event(&self, within: Duration, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut stream = TcpStream::connect(&self.address).expect("the agent listens");
        stream.set_read_timeout(Some(within)).expect("a timeout can be set");
        // Version 1.0 has no chunks: the body is the bare stream.
        let request =
            format!("GET /api/v1/events?after=0 HTTP/1.0\r\nHost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).expect("the agent reads");
        let deadline = Instant::now() + within;
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let data = line.strip_prefix("data:").map(str::trim);
            if let Some(event) = data.and_then(|data| serde_json::from_str(data).ok())
                && wanted(&event)
            {
                return event;
            }
            assert!(Instant::now() < deadline, "no such event within {within:?}");
        }
        panic!("the stream ended or fell silent; log:\n{}", self.log());
    }

    /// One source of `/readyz`, as `[+] name: …` shows it.
    ///
    /// # Panics
    /// When there is no such source.
    #[must_use]
    #[track_caller]
    pub fn source(&self, name: &str) -> String {
        let text = self.get("/readyz?verbose").body;
        let named = |line: &&str| line.get(4..).is_some_and(|l| l.starts_with(&format!("{name}:")));
        text.lines().find(named).unwrap_or_else(|| panic!("no {name} in:\n{text}")).to_owned()
    }

    /// Sends `request` as it is and reads to the end.
    ///
    /// # Errors
    /// When no answer comes.
    pub fn request(&self, request: &str) -> Result<Answer, String> {
        exchange(&self.address, request)
    }

    /// Sends JSON by `method` and reads the answer.
    ///
    /// # Panics
    /// When no answer comes.
    #[must_use]
    #[track_caller]
    pub fn send_json(&self, method: &str, path: &str, body: &str) -> Answer {
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        self.request(&request).unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// SIGKILL: no goodbye.
    pub fn kill(&mut self) {
        // Fails only if it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// SIGTERM, and its exit code.
    ///
    /// # Panics
    /// When it does not end within ten seconds.
    pub fn terminate(&mut self) -> Option<i32> {
        signal(&self.child, rustix::process::Signal::TERM);
        wait_for("the agent ends", Duration::from_secs(10), || match self.child.try_wait() {
            Ok(Some(status)) => Ok(status.code()),
            other => Err(format!("{other:?}")),
        })
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends a signal to a child that was not waited for yet.
pub(crate) fn signal(child: &Child, signal: rustix::process::Signal) {
    let pid = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw);
    if let Some(pid) = pid {
        // Fails only if it has ended already.
        let _ = rustix::process::kill_process(pid, signal);
    }
}

pub(crate) fn collect(stream: impl Read + Send + 'static) -> Arc<Lines> {
    let lines = Arc::new(Lines::default());
    let kept = Arc::clone(&lines);
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            let mut kept = locked(&kept);
            kept.push_str(&line);
            kept.push('\n');
        }
    });
    lines
}

fn locked(lines: &Lines) -> MutexGuard<'_, String> {
    lines.lock()
}

/// Asks the HTTP server at `address` for `path`.
pub(crate) fn http(address: &str, path: &str) -> Result<Answer, String> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    exchange(address, &request)
}

/// Sends `request` to a server as it is and reads the answer to its end.
///
/// # Errors
/// When no answer comes.
pub fn exchange(address: &str, request: &str) -> Result<Answer, String> {
    let mut stream = TcpStream::connect(address).map_err(|e| e.to_string())?;
    let timeout = Some(Duration::from_secs(20));
    stream.set_read_timeout(timeout).map_err(|e| e.to_string())?;
    stream.write_all(request.as_bytes()).map_err(|e| e.to_string())?;
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).map_err(|e| e.to_string())?;
    let text = String::from_utf8(bytes).map_err(|e| e.to_string())?;
    let (head, body) = text.split_once("\r\n\r\n").ok_or_else(|| text.clone())?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).ok_or(head)?;
    let body = if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        unchunked(body)
    } else {
        body.to_owned()
    };
    Ok(Answer { status, head: head.to_owned(), body })
}

fn unchunked(mut body: &str) -> String {
    let mut whole = String::new();
    while let Some((size, rest)) = body.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).unwrap_or(0);
        let Some(chunk) = rest.get(..size).filter(|c| !c.is_empty()) else { break };
        whole.push_str(chunk);
        body = rest.get(size + 2..).unwrap_or_default();
    }
    whole
}
