//! A container's configuration for runc, made of a pod's manifest as a kubelet and containerd make
//! it: the namespaces, capabilities, mounts, masked paths and system calls that the manifest asks
//! for, and no more. Sources: OCI runtime-spec 1.0; containerd's defaults of CRI containers.

use crate::pod::Pod;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// The profile that engines call their default, out of package golang-github-containers-common.
const SECCOMP: &str = "/usr/share/containers/seccomp.json";
/// What a container must not see of /proc and /sys, and what it must not change.
const MASKED: [&str; 10] = [
    "/proc/asound",
    "/proc/acpi",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/sys/firmware",
];
const READ_ONLY: [&str; 5] =
    ["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// What stands for the image: the program at the image's entry point, and directories of the host
/// for the pod's volumes, by their names.
#[derive(Debug)]
pub struct Image<'a> {
    pub program: &'a Path,
    pub entry: &'a str,
    pub volumes: &'a [(&'a str, PathBuf)],
}

/// The whole `config.json`. `cgroup` is below each hierarchy.
///
/// # Panics
/// When the manifest asks for what a kubelet would refuse.
#[must_use]
pub fn config(pod: &Pod, image: &Image<'_>, cgroup: &str) -> Value {
    let container = pod.container();
    let context = &container["securityContext"];
    assert_eq!(context["privileged"], false);
    let capabilities: Vec<String> =
        pod.capabilities().iter().map(|name| format!("CAP_{name}")).collect();
    let sets = json!({"bounding": capabilities, "effective": capabilities,
        "permitted": capabilities});
    let words = container["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let args: Vec<&str> = std::iter::once(image.entry).chain(words).collect();
    let mut linux = json!({
        "namespaces": namespaces(pod),
        "cgroupsPath": cgroup,
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
        "resources": {"memory": {"limit": bytes(&container["resources"]["limits"]["memory"])}},
    });
    if pod.spec["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault" {
        linux["seccomp"] = seccomp(&capabilities);
    }
    json!({
        "ociVersion": "1.0.2",
        "process": {
            "user": {"uid": number(context, &pod.spec, "runAsUser"),
                "gid": number(context, &pod.spec, "runAsGroup")},
            "args": args,
            "env": environment(container),
            "cwd": "/",
            "capabilities": sets,
            "noNewPrivileges": context["allowPrivilegeEscalation"] == false,
        },
        "root": {"path": "rootfs", "readonly": context["readOnlyRootFilesystem"]},
        "hostname": "pod",
        "mounts": mounts(pod, image),
        "linux": linux,
    })
}

/// Of the container, or else of the pod.
fn number(container: &Value, pod: &Value, key: &str) -> u64 {
    let of_pod = || pod["securityContext"][key].as_u64();
    container[key].as_u64().or_else(of_pod).expect("a user is named")
}

fn namespaces(pod: &Pod) -> Value {
    let shares = |key: &str| pod.spec[key] == true;
    // A cgroup namespace of its own is what engines give on cgroup v2.
    let mut kinds = vec!["mount", "uts", "cgroup"];
    kinds.extend((!shares("hostIPC")).then_some("ipc"));
    kinds.extend((!shares("hostPID")).then_some("pid"));
    kinds.extend((!shares("hostNetwork")).then_some("network"));
    kinds.into_iter().map(|kind| json!({"type": kind})).collect()
}

fn environment(container: &Value) -> Vec<String> {
    let entries = container["env"].as_array().into_iter().flatten();
    let ours = entries.map(|entry| {
        let value = match entry["valueFrom"]["fieldRef"]["fieldPath"].as_str() {
            Some("spec.nodeName") => "node-of-the-test",
            Some("status.hostIP") => "127.0.0.1",
            Some(other) => panic!("{other} is not known here"),
            None => entry["value"].as_str().expect("a value"),
        };
        format!("{}={value}", entry["name"].as_str().expect("a name"))
    });
    std::iter::once("PATH=/".to_owned()).chain(ours).collect()
}

fn bytes(quantity: &Value) -> u64 {
    let text = quantity.as_str().expect("a limit of memory");
    let mib = text.strip_suffix("Mi").map(|n| (n, 20)).or(text.strip_suffix("Gi").map(|n| (n, 30)));
    let (n, shift) = mib.expect("Mi or Gi");
    n.parse::<u64>().expect("a number") << shift
}

fn mounts(pod: &Pod, image: &Image<'_>) -> Vec<Value> {
    let mut mounts = vec![
        mount("/proc", "proc", Path::new("proc"), &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            Path::new("tmpfs"),
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount("/sys", "sysfs", Path::new("sysfs"), &["nosuid", "noexec", "nodev", "ro"]),
    ];
    let bind =
        |from: &Path, to: &str, how: &str| mount(to, "bind", from, &["rbind", "rprivate", how]);
    // The image is one static program; a test's is linked to libraries, which come along.
    mounts.push(bind(image.program, image.entry, "ro"));
    for library in libraries(image.program) {
        mounts.push(bind(&library, &library.to_string_lossy(), "ro"));
    }
    for wanted in pod.container()["volumeMounts"].as_array().into_iter().flatten() {
        let name = wanted["name"].as_str().expect("a name");
        let at = wanted["mountPath"].as_str().expect("a path");
        let how = match (wanted["readOnly"] == true, wanted["recursiveReadOnly"].as_str()) {
            (true, Some("IfPossible" | "Enabled")) => "rro",
            (true, _) => "ro",
            (false, _) => "rw",
        };
        mounts.push(bind(&source(pod, image, name), at, how));
    }
    mounts
}

fn mount(at: &str, kind: &str, source: &Path, options: &[&str]) -> Value {
    json!({"destination": at, "type": kind, "source": source, "options": options})
}

/// The directory for a volume: what the test gives, or what the manifest names on the host.
fn source(pod: &Pod, image: &Image<'_>, name: &str) -> PathBuf {
    if let Some((_, given)) = image.volumes.iter().find(|(of, _)| *of == name) {
        return given.clone();
    }
    let volumes = pod.spec["volumes"].as_array().expect("volumes");
    let volume = volumes.iter().find(|volume| volume["name"] == name);
    let volume = volume.unwrap_or_else(|| panic!("no volume {name}"));
    let path = volume["hostPath"]["path"].as_str();
    path.unwrap_or_else(|| panic!("the test gives nothing for {name}")).into()
}

/// What the dynamic linker would load; nothing for a static program.
fn libraries(program: &Path) -> Vec<PathBuf> {
    let output = std::process::Command::new("ldd").arg(program).output().expect("ldd runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    text.split_whitespace().filter(|word| word.starts_with('/')).map(Into::into).collect()
}

/// The default profile for a container with these capabilities.
fn seccomp(capabilities: &[String]) -> Value {
    let text = fs::read_to_string(SECCOMP);
    let text = text.unwrap_or_else(|e| panic!("{SECCOMP}: {e}; golang-github-containers-common"));
    let profile: Value = serde_json::from_str(&text).expect("JSON");
    let has = |cap: &Value| capabilities.iter().any(|own| cap == own.as_str());
    let list = |rule: &Value, side: &str, key: &str| {
        rule[side][key].as_array().cloned().unwrap_or_default()
    };
    let applies = |rule: &&Value| {
        let (with, without) = (list(rule, "includes", "caps"), list(rule, "excludes", "caps"));
        let (on, off) = (list(rule, "includes", "arches"), list(rule, "excludes", "arches"));
        with.iter().all(has)
            && !without.iter().any(has)
            && (on.is_empty() || on.iter().any(|arch| arch == "amd64"))
            && !off.iter().any(|arch| arch == "amd64")
    };
    let rules = profile["syscalls"].as_array().expect("rules").iter().filter(applies);
    let rule = |rule: &Value| {
        let mut kept = json!({"names": rule["names"], "action": rule["action"]});
        for key in ["args", "errnoRet"] {
            if !rule[key].is_null() {
                kept[key] = rule[key].clone();
            }
        }
        kept
    };
    let mut made = json!({
        "defaultAction": profile["defaultAction"],
        "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
        "syscalls": rules.map(rule).collect::<Vec<_>>(),
    });
    if !profile["defaultErrnoRet"].is_null() {
        made["defaultErrnoRet"] = profile["defaultErrnoRet"].clone();
    }
    made
}
