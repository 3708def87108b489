//! Level 1 on real programs: what they lost is known, and what must not happen to them is tried.

#[path = "../common/compiled.rs"]
mod compiled;
mod hazards;
mod verdicts;
mod walk;
mod workshop;
