//! iceoryx2: publish and subscribe in shared memory, between processes.
//!
//! One publisher and one subscriber, as its benchmark has them; samples are loaned, written in place and sent, as its
//! documentation recommends for small and large payloads alike. Lossless as ours is: no safe overflow, and a subscriber's
//! buffer of as many samples as our ring has slots. A full buffer is seen by the count of receivers that `send` returns.
//! It has nothing for batches: a batch is as many single calls. A sample is a header of 48 bytes and the payload, one after
//! the other: payloads aligned to 64 bytes, which its builder offers, put header and payload on one line each; at the
//! alignment of a word half of the samples take three.

use benches::BenchError;
use benches::lane::{Lane, LaneSpec, ProcessLane, Receiver, Sender, one_receiver};
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::*;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use std::fmt::Display;

/// The lane.
#[derive(Clone, Copy, Debug)]
pub struct Iceoryx2;

impl Lane for Iceoryx2 {
    const NAME: &'static str = "iceoryx2";

    fn settings(spec: &LaneSpec) -> String {
        format!("ipc service, buffer of {} samples, payload aligned to 64 bytes, no safe overflow, loan_uninit and send, receive", spec.slots)
    }
}

type Node = iceoryx2::node::Node<ipc::Service>;
/// Alignment of payloads: a cache line.
const LINE: usize = 64;

type Factory<const W: usize> = PortFactory<ipc::Service, [u64; W], ()>;

fn failed(error: impl Display) -> BenchError {
    BenchError::new(format!("iceoryx2: {error}"), "run it again")
}

fn open<const W: usize>(spec: &LaneSpec) -> Result<(Node, Factory<W>), BenchError> {
    // The trial's folder has a name of its own: so has the service.
    let folder = spec.directory.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let name = format!("{folder}/{}", spec.name);
    set_log_level(LogLevel::Error);
    let node = NodeBuilder::new().create::<ipc::Service>().map_err(failed)?;
    let factory = node
        .service_builder(&name.as_str().try_into().map_err(failed)?)
        .publish_subscribe::<[u64; W]>()
        .payload_alignment(Alignment::new(LINE).ok_or_else(|| failed("no alignment"))?)
        .max_publishers(1)
        .max_subscribers(1)
        .history_size(0)
        .enable_safe_overflow(false)
        .subscriber_max_buffer_size(spec.slots)
        .open_or_create()
        .map_err(failed)?;
    Ok((node, factory))
}

impl<const W: usize> ProcessLane<W> for Iceoryx2 {
    type Sender = IceSender<W>;
    type Receiver = IceReceiver<W>;

    /// Whichever end comes first makes the service.
    fn create(spec: &LaneSpec) -> Result<(), BenchError> {
        one_receiver::<Self>(spec)
    }

    fn sender(spec: &LaneSpec) -> Result<Self::Sender, BenchError> {
        let (node, factory) = open(spec)?;
        let publisher = factory
            .publisher_builder()
            .max_loaned_samples(1)
            .backpressure_strategy(BackpressureStrategy::DiscardData)
            .create()
            .map_err(failed)?;
        Ok(IceSender { publisher, _factory: factory, _node: node })
    }

    fn receiver(spec: &LaneSpec, _index: usize) -> Result<Self::Receiver, BenchError> {
        let (node, factory) = open(spec)?;
        let subscriber = factory.subscriber_builder().buffer_size(spec.slots).create().map_err(failed)?;
        Ok(IceReceiver { subscriber, _factory: factory, _node: node })
    }
}

/// The publisher.
pub struct IceSender<const W: usize> {
    publisher: Publisher<ipc::Service, [u64; W], ()>,
    _factory: Factory<W>,
    _node: Node,
}

impl<const W: usize> Sender<W> for IceSender<W> {
    #[inline(always)]
    fn send(&mut self, words: &[u64; W]) -> bool {
        // No sample to loan, or no receiver that had room: not now.
        self.publisher.loan_uninit().is_ok_and(|sample| sample.write_payload(*words).send() == Ok(1))
    }
}

/// The subscriber.
pub struct IceReceiver<const W: usize> {
    subscriber: Subscriber<ipc::Service, [u64; W], ()>,
    _factory: Factory<W>,
    _node: Node,
}

impl<const W: usize> Receiver<W> for IceReceiver<W> {
    #[inline(always)]
    fn receive(&mut self, limit: usize, mut each: impl FnMut(&[u64; W])) -> usize {
        for count in 0..limit {
            let Ok(Some(sample)) = self.subscriber.receive() else { return count };
            each(&sample);
        }
        limit
    }
}
