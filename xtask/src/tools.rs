//! What tests and benches need from outside, installed by name with the ordinary package clients.

pub mod collectors;
pub mod validators;

use crate::Outcome;
use crate::run::{command, exists, run, top};
use plimsoll_tests::live::workshop::allocator;
use std::process::Command;

/// A program, or a library that is preloaded, and the Debian package that holds it.
#[derive(Clone, Copy, Debug)]
pub struct Tool {
    pub program: &'static str,
    pub package: &'static str,
    pub why: &'static str,
}

/// What `cargo xtask test` needs.
pub const FOR_TESTS: &[Tool] = &[
    Tool { program: "cc", package: "build-essential", why: "jemalloc is built from C" },
    Tool { program: "make", package: "build-essential", why: "jemalloc is built from C" },
    Tool { program: "node", package: "nodejs", why: "runs the page's tests" },
    Tool { program: "npm", package: "npm", why: "installs what drives Chromium" },
    Tool { program: "chromium", package: "chromium", why: "the page is tested in it" },
    Tool { program: "promtool", package: "prometheus", why: "checks what /metrics says" },
    Tool {
        program: "prometheus-node-exporter",
        package: "prometheus-node-exporter",
        why: "reads the same values by itself",
    },
    Tool {
        program: "prometheus-process-exporter",
        package: "prometheus-process-exporter",
        why: "reads the same values by itself",
    },
    Tool {
        program: "prometheus-alertmanager",
        package: "prometheus-alertmanager",
        why: "takes the alerts that the agent sends",
    },
    Tool { program: "curl", package: "curl", why: "shows certificates to the agent" },
    Tool { program: "openssl", package: "openssl", why: "makes the certificates of test servers" },
    Tool {
        program: "tmux",
        package: "tmux",
        why: "the terminal in which `plimsoll top` is tested",
    },
    Tool { program: "python3", package: "python3", why: "runs the leak in Python" },
    Tool { program: "javac", package: "default-jdk-headless", why: "compiles the leak in Java" },
    Tool { program: "go", package: "golang-go", why: "compiles the leak in Go" },
    Tool {
        program: "memcached",
        package: "memcached",
        why: "the cache is held against it, answer by answer",
    },
    Tool {
        program: "memccapable",
        package: "libmemcached-tools",
        why: "checks the cache's commands, one by one",
    },
    Tool {
        program: "libjemalloc.so.2",
        package: "libjemalloc2",
        why: "heap reports are held against it",
    },
    Tool {
        program: "libtcmalloc_minimal.so.4",
        package: "libtcmalloc-minimal4",
        why: "heap reports have to know it",
    },
    Tool {
        program: "containerd",
        package: "containerd",
        why: "runs the pods whose names the agent asks for",
    },
    Tool {
        program: "runc",
        package: "runc",
        why: "makes those containers, and runs the agent with the rights its manifest asks for",
    },
    Tool { program: "busybox", package: "busybox-static", why: "what runs in containers" },
    Tool {
        program: "/usr/share/containers/seccomp.json",
        package: "golang-github-containers-common",
        why: "the system calls that engines permit by default",
    },
    Tool {
        program: "ldd",
        package: "libc-bin",
        why: "says what a container needs beside the agent",
    },
    Tool { program: "strip", package: "binutils", why: "heap reports read stripped programs" },
];

/// What `cargo xtask bpf` needs: one version, so that its output can be compared.
pub const FOR_BPF: &[Tool] = &[
    Tool { program: "clang-14", package: "clang-14", why: "compiles the BPF programs" },
    Tool { program: "llvm-strip-14", package: "llvm-14", why: "takes DWARF out of the objects" },
];

/// Clients of the cache whose own tests are run against it: package and version for pip.
const PYTHON_CLIENTS: &[&str] = &["pymemcache==4.0.0", "pytest>=8"];

