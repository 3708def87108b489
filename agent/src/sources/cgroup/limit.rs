//! The limit that really binds a cgroup: the tightest among it and its ancestors. Pure.

use crate::units::{Bytes, Limit};

/// The tightest limit above a cgroup, whose it is, and how much may still be charged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tightest<'a> {
    pub limit: Limit,
    /// The cgroup that carries `limit`; of several with the same limit the nearest. None if there
    /// is none.
    pub from: Option<&'a str>,
    /// The least that any limited cgroup on the way up has left. It may be another one's than
    /// `from`: a wide limit that siblings have filled binds before a tight one that is empty. Zero
    /// if a cgroup is over its limit, None without a limit.
    pub headroom: Option<Bytes>,
}

/// Finds the tightest limit of `path` and its ancestors up to `/`.
///
/// `limit_of` gives the limit and usage of one cgroup, None for one that is not known; it is asked
/// once for each, from `path` upwards. With `memory.max` (v1 `memory.limit_in_bytes`) the answer is
/// about the OOM kill; v2's `memory.high` throttles and never kills, so ask again with it and keep
/// the two answers apart.
pub fn tightest<'a>(
    path: &'a str,
    limit_of: impl Fn(&str) -> Option<(Limit, Bytes)>,
) -> Tightest<'a> {
    let mut tightest = Tightest::default();
    for ancestor in ancestors(path) {
        let Some((Limit::At(limit), usage)) = limit_of(ancestor) else { continue };
        if Limit::At(limit) < tightest.limit {
            tightest.limit = Limit::At(limit);
            tightest.from = Some(ancestor);
        }
        let left = limit - usage;
        tightest.headroom = Some(tightest.headroom.map_or(left, |least| least.min(left)));
    }
    tightest
}

/// `/a/b`, `/a`, `/`.
fn ancestors(path: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(path), |path| match path.rsplit_once('/')? {
        ("", "") => None,
        ("", _) => Some("/"),
        (parent, _) => Some(parent),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mib: u64) -> Limit {
        Limit::At(Bytes::mib(mib))
    }

    /// Limits in MiB (0 for none) and usage in MiB, of `/`, `/pods`, `/pods/a` and `/pods/a/c`.
    fn check(limits: [u64; 4], usage: [u64; 4]) -> Tightest<'static> {
        tightest("/pods/a/c", |path| {
            let i = ["/", "/pods", "/pods/a", "/pods/a/c"].iter().position(|p| *p == path)?;
            let limit = if limits[i] == 0 { Limit::Max } else { at(limits[i]) };
            Some((limit, Bytes::mib(usage[i])))
        })
    }

    #[test]
    fn an_ancestors_limit_binds_a_cgroup_without_one() {
        let expected =
            Tightest { limit: at(512), from: Some("/pods"), headroom: Some(Bytes::mib(112)) };
        assert_eq!(check([0, 512, 0, 0], [900, 400, 300, 200]), expected);
    }

    #[test]
    fn the_tightest_limit_and_the_least_headroom_may_be_of_different_cgroups() {
        let expected =
            Tightest { limit: at(256), from: Some("/pods/a/c"), headroom: Some(Bytes::mib(10)) };
        assert_eq!(check([0, 512, 0, 256], [900, 502, 100, 100]), expected);
    }

    #[test]
    fn of_equal_limits_the_nearest_is_named() {
        assert_eq!(check([0, 0, 64, 64], [9, 9, 9, 9]).from, Some("/pods/a/c"));
    }

    #[test]
    fn over_the_limit_there_is_no_headroom_and_without_limits_there_is_no_answer() {
        assert_eq!(check([0, 0, 0, 64], [90, 80, 70, 65]).headroom, Some(Bytes::ZERO));
        assert_eq!(check([0, 0, 0, 0], [1, 1, 1, 1]), Tightest::default());
        assert_eq!(tightest("/gone", |_| None), Tightest::default());
    }

    #[test]
    fn each_ancestor_is_asked_once() {
        let up = |path| ancestors(path).collect::<Vec<_>>();
        assert_eq!(up("/a/b/c"), ["/a/b/c", "/a/b", "/a", "/"]);
        assert_eq!(up("/"), ["/"]);
        assert_eq!(up("no slash"), ["no slash"]);
        assert_eq!(up(""), [""]);
    }
}
