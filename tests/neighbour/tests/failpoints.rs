//! SIGKILL at every named place inside a publish, a stamped write and an append, in a process of its own: the next reader
//! sees what is whole alone, and the next writer goes on in a new epoch.
#![forbid(unsafe_code)]

use journal::record::Record;
use journal::{TailSnapshot, recovery};
use neighbour::publish::{BATCH, SLOTS, payload};
use neighbour::{append, image, publish};
use runtime::mmap::{Access, map_region};
use shm_layout::image::{ImageMiss, ImageReader};
use shm_layout::region::RegionHeader;
use shm_layout::ring::sync::Ordering;
use shm_layout::ring::{RingReader, Start};
use shm_layout::types::InstrumentId;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};

/// Messages, entries or records of a first life, if it were not ended: each point is hit more than 31 times meanwhile.
const FIRST: u64 = 120;
/// Those of the second life.
const SECOND: u64 = 10;

fn start(part: &str, path: &Path, epoch: u64, count: u64, death: Option<(&str, u32)>) -> Child {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neighbour"));
    command.args([part, "--epoch", &epoch.to_string(), "--count", &count.to_string(), "--path"]).arg(path);
    if let Some((point, after)) = death {
        command.args(["--point", point, "--after", &after.to_string()]);
    }
    command.spawn().expect("the binary is built with its tests")
}

fn life(part: &str, path: &Path, epoch: u64, count: u64, death: Option<(&str, u32)>) -> ExitStatus {
    start(part, path, epoch, count, death).wait().expect("it can be waited for")
}

/// Every message from where the reader stands: its sequence and the epoch of its writer. Panics at a torn or false one.
fn read_all<const W: usize>(reader: &mut RingReader<W>) -> Vec<(u64, u64)> {
    let (mut found, mut batch) = (Vec::new(), [[0; W]; 16]);
    loop {
        let first = reader.next_sequence();
        let count = reader.read_batch(&mut batch).expect("nothing laps in this ring");
        if count == 0 {
            assert_eq!(reader.corrupt(), 0);
            return found;
        }
        for (sequence, message) in (first..).zip(&batch[..count]) {
            assert_eq!(*message, payload(sequence, message[1]), "a torn or false message");
            found.push((sequence, message[1]));
        }
    }
}

/// Messages that are readable, and what the hint says of them, after a death at the hit after `after` others.
fn left_behind(point: &str, after: u64) -> (u64, u64) {
    // Marks and payloads come message by message, sequences and the hint at the end of a batch: that is what a hit counts.
    let whole_batches = after / BATCH * BATCH;
    match point {
        "ring.write.before_mark" | "ring.write.after_mark" => (whole_batches, whole_batches),
        "ring.write.before_sequence" => (after, whole_batches),
        "ring.write.before_published" => ((after + 1) * BATCH, after * BATCH),
        unknown => panic!("say here what a death at {unknown} leaves"),
    }
}

fn dies_and_returns<const W: usize>(path: &Path, point: &str, after: u32) {
    publish::create(path, W == 15).expect("a region in shared memory");
    let words = map_region(path, Access::ReadOnly, None).expect("the region was made").words;
    let header = RegionHeader::read(&words).expect("a whole header");
    let attach = || RingReader::<W>::attach(header.body(), SLOTS, Start::Oldest).expect("the geometry fits");
    let mut reader = attach();

    let status = life("publish", path, 1, FIRST, Some((point, after)));
    assert_eq!(status.signal(), Some(9), "{point} after {after} hits: {status}");
    assert_eq!(header.writer_epoch(), 1);
    let (visible, hint) = left_behind(point, after.into());
    assert_eq!(header.body().load(0, Ordering::Acquire), hint, "{point} after {after}: the hint");
    let seen = read_all(&mut reader);
    let whole: Vec<_> = (1..=visible).map(|sequence| (sequence, 1)).collect();
    assert_eq!(seen, whole, "{point} after {after}: whole messages, and no other");

    assert!(life("publish", path, 2, SECOND, None).success());
    assert_eq!(header.writer_epoch(), 2);
    let next: Vec<_> = (visible + 1..=visible + SECOND).map(|sequence| (sequence, 2)).collect();
    assert_eq!(read_all(&mut reader), next, "{point} after {after}: the next epoch follows without a gap");
    // Who joins now meets the same.
    assert_eq!(read_all(&mut attach()), [whole, next].concat());
}

