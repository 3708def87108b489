//! Real processes of every kind that cannot be read, and one that can.

use super::*;
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

struct Mortal(Child);

impl Drop for Mortal {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that runs: it has answered.
fn running(command: &mut Command) -> Mortal {
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut child = Mortal(child);
    child.0.stdin.as_mut().unwrap().write_all(b"x\n").unwrap();
    child.0.stdout.as_mut().unwrap().read_exact(&mut [0; 2]).unwrap();
    child
}

#[test]
fn a_process_is_opened_once_and_known_again() {
    let child = running(&mut Command::new("cat"));
    let opened = Opened::open(child.0.id()).unwrap();
    assert_eq!(opened.pid(), child.0.id());
    assert!(opened.is_64_bit && opened.same_namespace);
    assert!(opened.status.rss_bytes.is_some());
    assert!(opened.link("exe").is_some());
    opened.check().unwrap();
}

#[test]
fn a_process_that_ended_is_gone_though_its_directory_is_kept() {
    let mut child = running(&mut Command::new("cat"));
    let deadline = Instant::now() + std::time::Duration::from_secs(10);
    let opened = Opened::open(child.0.id()).unwrap();
    child.0.kill().unwrap();
    loop {
        match opened.check() {
            Err(Refusal::Zombie { .. }) => break,
            Err(Refusal::Gone { .. }) | Ok(()) => {}
            Err(other) => panic!("{other}"),
        }
        assert!(Instant::now() < deadline, "it never became a zombie");
        std::thread::yield_now();
    }
    assert!(matches!(Opened::open(child.0.id()), Err(Refusal::Zombie { .. })));
    child.0.wait().unwrap();
    assert!(matches!(opened.check(), Err(Refusal::Gone { .. })));
    assert!(matches!(Opened::open(child.0.id()), Err(Refusal::Gone { .. })));
}

#[test]
fn a_kernel_thread_is_refused_where_one_can_be_seen() {
    let name = std::fs::read_to_string("/proc/2/comm").unwrap_or_default();
    if name.trim() != "kthreadd" {
        println!("skipped: no kernel thread is visible here");
        return;
    }
    assert!(matches!(Opened::open(2), Err(Refusal::KernelThread { pid: 2 })));
}

#[test]
fn a_program_that_replaced_another_is_told_apart() {
    let script = "read line; echo $line; read line; exec sleep 100";
    let mut child = running(Command::new("sh").args(["-c", script]));
    let opened = Opened::open(child.0.id()).unwrap();
    opened.check().unwrap();
    child.0.stdin.take().unwrap().write_all(b"\n").unwrap();
    let deadline = Instant::now() + std::time::Duration::from_secs(10);
    while opened.check().is_ok() {
        assert!(Instant::now() < deadline, "exec was never seen");
        std::thread::yield_now();
    }
    assert!(matches!(opened.check(), Err(Refusal::Unavailable { .. })));
}
