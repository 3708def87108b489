//! Asks the container runtime of this node for its pods and containers, over its socket.
//!
//! Unary gRPC of runtime.v1: `ListPodSandbox`, `ListContainers`, and `ContainerStatus` once for
//! each container that is new. Nothing is asked that changes anything. A runtime is told labels
//! and no owner references: owners follow from labels, and what is requested is not known.

mod proto;
#[cfg(test)]
mod tests;

use super::{is_image, is_name, owners};
use crate::alert::plain;
use crate::units::Bytes;
use crate::wire::{Reply, over};
use crate::workload::names::{Container, Declared, Pod};
use axum::http::{Method, Request, header};
use http_body_util::Full;
use prost::Message;
use proto::{Containers, ListRequest, PodSandboxes, StatusAnswer, StatusRequest};
use rustc_hash::FxHashMap;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use tokio::net::UnixStream;

const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Containers that are looked into at one time; the others follow the next time.
const STATUSES_MAX: usize = 64;
/// Of what the runtime says of a failure this much is told. Units: characters.
const TOLD_CHARS_MAX: usize = 160;
/// The name that containerd and CRI-O have for their words on a container.
const INFO: &str = "info";
/// What the kubelet calls a static pod, whatever the API server does.
const STATIC_HASH: &str = "kubernetes.io/config.hash";

/// A container runtime, and what was asked of it before.
#[derive(Debug)]
pub struct Runtime {
    socket: PathBuf,
    /// By container id; of those that are listed only.
    known: FxHashMap<String, Looked>,
}

#[derive(Clone, Debug, Default)]
struct Looked {
    limit: Option<Bytes>,
    image: Option<String>,
}

impl Runtime {
    #[must_use]
    pub fn at(socket: PathBuf) -> Self {
        Self { socket, known: FxHashMap::default() }
    }

    #[must_use]
    pub(super) fn socket(&self) -> &Path {
        &self.socket
    }

    /// All pods that the runtime has, ended ones too.
    ///
    /// # Errors
    /// What failed, and what to do.
    pub(super) async fn pods(&mut self) -> Result<Vec<Pod>, String> {
        let sandboxes: PodSandboxes = self.call("ListPodSandbox", &ListRequest {}).await?;
        let containers: Containers = self.call("ListContainers", &ListRequest {}).await?;
        self.look_into(&containers).await?;
        Ok(joined(sandboxes, containers, &self.known))
    }

    /// Learns of new containers what lists do not say.
    async fn look_into(&mut self, listed: &Containers) -> Result<(), String> {
        let ids = || listed.containers.iter().map(|container| &container.id);
        let present: std::collections::HashSet<&String> = ids().collect();
        self.known.retain(|id, _| present.contains(id));
        let new: Vec<String> =
            ids().filter(|id| !self.known.contains_key(*id)).take(STATUSES_MAX).cloned().collect();
        for container_id in new {
            let request = StatusRequest { container_id: container_id.clone(), verbose: true };
            // It may have been removed meanwhile: the next time it is not listed.
            let Ok(answer) = self.call::<StatusAnswer>("ContainerStatus", &request).await else {
                continue;
            };
            self.known.insert(container_id, looked(&answer));
        }
        Ok(())
    }

    async fn call<A: Message + Default>(
        &self,
        method: &str,
        message: &impl Message,
    ) -> Result<A, String> {
        let shown = self.socket.display();
        let stream =
            UnixStream::connect(&self.socket).await.map_err(|e| format!("{shown}: {e}"))?;
        let body = message.encode_to_vec();
        let mut framed = vec![0];
        framed.extend_from_slice(&u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
        framed.extend_from_slice(&body);
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("http://localhost/runtime.v1.RuntimeService/{method}"))
            .header(header::CONTENT_TYPE, "application/grpc")
            .header(header::TE, "trailers")
            .header(header::USER_AGENT, concat!("plimsoll/", env!("CARGO_PKG_VERSION")))
            .body(Full::from(framed))
            .map_err(|e| e.to_string())?;
        let reply = over(stream, true, request, ANSWER_BYTES_MAX).await;
        let reply = reply.map_err(|e| format!("{shown}: {e}"))?;
        message_of(&reply).map_err(|why| format!("{shown}: {method}: {why}"))
    }
}

