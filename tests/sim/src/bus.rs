//! What the processes share: real rings and a real market image over heap words, the kill word, the heartbeats. It outlives
//! every process, as the regions of an instance do.

use shm_layout::image::{ImageReader, ImageWriter, image_words};
use shm_layout::message::control::Control;
use shm_layout::message::{WORDS_64, WORDS_128};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::ring::{Gate, RingReader, RingWriter, Start, ring_words};
use shm_layout::types::{Nanos, Role};
use std::collections::BTreeSet;

/// A process of the simulated instance.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ProcessId {
    /// The feed handler.
    Feed,
    /// A strategy, by index.
    Strategy(u8),
    /// Risk.
    Risk,
    /// The execution gateway.
    Gateway,
}

impl ProcessId {
    /// Row in tables of processes.
    #[must_use]
    pub const fn row(self) -> usize {
        match self {
            Self::Feed => 0,
            Self::Risk => 1,
            Self::Gateway => 2,
            Self::Strategy(index) => 3 + index as usize,
        }
    }
}

/// A ring's region, and the region words of its one gating reader.
#[derive(Clone, Debug)]
pub struct Ring<const W: usize> {
    words: SharedWords,
    slots: usize,
    gate: Option<(SharedWords, SharedWords)>,
}

impl<const W: usize> Ring<W> {
    fn new(slots: usize, gated: bool) -> Self {
        let words = SharedWords::heap(ring_words((W + 1) * 8, slots));
        drop(RingWriter::<W>::create(words.clone(), slots).expect("a fresh ring"));
        let gate = gated.then(|| (SharedWords::heap(1), SharedWords::heap(1)));
        Self { words, slots, gate }
    }

    /// The writer of a new life of its process.
    #[must_use]
    pub fn writer(&self) -> RingWriter<W> {
        let mut writer = RingWriter::attach(self.words.clone(), self.slots).expect("an honest writer's ring");
        if let Some((cursor, parked)) = &self.gate {
            writer.add_gate(Gate { cursor: cursor.read_only(), parked: Some(parked.read_only()) });
        }
        writer
    }

    /// A tap.
    #[must_use]
    pub fn tap(&self, start: Start) -> RingReader<W> {
        RingReader::attach(self.words.read_only(), self.slots, start).expect("a ring")
    }

    /// The gating reader of a new life: where its predecessor's cursor stands, or after `after`.
    ///
    /// # Panics
    /// On a ring that nobody gates.
    #[must_use]
    pub fn gating_reader(&self, after: Option<u64>) -> RingReader<W> {
        let (cursor, _) = self.gate.as_ref().expect("a gated ring");
        let after = after.unwrap_or_else(|| cursor.load(0, Ordering::Acquire));
        self.tap(Start::After(after)).with_cursor(cursor.clone())
    }

    /// Parks the dead reader, or lets the new one gate again.
    pub fn park(&self, parked: bool) {
        if let Some((_, word)) = &self.gate {
            word.store(0, u64::from(parked), Ordering::Release);
        }
    }

    /// Sequence of the last published message.
    #[must_use]
    pub fn published(&self) -> u64 {
        self.tap(Start::Latest).next_sequence() - 1
    }

    /// Every message that the ring still holds, with its sequence.
    #[must_use]
    pub fn held(&self) -> Vec<(u64, [u64; W])> {
        let (mut reader, mut words, mut found) = (self.tap(Start::Oldest), [[0; W]; 1], Vec::new());
        while let Ok(1) = reader.read_batch(&mut words) {
            found.push((reader.next_sequence() - 1, words[0]));
        }
        found
    }
}

/// Slots of the simulated rings: small ones, so that laps and full rings happen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Slots {
    /// `market_data`.
    pub market_data: usize,
    /// `order_intent`, each.
    pub order_intent: usize,
    /// `order_entry`.
    pub order_entry: usize,
    /// `execution`.
    pub execution: usize,
}

/// Everything that is shared.
#[derive(Debug)]
pub struct Bus {
    /// Feed handler to strategies.
    pub market_data: Ring<WORDS_64>,
    /// Strategy to risk, by strategy.
    pub order_intent: Vec<Ring<WORDS_128>>,
    /// Risk to the gateway.
    pub order_entry: Ring<WORDS_128>,
    /// The only way back.
    pub execution: Ring<WORDS_128>,
    /// Supervisor to everyone.
    pub control: Ring<WORDS_64>,
    control_writer: RingWriter<WORDS_64>,
    image: SharedWords,
    /// The kill word: sum of the latched generations.
    pub kill_generation: u64,
    /// Last heartbeat of each process, by [`ProcessId::row`].
    pub heartbeat: Vec<Nanos>,
    /// Fences that the gateway has journaled and echoed.
    pub fences: BTreeSet<(Role, u8, u32)>,
}

impl Bus {
    /// An instance's regions.
    #[must_use]
    pub fn new(slots: Slots, strategies: usize, instruments: usize) -> Self {
        let control = Ring::new(1024, false);
        Self {
            market_data: Ring::new(slots.market_data, false),
            order_intent: (0..strategies).map(|_| Ring::new(slots.order_intent, true)).collect(),
            order_entry: Ring::new(slots.order_entry, true),
            execution: Ring::new(slots.execution, false),
            control_writer: control.writer(),
            control,
            image: SharedWords::heap(image_words(instruments)),
            kill_generation: 0,
            heartbeat: vec![Nanos(0); 3 + strategies],
            fences: BTreeSet::new(),
        }
    }

    /// The image's writer.
    #[must_use]
    pub fn image_writer(&self) -> ImageWriter {
        ImageWriter::new(&self.image)
    }

    /// A reader of the image.
    #[must_use]
    pub fn image_reader(&self) -> ImageReader {
        ImageReader::new(&self.image)
    }

    /// Publishes a control message, as the supervisor alone does.
    pub fn publish_control(&mut self, message: &Control) {
        assert!(Control::decode(&message.encode()).is_ok(), "the supervisor's message");
        self.control_writer.push(&message.encode()).expect("nobody gates the control ring");
    }
}
