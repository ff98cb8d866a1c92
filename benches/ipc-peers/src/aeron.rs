//! Aeron IPC: publications and subscriptions over term buffers that a media driver makes; the C client and driver.
//!
//! An exclusive publication, which its documentation gives to a single publisher, `offer` for each message, `poll` with a
//! fragment limit. Term buffers not sparse and touched beforehand by the clients, as its samples for low latency have them.
//! The driver runs in the coordinator's process, one shared thread that backs off, so that it leaves the two measured cores
//! to those that are measured. It is no part of a message's way, but it moves the publisher's limit on, half a term at a
//! time: terms of the default size are large enough for a driver that shares its cores with two that spin (of 1 MiB they
//! let 1.5 M/s through, of 16 MiB 20 M/s). A frame is a header of 32 bytes and the message, in steps of 32 bytes, which is its
//! protocol's: one of 88 bytes begins at a line or in its middle and takes two lines either way; nothing is there to align.

use benches::BenchError;
use benches::lane::{Lane, LaneSpec, ProcessLane, Receiver, Sender, one_receiver};
use rusteron_client::{
    Aeron as Client, AeronContext, AeronExclusivePublication, AeronHeader, AeronReservedValueSupplierLogger,
    AeronSubscription, Handlers, IntoCString,
};
use rusteron_media_driver::bindings::aeron_threading_mode_enum;
use rusteron_media_driver::testing::EmbeddedDriver;
use std::fmt::Display;
use std::sync::Mutex;
use std::sync::atomic::{AtomicI32, Ordering};
use std::time::Duration;
use zerocopy::{FromBytes, IntoBytes};

/// Bytes of a term buffer: the driver's default.
const TERM_BYTES: u32 = 64 << 20;
/// How long the driver may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The driver, in the coordinator, from the first trial on.
static DRIVER: Mutex<Option<EmbeddedDriver>> = Mutex::new(None);
/// Every lane of every trial has a stream of its own.
static STREAM: AtomicI32 = AtomicI32::new(1_001);

/// Ends the driver and removes its files.
pub fn stop_driver() {
    drop(DRIVER.lock().map(|mut driver| driver.take()));
}

/// The lane.
#[derive(Clone, Copy, Debug)]
pub struct Aeron;

impl Lane for Aeron {
    const NAME: &'static str = "aeron";

    fn settings(_spec: &LaneSpec) -> String {
        format!(
            "IPC, exclusive publication, offer, poll, terms of {TERM_BYTES} bytes, pre-touched; driver shared, backoff"
        )
    }
}

fn failed(error: impl Display) -> BenchError {
    BenchError::new(format!("Aeron: {error}"), "run it again")
}

fn driver_directory() -> Result<String, BenchError> {
    let mut driver = DRIVER.lock().map_err(failed)?;
    if driver.is_none() {
        let launched = EmbeddedDriver::launch_with(|context| {
            context.set_threading_mode(aeron_threading_mode_enum::AERON_THREADING_MODE_SHARED)?;
            context.set_term_buffer_sparse_file(false)?;
            Ok(())
        });
        *driver = Some(launched.map_err(failed)?);
    }
    Ok(driver.as_ref().map(|driver| driver.dir().to_owned()).unwrap_or_default())
}

/// A client of the driver, the channel and the stream that the coordinator wrote down.
fn connect(spec: &LaneSpec) -> Result<(Client, std::ffi::CString, i32), BenchError> {
    let text = std::fs::read_to_string(spec.file("aeron")).map_err(failed)?;
    let (stream, directory) = text.split_once(' ').ok_or_else(|| failed("the lane's file is not whole"))?;
    let context = AeronContext::new().map_err(failed)?;
    context.set_dir(&directory.into_c_string()).map_err(failed)?;
    context.set_pre_touch_mapped_memory(true).map_err(failed)?;
    let client = Client::new(&context).map_err(failed)?;
    client.start().map_err(failed)?;
    let channel = format!("aeron:ipc?term-length={TERM_BYTES}").as_str().into_c_string();
    Ok((client, channel, stream.parse().map_err(failed)?))
}

impl<const W: usize> ProcessLane<W> for Aeron {
    type Sender = AeronSender;
    type Receiver = AeronReceiver;

    fn create(spec: &LaneSpec) -> Result<(), BenchError> {
        one_receiver::<Self>(spec)?;
        let stream = STREAM.fetch_add(1, Ordering::Relaxed);
        std::fs::write(spec.file("aeron"), format!("{stream} {}", driver_directory()?)).map_err(failed)
    }

    fn sender(spec: &LaneSpec) -> Result<Self::Sender, BenchError> {
        let (client, channel, stream) = connect(spec)?;
        let adding = client.async_add_exclusive_publication(&channel, stream).map_err(failed)?;
        Ok(AeronSender { publication: adding.poll_blocking(PATIENCE).map_err(failed)?, _client: client })
    }

    fn receiver(spec: &LaneSpec, _index: usize) -> Result<Self::Receiver, BenchError> {
        let (client, channel, stream) = connect(spec)?;
        let adding = client.async_add_subscription(&channel, stream, Handlers::NONE, Handlers::NONE).map_err(failed)?;
        Ok(AeronReceiver { subscription: adding.poll_blocking(PATIENCE).map_err(failed)?, _client: client })
    }
}

/// The publication. Declared before its client, so that it is closed first.
pub struct AeronSender {
    publication: AeronExclusivePublication,
    _client: Client,
}

impl<const W: usize> Sender<W> for AeronSender {
    #[inline(always)]
    fn send(&mut self, words: &[u64; W]) -> bool {
        // Negative: not connected yet, held back, or a change of term.
        self.publication.offer_raw::<AeronReservedValueSupplierLogger>(words.as_slice().as_bytes(), None) >= 0
    }
}

/// The subscription.
pub struct AeronReceiver {
    subscription: AeronSubscription,
    _client: Client,
}

impl<const W: usize> Receiver<W> for AeronReceiver {
    #[inline(always)]
    fn receive(&mut self, limit: usize, mut each: impl FnMut(&[u64; W])) -> usize {
        let take = |bytes: &[u8], _: AeronHeader| {
            if let Ok(words) = <[u64; W]>::read_from_bytes(bytes) {
                each(&words);
            }
        };
        self.subscription.poll_fn(take, limit).unwrap_or(0).max(0) as usize
    }
}
