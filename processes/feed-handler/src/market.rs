//! What the messages say: the day's directory, the books, each instrument's status and validity.
//!
//! A message is applied whole, in order, once; what it changes goes out as [`MarketData`]: the trade first, then the
//! levels, then the best, then a fault. It never knows which sequences are missing: the stamp says what is published
//! about that.

mod instrument;
mod operation;
mod publish;

use crate::config::{ConfigError, INSTRUMENTS_MAX};
use crate::counters::Counters;
use book::{Book, Capacity, Change, Error};
use instrument::Instrument;
use operation::{Operation, Print};
use protocols::itch::{Message, Stock};
use shm_layout::message::market_data::{IntegrityFault, MarketData, MarketDataKind};
use shm_layout::types::{InstrumentId, Nanos, Price, Qty, Side, TradingStatus};

/// No instrument of the host's table.
const NO_ROW: u16 = u16::MAX;
const _: () = assert!(INSTRUMENTS_MAX < NO_ROW as usize);

/// Most messages that one ITCH message can cause: trade or first level, second level, best, fault.
pub const PER_MESSAGE_MAX: usize = 4;

/// Where and when a message came from.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stamp {
    /// Kernel receive stamp of its datagram.
    pub receive_ns: Nanos,
    /// From there to the step that applies it, saturating.
    pub feed_delta_ns: u32,
    /// Its sequence.
    pub sequence: u64,
    /// The venue's own stamp; filled in from the message.
    pub exchange_ns: u64,
    /// Nothing is missing before it.
    pub synchronized: bool,
}

/// Directory, books and status of the channel's instruments.
///
/// Rows are this feed handler's own, in the order given; the host's ids stand in `instruments`.
#[derive(Debug)]
pub struct Market {
    book: Book,
    instruments: Box<[Instrument]>,
    /// Sorted by symbol.
    symbols: Box<[(Stock, u16)]>,
    /// Row by locate code, learned anew each session.
    row_of_locate: Box<[u16]>,
    /// Rows whose images are due at the end of the step.
    dirty: Vec<u16>,
    /// Rows whose images were written while something was missing.
    unsettled: Vec<u16>,
    /// The venue's stamp of the last message with an effect.
    exchange_ns: u64,
}

impl Market {
    /// Empty books of `instruments`; the only place that allocates.
    ///
    /// # Errors
    /// More instruments than [`INSTRUMENTS_MAX`], or a symbol twice.
    pub fn new(orders: usize, levels: usize, instruments: &[(Stock, InstrumentId)]) -> Result<Self, ConfigError> {
        let rows = instruments.len();
        if rows > INSTRUMENTS_MAX {
            return Err(ConfigError::Instruments(rows));
        }
        let mut symbols: Vec<_> = (0_u16..).zip(instruments).map(|(row, (symbol, _))| (*symbol, row)).collect();
        symbols.sort_unstable();
        if let Some(twice) = symbols.windows(2).find(|pair| pair[0].0 == pair[1].0) {
            return Err(ConfigError::DuplicateSymbol(instruments[usize::from(twice[1].1)].1.0));
        }
        Ok(Self {
            book: Book::new(Capacity { orders, levels, instruments: rows }),
            instruments: instruments.iter().map(|(_, id)| Instrument::new(*id, 0)).collect(),
            symbols: symbols.into_boxed_slice(),
            row_of_locate: vec![NO_ROW; 1 << 16].into_boxed_slice(),
            dirty: Vec::with_capacity(rows),
            unsettled: Vec::with_capacity(rows),
            exchange_ns: 0,
        })
    }

    /// Forgets the session: directory, books, status, faults.
    pub fn reset(&mut self) {
        self.book.clear_all();
        self.row_of_locate.fill(NO_ROW);
        for instrument in &mut self.instruments {
            *instrument = Instrument::new(instrument.id, instrument.reset_count);
        }
        self.dirty.clear();
        self.unsettled.clear();
        self.exchange_ns = 0;
    }

    /// Applies one message of a checked datagram.
    pub fn apply(
        &mut self,
        mut stamp: Stamp,
        message: &[u8],
        counters: &mut Counters,
        publish: &mut impl FnMut(MarketData),
    ) {
        let Ok(message) = Message::parse(message) else { unreachable!("the datagram was checked whole") };
        counters.by_type[Counters::type_index(message.message_type())] += 1;
        let Some(decoded) = operation::decode(&message) else { return };
        (stamp.exchange_ns, self.exchange_ns) = (decoded.exchange_ns, decoded.exchange_ns);
        if let Operation::List(symbol) = decoded.operation {
            self.list(&stamp, decoded.stock_locate, symbol, counters, publish);
            return;
        }
        let row = self.row_of_locate[usize::from(decoded.stock_locate)];
        if row == NO_ROW {
            counters.unmapped += 1;
            return;
        }
        let row = usize::from(row);
        self.touch(row, &stamp);
        let changed = match decoded.operation {
            Operation::List(_) => return,
            Operation::TradingAction(status, reason) => {
                self.instruments[row].trading_status = status;
                let detail = u32::from_le_bytes(reason);
                publish(MarketData::TradingStatus(self.status(MarketDataKind::TradingStatus, row, &stamp, detail)));
                return;
            }
            Operation::Trade(side, price, qty) => {
                self.print(row, &stamp, side, price, qty, counters, publish);
                return;
            }
            Operation::Add(reference, side, price, qty) => {
                let instrument = InstrumentId(row as u32);
                side.ok_or(Error::NotRepresentable)
                    .and_then(|side| self.book.add(reference, instrument, side, price, qty))
                    .map(|change| (change, None))
            }
            Operation::Execute(reference, qty, print) => self
                .execute(row, reference, qty)
                .inspect(|change| match print {
                    Print::AtDisplayedPrice => {
                        self.print(row, &stamp, Some(change.side), change.price, qty, counters, publish);
                    }
                    Print::At(price) => self.print(row, &stamp, Some(change.side), price, qty, counters, publish),
                    Print::Withheld => counters.trades_withheld += 1,
                })
                .map(|change| (change, None)),
            Operation::Cancel(reference, qty) => self
                .belongs(row, reference)
                .and_then(|()| self.book.cancel(reference, qty))
                .map(|change| (change, None)),
            Operation::Delete(reference) => {
                self.belongs(row, reference).and_then(|()| self.book.delete(reference)).map(|change| (change, None))
            }
            Operation::Replace(old, new, price, qty) => self
                .belongs(row, old)
                .and_then(|()| self.book.replace(old, new, price, qty))
                .map(|changes| (changes.first, changes.second)),
        };
        self.conclude(row, &stamp, changed, counters, publish);
    }

