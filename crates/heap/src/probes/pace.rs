//! How many allocations are drawn, and when the window has cost enough. Pure.

use std::time::Duration;

/// Stacks taken a second, at most about.
const SAMPLES_PER_S: f64 = 4000.0;
/// What one trap costs the target, about. Measured on Linux 6.18 with a program that does nothing
/// but allocate.
const CALL: Duration = Duration::from_nanos(750);
const RETURN: Duration = Duration::from_nanos(950);
const FREE: Duration = Duration::from_nanos(650);
/// Of the node's CPUs, so much may go to traps; one in any case.
const CPU_SHARE_MAX: f64 = 0.5;
/// Of one CPU, so much may go to reading samples.
const OWN_SHARE_MAX: f64 = 0.5;
/// Before that nothing is concluded.
const WARM_UP: Duration = Duration::from_millis(500);

/// One in how many is to be drawn, if so many were allocated in that time.
pub fn one_in(allocated: u64, elapsed: Duration) -> u32 {
    let wanted = SAMPLES_PER_S * elapsed.as_secs_f64();
    if wanted <= 0.0 {
        return 1;
    }
    // A float beyond the range becomes its end.
    (allocated as f64 / wanted).ceil().clamp(1.0, 1e6) as u32
}

/// The CPUs that the traps take, about.
pub fn trap_cpus(allocated: u64, freed: u64, elapsed: Duration) -> f64 {
    let spent =
        (CALL + RETURN).as_secs_f64() * allocated as f64 + FREE.as_secs_f64() * freed as f64;
    spent / elapsed.as_secs_f64().max(1e-9)
}

/// Why the window ends before its time; None if it goes on.
pub fn too_dear(trap_cpus: f64, own: Duration, elapsed: Duration, cpus: usize) -> Option<String> {
    if elapsed < WARM_UP {
        return None;
    }
    let most = (cpus as f64 * CPU_SHARE_MAX).max(1.0);
    if trap_cpus > most {
        return Some(format!("the traps took {trap_cpus:.1} CPUs, and may take {most:.1}"));
    }
    let own_share = own.as_secs_f64() / elapsed.as_secs_f64();
    (own_share > OWN_SHARE_MAX)
        .then(|| format!("reading the samples took {:.0} % of a CPU", own_share * 100.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn few_allocations_are_all_drawn_and_of_many_a_share() {
        assert_eq!(one_in(0, SECOND), 1);
        assert_eq!(one_in(3000, SECOND), 1);
        assert_eq!(one_in(200_000, SECOND), 50);
        assert_eq!(one_in(u64::MAX, SECOND), 1_000_000);
        assert_eq!(one_in(5, Duration::ZERO), 1);
    }

    #[test]
    fn a_window_that_costs_too_much_says_which_of_the_two_does() {
        let cpus = trap_cpus(200_000, 200_000, SECOND);
        assert!((0.4..0.5).contains(&cpus), "{cpus}");
        assert_eq!(too_dear(cpus, Duration::ZERO, SECOND, 1), None);
        assert!(too_dear(1.2, Duration::ZERO, SECOND, 2).is_some_and(|why| why.contains("traps")));
        assert_eq!(too_dear(1.2, Duration::ZERO, SECOND, 8), None);
        assert_eq!(too_dear(9.0, Duration::ZERO, WARM_UP / 2, 1), None);
        let own = too_dear(0.1, Duration::from_millis(700), SECOND, 2);
        assert!(own.is_some_and(|why| why.contains("70 %")));
    }
}
