//! What survives what: kills, power losses, failing disks, and every flipped byte.
#![forbid(unsafe_code)]

use journal::memory::{self, BOOT_STAMP as BOOT, Faults, MemoryStore};
use journal::record::{CheckpointRecord, NotSent, Record, VenueMessage};
use journal::recovery::{self, Action, Halted};
use journal::segment::PAGE_BYTES;
use journal::tail::{self, TailSnapshot, TailState};
use journal::verify::verify;
use journal::{AppendError, End, Flusher, FlusherConfig, Journal, Place, Resume, SegmentStore, StoreError, TailWriter};
use proptest::prelude::*;
use shm_layout::message::order::{NewOrderSingle, OrderCancelRequest, OrderHeader, OrderKind, OrderRequest};
use shm_layout::ring::sync::SharedWords;
use shm_layout::types::{ClOrdId, Nanos, OrdType, Side, TimeInForce};

const SEGMENT: u64 = 4 * PAGE_BYTES as u64;
const CONFIG: FlusherConfig = memory::config(SEGMENT, 1024);

fn new_tail() -> SharedWords {
    memory::new_tail(tail::CAPACITY_BYTES_MIN)
}

fn writer(words: &SharedWords) -> TailWriter {
    TailWriter::attach(words.clone(), BOOT, 4, 0).unwrap()
}

fn flusher(words: &SharedWords) -> Flusher<MemoryStore> {
    Flusher::new(words.clone(), MemoryStore::default(), CONFIG, &Resume::default()).unwrap()
}

/// The `n`th record: its kind and length vary.
fn record(n: u64) -> Record {
    match n % 3 {
        0 => Record::Checkpoint(CheckpointRecord { state_hash: n, now_ns: Nanos(n) }),
        1 => Record::NotSent(NotSent { cl_ord_id: ClOrdId(n), user_ref_num: 1, reason: 0, now_ns: Nanos(n) }),
        _ => Record::VenueMessage(VenueMessage::new(n, Nanos(n), &[n as u8; 100])),
    }
}

fn append(writer: &mut TailWriter, count: u64) {
    for _ in 0..count {
        let n = writer.next_sequence();
        assert_eq!(writer.append(&record(n)), Ok(n));
    }
}

fn drain(flusher: &mut Flusher<MemoryStore>, through: u64) {
    for n in 0.. {
        flusher.poll(Nanos(n)).unwrap();
        if flusher.durable_sequence() >= through {
            return;
        }
        assert!(n < 1000, "the flusher does not move");
    }
}

/// Reads everything; asserts that the records are 1, 2, 3 … as written.
fn read(segments: &[(u32, &[u8])], tail: Option<&TailSnapshot>) -> (u64, End) {
    let mut entries = Journal::new(segments, tail).entries();
    let mut last = 0;
    for entry in entries.by_ref() {
        last += 1;
        assert_eq!(entry.header.sequence, last);
        assert_eq!(entry.record(), Ok(record(last)));
    }
    (last, entries.end().unwrap())
}

#[test]
fn records_travel_through_tail_and_segments_once_each() {
    let words = new_tail();
    let (mut writer, mut flusher) = (writer(&words), flusher(&words));
    for n in 1..=300 {
        append(&mut writer, 1);
        if n % 7 == 0 {
            flusher.poll(Nanos(n)).unwrap();
        }
        let snapshot = TailSnapshot::take(&words).unwrap();
        let (last, end) = read(&flusher.store().segments(), Some(&snapshot));
        assert_eq!((last, end), (n, End::Complete { last_sequence: n }));
    }
    drain(&mut flusher, 300);
    assert!(flusher.store().segments().len() > 3, "the journal rolled");
    assert_eq!(writer.durable_sequence(), 300);
    // Without the tail the files have everything, and each is verified.
    let (last, end) = read(&flusher.store().segments(), None);
    assert_eq!((last, end), (300, End::Complete { last_sequence: 300 }));
    let report = verify(&flusher.store().segments());
    assert_eq!((report.findings, report.records, report.last_sequence), (vec![], 300, 300));
}

