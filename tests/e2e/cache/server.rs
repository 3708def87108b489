//! Threads, sockets, flags, limits and the end, seen from outside.

mod drain;
mod flags;
mod hostile;
mod limits;
mod sockets;
