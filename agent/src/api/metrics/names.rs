//! Names of Kubernetes: how asking for them goes, and what manifests say of memory.

use super::{Labels, Sheet};
use crate::units::Bytes;
use crate::view::{CgroupView, KubernetesView, NamesFigures};
use prometheus_client::metrics::MetricType::{Counter, Gauge};
use std::collections::BTreeMap;
use std::fmt;

/// Labels of what runs in a pod; none of anything else, which is the same as empty ones.
pub(super) fn of_view(kubernetes: Option<&KubernetesView>) -> Labels<'_> {
    let Some(own) = kubernetes else { return Vec::new() };
    let mut labels = vec![("namespace", own.namespace.as_str()), ("pod", own.pod.as_str())];
    labels.extend(own.container.as_deref().map(|container| ("container", container)));
    labels
}

/// The same by the labels of an owner.
pub(super) fn of_labels(labels: &BTreeMap<String, String>) -> Labels<'_> {
    use crate::workload::names::{CONTAINER, NAMESPACE, POD};
    let short = [("namespace", NAMESPACE), ("pod", POD), ("container", CONTAINER)];
    let known = |(short, key)| Some((short, labels.get(key)?.as_str()));
    if labels.contains_key(POD) { short.into_iter().filter_map(known).collect() } else { vec![] }
}

pub(super) fn write(sheet: &mut Sheet<'_>, of: &NamesFigures) -> fmt::Result {
    if !of.enabled {
        return Ok(());
    }
    let lookups = of.lookups_total.iter();
    let lookups = lookups.map(|(outcome, n)| (vec![("outcome", outcome.as_str())], *n as f64));
    let help = "Questions for the names of pods, by what came of them.";
    sheet.family(Counter, "kubernetes_lookups", help, lookups)?;
    let help = "Pods that are known by name.";
    sheet.gauge("kubernetes_pods", help, of.pods as f64)?;
    let help = "Cgroups of pods and containers that are not known by name.";
    sheet.gauge("kubernetes_unknown", help, of.unknown as f64)?;
    let help = "Pods and containers beyond the bounds, which go without names.";
    sheet.gauge("kubernetes_omitted", help, of.omitted as f64)?;
    let help = "Time since names were last learnt.";
    sheet.gauge("kubernetes_answer_age_seconds", help, of.age_s)?;
    let help = "How long the last question for names took.";
    sheet.gauge("kubernetes_lookup_seconds", help, of.took_s)
}

/// One of the figures that a manifest declares.
type Declared = (&'static str, &'static str, fn(&KubernetesView) -> Option<Bytes>);

const DECLARED: [Declared; 2] = [
    ("kubernetes_memory_limit_bytes", "The limit in the container's manifest.", |own| {
        own.memory_limit_bytes
    }),
    ("kubernetes_memory_request_bytes", "The request in the container's manifest.", |own| {
        own.memory_request_bytes
    }),
];

/// Of those cgroups that have rows. A container may have a cgroup in a cgroup of its own.
pub(super) fn write_declared(sheet: &mut Sheet<'_>, cgroups: &[CgroupView]) -> fmt::Result {
    let mut containers: BTreeMap<_, &KubernetesView> = BTreeMap::new();
    for own in cgroups.iter().filter_map(|cgroup| cgroup.kubernetes.as_ref()) {
        if own.container.is_some() {
            containers.entry((&own.namespace, &own.pod, &own.container)).or_insert(own);
        }
    }
    for (name, help, value) in DECLARED {
        let rows = containers.values().filter_map(|own| {
            let mut labels = of_view(Some(own));
            labels.push(("owner", own.owner.as_deref().unwrap_or("")));
            Some((labels, value(own)?.as_f64()))
        });
        sheet.family(Gauge, name, help, rows)?;
    }
    Ok(())
}
