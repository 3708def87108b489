//! End-to-end tests: the built agent against the real kernel of this machine.

mod churn;
mod demo;
mod descriptors;
mod hostile;
mod leaks;
mod oom_kill;
mod persistence;
mod unprivileged;
