//! What runs in the machines: which command, for how long at most, in how much memory, and on which
//! kernels as part of every test run. Pure.

use super::console::Verdict;
use super::kernel::Kernel;
use std::fmt::Write as _;
use std::time::Duration;

/// One command in a machine.
#[derive(Clone, Copy, Debug)]
pub struct Case {
    pub name: &'static str,
    what: What,
    /// At most, on a busy host.
    seconds: u64,
    pub ram_mib: u64,
    /// The lines of kernels on which `cargo xtask test` runs it.
    in_tests: &'static [&'static str],
}

#[derive(Clone, Copy, Debug)]
enum What {
    /// Scenarios of the driver, by name.
    Scenario(&'static str),
    /// End-to-end tests, by what their names begin with.
    Tests(&'static [&'static str]),
}

/// Enough for a cgroup of 512 MiB beside all that is in the initramfs.
const ROOMY: u64 = 1280;
/// A node that runs short as a whole.
const SMALL: u64 = 256;
const BOTH: &[&str] = &["6.1", "6.12"];
const NEWER: &[&str] = &["6.12"];
const OLDER: &[&str] = &["6.1"];
/// An emulated processor is slower than a real one by about this factor and more: what is promised
/// within milliseconds may take so many times as long here. What comes of it may not change.
const SLACK: f64 = 4.0;
const NEVER: &[&str] = &[];

const fn case(
    name: &'static str,
    what: What,
    seconds: u64,
    ram_mib: u64,
    in_tests: &'static [&'static str],
) -> Case {
    Case { name, what, seconds, ram_mib, in_tests }
}

/// What runs on the older kernel alone would find nothing else on the newer one: so the two
/// machines of a test run have about as much to do.
pub const CASES: &[Case] = &[
    case("senses", What::Scenario("senses"), 200, ROOMY, BOTH),
    case("kill", What::Scenario("kill"), 200, ROOMY, BOTH),
    case("oom-group", What::Scenario("oom-group"), 200, ROOMY, BOTH),
    case("kill-elsewhere", What::Scenario("kill-elsewhere"), 200, ROOMY, BOTH),
    case("limits", What::Scenario("limits"), 200, ROOMY, NEWER),
    case("page-cache", What::Scenario("page-cache"), 200, ROOMY, NEWER),
    // Each on one of the two, for they are the longest: on a busy host filling the cache alone
    // takes a minute and more.
    case("leak-stops", What::Scenario("leak-stops"), 400, ROOMY, OLDER),
    case("leak-goes-on", What::Scenario("leak-goes-on"), 400, ROOMY, NEWER),
    case("full-intake", What::Scenario("full-intake"), 300, ROOMY, NEWER),
    // A leak of 20 MiB/s came to 5.9 on a busy host: 100 MiB in a second would be no burst here,
    // and the cache would have made room before it is critical. It runs on the host, and here by
    // name.
    case("burst", What::Scenario("burst"), 300, ROOMY, NEVER),
    case("agent-killed", What::Scenario("agent-killed"), 300, ROOMY, NEWER),
    case("agent-stopped", What::Scenario("agent-stopped"), 300, ROOMY, NEWER),
    case("socket-removed", What::Scenario("socket-removed"), 300, ROOMY, NEVER),
    case("crowd", What::Scenario("crowd"), 300, ROOMY, NEVER),
    case("node-shortage", What::Scenario("node-shortage"), 300, SMALL, BOTH),
    case("e2e-bpf", What::Tests(&["bpf::"]), 300, ROOMY, BOTH),
    case("e2e-kills", What::Tests(&["oom_kill::", "incidents::cases::"]), 400, ROOMY, OLDER),
    case("e2e-incident", What::Tests(&["incidents::a_leak_"]), 300, ROOMY, NEVER),
    case("e2e-values", What::Tests(&["surface::values::"]), 300, ROOMY, OLDER),
    // What is left out of these two needs v1's thresholds, or a disk.
    case(
        "e2e-pressure",
        What::Tests(&["pressure::a_cache_", "pressure::a_dry_run", "pressure::of_a_hundred"]),
        300,
        ROOMY,
        OLDER,
    ),
    case(
        "e2e-cache",
        What::Tests(&["cache::pressure::agent", "pressure::squeeze::where_somebody_must_die"]),
        300,
        ROOMY,
        OLDER,
    ),
    case("e2e-leaks", What::Tests(&["leaks::"]), 600, ROOMY, NEVER),
];

