//! What a kubelet says of its pods, as names. Pure.
//!
//! Source: Kubernetes API v1, PodList. Of a pod without uid or names nothing is taken; fields that
//! are missing are left out, fields of another form make the whole document refused.

use super::{is_name, owners, quantity};
use crate::workload::names::{Container, Declared, Pod};
use serde::Deserialize;
use std::collections::BTreeMap;

/// A static pod's own hash, which the pod that the API server has of it carries.
const OTHER_UIDS: [&str; 2] = ["kubernetes.io/config.hash", "kubernetes.io/config.mirror"];

#[derive(Deserialize)]
struct PodList {
    kind: Option<String>,
    items: Option<Vec<Item>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Item {
    metadata: Metadata,
    spec: Option<Spec>,
    status: Option<Status>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Metadata {
    name: String,
    namespace: String,
    uid: String,
    labels: Option<BTreeMap<String, String>>,
    annotations: Option<BTreeMap<String, String>>,
    owner_references: Option<Vec<Reference>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Reference {
    kind: String,
    name: String,
    controller: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Spec {
    containers: Option<Vec<Described>>,
    init_containers: Option<Vec<Described>>,
    ephemeral_containers: Option<Vec<Described>>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Described {
    name: String,
    image: Option<String>,
    resources: Option<Resources>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Resources {
    limits: Option<BTreeMap<String, Quantity>>,
    requests: Option<BTreeMap<String, Quantity>>,
}

/// Written as text, but for those who write numbers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Quantity {
    Text(String),
    Number(serde_json::Number),
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Status {
    container_statuses: Option<Vec<Run>>,
    init_container_statuses: Option<Vec<Run>>,
    ephemeral_container_statuses: Option<Vec<Run>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct Run {
    name: String,
    #[serde(rename = "containerID")]
    container_id: Option<String>,
    state: Option<RunState>,
    last_state: Option<RunState>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct RunState {
    terminated: Option<Terminated>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Terminated {
    #[serde(rename = "containerID")]
    container_id: Option<String>,
}

/// Reads the document.
///
/// # Errors
/// When it is no list of pods.
pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Pod>, String> {
    let list: PodList =
        serde_json::from_slice(bytes).map_err(|e| format!("the answer is no list of pods: {e}"))?;
    if list.kind.as_deref() != Some("PodList") {
        return Err("the answer is no list of pods".to_owned());
    }
    Ok(list.items.unwrap_or_default().into_iter().filter_map(pod).collect())
}

fn pod(item: Item) -> Option<Pod> {
    let Item { metadata, spec, status } = item;
    if ![&metadata.name, &metadata.namespace, &metadata.uid].iter().all(|text| is_name(text)) {
        return None;
    }
    let labels = metadata.labels.unwrap_or_default();
    let references = metadata.owner_references.unwrap_or_default();
    let controller = references.iter().find(|one| one.controller == Some(true));
    let owners = controller.filter(|one| is_name(&one.name));
    let owners = owners.map(|one| owners::by_reference(&one.kind, &one.name, &labels));
    let annotations = metadata.annotations.unwrap_or_default();
    let others = OTHER_UIDS.iter().filter_map(|key| annotations.get(*key));
    let others = others.filter(|uid| is_name(uid) && **uid != metadata.uid).cloned();
    let mut uids = vec![metadata.uid.clone()];
    uids.extend(others);
    uids.dedup();
    Some(Pod {
        uids,
        namespace: metadata.namespace,
        name: metadata.name,
        owners: owners.unwrap_or_default(),
        containers: containers(spec.unwrap_or_default(), status.unwrap_or_default()),
    })
}

fn containers(spec: Spec, status: Status) -> Vec<Container> {
    let runs = [
        status.container_statuses,
        status.init_container_statuses,
        status.ephemeral_container_statuses,
    ];
    let runs: Vec<Run> = runs.into_iter().flatten().flatten().collect();
    let described = [spec.containers, spec.init_containers, spec.ephemeral_containers];
    let described = described.into_iter().flatten().flatten().filter(|one| is_name(&one.name));
    described
        .map(|one| {
            let own = runs.iter().filter(|run| run.name == one.name);
            let resources = one.resources.unwrap_or_default();
            Container {
                ids: own.flat_map(ids).collect(),
                name: one.name,
                image: one.image.filter(|image| super::is_image(image)),
                memory: Declared {
                    limit: memory(resources.limits.as_ref()),
                    request: memory(resources.requests.as_ref()),
                },
            }
        })
        .collect()
}

/// `containerd://ID` of the present run and of the last one, without the runtime.
fn ids(run: &Run) -> Vec<String> {
    let ended = |state: &Option<RunState>| {
        let terminated = state.as_ref()?.terminated.as_ref()?;
        terminated.container_id.clone()
    };
    let all = [run.container_id.clone(), ended(&run.state), ended(&run.last_state)];
    let mut ids: Vec<String> = all
        .into_iter()
        .flatten()
        .filter_map(|id| Some(id.split_once("://")?.1.to_owned()))
        .filter(|id| is_name(id))
        .collect();
    ids.sort_unstable();
    ids.dedup();
    ids
}

fn memory(quantities: Option<&BTreeMap<String, Quantity>>) -> Option<crate::units::Bytes> {
    match quantities?.get("memory")? {
        Quantity::Text(text) => quantity::bytes(text),
        Quantity::Number(number) => quantity::bytes(&number.to_string()),
    }
}

#[cfg(test)]
mod tests;
