//! A real kill, seen by both ways to the kernel log.

use super::*;
use crate::units::{Bytes, Limit};
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// A memory cgroup of our own with a limit, removed at the end.
struct Memcg {
    dir: PathBuf,
    path: String,
}

impl Memcg {
    /// On v1 if the memory controller is there, else on v2.
    fn with_limit(limit: Bytes) -> std::io::Result<Self> {
        let path = format!("/plimsoll-test-oom-{}", std::process::id());
        let v1 = PathBuf::from("/sys/fs/cgroup/memory");
        let (root, file) = if v1.join("memory.limit_in_bytes").exists() {
            (v1, "memory.limit_in_bytes")
        } else {
            ("/sys/fs/cgroup".into(), "memory.max")
        };
        let memcg = Self { dir: root.join(&path[1..]), path };
        fs::create_dir(&memcg.dir)?;
        fs::write(memcg.dir.join(file), limit.0.to_string())?;
        Ok(memcg)
    }

    /// Runs `script` inside and waits for it.
    fn run(&self, script: &str) {
        let procs = self.dir.join("cgroup.procs");
        Command::new("sh")
            .args(["-c", &format!("echo $$ > {} && {script}", procs.display())])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
    }
}

impl Drop for Memcg {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.dir);
    }
}

fn open_syslog() -> OomLog {
    OomLog::following(Source::Syslog(Syslog::probe().unwrap()), None)
}

fn our_kills(log: &mut OomLog, memcg: &Memcg) -> Vec<OomKill> {
    let mut kills = Vec::new();
    while log.drain(&mut kills).unwrap().more {}
    kills.retain(|kill| kill.oom_memcg.as_deref() == Some(&memcg.path));
    kills
}

#[test]
fn a_real_kill_in_a_memory_cgroup_is_seen_with_its_victim_and_its_limit() {
    let roots = Roots::default();
    let limit = Bytes::mib(16);
    let (memcg, mut by_kmsg) = match (Memcg::with_limit(limit), OomLog::open(&roots)) {
        (Ok(memcg), Ok(log)) => (memcg, log),
        (memcg, log) => {
            eprintln!("skipped: cgroup: {:?}; log: {:?}", memcg.err(), log.err());
            return;
        }
    };
    let mut by_syslog = open_syslog();
    assert_eq!((by_kmsg.how(), by_syslog.how()), ("kmsg", "syslog"));
    assert_eq!(our_kills(&mut by_kmsg, &memcg), []);

    memcg.run("head -c 64M /dev/zero | tail");

    let kills = our_kills(&mut by_kmsg, &memcg);
    assert_eq!(kills.len(), 1, "{kills:?}");
    let kill = &kills[0];
    assert_eq!((kill.victim_comm.as_str(), kill.before_start), ("tail", false));
    assert_eq!((kill.constraint, kill.global), (Constraint::Memcg, false));
    assert_eq!(kill.memcg, kill.oom_memcg);
    assert_eq!(kill.limit, Some(Limit::At(limit)));
    assert!(kill.usage.unwrap() > Bytes::mib(8) && kill.anon_rss.unwrap() > Bytes::mib(8));
    assert!(kill.tasks.iter().any(|task| task.pid == kill.victim_pid && task.name == "tail"));
    assert_eq!(kill.victim_uid, Some(0));
    let lag = crate::clock::Clock::start().now().since(kill.at);
    assert!(lag < std::time::Duration::from_secs(60), "{lag:?}");

    assert_eq!(our_kills(&mut by_syslog, &memcg), kills);
    assert_eq!(our_kills(&mut by_kmsg, &memcg), []);
    assert_eq!(our_kills(&mut by_syslog, &memcg), []);

    let mut late = OomLog::open_since(&roots, kill.at).unwrap();
    assert_eq!(our_kills(&mut late, &memcg), [OomKill { before_start: true, ..kill.clone() }]);
    let mut later = OomLog::open_since(&roots, Stamp(kill.at.0 + 1)).unwrap();
    assert_eq!(our_kills(&mut later, &memcg), []);
}

#[test]
fn a_kill_that_a_process_feigns_is_not_believed() {
    let feigned = "Out of memory: Killed process 1 (plimsoll-feign) total-vm:1kB, anon-rss:1kB";
    let Ok(mut by_kmsg) = OomLog::open(&Roots::default()) else {
        eprintln!("skipped: no kernel log");
        return;
    };
    let mut by_syslog = open_syslog();
    if let Err(error) = fs::write("/dev/kmsg", feigned) {
        eprintln!("skipped: /dev/kmsg: {error}");
        return;
    }
    for log in [&mut by_kmsg, &mut by_syslog] {
        let mut kills = Vec::new();
        while log.drain(&mut kills).unwrap().more {}
        assert!(kills.iter().all(|kill| kill.victim_comm != "plimsoll-feign"), "{}", log.how());
    }
}

#[test]
fn the_advice_names_what_would_help() {
    let proc = tempfile::tempdir().unwrap();
    let kernel = proc.path().join("sys/kernel");
    fs::create_dir_all(&kernel).unwrap();
    let roots = Roots { proc: proc.path().into(), ..Roots::default() };
    fs::write(kernel.join("dmesg_restrict"), "1\n").unwrap();
    assert!(advice(&roots).contains("capability SYSLOG"));
    fs::write(kernel.join("dmesg_restrict"), "0\n").unwrap();
    assert!(advice(&roots).contains("seccomp"));
}
