//! The built cache node: its sockets and limits, other people's clients.

mod clients;
mod server;