#[test]
fn a_kill_anywhere_between_tail_and_file_loses_and_doubles_nothing() {
    for (appended, polls) in [(5, 0), (5, 1), (40, 1), (40, 3), (90, 7), (90, 40)] {
        let words = new_tail();
        let (mut first, mut flusher) = (writer(&words), flusher(&words));
        append(&mut first, appended.min(60));
        for n in 0..polls {
            flusher.poll(Nanos(n)).unwrap();
        }
        append(&mut first, appended - appended.min(60));
        // SIGKILL: memory and page cache stay.
        let mut store = flusher.into_store();
        let snapshot = TailSnapshot::take(&words).unwrap();
        assert_eq!(read(&store.segments(), Some(&snapshot)).0, appended);
        let plan = recovery::plan(&store.segments(), Some(&snapshot)).unwrap();
        recovery::repair(&plan, &mut store).unwrap();
        let mut writer = TailWriter::attach(words.clone(), BOOT, 5, plan.resume.last_sequence).unwrap();
        assert_eq!(writer.last_sequence(), appended);
        let mut flusher = Flusher::new(words.clone(), store, CONFIG, &plan.resume).unwrap();
        append(&mut writer, 10);
        drain(&mut flusher, appended + 10);
        assert_eq!(
            read(&flusher.store().segments(), None),
            (appended + 10, End::Complete { last_sequence: appended + 10 })
        );
        assert_eq!(verify(&flusher.store().segments()).findings, vec![]);
    }
}

#[test]
fn a_flusher_killed_between_sync_and_release_writes_nothing_twice() {
    let words = new_tail();
    let (mut writer, mut flusher) = (writer(&words), flusher(&words));
    append(&mut writer, 6);
    let before = TailSnapshot::take(&words).unwrap();
    drain(&mut flusher, 6);
    // The same tail as it was before the release: an image of the memory taken then.
    let image = new_tail();
    let mut again = TailWriter::attach(image.clone(), BOOT, 4, 0).unwrap();
    append(&mut again, 6);
    assert_eq!(TailSnapshot::take(&image).unwrap(), before);
    let store = flusher.into_store();
    let plan = recovery::plan(&store.segments(), Some(&before)).unwrap();
    let mut flusher = Flusher::new(image, store, CONFIG, &plan.resume).unwrap();
    append(&mut again, 2);
    drain(&mut flusher, 8);
    assert_eq!(read(&flusher.store().segments(), None).0, 8);
}

/// Records 1–`synced` durable and stated, then `more` written and not synced.
fn power_loss(synced: u64, more: u64) -> (MemoryStore, MemoryStore) {
    let words = new_tail();
    let (mut writer, mut flusher) = (writer(&words), flusher(&words));
    append(&mut writer, synced);
    drain(&mut flusher, synced);
    flusher.poll(Nanos(1)).unwrap();
    let durable = flusher.store().clone();
    append(&mut writer, more);
    flusher.poll(Nanos(2)).unwrap();
    (durable, flusher.into_store())
}

