//! The sequenced feed as datagrams: packets, the re-request server, and faults on request.

use exchange_sim::dice::Dice;
use exchange_sim::fault::{FaultRates, Faults, Malformation, malformed};
use exchange_sim::mold::{DATAGRAM_MAX, MoldStore, Packetiser};
use proptest::prelude::*;
use protocols::Alpha;
use protocols::itch::{Message, OrderDeleteRepr, SystemEventRepr};
use protocols::moldudp64::{Packet, Request};

const SESSION: Alpha<10> = Alpha(*b"FEED000001");

fn delete(reference: u64) -> Vec<u8> {
    let mut bytes = vec![0; OrderDeleteRepr::LENGTH];
    let repr = OrderDeleteRepr {
        stock_locate: 1,
        tracking_number: 0,
        timestamp_ns: reference,
        order_reference_number: reference,
    };
    repr.encode_into(&mut bytes).unwrap();
    bytes
}

fn store(count: u64) -> MoldStore {
    let mut store = MoldStore::new(SESSION);
    (1..=count).for_each(|reference| store.push(&delete(reference)));
    store
}

/// Every datagram of the store, flushed.
fn datagrams(store: &MoldStore) -> Vec<Vec<u8>> {
    let (mut packetiser, mut buffer) = (Packetiser::new(), [0; DATAGRAM_MAX]);
    std::iter::from_fn(|| packetiser.next(0, store, true, &mut buffer).map(<[u8]>::to_vec)).collect()
}

#[test]
fn packets_hold_every_message_once_and_in_order() {
    let store = store(500);
    let mut expected = 1;
    for datagram in datagrams(&store) {
        assert!(datagram.len() <= 1_400);
        for (sequence, message) in Packet::new_checked(&datagram).unwrap().messages() {
            assert_eq!((sequence, message), (expected, &delete(expected)[..]));
            expected += 1;
        }
    }
    assert_eq!(expected, 501);
}

#[test]
fn a_message_waits_for_company_but_not_for_a_millisecond() {
    let (mut packetiser, mut buffer) = (Packetiser::new(), [0; DATAGRAM_MAX]);
    let mut store = store(1);
    assert!(packetiser.next(10_000_000, &store, false, &mut buffer).is_none());
    store.push(&delete(2));
    assert!(packetiser.next(10_400_000, &store, false, &mut buffer).is_none());
    let datagram = packetiser.next(10_500_000, &store, false, &mut buffer).unwrap();
    assert_eq!(Packet::new_checked(datagram).unwrap().message_count(), 2);
}

#[test]
fn heartbeats_carry_the_next_sequence_once_a_second_and_the_end_is_repeated() {
    let (mut packetiser, mut buffer) = (Packetiser::new(), [0; DATAGRAM_MAX]);
    let store = store(3);
    let second = 1_000_000_000;
    assert!(packetiser.bare(second, &store, false).is_none(), "not before what is unsent");
    packetiser.next(second, &store, true, &mut buffer).unwrap();
    assert!(packetiser.bare(second + 999_999_999, &store, false).is_none());
    let beat = packetiser.bare(2 * second, &store, false).unwrap();
    let packet = Packet::new_checked(&beat).unwrap();
    assert!(packet.is_heartbeat() && packet.sequence() == 4);
    let ends = (0..1_000).filter_map(|ms| packetiser.bare(2 * second + ms * 1_000_000, &store, true));
    let ends: Vec<_> = ends.collect();
    assert_eq!(ends.len(), 4);
    assert!(ends.iter().all(|end| Packet::new_checked(end).unwrap().is_end_of_session()));
}

