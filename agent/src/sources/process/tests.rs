//! Against the `/proc` of the machine that runs the tests.

use super::*;
use crate::sources::{ReadError, Roots};
use crate::target::ProcessId;
use crate::units::{Bytes, Pages};
use rustix::process::{WaitId, WaitIdOptions, geteuid, waitid};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// A child that is killed and reaped at the end of the test.
struct Running(Child);

impl Running {
    /// Waits for the exec, which goes on in the child when spawn has returned.
    fn start(program: &Path, arguments: &[&str]) -> Self {
        let mut command = Command::new(program);
        let child = Self(command.args(arguments).stdin(Stdio::piped()).spawn().unwrap());
        let cmdline = format!("/proc/{}/cmdline", child.pid());
        let argv0 = program.as_os_str().as_bytes();
        until(|| std::fs::read(&cmdline).unwrap().starts_with(argv0));
        child
    }

    fn sleeper() -> Self {
        Self::start(Path::new("/bin/sleep"), &["600"])
    }

    fn pid(&self) -> u32 {
        self.0.id()
    }

    fn id(&self) -> ProcessId {
        read_identity(&Roots::default(), self.pid()).unwrap().id
    }

    /// Kills the child and leaves it a zombie.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        let pid = WaitId::Pid(rustix::process::Pid::from_child(&self.0));
        waitid(pid, WaitIdOptions::EXITED | WaitIdOptions::NOWAIT).unwrap();
    }

    fn reap(&mut self) {
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn own_id() -> ProcessId {
    read_identity(&Roots::default(), std::process::id()).unwrap().id
}

/// Waits for what comes soon.
fn until(holds: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain");
        std::thread::yield_now();
    }
}

fn is_gone<T>(result: Result<T, ReadError>) -> bool {
    matches!(result, Err(ReadError::Gone))
}

#[test]
fn this_process_knows_itself() {
    let identity = read_identity(&Roots::default(), std::process::id()).unwrap();
    let exe = std::env::current_exe().unwrap();
    assert_eq!(identity.exe.as_deref(), exe.to_str());
    assert_eq!(identity.uid, Some(geteuid().as_raw()));
    assert_eq!(identity.ppid, std::os::unix::process::parent_id());
    assert!(!identity.kernel_thread);
    let raw = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    assert!(raw.contains(identity.cgroup.path().unwrap()), "{raw}");
}

#[test]
fn the_sources_agree_on_the_memory_of_this_process() {
    let roots = Roots::default();
    let page = Bytes(rustix::param::page_size() as u64);
    let ballast = vec![1_u8; 64 << 20];
    let (statm, rss) = read_statm_at(&roots, own_id()).unwrap();
    let details = read_details(&roots, own_id()).unwrap();
    let rollup = read_smaps_rollup(&roots, own_id()).unwrap();
    let readings = [
        statm.resident.to_bytes(page),
        rss.to_bytes(page),
        read_stat_rss(&roots, own_id()).unwrap().to_bytes(page),
        details.stat.rss.to_bytes(page),
        details.status.vm_rss.unwrap(),
        rollup.rss.unwrap(),
        rollup.pss.unwrap(),
        rollup.uss().unwrap(),
    ];
    for reading in readings {
        assert!(reading > Bytes::mib(64) && reading < Bytes::mib(160), "{readings:?}");
    }
    assert!(details.status.rss_anon.unwrap() >= Bytes::mib(64));
    assert_eq!(details.status.uid, Some(geteuid().as_raw()));
    drop(ballast);
}

#[test]
fn open_descriptors_are_counted() {
    let files: Vec<_> = (0..50).map(|_| std::fs::File::open("/dev/null").unwrap()).collect();
    let details = read_details(&Roots::default(), own_id()).unwrap();
    let open = details.open_fds.unwrap();
    assert!(open >= files.len() as u64 && open < 500, "{open}");
}

#[test]
fn a_kept_statm_reads_until_the_process_is_reaped() {
    let mut sleep = Running::sleeper();
    let kept = Kept::open(&Roots::default(), sleep.id()).unwrap();
    until(|| {
        let alive = kept.read().unwrap();
        alive.size > alive.resident && alive.resident > alive.shared && alive.shared > Pages(0)
    });
    sleep.kill();
    assert!(kept.read().unwrap().is_without_memory());
    sleep.reap();
    assert!(is_gone(kept.read()));
}

#[test]
fn a_zombie_still_has_an_identity_but_nothing_to_read() {
    let roots = Roots::default();
    let mut sleep = Running::sleeper();
    let id = sleep.id();
    sleep.kill();
    let identity = read_identity(&roots, sleep.pid()).unwrap();
    assert_eq!((identity.id, identity.exe, identity.comm.as_str()), (id, None, "sleep"));
    let details = read_details(&roots, id).unwrap();
    assert!(details.stat.is_dead());
    assert_eq!(details.status.vm_rss, None);
    assert!(is_gone(read_smaps_rollup(&roots, id)));
    assert_eq!(read_cmdline(&roots, id, &Redactor::default()).unwrap(), "");
}

