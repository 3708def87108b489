//! TCP, unix socket, UDP, and who may speak.

use plimsoll_tests::{Cache, Client, wait_for};
use rustix::process::Signal;
use std::net::UdpSocket;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(10);

#[test]
fn every_thread_serves_and_all_see_the_same_items() {
    let cache = Cache::start(&["-t", "4"]);
    cache.client().set("shared", "value");
    // With so many connections each listener has had some.
    let mut clients: Vec<Client> = (0..64).map(|_| cache.client()).collect();
    for client in &mut clients {
        assert_eq!(client.get("shared").as_deref(), Some(&b"value"[..]));
    }
    assert!(cache.count("curr_connections") >= 64);
    drop(clients);
    wait_for("connections are given back", SOON, || match cache.count("curr_connections") {
        0..8 => Ok(()),
        many => Err(many.to_string()),
    });
}

#[test]
fn a_pipeline_larger_than_any_buffer_is_answered_in_order() {
    let cache = Cache::start(&[]);
    let mut client = cache.client();
    let value = vec![b'v'; 3000];
    client.set("k", &value);
    let commands = "get k\r\n".repeat(2000);
    client.send(&commands);
    for _ in 0..2000 {
        assert_eq!(client.line(), "VALUE k 0 3000");
        assert_eq!(client.bytes(3000), value);
        assert_eq!(client.bytes(7), b"\r\nEND\r\n");
    }
}

#[test]
fn large_values_travel_both_ways_in_pieces() {
    let cache = Cache::start(&["-m", "256", "-I", "32m"]);
    let mut client = cache.client();
    let value: Vec<u8> = (0..20_000_000_u32).map(|n| (n % 251) as u8).collect();
    client.set("large", &value);
    assert!(client.get("large").is_some_and(|got| got == value));
}

#[test]
fn a_unix_socket_has_its_mode_serves_and_goes_at_the_end() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache.sock");
    let text = path.to_str().expect("UTF-8");
    let mut cache = Cache::start(&["-s", text, "-a", "0750", "-t", "3"]);
    assert_eq!((cache.address, cache.udp), (None, None));
    let found = path.metadata().expect("a socket");
    assert!(found.file_type().is_socket());
    assert_eq!(found.permissions().mode() & 0o777, 0o750);
    let mut clients: Vec<Client> = (0..9).map(|_| Client::unix(&path)).collect();
    clients[0].set("a", "1");
    for client in &mut clients {
        assert_eq!(client.get("a").as_deref(), Some(&b"1"[..]));
    }
    assert_eq!(cache.terminate(), Some(0));
    assert!(!path.exists());
}

#[test]
fn a_socket_left_by_a_killed_server_is_replaced_another_file_is_not() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("cache.sock");
    let text = path.to_str().expect("UTF-8");
    Cache::start(&["-s", text]).kill();
    assert!(path.exists());
    let _again = Cache::start(&["-s", text]);
    assert_eq!(Client::unix(&path).ask("get a"), "END");
}

#[test]
fn udp_answers_in_numbered_datagrams() {
    let cache = Cache::start(&["-U", "-1"]);
    let value: Vec<u8> = (0..20_000_u32).map(|n| b'a' + (n % 26) as u8).collect();
    cache.client().set("big", &value);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("an option of a socket");
    socket.connect(cache.udp.expect("it listens on UDP")).expect("an address");

    socket.send(b"\x12\x34\0\0\0\x01\0\0get big\r\n").expect("sent");
    let answer = datagrams(&socket, [0x12, 0x34]);
    let head = b"VALUE big 0 20000\r\n";
    assert_eq!(answer[..head.len()], head[..]);
    assert_eq!(answer[head.len()..], [&value[..], b"\r\nEND\r\n"].concat());

    socket.send(b"\0\x07\0\0\0\x02\0\0get big\r\n").expect("sent");
    let answer = datagrams(&socket, [0, 7]);
    assert_eq!(answer, b"SERVER_ERROR multi-packet request not supported\r\n");
    // Too short to be anything: no answer, and no harm.
    socket.send(b"\0\x07").expect("sent");
    socket.send(b"\0\x08\0\0\0\x01\0\0delete big\r\n").expect("sent");
    assert_eq!(datagrams(&socket, [0, 8]), b"DELETED\r\n");
}

/// The datagrams of one answer put together.
fn datagrams(socket: &UdpSocket, id: [u8; 2]) -> Vec<u8> {
    let mut pieces: Vec<Option<Vec<u8>>> = Vec::new();
    loop {
        let mut datagram = [0; 2000];
        let count = socket.recv(&mut datagram).expect("an answer");
        let number = |at: usize| usize::from(u16::from_be_bytes([datagram[at], datagram[at + 1]]));
        assert_eq!(datagram[..2], id);
        assert!(count <= 1400 && number(6) == 0);
        pieces.resize(number(4), None);
        pieces[number(2)] = Some(datagram[8..count].to_vec());
        if pieces.iter().all(Option::is_some) {
            return pieces.into_iter().flatten().collect::<Vec<_>>().concat();
        }
    }
}

#[test]
fn udp_is_off_unless_asked_for() {
    let cache = Cache::start(&[]);
    assert_eq!(cache.udp, None);
}

#[test]
fn only_users_of_the_auth_file_are_let_in_and_it_is_read_again_on_sighup() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "foo:bar\n").expect("written");
    let cache = Cache::start(&["-Y", file.path().to_str().expect("UTF-8")]);
    let mut stranger = cache.client();
    assert_eq!(stranger.ask("get a"), "CLIENT_ERROR unauthenticated");
    let mut friend = cache.client();
    assert_eq!(friend.ask("set auth 0 0 7\r\nfoo bar"), "STORED");
    assert_eq!(friend.get("a"), None);

    std::fs::write(file.path(), "foo:other\n").expect("written");
    cache.signal(Signal::HUP);
    wait_for("the new password holds", SOON, || {
        let answer = cache.client().ask("set auth 0 0 9\r\nfoo other");
        if answer == "STORED" { Ok(()) } else { Err(answer) }
    });
    assert!(cache.client().ask("set auth 0 0 7\r\nfoo bar").starts_with("CLIENT_ERROR"));

    std::fs::write(file.path(), "nonsense\n").expect("written");
    cache.signal(Signal::HUP);
    wait_for("it says that the file is wrong", SOON, || {
        let log = cache.log();
        if log.contains("auth file not read again") { Ok(()) } else { Err(log) }
    });
    assert_eq!(cache.client().ask("set auth 0 0 9\r\nfoo other"), "STORED");
}
