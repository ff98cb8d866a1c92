//! The formats against their readers: `pcap-file` reads the packets, a line of CSV has its cells.

use super::*;
use pcap_file::pcapng::{Block, PcapNgReader};
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::topology::RingKind;
use shm_layout::types::{Nanos, Role};

const CONTROL: RingId = RingId { kind: RingKind::Control, writer: Role::Supervisor, index: 0, gateway: 0 };
const WIRE: RingId = RingId { kind: RingKind::Wire, writer: Role::FeedHandler, index: 0, gateway: 0 };

fn arm() -> [u64; 7] {
    Control { kind: ControlKind::Arm as u8, role: 3, index: 2, now_ns: Nanos(5), ..Control::default() }.encode()
}

#[test]
fn another_reader_finds_every_packet_where_it_belongs() {
    let words = arm();
    let stamp_ns = 1_763_700_000_123_456_789;
    let message = Event { ring: CONTROL, sequence: 9, stamp_ns, what: What::Message(&words) };
    let gap = Event { ring: WIRE, sequence: 4, stamp_ns: 0, what: What::Gap(3) };
    let mut bytes = pcapng::head(&[WIRE, CONTROL]);
    bytes.extend(pcapng::packet(1, &message));
    bytes.extend(pcapng::packet(0, &gap));
    let mut reader = PcapNgReader::new(bytes.as_slice()).unwrap();
    let mut packets = Vec::new();
    while let Some(block) = reader.next_block() {
        if let Block::EnhancedPacket(packet) = block.unwrap().into_owned() {
            packets.push((packet.interface_id, packet.timestamp.as_nanos(), packet.data.into_owned()));
        }
    }
    let names: Vec<_> = reader.interfaces().iter().map(|interface| interface.options.len()).collect();
    assert_eq!(names, [2, 2], "a name and a resolution");
    assert!(reader.interfaces().iter().all(|interface| u32::from(interface.linktype) == 147));
    assert_eq!((packets[0].0, packets[1].0), (1, 0));
    assert_eq!(packets[0].1, u128::from(stamp_ns), "a stamp's ticks are nanoseconds");
    let data = &packets[0].2;
    assert_eq!(data[..8], [1, 1, 0, 0, 0, 0, 1, 5], "version, record, ring: control is 5, its writer 1");
    assert_eq!(data[8..16], 9_u64.to_le_bytes());
    assert_eq!(data[24..], words.iter().flat_map(|word| word.to_le_bytes()).collect::<Vec<u8>>());
    assert_eq!((packets[1].2.len(), packets[1].2[1], packets[1].2[16]), (24, 3, 3));
}

#[test]
fn a_csv_line_has_the_headings_cells() {
    let columns = csv::columns(&[CONTROL]);
    let heading = csv::heading(&columns);
    assert!(heading.starts_with("ring,sequence,stamp_ns,kind,missed,role,index,epoch,"), "{heading}");
    let words = arm();
    let row =
        |sequence, stamp_ns, what| csv::row(&columns, &to_json(&Event { ring: CONTROL, sequence, stamp_ns, what }));
    let message = row(9, 5, What::Message(&words));
    assert_eq!(message.matches(',').count(), heading.matches(',').count());
    assert!(message.starts_with("control,9,5,arm,,strategy,2,0,"), "{message}");
    let lapped = row(9, 5, What::Lapped(7));
    assert!(lapped.starts_with("control,9,5,lapped,7,,"), "{lapped}");
    let unreadable = row(9, 0, What::Message(&[u64::MAX; 7]));
    assert!(unreadable.starts_with("control,9,,unreadable,,"), "{unreadable}");
    assert!(unreadable.contains("0xffffffffffffffff 0xffffffffffffffff"), "its words: {unreadable}");
}
