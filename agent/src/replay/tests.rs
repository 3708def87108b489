//! Traces in memory, and what comes of them.

use super::*;
use crate::clock::Stamp;
use crate::history::Split;
use crate::target::TargetKind;
use crate::units::{Bytes, Limit};
use crate::verdict::{Facts, Judged, Params, Scratch, State, judge};
use proptest::prelude::*;
use serde_json::Value;
use std::time::Duration;

const HEADER: &str = "time_s,entity,used_bytes,limit_bytes\n";

fn replayed(trace: &str) -> (Summary, Vec<Value>) {
    let mut out = Vec::new();
    let summary = replay(trace.as_bytes(), 0.0, &mut out, |_| ()).expect("a good trace");
    let events: Vec<Value> = serde_json::Deserializer::from_slice(&out)
        .into_iter()
        .collect::<Result<_, _>>()
        .expect("JSON lines");
    assert_eq!(summary.events, events.len() as u64);
    (summary, events)
}

#[test]
fn the_more_cautious_it_is_the_later_it_tells() {
    let limit = Bytes::mib(1000).0.to_string();
    let trace = HEADER.to_owned() + &rows("svc", &limit, &leak(1000)).concat();
    let first = |caution| {
        let mut out = Vec::new();
        replay(trace.as_bytes(), caution, &mut out, |_| ()).expect("a good trace");
        let mut events = serde_json::Deserializer::from_slice(&out).into_iter::<Value>();
        events.next().map(|event| event.expect("JSON")["time_s"].as_f64().expect("a time"))
    };
    let (hasty, usual, careful) = (first(-2.0), first(0.0), first(3.0));
    assert!(
        hasty.is_some() && hasty <= usual && usual < careful,
        "{hasty:?} {usual:?} {careful:?}"
    );
}

fn fault(trace: &str) -> String {
    let failed = replay(trace.as_bytes(), 0.0, &mut Vec::new(), |_| ());
    failed.expect_err("the trace is bad").to_string()
}

/// One entity's rows: when, and how many MiB.
fn rows(entity: &str, limit: &str, series: &[(f64, f64)]) -> Vec<String> {
    let row = |&(at, mib): &(f64, f64)| {
        format!("{at},{entity},{},{limit}\n", (mib * 1_048_576.0).round())
    };
    series.iter().map(row).collect()
}

/// A leak of 1 MiB/s from 100 MiB on, which sets in after two minutes; a second between rows.
fn leak(seconds: u32) -> Vec<(f64, f64)> {
    (0..seconds).map(|s| (f64::from(s), 100.0 + f64::from(s.saturating_sub(120)))).collect()
}

fn told(events: &[Value], entity: &str) -> Vec<String> {
    let of_entity = events.iter().filter(|event| event["entity"] == entity);
    of_entity.map(ToString::to_string).collect()
}

#[test]
fn a_leak_is_suspected_then_its_end_predicted_with_the_truth_inside() {
    let limit = Bytes::mib(1000).0.to_string();
    let trace = HEADER.to_owned() + &rows("svc", &limit, &leak(1000)).concat();
    let (summary, events) = replayed(&trace);
    assert_eq!((summary.rows, summary.entities), (1000, 1));
    assert_eq!(events[0]["event"], "leak_suspected", "{events:?}");
    let predicted: Vec<&Value> =
        events.iter().filter(|event| event["event"] == "oom_predicted").collect();
    assert!(!predicted.is_empty(), "{events:?}");
    // The line reaches 1000 MiB at 1020 s.
    let last = predicted[predicted.len() - 1];
    let at = |key: &str| last["time_s"].as_f64().unwrap() + last["eta_s"][key].as_f64().unwrap();
    assert!(at("p10") <= 1020.0 && 1020.0 <= at("p90"), "{last}");
    assert!((last["rate_bytes_per_s"].as_f64().unwrap() / 1_048_576.0 - 1.0).abs() < 0.1, "{last}");
}

