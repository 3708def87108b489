//! End-to-end tests: the built agent against the real kernel of this machine.

#![expect(clippy::panic, reason = "a test that cannot go on fails")]

mod attacks;
mod bpf;
mod browser;
mod cache;
mod churn;
mod closed_loop;
mod commands;
mod dashboards;
mod demo;
mod dependencies;
mod deploy;
mod descriptors;
mod export;
mod hostile;
mod incidents;
mod kubernetes;
mod leaks;
mod live;
mod metrics;
mod oom_kill;
mod openapi;
mod oracles;
mod persistence;
mod pressure;
mod replay;
mod reports;
mod routing;
mod surface;
mod terminal;
mod tidy;
mod unprivileged;
