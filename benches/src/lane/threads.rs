//! Our ring between two threads of one process, for peers that are confined to one: the same files, mapped twice.

use super::{Lane, LaneSpec, ProcessLane, ThreadLane, Tickway};
use crate::BenchError;

/// Our ring, its two ends in threads.
#[derive(Clone, Copy, Debug)]
pub struct TickwayThreads;

impl Lane for TickwayThreads {
    const NAME: &'static str = "tickway-threads";

    fn settings(spec: &LaneSpec) -> String {
        Tickway::settings(spec)
    }
}

impl<const W: usize> ThreadLane<W> for TickwayThreads {
    type Sender = <Tickway as ProcessLane<W>>::Sender;
    type Receiver = <Tickway as ProcessLane<W>>::Receiver;

    fn open(spec: &LaneSpec) -> Result<(Self::Sender, Vec<Self::Receiver>), BenchError> {
        <Tickway as ProcessLane<W>>::create(spec)?;
        let receivers = (0..spec.receivers).map(|index| <Tickway as ProcessLane<W>>::receiver(spec, index));
        let receivers = receivers.collect::<Result<Vec<_>, _>>()?;
        Ok((<Tickway as ProcessLane<W>>::sender(spec)?, receivers))
    }
}
