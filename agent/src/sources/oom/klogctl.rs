//! The one unsafe edge of this source: syslog(2), for which no safe wrapper is at hand.
//!
//! Header: `include/linux/syslog.h` (the action numbers); manual: syslog(2), klogctl(3). Only the
//! two actions that change nothing are here.

#![expect(unsafe_code, reason = "klogctl is a bare libc call")]

use std::io;

const SYSLOG_ACTION_READ_ALL: libc::c_int = 3;
const SYSLOG_ACTION_SIZE_BUFFER: libc::c_int = 10;

/// The size of the kernel's log buffer. Units: bytes.
///
/// # Errors
/// EPERM without CAP_SYSLOG where `kernel.dmesg_restrict` is 1; ENOSYS without CONFIG_PRINTK.
pub(super) fn size_buffer() -> io::Result<usize> {
    // SAFETY: this action ignores the buffer and its length; a null pointer of length 0 is allowed.
    let size = unsafe { libc::klogctl(SYSLOG_ACTION_SIZE_BUFFER, std::ptr::null_mut(), 0) };
    usize::try_from(size).map_err(|_| io::Error::last_os_error())
}

/// Copies the newest messages that fit into `buffer`, oldest first. Returns how many bytes.
///
/// # Errors
/// As [`size_buffer`].
pub(super) fn read_all(buffer: &mut [u8]) -> io::Result<usize> {
    let length = libc::c_int::try_from(buffer.len()).unwrap_or(libc::c_int::MAX);
    // SAFETY: the kernel writes at most `length` bytes, which `buffer` has and lends exclusively.
    let read = unsafe { libc::klogctl(SYSLOG_ACTION_READ_ALL, buffer.as_mut_ptr().cast(), length) };
    usize::try_from(read).map_err(|_| io::Error::last_os_error())
}
