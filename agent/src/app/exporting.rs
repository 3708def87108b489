//! Starts the export, if it is wanted: who this machine is, and what the exporter may see.

use super::desk::Desk;
use crate::clock::Clock;
use crate::config::Config;
use crate::export::model::{Common, Machine, decoded};
use crate::export::{ExporterHandle, Setup};
use crate::sources::read_bounded;
use crate::view::Watch as _;
use std::path::Path;

const MACHINE_ID_BYTES_MAX: usize = 256;

/// # Errors
/// When a thread cannot be made.
pub(super) fn start(
    config: &Config,
    state_dir: Option<&Path>,
    desk: Desk,
) -> std::io::Result<Option<ExporterHandle>> {
    if !config.export.enabled {
        return Ok(None);
    }
    let pairs = config.export.resource_attributes.iter();
    let configured: Vec<_> = pairs.filter_map(|pair| decoded(pair)).collect();
    let machine = Machine {
        hostname: desk.node().hostname,
        host_id: host_id(config),
        // By the downward API, as conventional for DaemonSets.
        node_name: std::env::var("NODE_NAME").ok().filter(|name| !name.is_empty()),
    };
    let setup = Setup {
        config: config.export.clone(),
        state_dir: state_dir.map(Path::to_owned),
        common: Common::new(&machine, &configured),
        clock: Clock::start(),
    };
    ExporterHandle::start(setup, desk).map(Some)
}

/// The machine's id, but not that of a container the agent runs in. Source: machine-id(5).
fn host_id(config: &Config) -> Option<String> {
    if config.proc_root != Path::new("/proc") {
        return None;
    }
    let bytes = read_bounded(Path::new("/etc/machine-id"), MACHINE_ID_BYTES_MAX).ok()?;
    let id = String::from_utf8(bytes).ok()?.trim().to_owned();
    (id.len() == 32 && id.bytes().all(|b| b.is_ascii_hexdigit())).then_some(id)
}
