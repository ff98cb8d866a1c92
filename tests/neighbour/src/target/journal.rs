//! The journal, damaged: what it reads is what was written, up to where it says that it ends.

use crate::bytes::Bytes;
use journal::memory::{self, BOOT_STAMP as BOOT, MemoryStore};
use journal::segment::{PAGE_BYTES, SegmentHeader};
use journal::tail::{self, TailSnapshot};
use journal::{
    End, Flusher, FlusherConfig, Journal, Record, Resume, TailWriter, Through, frame, rebuild, recovery, verify,
};
use orders::OrdersState;
use orders::snapshot::{Capacity, HEADER_BYTES, MAGIC, Snapshot, VERSION};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::types::{Nanos, fnv1a64};

const SEGMENT_BYTES: u64 = 4 * PAGE_BYTES as u64;
const CONFIG: FlusherConfig = memory::config(SEGMENT_BYTES, 4096);

fn new_tail() -> SharedWords {
    memory::new_tail(tail::CAPACITY_BYTES_MIN)
}

fn flusher(words: &SharedWords) -> Flusher<MemoryStore> {
    Flusher::new(words.clone(), MemoryStore::default(), CONFIG, &Resume::default()).expect("a new tail and no files")
}

/// A record of any type with any payload of the right length.
fn record(input: &mut Bytes<'_>) -> Option<Record> {
    let record_type = u16::from(input.u8());
    // The right length is found by trying: payloads are whole words.
    let mut payload = [0; frame::PAYLOAD_BYTES_MAX];
    let count = usize::from(input.u8());
    payload[..count].fill(0);
    let taken = input.take(count);
    payload[..taken.len()].copy_from_slice(taken);
    let lengths = (8..=frame::PAYLOAD_BYTES_MAX).step_by(4);
    let decoded = lengths.filter_map(|length| Record::decode(record_type, frame::VERSION, &payload[..length]).ok());
    decoded.into_iter().find(|record| !matches!(record, Record::Reserved(_)))
}

/// Appends what the input says, flushing now and then; the payloads in order.
fn written(input: &mut Bytes<'_>, words: &SharedWords) -> (MemoryStore, Vec<Vec<u8>>) {
    let mut writer = TailWriter::attach(words.clone(), BOOT, 1, 0).expect("a new tail");
    let (mut flusher, mut payloads) = (flusher(words), Vec::new());
    for turn in 0..input.u8() % 24 {
        if let Some(record) = record(input)
            && writer.append(&record).is_ok()
        {
            payloads.push(record.payload().to_vec());
        }
        if turn % 3 == 2 {
            flusher.poll(Nanos(u64::from(turn))).expect("a store in memory");
        }
    }
    (flusher.into_store(), payloads)
}

/// Reads a journal in every way that there is; the payloads read.
fn read(segments: &[(u32, &[u8])], tail: Option<&TailSnapshot>) -> Vec<Vec<u8>> {
    let journal = Journal::new(segments, tail);
    let mut entries = journal.entries();
    let mut found = Vec::new();
    let mut last = None;
    for entry in entries.by_ref() {
        assert!(last.is_none_or(|last: u64| last.checked_add(1) == Some(entry.header.sequence)), "sequences follow");
        last = Some(entry.header.sequence);
        let _ = entry.record();
        found.push(entry.payload.to_vec());
    }
    match entries.end().expect("the end was reached") {
        End::Complete { last_sequence } => assert!(last.is_none_or(|last| last == last_sequence)),
        End::Torn { .. } | End::Corrupt { .. } => {}
    }
    let _ = verify::verify(segments);
    if let Ok(plan) = recovery::plan(segments, tail) {
        let lengths = |id: u32| segments.iter().find(|(file_id, _)| *file_id == id).map_or(0, |(_, bytes)| bytes.len());
        if let Some(erase) = &plan.erase {
            assert!(erase.bytes.end <= lengths(erase.file_id) as u64, "only what is there is erased");
        }
    }
    let mut state = OrdersState::with_capacity(8, 2, 2);
    let _ = rebuild(&journal, &mut state, Through::End);
    found
}

/// Segments as they were written, then with the bytes that the input says flipped, then the input itself as a segment.
pub fn reader(input: &[u8]) {
    let mut input = Bytes::new(input);
    let words = new_tail();
    let (store, payloads) = written(&mut input, &words);
    let snapshot = TailSnapshot::take(&words).expect("an honest tail");
    assert_eq!(read(&store.segments(), Some(&snapshot)), payloads, "everything that was appended is read");

    let mut files: Vec<(u32, Vec<u8>)> = store.segments().iter().map(|(id, bytes)| (*id, bytes.to_vec())).collect();
    for _ in 0..input.u8() % 8 {
        let (file, offset, flip) = (usize::from(input.u8()), usize::from(input.u16()), input.u8());
        if files.is_empty() {
            break;
        }
        let count = files.len();
        let bytes = &mut files[file % count].1;
        let length = bytes.len();
        match flip {
            0 => bytes.truncate(offset % (length + 1)),
            flip if length > 0 => bytes[offset % length] ^= flip,
            _ => {}
        }
    }
    let segments: Vec<(u32, &[u8])> = files.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
    let found = read(&segments, None);
    // The checksum sees every small damage: what is read is a beginning of what was written.
    assert!(found.len() <= payloads.len() && found.iter().zip(&payloads).all(|(found, payload)| found == payload));

    let rest = input.rest();
    read(&[(1, rest)], Some(&snapshot));
    let mut sealed =
        SegmentHeader { file_id: 1, first_sequence: 1, boot_stamp: BOOT, ..SegmentHeader::default() }.encode().to_vec();
    sealed.extend(frames(rest));
    sealed.resize(sealed.len().next_multiple_of(PAGE_BYTES) + PAGE_BYTES, 0);
    read(&[(1, &sealed)], None);
}