#[test]
fn nothing_is_told_of_what_stands_still_nor_of_a_trace_without_rows() {
    let flat: Vec<(f64, f64)> = (0..5000).map(|s| (f64::from(s), 300.0)).collect();
    let (summary, events) = replayed(&(HEADER.to_owned() + &rows("a", "", &flat).concat()));
    assert_eq!((summary.rows, events), (5000, vec![]));
    assert_eq!(replayed(HEADER), (Summary::default(), vec![]));
}

#[test]
fn rows_that_come_before_a_target_is_due_are_passed_over() {
    let readings = |step: f64, count: u32, mib: fn(u32) -> f64| {
        let series: Vec<_> = (0..count).map(|i| (f64::from(i) * step, mib(i))).collect();
        replayed(&(HEADER.to_owned() + &rows("a", "1048576000", &series).concat())).0.readings
    };
    // Nothing is read more often than each 100 ms, whatever the hurry.
    assert_eq!(readings(0.02, 500, |i| 10.0 + f64::from(i)), 100);
    // What is quiet is left alone for 2, 4, 8, 16, 32 s and then for a minute at a time.
    assert_eq!(readings(1.0, 600, |_| 50.0), 6 + 9);
    // Sampling that is slower than the longest interval is read in full.
    assert_eq!(readings(300.0, 200, |_| 50.0), 200);
}

#[test]
fn faults_name_their_line() {
    let good = "1,a,5,\n2,b,5,\n";
    for (lines, expected) in [
        ("", "1: the trace is empty: a header is expected"),
        ("time_s,entity\n", "1: the header lacks the column used_bytes; it reads: time_s,entity"),
        ("\n1,a,x,\n", "5: used_bytes is 'x': a number of bytes, 0 or more, is expected"),
        ("1,a", "4: 2 fields where the header has 4: 1,a"),
        ("0,b,5,", "4: time_s is 0, after 2: the rows of an entity ('b') must not go back in time"),
    ] {
        let headed = lines.is_empty() || lines.starts_with("time_s");
        let trace = if headed { lines.to_owned() } else { format!("{HEADER}{good}{lines}") };
        assert_eq!(fault(&trace), expected);
    }
    // Another entity's time is its own.
    assert_eq!(replayed(&format!("{HEADER}{good}1.5,a,5,\n0,c,5,\n")).0.entities, 3);
}

#[test]
fn a_source_that_breaks_off_is_told_with_its_line() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::UnexpectedEof.into())
        }
    }
    let trace = format!("{HEADER}1,a,5,\n2,a,");
    let failed = replay(trace.as_bytes().chain(Broken), 0.0, &mut Vec::new(), |_| ());
    assert_eq!(failed.unwrap_err().to_string(), "3: cannot read on: unexpected end of file");
}

/// When the leak verdict changes, by seeing and judging each row by hand.
fn by_hand(series: &[(f64, f64)], limit: Bytes) -> Vec<(f64, bool)> {
    let (params, mut memory) = (Params::default(), Judged::without_history());
    let mut scratch = Scratch::default();
    let mut changes = Vec::new();
    for &(at, mib) in series {
        let now = Stamp((at * 1000.0) as i64 + 86_400_000);
        let used = Bytes((mib * 1_048_576.0).round() as u64);
        let split = Split { used, ..Split::default() };
        memory.see(now, &split, params.growth_min);
        let facts = Facts {
            kind: TargetKind::Workload,
            limit: Limit::At(limit),
            headroom: Some(limit - used),
            unreclaimable: None,
            threads: None,
            open_fds: None,
            restarts: 0,
            age: Duration::from_secs_f64(at),
            kernel: None,
            heap_in_use: None,
            inside: None,
            psi_full_avg10: None,
        };
        let was = memory.state >= State::LeakSuspected;
        let opinion = judge(&params, None, &split, now, &facts, &mut memory, &mut scratch);
        let is = opinion.state >= State::LeakSuspected;
        if was != is {
            changes.push((at, is));
        }
    }
    changes
}

