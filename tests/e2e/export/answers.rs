//! What a collector may answer, and what the agent makes of it.

use super::{SOON, agent, until_metrics};
use plimsoll_tests::otlp::{Answer, Receiver};
use plimsoll_tests::{Agent, wait_for};
use std::time::{Duration, Instant};

const ONLY_METRICS: &str = "signals = [\"metrics\"]\nprocesses_max = 3";

fn until_asked(receiver: &Receiver, agent: &Agent, times: usize) {
    wait_for("it is asked", SOON, || {
        let asked = receiver.requests().len();
        if asked >= times { Ok(()) } else { Err(format!("{asked}\n{}", agent.log())) }
    });
}

fn dropped(agent: &Agent) -> f64 {
    agent.metric("plimsoll_export_dropped_total{signal=\"metrics\",reason=\"refused\"}")
}

#[test]
fn whoever_asks_for_time_is_left_alone_for_so_long_over_http_and_over_grpc() {
    for protocol in ["http/protobuf", "grpc"] {
        let receiver = Receiver::start("127.0.0.1:0");
        // RESOURCE_EXHAUSTED of gRPC may only be tried again if it comes with a RetryInfo.
        receiver.answer(Answer { status: 429, retry_after: Some(4), rejected: 0 });
        let dir = tempfile::tempdir().expect("a directory");
        let agent = agent(dir.path(), &receiver.address, protocol, ONLY_METRICS);
        until_asked(&receiver, &agent, 1);
        let begun = Instant::now();
        receiver.answer(Answer::default());
        until_metrics(&receiver, &agent, 1);
        // Without being asked it would have come back after one second.
        let waited = begun.elapsed();
        assert!(waited > Duration::from_millis(3500), "{protocol}: {waited:?}");
        assert_eq!(dropped(&agent), 0.0, "{protocol}");
    }
}

#[test]
fn what_is_refused_for_good_is_sent_once() {
    for (protocol, statuses) in
        [("http/protobuf", &[400, 401, 403, 404, 413, 500][..]), ("grpc", &[400, 401, 429])]
    {
        let receiver = Receiver::start("127.0.0.1:0");
        let dir = tempfile::tempdir().expect("a directory");
        receiver.answer(Answer { status: statuses[0], ..Answer::default() });
        let agent = agent(dir.path(), &receiver.address, protocol, ONLY_METRICS);
        for (n, status) in statuses.iter().enumerate() {
            receiver.answer(Answer { status: *status, ..Answer::default() });
            let asked = receiver.requests().len();
            until_asked(&receiver, &agent, asked + 1);
            wait_for("it is dropped", SOON, || {
                let count = dropped(&agent);
                if count > n as f64 { Ok(()) } else { Err(format!("{protocol} {status}: {count}")) }
            });
        }
        // Each request was another one: none was sent again.
        let refused = receiver.requests();
        let mut bodies: Vec<String> =
            refused.iter().map(|taken| format!("{:?}", taken.held)).collect();
        bodies.sort();
        bodies.dedup();
        assert_eq!(bodies.len(), refused.len(), "{protocol}");
        assert!(agent.source("export:metrics").starts_with("[-]"), "{protocol}");
        receiver.answer(Answer::default());
        until_metrics(&receiver, &agent, 1);
    }
}

#[test]
fn what_is_taken_in_part_is_counted_and_not_sent_again() {
    for protocol in ["http/protobuf", "grpc"] {
        let receiver = Receiver::start("127.0.0.1:0");
        receiver.answer(Answer { rejected: 2, ..Answer::default() });
        let dir = tempfile::tempdir().expect("a directory");
        let agent = agent(dir.path(), &receiver.address, protocol, ONLY_METRICS);
        until_metrics(&receiver, &agent, 2);
        wait_for("what was not taken is counted", SOON, || {
            let count = agent.metric("plimsoll_export_rejected_total{signal=\"metrics\"}");
            if count >= 4.0 { Ok(()) } else { Err(format!("{protocol}: {count}")) }
        });
        assert!(receiver.times().is_sorted_by(|a, b| a < b), "{protocol}: each is sent once");
        assert!(agent.source("export:metrics").starts_with("[+]"), "{protocol}");
    }
}
