//! The names of Kubernetes: who the pods and containers of this node are, asked of the kubelet or
//! of the container runtime.
//!
//! Asked on a thread of its own, bounded in time, size and number; nobody waits for an answer, and
//! without one everything works by the ids that paths of cgroups hold. What comes back is a
//! [`crate::workload::names::Directory`]. Nothing is asked of the API server, and nothing that
//! changes anything of anybody.

mod cri;
mod keeper;
mod kubelet;
mod owners;
mod pace;
mod podlist;
mod quantity;
mod setup;

pub use keeper::{Keeper, Outcome, Told};
pub use setup::{Choice, Setup, choose};

use crate::workload::names::Pod;

/// Reads what a kubelet says of its pods.
///
/// # Errors
/// When it is no list of pods.
pub fn pods_of_kubelet(bytes: &[u8]) -> Result<Vec<Pod>, String> {
    podlist::parse(bytes)
}

/// Reads a runtime's lists of sandboxes and containers, as messages of CRI.
///
/// # Errors
/// When one is no such message.
pub fn pods_of_runtime(sandboxes: &[u8], containers: &[u8]) -> Result<Vec<Pod>, String> {
    cri::read(sandboxes, containers)
}

const NAME_BYTES_MAX: usize = 253;
const IMAGE_BYTES_MAX: usize = 512;

/// Whether it can be the name or the id of something in Kubernetes; nothing else is taken over.
/// Source: RFC 1123 subdomains and labels, and the ids of runtimes.
fn is_name(text: &str) -> bool {
    let good = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(good)
}

fn is_image(text: &str) -> bool {
    (1..=IMAGE_BYTES_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic())
}
