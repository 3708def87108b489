//! Flags, names and files, as scripts for memcached use them.

use plimsoll_tests::{Cache, Client, binary, wait_for};
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

/// Runs it to its end; it must end by itself.
fn ran(program: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).output().expect("it starts")
}

fn refused(args: &[&str]) -> (Option<i32>, String) {
    let output = ran(&binary("plimsoll-cache"), args);
    assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

#[test]
fn help_and_version_are_what_scripts_look_for() {
    let help = ran(&binary("plimsoll-cache"), &["-h"]);
    let text = String::from_utf8_lossy(&help.stdout).into_owned();
    assert!(help.status.success() && help.stderr.is_empty());
    assert!(text.starts_with("memcached 1.6."), "{text}");
    for flag in ["-p,", "--unix-socket", "--memory-limit", "--admin", "idle_timeout"] {
        assert!(text.contains(flag), "{flag}");
    }
    let version = ran(&binary("plimsoll-cache"), &["-V"]).stdout;
    assert!(version.starts_with(b"memcached 1.6."));
    assert!(ran(&binary("plimsoll-cache"), &["-i"]).status.success());
}

#[test]
fn nonsense_is_refused_with_the_exit_codes_of_memcached() {
    for (args, code) in [
        (&["-c", "0"][..], 1),
        (&["-t", "0"], 1),
        (&["-B", "http"], 64),
        (&["-l", "no.such.host.invalid"], 64),
        (&["-I", "1000"], 64),
        (&["-p", "70000"], 64),
        (&["-o", "nonsense"], 1),
        (&["--nonsense"], 1),
        (&["--config", "/nonexistent/file"], 78),
        (&["-Y", "/nonexistent/file"], 1),
        (&["-s", "/nonexistent/dir/socket"], 71),
    ] {
        let (got, said) = refused(args);
        assert_eq!(got, Some(code), "{args:?}: {said}");
        assert!(said.contains("plimsoll-cache: "), "{args:?}: {said}");
    }
}

#[test]
fn an_address_in_use_is_refused_and_said_though_ports_are_shared_between_threads() {
    let cache = Cache::start(&["-t", "2"]);
    let port = cache.address.expect("it listens on TCP").port().to_string();
    let (code, said) = refused(&["-p", &port, "--admin", "off"]);
    assert_eq!(code, Some(71), "{said}");
    assert!(said.contains(&port), "{said}");
}

#[test]
fn an_admin_port_in_use_does_not_keep_it_from_serving() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = taken.local_addr().expect("bound").to_string();
    let cache = Cache::start(&["--admin", &address]);
    assert_eq!(cache.client().ask("get a"), "END");
    assert!(cache.log().contains("no admin side"), "{}", cache.log());
}

#[test]
fn under_the_name_of_memcached_it_wants_a_user_and_says_nothing() {
    let dir = tempfile::tempdir().expect("a directory");
    let name = dir.path().join("memcached");
    std::os::unix::fs::symlink(binary("plimsoll-cache"), &name).expect("a link");
    let mut command = Command::new(&name);
    command.args(["-p", "-1", "-m", "64"]);
    if rustix::process::geteuid().is_root() {
        let output = ran(&name, &["-p", "-1"]);
        assert_eq!(output.status.code(), Some(64), "{output:?}");
        command.args(["-u", "nobody"]);
    }
    let mut cache = Cache::spawn(command);
    if rustix::process::geteuid().is_root() {
        let status = std::fs::read_to_string(format!("/proc/{}/status", cache.pid()));
        let status = status.expect("it runs");
        let ids =
            |what| status.lines().find(|line: &&str| line.starts_with(what)).map(str::to_owned);
        assert_eq!(ids("Uid:").as_deref(), Some("Uid:\t65534\t65534\t65534\t65534"));
        assert_eq!(ids("Groups:").map(|line| line.trim().to_owned()).as_deref(), Some("Groups:"));
    }
    assert_eq!(cache.client().ask("get a"), "END");
    assert_eq!(cache.log(), "");
    assert_eq!(cache.terminate(), Some(0));
}

