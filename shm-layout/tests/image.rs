//! The market image: the bytes drawn, every miss, and no torn read under a running writer.
#![forbid(unsafe_code)]

use proptest::prelude::*;
use shm_layout::image::{ImageChannel, ImageEntry, ImageMiss, ImageReader, ImageWriter, Level, image_words};
use shm_layout::ring::sync::{Ordering, SharedWords};
use shm_layout::types::{BookValidity, ChannelState, InstrumentId, Nanos, Price, Qty, Side, TradingStatus};
use std::sync::atomic::AtomicBool;

/// An entry whose every word is made of `n`, so that a torn one shows.
fn entry(instrument: u32, n: u64) -> ImageEntry {
    let level = Level { price: Price(n as i64), qty: Qty(n as i64) };
    ImageEntry {
        validity: BookValidity::Trusted as u8,
        trading_status: TradingStatus::Trading as u8,
        bid_count: 6,
        ask_count: 2,
        instrument_id: InstrumentId(instrument),
        channel_sequence: n,
        exchange_ns: n,
        receive_ns: Nanos(n),
        last_px: Price(n as i64),
        last_qty: Qty(n as i64),
        reset_count: n,
        bids: [level; 6],
        asks: [level; 6],
    }
}

#[test]
fn an_entry_is_the_bytes_drawn() {
    let body = SharedWords::heap(image_words(3));
    let mut writer = ImageWriter::new(&body);
    assert_eq!(writer.instruments(), 3);
    writer.write(&entry(2, 7));
    let first = (128 + 2 * 256) / 8;
    assert_eq!(body.load(first, Ordering::Relaxed), 1, "the stamp counts writes");
    // validity Trusted, trading_status Trading, 6 bids, 2 asks, instrument 2
    assert_eq!(body.load(first + 1, Ordering::Relaxed).to_le_bytes(), [1, 4, 6, 2, 2, 0, 0, 0]);
    assert!((first + 2..first + 32).all(|word| body.load(word, Ordering::Relaxed) == 7));
    writer.write(&entry(2, 8));
    let reader = ImageReader::new(&body);
    assert_eq!(reader.stamp(InstrumentId(2)), Some(2));
    let read = reader.read(InstrumentId(2)).unwrap();
    assert_eq!(read, entry(2, 8));
    assert_eq!((read.validity(), read.trading_status()), (BookValidity::Trusted, TradingStatus::Trading));
    assert_eq!((read.levels(Side::Buy).len(), read.levels(Side::Sell).len()), (6, 2));
}

#[test]
fn misses_are_told_apart() {
    let body = SharedWords::heap(image_words(2));
    let mut writer = ImageWriter::new(&body);
    let reader = ImageReader::new(&body);
    assert_eq!(reader.read(InstrumentId(2)), Err(ImageMiss::OutOfRange));
    assert_eq!(reader.read(InstrumentId::ALL), Err(ImageMiss::OutOfRange));
    assert_eq!(reader.read(InstrumentId(1)), Err(ImageMiss::Unwritten));
    writer.write(&entry(1, 1));
    let stamp = 16 + 32;
    body.store(stamp, 1 << 63 | 2, Ordering::Relaxed);
    assert_eq!(reader.read(InstrumentId(1)), Err(ImageMiss::Busy), "a writer that died while it wrote");
    assert_eq!(reader.stamp(InstrumentId(1)), None);
    // Its successor's write heals the entry.
    ImageWriter::new(&body).write(&entry(1, 5));
    assert_eq!(reader.read(InstrumentId(1)), Ok(entry(1, 5)));
    body.store(stamp + 1, 0, Ordering::Relaxed);
    assert_eq!(reader.read(InstrumentId(1)), Err(ImageMiss::Malformed));
}

#[test]
fn the_channel_is_one_group() {
    let body = SharedWords::heap(image_words(0));
    let reader = ImageReader::new(&body);
    assert_eq!(reader.channel(), None);
    ImageWriter::new(&body).write_channel(ChannelState::GapFill, 11, Nanos(12));
    let words: Vec<u64> = (0..5).map(|word| body.load(word, Ordering::Relaxed)).collect();
    assert_eq!(words, [1, 3, 11, 12, 0]);
    let expected = ImageChannel { state: ChannelState::GapFill, channel_sequence: 11, receive_ns: Nanos(12) };
    assert_eq!(reader.channel(), Some(expected));
    body.store(1, 77, Ordering::Relaxed);
    assert_eq!(reader.channel(), None);
}

#[test]
fn no_read_is_torn() {
    const WRITES: u64 = 1_000_000;
    let body = SharedWords::heap(image_words(2));
    let mut writer = ImageWriter::new(&body);
    writer.write(&entry(1, 1));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let reader = ImageReader::new(&body);
                let mut last = 0;
                while !done.load(Ordering::Acquire) {
                    match reader.read(InstrumentId(1)) {
                        Ok(read) => {
                            assert_eq!(read, entry(1, read.channel_sequence), "words of two writes");
                            assert!(read.channel_sequence >= last, "an older entry after a newer one");
                            last = read.channel_sequence;
                        }
                        Err(miss) => assert_eq!(miss, ImageMiss::Busy),
                    }
                }
            });
        }
        for n in 2..=WRITES {
            writer.write(&entry(1, n));
        }
        done.store(true, Ordering::Release);
    });
    assert_eq!(ImageReader::new(&body).read(InstrumentId(1)), Ok(entry(1, WRITES)));
    assert_eq!(ImageReader::new(&body).stamp(InstrumentId(1)), Some(WRITES));
}

proptest! {
    #[test]
    fn garbage_never_panics(words in prop::collection::vec(any::<u64>(), 16 + 64), id in any::<u32>()) {
        let body = SharedWords::heap(words.len());
        for (index, word) in words.iter().enumerate() {
            body.store(index, *word, Ordering::Relaxed);
        }
        let reader = ImageReader::new(&body);
        let _ = reader.channel();
        for id in [0, 1, id] {
            if let Ok(read) = reader.read(InstrumentId(id)) {
                prop_assert!(read.levels(Side::Buy).len() <= 6 && read.levels(Side::Sell).len() <= 6);
                let _ = (read.validity(), read.trading_status());
            }
        }
    }
}
