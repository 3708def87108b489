//! Names and lines of a Go program's functions, out of the table that its runtime needs to unwind
//! stacks. It is there in stripped programs too.
//!
//! Takes bytes of that table; nothing in it is trusted. Go 1.18 and newer; of older ones no name
//! is known.

use crate::runtimes::bytes::{text, u32_at, u64_at};
use crate::runtimes::ground::{Ground, Image};

/// Where linkers put it: the second in position-independent programs.
pub const SECTIONS: [&str; 2] = [".gopclntab", ".data.rel.ro.gopclntab"];

const TABLE_BYTES_MAX: u64 = 128 << 20;
const NAME_BYTES_MAX: usize = 512;
/// Steps of one line table: far more than a function has lines.
const STEPS_MAX: usize = 1 << 20;
const GO_1_18: u32 = 0xffff_fff0;
const GO_1_20: u32 = 0xffff_fff1;

/// The table of one program.
#[derive(Clone, Debug, Default)]
pub struct Functions {
    table: Vec<u8>,
    text: u64,
    quantum: u64,
    count: usize,
    names: usize,
    units: usize,
    files: usize,
    lines: usize,
    functions: usize,
    end: u64,
}

impl Functions {
    /// The table of the program in `image`.
    pub fn of(ground: &Ground<'_>, image: &Image<'_>) -> Option<Self> {
        let range = SECTIONS.iter().find_map(|name| ground.section(image, name))?;
        let size = range.end.saturating_sub(range.start).min(TABLE_BYTES_MAX);
        let mut table = vec![0; usize::try_from(size).ok()?];
        let count = ground.memory().read(range.start, &mut table);
        table.truncate(count);
        let text = ground.section(image, ".text")?.start;
        Self::parse(table, text)
    }

    /// `text`: where the code begins, for tables that do not say it.
    ///
    /// Source: Go's `debug/gosym/pclntab.go` and `runtime/symtab.go`.
    #[must_use]
    pub fn parse(table: Vec<u8>, text: u64) -> Option<Self> {
        let magic = u32_at(&table, 0)?;
        if !matches!(magic, GO_1_18 | GO_1_20) || table.get(7) != Some(&8) {
            return None;
        }
        let word = |at: usize| usize::try_from(u64_at(&table, 8 + at * 8)?).ok();
        let own = u64_at(&table, 24).filter(|&own| own != 0);
        let mut parsed = Self {
            text: own.unwrap_or(text),
            quantum: u64::from(*table.get(6)?),
            count: word(0)?,
            names: word(3)?,
            units: word(4)?,
            files: word(5)?,
            lines: word(6)?,
            functions: word(7)?,
            ..Self::default()
        };
        parsed.table = table;
        let last = parsed.entry(parsed.count)?;
        parsed.end = parsed.text.checked_add(u64::from(last.0))?;
        Some(parsed)
    }

    /// Whether code of the program lies there.
    #[must_use]
    pub fn covers(&self, pc: u64) -> bool {
        (self.text..=self.end).contains(&pc)
    }

    /// `function (file:line)` of the call that returns to `pc`, or the address.
    #[must_use]
    pub fn name(&self, pc: u64) -> String {
        let unknown = || format!("{pc:#x}");
        // The call lies before the address that it returns to.
        let Some(call) = pc.checked_sub(1) else { return unknown() };
        let Some((entry, function)) = self.function(call) else { return unknown() };
        let name = u32_at(&self.table, function + 4);
        let name = name.and_then(|name| self.text_at(self.names.checked_add(name as usize)?));
        let Some(name) = name else { return unknown() };
        match self.place(entry, function, call) {
            Some((file, line)) => format!("{name} ({file}:{line})"),
            None => name,
        }
    }

    /// Offsets of the function at `index` of the table: of its code and of what is said of it.
    fn entry(&self, index: usize) -> Option<(u32, u32)> {
        let at = self.functions.checked_add(index.checked_mul(8)?)?;
        // Behind the last there is only where its code ends.
        Some((u32_at(&self.table, at)?, u32_at(&self.table, at.checked_add(4)?).unwrap_or(0)))
    }

    /// Where the function's code begins, and where in the table it is told of.
    fn function(&self, pc: u64) -> Option<(u64, usize)> {
        let offset = u32::try_from(pc.checked_sub(self.text)?).ok().filter(|_| self.covers(pc))?;
        let (mut low, mut high) = (0, self.count);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.entry(middle)?.0 <= offset { low = middle + 1 } else { high = middle }
        }
        let (code, told) = self.entry(low.checked_sub(1)?)?;
        Some((self.text + u64::from(code), self.functions.checked_add(told as usize)?))
    }

    fn place(&self, entry: u64, function: usize, pc: u64) -> Option<(String, i32)> {
        let field = |at: usize| u32_at(&self.table, function.checked_add(at)?);
        let (file, line) = (field(20)?, field(24)?);
        let unit = field(32)?;
        let file = u32::try_from(self.value(file, entry, pc)?).ok()?;
        let line = self.value(line, entry, pc)?;
        let index = (unit as usize).checked_add(file as usize)?;
        let at = self.units.checked_add(index.checked_mul(4)?)?;
        let file = self.text_at(self.files.checked_add(u32_at(&self.table, at)? as usize)?)?;
        let file = file.rsplit('/').next().unwrap_or_default().to_owned();
        Some((file, line))
    }

    /// What a table of differences says for `pc`: pairs of varints, a zigzag value and how far it
    /// holds.
    fn value(&self, table: u32, entry: u64, pc: u64) -> Option<i32> {
        let mut at = self.lines.checked_add(table as usize)?;
        let (mut value, mut until) = (-1_i32, entry);
        for step in 0..STEPS_MAX {
            let change = self.varint(&mut at)?;
            if change == 0 && step > 0 {
                return None;
            }
            let magnitude = (change >> 1).cast_signed();
            value = value.wrapping_add(if change & 1 != 0 { !magnitude } else { magnitude });
            until = until.checked_add(u64::from(self.varint(&mut at)?) * self.quantum)?;
            if pc < until {
                return Some(value);
            }
        }
        None
    }

    fn varint(&self, at: &mut usize) -> Option<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21, 28] {
            let byte = *self.table.get(*at)?;
            *at += 1;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    fn text_at(&self, at: usize) -> Option<String> {
        let rest = self.table.get(at..)?;
        text(&rest[..rest.len().min(NAME_BYTES_MAX)])
    }
}
