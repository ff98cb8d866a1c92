//! The header of a region and of its ring, word by word.

use super::{Fault, Slots};
use crate::failure::Failure;
use crate::regions::{self, Regions, RingRegion};
use shm_layout::layout::ring_layout_hash;
use shm_layout::region::{HEADER_BYTES, MAGIC, REGION_VERSION, RegionHeader, RegionKind};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::ring::{HEADER_WORDS, ring_words};
use shm_layout::topology::RingId;
use shm_layout::types::Role;
use std::path::Path;

/// Offset of the ring's own words.
pub const RING_WORDS: u64 = HEADER_BYTES as u64;

/// Checks the header of a region file that is to be a ring's.
///
/// # Errors
/// When the file cannot be mapped at all.
pub fn faults(file: &Path) -> Result<Vec<Fault>, Failure> {
    let words = regions::map(file)?;
    let mut faults = Vec::new();
    let mut fault = |offset: u64, what: String| faults.push(Fault { offset, slot: None, what });
    if words.len() * 8 < HEADER_BYTES {
        fault(0, format!("{} bytes are no region header of {HEADER_BYTES}", words.len() * 8));
        return Ok(faults);
    }
    let load = |offset: usize| words.load(offset / 8, Ordering::Acquire);
    if load(0) != u64::from_le_bytes(MAGIC) {
        fault(0, "the magic is not TICKWAY: no region, or half made".to_owned());
        return Ok(faults);
    }
    let identity = load(8).to_le_bytes();
    let [_, _, _, _, kind, role, index, reserved] = identity;
    let version = load(8) as u32;
    if version != REGION_VERSION {
        fault(8, format!("header version {version}, this build knows {REGION_VERSION}"));
    }
    if kind != RegionKind::Ring as u8 {
        fault(12, format!("kind {kind} is not a ring's"));
        return Ok(faults);
    }
    if Role::from_u8(role).is_none() {
        fault(13, format!("writer_role {role} is no role"));
    }
    if reserved != 0 {
        fault(15, format!("reserved byte {reserved}"));
    }
    geometry(&words, (role, index), &mut fault);
    for offset in (64..128).chain(144..HEADER_BYTES).step_by(8) {
        if load(offset) != 0 {
            fault(offset as u64, format!("reserved word 0x{:016x}", load(offset)));
        }
    }
    if faults.is_empty()
        && let Err(refused) = RegionHeader::read(&words)
    {
        faults.push(Fault { offset: 0, slot: None, what: regions::without_advice(&refused) });
    }
    Ok(faults)
}

/// Checks ring, layout, slots and length against each other.
fn geometry(words: &SharedWords, writer: (u8, u8), fault: &mut impl FnMut(u64, String)) {
    let load = |offset: usize| words.load(offset / 8, Ordering::Acquire);
    let Some(ring) = RingId::from_u32(load(24) as u32) else {
        return fault(24, format!("ring_id 0x{:08x} is no ring", load(24) as u32));
    };
    let own = ring_layout_hash(ring.kind);
    if load(16) != own {
        fault(16, format!("layout hash 0x{:016x}, this build's is 0x{own:016x}", load(16)));
    }
    if (ring.writer as u8, ring.index) != writer {
        fault(13, format!("the writer is not that of ring {}", ring.name()));
    }
    let slot_bytes = load(24) >> 32;
    if slot_bytes != ring.kind.slot_bytes() as u64 {
        fault(28, format!("slot_bytes {slot_bytes}, a slot of {} has {}", ring.name(), ring.kind.slot_bytes()));
    }
    let fits = |slots: &usize| *slots >= 2 && slots.is_power_of_two() && *slots <= words.len();
    let Some(slots) = usize::try_from(load(32)).ok().filter(fits) else {
        return fault(32, format!("slots {} is no power of two that fits", load(32)));
    };
    let needed = (HEADER_BYTES + ring_words(ring.kind.slot_bytes() / 8, slots) * 8) as u64;
    if load(40) != needed {
        fault(40, format!("length_bytes {}, {slots} slots need {needed}", load(40)));
    }
    // A file on huge pages may be longer than its region.
    if needed > (words.len() * 8) as u64 {
        fault(40, format!("the file has {} bytes, {slots} slots need {needed}: it was cut", words.len() * 8));
    }
}

/// Checks the words between the published hint and the first slot.
pub fn reserved_words(slots: &Slots, faults: &mut Vec<Fault>) {
    for index in (1..HEADER_WORDS).filter(|index| slots.header_word(*index) != 0) {
        let what = format!("reserved word 0x{:016x} of the ring's header", slots.header_word(index));
        faults.push(Fault { offset: RING_WORDS + index as u64 * 8, slot: None, what });
    }
}

/// Checks the writer's epoch: a ring that holds a message has had a writer, and its status tells the same epoch.
pub fn writer(ring: &RingRegion, regions: &Regions, faults: &mut Vec<Fault>) {
    let (epoch, pid) = (ring.header.writer_epoch(), ring.header.writer_pid());
    let mut fault = |what: String| faults.push(Fault { offset: 128, slot: None, what });
    if pid == 0 && ring.published() > 0 {
        fault("messages were published, and no writer announced itself".to_owned());
    }
    let status = regions.process(ring.id.writer, ring.id.index).map(|process| &process.status);
    // A writer between two lives has a pid of one and an epoch of the other.
    if let Some(status) = status.filter(|status| status.pid() == pid && pid != 0)
        && status.epoch() != epoch
    {
        fault(format!("writer epoch {epoch}, its status says {}", status.epoch()));
    }
}
