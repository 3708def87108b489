//! Who a resource is: the attributes that all have in common, and those of one entity.

use super::text;
use crate::export::catalog::Entity;
use crate::export::proto::{KeyValue, attribute};
use prost::bytes::Bytes;
use std::collections::BTreeMap;

/// Labels of a cgroup's owner that are OpenTelemetry's own names.
const PASSED_ON: [&str; 2] = ["k8s.", "container."];
/// Our label for what OpenTelemetry calls otherwise.
const RENAMED: [(&str, &str); 2] =
    [("k8s.qos", "k8s.pod.qos_class"), ("container.runtime", "container.runtime.name")];

/// Names that most resources have: they are not copied.
const KNOWN: [&str; 6] = [
    "container.id",
    "container.runtime.name",
    "k8s.pod.uid",
    "k8s.pod.qos_class",
    "k8s.pod.name",
    "k8s.namespace.name",
];

/// What every resource has, and what only the agent's has.
#[derive(Clone, Debug, Default)]
pub struct Common {
    all: Vec<KeyValue>,
    service: Vec<KeyValue>,
}

/// What the machine says of itself.
#[derive(Clone, Debug, Default)]
pub struct Machine {
    pub hostname: String,
    pub host_id: Option<String>,
    pub node_name: Option<String>,
}

impl Common {
    /// `configured` beats what the machine says. Names of services are the agent's alone: what it
    /// watches are other services.
    #[must_use]
    pub fn new(machine: &Machine, configured: &[(String, String)]) -> Self {
        let mut all = BTreeMap::new();
        let mut service = BTreeMap::from([
            ("service.name".to_owned(), "plimsoll".to_owned()),
            ("service.version".to_owned(), env!("CARGO_PKG_VERSION").to_owned()),
        ]);
        let node = machine.node_name.as_deref();
        let nameless = machine.hostname.is_empty() || machine.hostname.starts_with("localhost");
        // A backend that tells hosts apart by name must not get one that all have.
        let host = if nameless { node } else { Some(machine.hostname.as_str()) };
        for (key, value) in
            [("host.name", host), ("host.id", machine.host_id.as_deref()), ("k8s.node.name", node)]
        {
            all.extend(value.map(|value| (key.to_owned(), value.to_owned())));
        }
        if let Some(host) = host {
            service.insert("service.instance.id".to_owned(), format!("plimsoll@{host}"));
        }
        for (key, value) in configured {
            let place = if key.starts_with("service.") { &mut service } else { &mut all };
            place.insert(key.clone(), value.clone());
        }
        let list = |map: BTreeMap<String, String>| {
            map.iter().map(|(key, value)| attribute(key.clone(), value.as_str())).collect()
        };
        Self { all: list(all), service: list(service) }
    }

    #[must_use]
    pub(super) fn has(&self, key: &str) -> bool {
        self.all.iter().any(|one| one.key == key)
    }

    /// The attributes of the node or of the agent; for others those they begin with.
    #[must_use]
    pub(super) fn of(&self, entity: Entity) -> Vec<KeyValue> {
        let mut own = Vec::with_capacity(self.all.len() + 10);
        own.extend_from_slice(&self.all);
        match entity {
            Entity::Host => own.push(attribute("os.type", "linux")),
            Entity::Agent => own.extend_from_slice(&self.service),
            _ => {}
        }
        own
    }
}

/// Adds what the labels of a cgroup's owner say of pod and container.
pub(super) fn add_labels(
    attributes: &mut Vec<KeyValue>,
    labels: &BTreeMap<String, String>,
    only_pod: bool,
) {
    for (key, value) in labels {
        let name = RENAMED.iter().find(|(own, _)| own == key).map_or(key.as_str(), |(_, n)| *n);
        let passed = PASSED_ON.iter().any(|start| name.starts_with(start));
        let of_container = name.starts_with("container.") || name.starts_with("k8s.container.");
        // What the configuration says of all, such as the node's name, stays as it is.
        let taken = attributes.iter().any(|one| one.key == name);
        if passed && !taken && !(only_pod && of_container) {
            let known = KNOWN.iter().find(|known| **known == name);
            let key = known.map_or_else(|| name.to_owned().into(), |known| Bytes::from(*known));
            attributes.extend(text(key, value));
        }
    }
}

/// Reads `name=value` pairs of which values may be percent-encoded. Source: W3C Baggage, as the
/// OpenTelemetry specification has it for headers and resource attributes.
#[must_use]
pub fn decoded(pair: &str) -> Option<(String, String)> {
    let (name, value) = pair.split_once('=')?;
    let name = name.trim();
    (!name.is_empty()).then(|| (name.to_owned(), unescaped(value.trim())))
}

/// Text with its percent escapes resolved; what is none stays.
#[must_use]
pub fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = after.get(..2).filter(|_| first == b'%');
        let hex = hex.and_then(|hex| std::str::from_utf8(hex).ok());
        match hex.and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}
