//! Traces in memory, and what comes of them.
