//! What is lost without each right, and what each further one gives: the matrix of docs/deploy.md,
//! measured.

use super::{Node, lacking};
use plimsoll_tests::pod::Pod;
use plimsoll_tests::{Agent, skipped};
use std::net::TcpListener;

/// What is seen with the shipped rights but for `change`.
#[track_caller]
fn seen(change: impl FnOnce(Pod) -> Pod, wanted: impl Fn(&str) -> bool) -> String {
    Node::start(change, "").map_or_else(String::new, |node| node.sources(wanted))
}

#[test]
fn without_syslog_kills_are_counted_and_have_no_victim() {
    let said = seen(|pod| pod.with_capabilities(&["SYS_PTRACE"]), |said| said.contains("oom_log"));
    assert!(said.is_empty() || lacking(&said).contains(&"oom_log"), "{said}");
}

#[test]
fn without_sys_ptrace_there_is_neither_pss_nor_a_heap_report_of_others() {
    let Some(node) = Node::start(|pod| pod.with_capabilities(&["SYSLOG"]), "") else { return };
    let said = node.sources(|said| said.contains("[-] smaps:"));
    assert!(said.contains("[-] heap_reports:"), "{said}");
    let own = std::process::id();
    let (status, answer) = node.reported(own, 0);
    assert!(status >= 400 || answer.to_string().contains("SYS_PTRACE"), "{status} {answer}");
}

#[test]
fn without_the_host_s_processes_there_is_only_the_agent_itself() {
    let said = seen(|pod| pod.with("hostPID", false), |said| said.contains("sees 1 processes"));
    assert!(said.is_empty() || said.contains("[+] process:"), "{said}");
}

#[test]
fn without_the_host_s_cgroups_limits_are_not_known() {
    let said = seen(|pod| pod.without_mount("cgroup"), |said| said.contains("[-] cgroup:"));
    assert!(said.is_empty() || said.contains("limits are not known"), "{said}");
}

#[test]
fn with_net_admin_in_the_host_s_network_forks_are_heard() {
    // Free a moment ago; nobody else here listens on given ports.
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let port = free.expect("a free port").port();
    let change = |pod: Pod| {
        let pod = pod.with_capabilities(&["SYSLOG", "SYS_PTRACE", "NET_ADMIN"]);
        pod.with("hostNetwork", true)
    };
    let Some(node) = Node::start_at(port, change, "") else { return };
    node.sources(|said| said.contains("[+] proc_events:"));
}

#[test]
fn with_bpf_and_perfmon_kills_have_a_second_witness_unless_seccomp_forbids_it() {
    let with = |profile: &'static str| {
        move |pod: Pod| {
            let pod = pod.with_capabilities(&["SYSLOG", "SYS_PTRACE", "BPF", "PERFMON"]);
            pod.without_variable("PLIMSOLL_SAMPLING_BPF").with_seccomp(profile)
        }
    };
    if !Agent::start(&[]).source("bpf").starts_with("[+]") {
        return assert!(skipped("this kernel permits no BPF"));
    }
    let said = seen(with("Unconfined"), |said| said.contains("bpf:"));
    assert!(said.is_empty() || said.contains("[+] bpf:"), "{said}");
    // A newer profile lets it pass; what must not be is silence.
    let said = seen(with("RuntimeDefault"), |said| said.contains("bpf:"));
    let named = said.contains("[+] bpf:") || said.contains("seccomp");
    assert!(said.is_empty() || named, "{said}");
}

#[test]
fn with_writable_cgroups_their_events_wake_the_agent() {
    let change = |pod: Pod| pod.with_writable_mount("cgroup");
    let said = seen(change, |said| said.contains("[+] senses:"));
    assert!(said.is_empty() || !lacking(&said).contains(&"senses"), "{said}");
}
