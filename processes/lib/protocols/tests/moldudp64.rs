//! MoldUDP64 against vectors written by hand and a naive reader.
#![forbid(unsafe_code)]

mod support;

use proptest::prelude::*;
use protocols::moldudp64::{Header, PAYLOAD_MAX, Packet, PacketBuilder, Request, Session};
use protocols::{Alpha, Malformed, Unencodable};
use support::wire;

const SESSION: Session = Alpha(*b"20240809A ");

/// Reads a packet the slow way: `None` when anything about it is wrong.
fn naive(bytes: &[u8]) -> Option<Vec<(u64, Vec<u8>)>> {
    let number = |from: usize, width: usize| {
        bytes
            .get(from..from + width)
            .map(|field| field.iter().fold(0_u64, |value, byte| value * 256 + u64::from(*byte)))
    };
    let (sequence, count) = (number(10, 8)?, number(18, 2)?);
    let count = if count == 0xFFFF { 0 } else { count };
    let mut messages = Vec::new();
    let mut at = 20;
    for index in 0..count {
        let length = number(at, 2)? as usize;
        messages.push((sequence.checked_add(index)?, bytes.get(at + 2..at + 2 + length)?.to_vec()));
        at += 2 + length;
    }
    sequence.checked_add(count)?;
    (at == bytes.len()).then_some(messages)
}

fn messages(packet: &Packet<'_>) -> Vec<(u64, Vec<u8>)> {
    packet.messages().map(|(sequence, message)| (sequence, message.to_vec())).collect()
}

#[test]
fn a_packet_gives_its_messages_with_their_sequences() {
    let bytes = wire("'20240809A ' 0000000100000005 0003 0003 'abc' 0000 0001 'd'");
    let packet = Packet::new_checked(&bytes).unwrap();
    assert_eq!((packet.session(), packet.sequence(), packet.message_count()), (SESSION, 0x1_0000_0005, 3));
    assert_eq!(packet.next_sequence(), 0x1_0000_0008);
    assert!(!packet.is_heartbeat() && !packet.is_end_of_session());
    let expected: Vec<(u64, &[u8])> = vec![(0x1_0000_0005, b"abc"), (0x1_0000_0006, b""), (0x1_0000_0007, b"d")];
    assert_eq!(packet.messages().len(), 3);
    assert_eq!(packet.messages().collect::<Vec<_>>(), expected);

    let mut out = [0; PAYLOAD_MAX];
    let mut builder = PacketBuilder::new(&mut out, SESSION, 0x1_0000_0005).unwrap();
    assert!(builder.push(b"abc") && builder.push(b"") && builder.push(b"d"));
    assert_eq!((builder.count(), builder.length()), (3, bytes.len()));
    assert_eq!(builder.finish(), bytes);
}

#[test]
fn heartbeat_end_of_session_and_request_are_twenty_bytes() {
    let heartbeat = wire("'20240809A ' 0000000000000009 0000");
    let packet = Packet::new_checked(&heartbeat).unwrap();
    assert!(packet.is_heartbeat() && !packet.is_end_of_session());
    assert_eq!((packet.sequence(), packet.next_sequence(), packet.messages().count()), (9, 9, 0));
    let mut out = [0; 20];
    assert_eq!(PacketBuilder::new(&mut out, SESSION, 9).unwrap().finish(), heartbeat);

    let end = wire("'20240809A ' 0000000000000009 ffff");
    let packet = Packet::new_checked(&end).unwrap();
    assert!(packet.is_end_of_session() && !packet.is_heartbeat());
    assert_eq!((packet.next_sequence(), packet.message_count(), packet.messages().count()), (9, 0, 0));
    let mut out = [0; 20];
    assert_eq!(Header { session: SESSION, sequence: 9, count: 0xFFFF }.encode_into(&mut out), Ok(20));
    assert_eq!(out[..], end);

    let bytes = wire("'20240809A ' 0000000000000009 0064");
    let request = Request { session: SESSION, sequence: 9, count: 100 };
    assert_eq!(Request::new_checked(&bytes), Ok(request));
    assert_eq!(request.encode_into(&mut out), Ok(20));
    assert_eq!(out[..], bytes);
    assert_eq!(request.encode_into(&mut out[..19]), Err(Unencodable::NoRoom { needed: 20 }));
    assert!(Request::new_checked(&bytes[..19]).is_err());
    assert!(Request::new_checked(&[bytes, vec![0]].concat()).is_err());
}

