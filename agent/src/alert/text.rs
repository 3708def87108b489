//! What alerts say to people: plain text, one line each, no control characters whatever the names.
//!
//! Markup is not escaped here; whoever puts the text into a page or a message escapes it there.

use super::OomKill;
use crate::target::TargetKind;
use crate::units::Bytes;
use crate::verdict::{Cause, Eta, State, TargetLabel, Verdict};
use crate::workload::names;

/// The longest name that is shown. Units: characters.
const NAME_MAX: usize = 120;

/// A name as plain text: control and direction-changing characters become `?`, long ones are cut.
pub(crate) fn plain(name: &str) -> String {
    let unsafe_to_show = |c: char| {
        let is_invisible = matches!(c, '\u{200b}'..='\u{200f}');
        let is_line_or_direction = matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
        c.is_control() || is_invisible || is_line_or_direction
    };
    let mut shown: String =
        name.chars().take(NAME_MAX).map(|c| if unsafe_to_show(c) { '?' } else { c }).collect();
    if name.chars().nth(NAME_MAX).is_some() {
        shown.push('…');
    }
    shown
}

/// Summary and description of a verdict that fires.
pub(super) fn of_verdict(verdict: &Verdict) -> (String, String) {
    let who = who(&verdict.target);
    let rate = rate(verdict.rate_bytes_per_s.0);
    let limit = match (verdict.limit_bytes.bytes(), verdict.eta_s) {
        (Some(limit), Some(eta)) => {
            let (left, range) = (duration(eta.p50), range(eta));
            format!("; limit {limit} reached in about {left} ({range})")
        }
        (None, Some(eta)) => {
            format!("; memory runs out in about {} ({})", duration(eta.p50), range(eta))
        }
        (Some(limit), None) => format!("; limit {limit}"),
        (None, None) => String::new(),
    };
    let summary = format!("{who} grows {rate}{limit}");
    let what = match verdict.state {
        State::OomImminent => "An OOM kill is imminent",
        State::OomPredicted => "An OOM kill is to be expected",
        _ => "Memory grows without bound",
    };
    let description = format!(
        "{what}. {who} uses {} now. Likely cause: {}. Confidence {:.0} %.",
        verdict.used_bytes,
        cause(verdict.cause),
        100.0 * verdict.confidence,
    );
    (summary, description)
}

/// Summary and description of a kill.
pub(super) fn of_kill(kill: &OomKill) -> (String, String) {
    let name = |name: &Option<String>| name.as_deref().map(plain);
    let victim = match (name(&kill.victim_comm), kill.victim_pid) {
        (Some(comm), Some(pid)) => format!("{comm} (pid {pid})"),
        (Some(comm), None) => comm,
        (None, Some(pid)) => format!("pid {pid}"),
        (None, None) => "a process".to_owned(),
    };
    let within = names::place(&kill.labels).map(|place| format!(" in {}", plain(&place)));
    let victim = format!("{victim}{}", within.unwrap_or_default());
    let place = match name(&kill.memcg) {
        Some(path) => format!("cgroup {path} had reached its limit"),
        None => "the node was out of memory".to_owned(),
    };
    let summary = format!("The kernel killed {victim}: {place}");
    let mut description = format!("{summary}.");
    if let Some(rss) = kill.victim_rss {
        description.push_str(&format!(" The victim held {rss}."));
    }
    if let Some(killer) = name(&kill.killer_comm) {
        description.push_str(&format!(" The allocation that failed was made by {killer}."));
    }
    (summary, description)
}

fn who(target: &TargetLabel) -> String {
    let label = |name: &str| target.labels.get(name).map(|value| plain(value));
    let after_colon = || {
        let name = target.id.split_once(':').map_or(target.id.as_str(), |(_, name)| name);
        plain(name)
    };
    let place = names::place(&target.labels).map(|place| plain(&place));
    let within = place.as_ref().map(|place| format!(" in {place}")).unwrap_or_default();
    match (target.kind, place) {
        (TargetKind::Node, _) => "The node".to_owned(),
        (TargetKind::Workload, _) => {
            let name = names::shown_workload(&after_colon(), &target.labels);
            format!("Workload {}", plain(&name))
        }
        (TargetKind::Cgroup, Some(place)) if label(names::CONTAINER).is_some() => {
            format!("Container {place}")
        }
        (TargetKind::Cgroup, Some(place)) => format!("Pod {place}"),
        (TargetKind::Cgroup, None) => format!("Cgroup {}", after_colon()),
        (TargetKind::Process, _) => match (label("comm"), target.pid) {
            (Some(comm), Some(pid)) => format!("{comm} (pid {pid}){within}"),
            (Some(comm), None) => format!("{comm}{within}"),
            (None, _) => format!("Process {}", after_colon()),
        },
    }
}

