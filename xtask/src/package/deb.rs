//! A Debian package: program, unit, configuration, man page, completions, documents, and scripts
//! that do what debhelper's do for a unit. Packed by dpkg-deb.

use super::tree::{Tree, digest, quiet};
use super::{Program, VERSION, alone, mib};
use crate::Outcome;
use crate::run::{command, top};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MAINTAINER: &str = "The Plimsoll authors <plimsoll@packages.invalid>";
/// Of the changelog's only entry: the same at every build.
const DATE: &str = "Sun, 22 Nov 2026 00:00:00 +0000";

/// What shells complete by: shell, directory, name of the file.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/plimsoll"),
    ("zsh", "usr/share/zsh/vendor-completions/_plimsoll"),
    ("fish", "usr/share/fish/vendor_completions.d/plimsoll.fish"),
];

impl Program {
    const fn section(self) -> &'static str {
        match self {
            Self::Agent => "admin",
            Self::Cache => "net",
        }
    }

    const fn synopsis(self) -> &'static str {
        match self {
            Self::Agent => "node agent that sees memory leaks coming",
            Self::Cache => "memcached-compatible cache that gives memory back in time",
        }
    }

    const fn description(self) -> &'static str {
        match self {
            Self::Agent => {
                " Watches what every process, cgroup and workload of a Linux node takes\n \
                 on, says why, and forecasts when the kernel will kill. Keeps the evidence\n \
                 of kills, and asks applications for memory before them."
            }
            Self::Cache => {
                " Speaks memcached's ASCII protocol. Keeps items in segments that go back\n \
                 to the kernel whole, as soon as the node agent or its own cgroup says\n \
                 that memory is short."
            }
        }
    }

    /// The configuration file's place.
    const fn conffile(self) -> &'static str {
        match self {
            Self::Agent => "etc/plimsoll/plimsoll.toml",
            Self::Cache => "etc/plimsoll-cache/cache.toml",
        }
    }
}

/// Makes the package of one program; returns its path.
pub(super) fn make(program: Program, built: &Path) -> Result<PathBuf, String> {
    let name = program.name();
    let content = alone(program, built)?;
    let out = top().join("target/deb");
    let tree = Tree::new(out.join(name))?;
    tree.file(&format!("usr/bin/{name}"), &content, 0o755)?;
    unit(program, &tree)?;
    documents(program, &tree)?;
    match program {
        Program::Agent => agent(&tree, &built.join(name))?,
        Program::Cache => cache(&tree, &built.join(name))?,
    }
    control(program, &tree)?;
    let package = out.join(format!("{name}_{VERSION}_{}.deb", architecture()?));
    let mut pack = command(&["dpkg-deb", "--root-owner-group", "-Zxz", "--build"]);
    pack.arg(tree.path()).arg(&package).env("SOURCE_DATE_EPOCH", "1795305600");
    quiet(pack)?;
    let packed = fs::metadata(&package).map_err(|e| e.to_string())?.len();
    println!("{}: {}, {} installed", package.display(), mib(packed), mib(installed(&tree)?));
    Ok(package)
}

fn architecture() -> Result<String, String> {
    Ok(quiet(command(&["dpkg", "--print-architecture"]))?.trim().to_owned())
}

