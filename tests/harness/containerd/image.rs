//! The image of all containers: busybox in one layer, written as `docker save` writes images.

use std::path::Path;
use std::process::Command;

/// Makes the image in `dir` and hands it to the containerd at `socket`.
pub(super) fn import(dir: &Path, socket: &Path, name: &str) {
    let dir = dir.join("image");
    std::fs::create_dir_all(dir.join("layer/bin")).expect("a directory can be made");
    let busybox = run(&dir, "sh", &["-c", "command -v busybox"]);
    std::fs::copy(busybox.trim(), dir.join("layer/bin/busybox")).expect("busybox can be copied");
    run(&dir, "tar", &["-C", "layer", "-cf", "layer.tar", "bin"]);
    let sum = run(&dir, "sha256sum", &["layer.tar"]);
    let sum = sum.split(' ').next().expect("there is a sum");
    // What the sandbox runs, for it is the same image.
    let config = format!(
        r#"{{"architecture":"{}","os":"linux","config":{{"Entrypoint":["/bin/busybox","sleep","3600"]}},
        "rootfs":{{"type":"layers","diff_ids":["sha256:{sum}"]}}}}"#,
        if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" }
    );
    let manifest =
        format!(r#"[{{"Config":"config.json","RepoTags":["{name}"],"Layers":["layer.tar"]}}]"#);
    std::fs::write(dir.join("config.json"), config).expect("it is written");
    std::fs::write(dir.join("manifest.json"), manifest).expect("it is written");
    run(&dir, "tar", &["-cf", "image.tar", "manifest.json", "config.json", "layer.tar"]);
    let socket = socket.to_str().expect("the path is text");
    let import = ["images", "import", "--snapshotter", "native", "image.tar"];
    run(&dir, "ctr", &[&["--address", socket, "--namespace", "k8s.io"][..], &import].concat());
}

fn run(dir: &Path, program: &str, words: &[&str]) -> String {
    let output = Command::new(program).args(words).current_dir(dir).output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {words:?}: {said}");
    String::from_utf8_lossy(&output.stdout).into_owned()
}
