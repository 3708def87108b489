//! The exposition as a scraper gets it.

use super::*;
use crate::api::desk::Desk;
use crate::api::guard::tests::Canned;

pub(super) const SETTINGS: MetricsSettings =
    MetricsSettings { cadvisor_names: false, cpu_budget: 0.02 };

pub(super) fn scrape(desk: Desk) -> String {
    scrape_with(desk, SETTINGS)
}

fn scrape_with(desk: Desk, metrics: MetricsSettings) -> String {
    exposition(desk, ApiSettings { metrics, ..open() })
}

/// With all switched on that an agent may be configured to serve.
pub(super) fn scrape_everything() -> String {
    let mut desk = Desk::new();
    desk.exports = true;
    let metrics = MetricsSettings { cadvisor_names: true, ..SETTINGS };
    exposition(desk, ApiSettings { metrics, reload: Some(Arc::new(Canned)), ..open() })
}

fn open() -> ApiSettings {
    ApiSettings::open(([127, 0, 0, 1], 9977).into())
}

fn exposition(desk: Desk, api: ApiSettings) -> String {
    let mut exposition = String::new();
    text::encode(&mut exposition, &registry(desk.shared(), &api)).unwrap();
    exposition
}

#[test]
fn the_exposition_is_escaped_and_leaves_out_what_is_not_known() {
    let text = scrape(Desk::new());
    // Of lists as long as their bound one row is enough.
    let mut processes = 0;
    let shown = text.lines().filter(|line| {
        processes += usize::from(line.starts_with("plimsoll_process_"));
        !line.contains("/small/")
            && (!line.starts_with("plimsoll_process_") || processes % 100 == 1)
    });
    let shown: Vec<&str> = shown.collect();
    insta::assert_snapshot!(shown.join("\n").replace('\u{1b}', "<ESC>"));
}

#[test]
fn the_names_of_cadvisor_are_served_only_where_they_are_asked_for() {
    let with = |cadvisor_names| {
        let settings = MetricsSettings { cadvisor_names, ..MetricsSettings::default() };
        scrape_with(Desk::new(), settings)
    };
    assert!(!with(false).contains("container_memory"));
    let text = with(true);
    let row = "container_memory_working_set_bytes{id=\"/\",namespace=\"\",pod=\"\",";
    assert!(text.contains(row), "{text}");
    assert_eq!(text.matches("\ncontainer_memory_usage_bytes{").count(), 500);
    assert!(text.contains("\ncontainer_oom_events_total{") && text.ends_with("# EOF\n"));
}

#[test]
fn label_sets_are_bounded_and_say_what_was_left_out() {
    let mut desk = Desk::new();
    desk.more_verdicts = 300;
    let text = scrape(desk);
    let count = |start: &str| text.lines().filter(|line| line.starts_with(start)).count();
    assert_eq!(count("plimsoll_cgroup_usage_bytes{"), 500);
    assert!(text.contains("plimsoll_cgroups_omitted 2.0\n"));
    assert_eq!(count("plimsoll_target_used_bytes{"), 200);
    assert!(text.contains("plimsoll_targets_omitted 101.0\n"));
    assert!(text.contains("target=\"process:42@100\""), "the most urgent is kept");
    assert!(text.contains("target=\"process:198@1\""));
    assert!(!text.contains("target=\"process:199@1\""), "the least urgent is left out");
}

#[test]
fn the_plain_format_names_counters_in_full_and_has_no_end_mark() {
    let open_metrics = "# HELP a_b Help a_b.\n# TYPE a_b counter\na_b_total{x=\"# EOF\"} 1\n\
        # HELP c C.\n# TYPE c unknown\nc 2\n# EOF\n";
    let expected = "# HELP a_b_total Help a_b.\n# TYPE a_b_total counter\n\
        a_b_total{x=\"# EOF\"} 1\n# HELP c C.\n# TYPE c untyped\nc 2\n";
    assert_eq!(plain(open_metrics), expected);
}

#[test]
fn the_export_and_reloads_are_told_of_where_there_are_some() {
    let text = scrape(Desk::new());
    assert!(!text.contains("plimsoll_export") && !text.contains("plimsoll_config_"), "{text}");
    let text = scrape_everything();
    for row in [
        "plimsoll_export_failing{signal=\"metrics\"} 1.0",
        "plimsoll_export_dropped_total{signal=\"metrics\",reason=\"full\"} 2.0",
        "plimsoll_export_dropped_total{signal=\"metrics\",reason=\"refused\"} 0.0",
        "plimsoll_export_omitted{entity=\"process\"} 50.0",
        "plimsoll_config_reloads_total{result=\"bad\"} 0.0",
        "plimsoll_config_reload_success 0.0",
    ] {
        assert!(text.lines().any(|line| line == row), "no {row} in:\n{text}");
    }
}
