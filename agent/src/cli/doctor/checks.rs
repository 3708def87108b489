//! Judges the facts: what is good, what could be better, what keeps the agent from its work. Pure.

use super::facts::{Facts, Others, Port, StateDir};
use super::{Check, Level};
use crate::units::Bytes;

/// Descriptors the agent needs beside those it keeps of processes.
const FDS_BESIDE: u64 = 256;
const STATE_FREE_MIN: Bytes = Bytes::mib(64);

/// Source: linux/capability.h; what the agent does with each.
const CAPABILITIES: [(u32, &str); 7] = [
    (2, "DAC_READ_SEARCH"),
    (12, "NET_ADMIN"),
    (19, "SYS_PTRACE"),
    (24, "SYS_RESOURCE"),
    (34, "SYSLOG"),
    (38, "PERFMON"),
    (39, "BPF"),
];

/// All checks, in the order in which they are shown.
pub(super) fn all(facts: &Facts) -> Vec<Check> {
    vec![
        kernel(&facts.release),
        processes(facts),
        seen(
            "cgroups",
            &facts.cgroups,
            "limits and usage of containers and services",
            "mount cgroup v2 at /sys/fs/cgroup, or give --sys-root",
        ),
        seen(
            "pressure (PSI)",
            &facts.psi,
            "says whether tasks already wait for memory",
            "a kernel from 4.20 with CONFIG_PSI; boot with psi=1 if it is off by default",
        ),
        seen(
            "early senses",
            &facts.senses,
            "the kernel wakes the agent when memory gets short, else it is seen at the next look",
            "run as root, with /proc/pressure and the cgroup files writable",
        ),
        others_memory(facts.others_memory),
        seen(
            "process events",
            &facts.connector,
            "new processes are seen at once, else at the next rescan",
            "give CAP_NET_ADMIN (in the node's network namespace)",
        ),
        seen(
            "OOM log",
            &facts.oom_log,
            "says who was killed and in which cgroup; without it only that some kill happened",
            "give CAP_SYSLOG",
        ),
        bpf(facts),
        descriptors(facts),
        state_dir(facts.state_dir.as_ref()),
        port(facts),
        memory(facts),
        capabilities(facts.capabilities),
    ]
}

fn good(name: &'static str, what: impl Into<String>, why: &'static str) -> Check {
    Check { name, level: Level::Ok, what: what.into(), why, todo: None }
}

impl Check {
    fn but(self, level: Level, todo: impl Into<String>) -> Self {
        Self { level, todo: Some(todo.into()), ..self }
    }
}

/// What is good to have and can be done without.
fn seen(
    name: &'static str,
    seen: &Result<String, String>,
    why: &'static str,
    remedy: &'static str,
) -> Check {
    match seen {
        Ok(what) => good(name, what, why),
        Err(reason) => good(name, reason, why).but(Level::Warn, remedy),
    }
}

/// Without BPF nothing is missing as long as the log can be read.
fn bpf(facts: &Facts) -> Check {
    let why = "names victim, memory cgroup and limit of an OOM kill even where no log can be read";
    match (&facts.bpf, &facts.oom_log) {
        (Ok(what), _) => good("BPF", what, why),
        (Err(reason), Ok(_)) => good("BPF", format!("not used: {reason}"), why),
        (Err(reason), Err(_)) => good("BPF", reason, why).but(
            Level::Warn,
            "give CAP_BPF and CAP_PERFMON; needs Linux 5.8 or newer with type information (BTF)",
        ),
    }
}

fn kernel(release: &str) -> Check {
    let check = good("kernel", release, "older kernels lack files that the agent reads");
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse::<u32>);
    let (Some(Ok(major)), Some(Ok(minor))) = (numbers.next(), numbers.next()) else {
        return check.but(Level::Warn, "the version is in no known form; look at the checks below");
    };
    match (major, minor) {
        (..4, _) | (4, ..14) => check.but(Level::Warn, "4.14 brings smaps_rollup, 4.20 brings PSI"),
        (4, 14..20) => check.but(Level::Warn, "4.20 brings PSI"),
        _ => check,
    }
}

fn processes(facts: &Facts) -> Check {
    let why = "without /proc there is nothing to watch";
    match (&facts.processes, &facts.meminfo) {
        (Ok(1), Ok(_)) => good("processes", "only one to be seen", why).but(
            Level::Warn,
            "in a container set hostPID: true and give --proc-root the node's /proc",
        ),
        (Ok(n), Ok(_)) => good("processes", format!("{n} to be seen"), why),
        (Err(reason), _) | (_, Err(reason)) => {
            let remedy = "mount the node's /proc and give it by --proc-root";
            good("processes", reason, why).but(Level::Fail, remedy)
        }
    }
}

