//! Any split of the bytes gives the same frames; bad lines end the connection.

use super::*;
use crate::frame::tests::any_signal;
use crate::frame::{FromSubscriber, Signal};
use proptest::prelude::*;

type Decoded = (Vec<Signal>, Option<CodecError>);

/// Feeds the bytes in pieces of the given lengths, over and over.
fn decode(bytes: &[u8], lengths: &[usize]) -> Decoded {
    let mut decoder = Decoder::<Signal>::default();
    let mut frames = Vec::new();
    let mut rest = bytes;
    for length in lengths.iter().cycle() {
        let (mut piece, later) =
            rest.split_at((*length).clamp(1, rest.len().max(1)).min(rest.len()));
        rest = later;
        loop {
            match decoder.decode(&mut piece) {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
        assert!(piece.is_empty() && decoder.line.len() <= LINE_BYTES_MAX);
        if rest.is_empty() {
            break;
        }
    }
    (frames, None)
}

#[test]
fn a_line_of_4096_bytes_is_read_and_one_byte_more_is_refused_before_its_end() {
    let mut line = Signal::default().to_line();
    line.pop();
    line.resize(LINE_BYTES_MAX, b' ');
    let mut whole = line.clone();
    whole.push(b'\n');
    assert_eq!(decode(&whole, &[1000]), (vec![Signal::default()], None));
    line.push(b' ');
    assert_eq!(decode(&line, &[1000]), (vec![], Some(CodecError::TooLong)));
    assert_eq!(decode(&[b'x'; 1 << 20], &[1 << 20]).1, Some(CodecError::TooLong));
}

#[test]
fn after_an_error_nothing_is_decoded_any_more() {
    let good = Signal::default().to_line();
    let bytes = [&good[..], b"garbage\x1b\n", &good[..]].concat();
    let mut decoder = Decoder::<Signal>::default();
    let mut input = &bytes[..];
    assert!(decoder.decode(&mut input).unwrap().is_some());
    let error = decoder.decode(&mut input).unwrap_err();
    assert!(error.to_string().contains("'garbage\\x1b'"), "{error}");
    assert_eq!(decoder.decode(&mut &good[..]).unwrap_err(), error);
}

proptest! {
    #[test]
    fn any_split_of_the_bytes_gives_the_same(
        signals in prop::collection::vec(any_signal(), 0..5),
        garbage in prop::option::of(prop::collection::vec(any::<u8>(), 0..5000)),
        lengths in prop::collection::vec(1_usize..700, 1..8),
    ) {
        let mut bytes: Vec<u8> = signals.iter().flat_map(Frame::to_line).collect();
        bytes.extend(garbage.iter().flatten());
        let whole = decode(&bytes, &[bytes.len().max(1)]);
        prop_assert!(whole.0.starts_with(&signals));
        prop_assert_eq!(decode(&bytes, &lengths), whole.clone());
        prop_assert_eq!(decode(&bytes, &[1]), whole);
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes: Vec<u8>) {
        let mut decoder = Decoder::<FromSubscriber>::default();
        let mut input = &bytes[..];
        while let Ok(Some(_)) = decoder.decode(&mut input) {}
    }
}
