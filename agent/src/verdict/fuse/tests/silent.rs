//! What must not be accused.

use super::*;

#[test]
fn a_warm_up_that_levels_off_after_30_s_1_h_or_8_h() {
    for (length, step) in [(30.0, 1.0), (HOUR, 10.0), (8.0 * HOUR, 60.0)] {
        for plateau in [100.0, 300.0, 460.0] {
            let mut dice = Dice::seeded(11);
            let settings =
                Run { step_s: step, judge_every_s: step, until_s: length * 6.0, ..Run::default() };
            let log = run(&settings, |t| {
                let warm = plateau * (1.0 - (-3.0 * t / length).exp());
                Some(anon(10.0 + warm + 0.5 * dice.normal()))
            });
            log.assert_silent();
        }
    }
}

#[test]
fn a_start_that_allocates_its_pool_in_25_s_and_stops() {
    let log = run(&Run::default(), |t| Some(anon(20.0 + 10.0 * t.min(25.0))));
    log.assert_silent();
    assert_eq!(log.at(20.0).state, State::WarmingUp);
    assert_eq!(log.at(60.0).state, State::Ok);
}

#[test]
fn the_first_tooth_of_a_sawtooth_that_peaks_below_six_tenths_of_the_limit() {
    for period in [20.0, 60.0, 100.0] {
        let settings = Run { until_s: 4.0 * period, limit_mib: Some(96.0), ..Run::default() };
        run(&settings, |t| Some(anon(16.0 + 40.0 * (t / period).fract()))).assert_silent();
    }
}

#[test]
fn sessions_that_pile_up_in_ramps_with_rests_between() {
    // Knots of a recorded run: seconds, MiB.
    const RUN: [(f64, f64); 9] = [
        (0.0, 3.0),
        (150.0, 18.0),
        (196.0, 18.5),
        (337.0, 31.2),
        (352.0, 31.5),
        (428.0, 39.0),
        (664.0, 39.3),
        (715.0, 44.8),
        (1200.0, 44.9),
    ];
    let mut dice = Dice::seeded(14);
    let settings = Run { until_s: 1200.0, limit_mib: Some(96.0), ..Run::default() };
    let log = run(&settings, |t| {
        let next = RUN.partition_point(|knot| knot.0 <= t).clamp(1, RUN.len() - 1);
        let ((t0, m0), (t1, m1)) = (RUN[next - 1], RUN[next]);
        Some(anon(m0 + (m1 - m0) * (t - t0) / (t1 - t0) + 0.2 * dice.normal()))
    });
    log.assert_silent();
}

#[test]
fn a_cache_that_fills_to_its_cap() {
    let mut dice = Dice::seeded(12);
    let settings = hourly(3.0, Some(2048.0));
    // Misses, and with them growth, become rarer the fuller it is; then it is full.
    let log = run(&settings, |t| {
        let filled: f64 = 900.0 * (1.0 - (-t / (3.0 * HOUR)).exp());
        Some(anon(200.0 + filled.min(800.0) + 4.0 * dice.normal()))
    });
    log.assert_silent();
}

#[test]
fn a_garbage_collected_sawtooth_with_a_flat_floor() {
    for (period, step) in [(7.0, 1.0), (14.0, 1.0), (45.0, 1.0), (600.0, 10.0)] {
        let mut dice = Dice::seeded(13);
        let settings = Run {
            step_s: step,
            judge_every_s: step,
            until_s: 40.0 * period + 300.0,
            age_at_start_s: 600.0,
            ..Run::default()
        };
        let log = run(&settings, |t| {
            let tooth = (t / period).fract();
            Some(anon(100.0 + 120.0 * tooth + 2.0 * dice.normal()))
        });
        log.assert_silent();
    }
}

#[test]
fn a_deployment_that_steps_up_once_or_twice() {
    let log = run(&Run { until_s: 900.0, ..Run::default() }, |t| {
        Some(anon(if t < 300.0 { 120.0 } else { 260.0 }))
    });
    log.assert_silent();
    let log = run(&hourly(4.0, Some(2048.0)), |t| match t / HOUR {
        h if h < 30.0 => Some(anon(400.0)),
        h if h < 50.0 => Some(anon(520.0)),
        _ => Some(anon(610.0)),
    });
    log.assert_silent();
}

#[test]
fn page_cache_that_grows_while_anon_is_flat_and_it_is_named() {
    let settings = Run { kind: TargetKind::Cgroup, until_s: 600.0, step_s: 1.0, ..Run::default() };
    let log = run(&settings, |t| {
        let file = mib((0.7 * t).min(400.0));
        Some(Split { used: mib(100.0) + file, anon: mib(100.0), file, ..Split::default() })
    });
    log.assert_silent();
    assert_eq!(log.at(600.0).cause, Cause::PageCache);
    assert_eq!(log.at(600.0).state, State::Ok);
}

#[test]
fn a_daily_cycle() {
    for seed in [14, 15, 16] {
        let mut dice = Dice::seeded(seed);
        let log = run(&hourly(9.0, Some(4096.0)), |t| {
            let day = (std::f64::consts::TAU * t / (24.0 * HOUR)).sin();
            Some(anon(1000.0 + 300.0 * day + 20.0 * dice.normal()))
        });
        log.assert_silent();
    }
}

#[test]
fn batch_jobs_that_come_and_go() {
    let mut dice = Dice::seeded(17);
    let settings = Run { until_s: 4.0 * HOUR, step_s: 5.0, judge_every_s: 5.0, ..Run::default() };
    let (mut job_until, mut size) = (0.0, 0.0);
    let log = run(&settings, |t| {
        if t > job_until + 60.0 && dice.uniform() < 0.02 {
            job_until = t + 30.0 + 300.0 * dice.uniform();
            size = 50.0 + 200.0 * dice.uniform();
        }
        Some(anon(80.0 + if t < job_until { size } else { 0.0 } + dice.normal()))
    });
    log.assert_silent();
}

#[test]
fn gaps_and_zeros_in_the_readings() {
    let mut dice = Dice::seeded(18);
    let settings = Run { until_s: 3.0 * HOUR, step_s: 5.0, judge_every_s: 5.0, ..Run::default() };
    let log = run(&settings, |t| {
        let minute = t / 60.0;
        if (50.0..70.0).contains(&minute) || dice.uniform() < 0.3 {
            return None;
        }
        if dice.uniform() < 0.02 {
            return Some(Split::default());
        }
        Some(anon(200.0 + 5.0 * dice.normal()))
    });
    log.assert_silent();
}

#[test]
fn readings_in_whole_percent_that_waver() {
    let mut dice = Dice::seeded(19);
    let log = run(&hourly(6.0, Some(102_400.0)), |t| {
        let slow = 0.4 * (std::f64::consts::TAU * t / (31.0 * HOUR)).sin();
        let percent = (60.5 + slow + 0.3 * dice.normal()).round();
        Some(anon(1024.0 * percent))
    });
    log.assert_silent();
}
