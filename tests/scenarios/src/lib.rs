//! Memory scenarios whose truth is known, and what a detector made of them.
//!
//! ```text
//! families ── scenario ──┐
//!   shapes    noise, gaps│               ┌ replay     the detector under test
//! recorded ── inject ────┼─ trace (CSV) ─┤                        ├─ events ─ score ─ report, plot
//! recorded ──────────────┘               └ baselines  naive rules ┘
//! ```
//!
//! Everything that is drawn at random comes from seeds made of the series' own name: one series is
//! the same on every machine, in whatever order and company it is made. Nothing here knows how the
//! detector works, which is run as `plimsoll replay`, but [`fit`]: it makes its weights.

pub mod baselines;
pub mod bench;
pub mod events;
pub mod families;
pub mod fit;
pub mod inject;
pub mod noise;
pub mod plot;
pub mod random;
pub mod replay;
pub mod report;
pub mod sampling;
pub mod scenario;
pub mod score;
pub mod series;
pub mod sets;
pub mod trace;
pub mod truth;
