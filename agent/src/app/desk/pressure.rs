//! The pressure signal as the API shows it.

use crate::sampler::State;
use crate::view::pressure::{PressureTotals, PressureView, ScopeView, SignalView, SubscriberView};

pub(super) fn pressure(state: &State) -> PressureView {
    let service = &state.pressure;
    let engine = service.engine();
    let clock = state.clock;
    let inside = |scope| engine.members.values().filter(|member| member.is_in(scope)).count();
    let scope = |(scope, standing)| ScopeView::of(scope, standing, inside(scope), clock);
    let counted = service.counters();
    PressureView {
        enabled: service.is_on(),
        dry_run: engine.dry_run(),
        listening: service.is_listening(),
        socket: service.socket().map(|path| path.display().to_string()),
        epoch: service.epoch(),
        scopes: engine.scopes.iter().map(scope).collect(),
        subscribers: engine
            .members
            .iter()
            .map(|(id, member)| SubscriberView::of(id.0, member, clock))
            .collect(),
        signals: engine.records().map(|record| SignalView::of(record, clock)).collect(),
        totals: PressureTotals {
            asks: engine.totals.asks,
            asked_bytes: engine.totals.asked_bytes,
            freed_bytes: engine.totals.freed_bytes,
            seen_bytes: engine.totals.seen_bytes,
            late: engine.totals.late,
            connections: counted.connections,
            refused: counted.refused_by_policy + counted.refused_full,
            closed: counted.without_hello + counted.malformed + counted.flooding + counted.slow,
        },
    }
}
