//! A feed handler's market image as a machine is told of it: one [`Reference`] per instrument, given when it changed.
//!
//! It never waits for the feed handler: an entry in the middle of a write is `Recovering`, so that nothing is traded on
//! it, and is looked at again the next time.

use shm_layout::image::{ImageChannel, ImageEntry, ImageMiss, ImageReader};
use shm_layout::message::step::Reference;
use shm_layout::types::{BookValidity, ChannelState, InstrumentId, Nanos, Price, TradingStatus};

/// What of an entry a reference tells.
#[derive(Clone, Copy, Debug)]
struct Quote {
    validity: BookValidity,
    trading_status: TradingStatus,
    bid: Price,
    ask: Price,
    channel_sequence: u64,
}

impl Quote {
    const UNKNOWN: Self = Self {
        validity: BookValidity::Unknown,
        trading_status: TradingStatus::Unknown,
        bid: Price::ZERO,
        ask: Price::ZERO,
        channel_sequence: 0,
    };

    fn of(entry: &ImageEntry) -> Self {
        let best = |side| entry.levels(side).first().map_or(Price::ZERO, |level| level.price);
        Self {
            validity: entry.validity(),
            trading_status: entry.trading_status(),
            bid: best(shm_layout::types::Side::Buy),
            ask: best(shm_layout::types::Side::Sell),
            channel_sequence: entry.channel_sequence,
        }
    }

    /// With the channel's state: a book is no better than the channel that feeds it.
    const fn reference(self, instrument_id: InstrumentId, channel: &ImageChannel) -> Reference {
        let validity = match channel.state {
            ChannelState::Synchronized => self.validity,
            ChannelState::Backfill | ChannelState::GapFill => BookValidity::Recovering,
            ChannelState::Unknown | ChannelState::Ended => BookValidity::Unknown,
        };
        Reference {
            instrument_id,
            validity,
            trading_status: self.trading_status,
            bid: self.bid,
            ask: self.ask,
            receive_ns: channel.receive_ns,
            channel_sequence: self.channel_sequence,
        }
    }
}

/// What is known of one instrument.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Stamp of the entry that `quote` was copied from; `None`: copy it again.
    stamp: Option<u64>,
    quote: Quote,
    given: Option<Reference>,
}

/// The references of one image.
#[derive(Debug)]
pub struct References {
    image: ImageReader,
    known: Box<[Known]>,
    channel: ImageChannel,
}

impl References {
    /// The references of `image`, none given yet.
    #[must_use]
    pub fn new(image: ImageReader) -> Self {
        let known = vec![Known { stamp: None, quote: Quote::UNKNOWN, given: None }; image.instruments()].into();
        let channel = ImageChannel { state: ChannelState::Unknown, channel_sequence: 0, receive_ns: Nanos(0) };
        Self { image, known, channel }
    }

    /// The instrument's reference if it is not the one that was given last; it then counts as given. `None` for an
    /// instrument that the image does not have. An entry that was not written since costs one load, the channel four.
    pub fn changed(&mut self, instrument_id: InstrumentId) -> Option<Reference> {
        let reference = self.read(instrument_id).ok()?;
        let known = &mut self.known[instrument_id.index()];
        if known.given == Some(reference) {
            return None;
        }
        known.given = Some(reference);
        Some(reference)
    }

    /// The instrument's reference for a reload, which then counts as given; `Err(Busy)` while its entry or the channel is
    /// being written: try again in the next pass.
    ///
    /// # Errors
    /// [`ImageMiss`] as said; an entry that was never written is `Unknown`, not an error.
    pub fn reload(&mut self, instrument_id: InstrumentId) -> Result<Reference, ImageMiss> {
        let reference = self.read(instrument_id)?;
        let known = &mut self.known[instrument_id.index()];
        if known.stamp.is_none() {
            return Err(ImageMiss::Busy);
        }
        known.given = Some(reference);
        Ok(reference)
    }

    /// Whether the channel is synchronized now: what was reloaded while it was not is worth another reload when it is.
    #[must_use]
    pub fn is_synchronized(&self) -> bool {
        self.image.channel().is_some_and(|channel| channel.state == ChannelState::Synchronized)
    }

