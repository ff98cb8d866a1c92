//! crossbeam's `ArrayQueue`: bounded, many senders and many receivers; here one of each.
//!
//! It has `push` and `pop` and nothing for batches: a batch is as many single calls. Each of its slots has a stamp before the
//! element: packed, 64 bytes that begin where the allocator's block begins, mostly across two lines; aligned, the stamp has
//! a line of its own and a message takes two lines always.

use crate::element::{Element, Fit};
use benches::BenchError;
use benches::lane::{Lane, LaneSpec, Receiver, Sender, ThreadLane, one_receiver};
use crossbeam_queue::ArrayQueue;
use std::marker::PhantomData;
use std::sync::Arc;

/// The lane.
#[derive(Clone, Copy, Debug)]
pub struct Crossbeam<F>(PhantomData<F>);

impl<F: Fit> Lane for Crossbeam<F> {
    const NAME: &'static str = if F::ALIGNED { "crossbeam ArrayQueue aligned" } else { "crossbeam ArrayQueue" };

    fn settings(spec: &LaneSpec) -> String {
        let elements = if F::ALIGNED { "aligned to 64 bytes" } else { "packed" };
        format!("{} slots, elements {elements}, push and pop, no batches", spec.slots)
    }
}

impl<const W: usize, F: Fit> ThreadLane<W> for Crossbeam<F> {
    type Sender = QueueEnd<F::Element<W>>;
    type Receiver = QueueEnd<F::Element<W>>;

    fn open(spec: &LaneSpec) -> Result<(Self::Sender, Vec<Self::Receiver>), BenchError> {
        one_receiver::<Self>(spec)?;
        let queue = Arc::new(ArrayQueue::new(spec.slots));
        Ok((QueueEnd(Arc::clone(&queue)), vec![QueueEnd(queue)]))
    }
}

/// Either end.
#[derive(Debug)]
pub struct QueueEnd<E>(Arc<ArrayQueue<E>>);

impl<const W: usize, E: Element<W>> Sender<W> for QueueEnd<E> {
    #[inline(always)]
    fn send(&mut self, words: &[u64; W]) -> bool {
        self.0.push(E::new(*words)).is_ok()
    }
}

impl<const W: usize, E: Element<W>> Receiver<W> for QueueEnd<E> {
    #[inline(always)]
    fn receive(&mut self, limit: usize, mut each: impl FnMut(&[u64; W])) -> usize {
        for count in 0..limit {
            let Some(element) = self.0.pop() else { return count };
            each(element.words());
        }
        limit
    }
}
