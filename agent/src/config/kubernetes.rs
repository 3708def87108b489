//! What can be set of the names of Kubernetes, with its defaults.

use std::path::PathBuf;
use std::time::Duration;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubernetesConfig {
    pub source: NameSource,
    /// Empty: port 10250 of this node.
    pub kubelet_url: String,
    pub token_file: PathBuf,
    pub ca_file: PathBuf,
    pub insecure_skip_verify: bool,
    pub cri_socket: PathBuf,
    pub refresh_interval: Duration,
    pub timeout: Duration,
}

/// Who is asked for names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameSource {
    /// The kubelet inside of Kubernetes, nobody outside.
    #[default]
    Auto,
    Kubelet,
    Cri,
    None,
}

impl Default for KubernetesConfig {
    fn default() -> Self {
        let account = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount");
        Self {
            source: NameSource::Auto,
            kubelet_url: String::new(),
            token_file: account.join("token"),
            ca_file: account.join("ca.crt"),
            insecure_skip_verify: false,
            cri_socket: "/run/containerd/containerd.sock".into(),
            refresh_interval: Duration::from_secs(60),
            timeout: Duration::from_secs(5),
        }
    }
}
