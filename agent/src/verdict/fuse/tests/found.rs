//! What must be found, how soon and how right.

use super::*;

/// The truth lies inside the interval and the middle within `share` of it.
#[track_caller]
fn assert_eta(opinion: &Opinion, truth_s: f64, share: f64) {
    let eta = opinion.eta.expect("a limit and a rise");
    assert!(eta.p10 <= truth_s && truth_s <= eta.p90, "{truth_s} s outside {eta:?}");
    assert!((eta.p50 - truth_s).abs() <= share * truth_s, "{truth_s} s against {eta:?}");
}

#[track_caller]
fn assert_rate(opinion: &Opinion, truth_mib_s: f64, share: f64) {
    let rate = opinion.rate.0 / 1_048_576.0;
    assert!((rate - truth_mib_s).abs() <= share * truth_mib_s, "{rate} MiB/s");
}

#[track_caller]
fn assert_stays(log: &Log, from: f64) {
    let fallen = log.0.iter().find(|(t, o)| *t > from && o.state < State::LeakSuspected);
    assert!(fallen.is_none(), "lost: {:?}", log.changes());
}

#[test]
fn five_mib_a_second_is_called_within_27_s_when_it_sets_in_while_watched() {
    for step in [0.1, 0.25, 1.0] {
        let mut dice = Dice::seeded(21);
        let settings = Run { step_s: step, judge_every_s: step, until_s: 140.0, ..Run::default() };
        let log =
            run(&settings, |t| Some(anon(60.0 + 5.0 * (t - 60.0).max(0.0) + 0.3 * dice.normal())));
        let found = log.assert_found_by(87.0);
        assert!(log.first(State::LeakSuspected).unwrap().0 > 65.0, "{:?}", log.changes());
        assert_eq!(found.cause, Cause::HeapLeak);
        let at = log.at(100.0);
        assert_rate(at, 5.0, 0.1);
        assert_eq!(at.state, State::OomImminent);
        assert_eta(at, (512.0 - 260.0) / 5.0, 0.1);
        assert_stays(&log, 87.0);
    }
}

#[test]
fn five_mib_a_second_from_the_start_is_called_after_six_tenths_of_its_life() {
    let log = run(&Run { until_s: 100.0, ..Run::default() }, |t| Some(anon(8.0 + 5.0 * t)));
    log.assert_found_by(60.0);
    assert_eta(log.at(60.0), (512.0 - 308.0) / 5.0, 0.05);
}

#[test]
fn a_mib_a_second_from_the_start_is_called_five_minutes_ahead_of_a_limit_ten_minutes_away() {
    for step in [2.0, 5.0] {
        let limit_mib = Some(600.0);
        let settings = Run { limit_mib, step_s: step, until_s: 590.0, ..Run::default() };
        let log = run(&settings, |t| Some(anon(2.0 + t)));
        log.assert_found_by(280.0);
        assert!(log.at(290.0).state >= State::OomPredicted, "{:?}", log.changes());
        assert_eta(log.at(298.0), 300.0, 0.1);
        assert_stays(&log, 280.0);
    }
}

#[test]
fn what_would_be_killed_before_it_is_warm_is_not_waited_for() {
    let settings = Run { limit_mib: Some(120.0), until_s: 21.0, ..Run::default() };
    let log = run(&settings, |t| Some(anon(8.0 + 5.0 * t)));
    log.assert_found_by(18.0);
}

#[test]
fn half_a_mib_an_hour_under_noise_is_found_within_30_hours() {
    let mut dice = Dice::seeded(22);
    let settings = Run { limit_mib: Some(256.0), ..hourly(3.0, None) };
    let log = run(&settings, |t| Some(anon(180.0 + 0.47 * t / HOUR + 1.5 * dice.normal())));
    log.assert_found_by(30.0 * HOUR);
    assert_stays(&log, 30.0 * HOUR);
    let at = log.at(60.0 * HOUR);
    assert_rate(at, 0.47 / HOUR, 0.15);
    assert_eta(at, (256.0 - 180.0 - 0.47 * 60.0) / 0.47 * HOUR, 0.25);
    assert_eq!(log.at(72.0 * HOUR).state, State::OomPredicted, "{:?}", log.changes());
}

