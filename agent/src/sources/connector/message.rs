//! The wire format of the process events connector. Pure; native byte order throughout.
//!
//! ```text
//! nlmsghdr    len u32, type u16, flags u16, seq u32, pid u32               linux/netlink.h
//!   cn_msg    idx u32, val u32, seq u32, ack u32, len u16, flags u16       linux/connector.h
//!     proc_event  what u32, cpu u32, timestamp_ns u64, then by `what`      linux/cn_proc.h
//!       fork  parent_pid, parent_tgid, child_pid, child_tgid
//!       exec  pid, tgid        comm  pid, tgid, comm [u8; 16]
//!       exit  pid, tgid, exit_code, exit_signal  (since 4.18 parent_pid, parent_tgid)
//!       none  errno: the answer to a request
//! ```
//!
//! Linux 6.6 added requests by kind of event and left the events as they were. An event may be
//! longer than what is known of it, and is read as far as its kind needs.

use super::ProcEvent;
use crate::sources::Malformed;

const NLMSG_HEADER: usize = 16;
const CN_HEADER: usize = 20;
const EVENT_HEADER: usize = 16;

/// Also the type of ordinary messages of a connector.
const NLMSG_DONE: u16 = 3;
const CN_IDX_PROC: u32 = 1;
const CN_VAL_PROC: u32 = 1;

const PROC_EVENT_NONE: u32 = 0;
const PROC_EVENT_FORK: u32 = 1;
pub(super) const PROC_EVENT_EXEC: u32 = 2;
const PROC_EVENT_COMM: u32 = 0x200;
const PROC_EVENT_EXIT: u32 = 0x8000_0000;

/// `enum proc_cn_mcast_op`.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operation {
    Listen = 1,
    Ignore = 2,
}

/// One message of a datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message {
    Event(ProcEvent),
    /// The kernel's answer to the request whose `ack` was one less; 0 is success.
    Answer {
        ack: u32,
        errno: u32,
    },
    /// An event of a thread, or of a kind that is not asked for.
    Other,
}

/// A request as every kernel understands it: for all kinds of events.
///
/// The request by kind of Linux 6.6 is not used: kernels before do not answer it, and kernels
/// since filter their answer away with the kinds that were not asked for.
pub(super) fn request(operation: Operation, mark: u32) -> [u8; 40] {
    let words: [u32; 10] = [
        40,
        two_halves(NLMSG_DONE, 0),
        0,
        0,
        CN_IDX_PROC,
        CN_VAL_PROC,
        0,
        mark,
        two_halves(4, 0),
        operation as u32,
    ];
    let mut bytes = [0; 40];
    for (slot, word) in bytes.chunks_exact_mut(4).zip(words) {
        slot.copy_from_slice(&word.to_ne_bytes());
    }
    bytes
}

/// The word whose first half in memory is `first`.
fn two_halves(first: u16, second: u16) -> u32 {
    let ([a, b], [c, d]) = (first.to_ne_bytes(), second.to_ne_bytes());
    u32::from_ne_bytes([a, b, c, d])
}

/// Parses the messages of one datagram, one after the other.
///
/// # Errors
/// [`Malformed`], where the line is the number of the message, for one that is too short for what
/// it says it is. A message that runs beyond the datagram is the last.
pub fn parse(datagram: &[u8]) -> impl Iterator<Item = Result<Message, Malformed>> {
    let mut rest = datagram;
    (1..).map_while(move |number| {
        if rest.is_empty() {
            return None;
        }
        let length = u32_at(rest, 0).and_then(|length| usize::try_from(length).ok());
        let Some(message) = length.and_then(|length| rest.get(NLMSG_HEADER..length)) else {
            let cut = Malformed::new(number, rest, "a whole netlink message");
            rest = &[];
            return Some(Err(cut));
        };
        let kind = u16_at(rest, 4);
        let next = (NLMSG_HEADER + message.len()).next_multiple_of(4);
        rest = rest.get(next..).unwrap_or_default();
        if kind != Some(NLMSG_DONE) {
            return Some(Ok(Message::Other));
        }
        let malformed = || Malformed::new(number, message, "a process event");
        Some(connector_message(message).ok_or_else(malformed))
    })
}

