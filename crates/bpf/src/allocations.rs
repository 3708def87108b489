//! A share of one process's allocations: the stack of each at its call, and which still live.
//!
//! Attached by file and offset, to one process only. The kernel takes the probes out when this is
//! dropped or its process ends, however it ends. Nothing is decided here: whoever attaches says
//! where, at an instruction before which neither the stack pointer nor an argument was changed.
//! Units: bytes. x86-64 only.

use std::fs::File;
use std::num::NonZeroU32;
use std::os::fd::AsRawFd as _;

use aya::maps::{Array, HashMap, MapData, PerCpuArray, RingBuf};
use aya::programs::UProbe;
use aya::programs::uprobe::{UProbeAttachLocation, UProbeScope};
use aya::{Ebpf, include_bytes_aligned};

use crate::edge::{Edge, Refusal, missing, refused};
use crate::words::Words;

const OBJECT: &[u8] = include_bytes_aligned!("../programs/allocations.bpf.o");
const WHAT: &str = "probes of malloc";
/// Up to the stack; see `struct sample` in programs/allocations.bpf.c.
const HEAD_BYTES: usize = 40;
/// One more than may be read of the table: each entry once, also if the table is written to.
const LIVE_MAX: usize = 1 << 16;

/// What is attached to. Its programs know where its arguments are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Function {
    Malloc,
    Calloc,
    Realloc,
    /// `aligned_alloc` and `memalign`.
    Aligned,
    PosixMemalign,
    Free,
}

impl Function {
    const fn programs(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Malloc => ("on_malloc", Some("after_malloc")),
            Self::Calloc => ("on_calloc", Some("after_calloc")),
            Self::Realloc => ("on_realloc", Some("after_realloc")),
            Self::Aligned => ("on_aligned", Some("after_aligned")),
            Self::PosixMemalign => ("on_posix", Some("after_posix")),
            Self::Free => ("on_free", None),
        }
    }
}

/// Where a function is trapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Site {
    pub function: Function,
    /// In the file.
    pub offset: u64,
}

/// An allocation as it was called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample<'a> {
    pub id: u64,
    pub ip: u64,
    pub sp: u64,
    pub bp: u64,
    /// From `sp` on.
    pub stack: &'a [u8],
}

impl<'a> Sample<'a> {
    /// Takes a record apart. None if it is shorter than it says.
    #[must_use]
    pub fn parse(record: &'a [u8]) -> Option<Self> {
        let words = Words(record);
        let bytes = usize::try_from(words.u64(32)).ok()?;
        let stack = record.get(HEAD_BYTES..HEAD_BYTES.checked_add(bytes)?)?;
        Some(Self {
            id: words.u64(0),
            ip: words.u64(8),
            sp: words.u64(16),
            bp: words.u64(24),
            stack,
        })
    }
}

/// One that was made and not freed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    pub address: u64,
    /// Of the [`Sample`] of its call.
    pub id: u64,
    /// As it was asked for.
    pub size: u64,
    /// One allocation in so many was drawn when it was.
    pub stands_for: u64,
}

/// What the programs saw, since they were attached.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    pub allocated: u64,
    pub freed: u64,
    pub taken: u64,
    /// Drawn, and left out because a table or the ring was full.
    pub dropped: u64,
}

/// Identity, size, what it stands for.
type LiveValue = [u64; 3];

/// Probes in one process, from [`Allocations::attach`] until this is dropped.
pub struct Allocations {
    samples: RingBuf<MapData>,
    live: HashMap<MapData, u64, LiveValue>,
    counts: PerCpuArray<MapData, u64>,
    control: Array<MapData, [u64; 2]>,
    /// Holds programs and attachments.
    _loaded: Ebpf,
}

impl std::fmt::Debug for Allocations {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Allocations").field("counts", &self.counts()).finish_non_exhaustive()
    }
}

