//! UDP: one datagram holds whole commands, its answer goes out in numbered datagrams.
//!
//! The frame header is memcached's: request id, number of this datagram, how many there are, zero;
//! each 16 bits, big-endian. Source: memcached's protocol.txt. Off unless asked for: whoever forges
//! a sender's address makes a server answer to it with much more than was sent.

use super::conn::Bench;
use crate::protocol::{Next, Peer, Session, Transport};
use mio::net::UdpSocket;
use std::io;
use std::net::SocketAddr;
use std::os::fd::AsRawFd as _;

const HEADER_BYTES: usize = 8;
/// Header and all. Source: memcached.
const DATAGRAM_BYTES_MAX: usize = 1400;
/// What one datagram can ask for; the rest of a longer answer is not sent. Units: bytes.
const ANSWER_BYTES_MAX: usize = 2 << 20;
/// Datagrams before connections have their turn.
const DATAGRAMS_PER_TURN_MAX: usize = 64;
/// The largest datagram there is.
const RECEIVED_BYTES_MAX: usize = 64 << 10;
const MANY: &[u8] = b"SERVER_ERROR multi-packet request not supported\r\n";

/// A socket, and room for one request and its answer.
#[derive(Debug)]
pub(super) struct Udp {
    socket: UdpSocket,
    request: Vec<u8>,
    answer: Vec<u8>,
    datagram: Vec<u8>,
}

impl Udp {
    pub(super) fn new(socket: UdpSocket) -> Self {
        let request = vec![0; RECEIVED_BYTES_MAX];
        let datagram = Vec::with_capacity(DATAGRAM_BYTES_MAX);
        Self { socket, request, answer: Vec::new(), datagram }
    }

    pub(super) const fn socket(&mut self) -> &mut UdpSocket {
        &mut self.socket
    }

    /// Answers what has arrived; true if there may be more.
    pub(super) fn turn(&mut self, bench: &mut Bench) -> bool {
        for _ in 0..DATAGRAMS_PER_TURN_MAX {
            match self.socket.recv_from(&mut self.request) {
                Ok((count, from)) => self.serve(count, from, bench),
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => return false,
                // Interrupted, or an ICMP message about an answer that nobody wanted.
                Err(_) => {}
            }
        }
        true
    }

    fn serve(&mut self, count: usize, from: SocketAddr, bench: &mut Bench) {
        bench.context.counters.bytes_read.add(count as u64);
        let Some((id, total, commands)) = frame(&self.request[..count]) else { return };
        self.answer.clear();
        if total == 1 {
            let peer = Peer {
                transport: Transport::Udp,
                address: Some(from),
                fd: self.socket.as_raw_fd(),
            };
            execute(peer, commands, &mut self.answer, bench);
        } else {
            self.answer.extend_from_slice(MANY);
        }
        self.send(id, from, bench);
        self.answer.shrink_to(RECEIVED_BYTES_MAX);
    }

    fn send(&mut self, id: [u8; 2], to: SocketAddr, bench: &Bench) {
        let pieces = self.answer.chunks(DATAGRAM_BYTES_MAX - HEADER_BYTES);
        let Ok(total) = u16::try_from(pieces.len()) else { return };
        for (number, piece) in (0_u16..).zip(pieces) {
            self.datagram.clear();
            self.datagram.extend_from_slice(&id);
            self.datagram.extend_from_slice(&number.to_be_bytes());
            self.datagram.extend_from_slice(&total.to_be_bytes());
            self.datagram.extend_from_slice(&[0, 0]);
            self.datagram.extend_from_slice(piece);
            // What cannot be sent at once is lost, as datagrams may be; the client asks again.
            if let Ok(sent) = self.socket.send_to(&self.datagram, to) {
                bench.context.counters.bytes_written.add(sent as u64);
            }
        }
    }
}

/// The request's id, how many datagrams it is made of, and its commands.
fn frame(datagram: &[u8]) -> Option<([u8; 2], u16, &[u8])> {
    let (header, commands) = datagram.split_at_checked(HEADER_BYTES)?;
    Some(([header[0], header[1]], u16::from_be_bytes([header[4], header[5]]), commands))
}

fn execute(peer: Peer, mut commands: &[u8], answer: &mut Vec<u8>, bench: &mut Bench) {
    let mut session = Session::new(peer);
    while answer.len() < ANSWER_BYTES_MAX {
        let progress = session.run(&bench.context, commands, answer);
        commands = commands.get(progress.taken..).unwrap_or_default();
        match progress.next {
            Next::Yield => {}
            Next::Shutdown { save } => {
                bench.stop = Some(save);
                return;
            }
            // What is half a command ends with its datagram.
            Next::Read { .. } | Next::Close | Next::Watch => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_shorter_than_the_header_is_nothing() {
        assert_eq!(frame(&[0; 7]), None);
        let whole = [1, 2, 0, 0, 0, 1, 0, 0, b'x'];
        assert_eq!(frame(&whole), Some(([1, 2], 1, &b"x"[..])));
    }
}
