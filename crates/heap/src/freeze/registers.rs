//! What a stopped thread holds in its registers.
//!
//! Source: ptrace(2), `PTRACE_GETREGSET` with `NT_PRSTATUS` and `NT_PRFPREG`.

use nix::Result;
use nix::errno::Errno;
use nix::sys::ptrace;
use nix::unistd::Pid;

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Registers {
    pub stack_pointer: u64,
    /// Where the thread's own storage lies, in machines that keep it in a register read here.
    pub thread_pointer: Option<u64>,
    /// All that may hold an address, the vector registers as words.
    pub words: Vec<u64>,
    /// The thread runs code of a narrower machine.
    pub narrow: bool,
}

/// # Errors
/// `ESRCH` as long as the thread is not stopped, or when it is gone.
#[cfg(target_arch = "x86_64")]
pub fn read(thread: Pid) -> Result<Registers> {
    /// The code segment of 32-bit programs (`__USER32_CS`).
    const USER32_CS: u64 = 0x23;
    let kept = ptrace::getregs(thread)?;
    let mut words = vec![
        kept.rax, kept.rbx, kept.rcx, kept.rdx, kept.rsi, kept.rdi, kept.rbp, kept.rsp, kept.r8,
        kept.r9, kept.r10, kept.r11, kept.r12, kept.r13, kept.r14, kept.r15,
    ];
    words.extend(vector_words(thread));
    Ok(Registers {
        stack_pointer: kept.rsp,
        thread_pointer: Some(kept.fs_base),
        words,
        narrow: kept.cs == USER32_CS,
    })
}

/// # Errors
/// `ESRCH` as long as the thread is not stopped, or when it is gone.
#[cfg(target_arch = "aarch64")]
pub fn read(thread: Pid) -> Result<Registers> {
    let kept = ptrace::getregs(thread)?;
    let mut words = kept.regs.to_vec();
    words.push(kept.sp);
    Ok(Registers { stack_pointer: kept.sp, thread_pointer: None, words, narrow: false })
}

/// # Errors
/// Always: which registers hold addresses is not known for this machine.
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
pub fn read(_thread: Pid) -> Result<Registers> {
    Err(Errno::ENOSYS)
}

/// Compilers move pairs of pointers through vector registers.
#[cfg(all(target_arch = "x86_64", target_env = "gnu"))]
fn vector_words(thread: Pid) -> Vec<u64> {
    let Ok(kept) = ptrace::getregset::<ptrace::regset::NT_PRFPREG>(thread) else {
        return Vec::new();
    };
    let halves = kept.xmm_space.chunks_exact(2);
    halves.map(|pair| u64::from(pair[0]) | u64::from(pair[1]) << 32).collect()
}

#[cfg(all(target_arch = "x86_64", not(target_env = "gnu")))]
fn vector_words(_thread: Pid) -> Vec<u64> {
    Vec::new()
}

/// Not stopped yet, or gone.
pub fn is_not_stopped(error: Errno) -> bool {
    error == Errno::ESRCH
}
