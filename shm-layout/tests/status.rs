//! The status region: the bytes drawn, a restart's clearing, garbage, and readers that never pair the wrong two.
#![forbid(unsafe_code)]

use proptest::prelude::*;
use shm_layout::counters::{COUNTERS, LABEL_BYTES};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::status::{FENCE_ECHOES, FenceEcho, KillEcho, ProcessState, ReaderPosition, STATUS_WORDS};
use shm_layout::status::{StateCheckpoint, StatusReader, StatusWriter};
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, Role};
use std::sync::atomic::AtomicBool;

fn word_at(words: &SharedWords, offset: usize) -> u64 {
    assert!(offset.is_multiple_of(8));
    words.load(offset / 8, Ordering::Relaxed)
}

#[test]
fn every_word_is_where_the_table_draws_it() {
    let body = SharedWords::heap(STATUS_WORDS);
    let mut status = StatusWriter::start(&body, 11, 12, Nanos(13));
    status.add_progress(3);
    status.add_progress(4);
    status.set_state(ProcessState::Running);
    status.set_armed(true);
    status.set_allocations_after_start(5);
    status.set_last_control_sequence(6);
    let found: Vec<u64> = (0..8).map(|word| word_at(&body, word * 8)).collect();
    assert_eq!(found, [13, 7, 3, 11, 12, 1, 5, 6]);

    status.echo_kill(KillEcho { generation: 21, echoed_ns: Nanos(22), journal_sequence: 23 });
    assert_eq!([word_at(&body, 72), word_at(&body, 80), word_at(&body, 88)], [21, 22, 23]);
    status.echo_fence(FenceEcho { role: Role::Strategy, index: 2, epoch: 31, journal_sequence: 32 });
    assert_eq!([word_at(&body, 136), word_at(&body, 144), word_at(&body, 152)], [3 | 2 << 8, 31, 32]);
    status.publish_checkpoint(StateCheckpoint { gateway: 1, journal_sequence: 41, state_hash: 42 });
    assert_eq!([word_at(&body, 392), word_at(&body, 400), word_at(&body, 408)], [1, 41, 42]);
    status.cursor_words(15).store(0, 51, Ordering::Relaxed);
    assert_eq!(word_at(&body, 640 + 15 * 64), 51);
    let ring = RingId { kind: RingKind::Control, writer: Role::Supervisor, index: 0, gateway: 0 };
    status.set_position(1, &ReaderPosition { ring, next_sequence: 61, laps: 62, missed: 63 });
    let position: Vec<u64> = (0..4).map(|word| word_at(&body, 1664 + 64 + word * 8)).collect();
    assert_eq!(position, [0x0501_0000, 61, 62, 63]);
    status.counters().define(COUNTERS - 1, "last");
    status.counters().add(COUNTERS - 1, 71);
    assert_eq!(word_at(&body, 2688 + (COUNTERS - 1) * 64), 71);
    assert_eq!(word_at(&body, 2688 + (COUNTERS - 1) * 64 + 8).to_le_bytes(), *b"last\0\0\0\0");

    let reader = status.reader();
    assert_eq!((reader.heartbeat(), reader.progress(), reader.epoch(), reader.pid()), (Nanos(13), 7, 11, 12));
    assert_eq!((reader.state(), reader.armed()), (Some(ProcessState::Running), true));
    assert_eq!((reader.allocations_after_start(), reader.last_control_sequence()), (5, 6));
    assert_eq!(
        reader.positions().collect::<Vec<_>>(),
        [ReaderPosition { ring, next_sequence: 61, laps: 62, missed: 63 }]
    );
    assert_eq!(reader.cursor_words(15).load(0, Ordering::Relaxed), 51);
    assert_eq!(reader.counters().iter().collect::<Vec<_>>(), [("last".to_owned(), 71)]);
}

