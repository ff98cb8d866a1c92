//! What a strategy knows of an instrument: the best prices, and whether they may be traded on.

use shm_layout::message::market_data::MarketData;
use shm_layout::message::step::Reference;
use shm_layout::types::{BookValidity, Price, Side, TradingStatus};

/// Best bid and ask of a book that may be traded on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bbo {
    /// Best bid, in 1e-8 of the quote currency.
    pub bid: Price,
    /// Best ask, above the bid.
    pub ask: Price,
}

impl Bbo {
    /// Bid plus ask: twice the mid, exact.
    #[must_use]
    pub const fn mid_twice(&self) -> i64 {
        self.bid.0.saturating_add(self.ask.0)
    }

    /// The side's own best price: where an order rests.
    #[must_use]
    pub const fn near(&self, side: Side) -> Price {
        match side {
            Side::Buy => self.bid,
            Side::Sell => self.ask,
        }
    }
}

/// What may be done with a book now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum View {
    /// Trade on these prices.
    Tradable(Bbo),
    /// One side has moved and the other's message is on its way: decide nothing yet.
    Moving,
    /// Not trusted, not trading, or one-sided: hold no order.
    Closed,
}

/// One instrument's book, as far as its best prices.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Book {
    /// A reference was taken since the start, the last lap or the last reset.
    loaded: bool,
    /// The channel delivers every sequence, as far as was told.
    synchronized: bool,
    validity: BookValidity,
    trading_status: TradingStatus,
    bid: Price,
    ask: Price,
    /// Messages up to this channel sequence are contained in the reference.
    through_sequence: u64,
}

impl Default for Book {
    fn default() -> Self {
        Self {
            loaded: false,
            synchronized: true,
            validity: BookValidity::Unknown,
            trading_status: TradingStatus::Unknown,
            bid: Price::ZERO,
            ask: Price::ZERO,
            through_sequence: 0,
        }
    }
}

impl Book {
    /// Nothing is known until the next reference.
    pub fn forget(&mut self) {
        *self = Self::default();
    }

    /// Takes the state of the market image.
    pub fn load(&mut self, reference: &Reference) {
        *self = Self {
            loaded: true,
            synchronized: true,
            validity: reference.validity,
            trading_status: reference.trading_status,
            bid: reference.bid,
            ask: reference.ask,
            through_sequence: reference.channel_sequence,
        };
    }

    /// Whether the channel delivers every sequence.
    pub const fn set_synchronized(&mut self, synchronized: bool) {
        self.synchronized = synchronized;
    }

    /// Takes a message about this instrument; one that the reference contains already is ignored. Whether anything of the
    /// book is another than before.
    #[must_use]
    pub fn apply(&mut self, message: &MarketData) -> bool {
        let header = message.header();
        if !self.loaded || header.channel_sequence <= self.through_sequence {
            return false;
        }
        let (validity, trading_status) = (header.validity(), header.trading_status());
        let mut changed = (validity, trading_status) != (self.validity, self.trading_status);
        (self.validity, self.trading_status) = (validity, trading_status);
        if let MarketData::TopOfBook(top) = message {
            let near = match header.side() {
                Side::Buy => &mut self.bid,
                Side::Sell => &mut self.ask,
            };
            changed |= *near != top.price;
            *near = top.price;
        }
        changed
    }

    /// What may be done with it.
    #[must_use]
    pub fn view(&self) -> View {
        let open = self.loaded
            && self.synchronized
            && self.validity == BookValidity::Trusted
            && self.trading_status == TradingStatus::Trading
            && self.bid.0 > 0
            && self.ask.0 > 0;
        match open {
            false => View::Closed,
            true if self.bid >= self.ask => View::Moving,
            true => View::Tradable(Bbo { bid: self.bid, ask: self.ask }),
        }
    }
}
