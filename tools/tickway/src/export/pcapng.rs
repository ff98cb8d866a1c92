//! pcapng: one interface per ring, one packet per message, nanosecond stamps, link type USER0 (147).
//!
//! A packet begins with 24 bytes that say where the message lay; its payload follows as the ring carried it. Integers are
//! little-endian:
//!
//! ```text
//! 0     version   u8   1
//! 1     record    u8   1 message, 2 lapped, 3 gap, 4 end of the capture, 5 damaged
//! 2     reserved  u16
//! 4     ring      u32  RingId
//! 8     sequence  u64
//! 16    missed    u64  messages missing from `sequence` on (lapped, gap, damaged), else 0
//! 24    payload   56 or 120 bytes (message), else none
//! ```
//!
//! It never writes a message's real network bytes: those are in the `wire` rings' payloads.

use super::{Event, What};
use shm_layout::topology::RingId;

/// Link type: first of the private ones.
pub const LINKTYPE_USER0: u16 = 147;
/// Version of the packet's first bytes.
pub const VERSION: u8 = 1;
/// Bytes before the payload.
pub const PACKET_HEADER_BYTES: usize = 24;

const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;
const OPTION_NAME: u16 = 2;
const OPTION_TSRESOL: u16 = 9;
const OPTION_USER_APPLICATION: u16 = 4;

/// The section header and an interface for each ring.
#[must_use]
pub fn head(rings: &[RingId]) -> Vec<u8> {
    let mut body = Vec::new();
    body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
    body.extend(1_u16.to_le_bytes());
    body.extend(0_u16.to_le_bytes());
    // Length of the section: not told.
    body.extend(u64::MAX.to_le_bytes());
    option(&mut body, OPTION_USER_APPLICATION, b"tickway");
    end_of_options(&mut body);
    let mut bytes = block(SECTION_HEADER, &body);
    for ring in rings {
        let mut body = Vec::new();
        body.extend(LINKTYPE_USER0.to_le_bytes());
        body.extend(0_u16.to_le_bytes());
        // No limit on a packet's length.
        body.extend(0_u32.to_le_bytes());
        option(&mut body, OPTION_NAME, ring.name().as_bytes());
        option(&mut body, OPTION_TSRESOL, &[9]);
        end_of_options(&mut body);
        bytes.extend(block(INTERFACE_DESCRIPTION, &body));
    }
    bytes
}

/// The packet of an event.
#[must_use]
pub fn packet(interface: u32, event: &Event<'_>) -> Vec<u8> {
    let (record, missed, words): (u8, u64, &[u64]) = match event.what {
        What::Message(words) => (1, 0, words),
        What::Lapped(missed) => (2, missed, &[]),
        What::Gap(missed) => (3, missed, &[]),
        What::End => (4, 0, &[]),
        What::Damaged(missed) => (5, missed, &[]),
    };
    let mut data = vec![VERSION, record, 0, 0];
    data.extend(event.ring.to_u32().to_le_bytes());
    data.extend(event.sequence.to_le_bytes());
    data.extend(missed.to_le_bytes());
    data.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    let mut body = Vec::with_capacity(data.len() + 24);
    body.extend(interface.to_le_bytes());
    body.extend(((event.stamp_ns >> 32) as u32).to_le_bytes());
    body.extend((event.stamp_ns as u32).to_le_bytes());
    body.extend((data.len() as u32).to_le_bytes());
    body.extend((data.len() as u32).to_le_bytes());
    body.extend(&data);
    pad(&mut body);
    block(ENHANCED_PACKET, &body)
}

fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let length = (body.len() as u32 + 12).to_le_bytes();
    [&kind.to_le_bytes()[..], &length, body, &length].concat()
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}
