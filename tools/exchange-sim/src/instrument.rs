//! The instruments of a venue: what the listening line and the ITCH directory say of each.

use shm_layout::types::Price;

/// A symbol: 8 characters, left-justified, space-padded (ITCH and OUCH alpha).
pub type Symbol = [u8; 8];

/// A price in ITCH units: 1e-4 of the quote currency.
pub type PriceTicks = u32;

/// Highest limit price of OUCH, in 1e-4: $199,999.9900. Above it a price would be read as a market order.
pub const LIMIT_PRICE_MAX: u64 = 1_999_999_900;

/// One instrument of the venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Instrument {
    /// Its symbol.
    pub symbol: Symbol,
    /// ITCH stock locate of this session.
    pub stock_locate: u16,
    /// Smallest price increment, in 1e-4.
    pub tick_size: PriceTicks,
    /// Round lot, in shares (ITCH `R`). Odd lots are accepted: the lot size of an order is one share.
    pub round_lot: u32,
    /// Price the market starts around, in 1e-4.
    pub reference_price: PriceTicks,
}

/// The text of a symbol without its padding; bytes that are not printable become `?`.
#[must_use]
pub fn symbol_text(symbol: &Symbol) -> String {
    let text: String =
        symbol.iter().map(|&b| if b.is_ascii_graphic() || b == b' ' { char::from(b) } else { '?' }).collect();
    text.trim_end().to_owned()
}

/// A text as a padded symbol; `None` when it is longer than 8 bytes.
#[must_use]
pub fn symbol_of(text: &str) -> Option<Symbol> {
    let mut symbol = [b' '; 8];
    symbol.get_mut(..text.len())?.copy_from_slice(text.as_bytes());
    Some(symbol)
}

/// A price in 1e-4 as the exact decimal text of the account.
#[must_use]
pub fn price_text(price: u64) -> String {
    // Prices reach 2^63 only in a peer's garbage, which is refused before it is stored.
    i64::try_from(price)
        .ok()
        .and_then(|value| Price::from_decimals(value, 4))
        .map_or_else(|| "out of range".to_owned(), |price| price.to_string())
}

/// The seeded market's instruments, `count` of them: names beyond the table are made of `SIM` and the row.
#[must_use]
pub fn seeded_instruments(count: u16) -> Vec<Instrument> {
    const TABLE: [(&str, PriceTicks); 8] = [
        ("ALFA", 1_000_000),
        ("BRAVO", 420_000),
        ("CHARLIE", 2_350_000),
        ("DELTA", 780_000),
        ("ECHO", 1_530_000),
        ("FOXTROT", 310_000),
        ("GOLF", 3_050_000),
        ("HOTEL", 640_000),
    ];
    (0..count)
        .map(|row| {
            let named = TABLE.get(usize::from(row)).map(|&(name, price)| (name.to_owned(), price));
            let (name, reference_price) =
                named.unwrap_or_else(|| (format!("SIM{row}"), 200_000 + u32::from(row) * 1_000));
            let symbol = symbol_of(&name).expect("SIM and five digits fit eight characters");
            Instrument { symbol, stock_locate: row + 1, tick_size: 100, round_lot: 100, reference_price }
        })
        .collect()
}
