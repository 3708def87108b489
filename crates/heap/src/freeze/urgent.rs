//! Ahead of others while a process stands still: on a machine with more to do than cores, the pause
//! is otherwise as much longer. Needs CAP_SYS_NICE; without, everything goes on as before.
//!
//! Source: setpriority(2). On Linux it is of the calling thread, and inherited by those it starts.

use rustix::process::{getpriority_process, setpriority_process};

/// Right below the most that there is, which is left for those that must.
const NICE: i32 = -19;

/// The calling thread is ahead of others until this is dropped, on the same thread.
#[derive(Debug)]
pub struct Urgent {
    before: Option<i32>,
}

impl Urgent {
    pub fn begin() -> Self {
        let before = getpriority_process(None).ok().filter(|before| *before > NICE);
        Self { before: before.filter(|_| setpriority_process(None, NICE).is_ok()) }
    }
}

impl Drop for Urgent {
    fn drop(&mut self) {
        if let Some(before) = self.before {
            // Nobody needs a right to step back.
            let _ = setpriority_process(None, before);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_steps_back_when_the_pause_is_over_and_others_stay_as_they_are() {
        let nice = || getpriority_process(None).unwrap();
        let before = nice();
        let urgent = Urgent::begin();
        let is_allowed = urgent.before.is_some();
        assert_eq!(nice(), if is_allowed { NICE } else { before });
        drop(urgent);
        assert_eq!(nice(), before);
    }
}
