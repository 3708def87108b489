//! What everything is built of, against `deny.toml`: licences that are allowed, and no sources but
//! the registry and this repository.

use serde_json::Value;
use spdx::{Expression, ParseMode};
use std::process::Command;

/// All packages of the lock file that are built for the targets in `deny.toml`.
fn packages(targets: &[String]) -> Vec<Value> {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["metadata", "--format-version=1", "--locked", "--all-features"]);
    cargo.args(targets.iter().flat_map(|target| ["--filter-platform", target]));
    let output = cargo.current_dir(env!("CARGO_MANIFEST_DIR")).output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata are JSON");
    let packages = metadata["packages"].as_array().expect("packages").clone();
    assert!(packages.len() > 100, "{} packages", packages.len());
    packages
}

fn texts(value: &toml::Value) -> Vec<String> {
    let texts = value.as_array().expect("a list").iter();
    texts.map(|text| text.as_str().expect("a text").to_owned()).collect()
}

#[test]
fn each_has_a_licence_that_is_allowed_and_comes_from_where_it_may() {
    let text = include_str!("../../deny.toml");
    let rules: toml::Table = text.parse().expect("deny.toml is TOML");
    let allowed = texts(&rules["licenses"]["allow"]);
    let registries = texts(&rules["sources"]["allow-registry"]);
    let mut offences = Vec::new();
    let mut used = Vec::new();
    for package in packages(&texts(&rules["graph"]["targets"])) {
        let text = |key: &str| package[key].as_str().unwrap_or_default();
        let name = format!("{} {}", text("name"), text("version"));
        let source = package["source"].as_str();
        if source.is_some_and(|at| !registries.iter().any(|ok| at == format!("registry+{ok}"))) {
            offences.push(format!("{name} comes from {source:?}"));
        }
        let licence = text("license");
        let is_allowed = Expression::parse_mode(licence, ParseMode::LAX).is_ok_and(|terms| {
            let is_listed = |one: &spdx::LicenseReq| {
                let id = one.license.id().filter(|_| one.addition.is_none());
                let listed = id.filter(|id| allowed.iter().any(|allowed| allowed == id.name));
                used.extend(listed.map(|id| id.name));
                listed.is_some()
            };
            terms.evaluate(is_listed)
        });
        if !is_allowed {
            offences.push(format!("{name} has the licence '{licence}'"));
        }
    }
    assert!(offences.is_empty(), "not as deny.toml allows:\n{}", offences.join("\n"));
    let idle: Vec<_> = allowed.iter().filter(|one| !used.contains(&one.as_str())).collect();
    assert!(idle.is_empty(), "allowed, and nothing has it: {idle:?}");
}
