//! What the supervisor sees of a running process: its heartbeat, its progress, and whether there is anything to do.
//!
//! It reads only what the process publishes and its input rings' cursors; it never stores into either.

use runtime::RuntimeError;
use runtime::heartbeat::{Observation, Watch};
use runtime::ports::{Ports, payload_words, wiring};
use shm_layout::control_page::RecorderMode;
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::ring::{RingReader, Start};
use shm_layout::status::StatusReader;
use shm_layout::topology::{Attach, RingId, RingKind};
use shm_layout::types::{Nanos, Role};

/// How far a ring is published.
#[derive(Debug)]
enum Published {
    Narrow(RingReader<7>),
    Wide(RingReader<15>),
}

impl Published {
    fn attach(ports: &Ports, ring: RingId) -> Result<Self, RuntimeError> {
        if payload_words(ring) == 7 {
            ports.tap(ring, Start::Latest).map(Self::Narrow)
        } else {
            ports.tap(ring, Start::Latest).map(Self::Wide)
        }
    }

    fn sequence(&self) -> u64 {
        match self {
            Self::Narrow(reader) => reader.next_sequence() - 1 + reader.depth(),
            Self::Wide(reader) => reader.next_sequence() - 1 + reader.depth(),
        }
    }
}

#[derive(Debug)]
struct InputRing {
    ring: RingId,
    published: Published,
    /// The process's own cursor, where it gates the ring.
    cursor: Option<SharedWords>,
}

/// One process, watched.
#[derive(Debug)]
pub struct Watched {
    /// Its status region.
    pub status: StatusReader,
    watch: Watch,
    inputs: Vec<InputRing>,
}

impl Watched {
    /// Begins to watch a process.
    ///
    /// # Errors
    /// When a region is not there.
    pub fn new(ports: &Ports, role: Role, index: u8, now: Nanos) -> Result<Self, RuntimeError> {
        let status = ports.status_reader(role, index)?;
        let counts = ports.counts();
        let gates = ports.page().recorder_mode() == RecorderMode::Gating;
        let mut inputs = Vec::new();
        for (ring, attach) in wiring::rings_read_by(counts, gates, role, index) {
            // Steps and wire bytes are the recorder's alone, and come only with what the other rings carry.
            if matches!(ring.kind, RingKind::Step | RingKind::Wire) {
                continue;
            }
            let slot = wiring::cursor_slot(counts, gates, role, index, ring).filter(|_| attach == Attach::Gating);
            let cursor = slot.map(|slot| status.cursor_words(slot));
            inputs.push(InputRing { ring, published: Published::attach(ports, ring)?, cursor });
        }
        let watch = Watch::new(&status, now);
        Ok(Self { status, watch, inputs })
    }

    /// A new life begins: what was seen of the last one counts no more.
    pub fn restart(&mut self, now: Nanos) {
        self.watch = Watch::new(&self.status, now);
    }

    /// Looks at its heartbeat and progress. Progress is owed only from when there was input: the first message after a
    /// long idle time must not make the idle time look like a stall.
    pub fn observe(&mut self, now: Nanos) -> Observation {
        if !self.has_input() {
            self.watch = Watch::new(&self.status, now);
        }
        self.watch.observe(&self.status, now)
    }

    /// True when a ring holds messages that it has not consumed. A tap that does not say how far it is counts as idle.
    #[must_use]
    pub fn has_input(&self) -> bool {
        let position = |ring: RingId| self.status.positions().find(|position| position.ring == ring);
        self.inputs.iter().any(|input| {
            let consumed = match &input.cursor {
                Some(cursor) => Some(cursor.load(0, Ordering::Acquire)),
                None => position(input.ring).map(|position| position.next_sequence.saturating_sub(1)),
            };
            consumed.is_some_and(|consumed| consumed < input.published.sequence())
        })
    }

    /// The value of the counter with that label; 0 when there is none.
    #[must_use]
    pub fn counter(&self, label: &str) -> u64 {
        self.status.counters().iter().find(|(name, _)| name == label).map_or(0, |(_, value)| value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::config::{HostFile, InstanceName};
    use runtime::instance::Instance;
    use runtime::ports::Identity;
    use shm_layout::control_page::{CONTROL_PAGE_WORDS, ControlPage};
    use shm_layout::ring::RingWriter;
    use shm_layout::status::StatusWriter;

    const SECOND: u64 = 1_000_000_000;
    /// Between two looks of the supervisor at a heartbeat.
    const LOOK_NS: u64 = 10_000_000;

    /// Risk, watched from second 1 on, and the strategy whose intents it reads.
    struct World {
        _directory: tempfile::TempDir,
        intents: RingWriter<15>,
        status: StatusWriter,
        watched: Watched,
        now: Nanos,
    }

    impl World {
        fn new() -> Self {
            let directory = tempfile::tempdir().unwrap();
            let name = InstanceName::new("watched").unwrap();
            let instance = Instance::beneath(&name, &directory.path().join("shm"), &directory.path().join("data"));
            instance.create_directories(1).unwrap();
            let text = include_str!("../../../tuning/demo.toml").replace("= 65536", "= 64").replace("= 16384", "= 64");
            let file = HostFile::parse("demo.toml", &text).unwrap();
            let page = ControlPage::new(&SharedWords::heap(CONTROL_PAGE_WORDS));
            let (ports, now) = (Ports::new(&instance, &file, 7, page.reader()), Nanos(SECOND));
            ports.create_all(now).unwrap();
            let strategy = Identity { role: Role::Strategy, index: 0, epoch: 1 };
            let risk = Identity { role: Role::Risk, index: 0, epoch: 1 };
            let ring = RingId { kind: RingKind::OrderIntent, writer: Role::Strategy, index: 0, gateway: 0 };
            let status = ports.status_writer(risk, now).unwrap();
            let intents = ports.writer(ring, strategy).unwrap();
            let watched = Watched::new(&ports, Role::Risk, 0, now).unwrap();
            Self { _directory: directory, intents, status, watched, now }
        }

        /// Looks on as the supervisor does, for that long, at a process whose heart beats; what the last look saw.
        fn watch(&mut self, ns: u64) -> Observation {
            let end = self.now.plus(ns);
            loop {
                self.now = self.now.plus(LOOK_NS);
                self.status.heartbeat(self.now);
                let seen = self.watched.observe(self.now);
                if self.now >= end {
                    return seen;
                }
            }
        }
    }

    #[test]
    fn the_first_input_after_a_long_idle_time_is_no_stall() {
        let mut world = World::new();
        world.watch(100 * SECOND);
        assert!(!world.watched.has_input());
        world.intents.push(&[1; 15]).unwrap();
        let seen = world.watch(LOOK_NS);
        assert!(world.watched.has_input());
        assert!(seen.progress_age_ns <= 2 * LOOK_NS, "the idle time is held against it: {seen:?}");
    }

    #[test]
    fn input_that_waits_without_progress_is_a_stall_and_progress_ends_it() {
        let mut world = World::new();
        world.watch(SECOND);
        world.intents.push(&[1; 15]).unwrap();
        let seen = world.watch(6 * SECOND);
        assert!(seen.progress_age_ns >= 5 * SECOND && seen.heartbeat_age_ns <= LOOK_NS, "{seen:?}");
        world.status.add_progress(1);
        assert!(world.watch(LOOK_NS).progress_age_ns <= LOOK_NS);
        // A new life owes nothing for the last one.
        world.watch(6 * SECOND);
        world.watched.restart(world.now);
        assert!(world.watch(LOOK_NS).progress_age_ns <= 2 * LOOK_NS);
    }
}