fn others_memory(others: Others) -> Check {
    let Others { readable, denied, absent } = others;
    let tried = readable + denied + absent;
    let what = match (tried, denied, absent) {
        (0, ..) => "there is no process of another user to try".to_owned(),
        (_, 0, 0) => "smaps_rollup can be read".to_owned(),
        (_, 0, _) => "this kernel has no smaps_rollup (4.14 brings it)".to_owned(),
        _ => format!("smaps_rollup is denied for {denied} of {tried} processes tried"),
    };
    let why = "PSS, USS and huge pages; without it only RSS and its parts";
    let check = good("memory of other users", what, why);
    match (denied, absent) {
        (0, 0) => check,
        (0, _) => check.but(Level::Warn, "a newer kernel"),
        _ => check.but(
            Level::Warn,
            "give CAP_SYS_PTRACE in the first user namespace; a security module may still keep \
             some processes closed",
        ),
    }
}

fn descriptors(facts: &Facts) -> Check {
    let why = "files of /proc that stay open make a reading twice as cheap";
    let count = |limit: Option<u64>| limit.map_or_else(|| "no limit".into(), |n| n.to_string());
    let (soft, hard) = (count(facts.nofile_soft), count(facts.nofile_hard));
    let processes = *facts.processes.as_ref().unwrap_or(&0) as u64;
    let what = format!("RLIMIT_NOFILE {soft} (hard {hard}), {processes} processes");
    let check = good("open files", what, why);
    let wanted = processes.saturating_add(FDS_BESIDE);
    match facts.nofile_hard {
        Some(hard) if hard < wanted => {
            check.but(Level::Warn, format!("raise the hard limit above {wanted} (LimitNOFILE=)"))
        }
        _ => check,
    }
}

fn state_dir(dir: Option<&StateDir>) -> Check {
    let name = "state directory";
    let why = "history that survives a restart; without it every start is a warm-up";
    let Some(dir) = dir else {
        let remedy = "set --state-dir, or $HOME";
        return good(name, "there is nowhere to keep history", why).but(Level::Warn, remedy);
    };
    let path = dir.path.display();
    if let Err(reason) = &dir.writable {
        let remedy = "make it writable, or give another by --state-dir, or say --no-persist";
        return good(name, format!("{path} cannot be written ({reason})"), why)
            .but(Level::Warn, remedy);
    }
    let will = if dir.exists { "" } else { " (will be made)" };
    let free = dir.free.map_or_else(String::new, |free| format!(", {free} free"));
    let check = good(name, format!("{path}{will}{free}"), why);
    match dir.free {
        Some(free) if free < STATE_FREE_MIN => {
            check.but(Level::Warn, "make room, or lower history.disk_budget")
        }
        _ => check,
    }
}

fn port(facts: &Facts) -> Check {
    let (name, why) = ("HTTP port", "the API, the metrics and the web page");
    let listen = facts.listen;
    match &facts.port {
        Port::Free => good(name, format!("{listen} is free"), why),
        Port::Agent => good(name, format!("an agent already answers at http://{listen}"), why),
        Port::Taken => good(name, format!("{listen} is taken by another program"), why)
            .but(Level::Fail, "choose another by --listen"),
        Port::Unusable(reason) => good(name, format!("{listen} cannot be used: {reason}"), why)
            .but(Level::Fail, "choose another address by --listen"),
    }
}

/// Facts of the node that change how an OOM comes about; none of them is wrong.
fn memory(facts: &Facts) -> Check {
    let meminfo = facts.meminfo.as_deref().unwrap_or_default();
    let value = |name: &str| {
        let line = meminfo.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        Some(Bytes::kib(line.split_whitespace().next()?.parse().ok()?))
    };
    let swap = match value("SwapTotal") {
        Some(Bytes::ZERO) => "no swap, so anonymous memory cannot be reclaimed".to_owned(),
        Some(total) => format!("{total} of swap, which hides a leak until it is full"),
        None => "swap unknown".to_owned(),
    };
    let overcommit = match facts.overcommit {
        Some(0) => "overcommit by heuristic: allocations succeed, the OOM killer settles it",
        Some(1) => "overcommit always: allocations succeed, the OOM killer settles it",
        Some(2) => "strict overcommit: allocations fail before the OOM killer comes",
        _ => "overcommit unknown",
    };
    let total = value("MemTotal").map_or_else(|| "memory unknown".into(), |b| b.to_string());
    good("memory", format!("{total}; {swap}; {overcommit}"), "how an OOM comes about here")
}

fn capabilities(set: Option<u64>) -> Check {
    let why = "each lets the agent see more; none is needed to start";
    let Some(set) = set else { return good("capabilities", "cannot be read", why) };
    let has = |bit: u32| set & (1 << bit) != 0;
    let names = |wanted: bool| {
        let names: Vec<&str> =
            CAPABILITIES.iter().filter(|(bit, _)| has(*bit) == wanted).map(|(_, n)| *n).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(" ") }
    };
    let what = format!("have {}; lack {}", names(true), names(false));
    good("capabilities", what, why)
}
