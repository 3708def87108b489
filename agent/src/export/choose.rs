//! Who is exported where not all can be: suspects always, then the largest. Pure.

use std::cmp::Reverse;

/// Suspects that are exported beyond the bound that was set.
const SUSPECTS_MAX: usize = 1000;

/// Keeps `max` of `all` and returns how many were left out. Suspects go first and are kept even
/// beyond `max`, up to a bound of their own; of the others the largest stay. Cost: one sort.
pub(super) fn keep<T>(
    all: &mut Vec<T>,
    max: usize,
    is_suspect: impl Fn(&T) -> bool,
    size: impl Fn(&T) -> u64,
) -> usize {
    all.sort_by_key(|one| (Reverse(is_suspect(one)), Reverse(size(one))));
    let suspects = all.iter().take_while(|one| is_suspect(one)).count();
    let kept = max.max(suspects.min(max.saturating_add(SUSPECTS_MAX)));
    let omitted = all.len().saturating_sub(kept);
    all.truncate(kept);
    omitted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suspects_stay_however_small_and_the_rest_is_counted() {
        let mut all = vec![(1, false), (9, false), (2, true), (5, false), (3, true)];
        assert_eq!(keep(&mut all, 3, |one| one.1, |one| one.0), 2);
        assert_eq!(all, [(3, true), (2, true), (9, false)]);
        assert_eq!(keep(&mut all, 0, |one| one.1, |one| one.0), 1);
        assert_eq!(all, [(3, true), (2, true)]);
    }

    #[test]
    fn even_suspects_have_a_bound() {
        let mut all: Vec<u64> = (0..5000).collect();
        assert_eq!(keep(&mut all, 500, |_| true, |n| *n), 5000 - 1500);
    }
}
