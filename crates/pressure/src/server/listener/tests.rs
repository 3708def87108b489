//! Sockets of the dead are taken over; what lives, or is none, is left alone.

use super::*;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::UnixStream;

fn bind(path: &Path) -> Result<Listener, BindError> {
    Listener::bind(path, 0o600, None)
}

#[test]
fn the_directory_is_made_the_mode_is_set_and_the_socket_is_removed_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/plimsoll/pressure.sock");
    let bound = bind(&path).unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&path), mode(path.parent().unwrap())), (0o600, 0o755));
    assert_eq!(mode(&path.with_extension("sock.lock")), 0o600);
    UnixStream::connect(&path).unwrap();
    drop(bound);
    assert!(!path.exists());
}

#[test]
fn a_socket_that_answers_is_never_touched() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let bound = bind(&path).unwrap();
    let again = bind(&path);
    assert!(matches!(again, Err(BindError::Answered(_))), "{again:?}");
    drop(bound);
    // One who knows nothing of the lock.
    let stranger = UnixListener::bind(&path).unwrap();
    let refused = bind(&path);
    assert!(matches!(refused, Err(BindError::Answered(_))), "{refused:?}");
    UnixStream::connect(&path).unwrap();
    drop(stranger);
    assert!(path.exists(), "left behind as by a killed process");
    bind(&path).unwrap();
}

#[test]
fn of_two_agents_that_start_at_once_one_is_kept_out_even_while_there_is_no_socket() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let _bound = bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let second = bind(&path);
    assert!(matches!(second, Err(BindError::Answered(_))), "{second:?}");
}

#[test]
fn a_socket_that_was_removed_is_put_back_also_with_its_directory_and_its_lock() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run/s");
    let mut bound = bind(&path).unwrap();
    assert!(bound.is_in_place());
    std::fs::remove_file(&path).unwrap();
    assert!(!bound.is_in_place());
    bound.renew().unwrap();
    UnixStream::connect(&path).unwrap();
    std::fs::remove_dir_all(path.parent().unwrap()).unwrap();
    bound.renew().unwrap();
    UnixStream::connect(&path).unwrap();
    assert!(bound.is_in_place());
    let second = bind(&path);
    assert!(matches!(second, Err(BindError::Answered(_))), "the new lock holds: {second:?}");
}

#[test]
fn what_another_put_in_its_place_is_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let mut bound = bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let _stranger = UnixListener::bind(&path).unwrap();
    assert!(matches!(bound.renew(), Err(BindError::Answered(_))));
    drop(bound);
    UnixStream::connect(&path).unwrap();
}

#[test]
fn what_is_no_socket_is_left_where_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    std::fs::write(&path, "precious").unwrap();
    let refused = bind(&path);
    assert!(matches!(refused, Err(BindError::NoSocket(_))), "{refused:?}");
    assert_eq!(std::fs::read_to_string(path).unwrap(), "precious");
}

#[test]
fn a_socket_that_another_has_put_there_meanwhile_is_not_removed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("s");
    let bound = bind(&path).unwrap();
    std::fs::remove_file(&path).unwrap();
    let other = UnixListener::bind(&path).unwrap();
    drop(bound);
    assert!(path.exists());
    drop(other);
}
