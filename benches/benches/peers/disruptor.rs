//! disruptor-rs: the LMAX design in Rust, between threads.
//!
//! One producer, and the event poller, which its documentation gives to those who keep their own threads; `BusySpin`, as
//! in its examples; `try_publish` and `try_batch_publish`, as its `Producer` recommends; a guard of `take(limit)` read as
//! an iterator and dropped, which frees its slots.

use crate::element::{Element, Fit};
use benches::BenchError;
use benches::lane::{Lane, LaneSpec, Receiver, Sender, ThreadLane, one_receiver};
use disruptor::{
    BusySpin, EventPoller, Producer, SingleConsumerBarrier, SingleProducer, SingleProducerBarrier,
    build_single_producer,
};
use std::marker::PhantomData;

/// The lane.
#[derive(Clone, Copy, Debug)]
pub struct Disruptor<F>(PhantomData<F>);

impl<F: Fit> Lane for Disruptor<F> {
    const NAME: &'static str = if F::ALIGNED { "disruptor aligned" } else { "disruptor" };

    fn settings(spec: &LaneSpec) -> String {
        let elements = if F::ALIGNED { "aligned to 64 bytes" } else { "packed" };
        format!(
            "{} slots, elements {elements}, one producer, BusySpin, try_publish or try_batch_publish, event poller",
            spec.slots
        )
    }
}

impl<const W: usize, F: Fit> ThreadLane<W> for Disruptor<F> {
    type Sender = DisruptorSender<F::Element<W>>;
    type Receiver = DisruptorReceiver<F::Element<W>>;

    fn open(spec: &LaneSpec) -> Result<(Self::Sender, Vec<Self::Receiver>), BenchError> {
        one_receiver::<Self>(spec)?;
        let (poller, builder) =
            build_single_producer(spec.slots, || F::Element::new([0; W]), BusySpin).new_event_poller();
        Ok((DisruptorSender(builder.build()), vec![DisruptorReceiver(poller)]))
    }
}

/// The producer.
pub struct DisruptorSender<E>(SingleProducer<E, SingleConsumerBarrier>);

impl<const W: usize, E: Element<W>> Sender<W> for DisruptorSender<E> {
    #[inline(always)]
    fn send(&mut self, words: &[u64; W]) -> bool {
        self.0.try_publish(|event| *event = E::new(*words)).is_ok()
    }

    #[inline(always)]
    fn send_batch(&mut self, count: usize, mut fill: impl FnMut(usize, &mut [u64; W])) -> usize {
        let sent = self.0.try_batch_publish(count, |events| {
            events.enumerate().for_each(|(index, event)| fill(index, event.words_mut()));
        });
        if sent.is_ok() { count } else { 0 }
    }
}

/// The poller.
pub struct DisruptorReceiver<E>(EventPoller<E, SingleProducerBarrier>);

impl<const W: usize, E: Element<W>> Receiver<W> for DisruptorReceiver<E> {
    #[inline(always)]
    fn receive(&mut self, limit: usize, mut each: impl FnMut(&[u64; W])) -> usize {
        let Ok(mut guard) = self.0.take(limit as u64) else { return 0 };
        let mut count = 0;
        for event in &mut guard {
            each(event.words());
            count += 1;
        }
        count
    }
}
