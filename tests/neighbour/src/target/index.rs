//! The index of a capture file, of any bytes: a search gives what the capture holds and nothing else, whatever the index
//! says, and all of it where the index is the recorder's own or is not taken.

use crate::bytes::Bytes;
use recorder::capture::format::{BLOCK_HEADER_BYTES, BlockHeader, FILE_HEADER_BYTES, FileHeader};
use recorder::capture::index::{ENTRY_BYTES, EXTENSION, Entry, Group, IndexBuilder, IndexHeader, groups};
use recorder::capture::query::{Found, FoundWhat, IndexedFile, Selection, open, repair, search};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::Role;
use std::ops::ControlFlow;
use std::path::Path;
use zerocopy::{FromBytes, IntoBytes};

/// Rings of the capture: narrow and wide ones.
const RINGS: [RingId; 3] = [
    RingId { kind: RingKind::MarketData, writer: Role::FeedHandler, index: 0, gateway: 0 },
    RingId { kind: RingKind::Step, writer: Role::Risk, index: 0, gateway: 0 },
    RingId { kind: RingKind::Wire, writer: Role::ExecutionGateway, index: 0, gateway: 0 },
];
/// Most blocks of the capture.
const BLOCKS_MAX: u8 = 12;

/// What was found, by value.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Item {
    ring: RingId,
    sequence: u64,
    stamp_ns: u64,
    /// Words of a message; length of a gap; nothing for an end.
    what: (u8, Vec<u64>),
}

impl Item {
    fn of(found: &Found<'_>) -> Self {
        let what = match found.what {
            FoundWhat::Message(words) => (0, words.to_vec()),
            FoundWhat::Gap(missed) => (1, vec![missed]),
            FoundWhat::End => (2, Vec::new()),
        };
        Self { ring: found.ring, sequence: found.sequence, stamp_ns: found.stamp_ns, what }
    }

    /// The stamp apart: where a message carries none, it is what the index says of the message before.
    fn is_said(&self, truth: &[Self]) -> bool {
        truth.iter().any(|item| (item.ring, item.sequence, &item.what) == (self.ring, self.sequence, &self.what))
    }
}

/// A capture as a recorder leaves it: each ring's sequences follow each other. With its index, a group per so many blocks.
fn honest(input: &mut Bytes<'_>) -> (FileHeader, Vec<u8>, Vec<Group>) {
    let header = FileHeader::new(1, 7, 1, 2);
    let (mut file, mut builder, mut all) = (header.as_bytes().to_vec(), IndexBuilder::new(1), Vec::new());
    let mut next = [1_u64, 100, 1 << 40];
    let per_group = 1 + input.u8() % 4;
    for turn in 1..=input.u8() % (BLOCKS_MAX + 1) {
        let choice = usize::from(input.u8());
        let (ring, next) = (RINGS[choice % 3], &mut next[choice % 3]);
        let mut payload = Vec::new();
        let header = match choice / 3 % 6 {
            0 => BlockHeader::gap(ring, *next, 1 + u64::from(input.u8())),
            1 => BlockHeader::end(ring, *next),
            _ => {
                let (bytes, count) = (ring.kind.slot_bytes() - 8, 1 + usize::from(input.u8() % 3));
                payload = input.take(bytes * count).to_vec();
                payload.resize(bytes * count, 0);
                BlockHeader::messages(ring, *next, bytes as u16, count as u32, &payload)
            }
        };
        *next += header.missed() + u64::from(header.count());
        let (kind, ring) = header.about().expect("a block of a ring");
        builder.add(&header, kind, ring, &payload);
        file.extend(header.as_bytes());
        file.extend(payload);
        if turn % per_group == 0 {
            all.extend(builder.group());
            builder.close(&mut Vec::new());
        }
    }
    all.extend(builder.group());
    (header, file, all)
}

