//! Arbitrary bytes as what either side of the pressure signal sends: any split gives the same
//! frames and the same error, and what a frame means survives being said anew.

#![no_main]

use libfuzzer_sys::fuzz_target;
use plimsoll_pressure::{CodecError, Decoder, Frame, FromSubscriber, LINE_BYTES_MAX, Signal};

fn decode<F: Frame>(bytes: &[u8], piece: usize) -> (Vec<F>, Option<CodecError>) {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for mut input in bytes.chunks(piece) {
        loop {
            match decoder.decode(&mut input) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, None)
}

fn check<F: Frame + PartialEq + std::fmt::Debug>(bytes: &[u8], piece: usize) {
    let whole = decode::<F>(bytes, bytes.len().max(1));
    assert_eq!(decode::<F>(bytes, piece), whole);
    for frame in whole.0 {
        let line = frame.to_line();
        assert!(line.len() <= LINE_BYTES_MAX + 1);
        assert_eq!(F::parse(&line[..line.len() - 1]).expect("a line of ours"), frame);
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((piece, bytes)) = bytes.split_first() else { return };
    let piece = usize::from(*piece).max(1);
    check::<Signal>(bytes, piece);
    check::<FromSubscriber>(bytes, piece);
});
