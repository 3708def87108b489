//! `stats conns`: who is connected, as the server tells it.

use super::stat;
use crate::protocol::turn::Turn;

pub(super) fn append(turn: &mut Turn<'_>) {
    let out = &mut *turn.out;
    turn.context.shared.host.connections(&mut |connection| {
        let fd = connection.fd;
        if connection.address.starts_with("udp") {
            stat(out, format_args!("{fd}:UDP"), "UDP");
        }
        stat(out, format_args!("{fd}:addr"), &connection.address);
        if let Some(listen) = &connection.listen_address {
            stat(out, format_args!("{fd}:listen_addr"), listen);
        }
        stat(out, format_args!("{fd}:state"), connection.state);
        stat(out, format_args!("{fd}:secs_since_last_cmd"), connection.secs_since_last_cmd);
    });
}
