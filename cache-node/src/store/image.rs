//! Items copied out for a snapshot, and taken in again from one.
//!
//! ```text
//! frequency, queue 1 | marks 1 | key length 1 | 0 1 | client flags 4 | end 4 | accessed 4
//! order 8 | CAS 8 | length of the whole value 8 | offset of what follows 8 | length of that 4
//! key, bytes
//! ```
//!
//! Little-endian; seconds of the cache's clock. A large item is several entries of ascending
//! offset, which may be spread over several images. What is taken in is judged entry by entry:
//! nothing in it is believed, and nothing panics. Checksums are for who writes images to disk.

use super::Store;
use super::index::Place;
use super::item::{Data, Refused};
use super::partition::{Draft, Partition};
use super::record::{DEAD, FETCHED, FREQ_MAX, HAS_CAS, Head, LARGE, NEVER, STALE, WON};
use super::segments::Queue;
use super::slot::view;
use super::upload::Upload;
use super::walk::Cursor;
use crate::clock::Secs;

/// Length of an entry before its key. Units: bytes.
const ENTRY_BYTES: usize = 52;
/// The frequency byte says so of what was in the main queue.
const IN_MAIN: u8 = 4;
/// Marks that an entry may bear.
const MARKS: u8 = FETCHED | STALE | WON | HAS_CAS;
/// No order reaches it: a billion a second for 146 years.
const ORDER_MAX: u64 = 1 << 62;

/// How far the copying of a large item has come.
#[derive(Clone, Copy, Debug)]
pub(super) struct Within {
    /// Its bit-reversed hash.
    position: u64,
    order: u64,
    offset: usize,
}

/// What became of the entries of images.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    pub items: u64,
    /// Something as new or newer was held.
    pub older: u64,
    /// Ended meanwhile.
    pub over: u64,
    /// No memory, or larger than items may be.
    pub refused: u64,
    /// Large items that changed while they were copied out, or of which a part was lost.
    pub cut_off: u64,
    /// Images that are not as they were written; what follows in them is lost.
    pub damaged: u64,
}

/// Taking in images, one after the other.
#[derive(Debug, Default)]
pub struct Adopting {
    large: Option<(Upload, Entry, Vec<u8>)>,
    pub adopted: Adopted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Entry {
    freq: u8,
    marks: u8,
    key_len: u8,
    client_flags: u32,
    end: u32,
    accessed: Secs,
    order: u64,
    cas: u64,
    total: u64,
    offset: u64,
    len: u32,
}

/// An entry with what follows it.
#[derive(Clone, Copy, Debug)]
struct Taken<'a> {
    entry: Entry,
    key: &'a [u8],
    bytes: &'a [u8],
}

impl Entry {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&[self.freq, self.marks, self.key_len, 0]);
        for word in [self.client_flags, self.end, self.accessed] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        for word in [self.order, self.cas, self.total, self.offset] {
            out.extend_from_slice(&word.to_le_bytes());
        }
        out.extend_from_slice(&self.len.to_le_bytes());
    }

    /// Reads an entry with its key and bytes, and shows what is behind it.
    fn read(image: &[u8]) -> Option<(Taken<'_>, &[u8])> {
        let (fixed, rest) = image.split_first_chunk::<ENTRY_BYTES>()?;
        let u32_at =
            |at: usize| fixed.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes));
        let u64_at =
            |at: usize| fixed.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes));
        let entry = Self {
            freq: fixed[0],
            marks: fixed[1],
            key_len: fixed[2],
            client_flags: u32_at(4)?,
            end: u32_at(8)?,
            accessed: u32_at(12)?,
            order: u64_at(16)?,
            cas: u64_at(24)?,
            total: u64_at(32)?,
            offset: u64_at(40)?,
            len: u32_at(48)?,
        };
        let (key, rest) = rest.split_at_checked(usize::from(entry.key_len))?;
        let (bytes, rest) = rest.split_at_checked(usize::try_from(entry.len).ok()?)?;
        let is_sound = fixed[3] == 0
            && entry.freq <= IN_MAIN | FREQ_MAX
            && entry.marks & !MARKS == 0
            && (1..=super::KEY_BYTES_MAX).contains(&key.len())
            && (1..ORDER_MAX).contains(&entry.order)
            && entry.offset.checked_add(u64::from(entry.len))? <= entry.total
            && (entry.len > 0 || entry.total == 0);
        is_sound.then_some((Taken { entry, key, bytes }, rest))
    }

    /// Whether `next` belongs to the same item, behind this.
    fn goes_on_with(&self, next: &Self) -> bool {
        let reached = self.offset + u64::from(self.len);
        *next == Self { offset: reached, len: next.len, ..*self }
    }
}

