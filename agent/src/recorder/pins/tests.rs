//! Who is pinned, who gives way, and what is kept although the history let go of it.

use super::*;
use crate::history::{HistoryParams, Split};
use crate::target::{ProcessId, TargetKind};
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, TargetLabel};
use std::collections::BTreeMap;

fn process(pid: u32) -> Target {
    Target::Process(ProcessId { pid, start_time: 1 })
}

fn verdict(target: &Target, state: State) -> Verdict {
    Verdict {
        target: TargetLabel {
            kind: TargetKind::Process,
            id: target.to_string(),
            pid: None,
            start_time: None,
            cgroup: None,
            labels: BTreeMap::new(),
        },
        state,
        cause: Cause::HeapLeak,
        used_bytes: Bytes::mib(1),
        limit_bytes: Limit::Max,
        rate_bytes_per_s: BytesPerSec(1.0),
        eta_s: None,
        confidence: 0.9,
        since: String::new(),
        evidence: Vec::new(),
    }
}

#[test]
fn readings_stay_at_full_resolution_though_the_history_gave_them_up() {
    // A history with room for very little: its fine points are cut to some twenty.
    let mut history = History::new(HistoryParams { ram_budget: Bytes::mib(1) });
    let others: Vec<_> = (100..1_500).map(|pid| history.open(&process(pid), Stamp(0))).collect();
    let suspect = process(7);
    let series = history.open(&suspect, Stamp(0));
    let mut pins = Pins::default();
    pins.pin(&suspect, State::LeakSuspected, Stamp(0));
    for second in 0..1_200_i64 {
        let at = Stamp(second * 1_000);
        let used = Bytes::mib(10 + second.unsigned_abs());
        history.push(series, at, Split { used, anon: used, ..Split::default() });
        for (i, other) in (0_u64..).zip(&others) {
            let used = Bytes::kib(4 * (1 + (i * 7 + second.unsigned_abs() * 13) % 997));
            history.push(*other, at, Split { used, ..Split::default() });
        }
        pins.pin(&suspect, State::LeakSuspected, at);
        pins.follow(&history, at);
    }
    let left = history.window(series).points().count();
    assert!(left < 600, "the history kept {left}: this test shows nothing");
    let kept: Vec<_> = pins.get(&suspect).unwrap().ring.points().collect();
    assert_eq!(kept.len(), 1_200);
    assert_eq!(kept[3].split.used, Bytes::mib(13));
}

#[test]
fn when_all_pins_are_taken_the_idle_go_first_then_the_less_urgent_and_never_the_node() {
    let mut pins = Pins::new(3);
    let at = |s: i64| Stamp(s * 1_000);
    pins.pin(&Target::Node, State::Ok, at(0));
    pins.pin(&process(1), State::LeakSuspected, at(0));
    pins.say(&verdict(&process(1), State::LeakSuspected), &process(1), at(0));
    pins.pin(&process(2), State::OomPredicted, at(1));
    pins.say(&verdict(&process(2), State::OomPredicted), &process(2), at(1));
    assert!(pins.pin(&process(3), State::LeakSuspected, at(2)).is_none(), "no worse than another");
    assert_eq!(pins.refused(), 1);
    assert!(pins.pin(&process(3), State::OomImminent, at(2)).is_some());
    assert!(pins.get(&process(1)).is_none() && pins.get(&Target::Node).is_some());
    assert!(pins.pin(&process(4), State::LeakSuspected, at(200)).is_some(), "an idle one went");
    assert_eq!(pins.len(), 3);
}

#[test]
fn a_pin_outlives_its_reason_by_a_quarter_of_an_hour() {
    let history = History::new(HistoryParams { ram_budget: Bytes::mib(1) });
    let mut pins = Pins::default();
    pins.pin(&process(1), State::LeakSuspected, Stamp(0));
    pins.follow(&history, Stamp(899_000));
    assert_eq!(pins.len(), 1);
    pins.follow(&history, Stamp(900_000));
    assert!(pins.is_empty());
}

#[test]
fn evidence_is_wanted_once_for_each_stage_until_the_suspicion_is_over() {
    let mut pins = Pins::default();
    let target = process(1);
    pins.want(&target, Stage::Suspected, Stamp(0));
    assert_eq!(pins.next_wanted(), None, "it is not pinned");
    pins.pin(&target, State::LeakSuspected, Stamp(0));
    assert_eq!(pins.first_wanted(&target), None);
    for at in [5, 6, 7].map(Stamp) {
        pins.want(&target, Stage::Suspected, at);
        pins.want(&target, Stage::BeforeLimit, at);
    }
    assert_eq!(pins.first_wanted(&target), Some(Stamp(5)));
    let wanted: Vec<_> = std::iter::from_fn(|| pins.next_wanted()).map(|w| w.1).collect();
    assert_eq!(wanted, [Stage::Suspected, Stage::BeforeLimit]);
    pins.say(&verdict(&target, State::Ok), &target, Stamp(1));
    pins.want(&target, Stage::Suspected, Stamp(0));
    assert!(pins.next_wanted().is_some());
}

#[test]
fn a_pin_survives_being_written_down() {
    let mut pins = Pins::default();
    let target = process(1);
    pins.pin(&target, State::LeakSuspected, Stamp(5));
    pins.say(&verdict(&target, State::OomPredicted), &target, Stamp(6));
    let pin = pins.get_mut(&target).unwrap();
    pin.add_evidence(Stamp(7), EvidenceTaken::default());
    let record = PinRecord::of(pin);
    let text = serde_json::to_string(&record).unwrap();
    let back: PinRecord = serde_json::from_str(&text).unwrap();
    assert_eq!(back, record);
    let pin = back.into_pin().unwrap();
    assert_eq!((pin.target, pin.touched, pin.said.iter().count()), (target, Stamp(5), 1));
    assert!(PinRecord { target: "nonsense".into(), ..record }.into_pin().is_none());
}
