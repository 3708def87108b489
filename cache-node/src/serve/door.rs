//! A listener of one thread: lets connections in while there is room for them.

use super::stream::Stream;
use mio::event::Source as _;
use mio::net::{TcpListener, UnixListener};
use mio::{Interest, Registry, Token};
use std::io;
use std::os::fd::AsRawFd as _;
use std::sync::Arc;

#[derive(Debug)]
pub(super) enum Socket {
    Tcp(TcpListener),
    Unix(UnixListener),
}

#[derive(Debug)]
pub(super) struct Door {
    socket: Socket,
    /// As `stats conns` shows it.
    pub name: Arc<str>,
    /// The only one for its address: what it lets in is spread over all threads.
    pub sole: bool,
    /// Somebody may be waiting.
    pub knocked: bool,
}

impl Door {
    pub(super) const fn new(socket: Socket, name: Arc<str>, sole: bool) -> Self {
        Self { socket, name, sole, knocked: true }
    }

    pub(super) fn fd(&self) -> i32 {
        match &self.socket {
            Socket::Tcp(listener) => listener.as_raw_fd(),
            Socket::Unix(listener) => listener.as_raw_fd(),
        }
    }

    pub(super) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        match &mut self.socket {
            Socket::Tcp(listener) => listener.register(registry, token, Interest::READABLE),
            Socket::Unix(listener) => listener.register(registry, token, Interest::READABLE),
        }
    }

    /// The next who waits; None when nobody does.
    pub(super) fn accept(&self) -> io::Result<Option<Stream>> {
        let accepted = match &self.socket {
            Socket::Tcp(listener) => listener.accept().map(|(s, from)| Stream::Tcp(s, from)),
            Socket::Unix(listener) => listener.accept().map(|(s, _)| Stream::Unix(s)),
        };
        match accepted {
            Ok(stream) => Ok(Some(stream)),
            Err(e) if e.kind() == io::ErrorKind::WouldBlock => Ok(None),
            Err(e) => Err(e),
        }
    }
}
