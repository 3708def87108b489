//! Against the kernel that runs the tests.

use super::*;
use std::process::Command;
use std::time::{Duration, Instant};

/// The events until `last` has come, or until none comes any more.
fn events_until(connector: &mut Connector, last: impl Fn(&ProcEvent) -> bool) -> Vec<ProcEvent> {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut events = Vec::new();
    while !events.iter().any(&last) && Instant::now() < deadline {
        let mut polled = [PollFd::new(&*connector, PollFlags::IN)];
        poll(&mut polled, Some(&ANSWER_WITHIN)).unwrap();
        let drained = connector.drain(1000, |event| events.push(event));
        assert!(!drained.overrun && drained.skipped == 0, "{drained:?}");
    }
    events
}

fn opened() -> Option<Connector> {
    match Connector::open() {
        Ok(connector) => Some(connector),
        Err(error) => {
            eprintln!("skipped: {error}");
            None
        }
    }
}

/// Runs a program to its end and gives the pid it had.
fn run(program: &str, arguments: &[&str]) -> u32 {
    let mut child = Command::new(program).args(arguments).spawn().unwrap();
    child.wait().unwrap();
    child.id()
}

#[test]
fn a_child_is_seen_to_fork_exec_and_exit_in_this_order() {
    let Some(mut connector) = opened() else { return };
    let pid = run("/bin/sh", &["-c", "exit 3"]);
    let exit = ProcEvent::Exit { pid, exit_code: 3 << 8, exit_signal: 17 };
    let events = events_until(&mut connector, |event| *event == exit);
    let expected =
        [ProcEvent::Fork { parent: std::process::id(), child: pid }, ProcEvent::Exec { pid }, exit];
    let seen: Vec<_> = events.into_iter().filter(|event| expected.contains(event)).collect();
    assert_eq!(seen, expected);
}

#[test]
fn threads_are_not_told_of() {
    let Some(mut connector) = opened() else { return };
    let thread = std::thread::spawn(|| rustix::thread::gettid().as_raw_nonzero().get());
    let tid = thread.join().unwrap().cast_unsigned();
    let marker = run("/bin/true", &[]);
    let ended = |event: &ProcEvent| matches!(event, ProcEvent::Exit { pid, .. } if *pid == marker);
    let events = events_until(&mut connector, ended);
    let of_thread = |event: &ProcEvent| match *event {
        ProcEvent::Fork { child, .. } => child == tid,
        ProcEvent::Exec { pid } | ProcEvent::Exit { pid, .. } | ProcEvent::Comm { pid } => {
            pid == tid
        }
    };
    assert!(events.iter().any(ended) && !events.iter().any(of_thread), "{events:?}");
}

#[test]
fn what_is_beyond_max_stays_for_the_next_call() {
    let Some(mut connector) = opened() else { return };
    let first = run("/bin/true", &[]);
    let mut events = Vec::new();
    let drained = connector.drain(1, |event| events.push(event));
    assert!(drained.more && events.len() <= 1, "{drained:?}");
    let rest = events_until(
        &mut connector,
        |event| matches!(event, ProcEvent::Exit { pid, .. } if *pid == first),
    );
    assert!(rest.len() > 1);
    assert!(!connector.drain(0, |_| panic!("nothing was asked for")).overrun);
}

#[test]
fn an_overflowing_queue_is_told_once_and_then_flows_again() {
    let Some(mut connector) = opened() else { return };
    sockopt::set_socket_recv_buffer_size(&connector.socket, 2048).unwrap();
    for _ in 0..20 {
        run("/bin/true", &[]);
    }
    let drained = connector.drain(10_000, |_| {});
    assert!(drained.overrun && !drained.more, "{drained:?}");
    let pid = run("/bin/true", &[]);
    let mut seen = false;
    let again = connector.drain(10_000, |event| {
        seen |= event == ProcEvent::Fork { parent: std::process::id(), child: pid };
    });
    assert!(seen || again.overrun, "{again:?}");
}

#[test]
fn messages_of_other_senders_are_skipped() {
    let Some(mut connector) = opened() else { return };
    let flags = SocketFlags::CLOEXEC;
    let protocol = Some(netlink::CONNECTOR);
    let other = socket_with(AddressFamily::NETLINK, SocketType::DGRAM, flags, protocol).unwrap();
    let bound = getsockname(&connector.socket).unwrap();
    // As any local process with CAP_NET_ADMIN could.
    let pid = 4_194_303;
    let forged = message::tests::message(message::PROC_EVENT_EXEC, 0, &[pid, pid]);
    assert_eq!(parse(&forged).flatten().next(), Some(Message::Event(ProcEvent::Exec { pid })));
    if let Err(errno) = sendto(&other, &forged, SendFlags::empty(), &bound) {
        eprintln!("skipped: this kernel does not deliver it ({errno})");
        return;
    }
    let mut events = Vec::new();
    let drained = connector.drain(10_000, |event| events.push(event));
    assert_eq!(drained.skipped, 1);
    assert!(!events.contains(&ProcEvent::Exec { pid }), "{events:?}");
}

#[test]
fn each_missing_thing_is_named() {
    for (errno, expected) in [
        (Errno::PERM, "CAP_NET_ADMIN"),
        (Errno::PROTONOSUPPORT, "CONFIG_CONNECTOR"),
        (Errno::CONNREFUSED, "network namespace"),
        (Errno::MFILE, "Too many open files"),
    ] {
        let text = ConnectorError::of(errno).to_string();
        assert!(text.contains(expected), "{text}");
    }
}