impl Store {
    /// Appends copies of live items to `out` until it is `bytes_max` long or a little longer (by
    /// a few items, or one piece of a large one), and moves the cursor; false at the end. What
    /// stays meanwhile is copied; what is changed meanwhile is copied as it was or as it is, or, if
    /// it is large, perhaps not at all.
    /// The lock of one partition at a time is held for the time of the copying.
    pub fn image(
        &self,
        cursor: &mut Cursor,
        out: &mut Vec<u8>,
        bytes_max: usize,
        now: Secs,
    ) -> bool {
        self.shared.notice(now);
        let mut places = Vec::new();
        while out.len() < bytes_max {
            let Some(partition) = self.partitions.get(cursor.partition) else { return false };
            let mut partition = partition.lock();
            partition.now = now;
            while out.len() < bytes_max {
                places.clear();
                let next = partition.index.walk(cursor.position, |place| places.push(place));
                self.image_bucket(&partition, cursor, &places, out, bytes_max);
                if cursor.within.is_some() {
                    break;
                }
                match next {
                    Some(next) => cursor.position = next,
                    None => {
                        cursor.partition += 1;
                        cursor.position = 0;
                        break;
                    }
                }
            }
        }
        cursor.partition < self.partitions.len()
    }

    /// Copies one bucket: small items at once, then large ones until the image is full, which
    /// the cursor notes.
    fn image_bucket(
        &self,
        partition: &Partition,
        cursor: &mut Cursor,
        places: &[Place],
        out: &mut Vec<u8>,
        bytes_max: usize,
    ) {
        let mut large = Vec::new();
        for &place in places {
            let Some(bytes) = partition.segs.bytes(place) else { continue };
            let Some(head) = Head::read(bytes).filter(|head| !head.is(DEAD)) else { continue };
            let position = self.shared.hash(head.key(bytes)).reverse_bits();
            if position < cursor.position || partition.is_over(&self.shared, place, &head) {
                continue;
            }
            if head.is(LARGE) {
                large.push((position, place, head));
            } else if cursor.within.is_none() {
                copy_part(partition, place, &head, None, out);
            }
        }
        large.sort_unstable_by_key(|(position, ..)| *position);
        let resumed = cursor.within.take();
        for (position, place, head) in large {
            let order = partition.segs.of(place).map_or(0, |seg| seg.order_of(&head));
            let mut offset = match resumed {
                Some(within) if position < within.position => continue,
                Some(within) if position == within.position && order == within.order => {
                    within.offset
                }
                // Changed since: to begin anew each time might never end.
                Some(within) if position == within.position => continue,
                _ => 0,
            };
            while partition.is_whole(place, &head) {
                if out.len() >= bytes_max {
                    cursor.within = Some(Within { position, order, offset });
                    return;
                }
                match copy_part(partition, place, &head, Some(offset), out) {
                    Some(copied) => offset += copied,
                    None => break,
                }
            }
        }
    }

    /// Takes in the items of an image that [`Self::image`] made, perhaps of another process.
    /// `shift`: what is added to its seconds. What is held and is as new stays.
    pub fn adopt(&self, adopting: &mut Adopting, image: &[u8], shift: i64, now: Secs) {
        let mut rest = image;
        while !rest.is_empty() {
            let Some((taken, behind)) = Entry::read(rest) else {
                adopting.adopted.damaged += 1;
                return;
            };
            rest = behind;
            self.adopt_entry(adopting, taken, shift, now);
        }
    }

    /// To be called behind the last image: an item that is not whole is dropped.
    #[must_use]
    pub fn adopted(&self, mut adopting: Adopting) -> Adopted {
        adopting.adopted.cut_off += u64::from(adopting.large.take().is_some());
        adopting.adopted
    }

