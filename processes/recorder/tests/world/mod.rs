//! An instance in a temporary directory: its regions, its control page, and recorders that live and die on it.
#![allow(dead_code, reason = "each test file uses a part of it")]

use recorder::Shell;
use runtime::clock::{Clock, ClockAnchor};
use runtime::config::{HostFile, InstanceName};
use runtime::instance::Instance;
use runtime::ports::{Identity, Ports, remove_regions, wiring};
use runtime::process::{Arguments, Process};
use runtime::wait::WaitStrategy;
use shm_layout::control_page::{CONTROL_PAGE_WORDS, ControlPage, ControlPageReader};
use shm_layout::ring::RingWriter;
use shm_layout::ring::sync::SharedWords;
use shm_layout::topology::{RingId, RingKind};
use shm_layout::types::{Nanos, Role};
use std::cell::Cell;
use std::path::PathBuf;

/// Stamp of the first boot.
pub const BOOT: u64 = 7;

/// The ring of a kind in the demo's instance.
pub const fn ring(kind: RingKind, writer: Role) -> RingId {
    RingId { kind, writer, index: 0, gateway: 0 }
}

/// What the tests write into every word of the message with that sequence.
pub const fn payload(sequence: u64) -> u64 {
    sequence.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// SplitMix64: a seeded stream without a dependency.
pub struct Random(pub u64);

impl Random {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ z >> 31) % bound
    }
}

/// The demo's host file with small rings.
pub fn host_text(segment_bytes: &str) -> String {
    let mut text = include_str!("../../../../tuning/demo.toml").to_owned();
    for (ring, slots) in [("order_intent", 16384), ("market_data", 65536), ("step", 65536), ("wire", 65536)] {
        text = text.replacen(&format!("{ring} = {slots}"), &format!("{ring} = 64"), 1);
    }
    text.replacen("segment_bytes = 67108864", &format!("segment_bytes = {segment_bytes}"), 1)
}

pub struct World {
    dir: tempfile::TempDir,
    file: HostFile,
    words: SharedWords,
    pub page: ControlPage,
    boot_stamp: u64,
    now: Cell<u64>,
}

impl World {
    pub fn new(segment_bytes: &str) -> Self {
        let file = HostFile::parse("demo.toml", &host_text(segment_bytes)).unwrap();
        Self::boot(tempfile::tempdir().unwrap(), file, BOOT)
    }

    fn boot(dir: tempfile::TempDir, file: HostFile, boot_stamp: u64) -> Self {
        let words = SharedWords::heap(CONTROL_PAGE_WORDS);
        let page = ControlPage::new(&words);
        let world = Self { dir, file, words, page, boot_stamp, now: Cell::new(1_000) };
        world.instance().create_directories(1).unwrap();
        world.ports().create_all(Nanos(1)).unwrap();
        world
    }

    /// The instance after a restart of the host: new regions, the same data.
    pub fn next_boot(self) -> Self {
        remove_regions(&self.instance()).unwrap();
        Self::boot(self.dir, self.file, self.boot_stamp + 1)
    }

    pub fn instance(&self) -> Instance {
        Instance::beneath(&InstanceName::new("w").unwrap(), &self.dir.path().join("shm"), &self.dir.path().join("data"))
    }

    pub fn capture(&self) -> PathBuf {
        self.instance().capture()
    }

    /// A later time at each call.
    pub fn now(&self) -> Nanos {
        self.now.set(self.now.get() + 100_000);
        Nanos(self.now.get())
    }

    pub fn ports(&self) -> Ports {
        Ports::new(&self.instance(), &self.file, self.boot_stamp, ControlPageReader::new(&self.words))
    }

    pub fn writer<const W: usize>(&self, ring: RingId) -> RingWriter<W> {
        self.ports().writer(ring, Identity { role: ring.writer, index: ring.index, epoch: 1 }).unwrap()
    }

    pub fn park(&self, role: Role) {
        self.page.set_parked(wiring::roster_slot(self.file.counts(), role, 0).unwrap(), true);
    }

    pub fn try_shell(&self) -> anyhow::Result<Shell> {
        let identity = Identity { role: Role::Recorder, index: 0, epoch: 3 };
        let arguments = Arguments {
            host: PathBuf::from("demo.toml"),
            index: 0,
            epoch: 3,
            restarts: 0,
            core: None,
            wait: WaitStrategy::Yield,
            turn_after: Vec::new(),
            snapshot: None,
        };
        let process = Process {
            identity,
            arguments,
            file: self.file.clone(),
            instance: self.instance(),
            ports: self.ports(),
            page: ControlPageReader::new(&self.words),
            boot_stamp: self.boot_stamp,
            clock: Clock::new(ClockAnchor::new(0, Nanos(0), 2_000_000_000).unwrap()),
        };
        let status = process.ports.status_writer(identity, Nanos(1))?;
        Shell::new(&process, status)
    }

    pub fn shell(&self) -> Shell {
        self.try_shell().unwrap()
    }

    /// A counter of the recorder, by its label.
    pub fn counter(&self, label: &str) -> Option<u64> {
        let status = self.ports().status_reader(Role::Recorder, 0).unwrap();
        status.counters().iter().find(|(name, _)| name == label).map(|(_, value)| value)
    }
}
