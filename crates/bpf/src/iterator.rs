//! The one unsafe edge: BPF_LINK_CREATE and BPF_ITER_CREATE of bpf(2), with what aya 0.14 leaves
//! out.
//!
//! aya makes a link without `iter_info`, which the cgroup iterator needs, and gives it up for each
//! pass; here one link serves all passes. Header: `include/uapi/linux/bpf.h` (the two commands,
//! `union bpf_iter_link_info`).

#![expect(unsafe_code, reason = "bpf(2) is a bare system call")]

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};

const BPF_LINK_CREATE: libc::c_long = 28;
const BPF_ITER_CREATE: libc::c_long = 33;
const BPF_TRACE_ITER: u32 = 28;
const BPF_CGROUP_ITER_DESCENDANTS_PRE: u32 = 2;

/// What is gone through.
#[derive(Clone, Copy, Debug)]
pub enum Walk<'a> {
    /// All tasks of this process's pid namespace.
    Tasks,
    /// The cgroup whose directory this is, and all below it.
    Cgroups(&'a File),
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct CgroupInfo {
    order: u32,
    cgroup_fd: u32,
    cgroup_id: u64,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct LinkCreate {
    prog_fd: u32,
    target_fd: u32,
    attach_type: u32,
    flags: u32,
    iter_info: u64,
    iter_info_len: u32,
    padding: u32,
}

#[repr(C)]
#[derive(Clone, Copy, Default)]
struct IterCreate {
    link_fd: u32,
    flags: u32,
}

/// A program joined to what it goes through. Each pass is a file of its own.
#[derive(Debug)]
pub struct Iterator {
    link: OwnedFd,
}

impl Iterator {
    /// Joins a loaded program of the kind `iter/…` to what it goes through.
    ///
    /// # Errors
    /// What the kernel said; EINVAL where it has no such iterator.
    pub fn join(program: &impl AsFd, walk: Walk<'_>) -> io::Result<Self> {
        let info = match walk {
            Walk::Tasks => None,
            Walk::Cgroups(dir) => Some(CgroupInfo {
                order: BPF_CGROUP_ITER_DESCENDANTS_PRE,
                cgroup_fd: number_of(dir),
                cgroup_id: 0,
            }),
        };
        let mut ask = LinkCreate {
            prog_fd: number_of(program),
            attach_type: BPF_TRACE_ITER,
            ..LinkCreate::default()
        };
        if let Some(info) = &info {
            ask.iter_info = std::ptr::from_ref(info) as u64;
            ask.iter_info_len = size_of::<CgroupInfo>() as u32;
        }
        Ok(Self { link: bpf(BPF_LINK_CREATE, &mut ask)? })
    }

    /// Begins a pass: reading the file to its end runs the program on everything once.
    ///
    /// # Errors
    /// What the kernel said.
    pub fn pass(&self) -> io::Result<File> {
        let mut ask = IterCreate { link_fd: number_of(&self.link), flags: 0 };
        bpf(BPF_ITER_CREATE, &mut ask).map(File::from)
    }
}

fn number_of(file: &impl AsFd) -> u32 {
    file.as_fd().as_raw_fd().cast_unsigned()
}

/// One command that answers with a descriptor. `ask` is the part of `union bpf_attr` that it reads.
fn bpf<T>(command: libc::c_long, ask: &mut T) -> io::Result<OwnedFd> {
    let size = libc::c_long::try_from(size_of::<T>()).unwrap_or(0);
    let ask = std::ptr::from_mut(ask);
    // SAFETY: both commands only read `size` bytes at `ask`, which is a live, exclusive borrow of
    // that size; what its `iter_info` points to lives in the caller until this returns.
    let answer = unsafe { libc::syscall(libc::SYS_bpf, command, ask, size) };
    let number = RawFd::try_from(answer).ok().filter(|&number| number >= 0);
    let Some(number) = number else { return Err(io::Error::last_os_error()) };
    // SAFETY: the kernel has just made this descriptor for us, and nobody else knows it.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}
