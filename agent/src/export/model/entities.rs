//! Pods, containers, processes, and suspects that are neither.

use super::attributes::add_labels;
use super::sheet::{Sheet, int, judgement_of};
use super::{Model, text};
use crate::export::catalog::{self as c, Entity, Instrument};
use crate::export::proto::{ResourceMetrics, attribute};
use crate::units::Bytes;
use crate::verdict::Verdict;
use crate::view::{CgroupView, ProcessDetail, ReportSummary};
use std::collections::BTreeMap;

/// The labels of a cgroup's owner.
pub type Labels = BTreeMap<String, String>;

/// usage, available, rss and working set.
type Names = [&'static Instrument; 4];

const OF_CONTAINER: Names =
    [&c::CONTAINER_USAGE, &c::CONTAINER_AVAILABLE, &c::CONTAINER_RSS, &c::CONTAINER_WORKING_SET];
const OF_POD: Names = [&c::POD_USAGE, &c::POD_AVAILABLE, &c::POD_RSS, &c::POD_WORKING_SET];

impl Model {
    /// A pod, a container, or a cgroup that is suspect and neither.
    pub fn cgroup(&mut self, entity: Entity, of: &CgroupView) -> ResourceMetrics {
        let boot = self.moment.boot_ns;
        let mut sheet = self.sheet(&of.id, boot);
        match entity {
            Entity::Container => {
                shares(&mut sheet, OF_CONTAINER, of);
                let own = of.max_bytes.bytes().filter(|_| of.labels.contains_key("k8s.pod.uid"));
                sheet.put(&c::K8S_CONTAINER_LIMIT, own.map(|b| int(b.0)), &[]);
                let manifest = of.kubernetes.as_ref();
                let (limit, request) = manifest
                    .map_or((None, None), |m| (m.memory_limit_bytes, m.memory_request_bytes));
                sheet.put(&c::K8S_CONTAINER_LIMIT_DESIRED, limit.map(|b| int(b.0)), &[]);
                sheet.put(&c::K8S_CONTAINER_REQUEST_DESIRED, request.map(|b| int(b.0)), &[]);
            }
            Entity::Pod => shares(&mut sheet, OF_POD, of),
            _ => sheet.put(&c::USED, Some(int(of.usage_bytes.0)), &[]),
        }
        sheet.put(&c::LIMIT, of.limit_bytes.bytes().map(|b| int(b.0)), &[]);
        if entity != Entity::Cgroup {
            parts(
                &mut sheet,
                [
                    ("anon", of.anon_bytes),
                    ("file", of.file_bytes),
                    ("shmem", of.shmem_bytes),
                    ("kernel", of.kernel_bytes),
                    ("swap", of.swap_bytes),
                ],
            );
            sheet.put(&c::OOM_KILLS, of.events.get("oom_kill").map(|&n| int(n)), &[]);
        }
        sheet.verdict(&of.judgement);
        let metrics = sheet.finish();
        let mut attributes = self.common.of(entity);
        add_labels(&mut attributes, &of.labels, entity == Entity::Pod);
        if entity == Entity::Cgroup {
            attributes.push(attribute("plimsoll.cgroup.path", of.path.as_str()));
            let unit = of.labels.get("systemd.unit");
            attributes.extend(unit.and_then(|unit| text("plimsoll.systemd.unit", unit)));
        }
        attributes.extend(text("plimsoll.workload", &of.workload));
        self.wrap(attributes, metrics)
    }

    /// A process; `labels` are those of its cgroup's owner, `report` is its newest heap report.
    pub fn process(
        &mut self,
        of: &ProcessDetail,
        labels: Option<&Labels>,
        report: Option<&ReportSummary>,
    ) -> ResourceMetrics {
        let view = &of.view;
        // In whole seconds: it is part of who the process is, and the milliseconds move with the
        // wall clock.
        let started =
            view.start_time.parse::<jiff::Timestamp>().ok().map(jiff::Timestamp::as_second);
        let created = started.and_then(|s| jiff::Timestamp::from_second(s).ok());
        let started = started.and_then(|s| u64::try_from(s).ok()?.checked_mul(1_000_000_000));
        let start = started.unwrap_or(self.moment.boot_ns);
        let mut sheet = self.sheet(&view.id, start);
        let bytes = |b: Option<Bytes>| b.map(|b| int(b.0));
        sheet.put(&c::PROCESS_USAGE, Some(int(view.rss_bytes.0)), &[]);
        sheet.put(&c::PROCESS_VIRTUAL, bytes(of.virtual_bytes), &[]);
        sheet.faults(&c::PROCESS_FAULTS, of.major_faults, of.minor_faults);
        sheet.put(&c::PROCESS_THREADS, view.threads.map(|n| int(u64::from(n))), &[]);
        sheet.put(&c::PROCESS_FDS, of.open_fds.map(int), &[]);
        sheet.put(&c::LIMIT, bytes(view.limit_bytes.bytes()), &[]);
        parts(
            &mut sheet,
            [
                ("anon", Some(view.anon_bytes)),
                ("file", Some(view.file_bytes)),
                ("shmem", view.shmem_bytes),
                ("kernel", None),
                ("swap", view.swap_bytes),
            ],
        );
        sheet.verdict(&view.judgement);
        if let Some(report) = report {
            sheet.put(&c::ALLOCATOR_IN_USE, bytes(report.in_use_bytes), &[]);
            sheet.put(&c::ALLOCATOR_TRIMMABLE, bytes(report.trimmable_bytes), &[]);
            sheet.put(&c::ALLOCATOR_UNREACHABLE, bytes(report.unreachable_bytes), &[]);
        }
        let metrics = sheet.finish();
        let mut attributes = self.common.of(Entity::Process);
        attributes.push(attribute("process.pid", i64::from(view.pid)));
        let created = created.map(|at| at.to_string()).unwrap_or_default();
        attributes.extend(text("process.creation.time", &created));
        attributes.extend(text("process.command", &view.comm));
        let exe = view.exe.as_deref();
        attributes.extend(exe.and_then(|exe| text("process.executable.path", exe)));
        if let Some(uid) = view.uid {
            attributes.push(attribute("process.owner", uid.to_string().as_str()));
        }
        if let Some(labels) = labels {
            add_labels(&mut attributes, labels, false);
        }
        attributes.extend(text("plimsoll.workload", &view.workload));
        self.wrap(attributes, metrics)
    }

    /// A workload that is suspect as a whole.
    pub fn workload(&mut self, of: &Verdict) -> ResourceMetrics {
        let boot = self.moment.boot_ns;
        let mut sheet = self.sheet(&of.target.id, boot);
        sheet.put(&c::USED, Some(int(of.used_bytes.0)), &[]);
        sheet.put(&c::LIMIT, of.limit_bytes.bytes().map(|b| int(b.0)), &[]);
        sheet.verdict(&judgement_of(of));
        let metrics = sheet.finish();
        let mut attributes = self.common.of(Entity::Workload);
        let id = of.target.id.strip_prefix("workload:").unwrap_or(&of.target.id);
        attributes.extend(text("plimsoll.workload", id));
        self.wrap(attributes, metrics)
    }
}

fn shares(sheet: &mut Sheet<'_>, names: Names, of: &CgroupView) {
    let [usage, available, rss, working_set] = names;
    let room = of.max_bytes.bytes().map(|max| max.saturating_sub(of.working_set_bytes));
    sheet.put(usage, Some(int(of.usage_bytes.0)), &[]);
    sheet.put(available, room.map(|b| int(b.0)), &[]);
    sheet.put(rss, of.anon_bytes.map(|b| int(b.0)), &[]);
    sheet.put(working_set, Some(int(of.working_set_bytes.0)), &[]);
}

fn parts(sheet: &mut Sheet<'_>, parts: [(&str, Option<Bytes>); 5]) {
    for (kind, bytes) in parts {
        sheet.put(&c::PART, bytes.map(|b| int(b.0)), &[("plimsoll.memory.kind", kind)]);
    }
}
