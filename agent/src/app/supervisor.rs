//! What is told to systemd: that the agent listens, that it lives, that it reads its configuration
//! anew, that it ends. Everywhere else, where `NOTIFY_SOCKET` is not set, it tells nobody.
//!
//! It is said to live only while its sampler reads: an agent that answers from old readings is
//! worse than one that is started again.

use crate::sampler::State;
use parking_lot::Mutex;
use sd_notify::NotifyState;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The node is read each second; a sampler that has not for this long hangs. A laden node may delay
/// it for seconds.
const READ_WITHIN: Duration = Duration::from_secs(30);
/// Words of life within the time after which systemd believes in none.
const WORDS: u32 = 3;

/// From here on `systemctl start` returns, and what is ordered after the agent starts.
pub(super) fn ready(address: SocketAddr) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("listens on {address}"))]);
}

/// The reload that `reading` is, for `systemctl reload` and `status`.
pub(super) fn reloading(reading: impl FnOnce() -> bool) {
    // Where there is no clock there is no systemd either.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
    let status = if reading() {
        "the configuration was read anew"
    } else {
        "the new configuration is bad; the old one holds"
    };
    tell(&[NotifyState::Ready, NotifyState::Status(status)]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// Says that the sampler reads for as long as it does, if somebody wants to know (`WatchdogSec=`).
pub(super) async fn watchdog(state: Arc<Mutex<State>>) {
    let Some(within) = sd_notify::watchdog_enabled() else { return };
    let mut every = tokio::time::interval(within / WORDS);
    loop {
        every.tick().await;
        // The lock may never come: then nothing is said, and requests go on.
        let looked = Arc::clone(&state);
        let reads = tokio::task::spawn_blocking(move || {
            let state = looked.lock();
            state.clock.now().since(state.node.track.read_at) < READ_WITHIN
        });
        if reads.await.unwrap_or(false) {
            tell(&[NotifyState::Watchdog]);
        } else {
            tracing::error!("the sampler does not read: systemd is not told that it lives");
        }
    }
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::debug!(%error, "systemd is not told");
    }
}
