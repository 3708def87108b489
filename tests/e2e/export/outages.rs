//! A collector that is down, slow or unwilling, and an agent that is killed meanwhile.

use super::{SOON, agent, until_metrics};
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use plimsoll_tests::otlp::{Answer, Receiver};
use plimsoll_tests::{Agent, Alertmanager, wait_for};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};

const QUEUED: &str = "plimsoll_export_queued{signal=\"metrics\"}";

/// The times of what was taken. Units: seconds since the epoch.
fn times(receiver: &Receiver) -> Vec<u64> {
    let requests = receiver.metrics();
    let at = |request: &ExportMetricsServiceRequest| {
        let metrics = &request.resource_metrics.first()?.scope_metrics.first()?.metrics;
        metrics.iter().find_map(|metric| match metric.data.as_ref()? {
            Data::Sum(sum) => sum.data_points.first().map(|p| p.time_unix_nano / 1_000_000_000),
            _ => None,
        })
    };
    requests.iter().filter_map(at).collect()
}

fn until_queued(agent: &Agent, count: f64) {
    wait_for("requests wait", SOON, || {
        let queued = agent.metric(QUEUED);
        if queued >= count { Ok(()) } else { Err(format!("{queued}\n{}", agent.log())) }
    });
}

#[test]
fn what_was_measured_while_the_collector_was_down_arrives_though_the_agent_was_killed() {
    let address = Alertmanager::free_address();
    let dir = tempfile::tempdir().expect("a directory");
    let mut first = agent(dir.path(), &address, "grpc", "");
    until_queued(&first, 4.0);
    assert!(first.source("export:metrics").starts_with("[-]"));
    first.kill();
    let waiting = std::fs::read_dir(dir.path().join("state/export/metrics"))
        .expect("the queue is there")
        .flatten()
        .filter(|file| file.path().extension().is_some_and(|ending| ending == "otlp"))
        .count();
    assert!(waiting >= 4, "{waiting}");
    let second = agent(dir.path(), &address, "grpc", "");
    until_queued(&second, waiting as f64 + 1.0);
    let receiver = Receiver::start(&address);
    // The longest wait between two attempts is a minute; after so few it is far less.
    wait_for("all that waited arrives, and more", Duration::from_secs(60), || {
        let (queued, taken) = (second.metric(QUEUED), receiver.metrics().len());
        if queued < 2.0 && taken > waiting { Ok(()) } else { Err(format!("{queued}, {taken}")) }
    });
    let times = times(&receiver);
    assert!(times.len() > waiting, "{times:?}");
    assert!(times.is_sorted(), "in the order in which it was measured: {times:?}");
    let seconds: BTreeSet<u64> = times.iter().copied().collect();
    let widest = seconds.iter().zip(seconds.iter().skip(1)).map(|(a, b)| b - a).max();
    // From the kill until the next agent's first sweep nothing was measured.
    assert!(widest.is_some_and(|gap| gap <= 8), "{times:?}");
    let dropped = ["full", "age", "refused", "damaged"].map(|reason| {
        second.metric(&format!(
            "plimsoll_export_dropped_total{{signal=\"metrics\",reason=\"{reason}\"}}"
        ))
    });
    assert_eq!(dropped, [0.0; 4]);
    wait_for("it is well again", SOON, || {
        let source = second.source("export:metrics");
        if source.starts_with("[+]") { Ok(()) } else { Err(source) }
    });
}

#[test]
fn a_collector_that_asks_for_time_gets_it_and_one_that_refuses_is_not_asked_again() {
    for protocol in ["http/protobuf", "grpc"] {
        let receiver = Receiver::start("127.0.0.1:0");
        receiver.answer(Answer { status: 503, retry_after: Some(3), rejected: 0 });
        let dir = tempfile::tempdir().expect("a directory");
        let agent = agent(dir.path(), &receiver.address, protocol, "signals = [\"metrics\"]");
        wait_for("a first request comes", SOON, || {
            receiver.requests().first().map(|_| ()).ok_or_else(|| agent.log())
        });
        if protocol == "http/protobuf" {
            let begun = Instant::now();
            wait_for("a second one comes", SOON, || {
                receiver.requests().get(1).map(|_| ()).ok_or_else(|| agent.log())
            });
            assert!(begun.elapsed() > Duration::from_millis(2500), "{:?}", begun.elapsed());
        }
        receiver.answer(Answer { status: 400, ..Answer::default() });
        let refused = "plimsoll_export_dropped_total{signal=\"metrics\",reason=\"refused\"}";
        wait_for("what is refused is dropped", SOON, || {
            let count = agent.metric(refused);
            if count >= 1.0 { Ok(()) } else { Err(agent.source("export:metrics")) }
        });
        receiver.answer(Answer::default());
        until_metrics(&receiver, &agent, 1);
    }
}

#[test]
fn what_was_measured_last_is_sent_before_the_agent_ends() {
    let receiver = Receiver::start("127.0.0.1:0");
    let dir = tempfile::tempdir().expect("a directory");
    let mut agent = agent(dir.path(), &receiver.address, "grpc", "");
    until_metrics(&receiver, &agent, 1);
    assert_eq!(agent.terminate(), Some(0));
    let queue = std::fs::read_dir(dir.path().join("state/export/metrics")).expect("the queue");
    assert_eq!(queue.flatten().count(), 0, "nothing waits");
}