/// The message of an answer. Source: gRPC over HTTP2.
fn message_of<A: Message + Default>(reply: &Reply) -> Result<A, String> {
    if !reply.is_whole {
        return Err(format!(
            "the answer broke off, or is longer than {} MiB",
            ANSWER_BYTES_MAX >> 20
        ));
    }
    let text = |name: &str| {
        // An answer without a body has its status among the headers.
        let value = reply.trailers.get(name).or_else(|| reply.headers.get(name));
        value.and_then(|value| value.to_str().ok())
    };
    match text("grpc-status") {
        Some("0") => {}
        Some("12") => return Err("this runtime does not speak runtime.v1 of CRI".to_owned()),
        Some(code) => {
            let why = text("grpc-message").map(plain).unwrap_or_default();
            let why: String = why.chars().take(TOLD_CHARS_MAX).collect();
            return Err(format!("answered {code} of gRPC: {why}"));
        }
        None => return Err(format!("answered {} without a status of gRPC", reply.status)),
    }
    let no_message = || "the answer is no message".to_owned();
    let (head, body) = reply.body.split_at_checked(5).ok_or_else(no_message)?;
    if head[0] != 0
        || u32::from_be_bytes([head[1], head[2], head[3], head[4]]) as usize != body.len()
    {
        return Err(no_message());
    }
    A::decode(body).map_err(|e| format!("{}: {e}", no_message()))
}

/// The limit in the status where the runtime tells it there, else in its own words.
fn looked(answer: &StatusAnswer) -> Looked {
    let status = answer.status.as_ref();
    let linux = status.and_then(|status| status.resources.as_ref()?.linux.as_ref());
    let told = linux.map(|linux| linux.memory_limit_in_bytes);
    let in_words = || {
        let info: serde_json::Value = serde_json::from_str(answer.info.get(INFO)?).ok()?;
        info.pointer("/config/linux/resources/memory_limit_in_bytes")
            .or_else(|| info.pointer("/runtimeSpec/linux/resources/memory/limit"))?
            .as_i64()
    };
    let limit = told.filter(|limit| *limit > 0).or_else(in_words);
    let limit = limit.and_then(|limit| u64::try_from(limit).ok()).filter(|limit| *limit > 0);
    let image = status.and_then(|status| status.image.as_ref()).map(name_of_image);
    Looked { limit: limit.map(Bytes), image }
}

fn name_of_image(image: &proto::ImageSpec) -> String {
    let given = &image.user_specified_image;
    if given.is_empty() { image.image.clone() } else { given.clone() }
}

/// The pods of two lists, without what only a look into each container tells.
pub(super) fn read(sandboxes: &[u8], containers: &[u8]) -> Result<Vec<Pod>, String> {
    let sandboxes = PodSandboxes::decode(sandboxes).map_err(|e| e.to_string())?;
    let containers = Containers::decode(containers).map_err(|e| e.to_string())?;
    Ok(joined(sandboxes, containers, &FxHashMap::default()))
}

/// Containers to their sandboxes; sandboxes of one pod, such as one that failed, to one pod.
fn joined(
    sandboxes: PodSandboxes,
    containers: Containers,
    known: &FxHashMap<String, Looked>,
) -> Vec<Pod> {
    let mut pods: BTreeMap<String, Pod> = BTreeMap::new();
    let mut of_sandbox: HashMap<String, String> = HashMap::new();
    for sandbox in sandboxes.items {
        let Some(metadata) = sandbox.metadata else { continue };
        if ![&metadata.name, &metadata.namespace, &metadata.uid].iter().all(|text| is_name(text)) {
            continue;
        }
        let labels: BTreeMap<String, String> = sandbox.labels;
        let mut uids = vec![metadata.uid.clone()];
        let hash = sandbox.annotations.get(STATIC_HASH).filter(|hash| is_name(hash));
        uids.extend(hash.filter(|hash| **hash != metadata.uid).cloned());
        of_sandbox.insert(sandbox.id, metadata.uid.clone());
        pods.entry(metadata.uid).or_insert_with(|| Pod {
            uids,
            owners: owners::by_labels(&metadata.name, &labels),
            namespace: metadata.namespace,
            name: metadata.name,
            containers: Vec::new(),
        });
    }
    for container in containers.containers {
        let uid = of_sandbox.get(&container.pod_sandbox_id);
        let Some(pod) = uid.and_then(|uid| pods.get_mut(uid)) else { continue };
        let Some(name) = container.metadata.map(|m| m.name).filter(|name| is_name(name)) else {
            continue;
        };
        if !is_name(&container.id) {
            continue;
        }
        let looked = known.get(&container.id).cloned().unwrap_or_default();
        let image = looked.image.or_else(|| container.image.as_ref().map(name_of_image));
        pod.containers.push(Container {
            name,
            ids: vec![container.id],
            image: image.filter(|image| is_image(image)),
            memory: Declared { limit: looked.limit, request: None },
        });
    }
    pods.into_values().collect()
}
