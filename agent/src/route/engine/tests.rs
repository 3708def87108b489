//! The whole way from alerts to notices, with the time handed in.

use super::*;
use crate::config::from_text;
use crate::route::notice::Change;
use crate::route::silence::Wish;
use crate::units::{Bytes, BytesPerSec, Limit};
use crate::verdict::{Cause, State, TargetLabel, Verdict};
use crate::view::Severity;
use std::path::Path;

const ROUTES: &str = r#"
    destinations = [
        { name = "am", type = "alertmanager", urls = ["http://a:9093"] },
        { name = "pd", type = "pagerduty", routing_key = "k" },
    ]"#;
const PAGER: &str = "routes = [{ destinations = [\"pd\"], group_by = [\"workload\"] }]";

/// An engine, the alerts it is shown, and the time.
struct Bench {
    engine: Engine,
    silences: Silences,
    clock: Clock,
    start: Stamp,
    alerts: Vec<AlertView>,
    gone: bool,
    config: Config,
}

impl Bench {
    fn new(text: &str) -> Self {
        let config = from_text(Path::new("p.toml"), text).unwrap().config;
        let clock = Clock::start();
        Self {
            engine: Engine::new(&config, "node-7"),
            silences: Silences::new(&config.routing.silences),
            clock,
            start: clock.now(),
            alerts: Vec::new(),
            gone: false,
            config,
        }
    }

    /// What is told at `seconds`: destination, reason, and name and change of each alert.
    fn at(&mut self, seconds: u64) -> Vec<String> {
        self.notices(seconds).iter().map(shown).collect()
    }

    fn notices(&mut self, seconds: u64) -> Vec<Notice> {
        let now = self.start.plus(Duration::from_secs(seconds));
        let gone = |_: &str| self.gone;
        let moment = Moment { now, clock: self.clock, silences: &self.silences, gone: &gone };
        self.engine.tick(&self.alerts, moment)
    }

    /// All that is told from one second to another, each with its second.
    fn between(&mut self, from: u64, to: u64) -> Vec<(u64, String)> {
        (from..=to).flat_map(|s| self.at(s).into_iter().map(move |told| (s, told))).collect()
    }

    fn stands(&mut self, target: &str, name: &str) {
        let workload = target.split_once(':').map_or(target, |(_, name)| name);
        let severity = match name {
            "OomImminent" | "OomKill" => Severity::Critical,
            _ => Severity::Warning,
        };
        self.alerts.retain(|alert| alert.target != target);
        self.alerts.push(AlertView {
            name: name.into(),
            severity,
            firing: true,
            summary: format!("{workload} grows"),
            starts_at: self.clock.rfc3339(self.start),
            target: target.into(),
            labels: [("workload".to_owned(), workload.to_owned())].into(),
            verdict: Some(verdict(target)),
            ..AlertView::default()
        });
    }

    fn ends(&mut self, target: &str) {
        let ended = self.clock.rfc3339(self.start);
        for alert in self.alerts.iter_mut().filter(|alert| alert.target == target) {
            alert.firing = false;
            alert.ends_at = Some(ended.clone());
        }
    }

    /// As after a restart at `seconds`, with what was kept.
    fn restart(&mut self, seconds: u64) {
        let kept = serde_json::to_string(&self.engine.saved(self.clock)).unwrap();
        self.engine = Engine::new(&self.config, "node-7");
        let now = self.start.plus(Duration::from_secs(seconds));
        self.engine.restore(serde_json::from_str(&kept).unwrap(), now, self.clock);
    }
}

fn shown(notice: &Notice) -> String {
    let alerts = notice.alerts.iter().map(|alert| format!("{}:{:?}", alert.name, alert.change));
    let alerts: Vec<String> = alerts.collect();
    format!("{} {:?} {}", notice.destination, notice.reason, alerts.join(" "))
}

fn verdict(id: &str) -> Verdict {
    Verdict {
        target: TargetLabel {
            kind: crate::target::TargetKind::Workload,
            id: id.into(),
            pid: None,
            start_time: None,
            cgroup: None,
            labels: BTreeMap::new(),
        },
        state: State::LeakSuspected,
        cause: Cause::HeapLeak,
        used_bytes: Bytes::mib(1),
        limit_bytes: Limit::Max,
        rate_bytes_per_s: BytesPerSec(1.0),
        eta_s: None,
        confidence: 0.9,
        since: String::new(),
        evidence: Vec::new(),
    }
}