    /// A locate code is bound to a symbol for the session.
    fn list(
        &mut self,
        stamp: &Stamp,
        stock_locate: u16,
        symbol: Stock,
        counters: &mut Counters,
        publish: &mut impl FnMut(MarketData),
    ) {
        let found = self.symbols.binary_search_by_key(&symbol, |(symbol, _)| *symbol);
        let row = found.map_or(NO_ROW, |index| self.symbols[index].1);
        self.row_of_locate[usize::from(stock_locate)] = row;
        if row == NO_ROW {
            counters.unknown_symbols += 1;
            return;
        }
        let row = usize::from(row);
        self.touch(row, stamp);
        if !self.instruments[row].listed {
            self.instruments[row].listed = true;
            let detail = IntegrityFault::None as u32;
            publish(MarketData::BookStatus(self.status(MarketDataKind::BookStatus, row, stamp, detail)));
        }
    }

    fn execute(&mut self, row: usize, reference: u64, qty: Qty) -> Result<Change, Error> {
        self.belongs(row, reference)?;
        self.book.execute(reference, qty)
    }

    /// A message names its instrument and its order; an order of another instrument is as unknown as none.
    fn belongs(&self, row: usize, reference: u64) -> Result<(), Error> {
        match self.book.order(reference) {
            Some((instrument, ..)) if instrument.index() == row => Ok(()),
            _ => Err(Error::UnknownReference),
        }
    }

    /// Publishes a trade and keeps it as the last one.
    #[expect(clippy::too_many_arguments, reason = "a trade's own values, and the two places that everything goes to")]
    fn print(
        &mut self,
        row: usize,
        stamp: &Stamp,
        side: Option<Side>,
        price: Price,
        qty: Qty,
        counters: &mut Counters,
        publish: &mut impl FnMut(MarketData),
    ) {
        let Some(side) = side.filter(|_| price > Price::ZERO && qty > Qty::ZERO) else {
            counters.trades_withheld += 1;
            return;
        };
        let instrument = &mut self.instruments[row];
        (instrument.last_px, instrument.last_qty) = (price, qty);
        publish(MarketData::Trade(self.trade(row, stamp, side, price, qty)));
    }

    /// Publishes what a book operation changed, or that it could not be.
    fn conclude(
        &mut self,
        row: usize,
        stamp: &Stamp,
        changed: Result<(Change, Option<Change>), Error>,
        counters: &mut Counters,
        publish: &mut impl FnMut(MarketData),
    ) {
        let (first, second) = match changed {
            Ok(changes) => changes,
            Err(error) => return self.fault(row, stamp, fault_of(error), counters, publish),
        };
        for change in std::iter::once(&first).chain(&second) {
            publish(MarketData::DepthChange(self.depth_change(row, stamp, change)));
        }
        if first.bbo_changed {
            publish(MarketData::TopOfBook(self.top_of_book(row, stamp, first.side)));
        }
        let crossed = self.book.is_crossed(InstrumentId(row as u32))
            && self.instruments[row].trading_status == TradingStatus::Trading;
        let begins = crossed && !self.instruments[row].crossed;
        self.instruments[row].crossed = crossed;
        if begins {
            self.fault(row, stamp, IntegrityFault::Crossed, counters, publish);
        }
    }

    /// An inconsistency that no missing sequence explains: the instrument is untrusted until the next session.
    fn fault(
        &mut self,
        row: usize,
        stamp: &Stamp,
        fault: IntegrityFault,
        counters: &mut Counters,
        publish: &mut impl FnMut(MarketData),
    ) {
        counters.faults[fault as usize] += 1;
        if !self.instruments[row].untrusted {
            self.instruments[row].untrusted = true;
            let status = self.status(MarketDataKind::BookStatus, row, stamp, fault as u32);
            publish(MarketData::BookStatus(status));
        }
    }

    /// Notes that a message concerned an instrument: its image is due.
    fn touch(&mut self, row: usize, stamp: &Stamp) {
        let instrument = &mut self.instruments[row];
        instrument.channel_sequence = stamp.sequence;
        instrument.exchange_ns = stamp.exchange_ns;
        instrument.receive_ns = stamp.receive_ns;
        if !instrument.dirty {
            instrument.dirty = true;
            self.dirty.push(row as u16);
        }
    }
}

const fn fault_of(error: Error) -> IntegrityFault {
    match error {
        Error::UnknownReference => IntegrityFault::UnknownReference,
        Error::DuplicateReference => IntegrityFault::DuplicateReference,
        Error::OverExecution => IntegrityFault::OverExecution,
        Error::Capacity => IntegrityFault::Capacity,
        Error::NotRepresentable => IntegrityFault::NotRepresentable,
    }
}
