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

mod found;
mod silent;

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
            log.assert_found_by(850.0);
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
