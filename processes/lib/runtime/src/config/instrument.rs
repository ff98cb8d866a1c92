//! `[[instruments]]`: the host's one append-only instrument table. A row's position is its `InstrumentId`.

use super::value::{DecimalPrice, DecimalQty};
use crate::hash::Fnv1a64;
use serde::{Deserialize, Serialize};
use shm_layout::types::{InstrumentId, Price, Qty};

/// Longest symbol, in bytes.
pub const SYMBOL_MAX: usize = 16;
/// Most rows of a table.
pub const INSTRUMENTS_MAX: usize = 65_536;

/// A row as it stands in the host file.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct InstrumentText {
    symbol: String,
    tick_size: DecimalPrice,
    lot_size: DecimalQty,
    price_max: DecimalPrice,
    order_qty_max: DecimalQty,
}

/// One instrument.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Instrument {
    /// Its row.
    pub id: InstrumentId,
    /// The venues' symbol, without padding.
    pub symbol: String,
    /// Increment of a price.
    pub tick_size: Price,
    /// Increment of a quantity.
    pub lot_size: Qty,
    /// Highest price of its domain.
    pub price_max: Price,
    /// Largest quantity of an order in its domain.
    pub order_qty_max: Qty,
}

/// Every instrument of the host, by id.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct InstrumentTable {
    rows: Vec<Instrument>,
    hash: u64,
}

impl InstrumentTable {
    /// The rows, in order of their id.
    #[must_use]
    pub fn rows(&self) -> &[Instrument] {
        &self.rows
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Never true of a table that was loaded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// FNV-1a 64 over every row: symbol padded with zeros to 16 bytes, then tick, lot, price_max, order_qty_max as
    /// little-endian `i64` in 1e-8. It stands in the journal's header.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.hash
    }

    /// The row of a symbol.
    #[must_use]
    pub fn by_symbol(&self, symbol: &str) -> Option<&Instrument> {
        self.rows.iter().find(|row| row.symbol == symbol)
    }

    /// The row of an id.
    #[must_use]
    pub fn get(&self, id: InstrumentId) -> Option<&Instrument> {
        self.rows.get(id.index())
    }

    pub(super) fn from_text(rows: &[InstrumentText]) -> Result<Self, RowFault> {
        if rows.is_empty() {
            let (what, cure) = ("no instrument is declared", "add at least one [[instruments]] table");
            return Err(RowFault { row: None, key: "", what: what.to_owned(), cure });
        }
        if rows.len() > INSTRUMENTS_MAX {
            let what = format!("{} rows are over {INSTRUMENTS_MAX}", rows.len());
            return Err(RowFault { row: None, key: "", what, cure: "remove rows" });
        }
        let mut hash = Fnv1a64::new();
        let mut table = Vec::with_capacity(rows.len());
        for (index, text) in rows.iter().enumerate() {
            let row = row_from_text(index, text)?;
            if let Some(first) = table.iter().position(|other: &Instrument| other.symbol == row.symbol) {
                let what = format!("{:?} is already instruments[{first}]", row.symbol);
                return Err(RowFault { row: Some(index), key: "symbol", what, cure: "keep one of the two rows" });
            }
            let mut padded = [0; SYMBOL_MAX];
            padded[..row.symbol.len()].copy_from_slice(row.symbol.as_bytes());
            hash.write(&padded);
            for units in [row.tick_size.0, row.lot_size.0, row.price_max.0, row.order_qty_max.0] {
                hash.write(&units.to_le_bytes());
            }
            table.push(row);
        }
        Ok(Self { rows: table, hash: hash.finish() })
    }
}

/// What is wrong with a row; `row` is `None` for the table as a whole.
pub(super) struct RowFault {
    pub(super) row: Option<usize>,
    pub(super) key: &'static str,
    pub(super) what: String,
    pub(super) cure: &'static str,
}

fn row_from_text(index: usize, text: &InstrumentText) -> Result<Instrument, RowFault> {
    let fault = |key, what: String, cure| Err(RowFault { row: Some(index), key, what, cure });
    let symbol = &text.symbol;
    if symbol.is_empty() || symbol.len() > SYMBOL_MAX || !symbol.bytes().all(|byte| byte.is_ascii_graphic()) {
        let what = format!("{symbol:?} is not 1 to {SYMBOL_MAX} printing ASCII characters");
        return fault("symbol", what, "write the venue's symbol without padding");
    }
    let (tick, lot) = (text.tick_size.0, text.lot_size.0);
    let (price_max, qty_max) = (text.price_max.0, text.order_qty_max.0);
    if tick <= Price::ZERO {
        return fault("tick_size", format!("{tick} is not positive"), "write the venue's price increment");
    }
    if lot <= Qty::ZERO {
        return fault("lot_size", format!("{lot} is not positive"), "write the venue's quantity increment");
    }
    if price_max < tick || price_max.0 % tick.0 != 0 {
        return fault(
            "price_max",
            format!("{price_max} is not a positive multiple of the tick {tick}"),
            "round it down",
        );
    }
    if qty_max < lot || qty_max.0 % lot.0 != 0 {
        return fault(
            "order_qty_max",
            format!("{qty_max} is not a positive multiple of the lot {lot}"),
            "round it down",
        );
    }
    Ok(Instrument {
        id: InstrumentId(index as u32),
        symbol: symbol.clone(),
        tick_size: tick,
        lot_size: lot,
        price_max,
        order_qty_max: qty_max,
    })
}
