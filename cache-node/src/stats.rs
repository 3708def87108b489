//! What was done: counters of each thread, summed when somebody asks; counts by key prefix.
//!
//! A thread alone writes its counters, so counting costs a load and a store, never a locked
//! instruction or a shared cache line. `stats reset` does not touch them: it notes what they show
//! and subtracts it from then on.

mod prefixes;

pub use prefixes::{Did, Prefixes};

use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// A number that one thread counts up and others may read.
#[derive(Debug, Default)]
pub struct Count(AtomicU64);

impl Count {
    /// Only the thread that owns the counters calls it.
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }

    #[must_use]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// One thread's counters. On cache lines of their own.
        #[derive(Debug, Default)]
        #[repr(align(128))]
        pub struct Counters {
            $($(#[$doc])* pub $name: Count,)*
        }

        /// All threads' counters summed up, since the start or the last `stats reset`.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub struct Sums {
            $($(#[$doc])* pub $name: u64,)*
        }

        impl Sums {
            fn add(&mut self, counters: &Counters) {
                $(self.$name = self.$name.wrapping_add(counters.$name.get());)*
            }

            fn since(mut self, base: &Self) -> Self {
                $(self.$name = self.$name.wrapping_sub(base.$name);)*
                self
            }

            /// Each with its name, for /metrics.
            pub fn each(&self, mut see: impl FnMut(&'static str, u64)) {
                $(see(stringify!($name), self.$name);)*
            }
        }
    };
}

counters! {
    get_cmds,
    get_hits,
    get_misses,
    get_expired,
    get_flushed,
    set_cmds,
    touch_cmds,
    touch_hits,
    touch_misses,
    delete_hits,
    delete_misses,
    incr_hits,
    incr_misses,
    decr_hits,
    decr_misses,
    cas_hits,
    cas_misses,
    cas_badval,
    flush_cmds,
    meta_cmds,
    auth_cmds,
    auth_errors,
    store_too_large,
    store_no_memory,
    /// Turns that ended because the connection had had its share of commands.
    conn_yields,
    /// The server counts these.
    bytes_read,
    bytes_written,
    idle_kicks,
    read_buf_oom,
    response_obj_oom,
}

/// The counters of all threads.
#[derive(Debug, Default)]
pub struct Tally {
    threads: Mutex<Vec<Arc<Counters>>>,
    base: Mutex<Sums>,
}

impl Tally {
    /// Counters for one more thread; they are kept for as long as the process runs.
    #[must_use]
    pub fn register(&self) -> Arc<Counters> {
        let counters = Arc::<Counters>::default();
        self.threads.lock().push(Arc::clone(&counters));
        counters
    }

    #[must_use]
    pub fn sum(&self) -> Sums {
        let base = *self.base.lock();
        self.ever().since(&base)
    }

    /// Since the start, whatever was reset: what never falls.
    #[must_use]
    pub fn ever(&self) -> Sums {
        let mut sums = Sums::default();
        self.threads.lock().iter().for_each(|counters| sums.add(counters));
        sums
    }

    pub fn reset(&self) {
        let ever = self.ever();
        *self.base.lock() = ever;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_threads_are_summed_and_a_reset_subtracts_what_was() {
        let tally = Tally::default();
        let (one, two) = (tally.register(), tally.register());
        one.get_cmds.add(3);
        two.get_cmds.add(4);
        assert_eq!(tally.sum().get_cmds, 7);
        tally.reset();
        two.get_cmds.add(1);
        assert_eq!(tally.sum(), Sums { get_cmds: 1, ..Sums::default() });
        assert_eq!(tally.ever().get_cmds, 8);
    }
}
