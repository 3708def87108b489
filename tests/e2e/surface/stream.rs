//! The event stream: a kill by the kernel arrives, and is told again to who comes later.

use super::PATIENCE;
use plimsoll_tests::{Agent, Cgroup, Load, skipped, wait_for};
use serde_json::Value;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// One frame: its id, its kind, its document.
type Frame = (u64, String, Value);

/// Connects and hands over frames as they come.
fn listen(agent: &Agent, more_head: &str) -> Receiver<Frame> {
    let mut stream = TcpStream::connect(&agent.address).expect("the agent listens");
    stream.set_read_timeout(Some(Duration::from_secs(60))).expect("a timeout can be set");
    let host = &agent.address;
    write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {host}\r\n{more_head}\r\n")
        .expect("the agent reads");
    let mut lines = BufReader::new(stream).lines().map_while(Result::ok);
    let status = lines.next().expect("a status line");
    assert!(status.contains(" 200 "), "{status}");
    let head: Vec<String> = lines.by_ref().take_while(|line| !line.is_empty()).collect();
    assert!(head.iter().any(|line| line == "content-type: text/event-stream"), "{head:?}");
    let (tell, frames) = channel();
    std::thread::spawn(move || {
        let (mut id, mut kind) = (0, String::new());
        for line in lines {
            if let Some(text) = line.strip_prefix("id: ") {
                id = text.parse().unwrap_or(0);
            } else if let Some(text) = line.strip_prefix("event: ") {
                text.clone_into(&mut kind);
            } else if let Some(document) =
                line.strip_prefix("data: ").and_then(|text| serde_json::from_str(text).ok())
                && tell.send((id, kind.clone(), document)).is_err()
            {
                return;
            }
        }
    });
    frames
}

#[track_caller]
fn kill_of(frames: &Receiver<Frame>, pid: u32) -> Frame {
    wait_for("the kill is told", PATIENCE, || {
        let mut frames = frames.try_iter();
        frames
            .find(|(_, kind, event)| {
                kind == "incident" && event.to_string().contains(&pid.to_string())
            })
            .ok_or_else(|| "no incident yet".to_owned())
    })
}

#[test]
fn a_kill_arrives_on_the_stream_and_is_replayed_to_who_reconnects() {
    let agent = Agent::start(&[]);
    let sees_kills = agent.get("/readyz?verbose").body.contains("[+] oom_log: sees kills");
    let cgroup = match Cgroup::make(32).and_then(|cgroup| {
        if sees_kills { Ok(cgroup) } else { Err("the kernel log is closed".into()) }
    }) {
        Ok(cgroup) => cgroup,
        Err(why) => {
            assert!(skipped(&why));
            return;
        }
    };
    let frames = listen(&agent, "");
    let mut load = Load::start(&["leak", "64"], Some(&cgroup));
    wait_for("the kernel kills it", PATIENCE, || {
        if load.ended() { Ok(()) } else { Err("it lives".to_owned()) }
    });
    let (id, _, event) = kill_of(&frames, load.pid());
    assert_eq!(event["seq"], id);
    assert_eq!(event["event"], "incident");
    assert!(event["at"].as_str().is_some_and(|at| at.ends_with('Z')), "{event}");
    assert!(event.to_string().contains(&cgroup.path()), "{event}");
    let again = listen(&agent, &format!("Last-Event-ID: {}\r\n", id - 1));
    assert_eq!(kill_of(&again, load.pid()).2, event);
}