#[test]
fn the_whole_session_can_be_requested_again() {
    let store = store(300);
    let mut buffer = [0; DATAGRAM_MAX];
    let mut next = 1;
    while next <= 300 {
        let request = Request { session: SESSION, sequence: next, count: 1_000 };
        let mut bytes = [0; 20];
        request.encode_into(&mut bytes).unwrap();
        let answer = store.answer(&bytes, &mut buffer).unwrap();
        for (sequence, message) in Packet::new_checked(answer).unwrap().messages() {
            assert_eq!((sequence, message), (next, &delete(next)[..]));
            next += 1;
        }
    }
    let silent = |session: &[u8; 10], sequence, count| {
        let mut bytes = [0; 20];
        Request { session: Alpha(*session), sequence, count }.encode_into(&mut bytes).unwrap();
        store.answer(&bytes, &mut [0; DATAGRAM_MAX]).is_none()
    };
    assert!(silent(b"FEED000002", 1, 1) && silent(b"FEED000001", 301, 1) && silent(b"FEED000001", 0, 1));
    assert!(silent(b"FEED000001", 1, 0) && silent(b"FEED000001", u64::MAX, 9));
    assert!(store.answer(b"short", &mut [0; DATAGRAM_MAX]).is_none());
}

#[test]
fn faults_are_seeded_counted_and_leave_the_rest_alone() {
    let store = store(40_000);
    let good = datagrams(&store);
    let rates: FaultRates = "malformed=0.05,drop=0.1,dup=0.2".parse().unwrap();
    let run = || {
        let (mut faults, mut sent) = (Faults::new(rates, 9), Vec::new());
        for datagram in &good {
            faults.pass(datagram, &mut |bytes| sent.push(bytes.to_vec()));
        }
        (sent, faults.counts())
    };
    let (sent, counts) = run();
    assert_eq!((&sent, counts), (&run().0, run().1));
    assert_eq!(counts.made, good.len() as u64);
    assert_eq!(counts.sent, sent.len() as u64);
    assert_eq!(counts.sent, counts.made - counts.dropped + counts.duplicated);
    let is_good = |bytes: &&Vec<u8>| good.contains(bytes);
    assert_eq!(sent.iter().filter(is_good).count() as u64, counts.sent - counts.malformed);
    let near = |count: u64, percent: u64| (count * 100).abs_diff(counts.made * percent) < counts.made * 4;
    assert!(near(counts.malformed, 5) && near(counts.dropped, 10) && near(counts.duplicated, 20), "{counts:?}");
}

#[test]
fn fault_texts_are_read_exactly_or_refused() {
    let rates: FaultRates = "malformed=0.01,drop=0.5".parse().unwrap();
    assert_eq!(rates, FaultRates { malformed: 10_000_000, drop: 500_000_000, dup: 0 });
    for text in [
        "drop",
        "drop=1e-2",
        "dup=0.000000001",
        "loss=0.1",
        "drop=-0.1",
        "drop=1.1",
        "drop=0.6,dup=0.6",
        "drop=0.1,drop=0.1",
    ] {
        assert!(text.parse::<FaultRates>().is_err(), "{text}");
    }
}

/// What any receiver sees that checks structure: framing first, then each message against its type's table.
fn is_detectable(bytes: &[u8]) -> bool {
    Packet::new_checked(bytes)
        .map_or(true, |packet| packet.messages().any(|(_, message)| Message::parse(message).is_err()))
}

proptest! {
    #[test]
    fn every_malformed_datagram_is_detectable(count in 1..30_u64, system in any::<bool>(), seed in any::<u64>()) {
        let mut store = MoldStore::new(SESSION);
        if system {
            let mut bytes = [0; SystemEventRepr::LENGTH];
            SystemEventRepr { stock_locate: 0, tracking_number: 0, timestamp_ns: 1, event_code: b'O' }.encode_into(&mut bytes).unwrap();
            store.push(&bytes);
        }
        (1..=count).for_each(|reference| store.push(&delete(reference)));
        let mut buffer = [0; DATAGRAM_MAX];
        let (datagram, _) = store.packet(1, u64::MAX, &mut buffer);
        prop_assert!(!is_detectable(datagram));
        let kinds = [Malformation::TruncatedBlock, Malformation::LengthBeyondPacket, Malformation::ShortHeader, Malformation::ShortMessage];
        for kind in kinds {
            let bytes = malformed(datagram, kind, &mut Dice::new(seed, 0));
            prop_assert!(is_detectable(&bytes), "{:?}", kind);
        }
    }
}
