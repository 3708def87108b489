//! The names that people gave: namespaces, pods, their owners and containers, joined by id to what
//! a cgroup's path tells.
//!
//! Pure: a [`Directory`] is handed in by whoever asked a kubelet or a container runtime. Names are
//! only ever added; who is not in the directory keeps what the path tells.

use super::{Owner, TEXT_BYTES_MAX, cut};
use crate::units::Bytes;
use rustc_hash::FxHashMap;
use std::collections::BTreeMap;

/// Pods that are known by name at once. A kubelet runs 110 by default.
pub const PODS_MAX: usize = 1_024;
/// Containers of one pod that are, the init and ephemeral ones with them.
pub const CONTAINERS_MAX: usize = 64;

const UID: &str = "k8s.pod.uid";
const CONTAINER_ID: &str = "container.id";
pub const NAMESPACE: &str = "k8s.namespace.name";
pub const POD: &str = "k8s.pod.name";
pub const CONTAINER: &str = "k8s.container.name";
/// Labels of whom a pod belongs to, the one that people know it by first.
pub const OWNERS: [&str; 7] = [
    "k8s.deployment.name",
    "k8s.statefulset.name",
    "k8s.daemonset.name",
    "k8s.cronjob.name",
    "k8s.job.name",
    "k8s.replicaset.name",
    "k8s.replicationcontroller.name",
];

/// A pod by its names.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pod {
    /// Under any of these its cgroup may stand: a static pod has one id at the kubelet and another
    /// at the API server.
    pub uids: Vec<String>,
    pub namespace: String,
    pub name: String,
    /// One of [`OWNERS`], and a name.
    pub owners: Vec<(&'static str, String)>,
    pub containers: Vec<Container>,
}

/// A container by its name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Container {
    pub name: String,
    /// Of the present run and, as far as known, of the last one.
    pub ids: Vec<String>,
    pub image: Option<String>,
    pub memory: Declared,
}

/// What a manifest says of a container's memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Declared {
    pub limit: Option<Bytes>,
    pub request: Option<Bytes>,
}

/// Everyone on this node who has a name.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    pods: Vec<Pod>,
    by_uid: FxHashMap<String, usize>,
    by_container: FxHashMap<String, (usize, usize)>,
    /// Pods and containers that there was no room for.
    pub left_out: usize,
}

/// How much of an owner is known by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// It is none of Kubernetes's, as far as its path tells.
    Foreign,
    /// There is an id without a name.
    No,
    Yes,
}

impl Directory {
    #[must_use]
    pub fn new(mut pods: Vec<Pod>) -> Self {
        let mut left_out = pods.len().saturating_sub(PODS_MAX);
        pods.truncate(PODS_MAX);
        for pod in &mut pods {
            left_out += pod.containers.len().saturating_sub(CONTAINERS_MAX);
            pod.containers.truncate(CONTAINERS_MAX);
        }
        let mut own = Self { pods: Vec::new(), left_out, ..Self::default() };
        for (at, pod) in pods.iter().enumerate() {
            own.by_uid.extend(pod.uids.iter().map(|uid| (uid.clone(), at)));
            for (i, container) in pod.containers.iter().enumerate() {
                own.by_container.extend(container.ids.iter().map(|id| (id.clone(), (at, i))));
            }
        }
        own.pods = pods;
        own
    }

    #[must_use]
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    #[must_use]
    pub fn containers(&self) -> usize {
        self.pods.iter().map(|pod| pod.containers.len()).sum()
    }

    /// Whose the labels of an owner are: by the container's id, else by the pod's.
    #[must_use]
    pub fn find(&self, labels: &BTreeMap<String, String>) -> Option<(&Pod, Option<&Container>)> {
        let id = labels.get(CONTAINER_ID).and_then(|id| self.by_container.get(id));
        if let Some(&(pod, container)) = id {
            let pod = self.pods.get(pod)?;
            return Some((pod, pod.containers.get(container)));
        }
        let pod = self.by_uid.get(labels.get(UID)?)?;
        Some((self.pods.get(*pod)?, None))
    }

    /// Whether whoever has these ids is known by name.
    #[must_use]
    pub fn knows(&self, labels: &BTreeMap<String, String>) -> Known {
        if !labels.contains_key(UID) && !labels.contains_key(CONTAINER_ID) {
            return Known::Foreign;
        }
        match self.find(labels) {
            Some((_, Some(_))) => Known::Yes,
            Some((_, None)) if !labels.contains_key(CONTAINER_ID) => Known::Yes,
            // A container outside of every pod may be anybody's.
            None if !labels.contains_key(UID) => Known::Foreign,
            _ => Known::No,
        }
    }

    /// The owner with its names, if that is more than it has.
    #[must_use]
    pub fn named(&self, owner: &Owner) -> Option<Owner> {
        let (pod, container) = self.find(&owner.labels)?;
        let labels = &owner.labels;
        let news: Vec<(&str, &str)> = said(pod, container)
            .filter(|(key, _)| *key != UID || !labels.contains_key(UID))
            .filter(|(key, value)| labels.get(*key).map(String::as_str) != Some(value))
            .collect();
        if news.is_empty() {
            return None;
        }
        let mut named = owner.clone();
        let news = news.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned()));
        named.labels.extend(news);
        Some(named)
    }
}

