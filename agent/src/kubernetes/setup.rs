//! Who is asked for names: what is configured, and what Kubernetes says in the environment. Pure.

use super::cri::Runtime;
use super::kubelet::Kubelet;
use crate::config::{Env, KubernetesConfig, NameSource};
use std::time::Duration;

/// Port of the kubelet's API.
const KUBELET_PORT: u16 = 10_250;

/// Who is asked, and how.
#[derive(Debug)]
pub struct Setup {
    pub(super) asked: Asked,
    pub(super) timeout: Duration,
    pub(super) interval: Duration,
}

#[derive(Debug)]
pub(super) enum Asked {
    Kubelet(Kubelet),
    Runtime(Runtime),
}

/// What is done about names.
#[derive(Debug)]
pub enum Choice {
    Ask(Box<Setup>),
    /// Nobody is asked, for this reason.
    Nobody(String),
}

/// Chooses by the configuration. `has_token`: the file with the token is there.
#[must_use]
pub fn choose(config: &KubernetesConfig, env: &Env, has_token: bool) -> Choice {
    let ask = |asked| {
        let (timeout, interval) = (config.timeout, config.refresh_interval);
        Choice::Ask(Box::new(Setup { asked, timeout, interval }))
    };
    let inside = env.get("KUBERNETES_SERVICE_HOST").is_some_and(|host| !host.is_empty());
    match config.source {
        NameSource::None => Choice::Nobody("kubernetes.source = none".to_owned()),
        NameSource::Cri => ask(Asked::Runtime(Runtime::at(config.cri_socket.clone()))),
        NameSource::Auto if !inside => {
            Choice::Nobody("this is no pod of Kubernetes (kubernetes.source = auto)".to_owned())
        }
        NameSource::Auto if !has_token => Choice::Nobody(format!(
            "there is no {} (kubernetes.source = auto): mount the ServiceAccount's token",
            config.token_file.display()
        )),
        NameSource::Auto | NameSource::Kubelet => ask(Asked::Kubelet(Kubelet {
            url: url(config, env),
            token_file: config.token_file.clone(),
            ca_file: config.ca_file.clone(),
            insecure: config.insecure_skip_verify,
        })),
    }
}

/// As configured, else by the address or the name of the node, else this machine: that is the node
/// where the agent has the node's network.
fn url(config: &KubernetesConfig, env: &Env) -> String {
    if !config.kubelet_url.is_empty() {
        return config.kubelet_url.clone();
    }
    let by = |name: &str| env.get(name).filter(|host| !host.is_empty());
    let host = by("HOST_IP").or_else(|| by("NODE_NAME")).map_or("127.0.0.1", String::as_str);
    if host.contains(':') {
        return format!("https://[{host}]:{KUBELET_PORT}");
    }
    format!("https://{host}:{KUBELET_PORT}")
}

impl Setup {
    /// Who is asked, for people.
    #[must_use]
    pub fn whom(&self) -> String {
        match &self.asked {
            Asked::Kubelet(kubelet) => format!("the kubelet at {}", kubelet.url),
            Asked::Runtime(runtime) => format!("the runtime at {}", runtime.socket().display()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(config: &KubernetesConfig, env: &[(&str, &str)], has_token: bool) -> String {
        let env = env.iter().map(|&(key, value)| (key.to_owned(), value.to_owned())).collect();
        match choose(config, &env, has_token) {
            Choice::Ask(setup) => setup.whom(),
            Choice::Nobody(why) => why,
        }
    }

    #[test]
    fn without_a_word_the_kubelet_is_asked_inside_of_kubernetes_and_nobody_outside() {
        let mut config = KubernetesConfig::default();
        let inside = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
        assert!(chosen(&config, &[], true).contains("no pod"));
        assert!(chosen(&config, &[inside], false).contains("serviceaccount/token"));
        let node = ("NODE_NAME", "node-1");
        let by_name = chosen(&config, &[inside, node], true);
        assert_eq!(by_name, "the kubelet at https://node-1:10250");
        let by_address = chosen(&config, &[inside, node, ("HOST_IP", "fd00::7")], true);
        assert_eq!(by_address, "the kubelet at https://[fd00::7]:10250");
        config.kubelet_url = "https://k.example:1".into();
        assert_eq!(chosen(&config, &[inside, node], true), "the kubelet at https://k.example:1");
    }

    #[test]
    fn what_is_configured_is_asked_wherever_that_is() {
        let of = |source| KubernetesConfig { source, ..KubernetesConfig::default() };
        let kubelet = chosen(&of(NameSource::Kubelet), &[], false);
        assert_eq!(kubelet, "the kubelet at https://127.0.0.1:10250");
        let runtime = chosen(&of(NameSource::Cri), &[], false);
        assert_eq!(runtime, "the runtime at /run/containerd/containerd.sock");
        let inside = ("KUBERNETES_SERVICE_HOST", "10.0.0.1");
        assert_eq!(chosen(&of(NameSource::None), &[inside], true), "kubernetes.source = none");
    }
}
