//! All that `MEMORY_PRESSURE_WATCH` may name.

use super::*;
use rustix::event::{PollFd, Timespec, poll};
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixListener;

/// What the watch says now.
fn look(watch: &Watch) -> Rang {
    let mut fds = [PollFd::new(watch, watch.interest())];
    poll(&mut fds, Some(&Timespec::default())).unwrap();
    watch.take(fds[0].revents())
}

#[test]
fn base64_is_decoded_with_its_padding() {
    let texts: [(&str, &[u8]); 5] = [
        ("", b""),
        ("AA==", b"\0"),
        ("c29tZQ==", b"some"),
        ("/+8A", b"\xff\xef\0"),
        ("c29tZSAyMDAwMDAgMjAwMDAwMAA=", b"some 200000 2000000\0"),
    ];
    for (text, bytes) in texts {
        assert_eq!(base64(text.as_bytes()).as_deref(), Some(bytes), "{text}");
    }
    for bad in ["c29", "c29t!QQ=", "=AAA", "A===", "AA=A", "c-9_"] {
        assert_eq!(base64(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(base64(&[b'A'; WRITE_BYTES_MAX + 4]), None);
}

#[test]
fn nothing_and_dev_null_are_not_watched_and_what_is_wrong_is_told() {
    let values =
        |watch: &str, write: &str| Watch::from_values(Some(watch.as_ref()), Some(write.as_ref()));
    assert!(Watch::from_values(None, None).unwrap().is_none());
    assert!(values("/dev/null", "AAAA").unwrap().is_none());
    assert!(values("/nonexistent", "AAAA").is_err());
    assert!(values("/dev/zero", "").is_err());
    assert_eq!(values("/proc/version", "A").unwrap_err().kind(), io::ErrorKind::InvalidData);
}

#[test]
fn a_fifo_rings_and_does_not_end_when_its_writer_leaves() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("fifo");
    rustix::fs::mkfifoat(rustix::fs::CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
    let watch = Watch::open(&path, b"").unwrap();
    for _ in 0..2 {
        assert_eq!(look(&watch), Rang::No);
        let mut writer = fs::File::options().write(true).open(&path).unwrap();
        writer.write_all(&[b'!'; 10_000]).unwrap();
        drop(writer);
        assert_eq!(look(&watch), Rang::Yes);
    }
    assert_eq!(look(&watch), Rang::No);
}

#[test]
fn a_socket_gets_what_is_to_be_written_rings_and_ends() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("socket");
    let listener = UnixListener::bind(&path).unwrap();
    let watch = Watch::from_values(Some(path.as_os_str()), Some("c29tZQ==".as_ref()));
    let watch = watch.unwrap().unwrap();
    let (mut peer, _) = listener.accept().unwrap();
    let mut trigger = [0; 4];
    peer.read_exact(&mut trigger).unwrap();
    assert_eq!(&trigger, b"some");
    assert_eq!(look(&watch), Rang::No);
    peer.write_all(b"x").unwrap();
    assert_eq!(look(&watch), Rang::Yes);
    drop(peer);
    assert_eq!(look(&watch), Rang::Over);
}

#[test]
fn a_regular_file_rings_when_poll_says_priority_and_is_over_when_it_says_error() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let watch = Watch::open(file.path(), b"some 200000 2000000").unwrap();
    assert_eq!(fs::read(file.path()).unwrap(), b"some 200000 2000000");
    assert_eq!(watch.interest(), PollFlags::PRI);
    let taken = [PollFlags::empty(), PollFlags::PRI, PollFlags::PRI | PollFlags::ERR];
    assert_eq!(taken.map(|polled| watch.take(polled)), [Rang::No, Rang::Yes, Rang::Over]);
}

#[test]
fn the_kernels_own_file_takes_a_trigger() {
    let path = Path::new("/proc/pressure/memory");
    // A window of 2 s is what an unprivileged process may ask for.
    match Watch::open(path, b"some 200000 2000000\0") {
        Ok(watch) => {
            assert!(watch.is_psi);
            assert_ne!(look(&watch), Rang::Over);
        }
        Err(error) => println!("skipped: this kernel does not take triggers here: {error}"),
    }
}
