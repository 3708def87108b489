//! Level 2 on real programs: the place that leaks is found among many that do not, and whoever was
//! watched goes on as before. Needs the right to load BPF programs; without, says so.

#[path = "../common/compiled.rs"]
mod compiled;
mod harm;
mod programs;
mod sites;
