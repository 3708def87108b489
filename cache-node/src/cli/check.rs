//! Flags that must fit together, checked once all are read.

use super::{Memory, Plan, Refusal};
use crate::settings::{Binding, Port};

const ITEM_BYTES_MIN: u64 = 1024;
const ITEM_BYTES_MAX: u64 = 1 << 30;
/// The unit of memory in memcached; chunks divide it.
const PAGE_BYTES: u64 = 1 << 20;

pub(super) fn check(plan: &mut Plan) -> Result<(), Refusal> {
    items(plan)?;
    chunks(plan)?;
    let echoed = &plan.settings.echoed;
    if echoed.hot_lru_pct + echoed.warm_lru_pct > 80 {
        return Err(Refusal::usage("hot_lru_pct + warm_lru_pct cannot be more than 80% combined"));
    }
    if echoed.temp_lru && !echoed.lru_maintainer {
        return Err(Refusal::usage("temporary_ttl requires lru_maintainer to be enabled"));
    }
    protocols(plan)?;
    if plan.udp_given && plan.settings.udp_port != Port::Off && !plan.tcp_given {
        plan.settings.port = plan.settings.udp_port;
    }
    Ok(())
}

fn items(plan: &mut Plan) -> Result<(), Refusal> {
    let item = plan.settings.item_bytes_max;
    if item < ITEM_BYTES_MIN {
        return Err(Refusal::usage("Item max size cannot be less than 1024 bytes."));
    }
    if let Memory::Given(bytes) = plan.memory {
        if item > bytes / 2 {
            let text = "Cannot set item size limit higher than 1/2 of memory max.";
            return Err(Refusal::usage(text));
        }
        plan.settings.memory_bytes = bytes;
    }
    if item > ITEM_BYTES_MAX {
        return Err(Refusal::usage("Cannot set item size limit higher than a gigabyte."));
    }
    Ok(())
}

fn chunks(plan: &mut Plan) -> Result<(), Refusal> {
    let item = plan.settings.item_bytes_max;
    let chunk = &mut plan.settings.echoed.slab_chunk_max;
    if item > PAGE_BYTES && !plan.chunk_max_given {
        *chunk = PAGE_BYTES / 2;
    }
    if *chunk > item && item.is_multiple_of(*chunk >> 10) {
        // It was meant in bytes, as in memcached before 1.6.20.
        *chunk >>= 10;
    }
    let wrong = if *chunk > item {
        format!("slab_chunk_max ({chunk} bytes) cannot be larger than -I ({item})")
    } else if !item.is_multiple_of(*chunk) {
        format!("-I ({item}) must be a multiple of slab_chunk_max ({chunk} bytes)")
    } else if !PAGE_BYTES.is_multiple_of(*chunk) {
        format!("slab_chunk_max ({chunk} bytes) must divide {PAGE_BYTES}")
    } else {
        return Ok(());
    };
    Err(Refusal::usage(wrong))
}

fn protocols(plan: &mut Plan) -> Result<(), Refusal> {
    if plan.settings.binding == Binding::Binary {
        plan.note("-B binary: only the ASCII protocol is spoken");
    }
    if plan.settings.auth_file.is_none() {
        return Ok(());
    }
    if plan.protocol_given && plan.settings.binding != Binding::Ascii {
        return Err(Refusal::usage("-Y lets in by the ASCII protocol only; -B says another"));
    }
    plan.settings.binding = Binding::Ascii;
    if plan.settings.udp_port != Port::Off {
        return Err(Refusal::usage("-Y cannot be had with UDP; -U 0 disables it"));
    }
    Ok(())
}
