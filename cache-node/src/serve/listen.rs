//! Opens the sockets that are listened on, before any thread serves them.
//!
//! Each thread has a TCP listener of its own for each address; the kernel spreads connections over
//! them. The first of them is bound alone, so that an address that another server has is refused
//! rather than shared with it.

use crate::settings::Settings;
use mio::net::{TcpListener, UdpSocket, UnixListener};
use rustix::fs::Mode;
use rustix::process::umask;
use socket2::{Domain, Protocol, Socket, Type};
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::FileTypeExt as _;
use std::path::{Path, PathBuf};

/// A socket that was to be listened on, and why it is not.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen on {what}: {why}")]
pub struct ListenError {
    pub what: String,
    pub why: io::Error,
}

/// All that is listened on.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    /// For each address a listener for each thread; only one if the kernel spreads nothing.
    pub tcp: Vec<(SocketAddr, Vec<TcpListener>)>,
    pub udp: Vec<(SocketAddr, UdpSocket)>,
    pub unix: Option<(PathBuf, UnixListener)>,
}

/// Opens what `settings` say.
pub(super) fn open(settings: &Settings, threads: usize) -> Result<Sockets, ListenError> {
    let mut sockets = Sockets::default();
    let backlog = i32::try_from(settings.backlog).unwrap_or(i32::MAX);
    if let Some(path) = &settings.unix_socket {
        let open = unix(path, settings.unix_mode, backlog);
        let listener = open.map_err(|why| refused(format!("unix:{}", path.display()), why))?;
        sockets.unix = Some((path.clone(), listener));
    }
    for address in settings.tcp_addresses() {
        let listeners =
            tcp(address, backlog, threads).map_err(|why| refused(format!("tcp:{address}"), why))?;
        sockets.tcp.push(listeners);
    }
    for address in settings.udp_addresses() {
        let socket = udp(address).map_err(|why| refused(format!("udp:{address}"), why))?;
        sockets.udp.push(socket);
    }
    Ok(sockets)
}

const fn refused(what: String, why: io::Error) -> ListenError {
    ListenError { what, why }
}

fn tcp(
    wanted: SocketAddr,
    backlog: i32,
    threads: usize,
) -> io::Result<(SocketAddr, Vec<TcpListener>)> {
    let first = stream_socket(wanted)?;
    first.bind(&wanted.into())?;
    let address = first.local_addr()?.as_socket().unwrap_or(wanted);
    let shares = first.set_reuse_port(true).is_ok();
    first.listen(backlog)?;
    let mut listeners = vec![TcpListener::from_std(first.into())];
    if shares {
        for _ in 1..threads {
            match sibling(address, backlog) {
                Ok(listener) => listeners.push(listener),
                Err(error) => {
                    tracing::warn!(%error, %address, "threads share one listener");
                    listeners.truncate(1);
                    break;
                }
            }
        }
    }
    Ok((address, listeners))
}

fn sibling(address: SocketAddr, backlog: i32) -> io::Result<TcpListener> {
    let socket = stream_socket(address)?;
    socket.set_reuse_port(true)?;
    socket.bind(&address.into())?;
    socket.listen(backlog)?;
    Ok(TcpListener::from_std(socket.into()))
}

/// What is set here, accepted connections inherit.
fn stream_socket(address: SocketAddr) -> io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_nonblocking(true)?;
    socket.set_reuse_address(true)?;
    socket.set_tcp_nodelay(true)?;
    socket.set_keepalive(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    Ok(socket)
}

fn udp(wanted: SocketAddr) -> io::Result<(SocketAddr, UdpSocket)> {
    let socket = Socket::new(Domain::for_address(wanted), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    if wanted.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&wanted.into())?;
    let address = socket.local_addr()?.as_socket().unwrap_or(wanted);
    Ok((address, UdpSocket::from_std(socket.into())))
}

/// A socket file that is left from before is replaced; any other file is not touched.
fn unix(path: &Path, mode: u32, backlog: i32) -> io::Result<UnixListener> {
    if path.symlink_metadata().is_ok_and(|found| found.file_type().is_socket()) {
        std::fs::remove_file(path)?;
    }
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    // The file is never open to more than it is meant for; no other thread runs yet.
    let before = umask(Mode::from_bits_truncate(!mode & 0o777));
    let bound = socket2::SockAddr::unix(path).and_then(|address| socket.bind(&address));
    umask(before);
    bound?;
    socket.listen(backlog)?;
    Ok(UnixListener::from_std(socket.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_thread_has_its_listener_and_no_other_server_can_join() {
        let (address, listeners) = tcp(([127, 0, 0, 1], 0).into(), 8, 3).unwrap();
        assert_eq!(listeners.len(), 3);
        let other = tcp(address, 8, 3).unwrap_err();
        assert_eq!(other.kind(), io::ErrorKind::AddrInUse);
    }

    #[test]
    fn a_file_that_is_no_socket_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "kept").unwrap();
        assert!(unix(&path, 0o700, 8).is_err());
        assert_eq!(std::fs::read(&path).unwrap(), b"kept");
    }
}
