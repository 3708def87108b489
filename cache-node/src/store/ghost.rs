//! Who was evicted lately: fingerprints of keys, no keys, for S3-FIFO's third queue.
//!
//! Rows of 32 fingerprints of 16 bits, each row a queue of its own that drops its oldest; the hash
//! chooses the row, so that all rows together forget in about the order of eviction. It holds as
//! many as there are items, takes two bytes for each, and is only made when something is evicted.
//! A key that never was here is taken for one that was in 1 of 2,000 cases.

/// Fingerprints of a row, a cache line.
const ROW: usize = 32;

#[derive(Clone, Debug)]
#[repr(align(64))]
struct Row([u16; ROW]);

#[derive(Debug, Default)]
pub struct Ghost {
    rows: Box<[Row]>,
}

/// Never 0, which marks an empty place. Other bits than those that choose the row.
fn print(hash: u64) -> u16 {
    ((hash >> 32) as u16).max(1)
}

impl Ghost {
    /// Units: bytes.
    pub fn bytes(&self) -> u64 {
        (self.rows.len() * size_of::<Row>()) as u64
    }

    /// What one for `items` takes. Units: bytes.
    pub fn bytes_for(items: usize) -> u64 {
        (items.div_ceil(ROW).max(1) * size_of::<Row>()) as u64
    }

    /// Whether one for `items` would differ by more than a third.
    pub fn is_off(&self, items: usize) -> bool {
        let (have, want) = (self.bytes(), Self::bytes_for(items));
        have * 4 < want * 3 || have * 3 > want * 4
    }

    /// Begins anew, for `items`.
    pub fn resize(&mut self, items: usize) {
        self.rows = vec![Row([0; ROW]); items.div_ceil(ROW).max(1)].into();
    }

    fn row(&self, hash: u64) -> usize {
        // The low half, scaled to the number of rows.
        (((hash & 0xFFFF_FFFF) * self.rows.len() as u64) >> 32) as usize
    }

    pub fn add(&mut self, hash: u64) {
        let row = self.row(hash);
        if let Some(Row(prints)) = self.rows.get_mut(row) {
            prints.copy_within(..ROW - 1, 1);
            prints[0] = print(hash);
        }
    }

    pub fn has(&self, hash: u64) -> bool {
        let wanted = print(hash);
        self.rows.get(self.row(hash)).is_some_and(|Row(prints)| prints.contains(&wanted))
    }

    /// Forgets a key that came back; whether it was here.
    pub fn take(&mut self, hash: u64) -> bool {
        let (row, wanted) = (self.row(hash), print(hash));
        let Some(Row(prints)) = self.rows.get_mut(row) else { return false };
        let Some(at) = prints.iter().position(|held| *held == wanted) else { return false };
        prints.copy_within(at + 1.., at);
        prints[ROW - 1] = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hash(n: u64) -> u64 {
        let x = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (x ^ x >> 29).wrapping_mul(0xBF58_476D_1CE4_E5B9) ^ x >> 32
    }

    #[test]
    fn it_remembers_the_last_and_forgets_the_first() {
        let mut ghost = Ghost::default();
        ghost.add(hash(1));
        assert!(!ghost.has(hash(1)), "one without room remembers nothing");
        ghost.resize(1000);
        (0..10_000).for_each(|n| ghost.add(hash(n)));
        let remembered = |from: u64, to: u64| (from..to).filter(|n| ghost.has(hash(*n))).count();
        assert!(remembered(9_700, 10_000) > 290);
        assert!(remembered(0, 8_000) < 20);
        assert!(ghost.take(hash(9_999)) && !ghost.take(hash(9_999)));
    }

    #[test]
    fn it_follows_the_number_of_items() {
        let mut ghost = Ghost::default();
        assert!(ghost.is_off(1));
        ghost.resize(3_200);
        assert_eq!(ghost.bytes(), 6_400);
        assert!(!ghost.is_off(3_000) && ghost.is_off(5_000) && ghost.is_off(1_000));
    }
}
