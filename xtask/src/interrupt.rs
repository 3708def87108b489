//! Ctrl-C as a flag, for benches that have something to clean up.

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag::register;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

#[derive(Clone, Debug)]
pub struct Flag(Arc<AtomicBool>);

impl Flag {
    pub fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// From now on SIGINT and SIGTERM set the flag and do nothing else.
pub fn watched() -> Result<Flag, String> {
    let flag = Flag(Arc::default());
    for signal in [SIGINT, SIGTERM] {
        register(signal, Arc::clone(&flag.0)).map_err(|e| e.to_string())?;
    }
    Ok(flag)
}
