//! `stats items` and `stats slabs`: there is one class, and all items are of it.

use super::stat;
use crate::protocol::CLASS;
use crate::protocol::turn::Turn;
use crate::store::Totals;

/// Lengths of chunks are multiples of it. Units: bytes.
const CHUNK_STEP: u64 = 8;

/// By how much an item of memcached's has the longer header. Units: bytes.
const HEADER_MORE: u64 = 36;

/// What memcached would have asked of its slabs for all that is held. Who plans by these two
/// statistics knows memcached's sizes; what items really take are `bytes` and `total_malloced`.
const fn requested(totals: &Totals) -> u64 {
    totals.item_bytes + totals.items * HEADER_MORE
}

pub(super) fn items(turn: &mut Turn<'_>) {
    let context = turn.context;
    let totals = context.store.totals();
    if totals.items == 0 {
        return;
    }
    let sums = context.shared.tally.sum();
    let maintained = context.settings.echoed.lru_maintainer;
    let out = &mut *turn.out;
    let mut item = |name: &str, value: u64| stat(out, format_args!("items:{CLASS}:{name}"), value);
    item("number", totals.items);
    if maintained {
        item("number_hot", 0);
        item("number_warm", 0);
        item("number_cold", totals.items);
        item("age_hot", 0);
        item("age_warm", 0);
    }
    item("age", 0);
    item("mem_requested", requested(&totals));
    item("evicted", totals.evictions_total);
    item("evicted_nonzero", 0);
    item("evicted_time", 0);
    item("outofmemory", totals.refused_total);
    item("tailrepairs", 0);
    item("reclaimed", totals.reclaimed_total);
    item("expired_unfetched", totals.expired_unfetched_total);
    item("evicted_unfetched", totals.evicted_unfetched_total);
    if maintained {
        item("evicted_active", totals.evicted_active_total);
    }
    item("crawler_reclaimed", totals.reclaimed_total);
    item("crawler_items_checked", 0);
    item("lrutail_reflocked", 0);
    if maintained {
        for name in ["moves_to_cold", "moves_to_warm", "moves_within_lru", "direct_reclaims"] {
            item(name, 0);
        }
        item("hits_to_hot", 0);
        item("hits_to_warm", 0);
        item("hits_to_cold", sums.get_hits);
        item("hits_to_temp", 0);
    }
}

pub(super) fn slabs(turn: &mut Turn<'_>) {
    let context = turn.context;
    let totals = context.store.totals();
    let sums = context.shared.tally.sum();
    let out = &mut *turn.out;
    let any = totals.stored_total > 0;
    if any {
        let mut slab = |name: &str, value: u64| stat(out, format_args!("{CLASS}:{name}"), value);
        // A chunk holds an item of average length.
        let chunk = (requested(&totals).checked_div(totals.items).unwrap_or(0) + 1)
            .next_multiple_of(CHUNK_STEP);
        let page = totals.segment_bytes.checked_div(totals.segments).unwrap_or(0);
        let chunks = (totals.segment_bytes / chunk).max(totals.items);
        slab("chunk_size", chunk);
        slab("chunks_per_page", page / chunk);
        slab("total_pages", totals.segments);
        slab("total_chunks", chunks);
        slab("used_chunks", totals.items);
        slab("free_chunks", chunks - totals.items);
        slab("free_chunks_end", 0);
        slab("get_hits", sums.get_hits);
        slab("cmd_set", sums.set_cmds);
        slab("delete_hits", sums.delete_hits);
        slab("incr_hits", sums.incr_hits);
        slab("decr_hits", sums.decr_hits);
        slab("cas_hits", sums.cas_hits);
        slab("cas_badval", sums.cas_badval);
        slab("touch_hits", sums.touch_hits);
    }
    stat(out, "active_slabs", u8::from(any));
    stat(out, "total_malloced", totals.segment_bytes);
}