/// Puts [`PYTHON_CLIENTS`] where the end-to-end tests look for them.
pub fn install_python_clients() -> Outcome {
    let why = "their own tests are run against the cache";
    install_python("python", "pytest", PYTHON_CLIENTS, why)
}

/// A Python environment at `target/NAME` that holds `program`, out of `packages`.
pub fn install_python(name: &str, program: &str, packages: &[&str], why: &str) -> Outcome {
    let is_there = top().join("target").join(name).join("bin").join(program).exists();
    if is_there { Ok(()) } else { make_python(name, packages, why) }
}

/// The same for packages without a program: `imports` is what Python is asked to import.
fn python_packages(name: &str, imports: &str, packages: &[&str], why: &str) -> Outcome {
    let mut import = Command::new(top().join("target").join(name).join("bin/python"));
    import.args(["-c", &format!("import {imports}")]);
    let is_there = import.output().is_ok_and(|done| done.status.success());
    if is_there { Ok(()) } else { make_python(name, packages, why) }
}

fn make_python(name: &str, packages: &[&str], why: &str) -> Outcome {
    let python = top().join("target").join(name);
    println!("needs {}: {why}", packages.join(", "));
    let can = command(&["python3", "-c", "import ensurepip"]).status();
    if !can.is_ok_and(|status| status.success()) {
        apt_get(&["python3-venv"])?;
    }
    let mut make = command(&["python3", "-m", "venv"]);
    make.arg(&python);
    run(make)?;
    let mut install = Command::new(python.join("bin/pip"));
    install.args(["install", "--quiet", "--disable-pip-version-check"]).args(packages);
    run(install)
}

/// What `cargo xtask bench heap` holds heap reports against.
pub const FOR_HEAP: &[Tool] = &[
    Tool { program: "g++", package: "build-essential", why: "LeakSanitizer comes with it" },
    Tool { program: "heaptrack", package: "heaptrack", why: "heap reports are held against it" },
    Tool {
        program: "memleak-bpfcc",
        package: "bpfcc-tools",
        why: "heap reports are held against it",
    },
];

/// What `cargo xtask bench live` needs.
pub const FOR_LIVE: &[Tool] = &[
    Tool { program: "cc", package: "build-essential", why: "compiles the leak in C" },
    Tool { program: "python3", package: "python3", why: "runs the leak in Python" },
    Tool { program: "javac", package: "default-jdk-headless", why: "compiles the leak in Java" },
    Tool { program: "go", package: "golang-go", why: "compiles the leak in Go" },
    Tool {
        program: "libjemalloc.so.2",
        package: "libjemalloc2",
        why: "an allocator below the C leaks",
    },
    Tool {
        program: "libtcmalloc_minimal.so.4",
        package: "libtcmalloc-minimal4",
        why: "an allocator below the C leaks",
    },
];

/// Installs those that are not there. Without them the tests would not test: an error.
pub fn install(tools: &[Tool]) -> Outcome {
    let missing: Vec<&Tool> = tools.iter().filter(|tool| !is_there(tool)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    packages.dedup();
    for tool in &missing {
        println!("needs {} (package {}): {}", tool.program, tool.package, tool.why);
    }
    apt_get(&packages)?;
    match tools.iter().find(|tool| !is_there(tool)) {
        None => Ok(()),
        Some(tool) => {
            Err(format!("{} is not there after installing {}", tool.program, tool.package))
        }
    }
}

fn apt_get(packages: &[&str]) -> Outcome {
    let mut update = command(&["apt-get", "update", "-q"]);
    update.env("DEBIAN_FRONTEND", "noninteractive");
    run(update)?;
    let mut install = command(&["apt-get", "install", "-qy", "--no-install-recommends"]);
    // Debian starts a service when it is installed; a test machine wants none of them.
    install.args(packages).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    run(install)
}

fn is_there(tool: &Tool) -> bool {
    exists(tool.program) || allocator(tool.program).is_ok()
}