#[test]
fn a_malformed_packet_is_refused_whole() {
    let bytes = wire("'20240809A ' 0000000000000005 0002 0003 'abc' 0001 'd'");
    for length in 0..bytes.len() {
        assert!(Packet::new_checked(&bytes[..length]).is_err(), "cut at {length}");
    }
    let trailing = [bytes.clone(), vec![0]].concat();
    let malformed = Malformed::Content { offset: bytes.len(), what: "bytes after the last message" };
    assert_eq!(Packet::new_checked(&trailing), Err(malformed));
    let mut lying = bytes.clone();
    lying[21] = 0xFF;
    let malformed = Malformed::Content { offset: 20, what: "the packet ends inside a message block" };
    assert_eq!(Packet::new_checked(&lying), Err(malformed));
    let end_with_messages = wire("'20240809A ' 0000000000000005 ffff 0001 'd'");
    assert!(Packet::new_checked(&end_with_messages).is_err());
    let last = wire("'20240809A ' fffffffffffffffe 0001 0000");
    assert_eq!(Packet::new_checked(&last).unwrap().next_sequence(), u64::MAX);
    let beyond = wire("'20240809A ' ffffffffffffffff 0001 0000");
    assert!(Packet::new_checked(&beyond).is_err());
}

#[test]
fn a_builder_stops_at_its_limit_and_keeps_what_it_has() {
    let mut out = [0xEE; 40];
    let mut builder = PacketBuilder::new(&mut out, SESSION, 1).unwrap();
    assert!(builder.push(&[1; 10]));
    assert!(!builder.push(&[2; 7]));
    assert!(builder.push(&[3; 6]));
    assert!(!builder.push(&[]));
    let packet = builder.finish();
    assert_eq!(packet.len(), 40);
    assert_eq!(messages(&Packet::new_checked(packet).unwrap()), [(1, vec![1; 10]), (2, vec![3; 6])]);
    assert!(PacketBuilder::new(&mut [0; 19], SESSION, 1).is_err());
}

#[test]
fn a_builder_never_counts_to_the_end_of_session() {
    let mut out = vec![0; 20 + 2 * 0x1_0000];
    let mut builder = PacketBuilder::new(&mut out, SESSION, 1).unwrap();
    let pushed = (0..0x1_0000).take_while(|_| builder.push(&[])).count();
    assert_eq!(pushed, 0xFFFE);
    assert_eq!(Packet::new_checked(builder.finish()).unwrap().message_count(), 0xFFFE);
}

proptest! {
    #[test]
    fn the_reader_agrees_with_the_naive_one(
        sequence in prop_oneof![any::<u64>(), Just(u64::MAX), Just(u64::MAX - 2)],
        count in prop_oneof![0_u16..6, Just(0xFFFF_u16), any::<u16>()],
        lengths in proptest::collection::vec(0_u16..6, 0..6),
        tail in proptest::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut bytes = SESSION.0.to_vec();
        bytes.extend_from_slice(&sequence.to_be_bytes());
        bytes.extend_from_slice(&count.to_be_bytes());
        for length in &lengths {
            bytes.extend_from_slice(&length.to_be_bytes());
            bytes.extend(std::iter::repeat_n(0xAB, usize::from(*length)));
        }
        bytes.extend_from_slice(&tail);
        prop_assert_eq!(Packet::new_checked(&bytes).ok().map(|packet| messages(&packet)), naive(&bytes));
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(prop_oneof![Just(0_u8), any::<u8>()], 0..64)) {
        prop_assert_eq!(Packet::new_checked(&bytes).ok().map(|packet| messages(&packet)), naive(&bytes));
        let _ = Request::new_checked(&bytes);
    }

    #[test]
    fn what_is_built_is_read(
        sequence in 0..u64::MAX / 2,
        given in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..60),
    ) {
        let mut out = [0; PAYLOAD_MAX];
        let mut builder = PacketBuilder::new(&mut out, SESSION, sequence).unwrap();
        let taken = given.iter().take_while(|message| builder.push(message)).count();
        let packet = Packet::new_checked(builder.finish()).unwrap();
        let expected: Vec<_> = (sequence..).zip(given[..taken].iter().cloned()).collect();
        prop_assert_eq!(messages(&packet), expected);
    }
}