    fn adopt_entry(&self, adopting: &mut Adopting, taken: Taken<'_>, shift: i64, now: Secs) {
        let Taken { entry, key, bytes } = taken;
        let adopted = &mut adopting.adopted;
        let is_whole = u64::from(entry.len) == entry.total;
        if is_whole && bytes.len() <= self.inline_bytes_max() {
            adopted.cut_off += u64::from(adopting.large.take().is_some());
            adopted.count(self.settle(&entry, key, Data::Bytes(bytes), shift, now));
            return;
        }
        if entry.offset == 0 {
            adopted.cut_off += u64::from(adopting.large.take().is_some());
            let len = usize::try_from(entry.total).unwrap_or(usize::MAX);
            match self.upload(key, len) {
                Ok(upload) => adopting.large = Some((upload, entry, key.to_vec())),
                Err(_) => adopted.refused += 1,
            }
        }
        let goes_on = |(_, last, of): &(Upload, Entry, Vec<u8>)| {
            of == key && (entry.offset == 0 || last.goes_on_with(&entry))
        };
        match adopting.large.take() {
            Some(mut large) if goes_on(&large) => {
                if large.0.push(self, bytes).is_err() {
                    adopted.refused += 1;
                } else if entry.offset + u64::from(entry.len) == entry.total {
                    let data = Data::Uploaded(large.0);
                    adopted.count(self.settle(&entry, key, data, shift, now));
                } else {
                    large.1 = entry;
                    adopting.large = Some(large);
                }
            }
            Some(_) => adopted.cut_off += 1,
            // Its beginning was refused or lost, and counted.
            None => {}
        }
    }

    fn settle(
        &self,
        entry: &Entry,
        key: &[u8],
        data: Data<'_>,
        shift: i64,
        now: Secs,
    ) -> Result<Fate, Refused> {
        let moved = |at: u32| Secs::try_from(i64::from(at).saturating_add(shift).max(0));
        let end = match entry.end {
            NEVER => NEVER,
            end => moved(end).unwrap_or(NEVER).min(NEVER - 1),
        };
        if end <= now {
            return Ok(Fate::Over);
        }
        let cas = (entry.marks & HAS_CAS != 0).then_some(entry.cas);
        let accessed = moved(entry.accessed).unwrap_or(now).min(now);
        let mut draft = Draft::new(key.len(), 0, entry.order, accessed);
        draft = draft.with(entry.client_flags, end, cas);
        draft.head.bits |= entry.marks & !HAS_CAS;
        draft.head.freq = entry.freq & FREQ_MAX;
        draft.queue = Some(if entry.freq & IN_MAIN == 0 { Queue::Small } else { Queue::Main });
        self.shared.raise_order(entry.order);
        self.lock(key).adopt(draft, data, now)
    }
}

/// What became of an entry that is sound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    Held,
    Older,
    Over,
}

impl Adopted {
    fn count(&mut self, fate: Result<Fate, Refused>) {
        match fate {
            Ok(Fate::Held) => self.items += 1,
            Ok(Fate::Older) => self.older += 1,
            Ok(Fate::Over) => self.over += 1,
            Err(_) => self.refused += 1,
        }
    }
}

/// Copies an item, or from an offset on the next part of a large one. Returns the bytes of the
/// value that were copied; None behind the end.
fn copy_part(
    partition: &Partition,
    place: Place,
    head: &Head,
    offset: Option<usize>,
    out: &mut Vec<u8>,
) -> Option<usize> {
    let seg = partition.segs.of(place)?;
    let record = partition.segs.bytes(place)?;
    let item = view(partition, place, head)?;
    let wanted = offset.unwrap_or(0);
    let mut before = 0;
    let part = item.parts().find(|part| {
        let is_it = before >= wanted;
        before += part.len();
        is_it
    });
    let part = match (part, offset) {
        (Some(part), _) => part,
        (None, None) => &[],
        (None, Some(0)) if item.is_empty() => &[],
        (None, Some(_)) => return None,
    };
    let main = if seg.queue == Queue::Main { IN_MAIN } else { 0 };
    let entry = Entry {
        freq: head.freq | main,
        marks: head.bits & MARKS,
        key_len: u8::try_from(head.key_len).ok()?,
        client_flags: head.client_flags,
        end: head.end,
        accessed: item.accessed,
        order: seg.order_of(head).max(1),
        cas: if head.is(HAS_CAS) { head.cas } else { 0 },
        total: item.len() as u64,
        offset: wanted as u64,
        len: u32::try_from(part.len()).ok()?,
    };
    entry.write(out);
    out.extend_from_slice(head.key(record));
    out.extend_from_slice(part);
    (!part.is_empty()).then_some(part.len())
}

#[cfg(test)]
mod tests;
