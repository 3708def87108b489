//! Whom a pod belongs to: by the reference in its metadata, or by the labels and names that
//! controllers give. Pure.
//!
//! Only the direct owner is referred to. The Deployment of a ReplicaSet and the CronJob of a Job
//! are told by their names, which the controllers make of theirs, so that nothing else need be
//! asked.

use std::collections::BTreeMap;

type Labels = BTreeMap<String, String>;
/// A key of [`crate::workload::names::OWNERS`], and a name.
type Owners = Vec<(&'static str, String)>;

const REPLICA_SET: &str = "k8s.replicaset.name";
const JOB: &str = "k8s.job.name";
/// Minutes since the epoch at which Kubernetes can have started a Job: 2019 to 2046.
const JOB_MINUTES: std::ops::Range<u64> = 25_770_000..40_000_000;
/// Jobs of clusters before 1.21 count in seconds.
const JOB_SECONDS: std::ops::Range<u64> = 1_400_000_000..2_400_000_000;
/// What controllers hang on the names of their pods. Source: k8s.io/apimachinery, util/rand.
const SUFFIX: usize = 5;
const ALPHABET: &str = "bcdfghjklmnpqrstvwxz2456789";

/// By the owner that controls the pod.
#[must_use]
pub(super) fn by_reference(kind: &str, name: &str, labels: &Labels) -> Owners {
    let direct = match kind {
        "ReplicaSet" => REPLICA_SET,
        "StatefulSet" => "k8s.statefulset.name",
        "DaemonSet" => "k8s.daemonset.name",
        "Job" => JOB,
        "ReplicationController" => "k8s.replicationcontroller.name",
        // A node owns its static pods; others are no workloads that have a name of their own.
        _ => return Vec::new(),
    };
    let mut owners = vec![(direct, name.to_owned())];
    let above = match direct {
        REPLICA_SET => deployment(name, labels).map(|name| ("k8s.deployment.name", name)),
        JOB => cron_job(name).map(|name| ("k8s.cronjob.name", name)),
        _ => None,
    };
    owners.extend(above.map(|(key, name)| (key, name.to_owned())));
    owners
}

/// By the labels of the pod and its name, where there is no reference: a container runtime is told
/// labels only.
#[must_use]
pub(super) fn by_labels(pod: &str, labels: &Labels) -> Owners {
    let label = |key: &str| labels.get(key).map(String::as_str);
    let job = label("batch.kubernetes.io/job-name").or(label("job-name"));
    if let Some(job) = job {
        return by_reference("Job", job, labels);
    }
    if label("pod-template-hash").is_some() {
        let set = without_suffix(pod).filter(|set| deployment(set, labels).is_some());
        return set.map_or_else(Vec::new, |set| by_reference("ReplicaSet", set, labels));
    }
    let Some(revision) = label("controller-revision-hash") else { return Vec::new() };
    // A StatefulSet's revision begins with the set's name; a DaemonSet's is a hash alone.
    match (revision.rsplit_once('-'), label("pod-template-generation")) {
        (_, Some(_)) => {
            let set = without_suffix(pod);
            set.map_or_else(Vec::new, |set| by_reference("DaemonSet", set, labels))
        }
        (Some((set, _)), None) if is_numbered(pod, set) => by_reference("StatefulSet", set, labels),
        _ => Vec::new(),
    }
}

/// `web` of the ReplicaSet `web-5d4f7c9b8d`. The hash is a label of each pod of a Deployment, and
/// of no other's.
fn deployment<'a>(set: &'a str, labels: &Labels) -> Option<&'a str> {
    if labels.contains_key("rollouts-pod-template-hash") {
        return None;
    }
    let hash = labels.get("pod-template-hash").filter(|hash| !hash.is_empty())?;
    set.strip_suffix(hash.as_str())?.strip_suffix('-').filter(|name| !name.is_empty())
}