#[test]
fn a_daemon_is_there_when_the_command_returns_and_its_pid_file_goes_with_it() {
    let dir = tempfile::tempdir().expect("a directory");
    let (pid_file, socket) = (dir.path().join("pid"), dir.path().join("socket"));
    let text = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    let started = ran(
        &binary("plimsoll-cache"),
        &["-d", "-P", &text(&pid_file), "-s", &text(&socket), "--admin", "off", "-m", "64"],
    );
    assert!(started.status.success(), "{started:?}");
    let pid = std::fs::read_to_string(&pid_file).expect("a pid file");
    let pid = pid.trim().parse().ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
    let stop = Stop(pid);
    assert_eq!(Client::unix(&socket).ask("get a"), "END");
    let shown = Client::unix(&socket).multi("stats");
    assert!(shown.contains(&format!("STAT pid {}\n", pid.as_raw_nonzero())), "{shown}");
    drop(stop);
    wait_for("its files are gone", SOON, || match (pid_file.exists(), socket.exists()) {
        (false, false) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    let failed =
        ran(&binary("plimsoll-cache"), &["-d", "-s", "/nonexistent/dir/socket", "--admin", "off"]);
    assert_eq!(failed.status.code(), Some(71), "{failed:?}");
}

/// Ends a process that is no child, also when the test fails.
struct Stop(rustix::process::Pid);

impl Drop for Stop {
    fn drop(&mut self) {
        // Fails only if it has ended already.
        let _ = rustix::process::kill_process(self.0, rustix::process::Signal::TERM);
    }
}

#[test]
fn a_configuration_file_holds_the_same_flags() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "conn-limit = 17\nextended = ['idle_timeout=77']\nthreads = 3\n")
        .expect("written");
    let path = file.path().to_str().expect("UTF-8");
    let cache = Cache::start(&["--config", path, "-t", "2"]);
    assert_eq!(cache.count("settings maxconns"), 17);
    assert_eq!(cache.count("settings idle_timeout"), 77);
    assert_eq!(cache.count("settings num_threads"), 2);
}

#[test]
fn a_debug_clock_moves_only_where_it_was_asked_for() {
    let cache = Cache::start(&[]);
    assert!(cache.client().ask("debugtime 10").contains("ERROR"));
    let mut command = Command::new(binary("plimsoll-cache"));
    command.args(["-p", "-1", "--admin", "off"]).env("PLIMSOLL_CACHE_DEBUG_CLOCK", "1");
    let cache = Cache::spawn(command);
    let mut client = cache.client();
    assert_eq!(client.ask("set a 0 100 1\r\n1"), "STORED");
    assert_eq!(client.ask("debugtime 99").as_str(), "OK");
    assert!(client.get("a").is_some());
    assert_eq!(client.ask("debugtime 2").as_str(), "OK");
    assert_eq!(client.get("a"), None);
}

#[test]
fn what_prometheus_scrapes_is_well_formed_and_counts_what_was_done() {
    let cache = Cache::start(&[]);
    let mut client = cache.client();
    client.set("a", "1");
    assert!(client.get("a").is_some());
    assert_eq!(client.get("b"), None);
    let text = cache.get("/metrics").body;
    for line in [
        "memcached_commands_total{command=\"get\",status=\"hit\"} 1.0",
        "memcached_commands_total{command=\"get\",status=\"miss\"} 1.0",
        "memcached_current_items 1.0",
        "memcached_current_connections 1.0",
        "memcached_up 1.0",
    ] {
        assert!(text.lines().any(|got| got == line), "no {line} in:\n{text}");
    }
    assert!(text.contains("plimsoll_cache_used_bytes{part=\"segments\"}"), "{text}");
    super::super::clients::promtool_accepts(&text);
    let verbose = cache.get("/readyz?verbose");
    assert_eq!(verbose.status, 200);
    assert!(verbose.body.contains("[+] workers: 4 of 4"), "{}", verbose.body);
    assert_eq!(cache.get("/healthz").body, "ok\n");
    assert_eq!(cache.get("/nothing").status, 404);
}