#[test]
fn every_reader_says_gone_of_a_reaped_process() {
    let roots = Roots::default();
    let mut sleep = Running::sleeper();
    let id = sleep.id();
    sleep.kill();
    sleep.reap();
    assert!(is_gone(read_identity(&roots, id.pid)));
    assert!(is_gone(Kept::open(&roots, id)));
    assert!(is_gone(read_statm_at(&roots, id)));
    assert!(is_gone(read_stat_rss(&roots, id)));
    assert!(is_gone(read_details(&roots, id)));
    assert!(is_gone(read_cmdline(&roots, id, &Redactor::default())));
    assert!(is_gone(read_smaps_rollup(&roots, id)));
}

#[test]
fn another_process_with_the_same_pid_is_not_mistaken_for_it() {
    let roots = Roots::default();
    let own = own_id();
    let earlier = ProcessId { start_time: own.start_time - 1, ..own };
    assert!(is_gone(Kept::open(&roots, earlier)));
    assert!(is_gone(read_statm_at(&roots, earlier)));
    assert!(is_gone(read_stat_rss(&roots, earlier)));
    assert!(is_gone(read_details(&roots, earlier)));
    assert!(is_gone(read_cmdline(&roots, earlier, &Redactor::default())));
    assert!(is_gone(read_smaps_rollup(&roots, earlier)));
    assert!(Kept::open(&roots, own).is_ok());
}

#[test]
fn a_kernel_thread_is_known_and_has_no_memory() {
    let roots = Roots::default();
    let identity = read_identity(&roots, 2).unwrap();
    if identity.comm != "kthreadd" {
        eprintln!("skipped: in this pid namespace pid 2 is '{}'", identity.comm);
        return;
    }
    assert!(identity.kernel_thread);
    assert_eq!((identity.ppid, identity.exe), (0, None));
    assert!(Kept::open(&roots, identity.id).unwrap().read().unwrap().is_without_memory());
    assert_eq!(read_details(&roots, identity.id).unwrap().status.vm_rss, None);
    let rollup = read_smaps_rollup(&roots, identity.id);
    assert!(matches!(rollup, Err(ReadError::Absent(_))), "{rollup:?}");
}

#[test]
fn hostile_names_forge_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let names: [(&[u8], &str); 5] = [
        (b"a\nVmRSS: 1 kB", "a\\nVmRSS: 1 kB"),
        (b"q\"'<b>&", "q\"'<b>&"),
        (b") R 1 1 1", ") R 1 1 1"),
        (b"\xff\xfe) Z", "\u{fffd}\u{fffd}) Z"),
        (b"\x1b[2J", "\\u{1b}[2J"),
    ];
    for (name, shown) in names {
        let program = folder.path().join(OsStr::from_bytes(name));
        std::os::unix::fs::symlink("/bin/sleep", &program).unwrap();
        let child = Running::start(&program, &["600"]);
        let identity = read_identity(&Roots::default(), child.pid()).unwrap();
        assert_eq!(identity.comm, shown);
        assert_eq!(identity.ppid, std::process::id());
        let details = || read_details(&Roots::default(), identity.id).unwrap();
        assert_eq!(details().stat.id(), identity.id);
        until(|| details().status.vm_rss.unwrap() > Bytes::kib(100));
    }
}

#[test]
fn a_command_line_is_read_without_its_password() {
    let shell = Running::start(Path::new("/bin/sh"), &["-c", "read x", "--db-password", "s3cret"]);
    let roots = Roots::default();
    let id = read_identity(&roots, shell.pid()).unwrap().id;
    let line = read_cmdline(&roots, id, &Redactor::default()).unwrap();
    assert_eq!(line, "/bin/sh -c read x --db-password ***");
}

#[test]
fn an_executable_that_was_removed_is_noted() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("short-lived");
    std::fs::copy("/bin/sleep", &program).unwrap();
    let child = Running::start(&program, &["600"]);
    std::fs::remove_file(&program).unwrap();
    let identity = read_identity(&Roots::default(), child.pid()).unwrap();
    assert_eq!(identity.exe, Some(format!("{} (deleted)", program.display())));
}

#[test]
fn the_list_holds_this_process_and_its_child_but_no_threads() {
    let sleep = Running::sleeper();
    let (stop, stopped) = std::sync::mpsc::channel::<()>();
    let (tell, told) = std::sync::mpsc::channel();
    let thread = std::thread::spawn(move || {
        tell.send(rustix::thread::gettid()).unwrap();
        let _ = stopped.recv();
    });
    let tid = told.recv().unwrap().as_raw_nonzero().get().cast_unsigned();
    let mut pids = Vec::new();
    list_pids(&Roots::default(), &mut pids).unwrap();
    drop(stop);
    thread.join().unwrap();
    assert!(pids.contains(&sleep.pid()) && pids.contains(&std::process::id()));
    assert!(!pids.contains(&tid));
    assert!(pids.is_sorted());
}

#[test]
fn what_may_not_be_read_is_denied_and_not_gone() {
    let own = own_id();
    let init = read_identity(&Roots::default(), 1).unwrap().id;
    std::thread::spawn(move || {
        // As nobody, in this thread only.
        let nobody = rustix::process::Uid::from_raw(65_534);
        if geteuid().is_root() {
            rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
        }
        let roots = Roots::default();
        let rollup = read_smaps_rollup(&roots, init);
        assert!(matches!(rollup, Err(ReadError::Denied { .. })), "{rollup:?}");
        assert_eq!(read_identity(&roots, 1).unwrap().exe, None);
        assert!(Kept::open(&roots, init).unwrap().read().unwrap().resident > Pages(0));
        assert!(read_statm_at(&roots, own).is_ok());
    })
    .join()
    .unwrap();
}
