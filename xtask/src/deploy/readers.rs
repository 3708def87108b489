//! Those who will read what is shipped: Kubernetes' schemas, systemd, hadolint.

use crate::Outcome;
use crate::run::{captured, command, run, top};
use std::fs;
use std::process::Command;

/// The oldest and the newest Kubernetes whose schemas are at hand and know every field we use.
const KUBERNETES: [&str; 2] = ["1.31", "1.37"];
/// Kinds of the Prometheus operator, of which Kubernetes knows nothing.
const FOREIGN: [&str; 2] = ["kind: ServiceMonitor", "kind: PrometheusRule"];

/// Units, the program each starts, and how exposed systemd may find it: 0 is not at all, 10 is all.
const UNITS: [(&str, &str, f64); 2] = [
    // It is root with seven capabilities, sees all processes and is on the network.
    ("plimsoll.service", "plimsoll", 4.0),
    ("plimsoll-cache.service", "plimsoll-cache", 1.5),
];

/// Fails if a document has a field that Kubernetes does not know, or lacks one.
pub(super) fn kubernetes(documents: &str) -> Outcome {
    let foreign = |document: &&str| FOREIGN.iter().any(|kind| document.contains(kind));
    let known: Vec<&str> = documents.split("\n---\n").filter(|d| !foreign(d)).collect();
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let file = dir.path().join("rendered.yaml");
    fs::write(&file, known.join("\n---\n")).map_err(|e| e.to_string())?;
    for version in KUBERNETES {
        let mut validate = Command::new(top().join("target/deploy/bin/kubernetes-validate"));
        validate.args(["--strict", "--quiet", "--no-warn", "-k", version]).arg(&file);
        run(validate)?;
    }
    Ok(())
}

/// Fails if systemd does not understand a unit, or finds it more exposed than it was.
pub(super) fn units() -> Outcome {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    for (unit, program, exposure_max) in UNITS {
        let text = fs::read_to_string(top().join("deploy/systemd").join(unit))
            .map_err(|e| format!("{unit}: {e}"))?;
        // It looks for the programs, which are built here and not installed.
        let built = std::env::current_exe().map_err(|e| e.to_string())?.with_file_name(program);
        let built = format!("{} ", built.display());
        let here = text.replace(&format!("/usr/bin/{program} "), &built);
        let file = dir.path().join(unit);
        fs::write(&file, here).map_err(|e| e.to_string())?;
        let mut verify =
            command(&["systemd-analyze", "verify", "--man=no", "--recursive-errors=yes"]);
        verify.arg(&file);
        run(verify)?;
        let mut security =
            command(&["systemd-analyze", "security", "--offline=true", "--no-pager"]);
        security.arg(&file);
        let table = captured(security)?;
        let told = table.lines().last().unwrap_or_default();
        println!("{told}");
        let exposure = told.split_whitespace().find_map(|word| word.parse::<f64>().ok());
        if exposure.is_none_or(|exposure| exposure > exposure_max) {
            return Err(format!("{unit}: {told}; {exposure_max} is the most"));
        }
    }
    Ok(())
}

pub(super) fn dockerfile() -> Outcome {
    let mut hadolint = Command::new(top().join("target/deploy/bin/hadolint"));
    hadolint.args(["--failure-threshold", "info", "--no-color"]);
    hadolint.arg(top().join("deploy/image/Dockerfile"));
    run(hadolint)
}
