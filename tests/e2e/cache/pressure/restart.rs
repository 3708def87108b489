//! What is held, across a restart: whole, damaged, foreign, and written while it served.

use super::{held, store};
use plimsoll_tests::{Cache, wait_for};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::time::Duration;

const KEYS: u64 = 5000;

struct Kept {
    _scratch: tempfile::TempDir,
    path: PathBuf,
}

impl Kept {
    /// A file written by a graceful stop, with all keys in it.
    fn make() -> Self {
        let scratch = tempfile::tempdir().expect("a directory");
        let path = scratch.path().join("kept");
        let mut cache = start(&path);
        store(&mut cache.client(), 0..KEYS);
        cache.signal(Signal::USR1);
        assert_eq!(cache.ended(), Some(0), "{}", cache.log());
        assert!(path.exists(), "{}", cache.log());
        Self { _scratch: scratch, path }
    }

    fn change(&self, change: impl FnOnce(&mut Vec<u8>)) {
        let mut bytes = std::fs::read(&self.path).expect("the file is there");
        change(&mut bytes);
        std::fs::write(&self.path, bytes).expect("the file can be written");
    }
}

fn start(path: &Path) -> Cache {
    Cache::start(&["-e", path.to_str().expect("a plain path")])
}

#[test]
fn a_graceful_stop_keeps_everything_once() {
    let kept = Kept::make();
    let mut cache = start(&kept.path);
    assert_eq!(held(&mut cache.client(), 0..KEYS), KEYS);
    cache.kill();
    // What is true only once must not be served after a crash.
    let cache = start(&kept.path);
    assert_eq!(held(&mut cache.client(), 0..KEYS), 0);
}

#[test]
fn flipped_bits_cost_what_they_touch_and_nothing_false_is_served() {
    let kept = Kept::make();
    kept.change(|bytes| {
        let len = bytes.len();
        bytes[len / 2] ^= 0x10;
        bytes[len / 2 + 1000] ^= 0x01;
    });
    let cache = start(&kept.path);
    // Each value found is compared.
    let found = held(&mut cache.client(), 0..KEYS);
    assert!((KEYS / 2..KEYS).contains(&found), "{found}");
    assert!(cache.log().contains("the snapshot is damaged"), "{}", cache.log());
}

#[test]
fn a_torn_file_gives_what_is_whole() {
    let kept = Kept::make();
    kept.change(|bytes| bytes.truncate(bytes.len() * 2 / 3));
    let cache = start(&kept.path);
    let found = held(&mut cache.client(), 0..KEYS);
    assert!((1..KEYS).contains(&found), "{found}");
}

#[test]
fn what_cannot_be_read_is_left_and_said_and_the_cache_starts_empty() {
    let kept = Kept::make();
    kept.change(|bytes| bytes[8] = 0xff);
    let cache = start(&kept.path);
    assert_eq!(held(&mut cache.client(), 0..100), 0);
    assert!(cache.log().contains("is of version"), "{}", cache.log());
    assert!(kept.path.exists());
}

#[test]
fn a_snapshot_of_a_serving_cache_is_not_taken_for_a_graceful_stop() {
    let scratch = tempfile::tempdir().expect("a directory");
    let path = scratch.path().join("live");
    let mut cache = start(&path);
    store(&mut cache.client(), 0..KEYS);
    cache.signal(Signal::USR2);
    wait_for("the snapshot is written", Duration::from_secs(20), || {
        if path.exists() { Ok(()) } else { Err(cache.log()) }
    });
    assert_eq!(held(&mut cache.client(), 0..KEYS), KEYS, "it goes on serving");
    cache.kill();
    let mut cache = start(&path);
    assert_eq!(held(&mut cache.client(), 0..KEYS), 0);
    assert!(cache.log().contains("does not come from a graceful stop"), "{}", cache.log());
    cache.kill();
    let cache = Cache::start(&["--load-live", "-e", path.to_str().expect("a plain path")]);
    assert_eq!(held(&mut cache.client(), 0..KEYS), KEYS, "unless it is asked for");
}
