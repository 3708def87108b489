//! Names of Kubernetes in the documents of the API.

use crate::units::Bytes;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Who a process or cgroup is in Kubernetes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct KubernetesView {
    pub namespace: String,
    pub pod: String,
    /// Null for the pod as a whole, and for the container that holds its namespaces.
    pub container: Option<String>,
    /// Whom the pod belongs to: `deployment/NAME`, `statefulset/NAME`, `daemonset/NAME`,
    /// `cronjob/NAME`, `job/NAME`, `replicaset/NAME`.
    pub owner: Option<String>,
    /// The container's `resources.limits.memory`.
    pub memory_limit_bytes: Option<Bytes>,
    /// The container's `resources.requests.memory`.
    pub memory_request_bytes: Option<Bytes>,
}

/// How asking for names goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default)]
pub struct NamesFigures {
    /// Somebody is asked.
    pub enabled: bool,
    pub pods: usize,
    pub containers: usize,
    /// Pods and containers that there was no room for.
    pub omitted: usize,
    /// Cgroups of pods and containers without a name.
    pub unknown: usize,
    /// By outcome: `answered`, `failed`.
    pub lookups_total: BTreeMap<String, u64>,
    /// Since the last answer.
    pub age_s: Option<f64>,
    /// How long the last question took.
    pub took_s: f64,
}
