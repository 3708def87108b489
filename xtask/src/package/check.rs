//! Packages and images held to what reads them: lintian, dpkg, and a container of the image.

use super::tree::{Tree, quiet};
use super::{Program, deb, image};
use crate::Outcome;
use crate::run::{command, run, top};
use crate::tools::{self, Tool};
use plimsoll_tests::oci::Image;
use plimsoll_tests::pod::{Pod, Published, manifests};
use plimsoll_tests::{Container, wait_for};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

const TOOLS: &[Tool] = &[
    Tool { program: "lintian", package: "lintian", why: "reads the packages" },
    Tool { program: "runc", package: "runc", why: "runs the image" },
];

/// Each package is read by lintian, each image by the container that runs it. `built` has both
/// programs, linked statically; any profile will do.
pub fn check(built: &Path) -> Outcome {
    tools::install(TOOLS)?;
    for program in Program::ALL {
        let package = deb::make(program, built)?;
        let mut lintian = command(&["lintian", "--fail-on", "error,warning", "--no-cfg"]);
        // Its user would need rights to read what root built.
        lintian.arg("--allow-root").arg(&package);
        run(lintian)?;
        let mut list = command(&["dpkg-deb", "--contents"]);
        list.arg(&package);
        quiet(list)?;
        let archive = image::make(program, built)?;
        starts(program, &archive)?;
    }
    println!("packages and images are good");
    Ok(())
}

/// Runs the program out of the image with nothing beside it, as its manifest says.
fn starts(program: Program, archive: &Path) -> Outcome {
    let scratch = Tree::new(top().join("target/image/run"))?;
    let program_file = unpacked(program, archive, &scratch)?;
    let (file, kind) = match program {
        Program::Agent => ("agent.yaml", "DaemonSet"),
        Program::Cache => ("cache-statefulset.yaml", "StatefulSet"),
    };
    let shipped = manifests(&top().join("deploy/kubernetes").join(file));
    let below = |name: &str| scratch.path().join(name);
    let config = shipped.iter().find(|one| one["kind"] == "ConfigMap");
    let config = config.and_then(|map| map["data"]["plimsoll.toml"].as_str()).unwrap_or_default();
    Published::new(&below("config"), 0o644).publish(&[("plimsoll.toml", config)]);
    let tokens = [("tokens", "metrics scraper image-check-0123456789\n")];
    Published::new(&below("secret"), 0o400).publish(&tokens);
    for dir in ["state", "socket"] {
        fs::create_dir(below(dir)).map_err(|e| e.to_string())?;
    }
    let volumes = ["config", "secret", "state", "socket"].map(|name| (name, below(name)));
    let entry = format!("/{}", program.name());
    let image = Image { program: &program_file, entry: &entry, volumes: &volumes };
    let container = Container::start(&Pod::of(&shipped, kind), &image);
    let port = match program {
        Program::Agent => 9977,
        Program::Cache => 11212,
    };
    let request = "GET /readyz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    wait_for("the image's program is ready", Duration::from_secs(60), || {
        match container.request(&format!("127.0.0.1:{port}"), request) {
            Ok(answer) if answer.status == 200 => Ok(()),
            other => Err(format!("{other:?}\n{}", container.log())),
        }
    });
    Ok(())
}

/// The program as the image's only layer has it.
fn unpacked(program: Program, archive: &Path, scratch: &Tree) -> Result<PathBuf, String> {
    let layout = scratch.path().join("layout");
    let root = scratch.path().join("root");
    for dir in [&layout, &root] {
        fs::create_dir(dir).map_err(|e| e.to_string())?;
    }
    let extract = |archive: &Path, into: &Path| {
        let mut tar = command(&["tar", "--extract", "--file"]);
        tar.arg(archive).arg("--directory").arg(into);
        quiet(tar).map(drop)
    };
    let json = |path: PathBuf| -> Result<serde_json::Value, String> {
        let text = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        serde_json::from_slice(&text).map_err(|e| format!("{}: {e}", path.display()))
    };
    let at = |descriptor: &serde_json::Value| {
        let digest = descriptor["digest"].as_str().unwrap_or_default().replace(':', "/");
        layout.join("blobs").join(digest)
    };
    extract(archive, &layout)?;
    let manifest = json(at(&json(layout.join("index.json"))?["manifests"][0]))?;
    extract(&at(&manifest["layers"][0]), &root)?;
    let listed = fs::read_dir(&root).map_err(|e| e.to_string())?.count();
    if listed != 1 {
        return Err(format!("the image of {} has {listed} files, not one", program.name()));
    }
    Ok(root.join(program.name()))
}