impl Allocations {
    /// Attaches to `sites` of `file` as the process `pid` has it mapped. Nothing is taken until
    /// [`Allocations::sample`] says how much.
    ///
    /// Cost: some 20 ms, and 12 MiB of the kernel's memory.
    ///
    /// # Errors
    /// [`Refusal`], in one line; then nothing is attached.
    pub fn attach(edge: &Edge, file: &File, sites: &[Site], pid: u32) -> Result<Self, Refusal> {
        let failed = |why: &str| Refusal::Failed { what: WHAT, why: why.to_owned() };
        let Some(pid) = NonZeroU32::new(pid) else { return Err(failed("no process")) };
        let mut loaded = edge.load(OBJECT, WHAT)?;
        let mut take = |name| loaded.take_map(name).ok_or_else(|| missing(WHAT));
        let (samples, live, counts, control) =
            (take("samples")?, take("live")?, take("counts")?, take("control")?);
        let told = |e| Refusal::of(WHAT, &e);
        let samples = RingBuf::try_from(samples).map_err(told)?;
        let live = HashMap::try_from(live).map_err(told)?;
        let counts = PerCpuArray::try_from(counts).map_err(told)?;
        let control = Array::try_from(control).map_err(told)?;
        // By its descriptor: the path may lead elsewhere in this mount namespace.
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        // Frees first: no block may look live that is not.
        let mut sites = sites.to_vec();
        sites.sort_by_key(|site| site.function != Function::Free);
        for site in sites {
            let (call, back) = site.function.programs();
            for name in [Some(call), back].into_iter().flatten() {
                let program = loaded.program_mut(name).ok_or_else(|| missing(WHAT))?;
                let program: &mut UProbe = program.try_into().map_err(refused(WHAT))?;
                if program.fd().is_err() {
                    program.load().map_err(refused(WHAT))?;
                }
                let at = UProbeAttachLocation::AbsoluteOffset(site.offset);
                let scope = UProbeScope::OneProcess(pid);
                program.attach(at, &path, scope).map_err(refused(WHAT))?;
            }
        }
        Ok(Self { samples, live, counts, control, _loaded: loaded })
    }

    /// From now on one allocation in `one_in` is taken (0: none), and each of `each_from` bytes and
    /// more.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn sample(&mut self, one_in: u32, each_from: u64) -> Result<(), Refusal> {
        self.control.set(0, [u64::from(one_in), each_from], 0).map_err(|e| Refusal::of(WHAT, &e))
    }

    /// Hands at most `most` samples to `see`, oldest first. Does not block.
    pub fn drain(&mut self, most: usize, mut see: impl FnMut(Sample<'_>)) {
        for _ in 0..most {
            let Some(record) = self.samples.next() else { return };
            if let Some(sample) = Sample::parse(&record) {
                see(sample);
            }
        }
    }

    /// All that were taken and not freed. Blocks that come and go meanwhile may be missed.
    #[must_use]
    pub fn live(&self) -> Vec<Live> {
        let known = self.live.iter().take(LIVE_MAX).flatten();
        known
            .map(|(address, [id, size, stands_for])| Live { address, id, size, stands_for })
            .collect()
    }

    #[must_use]
    pub fn counts(&self) -> Counts {
        let of = |index| self.counts.get(&index, 0).map_or(0, |each| each.iter().sum::<u64>());
        Counts { allocated: of(0), freed: of(1), taken: of(2), dropped: of(3) + of(4) + of(5) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_that_is_longer_than_its_record_is_none() {
        let mut record = vec![0; HEAD_BYTES + 16];
        record[0] = 7;
        record[32] = 16;
        let sample = Sample::parse(&record).unwrap();
        assert_eq!((sample.id, sample.stack.len()), (7, 16));
        record[32] = 17;
        assert_eq!(Sample::parse(&record), None);
        record[32..40].fill(0xff);
        assert_eq!(Sample::parse(&record), None);
    }
}