#[test]
fn a_restart_clears_all_but_the_gating_cursors() {
    let body = SharedWords::heap(STATUS_WORDS);
    let mut first = StatusWriter::start(&body, 1, 100, Nanos(1));
    first.cursor_words(0).store(0, 500, Ordering::Relaxed);
    first.add_progress(9);
    first.set_armed(true);
    first.echo_kill(KillEcho { generation: 1, echoed_ns: Nanos(2), journal_sequence: 3 });
    first.echo_fence(FenceEcho { role: Role::Risk, index: 0, epoch: 4, journal_sequence: 5 });
    first.publish_checkpoint(StateCheckpoint { gateway: 0, journal_sequence: 6, state_hash: 7 });
    first.counters().define(3, "old");
    let second = StatusWriter::start(&body, 2, 101, Nanos(9));
    let reader = second.reader();
    assert_eq!((reader.epoch(), reader.pid(), reader.heartbeat()), (2, 101, Nanos(9)));
    assert_eq!((reader.state(), reader.armed(), reader.progress()), (Some(ProcessState::Starting), false, 0));
    assert_eq!(reader.kill_echo(), None);
    assert_eq!(reader.fence_echoes().count() + reader.checkpoints().count() + reader.counters().iter().count(), 0);
    assert_eq!(reader.cursor_words(0).load(0, Ordering::Relaxed), 500);
}

#[test]
fn a_process_that_never_started_says_nothing() {
    let reader = StatusReader::new(&SharedWords::heap(STATUS_WORDS));
    assert_eq!((reader.state(), reader.pid(), reader.kill_echo()), (None, 0, None));
    assert_eq!(reader.positions().count() + reader.checkpoints().count(), 0);
}

#[test]
fn the_newest_fence_of_each_process_is_kept() {
    let body = SharedWords::heap(STATUS_WORDS);
    let mut status = StatusWriter::start(&body, 1, 1, Nanos(1));
    let fence = |index: u8, epoch| FenceEcho { role: Role::Strategy, index, epoch, journal_sequence: epoch * 10 };
    for index in 0..FENCE_ECHOES as u8 {
        status.echo_fence(fence(index, 1));
    }
    status.echo_fence(fence(0, 2));
    assert_eq!(status.reader().fence_echoes().count(), FENCE_ECHOES);
    assert_eq!(status.reader().fence_echo(Role::Strategy, 0), Some(fence(0, 2)));
    assert_eq!(status.reader().fence_echo(Role::Strategy, 7), Some(fence(7, 1)));
    // A ninth takes the oldest place.
    status.echo_fence(fence(8, 3));
    assert_eq!(status.reader().fence_echo(Role::Strategy, 8), Some(fence(8, 3)));
    assert_eq!(status.reader().fence_echo(Role::Strategy, 0), None);
    assert_eq!(status.reader().fence_echo(Role::Risk, 8), None);
}

#[test]
fn a_checkpoint_never_pairs_two() {
    const WRITES: u64 = 2_000_000;
    let body = SharedWords::heap(STATUS_WORDS);
    let mut status = StatusWriter::start(&body, 1, 1, Nanos(1));
    let reader = status.reader();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for sequence in 1..=WRITES {
                let state_hash = sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                status.publish_checkpoint(StateCheckpoint { gateway: 0, journal_sequence: sequence, state_hash });
            }
            done.store(true, Ordering::Release);
        });
        while !done.load(Ordering::Acquire) {
            for checkpoint in reader.checkpoints() {
                let expected = checkpoint.journal_sequence.wrapping_mul(0x9E37_79B9_7F4A_7C15);
                assert_eq!(checkpoint.state_hash, expected);
            }
        }
    });
    let mut kept: Vec<u64> = reader.checkpoints().map(|checkpoint| checkpoint.journal_sequence).collect();
    kept.sort_unstable();
    assert_eq!(kept, (WRITES - 7..=WRITES).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn a_reader_is_tolerant_of_garbage(words in prop::collection::vec(any::<u64>(), STATUS_WORDS)) {
        let body = SharedWords::heap(STATUS_WORDS);
        for (index, word) in words.iter().enumerate() {
            body.store(index, *word, Ordering::Relaxed);
        }
        let reader = StatusReader::new(&body);
        let _ = (reader.state(), reader.pid(), reader.armed(), reader.kill_echo(), reader.fence_echo(Role::Risk, 0));
        let _ = (reader.checkpoints().count(), reader.positions().count(), reader.fence_echoes().count());
        for (label, _) in reader.counters().iter() {
            prop_assert!(label.len() <= LABEL_BYTES && label.bytes().all(|b| b == b' ' || b.is_ascii_graphic()));
        }
    }
}
