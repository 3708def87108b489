//! An application that gives memory back when it is asked to. Run it beside an agent:
//! `cargo run -p plimsoll-pressure --example subscriber -- /run/plimsoll/pressure.sock`

use plimsoll_pressure::{Answer, Bytes, SOCKET, Subscriber};

fn main() -> std::io::Result<()> {
    let socket = std::env::args().nth(1).unwrap_or_else(|| SOCKET.to_owned());
    let mut cache = vec![vec![1_u8; 1 << 20]; 256];
    let subscriber = Subscriber::connect(socket, "example", Bytes::mib(cache.len() as u64))?;
    while let Some(told) = subscriber.wait() {
        let wanted = told.reclaim_bytes.unwrap_or(Bytes::mib(16));
        let kept = cache.len().saturating_sub((wanted.0 as usize).div_ceil(1 << 20));
        let freed_bytes = Bytes::mib(cache.drain(kept..).len() as u64);
        let used_bytes = Bytes::mib(cache.len() as u64);
        subscriber.ack(&told, Answer { freed_bytes, used_bytes, can_free_bytes: used_bytes });
    }
    Ok(())
}