/// `backup` of the Job `backup-29386125`: the time it was due for.
fn cron_job(job: &str) -> Option<&str> {
    let (name, due) = job.rsplit_once('-')?;
    let number: u64 = due.parse().ok().filter(|_| due.bytes().all(|b| b.is_ascii_digit()))?;
    let is_time = match due.len() {
        8 => JOB_MINUTES.contains(&number),
        10 => JOB_SECONDS.contains(&number),
        _ => false,
    };
    (is_time && !name.is_empty()).then_some(name)
}

fn without_suffix(pod: &str) -> Option<&str> {
    let (name, suffix) = pod.rsplit_once('-')?;
    let drawn = suffix.len() == SUFFIX && suffix.chars().all(|c| ALPHABET.contains(c));
    (drawn && !name.is_empty()).then_some(name)
}

fn is_numbered(pod: &str, set: &str) -> bool {
    let number = pod.strip_prefix(set).and_then(|rest| rest.strip_prefix('-'));
    number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(pairs: &[(&str, &str)]) -> Labels {
        pairs.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect()
    }

    fn shown(owners: &Owners) -> String {
        let short = |key: &str| key.split('.').nth(1).unwrap_or(key).to_owned();
        let owners = owners.iter().map(|(key, name)| format!("{}/{name}", short(key)));
        owners.collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn who_is_above_the_direct_owner_is_told_by_the_names_that_controllers_make() {
        let hash = [("pod-template-hash", "5d4f7c9b8d")];
        for (kind, name, own, wanted) in [
            ("ReplicaSet", "web-5d4f7c9b8d", &hash[..], "replicaset/web-5d4f7c9b8d deployment/web"),
            ("ReplicaSet", "web-5d4f7c9b8d", &[], "replicaset/web-5d4f7c9b8d"),
            ("ReplicaSet", "5d4f7c9b8d", &hash, "replicaset/5d4f7c9b8d"),
            ("StatefulSet", "db", &[], "statefulset/db"),
            ("DaemonSet", "agent", &hash, "daemonset/agent"),
            ("Job", "backup-29386125", &[], "job/backup-29386125 cronjob/backup"),
            ("Job", "backup-1606780800", &[], "job/backup-1606780800 cronjob/backup"),
            ("Job", "report-20261122", &[], "job/report-20261122"),
            ("Job", "once", &[], "job/once"),
            ("Node", "node-1", &[], ""),
            ("Whatever", "x", &[], ""),
        ] {
            assert_eq!(shown(&by_reference(kind, name, &labels(own))), wanted, "{kind} {name}");
        }
        let rollout =
            labels(&[("pod-template-hash", "abc"), ("rollouts-pod-template-hash", "abc")]);
        assert_eq!(shown(&by_reference("ReplicaSet", "web-abc", &rollout)), "replicaset/web-abc");
    }

    #[test]
    fn without_a_reference_labels_and_the_pods_name_tell() {
        for (pod, own, wanted) in [
            (
                "web-5d4f7c9b8d-x2x4z",
                &[("pod-template-hash", "5d4f7c9b8d")][..],
                "replicaset/web-5d4f7c9b8d deployment/web",
            ),
            ("web-x2x4z", &[("pod-template-hash", "5d4f7c9b8d")], ""),
            ("db-0", &[("controller-revision-hash", "db-7b9c6d")], "statefulset/db"),
            ("db-x", &[("controller-revision-hash", "db-7b9c6d")], ""),
            (
                "agent-zx2b9",
                &[("controller-revision-hash", "7b9c6d"), ("pod-template-generation", "3")],
                "daemonset/agent",
            ),
            (
                "backup-29386125-abcde",
                &[("job-name", "backup-29386125")],
                "job/backup-29386125 cronjob/backup",
            ),
            ("alone", &[("app", "x")], ""),
        ] {
            assert_eq!(shown(&by_labels(pod, &labels(own))), wanted, "{pod}");
        }
    }
}