const fn cause(cause: Cause) -> &'static str {
    match cause {
        Cause::HeapLeak => "a heap leak",
        Cause::RetainedGrowth => "memory that is retained",
        Cause::Fragmentation => "fragmentation",
        Cause::CacheFill => "a cache that fills",
        Cause::PageCache => "page cache",
        Cause::Shmem => "shared memory (shmem, tmpfs)",
        Cause::OffHeap => "memory outside of the heap",
        Cause::Kernel => "kernel memory",
        Cause::Threads => "ever more threads",
        Cause::Fds => "ever more file descriptors",
        Cause::RestartLoop => "growth until it is restarted, again and again",
        Cause::Unknown => "unknown",
    }
}

/// In the unit of time in which it reads best: the first that gives at least 1 MiB.
fn rate(bytes_per_s: f64) -> String {
    let amount = |seconds: f64| Bytes((bytes_per_s.max(0.0) * seconds) as u64);
    let units = [(1.0, "s"), (60.0, "min"), (3600.0, "h")];
    let fits = units.iter().find(|(seconds, _)| amount(*seconds) >= Bytes::mib(1));
    let (seconds, unit) = fits.copied().unwrap_or((86_400.0, "day"));
    format!("{}/{unit}", amount(seconds))
}

fn range(eta: Eta) -> String {
    format!("80 %: {} – {}", duration(eta.p10), duration(eta.p90))
}

/// `45 s`, `12 min`, `3 h 10 min`, `4 d 2 h`, `over a year`.
fn duration(seconds: f64) -> String {
    let total = seconds.max(0.0).round() as u64;
    let two = |large: u64, unit: &str, small: u64, part: &str| {
        if small == 0 {
            format!("{large} {unit}")
        } else {
            format!("{large} {unit} {small} {part}")
        }
    };
    match total {
        0..100 => format!("{total} s"),
        100..5_400 => format!("{} min", (total + 30) / 60),
        5_400..172_800 => {
            // To ten minutes: more would be a precision that no forecast has.
            let minutes = (total + 300) / 600 * 10;
            two(minutes / 60, "h", minutes % 60, "min")
        }
        172_800..31_557_600 => {
            let hours = (total + 1_800) / 3_600;
            two(hours / 24, "d", hours % 24, "h")
        }
        _ => "over a year".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_rates_read_well_at_every_scale() {
        let shown = [3.2, 99.0, 119.0, 600.0, 11_400.0, 352_800.0, 1e9].map(duration);
        let expected = ["3 s", "99 s", "2 min", "10 min", "3 h 10 min", "4 d 2 h", "over a year"];
        assert_eq!(shown, expected);
        let mib = 1_048_576.0;
        let shown = [5.0 * mib, mib / 30.0, 12.3 * mib / 3600.0, mib / 86_400.0].map(rate);
        assert_eq!(shown, ["5.0 MiB/s", "2.0 MiB/min", "12.3 MiB/h", "1.0 MiB/day"]);
    }

    #[test]
    fn a_hostile_name_becomes_one_plain_line() {
        assert_eq!(plain("a\nb\x1b[31m\u{202e}c<script>"), "a?b?[31m?c<script>");
        assert_eq!(plain(&"x".repeat(500)).chars().count(), NAME_MAX + 1);
    }

    #[test]
    fn what_runs_in_a_pod_is_called_by_its_names() {
        let pairs = [
            ("k8s.namespace.name", "shop"),
            ("k8s.pod.name", "web\n1"),
            ("k8s.container.name", "app"),
            ("comm", "java"),
        ];
        let labels: std::collections::BTreeMap<_, _> =
            pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let of = |kind, id: &str, pid| {
            let target = TargetLabel {
                kind,
                id: id.into(),
                pid,
                start_time: None,
                cgroup: None,
                labels: labels.clone(),
            };
            who(&target)
        };
        let workload = of(TargetKind::Workload, "workload:pod/77/java", None);
        assert_eq!(workload, "Workload shop/web?1/app/java");
        assert_eq!(of(TargetKind::Cgroup, "cgroup:/pod77/1", None), "Container shop/web?1/app");
        let process = of(TargetKind::Process, "process:7@1", Some(7));
        assert_eq!(process, "java (pid 7) in shop/web?1/app");
        let kill = OomKill { labels: labels.clone(), victim_pid: Some(7), ..OomKill::default() };
        assert!(of_kill(&kill).0.starts_with("The kernel killed pid 7 in shop/web?1/app: "));
    }

    #[test]
    fn a_kill_with_nothing_known_still_says_something_true() {
        let (summary, _) = of_kill(&OomKill::default());
        assert_eq!(summary, "The kernel killed a process: the node was out of memory");
    }
}
