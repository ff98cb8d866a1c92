//! When a message was, that has no stamp of its own: of a ring, whose messages before and after it are still at hand.
//!
//! As in a capture (`recorder::capture::stamp`), a stamp is carried on from the last message that has one; what precedes the
//! first stamped message takes that one's.

use crate::regions::{BATCH, Batch, Read, RingRegion};
use recorder::capture::stamp::{self, Carried};
use shm_layout::ring::Start;

/// Stamp of the first message at or after a sequence that has one; `None` when the ring holds none.
#[must_use]
pub fn at_or_after(ring: &RingRegion, sequence: u64) -> Option<u64> {
    let end = ring.published();
    // What is overwritten need not be looked for: the oldest held is then the nearest there is.
    let first = sequence.max(end.saturating_sub(ring.slots as u64) + 1);
    let mut tap = ring.attach(Start::After(first.checked_sub(1)?)).ok()?;
    let mut batch = Batch::default();
    while tap.next_sequence() <= end {
        match tap.read(&mut batch) {
            Read::Messages(_) => {
                let own = |(_, words): (u64, &[u64])| Some(stamp::own(ring.id.kind, words)).filter(|stamp| *stamp != 0);
                if let Some(stamp) = batch.messages().find_map(own) {
                    return Some(stamp);
                }
            }
            Read::Lapped(..) => {}
            Read::Damaged(..) | Read::Nothing => tap.seek(tap.next_sequence()),
        }
    }
    None
}

/// Stamp of the last message before a sequence that has one; `None` when the ring holds none.
#[must_use]
pub fn before(ring: &RingRegion, sequence: u64) -> Option<u64> {
    let mut batch = Batch::default();
    let oldest = sequence.saturating_sub(ring.slots as u64).max(1);
    let mut end = sequence;
    while end > oldest {
        let first = end.saturating_sub(BATCH as u64).max(oldest);
        let mut tap = ring.attach(Start::After(first - 1)).ok()?;
        let mut last = None;
        while tap.next_sequence() < end {
            match tap.read(&mut batch) {
                Read::Messages(_) => {
                    let until = batch.messages().take_while(|(sequence, _)| *sequence < end);
                    let own = until.map(|(_, words)| stamp::own(ring.id.kind, words)).filter(|stamp| *stamp != 0);
                    last = own.last().or(last);
                }
                Read::Lapped(..) => {}
                Read::Damaged(..) | Read::Nothing => tap.seek(tap.next_sequence()),
            }
        }
        if last.is_some() {
            return last;
        }
        end = first;
    }
    None
}

/// What is carried into the message of a sequence: the stamp before it, else the first one after; 0 = the ring has none.
#[must_use]
pub fn carried(ring: &RingRegion, sequence: u64) -> Carried {
    Carried::new(before(ring, sequence).or_else(|| at_or_after(ring, sequence)).unwrap_or(0))
}
