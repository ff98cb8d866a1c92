//! Our own ring as a lane: the public API over files in shared memory, mapped by the runtime as the product does.
//!
//! Gating readers keep their cursors in a file of their own, one line each, as a process keeps its own in its status
//! region. It uses nothing of the ring that a product process could not use.

use super::{Lane, LaneSpec, ProcessLane, Receiver, Sender};
use crate::BenchError;
use runtime::mmap::{Access, MODE_PRIVATE, create_region, map_region};
use shm_layout::ring::{Gate, RingReader, RingWriter, Start, ring_words};

/// Words between two cursors: two cache lines.
const CURSOR_STRIDE: usize = 16;
/// Messages copied out at once.
const BATCH: usize = 64;

/// The ring of this project.
#[derive(Clone, Copy, Debug)]
pub struct Tickway;

impl Lane for Tickway {
    const NAME: &'static str = "tickway";

    fn settings(spec: &LaneSpec) -> String {
        format!(
            "{} slots, {} gating and {} tap readers, push or claim(n), read_batch up to {BATCH}, a commit per batch",
            spec.slots, spec.receivers, spec.taps
        )
    }
}

/// The writer.
#[derive(Debug)]
pub struct OurSender<const W: usize>(RingWriter<W>);

/// A reader.
#[derive(Debug)]
pub struct OurReceiver<const W: usize> {
    reader: RingReader<W>,
    batch: Box<[[u64; W]; BATCH]>,
    lost: u64,
}

impl<const W: usize> Sender<W> for OurSender<W> {
    #[inline(always)]
    fn send(&mut self, words: &[u64; W]) -> bool {
        self.0.push(words).is_ok()
    }

    #[inline(always)]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u64; W])) -> usize {
        let Ok(mut claim) = self.0.claim(count) else { return 0 };
        let mut words = [0; W];
        for index in 0..count {
            fill(index, &mut words);
            claim.write(index, &words);
        }
        claim.publish();
        count
    }
}

impl<const W: usize> Receiver<W> for OurReceiver<W> {
    #[inline(always)]
    fn receive(&mut self, limit: usize, mut each: impl FnMut(&[u64; W])) -> usize {
        let limit = limit.min(BATCH);
        match self.reader.read_batch(&mut self.batch[..limit]) {
            Ok(0) => 0,
            Ok(count) => {
                self.batch[..count].iter().for_each(&mut each);
                self.reader.commit();
                count
            }
            Err(lapped) => {
                self.lost += lapped.missed;
                0
            }
        }
    }

    fn lost(&self) -> u64 {
        self.lost + self.reader.corrupt()
    }
}

impl<const W: usize> ProcessLane<W> for Tickway {
    type Sender = OurSender<W>;
    type Receiver = OurReceiver<W>;

    fn create(spec: &LaneSpec) -> Result<(), BenchError> {
        create_region(&spec.file("ring"), ring_words(W + 1, spec.slots) as u64 * 8, MODE_PRIVATE)?;
        create_region(&spec.file("cursors"), (spec.receivers.max(1) * CURSOR_STRIDE) as u64 * 8, MODE_PRIVATE)?;
        let ring = map_region(&spec.file("ring"), Access::ReadWrite, None)?;
        RingWriter::<W>::create(ring.words, spec.slots)?;
        Ok(())
    }

    fn sender(spec: &LaneSpec) -> Result<Self::Sender, BenchError> {
        let ring = map_region(&spec.file("ring"), Access::ReadWrite, None)?;
        let cursors = map_region(&spec.file("cursors"), Access::ReadOnly, None)?;
        let mut writer = RingWriter::<W>::attach(ring.words, spec.slots)?;
        for index in 0..spec.receivers {
            writer.add_gate(Gate { cursor: cursors.words.slice(index * CURSOR_STRIDE, 1), parked: None });
        }
        Ok(OurSender(writer))
    }

    fn receiver(spec: &LaneSpec, index: usize) -> Result<Self::Receiver, BenchError> {
        let ring = map_region(&spec.file("ring"), Access::ReadOnly, None)?;
        let mut reader = RingReader::<W>::attach(ring.words, spec.slots, Start::Oldest)?;
        if index < spec.receivers {
            let cursors = map_region(&spec.file("cursors"), Access::ReadWrite, None)?;
            reader = reader.with_cursor(cursors.words.slice(index * CURSOR_STRIDE, 1));
        }
        Ok(OurReceiver { reader, batch: Box::new([[0; W]; BATCH]), lost: 0 })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gated_lane_is_full_until_its_receivers_took_the_messages() {
        let folder = tempfile::tempdir().expect("a folder");
        let spec =
            LaneSpec { directory: folder.path().to_owned(), name: "there".into(), slots: 8, receivers: 2, taps: 1 };
        <Tickway as ProcessLane<7>>::create(&spec).expect("a lane");
        let mut receivers: Vec<OurReceiver<7>> =
            (0..3).map(|index| Tickway::receiver(&spec, index).expect("a receiver")).collect();
        let mut sender: OurSender<7> = Tickway::sender(&spec).expect("a sender");
        assert_eq!(sender.send_batch(8, |index, words| *words = [index as u64; 7]), 8);
        assert!(!sender.send(&[8; 7]), "two receivers gate");
        let mut seen = Vec::new();
        assert_eq!(receivers[0].receive(8, |words| seen.push(words[6])), 8);
        assert_eq!(seen, (0..8).collect::<Vec<_>>());
        assert!(!sender.send(&[8; 7]), "the second still gates");
        assert_eq!(receivers[1].receive(100, |_| ()), 8);
        assert!(sender.send(&[8; 7]), "the tap does not gate");
        assert_eq!(receivers[1].receive(100, |_| ()), 1);
        // The tap stands before message 0, which was overwritten: it is told so.
        assert_eq!(receivers[2].receive(1, |_| ()), 0);
        assert!(receivers[2].lost() > 0);
    }
}
