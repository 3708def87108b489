//! The exposition as a scraper gets it.

use super::*;
use crate::api::desk::Desk;

fn scrape(desk: Desk) -> String {
    let mut exposition = String::new();
    text::encode(
        &mut exposition,
        &registry(desk.shared(), &ApiSettings::open(([127, 0, 0, 1], 9977).into())),
    )
    .unwrap();
    exposition
}

#[test]
#[expect(clippy::too_many_lines, reason = "a snapshot of the whole exposition")]
fn the_exposition_is_escaped_and_leaves_out_what_is_not_known() {
    let text = scrape(Desk::new());
    let shown: Vec<&str> = text.lines().filter(|line| !line.contains("/small/")).collect();
    insta::assert_snapshot!(shown.join("\n").replace('\u{1b}', "<ESC>"), @r#"
    # HELP plimsoll_build_info The agent's build; always 1.
    # TYPE plimsoll_build_info gauge
    plimsoll_build_info{version="0.1.0"} 1.0
    # HELP plimsoll_agent_uptime_seconds Time since the agent started.
    # TYPE plimsoll_agent_uptime_seconds gauge
    plimsoll_agent_uptime_seconds 12.5
    # HELP plimsoll_agent_cpu_seconds CPU time of the agent.
    # TYPE plimsoll_agent_cpu_seconds counter
    plimsoll_agent_cpu_seconds_total 0.75
    # HELP plimsoll_agent_sampler_cpu_seconds CPU time of the agent's sampler.
    # TYPE plimsoll_agent_sampler_cpu_seconds counter
    plimsoll_agent_sampler_cpu_seconds_total 0.0
    # HELP plimsoll_agent_rss_bytes Resident memory of the agent.
    # TYPE plimsoll_agent_rss_bytes gauge
    plimsoll_agent_rss_bytes 20971520.0
    # HELP plimsoll_agent_allocator_bytes The agent's allocator as jemalloc's stats.* count it.
    # TYPE plimsoll_agent_allocator_bytes gauge
    plimsoll_agent_allocator_bytes{kind="active"} 12582912.0
    # HELP plimsoll_history_bytes Memory that the history holds.
    # TYPE plimsoll_history_bytes gauge
    plimsoll_history_bytes 0.0
    # HELP plimsoll_history_budget_bytes Memory that the history may hold.
    # TYPE plimsoll_history_budget_bytes gauge
    plimsoll_history_budget_bytes 16777216.0
    # HELP plimsoll_history_trimmed_points Points dropped to keep the budget.
    # TYPE plimsoll_history_trimmed_points counter
    plimsoll_history_trimmed_points_total 0.0
    # HELP plimsoll_history_evicted_series Whole series dropped to keep the budget.
    # TYPE plimsoll_history_evicted_series counter
    plimsoll_history_evicted_series_total 0.0
    # HELP plimsoll_history_flush_failures Flushes of the history to disk that failed.
    # TYPE plimsoll_history_flush_failures counter
    plimsoll_history_flush_failures_total 0.0
    # HELP plimsoll_watched_processes Processes that are watched.
    # TYPE plimsoll_watched_processes gauge
    plimsoll_watched_processes 0.0
    # HELP plimsoll_watched_cgroups Cgroups that are watched.
    # TYPE plimsoll_watched_cgroups gauge
    plimsoll_watched_cgroups 0.0
    # HELP plimsoll_watched_workloads Workloads that are watched.
    # TYPE plimsoll_watched_workloads gauge
    plimsoll_watched_workloads 0.0
    # HELP plimsoll_kept_fds Files of /proc that are kept open.
    # TYPE plimsoll_kept_fds gauge
    plimsoll_kept_fds 0.0
    # HELP plimsoll_kept_fds_limit Files of /proc that may be kept open.
    # TYPE plimsoll_kept_fds_limit gauge
    plimsoll_kept_fds_limit 0.0
    # HELP plimsoll_samples Readings taken.
    # TYPE plimsoll_samples counter
    plimsoll_samples_total{source="cgroup"} 50.0
    plimsoll_samples_total{source="process"} 1000.0
    # HELP plimsoll_short_lived_processes Processes seen by their fork and gone before they were read.
    # TYPE plimsoll_short_lived_processes counter
    plimsoll_short_lived_processes_total 0.0
    # HELP plimsoll_connector_overruns Times that the kernel dropped process events because the agent read them too slowly.
    # TYPE plimsoll_connector_overruns counter
    plimsoll_connector_overruns_total 0.0
    # HELP plimsoll_senses_cgroups Cgroups whose own events wake the sampler.
    # TYPE plimsoll_senses_cgroups gauge
    plimsoll_senses_cgroups 0.0
    # HELP plimsoll_senses_dropped Words of senses that the sampler had no room for.
    # TYPE plimsoll_senses_dropped counter
    plimsoll_senses_dropped_total 0.0
    # HELP plimsoll_sampler_shed_factor How much rarer the least urgent targets are read to keep the CPU budget; 1 is nothing.
    # TYPE plimsoll_sampler_shed_factor gauge
    plimsoll_sampler_shed_factor 1.0
    # HELP plimsoll_sampler_lag_seconds How late the sampler is with its most overdue target.
    # TYPE plimsoll_sampler_lag_seconds gauge
    plimsoll_sampler_lag_seconds 0.0
    # HELP plimsoll_oom_kills_seen OOM kills that the agent saw.
    # TYPE plimsoll_oom_kills_seen counter
    plimsoll_oom_kills_seen_total 0.0
    # HELP plimsoll_incidents Incidents recorded: one for each cgroup and burst of OOM kills.
    # TYPE plimsoll_incidents counter
    plimsoll_incidents_total 0.0
    # HELP plimsoll_incidents_dropped OOM kills of which no incident could be made, for the recorder was behind.
    # TYPE plimsoll_incidents_dropped counter
    plimsoll_incidents_dropped_total 0.0
    # HELP plimsoll_incident_write_failures Writes of incidents to disk that failed; they are kept in memory and tried again.
    # TYPE plimsoll_incident_write_failures counter
    plimsoll_incident_write_failures_total 0.0
    # HELP plimsoll_pinned_targets Targets whose every reading is kept.
    # TYPE plimsoll_pinned_targets gauge
    plimsoll_pinned_targets 0.0
    # HELP plimsoll_pins_refused Suspects that found no pin free.
    # TYPE plimsoll_pins_refused counter
    plimsoll_pins_refused_total 0.0
    # HELP plimsoll_heap_reports_refused Heap reports that could not be taken.
    # TYPE plimsoll_heap_reports_refused counter
    plimsoll_heap_reports_refused_total 0.0
    # HELP plimsoll_heap_reports_declined Heap reports not taken up: too many or too soon.
    # TYPE plimsoll_heap_reports_declined counter
    plimsoll_heap_reports_declined_total 0.0
    # HELP plimsoll_heap_report_seconds Time spent taking heap reports.
    # TYPE plimsoll_heap_report_seconds counter
    plimsoll_heap_report_seconds_total 0.0
    # HELP plimsoll_heap_report_pause_seconds Time for which processes stood still for heap reports.
    # TYPE plimsoll_heap_report_pause_seconds counter
    plimsoll_heap_report_pause_seconds_total 0.0
    # HELP plimsoll_heap_reports_kept Heap reports that are kept.
    # TYPE plimsoll_heap_reports_kept gauge
    plimsoll_heap_reports_kept 0.0
    # HELP plimsoll_heap_reports_kept_bytes Their size on disk.
    # TYPE plimsoll_heap_reports_kept_bytes gauge
    plimsoll_heap_reports_kept_bytes 0.0
    # HELP plimsoll_heap_reports_deleted Heap reports deleted to keep to number, bytes and age.
    # TYPE plimsoll_heap_reports_deleted counter
    plimsoll_heap_reports_deleted_total 0.0
    # HELP plimsoll_heap_report_write_failures Heap reports that could not be written to disk.
    # TYPE plimsoll_heap_report_write_failures counter
    plimsoll_heap_report_write_failures_total 0.0
    # HELP plimsoll_ready 1 once the first sweep is done.
    # TYPE plimsoll_ready gauge
    plimsoll_ready 1.0
    # HELP plimsoll_source_up 1 if the source sees everything it should; /readyz?verbose says why not.
    # TYPE plimsoll_source_up gauge
    plimsoll_source_up{source="process"} 1.0
    plimsoll_source_up{source="smaps"} 0.0
    plimsoll_source_up{source="oom_log"} 0.0
    # HELP plimsoll_pressure_listening 1 if applications can subscribe.
    # TYPE plimsoll_pressure_listening gauge
    plimsoll_pressure_listening 1.0
    # HELP plimsoll_pressure_dry_run 1 if nobody is asked for anything.
    # TYPE plimsoll_pressure_dry_run gauge
    plimsoll_pressure_dry_run 0.0
    # HELP plimsoll_pressure_subscribers Applications that subscribe.
    # TYPE plimsoll_pressure_subscribers gauge
    plimsoll_pressure_subscribers 1.0
    # HELP plimsoll_pressure_can_free_bytes What they say they could free.
    # TYPE plimsoll_pressure_can_free_bytes gauge
    plimsoll_pressure_can_free_bytes 314572800.0
    # HELP plimsoll_pressure_level How short memory is: 0 none, 1 low, 2 medium, 3 critical.
    # TYPE plimsoll_pressure_level gauge
    plimsoll_pressure_level{scope="cgroup:/a\"b\\c\nd</script>�<ESC>[31m"} 2.0
    # HELP plimsoll_pressure_headroom_bytes Limit - what reclaim cannot free.
    # TYPE plimsoll_pressure_headroom_bytes gauge
    plimsoll_pressure_headroom_bytes{scope="cgroup:/a\"b\\c\nd</script>�<ESC>[31m"} 41943040.0
    # HELP plimsoll_pressure_want_bytes Wanted back, what is under way included.
    # TYPE plimsoll_pressure_want_bytes gauge
    plimsoll_pressure_want_bytes{scope="cgroup:/a\"b\\c\nd</script>�<ESC>[31m"} 20971520.0
    # HELP plimsoll_pressure_asks Times that a subscriber was asked for memory.
    # TYPE plimsoll_pressure_asks counter
    plimsoll_pressure_asks_total 0.0
    # HELP plimsoll_pressure_asked_bytes Memory asked for.
    # TYPE plimsoll_pressure_asked_bytes counter
    plimsoll_pressure_asked_bytes_total 0.0
    # HELP plimsoll_pressure_freed_bytes Memory freed, as subscribers say.
    # TYPE plimsoll_pressure_freed_bytes counter
    plimsoll_pressure_freed_bytes_total 0.0
    # HELP plimsoll_pressure_seen_bytes Of that, what the headroom showed.
    # TYPE plimsoll_pressure_seen_bytes counter
    plimsoll_pressure_seen_bytes_total 0.0
    # HELP plimsoll_pressure_late Asks not answered by their deadline.
    # TYPE plimsoll_pressure_late counter
    plimsoll_pressure_late_total 0.0
    # HELP plimsoll_pressure_connections Connections taken.
    # TYPE plimsoll_pressure_connections counter
    plimsoll_pressure_connections_total 0.0
    # HELP plimsoll_pressure_refused Connections turned away.
    # TYPE plimsoll_pressure_refused counter
    plimsoll_pressure_refused_total 0.0
    # HELP plimsoll_pressure_closed Connections closed for what they did or did not.
    # TYPE plimsoll_pressure_closed counter
    plimsoll_pressure_closed_total 0.0
    # HELP plimsoll_silences Silences that hold now.
    # TYPE plimsoll_silences gauge
    plimsoll_silences 0.0
    # HELP plimsoll_notices_sent Notices that the destination took.
    # TYPE plimsoll_notices_sent counter
    plimsoll_notices_sent_total{destination="pager"} 7.0
    # HELP plimsoll_notices_failed Attempts to deliver a notice that failed.
    # TYPE plimsoll_notices_failed counter
    plimsoll_notices_failed_total{destination="pager"} 2.0
    # HELP plimsoll_notices_dropped Notices that were given up.
    # TYPE plimsoll_notices_dropped counter
    plimsoll_notices_dropped_total{destination="pager",reason="full"} 0.0
    plimsoll_notices_dropped_total{destination="pager",reason="age"} 0.0
    plimsoll_notices_dropped_total{destination="pager",reason="refused"} 1.0
    plimsoll_notices_dropped_total{destination="pager",reason="damaged"} 0.0
    # HELP plimsoll_notices_queued Notices that wait to be delivered.
    # TYPE plimsoll_notices_queued gauge
    plimsoll_notices_queued{destination="pager"} 3.0
    # HELP plimsoll_notices_queued_bytes Size of the notices that wait.
    # TYPE plimsoll_notices_queued_bytes gauge
    plimsoll_notices_queued_bytes{destination="pager"} 4096.0
    # HELP plimsoll_node_mem_total_bytes MemTotal.
    # TYPE plimsoll_node_mem_total_bytes gauge
    plimsoll_node_mem_total_bytes 4294967296.0
    # HELP plimsoll_node_mem_available_bytes MemAvailable.
    # TYPE plimsoll_node_mem_available_bytes gauge
    plimsoll_node_mem_available_bytes 1073741824.0
    # HELP plimsoll_node_mem_used_bytes MemTotal - MemAvailable.
    # TYPE plimsoll_node_mem_used_bytes gauge
    plimsoll_node_mem_used_bytes 3221225472.0
    # HELP plimsoll_node_psi_memory_seconds Time that some or all tasks were stalled on memory, from /proc/pressure/memory.
    # TYPE plimsoll_node_psi_memory_seconds counter
    plimsoll_node_psi_memory_seconds_total{kind="some"} 1.5
    plimsoll_node_psi_memory_seconds_total{kind="full"} 0.25
    # HELP plimsoll_node_oom_kills oom_kill of /proc/vmstat: OOM kills since boot.
    # TYPE plimsoll_node_oom_kills counter
    plimsoll_node_oom_kills_total 3.0
    # HELP plimsoll_cgroup_usage_bytes Memory charged to the cgroup.
    # TYPE plimsoll_cgroup_usage_bytes gauge
    plimsoll_cgroup_usage_bytes{cgroup="/"} 943718400.0
    plimsoll_cgroup_usage_bytes{cgroup="a\"b\\c\nd</script>�<ESC>[31m"} 314572800.0
    # HELP plimsoll_cgroup_working_set_bytes Usage - inactive_file.
    # TYPE plimsoll_cgroup_working_set_bytes gauge
    plimsoll_cgroup_working_set_bytes{cgroup="/"} 942669824.0
    plimsoll_cgroup_working_set_bytes{cgroup="a\"b\\c\nd</script>�<ESC>[31m"} 313524224.0
    # HELP plimsoll_cgroup_anon_bytes Anonymous memory.
    # TYPE plimsoll_cgroup_anon_bytes gauge
    plimsoll_cgroup_anon_bytes{cgroup="a\"b\\c\nd</script>�<ESC>[31m"} 209715200.0
    # HELP plimsoll_cgroup_limit_bytes The tightest limit of the cgroup and its ancestors.
    # TYPE plimsoll_cgroup_limit_bytes gauge
    plimsoll_cgroup_limit_bytes{cgroup="a\"b\\c\nd</script>�<ESC>[31m"} 536870912.0
    # HELP plimsoll_cgroup_oom_kills Processes of the cgroup that were killed.
    # TYPE plimsoll_cgroup_oom_kills counter
    plimsoll_cgroup_oom_kills_total{cgroup="a\"b\\c\nd</script>�<ESC>[31m"} 2.0
    # HELP plimsoll_cgroups_omitted Cgroups beyond the 500 largest, without rows.
    # TYPE plimsoll_cgroups_omitted gauge
    plimsoll_cgroups_omitted 2.0
    # HELP plimsoll_http_refused Requests and connections refused, by reason.
    # TYPE plimsoll_http_refused counter
    plimsoll_http_refused_total{reason="unauthorized"} 0.0
    plimsoll_http_refused_total{reason="forbidden"} 0.0
    plimsoll_http_refused_total{reason="rate_limited"} 0.0
    plimsoll_http_refused_total{reason="tls_handshake"} 0.0
    # HELP plimsoll_targets Targets by kind and state of their verdict.
    # TYPE plimsoll_targets gauge
    plimsoll_targets{kind="node",state="ok"} 0.0
    plimsoll_targets{kind="node",state="warming_up"} 0.0
    plimsoll_targets{kind="node",state="leak_suspected"} 0.0
    plimsoll_targets{kind="node",state="oom_predicted"} 0.0
    plimsoll_targets{kind="node",state="oom_imminent"} 0.0
    plimsoll_targets{kind="workload",state="ok"} 0.0
    plimsoll_targets{kind="workload",state="warming_up"} 0.0
    plimsoll_targets{kind="workload",state="leak_suspected"} 0.0
    plimsoll_targets{kind="workload",state="oom_predicted"} 0.0
    plimsoll_targets{kind="workload",state="oom_imminent"} 0.0
    plimsoll_targets{kind="cgroup",state="ok"} 0.0
    plimsoll_targets{kind="cgroup",state="warming_up"} 0.0
    plimsoll_targets{kind="cgroup",state="leak_suspected"} 0.0
    plimsoll_targets{kind="cgroup",state="oom_predicted"} 0.0
    plimsoll_targets{kind="cgroup",state="oom_imminent"} 0.0
    plimsoll_targets{kind="process",state="ok"} 0.0
    plimsoll_targets{kind="process",state="warming_up"} 1.0
    plimsoll_targets{kind="process",state="leak_suspected"} 0.0
    plimsoll_targets{kind="process",state="oom_predicted"} 1.0
    plimsoll_targets{kind="process",state="oom_imminent"} 0.0
    # HELP plimsoll_target_used_bytes Memory used, of targets in trouble.
    # TYPE plimsoll_target_used_bytes gauge
    plimsoll_target_used_bytes{kind="process",target="process:42@100",workload="a\"b\\c\nd</script>�<ESC>[31m",cgroup="/kubepods/pod-1"} 314572800.0
    # HELP plimsoll_target_limit_bytes Limit, of targets in trouble.
    # TYPE plimsoll_target_limit_bytes gauge
    plimsoll_target_limit_bytes{kind="process",target="process:42@100",workload="a\"b\\c\nd</script>�<ESC>[31m",cgroup="/kubepods/pod-1"} 536870912.0
    # HELP plimsoll_target_growth_bytes_per_second Growth, of targets in trouble.
    # TYPE plimsoll_target_growth_bytes_per_second gauge
    plimsoll_target_growth_bytes_per_second{kind="process",target="process:42@100",workload="a\"b\\c\nd</script>�<ESC>[31m",cgroup="/kubepods/pod-1"} 1024.5
    # HELP plimsoll_target_time_to_limit_seconds Forecast time until the limit, of targets in trouble; 0.1 is the early end.
    # TYPE plimsoll_target_time_to_limit_seconds unknown
    plimsoll_target_time_to_limit_seconds{kind="process",target="process:42@100",workload="a\"b\\c\nd</script>�<ESC>[31m",cgroup="/kubepods/pod-1",quantile="0.1"} 300.0
    plimsoll_target_time_to_limit_seconds{kind="process",target="process:42@100",workload="a\"b\\c\nd</script>�<ESC>[31m",cgroup="/kubepods/pod-1",quantile="0.5"} 600.0
    # HELP plimsoll_targets_omitted Targets in trouble beyond the 200 most urgent, without rows.
    # TYPE plimsoll_targets_omitted gauge
    plimsoll_targets_omitted 0.0
    # EOF
    "#);
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
