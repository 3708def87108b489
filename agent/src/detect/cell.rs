//! A stretch of time folded into three robust values of demand.
//!
//! A cell of one level is made of up to four of the level below: its low value is their second
//! lowest, its middle value their median, its high value their highest. For independent readings
//! the low value tends to their 23rd percentile (the fixed point of "two of four lie below"), far
//! enough from the extreme that one reading, a restart or a zero among them does not move it, and
//! low enough to lie on the floor under a sawtooth.

/// Units: bytes; single precision, because thousands of cells are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// Which stretch of its level this is: its beginning ÷ the level's width.
    pub index: i32,
    pub low: f32,
    pub middle: f32,
    pub high: f32,
    /// Readings in it.
    pub readings: u32,
}

/// Cells of one level on their way to the next.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Fold {
    parts: [Cell; 4],
    count: usize,
}

impl Fold {
    pub(super) fn add(&mut self, cell: Cell) {
        if self.count == self.parts.len() {
            // Only readings come in more than four: those so far become one.
            self.parts[0] = self.folded(cell.index).unwrap_or(cell);
            self.count = 1;
        }
        self.parts[self.count] = cell;
        self.count += 1;
    }

    /// What is in it as the cell `index` of the next level; None of nothing.
    pub(super) fn folded(&self, index: i32) -> Option<Cell> {
        let parts = &self.parts[..self.count];
        let last = parts.last()?;
        let sorted = |of: fn(&Cell) -> f32| {
            let mut values = [f32::INFINITY; 4];
            for (value, part) in values.iter_mut().zip(parts) {
                *value = of(part);
            }
            values.sort_unstable_by(f32::total_cmp);
            values
        };
        let (low, middle) = (sorted(|c| c.low), sorted(|c| c.middle));
        let half = self.count / 2;
        Some(Cell {
            index,
            low: if self.count >= 3 { low[1] } else { low[0] },
            middle: if self.count % 2 == 1 {
                middle[half]
            } else {
                f32::midpoint(middle[half - 1], middle[half])
            },
            high: parts.iter().map(|c| c.high).fold(last.high, f32::max),
            readings: parts.iter().fold(0, |sum, c| sum.saturating_add(c.readings)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(value: f32) -> Cell {
        Cell { index: 0, low: value, middle: value, high: value, readings: 1 }
    }

    fn folded(values: &[f32]) -> Cell {
        let mut fold = Fold::default();
        values.iter().for_each(|&value| fold.add(cell(value)));
        fold.folded(7).expect("not empty")
    }

    #[test]
    fn four_values_give_the_second_lowest_the_median_and_the_highest() {
        let four = folded(&[40.0, 10.0, 30.0, 20.0]);
        assert_eq!((four.low, four.middle, four.high), (20.0, 25.0, 40.0));
        assert_eq!((four.index, four.readings), (7, 4));
        let three = folded(&[3.0, 1.0, 2.0]);
        assert_eq!((three.low, three.middle, three.high), (2.0, 2.0, 3.0));
        let one = folded(&[5.0]);
        assert_eq!((one.low, one.middle, one.high), (5.0, 5.0, 5.0));
        assert_eq!(Fold::default().folded(0), None);
    }

    #[test]
    fn more_than_four_readings_keep_the_highest_and_their_number() {
        let many = folded(&[5.0, 1.0, 9.0, 5.0, 6.0, 5.0, 7.0]);
        assert_eq!((many.high, many.readings), (9.0, 7));
        assert!((5.0..=7.0).contains(&many.middle), "{many:?}");
    }

    #[test]
    fn one_wild_value_in_four_moves_neither_low_nor_middle_far() {
        let calm = folded(&[10.0, 11.0, 10.0, 11.0]);
        let dip = folded(&[10.0, 0.0, 10.0, 11.0]);
        let spike = folded(&[10.0, 11.0, 999.0, 11.0]);
        assert_eq!(dip.low, calm.low);
        assert!((spike.middle - calm.middle).abs() <= 0.5);
    }
}
