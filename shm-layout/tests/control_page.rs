//! The control page: the bytes drawn, adoption, and garbage.
#![forbid(unsafe_code)]

use proptest::prelude::*;
use shm_layout::clock_anchor::ClockAnchor;
use shm_layout::control_page::{CONTROL_PAGE_WORDS, ControlPage, ControlPageReader, ROSTER, RealtimeOffset};
use shm_layout::control_page::{RecorderMode, RosterEntry, RosterState, SupervisorIdentity};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::types::{Nanos, Role};

const ENTRY: RosterEntry = RosterEntry {
    role: Role::Risk,
    index: 3,
    state: RosterState::Running,
    core: Some(5),
    pid: 1234,
    start_time: 99,
    epoch: 7,
    restarts: 2,
};

fn words_at(body: &SharedWords, offset: usize, count: usize) -> Vec<u64> {
    (0..count).map(|index| body.load(offset / 8 + index, Ordering::Relaxed)).collect()
}

#[test]
fn every_word_is_where_the_table_draws_it() {
    let body = SharedWords::heap(CONTROL_PAGE_WORDS);
    let page = ControlPage::new(&body);
    let identity = SupervisorIdentity { pid: 10, start_time: 11, epoch: 12 };
    page.set_supervisor(&identity);
    assert_eq!(words_at(&body, 0, 4), [1, 10, 11, 12]);
    let anchor = ClockAnchor { tsc: 21, ns: 22, mult: 23, shift: 24 };
    page.publish_anchor(&anchor);
    assert_eq!(words_at(&body, 32, 5), [1, 21, 22, 23, 24]);
    let sample = RealtimeOffset { offset_ns: -31, sampled_ns: Nanos(32) };
    page.set_realtime(&sample);
    assert_eq!(words_at(&body, 96, 3), [1, -31_i64 as u64, 32]);
    page.set_armed_by_operator(1 << 63 | 1);
    page.set_recorder_mode(RecorderMode::Gating);
    assert_eq!(words_at(&body, 128, 2), [1 << 63 | 1, 2]);
    page.set_roster(63, &ENTRY);
    // Risk, index 3, Running, core 5
    assert_eq!(words_at(&body, 256 + 63 * 64, 6), [1, 4 | 3 << 8 | 2 << 16 | 5 << 32, 1234, 99, 7, 2]);
    page.set_parked(2, true);
    assert_eq!(words_at(&body, 4352, 4), [0, 0, 1, 0]);

    let reader = page.reader();
    assert_eq!((reader.supervisor(), reader.anchor(), reader.realtime()), (Some(identity), Some(anchor), Some(sample)));
    assert!(reader.armed_by_operator(0) && reader.armed_by_operator(63));
    assert!(!reader.armed_by_operator(1) && !reader.armed_by_operator(64));
    assert_eq!(reader.recorder_mode(), RecorderMode::Gating);
    assert_eq!(reader.roster().collect::<Vec<_>>(), [(63, ENTRY)]);
    assert_eq!(reader.roster_entry(ROSTER), None);
    let parked = reader.parked_word(2);
    assert_eq!((parked.len(), parked.is_writable(), parked.load(0, Ordering::Relaxed)), (1, false, 1));
    page.set_parked(2, false);
    assert_eq!(parked.load(0, Ordering::Relaxed), 0);
}

#[test]
fn an_unpinned_process_has_no_core() {
    let page = ControlPage::new(&SharedWords::heap(CONTROL_PAGE_WORDS));
    page.set_roster(0, &RosterEntry { core: None, ..ENTRY });
    assert_eq!(page.reader().roster_entry(0).unwrap().core, None);
}

#[test]
fn a_new_supervisor_adopts_the_page() {
    let body = SharedWords::heap(CONTROL_PAGE_WORDS);
    let old = ControlPage::new(&body);
    old.publish_anchor(&ClockAnchor::new(5, Nanos(6), 2_000_000_000).unwrap());
    old.set_roster(1, &ENTRY);
    let new = ControlPage::new(&body);
    new.set_supervisor(&SupervisorIdentity { pid: 2, start_time: 3, epoch: 4 });
    assert_eq!(new.reader().roster_entry(1), Some(ENTRY));
    assert_eq!(new.reader().anchor().unwrap().at(5 + 2_000_000_000).0, 6 + 1_000_000_000);
}

#[test]
#[should_panic(expected = "anchored once")]
fn the_time_line_is_never_moved() {
    let page = ControlPage::new(&SharedWords::heap(CONTROL_PAGE_WORDS));
    let anchor = ClockAnchor { tsc: 1, ns: 1, mult: 1, shift: 0 };
    page.publish_anchor(&anchor);
    page.publish_anchor(&anchor);
}

proptest! {
    #[test]
    fn a_reader_is_tolerant_of_garbage(words in prop::collection::vec(any::<u64>(), CONTROL_PAGE_WORDS), tsc in any::<u64>()) {
        let body = SharedWords::heap(CONTROL_PAGE_WORDS);
        for (index, word) in words.iter().enumerate() {
            body.store(index, *word, Ordering::Relaxed);
        }
        let reader = ControlPageReader::new(&body);
        let _ = (reader.supervisor(), reader.realtime(), reader.recorder_mode(), reader.roster().count());
        if let Some(anchor) = reader.anchor() {
            prop_assert!(anchor.shift < 64);
            let _ = anchor.at(tsc);
        }
    }
}
