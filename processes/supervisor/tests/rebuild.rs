//! A rebuild reads a journal whole or fails: nothing that may have held records is passed over.
#![forbid(unsafe_code)]

use journal::record::{ArmChange, Record};
use journal::{Flusher, Resume, TailWriter, memory};
use runtime::config::HostFile;
use runtime::control_page::{self, ControlPageRegion};
use runtime::instance::Instance;
use runtime::store::{FileStore, segment_path};
use shm_layout::types::{Nanos, Role};
use std::fs;
use std::path::PathBuf;
use supervisor::rebuild::{self, Request};

/// Records of its journal: more than one segment holds.
const RECORDS: u64 = 600;

/// An instance whose gateway has died and left a journal of two segments.
struct World {
    dir: tempfile::TempDir,
    instance: Instance,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let at = |folder: &str| dir.path().join(folder).display().to_string();
        let text = include_str!("../../../tuning/demo.toml")
            .replace("instance = \"demo\"", &format!("instance = \"rebuild-{}\"", std::process::id()))
            .replace("regions = \"\"", &format!("regions = \"{}\"", at("regions")))
            .replace("data = \"\"", &format!("data = \"{}\"", at("data")));
        fs::write(dir.path().join("host.toml"), &text).unwrap();
        let instance = Instance::of(&HostFile::parse("host.toml", &text).unwrap());
        instance.create_directories(1).unwrap();
        ControlPageRegion::create_or_adopt(&instance, memory::BOOT_STAMP, Nanos(1)).unwrap();
        let world = Self { dir, instance };
        let words = memory::new_tail(1 << 16);
        let mut writer = TailWriter::attach(words.clone(), memory::BOOT_STAMP, 1, 0).unwrap();
        let (store, config) = (FileStore::new(&world.instance.journal(0)), memory::config(1 << 16, 1 << 12));
        let mut flusher = Flusher::new(words, store, config, &Resume::default()).unwrap();
        for n in 1..=RECORDS {
            writer.append(&Record::ArmChange(ArmChange { strategy: 0, armed: 1, now_ns: Nanos(n) })).unwrap();
            while flusher.durable_sequence() < n {
                flusher.poll(Nanos(n)).unwrap();
            }
        }
        assert!(world.segment(2).exists() && !world.segment(3).exists());
        world
    }

    fn segment(&self, file_id: u32) -> PathBuf {
        segment_path(&self.instance.journal(0), file_id)
    }

    /// The last sequence that a strategy's rebuild comes to, or why there is none.
    fn rebuild(&self) -> Result<u64, String> {
        let request = Request {
            host: self.dir.path().join("host.toml"),
            role: Role::Strategy,
            index: 0,
            epoch: 2,
            fenced: 0,
            out: self.dir.path().join("snapshot"),
        };
        rebuild::run(&request).map(|report| report.gateways[0].through).map_err(|error| format!("{error:#}"))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = control_page::remove(&self.instance);
    }
}

#[test]
fn a_segment_that_may_have_held_records_is_never_passed_over() {
    let world = World::new();
    assert_eq!(world.rebuild(), Ok(RECORDS));
    let good = fs::read(world.segment(2)).unwrap();
    let mut rotten = good.clone();
    rotten[0] ^= 1;
    for damaged in [rotten.as_slice(), &[], &good[..100], &[0; 100]] {
        fs::write(world.segment(2), damaged).unwrap();
        let refused = world.rebuild().unwrap_err();
        assert!(refused.contains("gateway 0") && refused.contains("file_id: 2"), "{refused}");
    }
    fs::write(world.segment(2), &good).unwrap();
    // Under a name that says no number it would be passed over too.
    let other = world.segment(2).with_file_name("two.journal");
    fs::rename(world.segment(2), &other).unwrap();
    assert!(world.rebuild().unwrap_err().contains("two.journal"));
    fs::rename(&other, world.segment(2)).unwrap();
    // What was made and not begun holds nothing, and only as the last.
    fs::write(world.segment(3), vec![0; good.len()]).unwrap();
    fs::write(world.instance.journal(0).join("next.zeros"), [1; 9]).unwrap();
    assert_eq!(world.rebuild(), Ok(RECORDS));
    fs::write(world.segment(2), vec![0; good.len()]).unwrap();
    assert!(world.rebuild().unwrap_err().contains("file_id: 2"));
    // A journal that is gone is not an empty one.
    fs::remove_dir_all(world.instance.journal(0)).unwrap();
    assert!(world.rebuild().unwrap_err().contains("journal/gateway-0"));
}