#[test]
fn a_torn_tail_is_cut_exactly_at_every_byte() {
    let (durable, written) = power_loss(9, 5);
    let (before, after) = (durable.segments()[0].1.to_vec(), written.segments()[0].1.to_vec());
    let first = (0..before.len()).find(|at| before[*at] != after[*at]).unwrap();
    let last = (0..before.len()).rfind(|at| before[*at] != after[*at]).unwrap();
    assert!(last - first > 500, "a batch of several records");
    let mut kept = Vec::new();
    for cut in first..=last + 1 {
        let mut bytes = before.clone();
        bytes[..cut].copy_from_slice(&after[..cut]);
        let segments = [(1, bytes.as_slice())];
        let plan = recovery::plan(&segments, None).unwrap_or_else(|halted| panic!("cut at {cut}: {halted}"));
        assert!((9..=14).contains(&plan.resume.last_sequence));
        kept.push(plan.resume.last_sequence);
        // After the repair the journal is whole, and what it kept is what it read.
        if let Some(erase) = &plan.erase {
            assert_eq!(erase.action, Action::CutTorn);
            bytes[erase.bytes.start as usize..erase.bytes.end as usize].fill(0);
        }
        let segments = [(1, bytes.as_slice())];
        assert_eq!(read(&segments, None).0, plan.resume.last_sequence);
        assert_eq!(verify(&segments).findings, vec![]);
    }
    assert!(kept.is_sorted());
    assert_eq!((kept[0], kept[kept.len() - 1]), (9, 14));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn reordered_writeback_is_never_taken_as_contiguous(synced in 1..30_u64, more in 1..7_u64, mask in any::<u64>()) {
        // Sectors of the last batch that reached the disk, in any combination.
        let (durable, written) = power_loss(synced, more);
        let mut images = Vec::new();
        for ((file_id, before), (_, after)) in durable.segments().into_iter().zip(written.segments()) {
            let mut bytes = before.to_vec();
            let dirty: Vec<usize> = (0..bytes.len() / 512).filter(|s| before[s * 512..][..512] != after[s * 512..][..512]).collect();
            for (index, sector) in dirty.into_iter().enumerate() {
                if mask >> (index % 64) & 1 == 1 {
                    bytes[sector * 512..][..512].copy_from_slice(&after[sector * 512..][..512]);
                }
            }
            images.push((file_id, bytes));
        }
        let segments: Vec<(u32, &[u8])> = images.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
        let plan = recovery::plan(&segments, None).unwrap();
        prop_assert!(plan.resume.last_sequence >= synced);
        let (erase, last_sequence) = (plan.erase, plan.resume.last_sequence);
        if let Some(erase) = erase {
            let image = images.iter_mut().find(|(id, _)| *id == erase.file_id).unwrap();
            image.1[erase.bytes.start as usize..erase.bytes.end as usize].fill(0);
        }
        let segments: Vec<(u32, &[u8])> = images.iter().map(|(id, bytes)| (*id, bytes.as_slice())).collect();
        prop_assert_eq!(read(&segments, None), (last_sequence, End::Complete { last_sequence }));
        prop_assert_eq!(verify(&segments).findings, vec![]);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Power is lost at any step, in a roll too, with any of the unsynced sectors on the disk; again and again, each time
    /// under a new boot. Nothing durable is ever lost and the journal is always whole after the repair.
    #[test]
    fn any_number_of_power_losses_keep_what_was_durable(
        lives in proptest::collection::vec((1..40_u64, 0..60_u64, any::<u64>(), any::<bool>()), 1..6)
    ) {
        let mut store = MemoryStore::default();
        let mut durable = 0;
        for (life, (appends, polls, mask, in_a_write)) in lives.into_iter().enumerate() {
            let plan = recovery::plan(&store.segments(), None).unwrap();
            recovery::repair(&plan, &mut store).unwrap();
            prop_assert!(plan.resume.last_sequence >= durable);
            let (last_sequence, segments) = (plan.resume.last_sequence, store.segments());
            prop_assert_eq!(read(&segments, None), (last_sequence, End::Complete { last_sequence }));
            prop_assert_eq!(verify(&segments).findings, vec![]);
            let boot_stamp = BOOT + life as u64;
            let words = SharedWords::heap(tail::region_words(tail::CAPACITY_BYTES_MIN));
            tail::initialise(&words, boot_stamp);
            let mut writer = TailWriter::attach(words.clone(), boot_stamp, life as u32, last_sequence).unwrap();
            let config = FlusherConfig { boot_stamp, ..CONFIG };
            let mut flusher = Flusher::new(words, store, config, &plan.resume).unwrap();
            append(&mut writer, appends);
            for n in 0..polls {
                flusher.poll(Nanos(n)).unwrap();
            }
            durable = writer.durable_sequence();
            if in_a_write {
                flusher.store_mut().faults = Faults { sync_error: Some(5), ..Faults::default() };
                let _ = flusher.poll(Nanos(0));
            }
            store = flusher.into_store();
            store.faults = Faults::default();
            store.crash(|file_id, sector| mask >> ((sector + 7 * file_id as usize) % 64) & 1 == 1);
        }
    }
}

#[test]
fn a_live_journal_is_read_while_it_is_written() {
    let words = new_tail();
    let (mut writer, mut flusher) = (writer(&words), flusher(&words));
    let reader_words = words.read_only();
    let (send, receive) = std::sync::mpsc::channel::<(u64, TailSnapshot)>();
    let reader = std::thread::spawn(move || {
        let mut last = 0;
        while last < 400 {
            let snapshot = TailSnapshot::take(&reader_words).unwrap();
            let sequences: Vec<u64> = snapshot.frames().map(|frame| frame.unwrap().header.sequence).collect();
            assert!(sequences.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{sequences:?}");
            let seen = sequences.last().copied().unwrap_or(snapshot.durable_sequence);
            if seen > last {
                last = seen;
                send.send((last, snapshot)).unwrap();
            }
        }
    });
    let mut n = 0;
    while n < 400 || !reader.is_finished() {
        let appended = n < 400 && writer.append(&record(writer.next_sequence())).is_ok();
        n += u64::from(appended);
        if !appended || n % 5 == 0 {
            flusher.poll(Nanos(n)).unwrap();
        }
        std::thread::yield_now();
    }
    reader.join().unwrap();
    // Files read after a tail was taken hold all that it lacks.
    let segments = flusher.store().segments();
    for (seen, snapshot) in receive {
        assert!(read(&segments, Some(&snapshot)).0 >= seen);
    }
}

#[test]
fn every_flipped_byte_of_every_file_is_found_where_it_is() {
    let words = new_tail();
    let (mut writer, mut flusher) = (writer(&words), flusher(&words));
    for _ in 0..7 {
        append(&mut writer, 10);
        flusher.poll(Nanos(1)).unwrap();
        flusher.poll(Nanos(1)).unwrap();
    }
    drain(&mut flusher, 70);
    let files: Vec<(u32, Vec<u8>)> = flusher.store().segments().into_iter().map(|(id, b)| (id, b.to_vec())).collect();
    assert_eq!(files.len(), 2, "one sealed segment and one being written");
    for damaged in 0..files.len() {
        let mut bytes = files[damaged].1.clone();
        for at in 0..bytes.len() {
            bytes[at] ^= 1 << (at % 8);
            let segments: Vec<(u32, &[u8])> = files
                .iter()
                .enumerate()
                .map(|(index, (id, whole))| (*id, if index == damaged { bytes.as_slice() } else { whole.as_slice() }))
                .collect();
            let findings = verify(&segments).findings;
            let found = findings.iter().any(|f| {
                let same_page = f.offset as usize / PAGE_BYTES == at / PAGE_BYTES;
                let near = f.offset as usize <= at && at < f.offset as usize + 1024;
                f.file_id == files[damaged].0
                    && (near || (same_page && at % PAGE_BYTES >= f.offset as usize % PAGE_BYTES))
            });
            assert!(found, "segment {} byte {at}: {findings:?}", files[damaged].0);
            bytes[at] ^= 1 << (at % 8);
        }
    }
}

#[test]
fn rot_below_the_cursor_halts_and_is_never_cut() {
    let (durable, _) = power_loss(20, 1);
    let whole = durable.segments()[0].1.to_vec();
    // Up to the last sync block every record was stated to be durable.
    let end = (0..whole.len() - PAGE_BYTES).rfind(|at| whole[*at] != 0).unwrap();
    let stated = end / 64 * 64;
    for at in (PAGE_BYTES..stated).step_by(13) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        let halted = recovery::plan(&[(1, bytes.as_slice())], None).unwrap_err();
        assert!(matches!(halted, Halted::Case { file_id: 1, .. }), "byte {at}: {halted}");
    }
}

#[test]
fn a_surviving_tail_proves_what_was_durable() {
    let words = new_tail();
    let (mut writer, mut flusher) = (writer(&words), flusher(&words));
    append(&mut writer, 5);
    drain(&mut flusher, 5);
    let snapshot = TailSnapshot::take(&words).unwrap();
    let mut bytes = flusher.store().segments()[0].1.to_vec();
    let last = (0..bytes.len()).rfind(|at| bytes[*at] != 0).unwrap();
    // Damage the last batch, which no sync block states yet.
    bytes[last - 100] ^= 1;
    assert!(recovery::plan(&[(1, bytes.as_slice())], None).is_ok(), "without the tail it looks torn");
    assert!(matches!(recovery::plan(&[(1, bytes.as_slice())], Some(&snapshot)), Err(Halted::Case { .. })));
}

fn intent(kind: OrderKind) -> Record {
    let header =
        OrderHeader { side: Side::Buy as u8, cl_ord_id: ClOrdId(1), kind: kind as u8, ..OrderHeader::default() };
    let request = match kind {
        OrderKind::OrderCancelRequest => {
            OrderRequest::OrderCancelRequest(OrderCancelRequest { header, ..OrderCancelRequest::default() })
        }
        _ => {
            let (ord_type, time_in_force) = (OrdType::Limit as u8, TimeInForce::Day as u8);
            let header = OrderHeader { ord_type, time_in_force, ..header };
            OrderRequest::NewOrderSingle(NewOrderSingle { header, ..NewOrderSingle::default() })
        }
    };
    Record::intent(&request, 1, 0, Nanos(1))
}

#[test]
fn a_failed_sync_is_final_and_evidence_still_goes_to_the_tail() {
    let words = new_tail();
    let (mut writer, mut flusher) = (writer(&words), flusher(&words));
    append(&mut writer, 3);
    drain(&mut flusher, 3);
    flusher.store_mut().faults = Faults { sync_error: Some(5), ..Faults::default() };
    append(&mut writer, 1);
    let failed = flusher.poll(Nanos(1)).unwrap_err();
    assert_eq!(failed, journal::flusher::FlushError::Store(StoreError::Io(5)));
    // The store would now say yes: it is not asked.
    assert_eq!(flusher.poll(Nanos(2)), Err(failed));
    assert_eq!((writer.state(), writer.durable_sequence()), (TailState::Failed, 3));
    assert_eq!(writer.append(&intent(OrderKind::NewOrderSingle)), Err(AppendError::JournalUnavailable));
    assert_eq!(writer.append(&intent(OrderKind::OrderCancelRequest)), Ok(5));
    let mut taken = 5;
    while writer.append(&record(2)).is_ok() {
        taken += 1;
    }
    assert_eq!(writer.append(&record(2)), Err(AppendError::TailFull));
    assert!(taken > 50, "the tail took evidence until it was full");
    // A restart does not take it up by itself.
    let resume = Resume::default();
    assert!(Flusher::new(words.clone(), flusher.into_store(), CONFIG, &resume).is_err());
}

#[test]
fn no_space_halts_what_opens_risk_until_there_is_some() {
    let words = new_tail();
    let (mut writer, mut flusher) = (writer(&words), flusher(&words));
    flusher.store_mut().faults = Faults { create_no_space: true, ..Faults::default() };
    append(&mut writer, 2);
    assert_eq!(flusher.poll(Nanos(1)), Ok(0));
    assert_eq!(writer.append(&intent(OrderKind::NewOrderSingle)), Err(AppendError::JournalUnavailable));
    append(&mut writer, 1);
    flusher.store_mut().faults = Faults { write_no_space: true, ..Faults::default() };
    assert_eq!(flusher.poll(Nanos(2)), Ok(0));
    flusher.store_mut().faults = Faults { short_write: Some(7), ..Faults::default() };
    drain(&mut flusher, 3);
    assert_eq!(writer.append(&intent(OrderKind::NewOrderSingle)), Ok(4));
    assert_eq!(verify(&flusher.store().segments()).findings, vec![]);
}

/// A store that counts how often the next segment was asked for, and whose syncs find no space when they are told so.
#[derive(Default)]
struct Asked {
    files: MemoryStore,
    asked: usize,
    /// For each segment, by the time that it was created.
    asked_by: Vec<usize>,
    sync_no_space: bool,
}

impl SegmentStore for Asked {
    fn create(&mut self, file_id: u32, bytes: u64) -> Result<(), StoreError> {
        self.asked_by.push(std::mem::take(&mut self.asked));
        self.files.create(file_id, bytes)
    }

    fn prepare(&mut self, bytes: u64) {
        assert_eq!(bytes, SEGMENT);
        self.asked += 1;
    }

    fn write_at(&mut self, file_id: u32, offset: u64, bytes: &[u8]) -> Result<usize, StoreError> {
        self.files.write_at(file_id, offset, bytes)
    }

    fn sync(&mut self, file_id: u32) -> Result<(), StoreError> {
        if self.sync_no_space { Err(StoreError::NoSpace) } else { self.files.sync(file_id) }
    }
}

/// Once is too rarely: a spare that found no space would not be tried again. At each write is too often.
#[test]
fn the_next_segment_is_asked_for_at_each_sixteenth_of_the_second_half() {
    let words = new_tail();
    let mut writer = writer(&words);
    let mut flusher = Flusher::new(words.clone(), Asked::default(), CONFIG, &Resume::default()).unwrap();
    let mut write_until = |flusher: &mut Flusher<Asked>, done: fn(&Asked) -> bool| {
        for n in 0..1_000 {
            append(&mut writer, 1);
            flusher.poll(Nanos(n)).unwrap();
            if done(flusher.store()) {
                return;
            }
        }
        panic!("the journal does not roll");
    };
    write_until(&mut flusher, |store| store.asked_by.len() == 4);
    // Nobody asks for the first. Of the second half, the trailer page is one half: four sixteenths have records.
    assert_eq!(flusher.store().asked_by[0], 0);
    assert!(
        flusher.store().asked_by[1..].iter().all(|asked| (4..=5).contains(asked)),
        "{:?}",
        flusher.store().asked_by
    );
    // A life that begins in the second half asks with its first batch.
    write_until(&mut flusher, |store| store.asked == 2);
    let mut store = flusher.into_store();
    store.asked = 0;
    let plan = recovery::plan(&store.files.segments(), Some(&TailSnapshot::take(&words).unwrap())).unwrap();
    let mut flusher = Flusher::new(words.clone(), store, CONFIG, &plan.resume).unwrap();
    write_until(&mut flusher, |_| true);
    assert_eq!(flusher.store().asked, 1);
}

#[test]
fn a_sync_that_finds_no_space_is_final_too() {
    let words = new_tail();
    let store = Asked { sync_no_space: true, ..Asked::default() };
    let mut flusher = Flusher::new(words.clone(), store, CONFIG, &Resume::default()).unwrap();
    let mut writer = writer(&words);
    append(&mut writer, 1);
    let failed = flusher.poll(Nanos(1)).unwrap_err();
    flusher.store_mut().sync_no_space = false;
    assert_eq!((flusher.poll(Nanos(2)), writer.state()), (Err(failed), TailState::Failed));
}

#[test]
fn a_full_tail_keeps_room_for_cancels_and_evidence() {
    let words = new_tail();
    let mut writer = writer(&words);
    while writer.append(&intent(OrderKind::NewOrderSingle)).is_ok() {}
    assert_eq!(writer.append(&intent(OrderKind::NewOrderSingle)), Err(AppendError::TailFull));
    let room = writer.free_bytes();
    assert!(room >= tail::CAPACITY_BYTES_MIN as u64 / 8);
    assert!(writer.append(&intent(OrderKind::OrderCancelRequest)).is_ok());
}

#[test]
fn a_live_tail_is_read_by_place() {
    let words = new_tail();
    let (mut writer, mut flusher) = (writer(&words), flusher(&words));
    append(&mut writer, 4);
    drain(&mut flusher, 4);
    append(&mut writer, 2);
    let snapshot = TailSnapshot::take(&words).unwrap();
    let segments = flusher.store().segments();
    let places: Vec<bool> =
        Journal::new(&segments, Some(&snapshot)).entries().map(|e| e.place == Place::Tail).collect();
    assert_eq!(places, [false, false, false, false, true, true]);
}
