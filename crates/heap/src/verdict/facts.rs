//! What the rules ask of a report, each thing in one place.

use super::{GROWTH_MIN, WORTH_BYTES, evidence, part};
use crate::report::{Evidence, Growth, Report};
use serde_json::Value;

/// Managed heaps and what they hold after a collection.
const MANAGED: [(&str, &str); 3] =
    [("jvm", "old_used_bytes"), ("go", "memstats.heap_alloc_bytes"), ("python", "bytes")];

pub(super) struct Facts<'a> {
    pub report: &'a Report,
    pub growth: Option<&'a Growth>,
    pub rss: Option<u64>,
    /// Above 0 only.
    pub rss_growth: Option<u64>,
}

impl<'a> Facts<'a> {
    pub fn of(report: &'a Report, growth: Option<&'a Growth>) -> Self {
        let rss = report.rss.as_ref().map(|rss| rss.total_bytes);
        let mut facts = Self { report, growth, rss, rss_growth: None };
        facts.rss_growth = facts.grew("rss.total_bytes");
        facts
    }

    /// By how much a figure rose. None where one of two reports has none; 0 if it fell or stayed.
    pub fn grew(&self, name: &str) -> Option<u64> {
        let more = self.growth?.bytes.get(name).copied()?;
        Some(u64::try_from(more).unwrap_or(0))
    }

    /// Whether the RSS grew by more than noise.
    pub fn is_growing(&self) -> bool {
        let (Some(more), Some(now)) = (self.rss_growth, self.rss) else { return false };
        more >= WORTH_BYTES && part(more, now.saturating_sub(more)) >= GROWTH_MIN
    }

    /// What share of the growth of the RSS `bytes` explain. Without growth all of it: a part that
    /// grew while others fell.
    pub fn of_growth(&self, bytes: u64) -> f64 {
        match self.rss_growth {
            Some(more) if more > 0 => part(bytes, more),
            _ => 0.0,
        }
    }

    pub fn in_use(&self) -> Option<u64> {
        self.report.allocator.as_ref()?.in_use_bytes
    }

    /// All that the application has of malloc, blocks with a mapping of their own too.
    pub fn held(&self) -> Option<u64> {
        let mapped = self.report.allocator.as_ref()?.mmapped_bytes.unwrap_or(0);
        Some(self.in_use()?.saturating_add(mapped))
    }

    /// Whether the program has its blocks from glibc's malloc and no runtime has a heap beside it.
    pub fn is_plain_malloc(&self) -> bool {
        let allocator = self.report.allocator.as_ref();
        let runtime = self.report.identity.runtime.as_deref();
        allocator.is_some_and(|allocator| allocator.name == "glibc")
            && runtime.is_none_or(|runtime| runtime == "native")
    }

    /// Whether most of the anonymous memory is malloc's.
    pub fn is_surely_malloc(&self) -> bool {
        self.report.allocator.as_ref().is_some_and(|allocator| allocator.confidence >= 0.9)
    }

    /// The growth of what is in use: of a managed heap where there is one that tells.
    pub fn heap_growth(&self) -> Option<(String, u64)> {
        self.growth?;
        let managed = MANAGED.iter().find_map(|(runtime, used)| {
            self.number(runtime, used)?;
            let name = format!("runtime_stats.{runtime}.{used}");
            let more = self.grew(&name)?;
            Some((name, more))
        });
        managed.or_else(|| {
            let figures = &self.growth?.bytes;
            let small = *figures.get("allocator.in_use_bytes")?;
            // Blocks of 128 KiB and more are not part of it.
            let large = figures.get("allocator.mmapped_bytes").copied().unwrap_or(0);
            let name = if large > small { "mmapped_bytes" } else { "in_use_bytes" };
            let more = u64::try_from(small.saturating_add(large)).unwrap_or(0);
            Some((format!("allocator.{name}"), more))
        })
    }

    /// What a managed heap has taken of the kernel. CPython's lies in the native heap.
    pub fn managed_capacity(&self) -> Option<(&'static str, u64)> {
        let jvm = self.number("jvm", "heap_capacity_bytes");
        let metaspace = self.number("jvm", "metaspace.capacity_bytes").unwrap_or(0);
        if let Some(heap) = jvm {
            return Some(("runtime_stats.jvm.heap_capacity_bytes", heap.saturating_add(metaspace)));
        }
        let go = |name: &str| self.number("go", &format!("memstats.{name}"));
        // Idle spans stay resident until they are released, and stacks are the runtime's as well.
        let idle = go("heap_idle_bytes")?.saturating_sub(go("heap_released_bytes")?);
        let heap = go("heap_inuse_bytes")?.saturating_add(idle);
        let heap = heap.saturating_add(go("stack_inuse_bytes").unwrap_or(0));
        Some(("runtime_stats.go.memstats resident", heap))
    }

    pub fn part(&self, name: &str) -> Option<u64> {
        let parts = &self.report.rss.as_ref()?.parts;
        match name {
            "rss.parts.anon_other" => Some(parts.anon_other),
            "rss.parts.file" => Some(parts.file),
            "rss.parts.shmem" => Some(parts.shmem),
            "rss.parts.stacks" => Some(parts.stacks),
            _ => None,
        }
    }

    /// Resident memory that no file and no shared memory backs.
    pub fn anonymous(&self) -> Option<u64> {
        let rss = self.report.rss.as_ref()?;
        Some(rss.total_bytes.saturating_sub(rss.parts.file).saturating_sub(rss.parts.shmem))
    }

    /// Who holds the most: a root, a type, an allocation site.
    pub fn largest(&self) -> Option<Evidence> {
        let roots = self.report.roots.iter().flatten().max_by_key(|root| root.retained_bytes);
        if let Some(root) = roots {
            return Some(evidence(&format!("roots {}", root.name), root.retained_bytes));
        }
        let first = |pointer: &str, key: &str| {
            let stats = self.report.runtime_stats.values();
            let row = stats.filter_map(|stats| stats.pointer(pointer)?.get(0)).next()?;
            let name = match row.get(key)? {
                Value::Array(frames) => frames.first()?.as_str()?,
                name => name.as_str()?,
            };
            Some(evidence(&format!("largest {key} {name}"), row.get("bytes")?.as_u64()?))
        };
        first("/heap_profile/sites", "frames").or_else(|| first("/types", "type"))
    }

    fn number(&self, runtime: &str, dotted: &str) -> Option<u64> {
        let pointer = format!("/{}", dotted.replace('.', "/"));
        self.report.runtime_stats.get(runtime)?.pointer(&pointer)?.as_u64()
    }
}