#[test]
fn a_suspicion_is_told_after_a_minute_and_its_end_too() {
    let mut bench = Bench::new("");
    bench.stands("workload:a", "LeakSuspected");
    assert_eq!(bench.between(0, 59), []);
    assert_eq!(bench.at(60), ["log Changed LeakSuspected:New"]);
    assert_eq!(bench.between(61, 200), []);
    bench.ends("workload:a");
    assert_eq!(bench.at(201), ["log Resolved LeakSuspected:Resolved"]);
    assert_eq!(bench.between(202, 300), []);
    assert!(bench.engine.is_idle());
}

#[test]
fn what_did_not_stand_long_enough_is_not_told_and_begins_anew() {
    let mut bench = Bench::new("");
    bench.stands("workload:a", "LeakSuspected");
    assert_eq!(bench.between(0, 50), []);
    bench.ends("workload:a");
    assert_eq!(bench.between(51, 55), []);
    bench.stands("workload:a", "LeakSuspected");
    assert_eq!(bench.between(56, 115), []);
    assert_eq!(bench.at(116).len(), 1);
}

#[test]
fn an_imminent_end_and_a_kill_are_told_at_once() {
    for name in ["OomImminent", "OomKill"] {
        let mut bench = Bench::new("");
        bench.stands("workload:a", name);
        assert_eq!(bench.at(0), [format!("log Changed {name}:New")]);
    }
}

#[test]
fn a_rule_asks_for_time_and_confidence_of_each_name_for_itself() {
    let mut bench = Bench::new(
        r#"rules = [
            { alert = "LeakSuspected", for = "10s", confidence_min = 0.95 },
            { alert = "OomPredicted", for = "30s" },
            { alert = "OomImminent", for = "5s" },
        ]"#,
    );
    bench.stands("workload:a", "LeakSuspected");
    assert_eq!(bench.between(0, 20), [], "a confidence of 0.9 is too little");
    bench.stands("workload:a", "OomPredicted");
    assert_eq!(bench.between(21, 50), []);
    assert_eq!(bench.at(51), ["log Changed OomPredicted:New"]);
    bench.stands("workload:a", "OomImminent");
    // It is critical at once, and imminent once that has stood.
    assert_eq!(bench.at(52), ["log Changed OomPredicted:Escalated OomPredicted:Renamed"]);
    assert_eq!(bench.between(53, 56), []);
    assert_eq!(bench.at(57), ["log Changed OomImminent:Escalated OomPredicted:Renamed"]);
}

#[test]
fn a_milder_name_goes_on_standing_while_the_alert_has_a_worse_one() {
    let mut bench = Bench::new("rules = [{ alert = \"OomPredicted\", for = \"1h\" }]");
    bench.stands("workload:a", "LeakSuspected");
    assert_eq!(bench.between(0, 30), []);
    bench.stands("workload:a", "OomPredicted");
    assert_eq!(bench.between(31, 59), []);
    assert_eq!(bench.at(60), ["log Changed LeakSuspected:New"]);
}

#[test]
fn it_eases_only_after_ten_minutes() {
    let mut bench = Bench::new("");
    bench.stands("workload:a", "OomImminent");
    assert_eq!(bench.at(0).len(), 1);
    bench.stands("workload:a", "OomPredicted");
    assert_eq!(bench.between(1, 599), []);
    assert_eq!(bench.at(600), ["log Changed OomPredicted:Eased OomImminent:Renamed"]);
}

#[test]
fn a_group_waits_then_tells_together_then_keeps_its_interval() {
    let mut bench =
        Bench::new(&format!("{ROUTES}\nroutes = [{{ destinations = [\"pd\"], group_by = [] }}]"));
    bench.stands("workload:a", "OomPredicted");
    assert_eq!(bench.between(0, 4), []);
    bench.stands("workload:b", "OomPredicted");
    assert_eq!(bench.between(5, 9), []);
    assert_eq!(bench.at(10), ["pd Changed OomPredicted:New OomPredicted:New"]);
    bench.stands("workload:c", "OomPredicted");
    bench.ends("workload:a");
    assert_eq!(bench.between(11, 309), []);
    let told = bench.at(310);
    assert_eq!(told.len(), 1);
    assert!(told[0].contains("OomPredicted:New") && told[0].contains("OomPredicted:Resolved"));
    bench.stands("workload:c", "OomImminent");
    assert_eq!(bench.at(311).len(), 1, "the kernel does not wait for the interval");
}