/// A folder in shared memory that goes when it is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let scratch = Self(PathBuf::from(format!("/dev/shm/tickway-{name}-{}", std::process::id())));
        std::fs::create_dir(&scratch.0).expect("a folder in shared memory");
        scratch
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_writer_killed_anywhere_in_a_publish_leaves_whole_messages_alone() {
    let scratch = Scratch::new("publish");
    for point in shm_layout::ring::FAILPOINTS {
        for after in [0, 1, 2, 3, 7, 31] {
            dies_and_returns::<7>(&scratch.0.join(format!("{}.{after}.64", point.name())), point.name(), after);
            dies_and_returns::<15>(&scratch.0.join(format!("{}.{after}.128", point.name())), point.name(), after);
        }
    }
}

/// Fault 8, entry by entry. The process is started, so that the reader looks while it writes, too.
#[test]
fn an_image_whose_writer_dies_in_the_middle_of_an_entry_is_busy_there_until_it_is_written_again() {
    let scratch = Scratch::new("image");
    for after in [0, 1, 2, 3, 7, 31, 20_000] {
        let path = scratch.0.join(after.to_string());
        image::create(&path).expect("a file in shared memory");
        let reader = ImageReader::new(&map_region(&path, Access::ReadOnly, None).expect("it was made").words);
        let instruments = || (0..image::INSTRUMENTS as u32).map(InstrumentId);
        let mut writer = start("image", &path, 1, 1_000_000, Some(("stamped.write.after_mark", after)));
        let status = loop {
            for entry in instruments().filter_map(|instrument| reader.read(instrument).ok()) {
                assert_eq!(entry, image::entry(entry.channel_sequence, 1), "a torn entry");
            }
            if let Some(status) = writer.try_wait().expect("it can be waited for") {
                break status;
            }
        };
        assert_eq!(status.signal(), Some(9), "after {after}: {status}");
        // Turn `after + 1` was torn; of each other instrument the last turn before it stands.
        let torn = u64::from(after) + 1;
        for instrument in instruments() {
            let age = (torn + image::INSTRUMENTS - u64::from(instrument.0)) % image::INSTRUMENTS;
            let expected = match age {
                0 => Err(ImageMiss::Busy),
                age if age >= torn => Err(ImageMiss::Unwritten),
                age => Ok(image::entry(torn - age, 1)),
            };
            assert_eq!(reader.read(instrument), expected, "after {after}");
            assert_eq!(reader.stamp(instrument).is_none(), age == 0, "nobody takes it for unchanged");
        }
        assert!(life("image", &path, 2, SECOND, None).success());
        for instrument in instruments() {
            let entry = reader.read(instrument).expect("whole again");
            assert_eq!((entry.reset_count, entry), (2, image::entry(entry.channel_sequence, 2)));
        }
    }
}

#[test]
fn a_record_whose_writer_dies_before_its_commit_does_not_exist() {
    let scratch = Scratch::new("append");
    for after in [0, 1, 2, 3, 7, 31] {
        let path = scratch.0.join(after.to_string());
        append::create(&path).expect("a file in shared memory");
        let words = map_region(&path, Access::ReadOnly, None).expect("it was made").words;
        let records = |from: u64| {
            let tail = TailSnapshot::take(&words).expect("a tail");
            let frames: Vec<_> = tail
                .frames()
                .map(|frame| frame.expect("a whole record"))
                .map(|frame| {
                    let header = frame.header;
                    let record = Record::decode(header.record_type, header.version, frame.payload).expect("an intent");
                    (header.sequence, header.epoch, record)
                })
                .collect();
            let last = recovery::plan(&[], Some(&tail)).expect("nothing is corrupt").resume.last_sequence;
            (frames.into_iter().filter(|(sequence, ..)| *sequence > from).collect::<Vec<_>>(), last)
        };
        let written = |sequences: std::ops::RangeInclusive<u64>, epoch: u32| {
            sequences.map(|sequence| (sequence, epoch, append::intent(sequence))).collect::<Vec<_>>()
        };
        let status = life("append", &path, 1, FIRST, Some(("journal.append.before_commit", after)));
        assert_eq!(status.signal(), Some(9), "after {after}: {status}");
        let after = u64::from(after);
        // Byte 136 by the drawing of the tail: it was about to become the last.
        assert_eq!(words.load(136 / 8, Ordering::Acquire), after + 1);
        let (left, last) = records(0);
        assert_eq!((left, last), (written(1..=after, 1), 0), "after {after}: what was committed, and no file has it");
        assert!(life("append", &path, 2, SECOND, None).success());
        let (next, _) = records(after);
        assert_eq!(next, written(after + 1..=after + SECOND, 2), "its sequence is the next life's");
    }
}
