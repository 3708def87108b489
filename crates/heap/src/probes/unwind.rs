//! Stacks out of registers and a copy of the stack, by the files' own unwind tables.
//!
//! Neither libc nor most programs keep frame pointers, so `.eh_frame` is read, as a debugger does:
//! from the file that is mapped, when the first address in it comes by, within a bound. Where there
//! is none, frame pointers are followed. No byte of the copied stack is kept.

use std::ops::Range;

use framehop::x86_64::{CacheX86_64, UnwindRegsX86_64, UnwinderX86_64};
use framehop::{ExplicitModuleSectionInfo, FrameAddress, Unwinder as _};
use plimsoll_bpf::allocations::Sample;
use rustc_hash::{FxHashMap, FxHashSet};

use crate::modules::{Module, Modules};
use crate::target::Opened;

/// Deeper stacks are cut at their outer end.
pub const FRAMES_MAX: usize = 128;
/// Unwind tables that are held at once; a browser's have 30 MiB.
const TABLES_BYTES_MAX: u64 = 128 << 20;
/// Stacks that are told apart, and samples of which the stack is remembered.
const STACKS_MAX: usize = 1 << 15;
const SAMPLES_MAX: usize = 1 << 20;

/// Unwinds samples and remembers their stacks.
pub struct Stacks<'a> {
    opened: &'a Opened,
    modules: Modules,
    unwinder: UnwinderX86_64<Vec<u8>>,
    cache: CacheX86_64,
    /// Starts of the modules whose tables were looked for.
    looked_at: FxHashSet<u64>,
    table_bytes_left: u64,
    numbers: FxHashMap<Box<[u64]>, u32>,
    list: Vec<Box<[u64]>>,
    of_sample: FxHashMap<u64, u32>,
    /// An address lay in no known module.
    pub met_unknown: bool,
    pub dropped: u64,
}

impl<'a> Stacks<'a> {
    pub fn new(opened: &'a Opened, modules: Modules) -> Self {
        Self {
            opened,
            modules,
            unwinder: UnwinderX86_64::new(),
            cache: CacheX86_64::new(),
            looked_at: FxHashSet::default(),
            table_bytes_left: TABLES_BYTES_MAX,
            numbers: FxHashMap::default(),
            list: Vec::new(),
            of_sample: FxHashMap::default(),
            met_unknown: false,
            dropped: 0,
        }
    }

    /// Libraries were loaded since.
    pub fn renew(&mut self, modules: Modules) {
        self.modules = modules;
        self.met_unknown = false;
    }

    pub const fn modules(&self) -> &Modules {
        &self.modules
    }

    pub fn add(&mut self, sample: &Sample<'_>) {
        let frames = self.unwound(sample);
        let number = match self.numbers.get(frames.as_slice()) {
            Some(number) => *number,
            None if self.list.len() < STACKS_MAX => {
                let number = self.list.len() as u32;
                let frames: Box<[u64]> = frames.into();
                self.list.push(frames.clone());
                self.numbers.insert(frames, number);
                number
            }
            None => {
                self.dropped += 1;
                return;
            }
        };
        if self.of_sample.len() < SAMPLES_MAX {
            self.of_sample.insert(sample.id, number);
        } else {
            self.dropped += 1;
        }
    }

    /// Addresses of one sample, the innermost first, each within the instruction that called. The
    /// first is in the allocator.
    pub fn of(&self, sample: u64) -> Option<&[u64]> {
        let number = *self.of_sample.get(&sample)?;
        self.list.get(number as usize).map(AsRef::as_ref)
    }

    fn unwound(&mut self, sample: &Sample<'_>) -> Vec<u64> {
        loop {
            // Each turn looks at one more module, and at none twice.
            match self.frames(sample) {
                Ok(frames) => return frames,
                Err(index) => self.look_at(index),
            }
        }
    }

    /// The frames, or the index of a module whose table is needed first.
    fn frames(&mut self, sample: &Sample<'_>) -> Result<Vec<u64>, usize> {
        let mut read = |address: u64| {
            let at = usize::try_from(address.checked_sub(sample.sp).ok_or(())?).map_err(|_| ())?;
            let word = sample.stack.get(at..at.checked_add(8).ok_or(())?).ok_or(())?;
            word.try_into().map(u64::from_le_bytes).map_err(|_| ())
        };
        let registers = UnwindRegsX86_64::new(sample.ip, sample.sp, sample.bp);
        let mut frames = Vec::new();
        let mut walk = self.unwinder.iter_frames(sample.ip, registers, &mut self.cache, &mut read);
        while frames.len() < FRAMES_MAX {
            let Ok(Some(frame)) = walk.next() else { break };
            let address = frame.address_for_lookup();
            match self.modules.index_of(address) {
                Some(index) if !self.looked_at.contains(&self.modules.list[index].range.start) => {
                    return Err(index);
                }
                None if matches!(frame, FrameAddress::ReturnAddress(_)) => self.met_unknown = true,
                _ => {}
            }
            frames.push(address);
        }
        Ok(frames)
    }

    fn look_at(&mut self, index: usize) {
        let Some(module) = self.modules.list.get(index) else { return };
        self.looked_at.insert(module.range.start);
        let Some(tables) = tables(module, self.opened, &mut self.table_bytes_left) else { return };
        let (name, range, bias) = (module.path.clone(), module.range.clone(), module.bias);
        self.unwinder.add_module(framehop::Module::new(name, range, bias, tables));
    }
}

fn tables(
    module: &Module,
    opened: &Opened,
    left: &mut u64,
) -> Option<ExplicitModuleSectionInfo<Vec<u8>>> {
    let mut take = |name: &str| -> Option<(Range<u64>, Vec<u8>)> {
        let (range, bytes) = module.section_contents(opened, name, *left)?;
        *left -= bytes.len() as u64;
        Some((range, bytes))
    };
    let (eh_frame_svma, eh_frame) = take(".eh_frame")?;
    let (eh_frame_hdr_svma, eh_frame_hdr) = take(".eh_frame_hdr").unzip();
    Some(ExplicitModuleSectionInfo {
        eh_frame_svma: Some(eh_frame_svma),
        eh_frame: Some(eh_frame),
        eh_frame_hdr_svma,
        eh_frame_hdr,
        ..ExplicitModuleSectionInfo::default()
    })
}