#[test]
fn groups_are_parted_by_the_labels_of_the_route() {
    let mut bench = Bench::new(&format!("{ROUTES}\n{PAGER}"));
    bench.stands("workload:a", "OomPredicted");
    bench.stands("workload:b", "OomPredicted");
    bench.at(0);
    let notices = bench.notices(10);
    let keys: BTreeSet<&str> = notices.iter().map(|n| n.group_key.as_str()).collect();
    assert_eq!((notices.len(), keys.len()), (2, 2));
    assert_eq!(notices[0].group_labels["workload"], "a");
}

#[test]
fn a_group_that_still_fires_is_repeated_and_alertmanager_hears_of_it_each_minute() {
    let mut bench = Bench::new(ROUTES);
    bench.stands("workload:a", "OomPredicted");
    let told = bench.between(0, 14_420);
    let of = |name: &str| -> Vec<u64> {
        told.iter().filter(|(_, told)| told.starts_with(name)).map(|(s, _)| *s).collect()
    };
    assert_eq!(of("pd "), [10, 14_410]);
    assert_eq!(of("log "), [0, 14_400]);
    assert_eq!(of("am ")[..3], [0, 60, 120]);
    assert_eq!(of("am ").len(), 241);
    assert!(told.iter().any(|(_, told)| told == "pd Repeated OomPredicted:Unchanged"));
}

#[test]
fn alertmanager_is_told_that_the_former_name_is_over() {
    let mut bench = Bench::new(ROUTES);
    bench.stands("workload:a", "OomPredicted");
    bench.at(0);
    bench.stands("workload:a", "OomImminent");
    let notices = bench.notices(1);
    let am = notices.iter().find(|n| n.destination == "am").expect("told");
    assert_eq!(shown(am), "am Changed OomImminent:Escalated OomPredicted:Renamed");
    assert_eq!(am.alerts[1].labels["alertname"], "OomPredicted");
    assert_eq!(
        (am.alerts[1].fires(), am.alerts[1].fingerprint == am.alerts[0].fingerprint),
        (false, true)
    );
}

#[test]
fn an_alert_that_leaves_a_route_is_over_there() {
    let routes = r#"routes = [
        { match = ["severity=warning"], destinations = ["pd"], group_wait = "0s" },
        { destinations = ["log"] },
    ]"#;
    let mut bench = Bench::new(&format!("{ROUTES}\n{routes}"));
    bench.stands("workload:a", "OomPredicted");
    assert_eq!(bench.at(0), ["pd Changed OomPredicted:New"]);
    bench.stands("workload:a", "OomImminent");
    assert_eq!(bench.at(1), ["log Changed OomImminent:New"]);
    assert_eq!(bench.at(300), ["pd Resolved OomPredicted:Resolved"]);
}

#[test]
fn a_silence_holds_back_what_is_new_and_lets_the_end_through() {
    let mut bench = Bench::new("");
    let wall = bench.clock.unix_ms(bench.start);
    let matchers = crate::route::matcher::all_of(&["workload=b*".to_owned()]);
    let wish = Wish { matchers, until_ms: wall + 100_000, ..Wish::default() };
    bench.stands("workload:b", "OomPredicted");
    assert_eq!(bench.at(0).len(), 1);
    bench.silences.make(&wish, wall).unwrap();
    bench.stands("workload:b2", "OomPredicted");
    assert_eq!(bench.between(1, 99), []);
    bench.ends("workload:b");
    assert_eq!(bench.at(99), ["log Resolved OomPredicted:Resolved"]);
    assert_eq!(bench.at(100), ["log Changed OomPredicted:New"], "the silence is over");
}

#[test]
fn a_silence_of_the_file_holds_for_what_fires_under_it_from_the_start() {
    let mut bench = Bench::new("silences = [{ match = [\"workload=noisy\"] }]");
    bench.stands("workload:noisy", "OomImminent");
    assert_eq!(bench.between(0, 1000), []);
    bench.ends("workload:noisy");
    assert_eq!(bench.between(1001, 1010), []);
}

