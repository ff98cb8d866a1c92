//! A process that dies while it makes a segment leaves a directory that recovery goes on in.
//!
//! The death is the kernel's own: past a limit on the size of files, the call that allocates the segment ends the
//! process (SIGXFSZ), after the file was made and before it holds anything.
#![forbid(unsafe_code)]

use journal::record::{CheckpointRecord, Record};
use journal::tail::{self, TailSnapshot};
use journal::{End, Flusher, Journal, SegmentStore, TailWriter, memory, recovery};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::Signal;
use runtime::store::{FileStore, read_segments, segment_path};
use shm_layout::ring::sync::SharedWords;
use shm_layout::types::Nanos;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// Tells this test's binary, started again, what to make: `<directory> <segment>`.
const MAKER: &str = "TICKWAY_TEST_SEGMENT_MAKER";
const SEGMENT_BYTES: u64 = 1 << 16;

/// The process that dies. Nothing, when it is run as a test.
#[test]
fn maker_process() {
    let Ok(order) = std::env::var(MAKER) else { return };
    let (directory, file_id) = order.rsplit_once(' ').unwrap();
    setrlimit(Resource::RLIMIT_CORE, 0, 0).unwrap();
    setrlimit(Resource::RLIMIT_FSIZE, SEGMENT_BYTES / 2, SEGMENT_BYTES / 2).unwrap();
    let made = FileStore::new(Path::new(directory)).create(file_id.parse().unwrap(), SEGMENT_BYTES);
    panic!("it lives: {made:?}");
}

fn dies_making(directory: &Path, file_id: u32) {
    let mut maker = Command::new(std::env::current_exe().unwrap());
    maker.args(["--exact", "maker_process", "--test-threads=1"]);
    maker.env(MAKER, format!("{} {file_id}", directory.display()));
    let status = maker.stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap();
    assert_eq!(status.signal(), Some(Signal::SIGXFSZ as i32), "{status}");
    assert!(!segment_path(directory, file_id).exists(), "no file has a segment's name before it is whole");
    assert!(directory.join("next.zeros").exists(), "it died over the file");
}

fn segments_of(directory: &Path, read: impl FnOnce(&[(u32, &[u8])])) {
    let segments = read_segments(directory).unwrap();
    let segments: Vec<(u32, &[u8])> = segments.iter().map(|(file_id, bytes)| (*file_id, bytes.as_slice())).collect();
    read(&segments);
}

/// A life: recovers what is there and moves records to files until `done`. Its last sequence.
fn live(words: &SharedWords, directory: &Path, done: impl Fn(u64) -> bool) -> u64 {
    let snapshot = TailSnapshot::take(words).unwrap();
    let mut plan = None;
    segments_of(directory, |segments| plan = Some(recovery::plan(segments, Some(&snapshot)).unwrap()));
    let (plan, mut store) = (plan.unwrap(), FileStore::new(directory));
    recovery::repair(&plan, &mut store).unwrap();
    let boot_stamp = memory::BOOT_STAMP;
    let mut writer = TailWriter::attach(words.clone(), boot_stamp, 1, plan.resume.last_sequence).unwrap();
    let config = memory::config(SEGMENT_BYTES, 1 << 12);
    let mut flusher = Flusher::new(words.clone(), store, config, &plan.resume).unwrap();
    loop {
        let now = Nanos(writer.next_sequence());
        let last = writer.append(&Record::Checkpoint(CheckpointRecord { state_hash: 0, now_ns: now })).unwrap();
        // What is sealed and followed by none yet moves nothing: the record stays in the tail.
        if flusher.poll(now).unwrap() == 0 || done(last) {
            return last;
        }
    }
}

#[test]
fn a_death_over_a_new_segment_leaves_a_journal_that_goes_on() {
    let directory = tempfile::tempdir().unwrap();
    let words = memory::new_tail(tail::CAPACITY_BYTES_MIN);
    dies_making(directory.path(), 1);
    segments_of(directory.path(), |segments| assert!(segments.is_empty()));
    // Until the first segment is sealed: a roll is the next thing to do, and its death.
    let sealed = live(&words, directory.path(), |_| false);
    assert!(sealed > 100, "{sealed} records");
    dies_making(directory.path(), 2);
    segments_of(directory.path(), |segments| assert_eq!(segments.len(), 1));
    assert_eq!(live(&words, directory.path(), |last| last == sealed + 100), sealed + 100);
    segments_of(directory.path(), |segments| {
        assert_eq!(segments.len(), 2);
        assert_eq!(Journal::new(segments, None).end(), End::Complete { last_sequence: sealed + 100 });
        assert_eq!(journal::verify::verify(segments).findings, []);
    });
}