impl Case {
    fn command(&self) -> String {
        match self.what {
            What::Scenario(name) => format!(
                "plimsoll-loop run --scenario {name} --agent /plimsoll/plimsoll \
                 --cache /plimsoll/plimsoll-cache --slack {SLACK} --json"
            ),
            What::Tests(names) => format!("e2e --test-threads 1 {}", names.join(" ")),
        }
    }

    pub fn is_for_tests(&self, kernel: Kernel) -> bool {
        self.in_tests.contains(&kernel.line)
    }

    /// Names of tests that nothing came of. One that was renamed would else go unnoticed among the
    /// others of its case.
    pub fn unheard_of(&self, results: &[Verdict]) -> Vec<&'static str> {
        let What::Tests(names) = self.what else { return Vec::new() };
        let is_there = |name: &str| results.iter().any(|result| result.name.contains(name));
        names.iter().copied().filter(|name| !is_there(name)).collect()
    }

    /// Whether the machine must hold this program. What is not there takes no memory.
    fn needs(&self, program: &str) -> bool {
        match self.what {
            What::Scenario(_) => ["plimsoll", "plimsoll-cache", "plimsoll-loop"].contains(&program),
            What::Tests(_) => program != "plimsoll-loop",
        }
    }
}

/// What one machine does, one after the other.
#[derive(Clone, Debug)]
pub struct Batch {
    pub kernel: Kernel,
    pub ram_mib: u64,
    pub cases: Vec<Case>,
}

impl Batch {
    /// The file that `tests/vm/bed.sh` follows.
    pub fn file(&self) -> String {
        self.cases.iter().fold(String::new(), |mut file, case| {
            let _ = writeln!(file, "{}\t{}\t{}", case.name, case.seconds, case.command());
            file
        })
    }

    pub fn within(&self) -> Duration {
        Duration::from_secs(self.cases.iter().map(|case| case.seconds).sum())
    }

    /// What its longest case may take.
    pub fn silent_within(&self) -> Duration {
        Duration::from_secs(self.cases.iter().map(|case| case.seconds).max().unwrap_or(0))
    }

    pub fn needs(&self, program: &str) -> bool {
        self.cases.iter().any(|case| case.needs(program))
    }

    pub fn name(&self) -> String {
        format!("{}-{}m", self.kernel.line, self.ram_mib)
    }
}

/// Cases that can share a machine share it.
pub fn batches(kernels: &[Kernel], wanted: impl Fn(&Case, Kernel) -> bool) -> Vec<Batch> {
    let mut batches: Vec<Batch> = Vec::new();
    for &kernel in kernels {
        for case in CASES.iter().filter(|case| wanted(case, kernel)) {
            let fits = |b: &&mut Batch| b.kernel == kernel && b.ram_mib == case.ram_mib;
            match batches.iter_mut().find(fits) {
                Some(batch) => batch.cases.push(*case),
                None => {
                    batches.push(Batch { kernel, ram_mib: case.ram_mib, cases: vec![*case] });
                }
            }
        }
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_that_no_longer_goes_by_its_name_is_missed() {
        let case = case("e", What::Tests(&["a::b", "a::c"]), 1, SMALL, BOTH);
        let result = |name: &str| Verdict { name: name.to_owned(), good: true, why: Vec::new() };
        assert_eq!(case.unheard_of(&[result("a::b_and_more")]), ["a::c"]);
        assert!(case.unheard_of(&[result("a::b"), result("a::c")]).is_empty());
    }
}