#[test]
fn after_a_restart_nothing_is_told_twice_and_what_waited_is_told() {
    let mut bench = Bench::new(&format!("{ROUTES}\n{PAGER}"));
    bench.stands("workload:a", "OomPredicted");
    bench.between(0, 10);
    bench.stands("workload:b", "OomPredicted");
    assert_eq!(bench.at(11), Vec::<String>::new());
    bench.alerts.clear();
    bench.restart(15);
    assert_eq!(bench.at(15), ["pd Changed OomPredicted:New"], "b, which waited for its group");
    bench.stands("workload:a", "OomPredicted");
    assert_eq!(bench.between(16, 100), []);
    bench.ends("workload:a");
    assert_eq!(bench.between(311, 311), [(311, "pd Resolved OomPredicted:Resolved".to_owned())]);
}

#[test]
fn what_is_not_seen_again_after_a_restart_is_over_at_last_or_at_once_if_it_is_gone() {
    for (gone, until) in [(false, 910), (true, 300)] {
        let mut bench = Bench::new(&format!("{ROUTES}\n{PAGER}"));
        bench.stands("workload:a", "OomPredicted");
        bench.between(0, 10);
        bench.alerts.clear();
        bench.restart(10);
        bench.gone = gone;
        let told = bench.between(11, 2000);
        let shown: Vec<_> = told.iter().map(|(_, told)| told.as_str()).collect();
        assert_eq!(shown, ["pd Resolved OomPredicted:Resolved"]);
        assert!((until..until + 20).contains(&told[0].0), "{told:?}");
    }
}

#[test]
fn the_fingerprint_outlasts_escalation_and_restart() {
    let mut bench = Bench::new("");
    bench.stands("workload:a", "OomPredicted");
    let first = bench.notices(0)[0].alerts[0].fingerprint.clone();
    bench.restart(1);
    bench.stands("workload:a", "OomImminent");
    bench.alerts[0].starts_at = "2030-01-01T00:00:00.000Z".into();
    let alert = bench.notices(2)[0].alerts[0].clone();
    assert_eq!((alert.fingerprint, alert.change), (first, Change::Escalated));
}

#[test]
fn labels_that_change_are_no_part_of_what_an_alert_is_known_by() {
    let mut bench = Bench::new("alerts.labels = [\"cluster=eu-1\"]");
    bench.stands("workload:a", "OomPredicted");
    bench.alerts[0].labels.insert("processes".into(), "7".into());
    bench.alerts[0].labels.insert("empty".into(), String::new());
    bench.alerts[0].labels.insert("k8s.namespace.name".into(), "x".into());
    let labels = bench.notices(0)[0].alerts[0].labels.clone();
    let shown: Vec<String> = labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        shown.join(" "),
        "alertname=OomPredicted cluster=eu-1 k8s_namespace_name=x kind=workload namespace=x \
         node=node-7 severity=warning target=workload:a workload=a"
    );
}

#[test]
fn many_alerts_are_cut_in_a_group_and_parted_for_alertmanager() {
    let mut bench = Bench::new(&format!(
        "{ROUTES}\nroutes = [{{ destinations = [\"pd\", \"am\"], group_by = [] }}]"
    ));
    for n in 0..150 {
        bench.stands(&format!("workload:w{n}"), "OomImminent");
    }
    let notices = bench.notices(0);
    let sizes = |name: &str| -> Vec<(usize, usize)> {
        let own = notices.iter().filter(|n| n.destination == name);
        own.map(|n| (n.alerts.len(), n.truncated_alerts)).collect()
    };
    assert_eq!(sizes("pd"), [(64, 86)]);
    assert_eq!(sizes("am"), [(64, 0), (64, 0), (22, 0)]);
    let ids: BTreeSet<&str> = notices.iter().map(|n| n.id.as_str()).collect();
    assert_eq!(ids.len(), notices.len());
}

#[test]
fn groups_beyond_the_most_come_together_in_one() {
    let mut bench = Bench::new(ROUTES);
    for n in 0..600 {
        bench.stands(&format!("workload:w{n}"), "OomImminent");
    }
    bench.at(0);
    assert!(bench.engine.groups.len() <= GROUPS_MAX + 3, "{}", bench.engine.groups.len());
}