fn unit(program: Program, tree: &Tree) -> Outcome {
    let name = format!("{}.service", program.name());
    let path = top().join("deploy/systemd").join(&name);
    let text = fs::read(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    tree.file(&format!("lib/systemd/system/{name}"), &text, 0o644)
}

fn documents(program: Program, tree: &Tree) -> Outcome {
    let name = program.name();
    let of = |file: &str| format!("usr/share/doc/{name}/{file}");
    let copyright = fs::read(top().join("deploy/debian/copyright")).map_err(|e| e.to_string())?;
    tree.file(&of("copyright"), &copyright, 0o644)?;
    let changes = format!(
        "{name} ({VERSION}) unstable; urgency=medium\n\n  * See CHANGELOG.md of the source.\n\n \
         -- {MAINTAINER}  {DATE}\n"
    );
    tree.gzipped(&of("changelog.gz").replace(".gz", ""), changes.as_bytes())?;
    // A static program that can be moved looks like a library that names none; why it is static
    // stands in docs/decisions.
    let tag = "shared-library-lacks-prerequisites";
    // libyaml is known by its messages, which the parser of YAML in Rust has word for word.
    let overrides = format!(
        "{name} binary: {tag} [usr/bin/{name}]\n\
         {name} binary: embedded-library libyaml [usr/bin/{name}]\n"
    );
    tree.file(&format!("usr/share/lintian/overrides/{name}"), overrides.as_bytes(), 0o644)
}

fn agent(tree: &Tree, program: &Path) -> Outcome {
    let ask = |words: &[&str]| {
        let mut command = Command::new(program);
        command.args(words);
        quiet(command)
    };
    tree.file(Program::Agent.conffile(), ask(&["generate", "config"])?.as_bytes(), 0o644)?;
    tree.gzipped("usr/share/man/man1/plimsoll.1", ask(&["generate", "man"])?.as_bytes())?;
    for (shell, at) in COMPLETIONS {
        tree.file(at, ask(&["generate", "completion", shell])?.as_bytes(), 0o644)?;
    }
    for what in ["dashboards", "rules"] {
        let into = tree.path().join("usr/share/plimsoll").join(what);
        ask(&["generate", what, "--out", &into.to_string_lossy()])?;
    }
    // Whatever mask this runs under.
    let mut readable = command(&["chmod", "-R", "u=rwX,go=rX", "usr/share/plimsoll"]);
    readable.current_dir(tree.path());
    quiet(readable).map(drop)
}

fn cache(tree: &Tree, program: &Path) -> Outcome {
    let example = fs::read(top().join("deploy/debian/cache.toml")).map_err(|e| e.to_string())?;
    tree.file(Program::Cache.conffile(), &example, 0o644)?;
    let mut help = Command::new(program);
    help.arg("--help");
    tree.gzipped("usr/share/man/man1/plimsoll-cache.1", page(&quiet(help)?).as_bytes())
}

/// A man page of what `--help` says.
fn page(help: &str) -> String {
    let (name, synopsis) = (Program::Cache.name(), Program::Cache.synopsis());
    let escaped = help.replace('\\', "\\\\").replace('-', "\\-");
    let lines = escaped.lines().map(|line| {
        // A dot or a quote at the beginning would be a request.
        if line.starts_with(['.', '\'']) { format!("\\&{line}\n") } else { format!("{line}\n") }
    });
    format!(
        ".TH PLIMSOLL\\-CACHE 1 \"\" \"{name} {VERSION}\"\n.SH NAME\n{} \\- {synopsis}\n\
         .SH SYNOPSIS\n.B {}\n[options]\n.SH OPTIONS\n.nf\n{}.fi\n",
        name.replace('-', "\\-"),
        name.replace('-', "\\-"),
        lines.collect::<String>()
    )
}

/// Units: bytes.
fn installed(tree: &Tree) -> Result<u64, String> {
    let size = |file: String| fs::metadata(tree.path().join(file)).map(|m| m.len());
    tree.files()?.into_iter().map(size).sum::<Result<u64, _>>().map_err(|e| e.to_string())
}

/// What dpkg is told: control, sums, conffiles and the scripts.
fn control(program: Program, tree: &Tree) -> Outcome {
    let name = program.name();
    let files = tree.files()?;
    let sum =
        |file: &String| Ok(format!("{}  {file}\n", digest("md5sum", &tree.path().join(file))?));
    let conffile = program.conffile();
    let sums: String =
        files.iter().filter(|f| *f != conffile).map(sum).collect::<Result<_, String>>()?;
    let control = format!(
        "Package: {name}\nVersion: {VERSION}\nArchitecture: {}\nMaintainer: {MAINTAINER}\n\
         Installed-Size: {}\nSection: {}\nPriority: optional\nDescription: {}\n{}\n",
        architecture()?,
        installed(tree)?.div_ceil(1024),
        program.section(),
        program.synopsis(),
        program.description()
    );
    tree.file("DEBIAN/md5sums", sums.as_bytes(), 0o644)?;
    tree.file("DEBIAN/control", control.as_bytes(), 0o644)?;
    tree.file("DEBIAN/conffiles", format!("/{conffile}\n").as_bytes(), 0o644)?;
    for script in ["postinst", "prerm", "postrm"] {
        let path = top().join("deploy/debian").join(script);
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        tree.file(&format!("DEBIAN/{script}"), text.replace("#NAME#", name).as_bytes(), 0o755)?;
    }
    Ok(())
}
