//! Targets that a return probe could kill on some kernels: they are not probed there. Pure.
//!
//! A return probe makes the traced thread come back through a page of the kernel's. From Linux 6.11
//! on it leaves that page by a system call (`uretprobe`), which seccomp filters that list what is
//! allowed did not know until 6.14 let it pass: such a process is killed at its first return. With
//! shadow stacks the changed return address faults before 6.11. Fixes in stable kernels are not
//! told apart: one that has them is refused as well.
//!
//! Source: kernel/seccomp.c, `seccomp_cache_check_allow` and "passthrough uretprobe systemcall"
//! (6.14); arch/x86/kernel/shstk.c, `shstk_push` (6.11).

/// Major and minor number.
type Release = (u32, u32);

const CALL_SINCE: Release = (6, 11);
const PASSED_SINCE: Release = (6, 14);
const SHADOW_STACK_SINCE: Release = (6, 11);

/// Why a target with this `status` must not get return probes on a kernel of this `release`.
pub fn hazard(status: &str, release: &str) -> Option<&'static str> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.map(str::trim)
    };
    // Of an unknown kernel the worst is assumed.
    let release = parsed(release);
    let is_within =
        |from: Release, to: Release| release.is_none_or(|release| (from..to).contains(&release));
    let is_filtered = field("Seccomp:").is_some_and(|mode| mode != "0");
    if is_filtered && is_within(CALL_SINCE, PASSED_SINCE) {
        return Some(
            "it has a seccomp filter, and on Linux 6.11 to 6.13 a return probe can kill such a \
             process",
        );
    }
    let features = field("x86_Thread_features:").unwrap_or_default();
    let has_shadow_stack = features.split_ascii_whitespace().any(|word| word == "shstk");
    (has_shadow_stack && is_within((0, 0), SHADOW_STACK_SINCE))
        .then_some("it has a shadow stack, and before Linux 6.11 a return probe would kill it")
}

fn parsed(release: &str) -> Option<Release> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const FREE: &str = "Name:\tx\nSeccomp:\t0\nSeccomp_filters:\t0\nx86_Thread_features:\t\n";
    const FILTERED: &str = "Name:\tx\nSeccomp:\t2\nSeccomp_filters:\t1\n";
    const SHADOWED: &str = "Seccomp:\t0\nx86_Thread_features:\tshstk wrss\n";

    #[test]
    fn a_filtered_process_is_left_alone_only_where_the_filter_would_kill_it() {
        for (release, is_refused) in [
            ("5.10.0-30-amd64", false),
            ("6.10.9", false),
            ("6.11.0-9-generic", true),
            ("6.13.2", true),
            ("6.14.0", false),
            ("6.18.44-fc", false),
            ("strange", true),
        ] {
            assert_eq!(hazard(FILTERED, release).is_some(), is_refused, "{release}");
            assert_eq!(hazard(FREE, release), None, "{release}");
        }
    }

    #[test]
    fn a_shadow_stack_is_left_alone_by_kernels_that_do_not_know_what_to_do_with_it() {
        assert!(hazard(SHADOWED, "6.8.0-41-generic").is_some());
        assert_eq!(hazard(SHADOWED, "6.12.1"), None);
    }
}
