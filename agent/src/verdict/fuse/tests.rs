//! Scenarios with known truth: what must stay silent, and what must be found, how soon, how right.

use super::*;
use crate::detect::synthetic::{Dice, HOUR, Log, Run, anon, run};
use crate::history::Split;

fn mib(n: f64) -> Bytes {
    Bytes((n * 1_048_576.0) as u64)
}

fn hourly(days: f64, limit_mib: Option<f64>) -> Run {
    Run {
        limit_mib,
        step_s: 60.0,
        judge_every_s: 300.0,
        until_s: days * 24.0 * HOUR,
        ..Run::default()
    }
}

mod silent {
    use super::*;

    #[test]
    fn a_warm_up_that_levels_off_after_30_s_1_h_or_8_h() {
        for (length, step) in [(30.0, 1.0), (HOUR, 10.0), (8.0 * HOUR, 60.0)] {
            for plateau in [100.0, 300.0, 460.0] {
                let mut dice = Dice::seeded(11);
                let settings = Run {
                    step_s: step,
                    judge_every_s: step,
                    until_s: length * 6.0,
                    ..Run::default()
                };
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
        let settings =
            Run { kind: TargetKind::Cgroup, until_s: 600.0, step_s: 1.0, ..Run::default() };
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
        let settings =
            Run { until_s: 4.0 * HOUR, step_s: 5.0, judge_every_s: 5.0, ..Run::default() };
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
        let settings =
            Run { until_s: 3.0 * HOUR, step_s: 5.0, judge_every_s: 5.0, ..Run::default() };
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
}

mod found {
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
            let settings =
                Run { step_s: step, judge_every_s: step, until_s: 140.0, ..Run::default() };
            let log = run(&settings, |t| {
                Some(anon(60.0 + 5.0 * (t - 60.0).max(0.0) + 0.3 * dice.normal()))
            });
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
    fn five_mib_a_second_from_the_start_is_called_after_half_of_its_life() {
        let log = run(&Run { until_s: 100.0, ..Run::default() }, |t| Some(anon(8.0 + 5.0 * t)));
        log.assert_found_by(55.0);
        assert_eta(log.at(60.0), (512.0 - 308.0) / 5.0, 0.05);
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
    fn nothing_is_foretold_from_a_life_that_ended() {
        let settings = Run {
            kind: TargetKind::Cgroup,
            until_s: 200.0,
            limit_mib: Some(300.0),
            ..Run::default()
        };
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
}

mod cause {
    use super::*;

    fn growing(settings: &Run, split: impl Fn(f64) -> Split) -> Cause {
        let log = run(settings, |t| Some(split(60.0 + 4.0 * (t - 60.0).max(0.0))));
        assert!(log.first(State::LeakSuspected).is_some(), "not found");
        log.at(settings.until_s).cause
    }

    #[test]
    fn shared_memory_kernel_memory_and_threads_are_told_from_the_heap() {
        let process = Run::default();
        let cgroup = Run { kind: TargetKind::Cgroup, ..Run::default() };
        let threaded = Run { threads_per_mib: 2.0, ..Run::default() };
        let shmem =
            |n| Split { used: mib(n), anon: mib(20.0), shmem: mib(n - 20.0), ..Split::default() };
        let kernel = |n| Split { used: mib(n), anon: mib(40.0), ..Split::default() };
        assert_eq!(growing(&process, anon), Cause::HeapLeak);
        assert_eq!(growing(&process, shmem), Cause::Shmem);
        assert_eq!(growing(&cgroup, kernel), Cause::Kernel);
        assert_eq!(growing(&threaded, anon), Cause::Threads);
    }

    #[test]
    fn memory_without_a_split_is_not_blamed_on_the_heap() {
        let bare = |n| Split { used: mib(n), ..Split::default() };
        assert_eq!(growing(&Run::default(), bare), Cause::Unknown);
    }
}

mod hysteresis {
    use super::*;

    #[test]
    fn the_net_rate_is_told_of_what_is_not_suspected_too() {
        let log = run(&Run { limit_mib: Some(64_000.0), ..Run::default() }, |t| {
            Some(anon(100.0 + 2.0 * t))
        });
        assert_eq!(log.at(60.0).state, State::Ok);
        let rate = log.at(60.0).rate.0 / 1_048_576.0;
        assert!((rate - 2.0).abs() < 0.1, "{rate} MiB/s");
    }

    #[test]
    fn a_suspicion_outlives_a_pause_and_is_dropped_when_growth_has_ended() {
        // Grows for 60 s, pauses 10 s, grows for 30 s, then stands still.
        let log = run(&Run { until_s: 700.0, limit_mib: Some(1024.0), ..Run::default() }, |t| {
            let grown = (t - 60.0).clamp(0.0, 60.0) + (t - 130.0).clamp(0.0, 30.0);
            Some(anon(60.0 + 5.0 * grown))
        });
        let states = log.changes();
        let raised = states
            .windows(2)
            .filter(|w| w[0].1 < State::LeakSuspected && w[1].1 >= State::LeakSuspected);
        assert_eq!(raised.count(), 1, "{states:?}");
        assert_eq!(log.at(700.0).state, State::Ok, "{states:?}");
        assert_eq!(log.at(135.0).state, State::OomImminent, "{states:?}");
    }

    #[test]
    fn memory_given_back_clears_at_once() {
        let log = run(&Run { until_s: 150.0, ..Run::default() }, |t| {
            Some(anon(if t < 110.0 { 60.0 + 5.0 * (t - 60.0).max(0.0) } else { 60.0 }))
        });
        assert_eq!(log.at(109.0).state, State::OomImminent);
        assert!(log.at(113.0).state == State::Ok, "{:?}", log.changes());
    }

    #[test]
    fn states_change_seldom_under_noise() {
        for seed in 30..40 {
            let mut dice = Dice::seeded(seed);
            let settings = Run { until_s: 1200.0, limit_mib: Some(4000.0), ..Run::default() };
            let log = run(&settings, |t| {
                Some(anon(100.0 + 2.5 * (t - 120.0).max(0.0) + 6.0 * dice.normal()))
            });
            log.assert_found_by(700.0);
            assert!(log.changes().len() <= 7, "{:?}", log.changes());
        }
    }

    #[test]
    fn the_memory_of_a_judgement_is_small() {
        assert!(size_of::<Judged>() <= 80, "{}", size_of::<Judged>());
    }
}

mod invariants {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn any_readings_give_a_sound_opinion(
            readings in proptest::collection::vec(any::<(u32, u32, u32)>(), 2..80),
            limit in proptest::option::of(0.0_f64..1e6),
        ) {
            let until_s = readings.len() as f64;
            let settings = Run { limit_mib: limit, until_s, ..Run::default() };
            let log = run(&settings, |t| {
                let (used, file, swap) = readings[(t as usize).min(readings.len() - 1)];
                Some(Split {
                    used: Bytes(used.into()),
                    anon: Bytes(used.into()),
                    file: Bytes(file.into()),
                    swap: Bytes(swap.into()),
                    ..Split::default()
                })
            });
            for (_, opinion) in log.0 {
                prop_assert!((0.0..=1.0).contains(&opinion.confidence));
                prop_assert!(opinion.rate.0.is_finite());
                if let Some(eta) = opinion.eta {
                    prop_assert!(0.0 <= eta.p10 && eta.p10 <= eta.p50 && eta.p50 <= eta.p90);
                }
            }
        }

        #[test]
        fn scaling_bytes_scales_the_rate_and_leaves_the_time_left(scale in 1.0_f64..40.0) {
            let leak = |scale: f64| {
                let settings = Run { limit_mib: Some(512.0 * scale), ..Run::default() };
                let grown = |t: f64| 60.0 + 5.0 * (t - 60.0).max(0.0);
                let log = run(&settings, |t| Some(anon(scale * grown(t))));
                log.at(110.0).clone()
            };
            let (one, many) = (leak(1.0), leak(scale));
            prop_assert_eq!(one.state, many.state);
            prop_assert!((many.rate.0 / one.rate.0 / scale - 1.0).abs() < 1e-3);
            let left = |o: &Opinion| o.eta.expect("it leaks").p50;
            prop_assert!((left(&many) / left(&one) - 1.0).abs() < 1e-3);
        }
    }
}
