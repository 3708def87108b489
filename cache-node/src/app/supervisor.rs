//! What is told to systemd: that the cache listens, that it lives, that it reads its auth file,
//! that it ends. Everywhere else, where `NOTIFY_SOCKET` is not set, it tells nobody.
//!
//! It is said to live while every part of the store can be had: one that a thread holds for good
//! would let clients hang one after the other.

use crate::store::Store;
use sd_notify::NotifyState;
use std::time::Duration;

/// Words of life within the time after which systemd believes in none.
const WORDS: u32 = 3;

/// From here on `systemctl start` returns, and what is ordered after the cache starts.
pub(super) fn ready(addresses: &impl std::fmt::Display) {
    tell(&[NotifyState::Ready, NotifyState::Status(&format!("listens on {addresses}"))]);
}

pub(super) fn reloading(reading: impl FnOnce()) {
    // Where there is no clock there is no systemd either.
    if let Ok(now) = NotifyState::monotonic_usec_now() {
        tell(&[NotifyState::Reloading, now]);
    }
    reading();
    tell(&[NotifyState::Ready]);
}

pub(super) fn stopping() {
    tell(&[NotifyState::Stopping]);
}

/// How often [`alive`] is to be called; None if nobody wants to know (`WatchdogSec=`).
pub(super) fn pace() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|within| within / WORDS)
}

/// Says that it lives, once all of the store could be had.
pub(super) fn alive(store: &Store) {
    let _ = store.totals();
    tell(&[NotifyState::Watchdog]);
}

fn tell(words: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(words) {
        tracing::debug!(%error, "systemd is not told");
    }
}