/// Frames with good checksums and any header.
fn frames(input: &[u8]) -> Vec<u8> {
    let (mut input, mut out) = (Bytes::new(input), Vec::new());
    while !input.is_empty() && out.len() < 2 * PAGE_BYTES {
        let header = frame::Header {
            record_type: u16::from(input.u8()),
            version: frame::VERSION + u16::from(input.u8() / 250),
            sequence: input.edge(),
            epoch: 1,
            file_id: u32::from(input.u8() % 3),
        };
        let count = usize::from(input.u8());
        let payload = input.take(count);
        let start = out.len();
        out.resize(start + frame::record_bytes(payload.len()), 0);
        frame::encode(&header, payload, &mut out[start..]);
    }
    out
}

/// A tail whose header and bytes a neighbour stored: taken up, written to, flushed and copied, or refused.
pub fn tail(input: &[u8]) {
    let mut input = Bytes::new(input);
    let words = new_tail();
    let (_, payloads) = written(&mut input, &words);
    let honest = TailSnapshot::take(&words).expect("an honest tail");
    assert!(honest.frames().all(|frame| frame.is_ok()));
    assert!(honest.frames().count() <= payloads.len());

    let count = usize::from(input.u8());
    let bytes = frames(input.take(count));
    for (index, chunk) in bytes.chunks_exact(8).take(words.len() - 64).enumerate() {
        words.store(64 + index, u64::from_le_bytes(chunk.try_into().expect("eight bytes")), Ordering::Relaxed);
    }
    let mut writer = TailWriter::attach(words.clone(), BOOT, 2, 0).ok();
    let mut flusher = flusher_over(&words);
    while !input.is_empty() {
        let place = match input.u8() % 12 {
            // Every word of the header that is in use, then anywhere.
            0 => 1,
            1..=3 => 16 + usize::from(input.u8() % 3),
            4..=7 => 32 + usize::from(input.u8() % 5),
            _ => usize::from(input.u16()) % words.len(),
        };
        let value = if input.u8().is_multiple_of(2) { input.edge() } else { input.edge() & !63 };
        words.store(place, value, Ordering::Relaxed);
        if let Ok(snapshot) = TailSnapshot::take(&words) {
            assert!(snapshot.bytes.len() <= tail::CAPACITY_BYTES_MIN);
            let _ = snapshot.frames().count();
            read(&[], Some(&snapshot));
        }
        if let Some(writer) = &mut writer {
            let _ = (writer.ready(), writer.free_bytes(), writer.state(), writer.durable_sequence());
            if let Some(record) = record(&mut input) {
                let _ = writer.append(&record);
            }
        } else {
            writer = TailWriter::attach(words.clone(), BOOT, 2, 0).ok();
        }
        if let Some(flusher) = &mut flusher {
            let _ = flusher.poll(Nanos(1));
        } else {
            flusher = flusher_over(&words);
        }
    }
}

fn flusher_over(words: &SharedWords) -> Option<Flusher<MemoryStore>> {
    let snapshot = TailSnapshot::take(words).ok()?;
    let plan = recovery::plan(&[], Some(&snapshot)).ok()?;
    Flusher::new(words.clone(), MemoryStore::default(), CONFIG, &plan.resume).ok()
}

/// A snapshot file: refused, or the same bytes again.
pub fn snapshot(input: &[u8]) {
    let capacity = Capacity { orders: 4, instruments: 2, strategies: 2 };
    let _ = Snapshot::decode(input, &capacity);
    // With a good magic, version, length and checksum: what lies under them.
    let mut sealed = input.to_vec();
    if sealed.len() < HEADER_BYTES {
        return;
    }
    sealed[..8].copy_from_slice(&MAGIC);
    sealed[8..12].copy_from_slice(&VERSION.to_le_bytes());
    let length = sealed.len() as u64;
    sealed[32..40].copy_from_slice(&length.to_le_bytes());
    sealed[40..48].fill(0);
    let checksum = fnv1a64(&sealed);
    sealed[40..48].copy_from_slice(&checksum.to_le_bytes());
    if let Ok(snapshot) = Snapshot::decode(&sealed, &capacity) {
        let again = snapshot.encode();
        assert_eq!(Snapshot::decode(&again, &capacity).map(|same| same.encode()), Ok(again));
    }
}
