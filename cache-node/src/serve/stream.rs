//! A connection's socket, of either kind, and what bytes do in it.

use crate::protocol::{Peer, Transport};
use mio::event::Source;
use mio::net::{TcpStream, UnixStream};
use mio::{Interest, Registry, Token};
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr};
use std::os::fd::AsRawFd as _;

#[derive(Debug)]
pub(super) enum Stream {
    Tcp(TcpStream, SocketAddr),
    Unix(UnixStream),
}

impl Stream {
    pub(super) fn peer(&self) -> Peer {
        match self {
            Self::Tcp(stream, from) => {
                Peer { transport: Transport::Tcp, address: Some(*from), fd: stream.as_raw_fd() }
            }
            Self::Unix(stream) => {
                Peer { transport: Transport::Unix, address: None, fd: stream.as_raw_fd() }
            }
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        let both = Interest::READABLE | Interest::WRITABLE;
        match self {
            Self::Tcp(stream, _) => stream.register(registry, token, both),
            Self::Unix(stream) => stream.register(registry, token, both),
        }
    }

    /// Reads what is there; None: nothing at the moment.
    pub(super) fn read(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        calmly(|| match self {
            Self::Tcp(stream, _) => stream.read(into),
            Self::Unix(stream) => stream.read(into),
        })
    }

    /// Writes what fits; None: nothing at the moment.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<Option<usize>> {
        calmly(|| match self {
            Self::Tcp(stream, _) => stream.write(bytes),
            Self::Unix(stream) => stream.write(bytes),
        })
    }

    /// Says that nothing more will be written.
    pub(super) fn finish(&self) {
        // Fails only if the peer is gone already.
        let _ = match self {
            Self::Tcp(stream, _) => stream.shutdown(Shutdown::Write),
            Self::Unix(stream) => stream.shutdown(Shutdown::Write),
        };
    }
}

/// Tries again when a signal came in between; None when it would have to wait.
fn calmly(mut act: impl FnMut() -> io::Result<usize>) -> io::Result<Option<usize>> {
    loop {
        match act() {
            Ok(count) => return Ok(Some(count)),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => return Ok(None),
            Err(e) => return Err(e),
        }
    }
}
