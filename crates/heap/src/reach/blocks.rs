//! An array that grows without ever being moved: a table that is built while a process stands
//! still may neither cost a copy nor twice its size.

const BLOCK_BITS: u32 = 18;
const BLOCK: usize = 1 << BLOCK_BITS;

/// Blocks of 2^18 elements each.
#[derive(Clone, Debug, Default)]
pub struct Blocks<T> {
    full: Vec<Vec<T>>,
    last: Vec<T>,
}

impl<T: Copy> Blocks<T> {
    #[inline]
    pub fn push(&mut self, element: T) {
        if self.last.len() == self.last.capacity() {
            self.begin_block();
        }
        self.last.push(element);
    }

    /// The first block grows by doubling, so that a small table stays small.
    #[cold]
    fn begin_block(&mut self) {
        if self.last.len() == BLOCK {
            let next = Vec::with_capacity(BLOCK);
            self.full.push(std::mem::replace(&mut self.last, next));
        } else {
            let more = self.last.len().max(1024).min(BLOCK - self.last.len());
            self.last.reserve_exact(more);
        }
    }

    #[inline]
    pub fn len(&self) -> usize {
        (self.full.len() << BLOCK_BITS) + self.last.len()
    }

    #[inline]
    pub fn get(&self, index: usize) -> Option<T> {
        let block = self.full.get(index >> BLOCK_BITS).unwrap_or(&self.last);
        let at = index.checked_sub((index >> BLOCK_BITS).min(self.full.len()) << BLOCK_BITS)?;
        block.get(at).copied()
    }

    pub fn last(&self) -> Option<T> {
        self.last.last().or_else(|| self.full.last()?.last()).copied()
    }

    pub fn bytes(&self) -> u64 {
        let elements = self.full.len() * BLOCK + self.last.capacity();
        (elements * size_of::<T>()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_again_across_blocks() {
        let mut blocks = Blocks::default();
        let count = 2 * BLOCK + 3;
        for element in 0..count {
            assert_eq!(blocks.len(), element);
            blocks.push(element);
            assert_eq!(blocks.last(), Some(element));
        }
        for index in [0, 1, BLOCK - 1, BLOCK, 2 * BLOCK - 1, 2 * BLOCK, count - 1] {
            assert_eq!(blocks.get(index), Some(index));
        }
        assert_eq!(blocks.get(count), None);
        assert_eq!(blocks.get(3 * BLOCK), None);
        assert_eq!(blocks.bytes(), (3 * BLOCK * 8) as u64);
    }
}