/// Steps of at least a minute, so that each row is a reading and is judged; ramps, rests and falls.
fn series() -> impl Strategy<Value = Vec<(f64, f64)>> {
    let stretch = (1_usize..50, -8.0..8.0_f64, 0.0..2.0_f64, any::<u64>());
    (60_u32..400, prop::collection::vec(stretch, 1..6)).prop_map(|(step, stretches)| {
        let (mut at, mut mib, mut series) = (0_u32, 500.0_f64, Vec::new());
        for (count, slope, noise, mut seed) in stretches {
            for _ in 0..count {
                seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let jitter = (seed >> 40) as f64 / f64::from(1_u32 << 24) - 0.5;
                mib = (mib + slope + noise * jitter).max(1.0);
                series.push((f64::from(at), mib));
                at += step;
            }
        }
        series
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn a_replay_judges_as_if_each_reading_were_pushed_and_judged_by_hand(series in series()) {
        let limit = Bytes::mib(2000);
        let trace = rows("w", &limit.0.to_string(), &series).concat();
        let (summary, events) = replayed(&format!("{HEADER}{trace}"));
        prop_assert_eq!(summary.readings, summary.rows);
        let told: Vec<(f64, bool)> = events
            .iter()
            .filter(|event| event["event"].as_str().unwrap().starts_with("leak"))
            .map(|event| (event["time_s"].as_f64().unwrap(), event["event"] == "leak_suspected"))
            .collect();
        prop_assert_eq!(told, by_hand(&series, limit));
    }

    #[test]
    fn entities_are_judged_alike_whether_they_interleave_or_follow_one_another(
        (first, second, turns) in (series(), series(), prop::collection::vec(any::<bool>(), 600)),
    ) {
        let limit = Bytes::mib(2000).0.to_string();
        let (first, second) = (rows("a", &limit, &first), rows("b", "", &second));
        let apart = replayed(&format!("{HEADER}{}{}", first.concat(), second.concat()));
        let (mut firsts, mut seconds) = (first.iter(), second.iter());
        let mut mixed = HEADER.to_owned();
        for turn in turns {
            let row = if turn { firsts.next() } else { seconds.next() };
            mixed.push_str(row.map_or("", String::as_str));
        }
        mixed.extend(firsts.chain(seconds).map(String::as_str));
        let mixed = replayed(&mixed);
        prop_assert_eq!(apart.0, mixed.0);
        for entity in ["a", "b"] {
            prop_assert_eq!(told(&apart.1, entity), told(&mixed.1, entity));
        }
    }

    #[test]
    fn the_origin_of_time_changes_nothing_but_when(
        (series, shift) in (series(), -1_000_000_000_i64..2_000_000_000),
    ) {
        let shift = shift as f64;
        let shifted: Vec<_> = series.iter().map(|&(at, mib)| (at + shift, mib)).collect();
        let limit = Bytes::mib(2000).0.to_string();
        let here = replayed(&(HEADER.to_owned() + &rows("a", &limit, &series).concat()));
        let mut there = replayed(&(HEADER.to_owned() + &rows("a", &limit, &shifted).concat()));
        for event in &mut there.1 {
            event["time_s"] = (event["time_s"].as_f64().unwrap() - shift).into();
        }
        prop_assert_eq!(here, there);
    }

    #[test]
    fn whatever_the_values_it_comes_to_an_end(
        (mut times, amounts) in (
            prop::collection::vec(
                prop_oneof![
                    Just(-1e11), Just(1e11), Just(5e-324), Just(-0.0), -1e11..1e11_f64,
                    0.0..60.0_f64,
                ],
                1..60,
            ),
            prop::collection::vec(
                prop_oneof![
                    Just("0"), Just("1"), Just("9e99"), Just("5e9"), Just("18e18"), Just("1e-9")
                ],
                180,
            ),
        ),
    ) {
        times.sort_by(f64::total_cmp);
        let rows = times.iter().zip(amounts.chunks(3));
        let rows = rows.map(|(at, amounts)| format!("{at},a,{}\n", amounts.join(",")));
        let header = "time_s,entity,used_bytes,limit_bytes,file_bytes\n";
        let (summary, _) = replayed(&(header.to_owned() + &rows.collect::<String>()));
        prop_assert_eq!(summary.rows, times.len() as u64);
    }
}
