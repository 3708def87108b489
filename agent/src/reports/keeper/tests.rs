//! The keeper with a taker of the test's own: order, queue, refusals, faults, ends.

use super::*;
use crate::config::Config;
use crate::view::{AskedBy, Stage};
use plimsoll_heap::{Refusal, Report};
use std::sync::mpsc::{Sender, channel};
use std::time::Instant;

const DEADLINE: Duration = Duration::from_secs(10);

fn report() -> Report {
    let text = include_str!("../../../../crates/heap/fixtures/leaking.json");
    serde_json::from_str(text).unwrap()
}

fn start(config: ReportsConfig, taker: Taker) -> Arc<Reports> {
    let params = ReportsParams { dir: None, config, clock: Clock::start() };
    Reports::start(params, taker).unwrap().0
}

fn config() -> ReportsConfig {
    ReportsConfig { cooldown: Duration::ZERO, level_max: 2, ..Config::default().reports }
}

fn order(pid: u32) -> Order {
    let process = ProcessId { pid, start_time: 1 };
    let order = Order::of_recorder(process, Stage::Suspected, &config());
    Order { asked_by: AskedBy::Http, peer: Some("127.0.0.1:9".into()), ..order }
}

fn outcome(reports: &Reports) -> Outcome {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if let Some(outcome) = reports.outcome() {
            return outcome;
        }
        assert!(Instant::now() < deadline, "nothing came of it");
        std::thread::yield_now();
    }
}

/// A taker that waits until it is let go.
fn gated() -> (Taker, Sender<()>) {
    let (go, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let taker: Taker = Box::new(move |_, _, doing| {
        doing("walks the heap");
        gate.lock().recv_timeout(DEADLINE).ok();
        Ok(report())
    });
    (taker, go)
}

#[test]
fn an_order_becomes_a_report_an_outcome_and_figures() {
    let taker: Taker = Box::new(|order, before, _| match (order.process.pid, before) {
        (7, None) => Ok(report()),
        (7, Some(_)) => Err(Refusal::Gone { pid: 7 }),
        _ => Err(Refusal::Zombie { pid: order.process.pid }),
    });
    let reports = start(config(), taker);
    let ticket = reports.order(order(7)).unwrap();
    let summary = ticket.done.blocking_recv().unwrap();
    assert_eq!((summary.state, summary.id.clone()), (ReportState::Ready, ticket.id.clone()));
    assert_eq!(summary.cause.as_deref(), Some("heap_leak"));
    assert_eq!(outcome(&reports).summary, summary);
    // The second time it is told of the first.
    let again = reports.order(order(7)).unwrap().done.blocking_recv().unwrap();
    assert_eq!(again.why.as_deref(), Some("process 7 is gone"));
    let other = reports.order(order(8)).unwrap().done.blocking_recv().unwrap();
    assert_eq!(other.state, ReportState::Refused);
    let counts = reports.counts();
    assert_eq!((counts.taken, counts.refused, counts.declined), ([0, 0, 1], 2, 0));
    assert!((counts.pause_seconds - 0.0082).abs() < 1e-9);
    assert_eq!(reports.shelf().list().len(), 3);
}

#[test]
fn one_is_taken_at_a_time_a_few_wait_and_the_rest_is_sent_away() {
    let (taker, go) = gated();
    let reports = start(config(), taker);
    let first = reports.order(order(1)).unwrap();
    let deadline = Instant::now() + DEADLINE;
    let doing = |id: &str| {
        let list = reports.shelf().list();
        list.into_iter().find(|summary| summary.id == id).and_then(|summary| summary.doing)
    };
    while doing(&first.id).as_deref() != Some("walks the heap") {
        assert!(Instant::now() < deadline, "it never began");
        std::thread::yield_now();
    }
    let waiting: Vec<Ticket> =
        (0..QUEUE_MAX as u32).map(|n| reports.order(order(10 + n)).unwrap()).collect();
    assert_eq!(doing(&waiting[0].id).as_deref(), Some("waits for its turn"));
    assert_eq!(reports.order(order(99)).unwrap_err(), Declined::Busy);
    assert_eq!(reports.counts().declined, 1);
    assert_eq!(reports.shelf().list().len(), 1 + QUEUE_MAX, "what was sent away is not listed");
    for ticket in std::iter::once(first).chain(waiting) {
        go.send(()).unwrap();
        assert_eq!(ticket.done.blocking_recv().unwrap().state, ReportState::Ready);
    }
}

#[test]
fn a_fault_in_reading_a_heap_is_a_refusal_and_the_next_report_is_taken() {
    let taker: Taker = Box::new(|order, _, _| {
        assert_ne!(order.process.pid, 13, "the test's own fault");
        Ok(report())
    });
    let reports = start(config(), taker);
    let failed = reports.order(order(13)).unwrap().done.blocking_recv().unwrap();
    assert_eq!(failed.state, ReportState::Refused);
    assert!(failed.why.unwrap().contains("the agent failed"));
    let next = reports.order(order(14)).unwrap().done.blocking_recv().unwrap();
    assert_eq!(next.state, ReportState::Ready);
    assert!(reports.is_alive());
}

#[test]
fn after_the_end_nothing_is_taken_up_and_outcomes_that_nobody_fetches_do_not_pile_up() {
    let reports = start(config(), Box::new(|_, _, _| Ok(report())));
    for n in 0..OUTCOMES_MAX as u32 + 5 {
        reports.order(order(n + 1)).unwrap().done.blocking_recv().unwrap();
    }
    assert_eq!(reports.counts().outcomes_dropped, 5);
    assert_eq!(outcome(&reports).process.pid, 6, "the oldest were dropped");
    reports.stop();
    assert_eq!(reports.order(order(1)).unwrap_err(), Declined::Ended);
    let deadline = Instant::now() + DEADLINE;
    while reports.is_alive() {
        assert!(Instant::now() < deadline, "the thread goes on");
        std::thread::yield_now();
    }
}
