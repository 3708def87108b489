//! A cache session: any bytes, in any pieces.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_cache::clock::Clock;
use plimsoll_cache::protocol::{Alone, Context, Next, Peer, Session, Shared, Transport};
use plimsoll_cache::settings::Settings;
use plimsoll_cache::store::{Params, Store};
use plimsoll_cache::watch::Asleep;
use std::sync::Arc;

fn context() -> Context {
    let settings = Settings { debug_clock: true, ..Settings::default() };
    let params = Params {
        limit_bytes: 8 << 20,
        reserve_bytes: 8 << 20,
        item_bytes_max: 1 << 20,
        partitions: 1,
        evicts: true,
    };
    let store = Arc::new(Store::new(params).expect("memory"));
    let shared = Arc::new(Shared::new(&settings, Arc::new(Alone), None));
    let clock = Arc::new(Clock::start());
    Context::new(store, Arc::new(settings), clock, shared, Arc::new(Asleep))
}

/// The answers, if all comes at once or in pieces of the lengths that `lengths` says.
fn answers(input: &[u8], lengths: &[u8]) -> Vec<u8> {
    let context = context();
    let mut session = Session::new(Peer { transport: Transport::Tcp, address: None, fd: 1 });
    let (mut out, mut buffer) = (Vec::new(), Vec::new());
    let mut rest = input;
    let mut lengths = lengths.iter().map(|&length| usize::from(length) + 1);
    loop {
        let piece;
        (piece, rest) = rest.split_at(lengths.next().unwrap_or(rest.len()).min(rest.len()));
        buffer.extend_from_slice(piece);
        loop {
            let mut answer = Vec::new();
            let progress = session.run(&context, &buffer, &mut answer);
            assert!(answer.len() <= 2 << 20, "the output is bounded");
            out.append(&mut answer);
            buffer.drain(..progress.taken);
            match progress.next {
                Next::Yield => {}
                Next::Read { at_least } => {
                    assert!(at_least > buffer.len());
                    assert!(at_least <= Session::input_bytes_max(&context.store));
                    break;
                }
                Next::Close | Next::Watch | Next::Shutdown { .. } => return out,
            }
        }
        if rest.is_empty() {
            return out;
        }
    }
}

fuzz_target!(|bytes: &[u8]| {
    let (lengths, input) = bytes.split_at(bytes.len().min(8));
    // These two are refused while other answers wait, so there the pieces matter; `stats` shows
    // how often a thread took a break.
    let depends = |word: &[u8]| input.windows(word.len()).any(|at| at == word);
    let whole = answers(input, &[]);
    let pieces = answers(input, lengths);
    if !depends(b"watch") && !depends(b"dump") && !depends(b"stats") && !depends(b"hash") {
        assert_eq!(whole, pieces);
    }
});
