//! Whole files, and what is left of them when they are cut, flipped or grown.

use super::*;
use proptest::prelude::*;

const HEADER: Header =
    Header { kind: Kind::Live, unix_at_zero: 1 << 33, written: 77, salt: 0x1234_5678 };

fn written(payloads: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = Writer::begin(Vec::new(), &HEADER).unwrap();
    for payload in payloads {
        writer.block(payload).unwrap();
    }
    writer.end().unwrap()
}

fn read(bytes: &[u8]) -> (Vec<Block>, End) {
    let (mut reader, header) = Reader::begin(bytes).unwrap();
    assert_eq!(header, HEADER);
    let mut blocks = Vec::new();
    while let Some(block) = reader.next().unwrap() {
        blocks.push(block);
    }
    (blocks, reader.end().unwrap())
}

fn sound(order: u32, payload: &[u8]) -> Block {
    Block::Sound { order, payload: payload.to_vec() }
}

#[test]
fn what_is_written_is_read() {
    let (one, two) = (vec![1; 1000], vec![2; 2 * BLOCK_BYTES]);
    let (blocks, end) = read(&written(&[one.clone(), two.clone()]));
    assert_eq!(blocks, [sound(0, &one), sound(1, &two)]);
    assert_eq!(end, End::Whole);
}

#[test]
fn a_flipped_payload_costs_its_block_only() {
    let mut bytes = written(&[vec![1; 100], vec![2; 100], vec![3; 100]]);
    bytes[HEADER_LEN + BLOCK_HEADER_LEN + 100 + BLOCK_HEADER_LEN + 50] ^= 4;
    let (blocks, end) = read(&bytes);
    assert_eq!(blocks, [sound(0, &[1; 100]), Block::Damaged, sound(2, &[3; 100])]);
    assert_eq!(end, End::Whole);
}

#[test]
fn behind_a_flipped_length_the_next_block_is_found() {
    let mut bytes = written(&[vec![1; 100], vec![2; 2 * BLOCK_BYTES], vec![3; 100]]);
    bytes[HEADER_LEN + BLOCK_HEADER_LEN + 100 + 9] ^= 0x80;
    let (blocks, end) = read(&bytes);
    assert_eq!(blocks, [sound(0, &[1; 100]), Block::Damaged, sound(2, &[3; 100])]);
    assert_eq!(end, End::Whole);
}

#[test]
fn a_torn_tail_is_told() {
    let whole = written(&[vec![1; 100], vec![2; 100]]);
    for cut in [1, 20, 26, 125] {
        let (blocks, end) = read(&whole[..whole.len() - cut]);
        assert!(!blocks.is_empty() && end == End::Torn, "{cut}: {blocks:?}");
    }
    let grown = [whole, vec![0]].concat();
    assert_eq!(read(&grown).1, End::Torn);
}

#[test]
fn another_version_and_another_file_are_told_apart() {
    let mut bytes = written(&[]);
    bytes[8] = 9;
    assert!(matches!(Reader::begin(&bytes[..]), Err(Unreadable::Version(9))));
    bytes[0] = b'X';
    assert!(matches!(Reader::begin(&bytes[..]), Err(Unreadable::Header)));
    assert!(matches!(Reader::begin(&b""[..]), Err(Unreadable::Header)));
    let mut bytes = written(&[]);
    bytes[10] ^= 1;
    assert!(matches!(Reader::begin(&bytes[..]), Err(Unreadable::Header)), "a live one stays live");
}

#[test]
fn a_value_that_looks_like_a_block_is_not_taken_for_one() {
    // What a client can know of another file of ours, with an order that would fit.
    let mut other = Writer::begin(Vec::new(), &Header { salt: 9, ..HEADER }).unwrap();
    other.block(&[6; 50]).unwrap();
    other.block(&[7; 50]).unwrap();
    let inner = other.end().unwrap().split_off(HEADER_LEN);
    let mut bytes = written(&[vec![1; 10], inner, vec![3; 10]]);
    // The block around it loses its header.
    bytes[HEADER_LEN + BLOCK_HEADER_LEN + 10 + 5] ^= 1;
    let (blocks, _) = read(&bytes);
    assert_eq!(blocks, [sound(0, &[1; 10]), Block::Damaged, sound(2, &[3; 10])]);
}

proptest! {
    #[test]
    fn no_flip_brings_forth_what_was_not_written(
        sizes in prop::collection::vec(1_usize..300, 0..6),
        at in any::<prop::sample::Index>(),
        bit in 0_u8..8,
    ) {
        let payloads: Vec<Vec<u8>> =
            sizes.iter().enumerate().map(|(i, n)| vec![i as u8; *n]).collect();
        let mut bytes = written(&payloads);
        let at = at.index(bytes.len());
        bytes[at] ^= 1_u8 << bit;
        if let Ok((mut reader, _)) = Reader::begin(&bytes[..]) {
            let mut kept = 0;
            while let Some(block) = reader.next().unwrap() {
                if let Block::Sound { order, payload } = block {
                    prop_assert_eq!(&payloads[order as usize], &payload);
                    kept += 1;
                }
            }
            prop_assert!(kept + 1 >= payloads.len(), "one flip costs one block");
        }
    }

    #[test]
    fn arbitrary_bytes_end(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let whole = [written(&[vec![1; 20]]), bytes].concat();
        let (mut reader, _) = Reader::begin(&whole[..]).unwrap();
        while reader.next().unwrap().is_some() {}
    }
}
