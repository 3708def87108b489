//! Where in a function a trap is cheap: at its first instruction that the kernel can emulate.
//!
//! Any other instruction the kernel steps over one at a time, which costs some twenty times as
//! much (16 to 25 µs against 0.7). Pure. x86-64; knows the handful of instructions with which a
//! function begins and stops at any other. Up to the place found neither the stack pointer nor an
//! argument is changed, nor is there a way past it, so that a trap there is as good as one at the
//! entry.
//!
//! Source: arch/x86/kernel/uprobes.c, `branch_setup_xol_ops` and `push_setup_xol_ops`; Intel's
//! manual, volume 2.

/// Instructions that are looked at.
const INSTRUCTIONS_MAX: usize = 8;
const RSP: u8 = 4;
/// What holds a frame pointer or an argument that is read: dx, sp, bp, si, di.
const KEPT: [u8; 5] = [2, RSP, 5, 6, 7];

/// Offset of the first instruction that can be emulated; 0 where none is known to be.
pub fn cheap_offset(code: &[u8]) -> usize {
    let mut at = 0;
    for _ in 0..INSTRUCTIONS_MAX {
        let Some(rest) = code.get(at..) else { return 0 };
        if is_emulated(rest) {
            return at;
        }
        match harmless_length(rest) {
            Some(length) => at += length,
            None => return 0,
        }
    }
    0
}

/// Whether a trap at the entry itself is cheap.
pub fn is_cheap(code: &[u8]) -> bool {
    is_emulated(code)
}

/// A push, a jump, a call, or a one-byte nop.
fn is_emulated(code: &[u8]) -> bool {
    matches!(
        code,
        [0x50..=0x57 | 0x70..=0x7f | 0x90 | 0xe8 | 0xe9 | 0xeb, ..]
            | [0x41, 0x50..=0x57, ..]
            | [0x0f, 0x80..=0x8f, ..]
    )
}

/// The length of an instruction that leaves stack pointer and arguments alone; None for any other.
fn harmless_length(code: &[u8]) -> Option<usize> {
    const ENDBR64: &[u8] = &[0xf3, 0x0f, 0x1e, 0xfa];
    if code.starts_with(ENDBR64) {
        return Some(ENDBR64.len());
    }
    let first = *code.first()?;
    let rex = (0x40..=0x4f).contains(&first).then_some(first);
    let at = usize::from(rex.is_some());
    let opcode = *code.get(at)?;
    let bit = |mask: u8| rex.is_some_and(|rex| rex & mask != 0);
    if let 0xb8..=0xbf = opcode {
        let immediate = if bit(0x08) { 8 } else { 4 };
        return is_free(opcode & 7, bit(0x01)).then_some(at + 1 + immediate);
    }
    let operands = code.get(at + 1..)?;
    let (mode, register, other) = fields(*operands.first()?);
    let immediate = match (opcode, register) {
        // Comparisons.
        (0x38..=0x3b | 0x84 | 0x85, _) => 0,
        (0x80 | 0x83, 7) | (0xf6, 0) => 1,
        (0x81, 7) | (0xf7, 0) => 4,
        // Moves, exclusive or: what they change must be of no use to us.
        (0x89 | 0x31, _) if mode != 3 || is_free(other, bit(0x01)) => 0,
        (0x8b | 0x8d | 0x33, _) if is_free(register, bit(0x04)) => 0,
        _ => return None,
    };
    Some(at + 1 + operands_length(operands)? + immediate)
}

fn is_free(register: u8, is_extended: bool) -> bool {
    is_extended || !KEPT.contains(&register)
}

const fn fields(modrm: u8) -> (u8, u8, u8) {
    (modrm >> 6, modrm >> 3 & 7, modrm & 7)
}

/// Of the ModRM byte and what belongs to it.
fn operands_length(operands: &[u8]) -> Option<usize> {
    let (mode, _, other) = fields(*operands.first()?);
    let has_sib = mode != 3 && other == RSP;
    let base = if has_sib { *operands.get(1)? & 7 } else { other };
    let displacement = match mode {
        0 if base == 5 => 4,
        1 => 1,
        2 => 4,
        _ => 0,
    };
    Some(1 + usize::from(has_sib) + displacement)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn whatever_the_code_the_trap_is_within_it_and_at_the_entry_or_at_what_is_emulated(
            code in prop::collection::vec(any::<u8>(), 0..48),
        ) {
            let at = cheap_offset(&code);
            prop_assert!(at == 0 || is_emulated(&code[at..]));
        }
    }

    #[test]
    fn a_trap_goes_to_the_first_push_or_jump_before_which_nothing_of_use_changes() {
        // Debian 12: test %rdi,%rdi; je; push %rbp.
        let free = [0x48, 0x85, 0xff, 0x0f, 0x84, 0xbf, 0, 0, 0, 0x55];
        assert_eq!(cheap_offset(&free), 3);
        // push %r12.
        assert_eq!(cheap_offset(&[0x41, 0x54, 0x55]), 0);
        // endbr64; push %rbp.
        assert_eq!(cheap_offset(&[0xf3, 0x0f, 0x1e, 0xfa, 0x55]), 4);
        // cmpb $0,0x140201(%rip); push %r12.
        assert_eq!(cheap_offset(&[0x80, 0x3d, 1, 2, 0x14, 0, 0, 0x41, 0x54]), 7);
        // mov 0x139ed6(%rip),%rax; mov (%rax),%rax; test %rax,%rax; jne.
        let older = [0x48, 0x8b, 5, 1, 2, 3, 0, 0x48, 0x8b, 0, 0x48, 0x85, 0xc0, 0x0f, 0x85];
        assert_eq!(cheap_offset(&older), 13);
    }

    #[test]
    fn before_a_change_of_the_stack_or_of_an_argument_the_search_ends() {
        // sub $0x18,%rsp; push.
        assert_eq!(cheap_offset(&[0x48, 0x83, 0xec, 0x18, 0x55]), 0);
        // mov %rsi,%rdi; push.
        assert_eq!(cheap_offset(&[0x48, 0x89, 0xf7, 0x55]), 0);
        // mov %rsp,%rbp; push.
        assert_eq!(cheap_offset(&[0x48, 0x89, 0xe5, 0x55]), 0);
        // mov %rdi,%r8 changes nothing of use.
        assert_eq!(cheap_offset(&[0x49, 0x89, 0xf8, 0x55]), 3);
        for cut in [&[][..], &[0x48], &[0x48, 0x89], &[0x80, 0x3d, 1]] {
            assert_eq!(cheap_offset(cut), 0, "{cut:?}");
        }
    }
}
