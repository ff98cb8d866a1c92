//! crossbeam's `ArrayQueue`: bounded, many senders and many receivers; here one of each.
//!
//! It has `push` and `pop` and nothing for batches: a batch is as many single calls.

use benches::BenchError;
use benches::lane::{Lane, LaneSpec, Receiver, Sender, ThreadLane, one_receiver};
use crossbeam_queue::ArrayQueue;
use std::sync::Arc;

/// The lane.
#[derive(Clone, Copy, Debug)]
pub struct Crossbeam;

impl Lane for Crossbeam {
    const NAME: &'static str = "crossbeam ArrayQueue";

    fn settings(spec: &LaneSpec) -> String {
        format!("{} slots, push and pop, no batches", spec.slots)
    }
}

impl<const W: usize> ThreadLane<W> for Crossbeam {
    type Sender = QueueEnd<W>;
    type Receiver = QueueEnd<W>;

    fn open(spec: &LaneSpec) -> Result<(Self::Sender, Vec<Self::Receiver>), BenchError> {
        one_receiver::<Self>(spec)?;
        let queue = Arc::new(ArrayQueue::new(spec.slots));
        Ok((QueueEnd(Arc::clone(&queue)), vec![QueueEnd(queue)]))
    }
}

/// Either end.
#[derive(Debug)]
pub struct QueueEnd<const W: usize>(Arc<ArrayQueue<[u64; W]>>);

impl<const W: usize> Sender<W> for QueueEnd<W> {
    #[inline(always)]
    fn send(&mut self, words: &[u64; W]) -> bool {
        self.0.push(*words).is_ok()
    }
}

impl<const W: usize> Receiver<W> for QueueEnd<W> {
    #[inline(always)]
    fn receive(&mut self, limit: usize, mut each: impl FnMut(&[u64; W])) -> usize {
        for count in 0..limit {
            let Some(words) = self.0.pop() else { return count };
            each(&words);
        }
        limit
    }
}
