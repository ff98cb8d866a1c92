//! rtrb: a wait-free queue from one thread to one other.
//!
//! Single messages by `push` and `pop`. Batches by chunks, which its documentation gives for many items at once: a
//! `write_chunk_uninit` filled by `fill_from_iter`, and a `read_chunk` read in place and committed whole.

use crate::element::{Element, Fit};
use benches::BenchError;
use benches::lane::{Lane, LaneSpec, Receiver, Sender, ThreadLane, one_receiver};
use rtrb::{Consumer, Producer, RingBuffer};
use std::marker::PhantomData;

/// The lane.
#[derive(Clone, Copy, Debug)]
pub struct Rtrb<F>(PhantomData<F>);

impl<F: Fit> Lane for Rtrb<F> {
    const NAME: &'static str = if F::ALIGNED { "rtrb aligned" } else { "rtrb" };

    fn settings(spec: &LaneSpec) -> String {
        let elements = if F::ALIGNED { "aligned to 64 bytes" } else { "packed" };
        format!("{} slots, elements {elements}, push and pop, batches by write_chunk_uninit and read_chunk", spec.slots)
    }
}

impl<const W: usize, F: Fit> ThreadLane<W> for Rtrb<F> {
    type Sender = RtrbSender<F::Element<W>>;
    type Receiver = RtrbReceiver<F::Element<W>>;

    fn open(spec: &LaneSpec) -> Result<(Self::Sender, Vec<Self::Receiver>), BenchError> {
        one_receiver::<Self>(spec)?;
        let (producer, consumer) = RingBuffer::new(spec.slots);
        Ok((RtrbSender(producer), vec![RtrbReceiver(consumer)]))
    }
}

/// The producer.
#[derive(Debug)]
pub struct RtrbSender<E>(Producer<E>);

impl<const W: usize, E: Element<W>> Sender<W> for RtrbSender<E> {
    #[inline(always)]
    fn send(&mut self, words: &[u64; W]) -> bool {
        self.0.push(E::new(*words)).is_ok()
    }

    #[inline(always)]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u64; W])) -> usize {
        let Ok(chunk) = self.0.write_chunk_uninit(count) else { return 0 };
        chunk.fill_from_iter((0..count).map(|index| {
            let mut words = [0; W];
            fill(index, &mut words);
            E::new(words)
        }))
    }
}

/// The consumer.
#[derive(Debug)]
pub struct RtrbReceiver<E>(Consumer<E>);

impl<const W: usize, E: Element<W>> Receiver<W> for RtrbReceiver<E> {
    #[inline(always)]
    fn receive(&mut self, limit: usize, mut each: impl FnMut(&[u64; W])) -> usize {
        if limit == 1 {
            return self.0.pop().map_or(0, |element| {
                each(element.words());
                1
            });
        }
        let count = self.0.slots().min(limit);
        let Ok(chunk) = self.0.read_chunk(count) else { return 0 };
        let (first, second) = chunk.as_slices();
        first.iter().chain(second).for_each(|element| each(element.words()));
        chunk.commit_all();
        count
    }
}