/// Bytes of an index that the input chooses: none, the recorder's own with bytes changed, any, or lies under good sums.
fn hostile(input: &mut Bytes<'_>, header: &FileHeader, own: &[Group]) -> Vec<u8> {
    let mut bytes = IndexHeader::of(header).as_bytes().to_vec();
    match input.u8() % 4 {
        0 => bytes.clear(),
        1 => {
            own.iter().for_each(|group| group.append_to(&mut bytes));
            while !input.is_empty() {
                let place = usize::from(input.u16()) % bytes.len();
                bytes[place] ^= input.u8();
            }
        }
        2 => bytes.extend(input.rest()),
        _ => {
            let mut start = FILE_HEADER_BYTES as u64;
            while !input.is_empty() {
                let end = start.saturating_add(u64::from(input.u16()) % (4 * BLOCK_HEADER_BYTES as u64));
                let end = if input.u8().is_multiple_of(8) { input.edge() } else { end };
                let entry = |_| {
                    let mut entry = [0; ENTRY_BYTES];
                    let taken = input.take(ENTRY_BYTES);
                    entry[..taken.len()].copy_from_slice(taken);
                    Entry::read_from_bytes(&entry).expect("an entry is so many bytes")
                };
                let group = Group { start, end, entries: (0..2).map(entry).collect() };
                group.append_to(&mut bytes);
                start = end;
            }
        }
    }
    bytes
}

fn found(file: &IndexedFile, selection: &Selection) -> Option<Vec<Item>> {
    let mut items = Vec::new();
    let cost = search(std::slice::from_ref(file), selection, |found| {
        items.push(Item::of(found));
        ControlFlow::Continue(())
    });
    cost.ok().map(|cost| {
        assert!(cost.bytes_read <= cost.bytes, "no stretch is read twice");
        items
    })
}

/// The index of any bytes beside an honest capture.
pub fn reader(input: &[u8]) {
    let mut input = Bytes::new(input);
    let ring = RINGS[usize::from(input.u8()) % 3];
    let (first, times) = (input.edge(), input.edge());
    let (header, capture, own) = honest(&mut input);
    let bytes = hostile(&mut input, &header, &own);
    let held = groups(&bytes, &header, capture.len() as u64);
    let mut start = FILE_HEADER_BYTES as u64;
    for group in &held {
        assert!(
            group.start == start && group.end > start && group.end <= capture.len() as u64,
            "in order, in the file"
        );
        start = group.end;
    }
    let folder = tempfile::tempdir_in("/dev/shm").expect("a folder in shared memory");
    let path = folder.path().join("1.capture");
    std::fs::write(&path, &capture).expect("shared memory takes it");
    let bare = open(&path, true).expect("an honest capture needs no index");
    let truth = found(&bare, &Selection::default()).expect("it holds");
    std::fs::write(path.with_extension(EXTENSION), &bytes).expect("shared memory takes it");
    let selections = [
        Selection::default(),
        Selection { rings: vec![ring], sequences: first..=first.saturating_add(300), ..Selection::default() },
        Selection { times: times..=times.saturating_add(1 << 40), ..Selection::default() },
    ];
    // A lie under a good sum can hide what is there or break a search off; it can put nothing in.
    let is_own = own.starts_with(&held);
    check(&path, is_own, &truth, &selections);
    if repair(&path).is_ok() {
        check(&path, is_own, &truth, &selections);
    }
}

fn check(path: &Path, is_own: bool, truth: &[Item], selections: &[Selection]) {
    let file = match open(path, true) {
        Ok(file) => file,
        Err(error) => return assert!(!is_own, "an index that is not taken spoils no capture: {error}"),
    };
    for selection in selections {
        let Some(items) = found(&file, selection) else {
            assert!(!is_own, "{selection:?} breaks off");
            continue;
        };
        assert!(items.iter().all(|item| item.is_said(truth)), "{selection:?} gives what the capture does not hold");
        if is_own {
            let covers = |item: &&Item| {
                let last = if item.what.0 == 1 { item.sequence + (item.what.1[0] - 1) } else { item.sequence };
                (selection.rings.is_empty() || selection.rings.contains(&item.ring))
                    && item.sequence <= *selection.sequences.end()
                    && last >= *selection.sequences.start()
                    && selection.times.contains(&item.stamp_ns)
            };
            let wanted: Vec<_> = truth.iter().filter(covers).cloned().collect();
            assert_eq!(items, wanted, "{selection:?}");
        }
    }
}
