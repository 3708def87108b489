//! The built cache node: its sockets and limits, other people's clients, what it answers next to
//! memcached.

mod clients;
mod server;
mod transcripts;