/// Labels of a container by name; the pod's uid for those whose path did not tell it.
fn said<'a>(
    pod: &'a Pod,
    container: Option<&'a Container>,
) -> impl Iterator<Item = (&'a str, &'a str)> {
    let of_pod = [(NAMESPACE, pod.namespace.as_str()), (POD, pod.name.as_str())];
    let uid = pod.uids.first().map(|uid| (UID, uid.as_str()));
    let owners = pod.owners.iter().map(|(key, name)| (*key, name.as_str()));
    let of_container = container.into_iter().flat_map(|container| {
        let image = container.image.as_deref().unwrap_or_default();
        [(CONTAINER, container.name.as_str()), ("container.image.name", image)]
    });
    let all = of_pod.into_iter().chain(uid).chain(owners).chain(of_container);
    all.map(|(key, value)| (key, cut(value, TEXT_BYTES_MAX))).filter(|(_, value)| !value.is_empty())
}

/// `NAMESPACE/POD`, and `/CONTAINER` where that is known; None of what has no names.
#[must_use]
pub fn place(labels: &BTreeMap<String, String>) -> Option<String> {
    let (namespace, pod) = (labels.get(NAMESPACE)?, labels.get(POD)?);
    Some(match labels.get(CONTAINER) {
        Some(container) => format!("{namespace}/{pod}/{container}"),
        None => format!("{namespace}/{pod}"),
    })
}

/// What people call a workload: its pod in the place of the pod's uid.
#[must_use]
pub fn shown_workload(name: &str, labels: &BTreeMap<String, String>) -> String {
    let program = name.rsplit_once('/').map_or(name, |(_, program)| program);
    place(labels).map_or_else(|| name.to_owned(), |place| format!("{place}/{program}"))
}

/// `deployment/web`: whom people know the pod by.
#[must_use]
pub fn owner_of_pod(labels: &BTreeMap<String, String>) -> Option<String> {
    OWNERS.iter().find_map(|key| {
        let kind = key.strip_prefix("k8s.")?.strip_suffix(".name")?;
        Some(format!("{kind}/{}", labels.get(*key)?))
    })
}

#[cfg(test)]
mod tests {
    use super::super::owner_of;
    use super::*;

    const ID: &str = "3f1c9a5be7d2408c6fa1b09d4e73c85260ab17fe94d3528c0e6b71fa93d5c428";
    const UID: &str = "0f2c3bd2-2c66-4a7a-9e2d-2c5a1f0d9b7e";

    fn directory() -> Directory {
        let container = Container {
            name: "app".into(),
            ids: vec![ID.into()],
            image: Some("shop/web:1".into()),
            ..Container::default()
        };
        Directory::new(vec![Pod {
            uids: vec![UID.into()],
            namespace: "shop".into(),
            name: "web-5d4f7c9b8d-x2x4z".into(),
            owners: vec![
                ("k8s.replicaset.name", "web-5d4f7c9b8d".into()),
                ("k8s.deployment.name", "web".into()),
            ],
            containers: vec![container],
        }])
    }

    #[test]
    fn names_are_joined_by_the_ids_in_the_path_and_ids_stay() {
        let path = format!("/kubepods/burstable/pod{UID}/{ID}");
        let owner = directory().named(&owner_of(&path)).unwrap();
        assert_eq!(owner.name, format!("pod/{UID}"), "what histories go by does not change");
        assert_eq!(owner.labels["k8s.container.name"], "app");
        assert_eq!(owner.labels["container.image.name"], "shop/web:1");
        assert_eq!(place(&owner.labels).unwrap(), "shop/web-5d4f7c9b8d-x2x4z/app");
        assert_eq!(owner_of_pod(&owner.labels).unwrap(), "deployment/web");
        assert_eq!(directory().named(&owner), None, "there is nothing to add");
    }

    #[test]
    fn a_container_that_is_new_has_the_names_of_its_pod_and_is_asked_for() {
        let other = ID.replace('3', "4");
        let owner = owner_of(&format!("/kubepods/pod{UID}/{other}"));
        let named = directory().named(&owner).unwrap();
        assert_eq!(place(&named.labels).unwrap(), "shop/web-5d4f7c9b8d-x2x4z");
        assert_eq!(directory().knows(&owner.labels), Known::No);
        let pod = owner_of(&format!("/kubepods/pod{UID}"));
        assert_eq!(directory().knows(&pod.labels), Known::Yes);
    }

    #[test]
    fn a_container_below_no_pod_is_found_by_its_own_id_and_never_asked_for() {
        let owner = owner_of(&format!("/k8s.io/{ID}"));
        let named = directory().named(&owner).unwrap();
        assert_eq!(named.labels["k8s.pod.uid"], UID);
        for path in ["/", "/system.slice/ssh.service", &format!("/docker/{}", ID.replace('3', "4"))]
        {
            let labels = owner_of(path).labels;
            assert_eq!(directory().knows(&labels), Known::Foreign, "{path}");
            assert!(place(&labels).is_none());
        }
    }

    #[test]
    fn a_workload_is_shown_by_its_pod_and_otherwise_as_it_is() {
        let path = format!("/kubepods/burstable/pod{UID}/{ID}");
        let owner = directory().named(&owner_of(&path)).unwrap();
        let shown = shown_workload(&format!("pod/{UID}/java"), &owner.labels);
        assert_eq!(shown, "shop/web-5d4f7c9b8d-x2x4z/app/java");
        assert_eq!(shown_workload("unit/a.service/x", &BTreeMap::new()), "unit/a.service/x");
    }

    #[test]
    fn a_directory_has_bounds_and_counts_what_is_beyond() {
        let many = vec![Container::default(); CONTAINERS_MAX + 3];
        let first = Pod { containers: many, ..Pod::default() };
        let pods: Vec<Pod> =
            std::iter::once(first).chain((0..PODS_MAX + 4).map(|_| Pod::default())).collect();
        let directory = Directory::new(pods);
        assert_eq!((directory.len(), directory.containers()), (PODS_MAX, CONTAINERS_MAX));
        assert_eq!(directory.left_out, 5 + 3);
    }
}
