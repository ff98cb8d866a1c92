//! What a death over a new segment may leave in the journal's directory, and what a gateway that starts there makes of
//! it.
#![forbid(unsafe_code)]

mod instance;

use instance::{World, buy};
use journal::record::{ArmChange, Record};
use journal::{Flusher, Resume, TailWriter, memory, tail};
use runtime::store::{FileStore, segment_path};
use shm_layout::types::Nanos;

/// As in the host file of [`World`].
const SEGMENT_BYTES: usize = 1 << 20;

/// Writes segment 1, full and sealed, as an earlier boot left it; returns its records.
fn seal_first(world: &World) -> usize {
    let words = memory::new_tail(tail::CAPACITY_BYTES_MIN);
    let mut writer = TailWriter::attach(words.clone(), memory::BOOT_STAMP, 1, 0).unwrap();
    let (store, config) = (FileStore::new(&world.journal()), memory::config(1 << 16, 1 << 12));
    let mut flusher = Flusher::new(words, store, config, &Resume::default()).unwrap();
    loop {
        writer.append(&Record::ArmChange(ArmChange { strategy: 0, armed: 0, now_ns: Nanos(1) })).unwrap();
        // None moved: the segment was sealed, and the next is made with the next record.
        if flusher.poll(Nanos(1)).unwrap() == 0 {
            return writer.last_sequence() as usize - 1;
        }
    }
}

/// A life that trades over what is there, and ends; afterwards the journal is sound and has every record.
fn trades(world: &mut World, before: usize) {
    let (mut shell, _) = world.open();
    world.enter(buy(1));
    world.until(&mut shell, |_, shell| shell.machine().counters().accepted == 1);
    world.stop(&mut shell);
    let last = shell.machine().journal_sequence();
    drop(shell);
    let records = world.journaled();
    assert_eq!(records.len() as u64, last);
    let mut earlier = records.iter().take_while(|record| matches!(record, Record::ArmChange(_)));
    assert_eq!(earlier.by_ref().count(), before);
    let names: Vec<_> = std::fs::read_dir(world.journal()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names.len(), world.segments().len(), "nothing but segments: {names:?}");
}

#[test]
fn a_gateway_goes_on_over_a_segment_that_was_never_begun() {
    // Made and renamed, and its header not written; half made by an older version under the segment's own name; half
    // made.
    for (file, left) in [("", SEGMENT_BYTES), ("", SEGMENT_BYTES / 2), ("next.zeros", SEGMENT_BYTES / 2)] {
        for is_first in [true, false] {
            let mut world = World::new();
            let before = if is_first { 0 } else { seal_first(&world) };
            let own = segment_path(&world.journal(), if is_first { 1 } else { 2 });
            let path = if file.is_empty() { own } else { world.journal().join(file) };
            std::fs::write(path, vec![0; left]).unwrap();
            trades(&mut world, before);
            let lengths: Vec<usize> = world.segments().iter().map(|(_, bytes)| bytes.len()).collect();
            assert_eq!(lengths.last(), Some(&SEGMENT_BYTES));
            assert_eq!(lengths.len(), if is_first { 1 } else { 2 });
        }
    }
}

/// No death leaves a file of the name that is empty or cut: something else took its bytes, and they may have been
/// records.
#[test]
fn a_gateway_refuses_an_empty_segment_and_changes_nothing() {
    for (file_id, left) in [(1, 0), (1, 100), (2, 0), (2, 100)] {
        let mut world = World::new();
        let before = if file_id == 1 { 0 } else { seal_first(&world) };
        let path = segment_path(&world.journal(), file_id);
        std::fs::write(&path, vec![0; left]).unwrap();
        let files = world.segments();
        let refused = format!("{:#}", world.gateway(8).unwrap_err());
        assert!(refused.contains("gateway-0") && refused.contains(&format!("segment {file_id}")), "{refused}");
        assert_eq!(world.segments(), files);
        // The operator knows that it never held anything.
        std::fs::remove_file(&path).unwrap();
        trades(&mut world, before);
    }
}
