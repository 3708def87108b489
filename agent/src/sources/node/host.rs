//! Facts about the node that do not change while it runs.

use crate::sources::{Roots, read_bounded};
use crate::units::Bytes;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

/// What this machine is. In a container the hostname and the distribution are the container's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    pub hostname: Option<String>,
    /// `Debian GNU/Linux 12` or the like.
    pub os: Option<String>,
    /// The kernel's release, `uname -r`.
    pub kernel: Option<String>,
    /// Another number at each boot; what was recorded under another is of another boot.
    pub boot_id: Option<String>,
    pub cpus: usize,
    pub page_size: Bytes,
}

/// Reads the facts once at start. Cost: 30 µs. Fails at nothing: what is missing is None.
#[must_use]
pub fn read(roots: &Roots) -> Host {
    let cpus = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    Host {
        hostname: System::host_name().ok(),
        os: os(),
        kernel: System::kernel_version().ok(),
        boot_id: boot_id(roots),
        cpus: System::new_with_specifics(cpus).map_or(1, |system| system.cpus().len().max(1)),
        page_size: page_size(),
    }
}

/// Name and version as os-release(5) has them; some distributions have no version.
fn os() -> Option<String> {
    let name = System::name().ok()?;
    Some(System::os_version().map_or(name.clone(), |version| format!("{name} {version}")))
}

fn boot_id(roots: &Roots) -> Option<String> {
    let bytes = read_bounded(&roots.proc.join("sys/kernel/random/boot_id"), 256).ok()?;
    let id = std::str::from_utf8(&bytes).ok()?.trim();
    (!id.is_empty()).then(|| id.to_owned())
}

/// The size of a page. Constant for the life of the kernel.
#[must_use]
pub fn page_size() -> Bytes {
    Bytes(rustix::param::page_size() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_knows_what_it_is() {
        let host = read(&Roots::default());
        let uname = rustix::system::uname();
        assert_eq!(host.kernel.as_deref(), uname.release().to_str().ok());
        assert_eq!(host.boot_id.as_ref().map(String::len), Some(36));
        assert!(host.cpus >= 1 && host.page_size >= Bytes(4096));
    }

    #[test]
    fn without_a_proc_the_boot_id_is_none() {
        let roots = Roots { proc: "/no/such/proc".into(), ..Roots::default() };
        assert_eq!(read(&roots).boot_id, None);
    }
}
