//! Who gives how much of what is wanted. Pure.
//!
//! In proportion to what each can free, to the byte, and never more than that. Whoever did not
//! answer the last time gives way: it is asked only for what the others cannot bring.

use crate::units::Bytes;

/// What one subscriber could give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    pub can_free: Bytes,
    /// It let the last deadline pass without a word.
    pub late: bool,
}

/// Each one's part of `want`, in the order of the offers.
///
/// The parts sum to `want` or, where that is less, to all that can be freed. What division leaves
/// over goes, a byte each, to the first who have room.
#[must_use]
pub fn share(want: Bytes, offers: &[Offer]) -> Vec<Bytes> {
    let mut parts = vec![Bytes::ZERO; offers.len()];
    let left = spread(want, offers, &mut parts, false);
    spread(left, offers, &mut parts, true);
    parts
}

/// Spreads `want` over those that are `late` or not; returns what they cannot bring.
fn spread(want: Bytes, offers: &[Offer], parts: &mut [Bytes], late: bool) -> Bytes {
    let mine = |offer: &Offer| offer.late == late && offer.can_free > Bytes::ZERO;
    let able: u128 = offers.iter().filter(|o| mine(o)).map(|o| u128::from(o.can_free.0)).sum();
    let give = u128::from(want.0).min(able);
    if give == 0 {
        return want;
    }
    let mut left = give;
    for (part, offer) in parts.iter_mut().zip(offers).filter(|(_, offer)| mine(offer)) {
        // At most can_free, for give ≤ able; so it fits.
        let own = give * u128::from(offer.can_free.0) / able;
        *part = Bytes(own as u64);
        left -= own;
    }
    for (part, offer) in parts.iter_mut().zip(offers).filter(|(_, offer)| mine(offer)) {
        if left > 0 && *part < offer.can_free {
            part.0 += 1;
            left -= 1;
        }
    }
    Bytes(want.0 - give as u64)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn prompt(can_free: u64) -> Offer {
        Offer { can_free: Bytes(can_free), late: false }
    }

    fn late(can_free: u64) -> Offer {
        Offer { late: true, ..prompt(can_free) }
    }

    #[track_caller]
    fn check(want: u64, offers: &[Offer], parts: &[u64]) {
        let found: Vec<u64> = share(Bytes(want), offers).iter().map(|part| part.0).collect();
        assert_eq!(found, parts);
    }

    #[test]
    fn each_gives_in_proportion_to_what_it_can() {
        check(100, &[prompt(300), prompt(100)], &[75, 25]);
        check(100, &[prompt(10), prompt(20)], &[10, 20]);
        check(0, &[prompt(10)], &[0]);
        check(10, &[], &[]);
    }

    #[test]
    fn what_division_leaves_goes_to_the_first_a_byte_each() {
        check(10, &[prompt(7), prompt(7), prompt(7)], &[4, 3, 3]);
        check(2, &[prompt(0), prompt(1), prompt(1), prompt(1)], &[0, 1, 1, 0]);
    }

    #[test]
    fn who_did_not_answer_gives_only_what_the_others_cannot() {
        check(100, &[late(1000), prompt(200)], &[0, 100]);
        check(300, &[late(1000), prompt(200)], &[100, 200]);
        check(300, &[late(1000)], &[300]);
    }

    fn any_offers() -> impl Strategy<Value = Vec<Offer>> {
        let any = (any::<u64>(), 0..64_u32, any::<bool>());
        let offer = any.prop_map(|(n, shift, late)| Offer { can_free: Bytes(n >> shift), late });
        prop::collection::vec(offer, 0..20)
    }

    proptest! {
        #[test]
        fn nobody_gives_more_than_it_can_and_all_together_what_is_wanted(
            want: u64, offers in any_offers()
        ) {
            let parts = share(Bytes(want), &offers);
            let able: u128 = offers.iter().map(|offer| u128::from(offer.can_free.0)).sum();
            let given: u128 = parts.iter().map(|part| u128::from(part.0)).sum();
            prop_assert_eq!(given, able.min(u128::from(want)));
            prop_assert!(parts.iter().zip(&offers).all(|(part, offer)| *part <= offer.can_free));
        }

        #[test]
        fn of_two_that_answer_the_abler_gives_no_less(
            want in 0..1_000_000_u64, a in 0..1_000_000_u64, b in 0..1_000_000_u64
        ) {
            let parts = share(Bytes(want), &[prompt(a.max(b)), prompt(a.min(b))]);
            prop_assert!(parts[0] >= parts[1], "{:?}", parts);
        }
    }
}
