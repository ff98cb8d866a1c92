//! The published form of a market: headers, messages, images. It changes nothing but what is due.

use super::{Market, Stamp};
use book::Change;
use shm_layout::image::{IMAGE_LEVELS, ImageEntry, Level};
use shm_layout::message::market_data::{
    DepthChange, MarketData, MarketDataHeader, MarketDataKind, StatusChange, TopOfBook, Trade,
};
use shm_layout::types::{BookValidity, ChannelState, InstrumentId, Price, Qty, Side, TradingStatus};

impl Market {
    /// The books; row `n` is the `n`th instrument given at construction.
    pub const fn book(&self) -> &book::Book {
        &self.book
    }

    fn header(&self, kind: MarketDataKind, side: u8, row: usize, stamp: &Stamp) -> MarketDataHeader {
        let instrument = &self.instruments[row];
        MarketDataHeader {
            kind: kind as u8,
            side,
            validity: instrument.validity(stamp.synchronized) as u8,
            trading_status: instrument.trading_status as u8,
            instrument_id: instrument.id,
            receive_ns: stamp.receive_ns,
            channel_sequence: stamp.sequence,
            exchange_ns: stamp.exchange_ns,
            feed_delta_ns: stamp.feed_delta_ns,
            detail: 0,
        }
    }

    pub(super) fn status(&self, kind: MarketDataKind, row: usize, stamp: &Stamp, detail: u32) -> StatusChange {
        let header = MarketDataHeader { detail, ..self.header(kind, 0, row, stamp) };
        StatusChange { header, ..StatusChange::default() }
    }

    pub(super) fn trade(&self, row: usize, stamp: &Stamp, side: Side, price: Price, qty: Qty) -> Trade {
        Trade { header: self.header(MarketDataKind::Trade, side as u8, row, stamp), price, qty }
    }

    pub(super) fn depth_change(&self, row: usize, stamp: &Stamp, change: &Change) -> DepthChange {
        let mut header = self.header(MarketDataKind::DepthChange, change.side as u8, row, stamp);
        header.detail = change.level_orders;
        DepthChange { header, price: change.price, qty: change.level_qty }
    }

    pub(super) fn top_of_book(&self, row: usize, stamp: &Stamp, side: Side) -> TopOfBook {
        let best = self.book.bbo(InstrumentId(row as u32)).side(side).unwrap_or_default();
        let header = self.header(MarketDataKind::TopOfBook, side as u8, row, stamp);
        TopOfBook { header, price: best.price, qty: best.qty }
    }

    /// `ChannelStatus`, for every instrument at once. It carries the venue's last stamp.
    pub fn channel_status(&self, state: ChannelState, stamp: &Stamp) -> MarketData {
        let validity = match state {
            ChannelState::Unknown => BookValidity::Unknown,
            ChannelState::Synchronized | ChannelState::Ended => BookValidity::Trusted,
            ChannelState::Backfill | ChannelState::GapFill => BookValidity::Recovering,
        };
        let header = MarketDataHeader {
            kind: MarketDataKind::ChannelStatus as u8,
            side: 0,
            validity: validity as u8,
            trading_status: TradingStatus::Unknown as u8,
            instrument_id: InstrumentId::ALL,
            receive_ns: stamp.receive_ns,
            channel_sequence: stamp.sequence,
            exchange_ns: self.exchange_ns,
            feed_delta_ns: stamp.feed_delta_ns,
            detail: state as u32,
        };
        MarketData::ChannelStatus(StatusChange { header, ..StatusChange::default() })
    }

    /// Hands out the images that are due; when nothing is missing, also those that were written while something was.
    pub fn flush_images(&mut self, synchronized: bool, put: &mut impl FnMut(ImageEntry)) {
        for index in 0..self.dirty.len() {
            let row = self.dirty[index];
            let instrument = &mut self.instruments[usize::from(row)];
            instrument.dirty = false;
            if !instrument.unsettled {
                // Settled below in the same call, or kept for the step that makes the channel whole.
                instrument.unsettled = true;
                self.unsettled.push(row);
            }
            if !synchronized {
                put(self.image(usize::from(row), false));
            }
        }
        self.dirty.clear();
        if !synchronized {
            return;
        }
        for index in 0..self.unsettled.len() {
            let row = usize::from(self.unsettled[index]);
            self.instruments[row].unsettled = false;
            put(self.image(row, true));
        }
        self.unsettled.clear();
    }

    /// Every instrument's image, and then a `BookReset` for each: readers reload.
    pub fn reset_readers(
        &mut self,
        stamp: &Stamp,
        put: &mut impl FnMut(ImageEntry),
        publish: &mut impl FnMut(MarketData),
    ) {
        self.dirty.clear();
        self.unsettled.clear();
        for row in 0..self.instruments.len() {
            let instrument = &mut self.instruments[row];
            instrument.reset_count += 1;
            instrument.dirty = false;
            instrument.unsettled = !stamp.synchronized;
            if instrument.unsettled {
                self.unsettled.push(row as u16);
            }
            put(self.image(row, stamp.synchronized));
        }
        let stamp = Stamp { exchange_ns: self.exchange_ns, ..*stamp };
        for row in 0..self.instruments.len() {
            publish(MarketData::BookReset(self.status(MarketDataKind::BookReset, row, &stamp, 0)));
        }
    }

    fn image(&self, row: usize, synchronized: bool) -> ImageEntry {
        let instrument = &self.instruments[row];
        let (bids, bid_count) = self.image_levels(row, Side::Buy);
        let (asks, ask_count) = self.image_levels(row, Side::Sell);
        ImageEntry {
            validity: instrument.validity(synchronized) as u8,
            trading_status: instrument.trading_status as u8,
            bid_count,
            ask_count,
            instrument_id: instrument.id,
            channel_sequence: instrument.channel_sequence,
            exchange_ns: instrument.exchange_ns,
            receive_ns: instrument.receive_ns,
            last_px: instrument.last_px,
            last_qty: instrument.last_qty,
            reset_count: instrument.reset_count,
            bids,
            asks,
        }
    }

    fn image_levels(&self, row: usize, side: Side) -> ([Level; IMAGE_LEVELS], u8) {
        let mut levels = [book::Level::default(); IMAGE_LEVELS];
        let count = self.book.levels(InstrumentId(row as u32), side, &mut levels);
        (levels.map(|level| Level { price: level.price, qty: level.qty }), count as u8)
    }
}
