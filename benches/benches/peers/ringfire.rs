//! ringfire: a ring in shared memory, between processes.
//!
//! `LosslessBackpressure`, which its documentation gives to pipelines that may lose nothing (ours loses nothing either):
//! the receiver is registered by attaching. `try_push` for single messages; its `push_batch` waits inside for room, so
//! that a batch is pushed only when `headroom` says that it fits. The file lies beside ours in shared memory.

use benches::BenchError;
use benches::lane::{Lane, LaneSpec, ProcessLane, Receiver, Sender, one_receiver};
use ringfire::{FlowControl, RingConsumer, RingConsumerBuilder, RingProducer, RingProducerBuilder};
use std::time::Duration;

/// Messages pushed and received at once.
const BATCH: usize = 64;
/// Naps of a receiver until its sender has made the ring: 10 s.
const NAPS_MAX: u32 = 10_000;
/// One nap.
const NAP: Duration = Duration::from_millis(1);

/// The lane.
#[derive(Clone, Copy, Debug)]
pub struct Ringfire;

impl Lane for Ringfire {
    const NAME: &'static str = "ringfire";

    fn settings(spec: &LaneSpec) -> String {
        format!("{} slots, LosslessBackpressure, try_push or push_batch, recv_batch up to {BATCH}", spec.slots)
    }
}

impl<const W: usize> ProcessLane<W> for Ringfire {
    type Sender = RingfireSender<W>;
    type Receiver = RingfireReceiver<W>;

    /// The producer makes the file: it belongs to the sender's process.
    fn create(spec: &LaneSpec) -> Result<(), BenchError> {
        one_receiver::<Self>(spec)
    }

    fn sender(spec: &LaneSpec) -> Result<Self::Sender, BenchError> {
        RingProducerBuilder::new(spec.slots as u64)
            .flow_control(FlowControl::LosslessBackpressure)
            .build(spec.file("ringfire"))
            .map(|producer| RingfireSender { producer, batch: Box::new([[0; W]; BATCH]), room: 0 })
            .map_err(|error| BenchError::new(format!("ringfire cannot make its ring: {error}"), "run it again"))
    }

    fn receiver(spec: &LaneSpec, _index: usize) -> Result<Self::Receiver, BenchError> {
        let mut naps = 0;
        let consumer = loop {
            match RingConsumerBuilder::new().start_from_oldest().attach(spec.file("ringfire")) {
                Ok(consumer) => break consumer,
                // Not made yet, or not to the end.
                Err(_) if naps < NAPS_MAX => naps += 1,
                Err(error) => {
                    return Err(BenchError::new(format!("ringfire cannot attach: {error}"), "run it again"));
                }
            }
            std::thread::sleep(NAP);
        };
        Ok(RingfireReceiver { consumer, batch: Box::new([[0; W]; BATCH]) })
    }
}

/// The producer.
pub struct RingfireSender<const W: usize> {
    producer: RingProducer<[u64; W]>,
    batch: Box<[[u64; W]; BATCH]>,
    /// Messages that fit for sure: what the last look said, less what was pushed since.
    room: usize,
}

impl<const W: usize> Sender<W> for RingfireSender<W> {
    #[inline(always)]
    fn send(&mut self, words: &[u64; W]) -> bool {
        self.producer.try_push(words).is_ok()
    }

    #[inline(always)]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u64; W])) -> usize {
        let count = count.min(BATCH);
        if self.room < count {
            self.room = self.producer.headroom() as usize;
            if self.room < count {
                return 0;
            }
        }
        self.batch[..count].iter_mut().enumerate().for_each(|(index, words)| fill(index, words));
        self.producer.push_batch(&self.batch[..count]);
        self.room -= count;
        count
    }
}

/// The consumer.
pub struct RingfireReceiver<const W: usize> {
    consumer: RingConsumer<[u64; W]>,
    batch: Box<[[u64; W]; BATCH]>,
}

impl<const W: usize> Receiver<W> for RingfireReceiver<W> {
    #[inline(always)]
    fn receive(&mut self, limit: usize, mut each: impl FnMut(&[u64; W])) -> usize {
        if limit == 1 {
            return self.consumer.try_recv().map_or(0, |words| {
                each(&words);
                1
            });
        }
        let count = self.consumer.recv_batch(&mut self.batch[..limit.min(BATCH)]);
        self.batch[..count].iter().for_each(each);
        count
    }

    fn lost(&self) -> u64 {
        self.consumer.lapped_count()
    }
}