/// A `cn_msg` with what is in it; `None` if it is too short.
fn connector_message(message: &[u8]) -> Option<Message> {
    let ack = u32_at(message, 12)?;
    let length = usize::from(u16_at(message, 16)?);
    let event = message.get(CN_HEADER..)?.get(..length)?;
    if (u32_at(message, 0)?, u32_at(message, 4)?) != (CN_IDX_PROC, CN_VAL_PROC) {
        return Some(Message::Other);
    }
    let what = u32_at(event, 0)?;
    let field = |index: usize| u32_at(event, EVENT_HEADER + 4 * index);
    let leader = |pid: u32, tgid: u32, event| {
        if pid == tgid { Message::Event(event) } else { Message::Other }
    };
    Some(match what {
        PROC_EVENT_NONE => Message::Answer { ack, errno: field(0)? },
        PROC_EVENT_FORK => {
            let (parent, child) = (field(1)?, field(2)?);
            leader(child, field(3)?, ProcEvent::Fork { parent, child })
        }
        PROC_EVENT_EXEC => leader(field(0)?, field(1)?, ProcEvent::Exec { pid: field(1)? }),
        PROC_EVENT_COMM => leader(field(0)?, field(1)?, ProcEvent::Comm { pid: field(1)? }),
        PROC_EVENT_EXIT => {
            let (pid, exit_code, exit_signal) = (field(0)?, field(2)?, field(3)?);
            leader(pid, field(1)?, ProcEvent::Exit { pid, exit_code, exit_signal })
        }
        _ => Message::Other,
    })
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().copied().map(u32::from_ne_bytes)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().copied().map(u16::from_ne_bytes)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A netlink message with an event as the kernel makes it; `fields` is the union of it.
    pub(in crate::sources::connector) fn message(what: u32, ack: u32, fields: &[u32]) -> Vec<u8> {
        let event = 16 + 4 * fields.len();
        let length = u32::try_from(36 + event).unwrap();
        let data = u16::try_from(event).unwrap();
        let head = [length, two_halves(NLMSG_DONE, 0), 9, 0];
        let connector = [CN_IDX_PROC, CN_VAL_PROC, 9, ack, two_halves(data, 0)];
        let words = [&head[..], &connector, &[what, 1, 123, 456], fields].concat();
        words.iter().flat_map(|word| word.to_ne_bytes()).collect()
    }

    fn parsed(datagram: &[u8]) -> Vec<Option<Message>> {
        parse(datagram).map(Result::ok).collect()
    }

    #[track_caller]
    fn check(what: u32, fields: &[u32], expected: Message) {
        assert_eq!(parsed(&message(what, 0, fields)), [Some(expected)]);
    }

    #[test]
    fn events_of_processes_are_read_and_those_of_threads_passed_over() {
        let fork = ProcEvent::Fork { parent: 10, child: 20 };
        check(PROC_EVENT_FORK, &[11, 10, 20, 20, 0, 0], Message::Event(fork));
        check(PROC_EVENT_FORK, &[11, 10, 21, 10, 0, 0], Message::Other);
        check(PROC_EVENT_EXEC, &[20, 20, 0, 0, 0, 0], Message::Event(ProcEvent::Exec { pid: 20 }));
        check(PROC_EVENT_COMM, &[20, 20, 1, 2, 3, 4], Message::Event(ProcEvent::Comm { pid: 20 }));
        check(PROC_EVENT_COMM, &[21, 20, 1, 2, 3, 4], Message::Other);
        let exit = ProcEvent::Exit { pid: 20, exit_code: 9, exit_signal: 17 };
        check(PROC_EVENT_EXIT, &[20, 20, 9, 17, 10, 10], Message::Event(exit));
        check(PROC_EVENT_EXIT, &[21, 20, 9, 17, 10, 10], Message::Other);
        let uid = 4;
        check(uid, &[20, 20, 0, 0, 0, 0], Message::Other);
    }

    #[test]
    fn an_event_may_be_longer_or_as_short_as_its_kind() {
        let exit = Message::Event(ProcEvent::Exit { pid: 20, exit_code: 256, exit_signal: 17 });
        // Before 4.18 the exit had no parent; a kernel to come may append to any event.
        check(PROC_EVENT_EXIT, &[20, 20, 256, 17], exit);
        check(PROC_EVENT_EXIT, &[20, 20, 256, 17, 1, 1, 7, 7, 7], exit);
        assert_eq!(parsed(&message(PROC_EVENT_EXIT, 0, &[20, 20, 256])), [None]);
    }

    #[test]
    fn the_answer_carries_its_mark_and_errno() {
        let answer = Message::Answer { ack: 78, errno: 1 };
        assert_eq!(parsed(&message(PROC_EVENT_NONE, 78, &[1, 0])), [Some(answer)]);
    }

    #[test]
    fn several_messages_in_one_datagram_are_all_read() {
        let exec = |pid| message(PROC_EVENT_EXEC, 0, &[pid, pid]);
        let mut datagram = [exec(1), exec(2), exec(3)].concat();
        let event = |pid| Some(Message::Event(ProcEvent::Exec { pid }));
        assert_eq!(parsed(&datagram), [event(1), event(2), event(3)]);
        datagram.truncate(datagram.len() - 4);
        assert_eq!(parsed(&datagram), [event(1), event(2), None]);
    }

    #[test]
    fn a_message_that_lies_about_its_length_is_malformed_and_the_last() {
        for length in [0_u32, 15, 4096, u32::MAX] {
            let mut datagram = message(PROC_EVENT_EXEC, 0, &[1, 1]);
            datagram[..4].copy_from_slice(&length.to_ne_bytes());
            datagram.extend(message(PROC_EVENT_EXEC, 0, &[2, 2]));
            assert_eq!(parsed(&datagram), [None], "{length}");
        }
    }

    #[test]
    fn every_cut_of_a_message_is_malformed() {
        let whole = message(PROC_EVENT_FORK, 0, &[1, 1, 2, 2]);
        for length in 1..whole.len() {
            assert_eq!(parsed(&whole[..length]), [None], "{length}");
        }
    }

    #[test]
    fn messages_of_other_connectors_are_passed_over() {
        let mut datagram = message(PROC_EVENT_EXEC, 0, &[1, 1]);
        datagram[16] ^= 4;
        assert_eq!(parsed(&datagram), [Some(Message::Other)]);
    }

    #[test]
    fn a_request_has_the_form_of_the_kernel_headers() {
        let bytes = request(Operation::Listen, 0x0102_0304);
        assert_eq!(u32_at(&bytes, 0), Some(40));
        assert_eq!(u16_at(&bytes, 4), Some(NLMSG_DONE));
        assert_eq!((u32_at(&bytes, 16), u32_at(&bytes, 20)), (Some(1), Some(1)));
        assert_eq!((u32_at(&bytes, 28), u16_at(&bytes, 32)), (Some(0x0102_0304), Some(4)));
        assert_eq!(u32_at(&bytes, 36), Some(1));
        assert_eq!(u32_at(&request(Operation::Ignore, 0), 36), Some(2));
    }

    proptest! {
        #[test]
        fn arbitrary_bytes_never_panic_and_end(bytes: Vec<u8>) {
            prop_assert!(parse(&bytes).count() <= bytes.len());
        }

        #[test]
        fn arbitrary_bytes_in_a_message_never_panic(mut body: Vec<u8>) {
            let mut datagram = message(PROC_EVENT_EXEC, 0, &[1, 1])[..NLMSG_HEADER].to_vec();
            datagram.append(&mut body);
            let length = u32::try_from(datagram.len()).unwrap();
            datagram[..4].copy_from_slice(&length.to_ne_bytes());
            prop_assert_eq!(parse(&datagram).count(), 1);
        }
    }
}
