//! The way into the kernel: may programs be loaded here at all, and if not, why, in one line.
//!
//! Used for this crate's programs and by any crate that brings its own object: [`Edge::open`] once,
//! [`Edge::load`] for each object, then aya's types for the kind of program it is. Reads
//! `/proc/self/status`, `/sys/kernel/btf/vmlinux` and the lockdown state; changes nothing but what
//! it is asked to load.

use aya::programs::ProgramError;
use aya::{Btf, Ebpf, EbpfError, EbpfLoader, VerifierLogLevel};

const CAP_SYS_ADMIN: u32 = 21;
const CAP_PERFMON: u32 = 38;
const CAP_BPF: u32 = 39;
/// How std ends the text of an IO error of that number.
const EPERM: &str = "(os error 1)";
/// Of a message that comes from elsewhere, so much is passed on.
const REASON_CHARS_MAX: usize = 160;

/// Why something was not loaded. Each is one line, and says what would help where something would.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    #[error("lacks {0}")]
    Capabilities(&'static str),
    #[error("the kernel has no type information (/sys/kernel/btf/vmlinux: CONFIG_DEBUG_INFO_BTF)")]
    NoTypes,
    #[error("the kernel refuses {what} (EPERM){hint}")]
    Forbidden { what: &'static str, hint: &'static str },
    #[error("{what}: {why}")]
    Failed { what: &'static str, why: String },
}

impl Refusal {
    /// Sorts an error of the loader about `what`.
    #[must_use]
    pub fn of(what: &'static str, error: &(dyn std::error::Error + 'static)) -> Self {
        // By the words: some links of the chain hand on the text of an IO error, and not the error.
        let why = reason(error);
        if why.contains(EPERM) {
            return Self::Forbidden { what, hint: lockdown_hint() };
        }
        Self::Failed { what, why }
    }
}

/// What keeps this process from loading anything: None if nothing does.
///
/// Source: `/proc/self/status`, CapEff; capabilities(7).
#[must_use]
pub fn capabilities_lacking() -> Option<&'static str> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    lacking(line.and_then(|hex| u64::from_str_radix(hex.trim(), 16).ok()).unwrap_or(0))
}

fn lacking(set: u64) -> Option<&'static str> {
    let has = |bit: u32| set & (1 << bit) != 0;
    match (has(CAP_SYS_ADMIN), has(CAP_BPF), has(CAP_PERFMON)) {
        (true, ..) | (_, true, true) => None,
        (_, true, false) => Some("CAP_PERFMON"),
        (_, false, true) => Some("CAP_BPF"),
        (_, false, false) => Some("CAP_BPF and CAP_PERFMON (or CAP_SYS_ADMIN)"),
    }
}

/// Loads objects. Holds the kernel's type information, some 10 MiB, so it is not to be kept.
#[derive(Debug)]
pub struct Edge {
    types: Option<Btf>,
}

impl Edge {
    /// Looks whether this process may load programs at all, and reads the kernel's types.
    ///
    /// Cost: some 30 ms for the types of a distribution's kernel.
    ///
    /// # Errors
    /// [`Refusal::Capabilities`].
    pub fn open() -> Result<Self, Refusal> {
        match capabilities_lacking() {
            Some(lacks) => Err(Refusal::Capabilities(lacks)),
            None => Ok(Self { types: Btf::from_sys_fs().ok() }),
        }
    }

    /// The kernel's types.
    ///
    /// # Errors
    /// [`Refusal::NoTypes`].
    pub fn types(&self) -> Result<&Btf, Refusal> {
        self.types.as_ref().ok_or(Refusal::NoTypes)
    }

    /// Makes the maps of `object` and fits its programs to this kernel; loading each of them is the
    /// caller's next step. `object` must be aligned: `aya::include_bytes_aligned!`.
    ///
    /// # Errors
    /// What the kernel or the loader said, as [`Refusal::of`] sorts it.
    pub fn load(&self, object: &[u8], what: &'static str) -> Result<Ebpf, Refusal> {
        let mut loader = EbpfLoader::new();
        loader.btf(self.types.as_ref()).verifier_log_level(VerifierLogLevel::DISABLE);
        loader.load(object).map_err(|error: EbpfError| Refusal::of(what, &error))
    }
}

/// What all maps and programs that this process holds take of the kernel's memory. Units: bytes.
///
/// Source: `memlock` of `/proc/self/fdinfo/N`, as kernel/bpf/syscall.c prints it. Cost: a few µs
/// for each open file, so it is asked for once, after loading.
#[must_use]
pub fn kernel_bytes() -> u64 {
    let files = std::fs::read_dir("/proc/self/fd").into_iter().flatten().flatten();
    let is_ours = |file: &std::fs::DirEntry| {
        let target = std::fs::read_link(file.path()).unwrap_or_default();
        target.to_string_lossy().starts_with("anon_inode:bpf")
    };
    let held = |file: std::fs::DirEntry| {
        let path = std::path::Path::new("/proc/self/fdinfo").join(file.file_name());
        let text = std::fs::read_to_string(path).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("memlock:"))?;
        line.trim().parse::<u64>().ok()
    };
    files.filter(is_ours).filter_map(held).sum()
}

/// A program was found, and is of the kind asked for.
pub(crate) fn missing(what: &'static str) -> Refusal {
    Refusal::Failed { what, why: "is not in its object".to_owned() }
}

pub(crate) fn refused(what: &'static str) -> impl Fn(ProgramError) -> Refusal {
    move |error| Refusal::of(what, &error)
}

fn lockdown_hint() -> &'static str {
    let state = std::fs::read_to_string("/sys/kernel/security/lockdown").unwrap_or_default();
    if state.contains("[confidentiality]") {
        ": the kernel is locked down (confidentiality)"
    } else {
        ": a security module, seccomp or a user namespace forbids it"
    }
}

/// One line of an error and its causes.
fn reason(error: &(dyn std::error::Error + 'static)) -> String {
    let mut words = String::new();
    let mut chain = Some(error);
    while let Some(link) = chain {
        let text = link.to_string();
        let first = text.lines().next().unwrap_or_default().trim();
        if !words.contains(first) {
            words += if words.is_empty() { "" } else { ": " };
            words += first;
        }
        chain = link.source();
    }
    words.chars().take(REASON_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[test]
    fn either_the_two_capabilities_or_the_great_one_will_do() {
        assert_eq!(lacking(1 << CAP_SYS_ADMIN), None);
        assert_eq!(lacking(1 << CAP_BPF | 1 << CAP_PERFMON), None);
        assert_eq!(lacking(1 << CAP_BPF), Some("CAP_PERFMON"));
        assert_eq!(lacking(1 << CAP_PERFMON), Some("CAP_BPF"));
        assert!(lacking(0).is_some_and(|lacks| lacks.contains("SYS_ADMIN")));
    }

    #[test]
    fn a_refusal_is_one_line_and_knows_eperm_however_deep_it_lies() {
        let denied = ProgramError::IOError(io::Error::from_raw_os_error(1));
        let refusal = Refusal::of("the program", &denied);
        assert!(matches!(refusal, Refusal::Forbidden { .. }), "{refusal}");
        let failed = io::Error::other("first\nsecond");
        assert_eq!(Refusal::of("it", &failed).to_string(), "it: first");
    }
}
