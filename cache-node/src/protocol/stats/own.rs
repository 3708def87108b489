//! `stats plimsoll`: what only this server has: segments, what was given back, the budget.

use super::stat;
use crate::protocol::turn::Turn;

pub(super) fn append(turn: &mut Turn<'_>) {
    let context = turn.context;
    let totals = context.store.totals();
    let out = &mut *turn.out;
    stat(out, "version", env!("CARGO_PKG_VERSION"));
    stat(out, "limit_bytes", totals.limit_bytes);
    stat(out, "item_bytes", totals.item_bytes);
    stat(out, "segment_bytes", totals.segment_bytes);
    stat(out, "segments", totals.segments);
    stat(out, "segments_total", totals.segments_total);
    stat(out, "index_bytes", totals.index_bytes);
    stat(out, "buffer_bytes", totals.buffer_bytes);
    stat(out, "ghost_bytes", totals.ghost_bytes);
    stat(out, "evictions_total", totals.evictions_total);
    stat(out, "refused_total", totals.refused_total);
    stat(out, "given_back_total", totals.given_back_total);
    stat(out, "compactions_total", totals.compactions_total);
    context.shared.host.report(&mut |name, value| stat(out, name, value));
}
