//! SIGKILL at every named place inside a publish, in a process of its own: the next reader sees whole messages alone, and
//! the next writer goes on in a new epoch.
#![forbid(unsafe_code)]

use neighbour::publish::{BATCH, SLOTS, create, payload};
use runtime::mmap::{Access, map_region};
use shm_layout::region::RegionHeader;
use shm_layout::ring::{FAILPOINTS, RingReader, Start};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};

/// Messages of the second life.
const SECOND: u64 = 10;

fn publish(path: &Path, epoch: u64, count: u64, death: Option<(&str, u32)>) -> ExitStatus {
    let mut command = Command::new(env!("CARGO_BIN_EXE_neighbour"));
    command.args(["publish", "--epoch", &epoch.to_string(), "--count", &count.to_string(), "--path"]).arg(path);
    if let Some((point, after)) = death {
        command.args(["--point", point, "--after", &after.to_string()]);
    }
    command.status().expect("the binary is built with its tests")
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

fn dies_and_returns<const W: usize>(path: &Path, point: &str, after: u32) {
    create(path, W == 15).expect("a region in shared memory");
    let words = map_region(path, Access::ReadOnly, None).expect("the region was made").words;
    let header = RegionHeader::read(&words).expect("a whole header");
    let attach = || RingReader::<W>::attach(header.body(), SLOTS, Start::Oldest).expect("the geometry fits");
    let mut reader = attach();

    let status = publish(path, 1, 60, Some((point, after)));
    assert_eq!(status.signal(), Some(9), "{point} after {after} hits: {status}");
    assert_eq!(header.writer_epoch(), 1);
    // Marks and payloads come message by message, sequences at the end of a batch: that is what a hit counts.
    let hits = u64::from(after);
    let visible = if point == "ring.write.before_sequence" { hits } else { hits / BATCH * BATCH };
    let seen = read_all(&mut reader);
    let whole: Vec<_> = (1..=visible).map(|sequence| (sequence, 1)).collect();
    assert_eq!(seen, whole, "{point} after {after}: whole messages, and no other");

    assert!(publish(path, 2, SECOND, None).success());
    assert_eq!(header.writer_epoch(), 2);
    let next: Vec<_> = (visible + 1..=visible + SECOND).map(|sequence| (sequence, 2)).collect();
    assert_eq!(read_all(&mut reader), next, "{point} after {after}: the next epoch follows without a gap");
    // Who joins now meets the same.
    assert_eq!(read_all(&mut attach()), [whole, next].concat());
}

struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_writer_killed_anywhere_in_a_publish_leaves_whole_messages_alone() {
    let scratch = Scratch(PathBuf::from(format!("/dev/shm/tickway-publish-{}", std::process::id())));
    std::fs::create_dir(&scratch.0).expect("a folder in shared memory");
    for point in FAILPOINTS {
        for after in [0, 1, 2, 3, 7, 31] {
            dies_and_returns::<7>(&scratch.0.join(format!("{}.{after}.64", point.name())), point.name(), after);
            dies_and_returns::<15>(&scratch.0.join(format!("{}.{after}.128", point.name())), point.name(), after);
        }
    }
}
