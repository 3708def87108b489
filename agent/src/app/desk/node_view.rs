//! The node's page: the latest readings in kernel words.

use super::{shown, verdict_of};
use crate::sampler::State;
use crate::sources::node::Slow;
use crate::target::Target;
use crate::view::{HugepagesView, NodeView, NumaView, SlabView, ZoneView};

/// Slab caches shown, largest first.
const SLABS_SHOWN: usize = 20;

pub(super) fn node(state: &State) -> NodeView {
    let host = &state.node.host;
    let quick = state.node.quick.as_ref();
    let meminfo = quick.and_then(|q| q.meminfo.as_ref().ok());
    let vmstat = quick.and_then(|q| q.vmstat.as_ref().ok());
    let mut view = NodeView {
        at: shown(state, state.node.track.read_at),
        hostname: host.hostname.clone().unwrap_or_default(),
        os: host.os.clone(),
        kernel: host.kernel.clone(),
        boot_id: host.boot_id.clone().unwrap_or_default(),
        cpus: host.cpus,
        used_bytes: state.node.track.split.used,
        vmstat: vmstat.map(|v| v.0.clone()).unwrap_or_default(),
        psi: quick.and_then(|q| q.psi.as_ref().ok()).map(Into::into),
        processes: state.processes.len(),
        cgroups: state.cgroups.len(),
        verdict: verdict_of(state, &Target::Node),
        ..NodeView::default()
    };
    if let Some(meminfo) = meminfo {
        view.mem_total_bytes = meminfo.mem_total();
        view.mem_available_bytes = meminfo.mem_available();
        view.swap_total_bytes = meminfo.swap_total();
        view.swap_free_bytes = meminfo.swap_free();
        view.meminfo = meminfo.fields.clone();
    }
    if let Some(slow) = &state.node.slow {
        add_slow(&mut view, slow);
    }
    view
}

fn add_slow(view: &mut NodeView, slow: &Slow) {
    let zone = |z: &crate::sources::node::Zone| ZoneView {
        node: z.node,
        zone: z.zone.clone(),
        free_bytes: z.free,
        min_bytes: z.min,
        low_bytes: z.low,
        high_bytes: z.high,
        managed_bytes: z.managed,
        free_blocks: z.free_blocks.clone(),
        fragmentation: z.unusable_free_index,
    };
    view.zones = slow.zones.iter().map(zone).collect();
    let mut slabs: Vec<_> = slow.slabs.iter().flatten().collect();
    slabs.sort_by_key(|slab| std::cmp::Reverse(slab.bytes));
    let slab = |s: &crate::sources::node::Slab| SlabView {
        name: s.name.clone(),
        bytes: s.bytes,
        active_objects: s.active_objects,
        objects: s.objects,
    };
    view.slabs = slabs.into_iter().take(SLABS_SHOWN).map(slab).collect();
    let numa = |n: &crate::sources::node::NumaNode| NumaView {
        node: n.node,
        total_bytes: n.total,
        free_bytes: n.free,
        used_bytes: n.used,
    };
    view.numa = slow.numa.iter().flatten().map(numa).collect();
    let hugepages = |h: &crate::sources::node::Hugepages| HugepagesView {
        size_bytes: h.size,
        total: h.total,
        free: h.free,
        reserved: h.reserved,
        surplus: h.surplus,
    };
    view.hugepages = slow.hugepages.iter().flatten().map(hugepages).collect();
}
