//! Whether the lock of a target's mappings can be had at all.
//!
//! A thread that hangs in the kernel can hold it for ever, and whoever asks then hangs as well
//! and cannot even be killed. So the first question is asked on a thread of its own; if no answer
//! comes it is left behind, and there may only be a few of them.

use std::fs::File;
use std::io::Read;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use crate::Refusal;

/// Threads that may wait for a lock that nobody gives back.
const WAITING_MAX: usize = 4;

static WAITING: AtomicUsize = AtomicUsize::new(0);

/// How many bytes the first read of `file` gives, as soon as it does.
///
/// # Errors
/// [`Refusal::Unavailable`] if it does not within `wait`.
pub(super) fn first_bytes_within(
    mut file: File,
    wait: Duration,
) -> Result<std::io::Result<usize>, Refusal> {
    let refuse = |why: &str| Refusal::Unavailable { what: "a report", why: why.to_owned() };
    if WAITING.load(Ordering::Relaxed) >= WAITING_MAX {
        return Err(refuse("too many processes whose mappings stay locked were asked for already"));
    }
    let (sender, receiver) = mpsc::sync_channel(1);
    WAITING.fetch_add(1, Ordering::Relaxed);
    let reader = move || {
        let count = file.read(&mut [0; 256]);
        WAITING.fetch_sub(1, Ordering::Relaxed);
        // Nobody listens any more once the wait was over.
        let _ = sender.send(count);
    };
    if let Err(source) = std::thread::Builder::new().name("heap-lock".to_owned()).spawn(reader) {
        WAITING.fetch_sub(1, Ordering::Relaxed);
        return Err(Refusal::Io { path: "a thread".to_owned(), source });
    }
    receiver.recv_timeout(wait).map_err(|_| {
        refuse("the lock of its mappings is held: a thread of it hangs in the kernel (state D)")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_never_answers_is_given_up_and_counted() {
        let (read, write) = std::io::pipe().unwrap();
        let short = Duration::from_millis(20);
        let refused = first_bytes_within(File::from(std::os::fd::OwnedFd::from(read)), short);
        assert!(matches!(refused, Err(Refusal::Unavailable { .. })));
        drop(write);
        let answered = first_bytes_within(File::open("/proc/self/maps").unwrap(), short * 100);
        assert!(matches!(answered, Ok(Ok(256))));
    }
}