#[test]
fn a_sawtooth_whose_floor_rises() {
    let mut dice = Dice::seeded(23);
    let settings = Run {
        until_s: 6.0 * HOUR,
        step_s: 5.0,
        judge_every_s: 10.0,
        limit_mib: Some(600.0),
        ..Run::default()
    };
    let log = run(&settings, |t| {
        let floor = 60.0 + 80.0 * t / HOUR;
        Some(anon(floor + 40.0 * (t / 90.0).fract() + dice.normal()))
    });
    log.assert_found_by(3.2 * HOUR);
    assert_rate(log.at(5.0 * HOUR), 80.0 / HOUR, 0.15);
    assert_stays(&log, 3.2 * HOUR);
}

#[test]
fn stairs_of_many_equal_jumps() {
    let settings = Run {
        until_s: 6.0 * HOUR,
        step_s: 5.0,
        judge_every_s: 10.0,
        limit_mib: Some(500.0),
        ..Run::default()
    };
    let log = run(&settings, |t| Some(anon(50.0 + 20.0 * (t / 900.0).floor())));
    log.assert_found_by(3.2 * HOUR);
    assert_rate(log.at(4.0 * HOUR), 20.0 / 900.0, 0.15);
    assert_eta(log.at(4.0 * HOUR), (500.0 - 370.0) / 80.0 * HOUR, 0.25);
}

#[test]
fn a_leak_under_a_daily_cycle_of_its_own_size() {
    let mut dice = Dice::seeded(24);
    let log = run(&hourly(8.0, Some(4096.0)), |t| {
        let day = (std::f64::consts::TAU * t / (24.0 * HOUR)).sin();
        Some(anon(900.0 + 150.0 * day + 150.0 * t / (24.0 * HOUR) + 8.0 * dice.normal()))
    });
    log.assert_found_by(4.5 * 24.0 * HOUR);
    assert_rate(log.at(7.0 * 24.0 * HOUR), 150.0 / (24.0 * HOUR), 0.2);
}

#[test]
fn a_leak_that_is_being_swapped_out() {
    let log = run(&Run { until_s: 140.0, ..Run::default() }, |t| {
        let leaked = 60.0 + 3.0 * (t - 60.0).max(0.0);
        let resident = leaked.min(90.0);
        Some(Split { swap: mib(leaked - resident), ..anon(resident) })
    });
    let found = log.assert_found_by(100.0);
    assert_eq!(found.cause, Cause::HeapLeak);
}

#[test]
fn a_shell_that_is_started_again_and_again_is_no_loop() {
    let settings = Run {
        kind: TargetKind::Workload,
        until_s: 900.0,
        restarts: 8,
        age_at_start_s: 3600.0,
        limit_mib: Some(3000.0),
        ..Run::default()
    };
    let log = run(&settings, |t| Some(anon(4.0 + 0.1 * (t % 130.0))));
    log.assert_silent();
}

#[test]
fn nothing_is_foretold_from_a_life_that_ended() {
    let settings =
        Run { kind: TargetKind::Cgroup, until_s: 200.0, limit_mib: Some(300.0), ..Run::default() };
    let log = run(&settings, |t| Some(anon(if t < 145.0 { 10.0 + 2.0 * t } else { 0.0 })));
    assert!(log.at(144.0).eta.is_some_and(|eta| eta.p50 < 15.0), "{:?}", log.at(144.0).eta);
    let late = log.0.iter().find(|(t, opinion)| *t >= 145.0 && opinion.eta.is_some());
    assert!(late.is_none(), "{late:?}");
}

#[test]
fn a_workload_that_leaks_until_it_is_killed_again_and_again() {
    let settings = Run {
        kind: TargetKind::Workload,
        until_s: 900.0,
        restarts: 4,
        age_at_start_s: 3600.0,
        limit_mib: Some(300.0),
        ..Run::default()
    };
    let log = run(&settings, |t| Some(anon(20.0 + 2.0 * (t % 130.0))));
    let (t, found) = log.first(State::LeakSuspected).expect("found");
    assert!(*t < 600.0, "{t}");
    assert!(found.state >= State::LeakSuspected);
    assert_eq!(log.at(800.0).cause, Cause::RestartLoop);
    assert_rate(log.at(800.0), 2.0, 0.15);
}