    fn read(&mut self, instrument_id: InstrumentId) -> Result<Reference, ImageMiss> {
        let known = self.known.get_mut(instrument_id.index()).ok_or(ImageMiss::OutOfRange)?;
        // The stamp is loaded before the entry: a copy may be newer than its stamp says, never older.
        let stamp = self.image.stamp(instrument_id);
        if stamp.is_none() || stamp != known.stamp {
            known.stamp = stamp;
            match self.image.read(instrument_id) {
                Ok(entry) => known.quote = Quote::of(&entry),
                Err(ImageMiss::Busy) => {
                    known.quote.validity = BookValidity::Recovering;
                    known.stamp = None;
                }
                Err(_) => known.quote = Quote::UNKNOWN,
            }
        }
        // The channel is read after the entry: a gap that came in between is seen. One in the middle of a write is as
        // it was a moment ago.
        self.channel = self.image.channel().unwrap_or(self.channel);
        Ok(known.quote.reference(instrument_id, &self.channel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use shm_layout::image::{ImageWriter, Level, image_words};
    use shm_layout::ring::sync::{Ordering, SharedWords};
    use shm_layout::types::Qty;

    const A: InstrumentId = InstrumentId(0);

    fn entry(bid: i64) -> ImageEntry {
        let mut entry = ImageEntry {
            validity: BookValidity::Trusted as u8,
            trading_status: TradingStatus::Trading as u8,
            bid_count: 1,
            channel_sequence: 7,
            ..ImageEntry::default()
        };
        entry.bids[0] = Level { price: Price(bid), qty: Qty(1) };
        entry
    }

    #[test]
    fn a_reference_is_given_when_it_changed_and_follows_the_channel() {
        let words = SharedWords::heap(image_words(1));
        let mut writer = ImageWriter::new(&words);
        let mut references = References::new(ImageReader::new(&words));
        let unwritten = references.changed(A).expect("the first is always given");
        assert_eq!((unwritten.validity, unwritten.bid), (BookValidity::Unknown, Price::ZERO));
        assert_eq!(references.changed(A), None);
        writer.write(&entry(5));
        assert_eq!(references.changed(A).unwrap().validity, BookValidity::Unknown, "no channel yet");
        writer.write_channel(ChannelState::Synchronized, 7, Nanos(90));
        let trusted = references.changed(A).unwrap();
        assert_eq!((trusted.validity, trusted.bid, trusted.ask), (BookValidity::Trusted, Price(5), Price::ZERO));
        assert_eq!((trusted.receive_ns, trusted.channel_sequence), (Nanos(90), 7));
        assert_eq!(references.changed(A), None);
        writer.write_channel(ChannelState::GapFill, 7, Nanos(91));
        assert_eq!(references.changed(A).unwrap().validity, BookValidity::Recovering);
        writer.write_channel(ChannelState::Ended, 7, Nanos(91));
        assert_eq!(references.changed(A).unwrap().validity, BookValidity::Unknown);
        assert_eq!(references.changed(InstrumentId(1)), None);
    }

    #[test]
    fn an_entry_that_its_writer_left_half_written_is_not_tradable() {
        let words = SharedWords::heap(image_words(1));
        let mut writer = ImageWriter::new(&words);
        writer.write(&entry(5));
        writer.write_channel(ChannelState::Synchronized, 7, Nanos(90));
        let mut references = References::new(ImageReader::new(&words));
        assert_eq!(references.changed(A).unwrap().validity, BookValidity::Trusted);
        words.store(16, 1 << 63 | 2, Ordering::Release);
        assert_eq!(references.reload(A), Err(ImageMiss::Busy));
        let busy = references.changed(A).unwrap();
        assert_eq!((busy.validity, busy.bid), (BookValidity::Recovering, Price(5)));
        writer.write(&entry(6));
        let again = references.reload(A).unwrap();
        assert_eq!((again.validity, again.bid), (BookValidity::Trusted, Price(6)));
    }
}
