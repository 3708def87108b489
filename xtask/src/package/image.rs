//! A container image as an OCI layout in one tar file: `skopeo copy oci-archive:FILE …`, `podman
//! load` and `ctr images import` take it. One layer, one program. Source: OCI image-spec 1.1.

use super::tree::{Tree, digest, quiet};
use super::{Program, VERSION, alone, mib};
use crate::run::{command, top};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// Of everything in it, so that two builds of one program are one image.
const CREATED: &str = "1970-01-01T00:00:00Z";

/// What a container of the image runs, as in `deploy/image/Dockerfile`.
fn runs(program: Program) -> Value {
    let entry = format!("/{}", program.name());
    match program {
        Program::Agent => json!({"Entrypoint": [entry], "Cmd": ["run"],
            "ExposedPorts": {"9977/tcp": {}}}),
        Program::Cache => json!({"Entrypoint": [entry], "User": "10211:10211",
            "StopSignal": "SIGUSR1", "ExposedPorts": {"11211/tcp": {}, "11212/tcp": {}}}),
    }
}

/// Makes the image of one program; returns the path of the tar file.
pub(super) fn make(program: Program, built: &Path) -> Result<PathBuf, String> {
    let name = program.name();
    let out = top().join("target/image");
    let root = Tree::new(out.join(format!("{name}-root")))?;
    root.file(name, &alone(program, built)?, 0o755)?;
    let layout = Tree::new(out.join(name))?;
    let layer = out.join(format!("{name}-layer.tar"));
    packed(root.path(), &layer, &[name])?;
    let plain = digest("sha256sum", &layer)?;
    let mut gzip = command(&["gzip", "-9", "--no-name", "--force"]);
    gzip.arg(&layer);
    quiet(gzip)?;
    let layer = fs::read(layer.with_extension("tar.gz")).map_err(|e| e.to_string())?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "created": CREATED, "architecture": architecture, "os": "linux",
        "config": with_labels(program),
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{plain}")]},
        "history": [{"created": CREATED, "comment": "cargo xtask image"}],
    });
    let layer = blob(&layout, LAYER, &layer)?;
    let config = blob(&layout, CONFIG, config.to_string().as_bytes())?;
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config,
        "layers": [layer]});
    let mut manifest = blob(&layout, MANIFEST, manifest.to_string().as_bytes())?;
    let reference = format!("docker.io/library/{name}:{VERSION}");
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": VERSION,
        "io.containerd.image.name": reference});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    layout.file("index.json", index.to_string().as_bytes(), 0o644)?;
    layout.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#, 0o644)?;
    let archive = out.join(format!("{name}_{VERSION}_{architecture}.oci.tar"));
    packed(layout.path(), &archive, &["blobs", "index.json", "oci-layout"])?;
    let bytes = fs::metadata(&archive).map_err(|e| e.to_string())?.len();
    println!("{}: {}", archive.display(), mib(bytes));
    Ok(archive)
}

fn with_labels(program: Program) -> Value {
    let mut runs = runs(program);
    runs["Labels"] = json!({"org.opencontainers.image.title": program.name(),
        "org.opencontainers.image.version": VERSION,
        "org.opencontainers.image.licenses": "Apache-2.0"});
    runs
}

/// A tar file of `names` in `dir` that depends on nothing else.
fn packed(dir: &Path, archive: &Path, names: &[&str]) -> Result<(), String> {
    let mut tar = command(&["tar", "--sort=name", "--mtime=@0", "--owner=0", "--group=0"]);
    tar.args(["--numeric-owner", "--format=ustar", "--create", "--file"]).arg(archive);
    tar.arg("--directory").arg(dir).args(names);
    quiet(tar).map(drop)
}

/// Puts content where its digest says; returns what points to it.
fn blob(layout: &Tree, kind: &str, content: &[u8]) -> Result<Value, String> {
    layout.file("blob", content, 0o644)?;
    let path = layout.path().join("blob");
    let digest = digest("sha256sum", &path)?;
    layout.file(&format!("blobs/sha256/{digest}"), content, 0o644)?;
    fs::remove_file(path).map_err(|e| e.to_string())?;
    Ok(json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": content.len()}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_images_are_what_the_dockerfile_makes() {
        let text = fs::read_to_string(top().join("deploy/image/Dockerfile")).unwrap();
        let stages: Vec<&str> = text.split("FROM scratch AS ").skip(1).collect();
        for program in Program::ALL {
            let stage =
                stages.iter().find(|stage| stage.starts_with(&format!("{}\n", program.name())));
            let stage = stage.unwrap();
            let runs = runs(program);
            let says = |word: &str| stage.lines().find_map(|line| line.strip_prefix(word));
            let list = |key: &str| serde_json::to_string(&runs[key]).unwrap();
            assert_eq!(says("ENTRYPOINT "), Some(&*list("Entrypoint")));
            assert_eq!(says("CMD ").map_or("null", |cmd| cmd), list("Cmd"));
            assert_eq!(says("USER "), runs["User"].as_str());
            assert_eq!(says("STOPSIGNAL "), runs["StopSignal"].as_str());
            let ports = runs["ExposedPorts"].as_object().unwrap();
            let ports: Vec<&str> = ports.keys().map(|port| port.trim_end_matches("/tcp")).collect();
            assert_eq!(says("EXPOSE "), Some(&*ports.join(" ")));
        }
    }
}
