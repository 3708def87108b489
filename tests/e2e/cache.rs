//! The built cache node: its sockets and limits, what it answers next to memcached, other people's
//! clients, and what it does where memory is short.

mod clients;
mod pressure;
mod server;
mod transcripts;
