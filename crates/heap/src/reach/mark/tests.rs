//! Marking over small heaps whose truth is drawn by hand.

use super::*;
use crate::glibc::{Arena, Arenas, Chunk, Outcome, State, Visitor};
use crate::reach::space::{Place, Space};

const BLOCK: u64 = 0x40;
const HEAP: u64 = 0x1_0000;

/// The address malloc gave for block `n`.
fn user(n: u64) -> u64 {
    HEAP + n * BLOCK + 16
}

/// A heap of blocks of 64 bytes, each with the words given.
fn table(blocks: &[&[u64]]) -> Table {
    let bytes = blocks.len() as u64 * BLOCK;
    let segments = std::iter::once(HEAP..HEAP + bytes + 32).collect();
    let arenas = Arenas { list: vec![Arena { segments, ..Arena::default() }], ..Arenas::default() };
    let mut table = Table::new(Space::new(&arenas).unwrap(), None, u64::MAX);
    for (n, words) in (0..).zip(blocks) {
        let address = HEAP + n * BLOCK;
        let chunk = Chunk { address, bytes: BLOCK, state: State::InUse, arena: 0 };
        table.chunk(chunk);
        assert!(table.wants(&chunk));
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        table.contents(address + 16, &bytes);
    }
    assert!(table.settle(&Outcome::default()).is_empty());
    table
}

fn roots(table: &Table, addresses: &[(RootId, u64)]) -> Vec<(RootId, Place)> {
    let at = |&(root, address)| (root, table.space.place(address).unwrap());
    addresses.iter().map(at).collect()
}

#[track_caller]
fn check(blocks: &[&[u64]], from: &[(RootId, u64)], expected: &[(u32, bool)]) {
    let table = table(blocks);
    let marks = Marks::new(&table, roots(&table, from).into_iter(), &[]);
    let lost: Vec<_> = marks.lost(&table).iter().map(|lost| (lost.block, lost.direct)).collect();
    assert_eq!(lost, expected);
}

#[test]
fn of_a_lost_chain_only_the_head_is_direct() {
    let chain: [&[u64]; 4] = [&[user(1)], &[user(2)], &[], &[]];
    check(&chain, &[(1, user(3))], &[(0, true), (1, false), (2, false)]);
}

#[test]
fn a_lost_cycle_is_lost_though_every_part_is_pointed_to() {
    check(&[&[user(1)], &[user(0)], &[user(2)]], &[], &[(0, false), (1, false), (2, true)]);
}

#[test]
fn a_pointer_anywhere_inside_holds_a_block_and_one_past_it_the_word_after() {
    let blocks: [&[u64]; 3] = [&[], &[], &[]];
    // The first byte, a middle one, and the last of the word that lies behind the block.
    check(&blocks, &[(1, user(0)), (1, user(1) + 24), (1, HEAP + 3 * BLOCK + 7)], &[]);
    // The last word begins where the next header does.
    check(&blocks, &[(1, HEAP + BLOCK)], &[(1, true), (2, true)]);
}

#[test]
fn a_block_belongs_to_the_root_that_is_nearest() {
    // Root 1 holds the chain 0 → 1 → 2 → 3; root 2 points to its end.
    let table = table(&[&[user(1)], &[user(2)], &[user(3)], &[]]);
    let from = roots(&table, &[(1, user(0)), (2, user(3))]);
    let marks = Marks::new(&table, from.into_iter(), &[]);
    let owners = [0, 1, 2, 3].map(|block| marks.owner(block));
    assert_eq!(owners, [Some(1), Some(1), Some(1), Some(2)]);
}

#[test]
fn a_free_block_is_neither_reached_nor_lost_and_holds_nothing() {
    let table = table(&[&[user(1)], &[], &[user(1)]]);
    let from = roots(&table, &[(1, user(2))]);
    let marks = Marks::new(&table, from.into_iter(), &[2]);
    let lost: Vec<_> = marks.lost(&table).iter().map(|lost| lost.block).collect();
    assert_eq!(lost, [0, 1]);
    assert_eq!(marks.owner(2), None);
}

/// Twice as many blocks as it takes for two in doubt, of which the first has `words`.
fn many(words: &[u64]) -> Vec<&[u64]> {
    let mut blocks: Vec<&[u64]> = vec![&[]; 3 + 2 * LOST_TO_DOUBTED];
    blocks[0] = words;
    blocks
}

#[test]
fn what_a_list_of_free_blocks_left_behind_holds_nobody_where_many_are_lost() {
    // Two links to headers; a pair of which one is no link may be the application's own.
    let links = [HEAP + 2 * BLOCK, HEAP + 3 * BLOCK];
    let all: Vec<_> = (1..many(&links).len() as u32).map(|block| (block, true)).collect();
    check(&many(&links), &[(1, user(0))], &all);
    check(&many(&[HEAP + 2 * BLOCK, 0]), &[(1, user(0))], &all[1..]);
}

#[test]
fn a_block_that_only_what_looks_like_a_remnant_holds_is_not_lost_where_few_are() {
    let links: [&[u64]; 4] = [&[HEAP + 2 * BLOCK, HEAP + 3 * BLOCK], &[], &[], &[]];
    check(&links, &[(1, user(0))], &[(3, true)]);
    // One short of what it takes.
    let one = many(&[HEAP + 2 * BLOCK, 0x9001]);
    let few = &one[..1 + LOST_TO_DOUBTED];
    let expected: Vec<_> = (2..few.len() as u32).map(|block| (block, true)).collect();
    check(few, &[(1, user(0))], &expected);
}

#[test]
fn what_a_block_in_doubt_points_to_is_held_with_it() {
    let blocks: [&[u64]; 4] = [&[HEAP + 2 * BLOCK, 0x9001], &[user(2)], &[], &[]];
    check(&blocks, &[(1, user(0))], &[(3, true)]);
}
