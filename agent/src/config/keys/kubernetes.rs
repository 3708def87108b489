//! The keys of the names of Kubernetes.

use super::super::NameSource;
use super::{Field, HOUR, Key, ms, s};

const NAMES: [(&str, NameSource); 4] = [
    ("auto", NameSource::Auto),
    ("kubelet", NameSource::Kubelet),
    ("cri", NameSource::Cri),
    ("none", NameSource::None),
];

pub(super) const SOURCE: Key = Key {
    path: "kubernetes.source",
    flag: None,
    field: Field::Choice {
        names: &["auto", "kubelet", "cri", "none"],
        get: |c| {
            let own = NAMES.iter().find(|(_, source)| *source == c.kubernetes.source);
            own.map_or("auto", |(name, _)| name)
        },
        set: |c, name| {
            let chosen = NAMES.iter().find(|(own, _)| *own == name);
            c.kubernetes.source = chosen.map_or(NameSource::Auto, |(_, source)| *source);
        },
    },
    doc: "Who is asked for the names of pods, their owners and containers.",
    edges: "auto: the kubelet in a pod of Kubernetes, nobody elsewhere. none: ids only.",
    who: "Nodes whose kubelet may not be asked: cri, the runtime's socket, which is root's.",
};

pub(super) const KUBELET_URL: Key = Key {
    path: "kubernetes.kubelet_url",
    flag: None,
    field: Field::Text {
        at: |c| &mut c.kubernetes.kubelet_url,
        good: |text| text.is_empty() || super::is_url(text),
        accepted: "an address of http or https without user or password, or empty",
    },
    doc: "Where the kubelet of this node answers.",
    edges: "Empty: https, port 10250 of $HOST_IP or $NODE_NAME. By http no token is sent.",
    who: "Clusters with another port.",
};

pub(super) const TOKEN_FILE: Key = Key {
    path: "kubernetes.token_file",
    flag: None,
    field: Field::Path(|c| &mut c.kubernetes.token_file),
    doc: "File with the token that the kubelet is shown; read for each request.",
    edges: "One that is rotated is used at once.",
    who: "Those who mount a token of their own.",
};

pub(super) const CA_FILE: Key = Key {
    path: "kubernetes.ca_file",
    flag: None,
    field: Field::Path(|c| &mut c.kubernetes.ca_file),
    doc: "File with the authorities that the kubelet's certificate may be of; read each time.",
    edges: "By default the cluster's own.",
    who: "Clusters whose kubelets have certificates of another authority.",
};

pub(super) const INSECURE: Key = Key {
    path: "kubernetes.insecure_skip_verify",
    flag: None,
    field: Field::Switch(|c| &mut c.kubernetes.insecure_skip_verify),
    doc: "Believes any certificate of the kubelet.",
    edges: "true: whoever takes the kubelet's address gets the token.",
    who: "Clusters whose kubelets sign their own certificates.",
};

pub(super) const CRI_SOCKET: Key = Key {
    path: "kubernetes.cri_socket",
    flag: None,
    field: Field::Path(|c| &mut c.kubernetes.cri_socket),
    doc: "Socket of the container runtime, for source = \"cri\".",
    edges: "CRI-O: /run/crio/crio.sock.",
    who: "Nodes with another runtime.",
};

pub(super) const REFRESH_INTERVAL: Key = Key {
    path: "kubernetes.refresh_interval",
    flag: None,
    field: Field::Time { at: |c| &mut c.kubernetes.refresh_interval, range: s(5)..=s(HOUR) },
    doc: "How often names are asked for anew.",
    edges: "Whoever is new and unknown is asked for within 3 s, whatever this is.",
    who: "Almost nobody.",
};

pub(super) const TIMEOUT: Key = Key {
    path: "kubernetes.timeout",
    flag: None,
    field: Field::Time { at: |c| &mut c.kubernetes.timeout, range: ms(100)..=s(60) },
    doc: "How long one question may take.",
    edges: "Nobody waits for the answer: a long one only delays names.",
    who: "Nodes with a slow kubelet.",
};
