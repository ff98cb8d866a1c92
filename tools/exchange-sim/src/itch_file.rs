//! An ITCH 5.0 BinaryFILE: read frame by frame, and scanned whole before a market starts from it.
//!
//! A file may be a full day of ten gigabytes, so it is streamed, never loaded. Framing that cannot be is refused with
//! the file's name and the offset: after a wrong length every later frame would be a guess.

use crate::instrument::{Instrument, PriceTicks, Symbol};
use crate::mold::MESSAGE_MAX;
use protocols::itch::Message;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

/// Why a file is refused.
#[derive(Debug, thiserror::Error)]
pub enum ItchFileError {
    /// The operating system refused to open or read it.
    /// Its cause is not in its own text: who prints the chain would print it twice.
    #[error("{}: offset {offset}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// Offset reached.
        offset: u64,
        /// The cause.
        source: std::io::Error,
    },
    /// Its bytes are not ITCH 5.0 in BinaryFILE framing.
    #[error("{}: offset {offset}: {what}", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Offset of the frame's length bytes.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
}

/// Reads frames one after the other.
#[derive(Debug)]
pub struct ItchFile<R> {
    path: PathBuf,
    reader: R,
    offset: u64,
    message: Vec<u8>,
}

impl ItchFile<BufReader<File>> {
    /// Opens a file.
    ///
    /// # Errors
    /// The operating system's refusal, with the name.
    pub fn open(path: &Path) -> Result<Self, ItchFileError> {
        let file = File::open(path).map_err(|source| ItchFileError::Io { path: path.to_owned(), offset: 0, source })?;
        Ok(Self::new(path.to_owned(), BufReader::with_capacity(1 << 16, file)))
    }
}

impl<R: Read> ItchFile<R> {
    /// Reads from `reader`; `path` is for the errors.
    pub const fn new(path: PathBuf, reader: R) -> Self {
        Self { path, reader, offset: 0, message: Vec::new() }
    }

    /// The next message, `None` at the end of the file. A zero length as the very last frame ends the file too: it is
    /// how the framing marks the end of a session.
    ///
    /// # Errors
    /// A frame that cannot be, or a known type shorter than its table.
    pub fn next_message(&mut self) -> Result<Option<&[u8]>, ItchFileError> {
        let mut prefix = [0; 2];
        match self.fill(&mut prefix)? {
            0 => return Ok(None),
            1 => return Err(self.malformed("the file ends inside a length")),
            _ => {}
        }
        let length = usize::from(u16::from_be_bytes(prefix));
        if length == 0 {
            let is_last = self.offset > 0 && self.fill(&mut [0; 1])? == 0;
            return if is_last {
                Ok(None)
            } else {
                Err(self.malformed("message length is zero: not a BinaryFILE, or damaged"))
            };
        }
        if length > MESSAGE_MAX {
            return Err(self.malformed(&format!("message length {length} is more than any ITCH message has")));
        }
        let mut message = std::mem::take(&mut self.message);
        message.resize(length, 0);
        let filled = self.fill(&mut message)?;
        self.message = message;
        if filled < length {
            return Err(self.malformed(&format!("the file ends inside a message of {length} bytes")));
        }
        if let Err(error) = Message::parse(&self.message) {
            return Err(self.malformed(&error.to_string()));
        }
        self.offset += 2 + length as u64;
        Ok(Some(&self.message))
    }

    /// Fills as much of `out` as the file has; fewer bytes only at its end.
    fn fill(&mut self, out: &mut [u8]) -> Result<usize, ItchFileError> {
        let mut filled = 0;
        while filled < out.len() {
            match self.reader.read(&mut out[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(ItchFileError::Io { path: self.path.clone(), offset: self.offset, source });
                }
            }
        }
        Ok(filled)
    }

    fn malformed(&self, what: &str) -> ItchFileError {
        ItchFileError::Malformed { path: self.path.clone(), offset: self.offset, what: what.to_owned() }
    }
}

/// What a scan found of one symbol.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScannedSymbol {
    /// The symbol.
    pub symbol: Symbol,
    /// Its first stock locate.
    pub stock_locate: u16,
    /// Round lot of its directory message; `None` when the file has none for it.
    pub round_lot: Option<u32>,
    /// First price of an order or trade, in 1e-4; `None` when it has none.
    pub first_price: Option<PriceTicks>,
    /// Lowest price, in 1e-4.
    pub min_price: Option<PriceTicks>,
    /// Highest price, in 1e-4.
    pub max_price: Option<PriceTicks>,
    /// True when a price is not a multiple of one cent.
    pub has_subpenny: bool,
    /// Messages with its locate.
    pub messages: u64,
}

/// What a whole file holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Scan {
    /// Symbols, in order of their first message.
    pub symbols: Vec<ScannedSymbol>,
    /// Messages by type byte.
    pub by_type: BTreeMap<u8, u64>,
    /// Messages in all.
    pub messages: u64,
    /// Timestamp of the first message, in nanoseconds since midnight.
    pub first_timestamp_ns: u64,
    /// Latest timestamp of the file.
    pub last_timestamp_ns: u64,
}

impl Scan {
    /// The instruments of the file that have a price, as the venue lists them.
    #[must_use]
    pub fn instruments(&self) -> Vec<Instrument> {
        let listed = self.symbols.iter().filter_map(|found| {
            Some(Instrument {
                symbol: found.symbol,
                stock_locate: found.stock_locate,
                tick_size: if found.has_subpenny { 1 } else { 100 },
                round_lot: found.round_lot.unwrap_or(100),
                reference_price: found.first_price?,
            })
        });
        listed.collect()
    }

    fn take(&mut self, bytes: &[u8], rows: &mut BTreeMap<Symbol, usize>, locates: &mut BTreeMap<u16, usize>) {
        let message = Message::parse(bytes).expect("the reader has parsed it");
        self.messages += 1;
        *self.by_type.entry(message.message_type()).or_default() += 1;
        if let Some(timestamp) = timestamp_ns(bytes) {
            if self.messages == 1 {
                self.first_timestamp_ns = timestamp;
            }
            self.last_timestamp_ns = self.last_timestamp_ns.max(timestamp);
        }
        let locate = bytes.get(1..3).map_or(0, |bytes| u16::from_be_bytes([bytes[0], bytes[1]]));
        let row = match stock_of(&message) {
            Some(symbol) => {
                let row = *rows.entry(symbol).or_insert_with(|| {
                    self.symbols.push(ScannedSymbol {
                        symbol,
                        stock_locate: locate,
                        round_lot: None,
                        first_price: None,
                        min_price: None,
                        max_price: None,
                        has_subpenny: false,
                        messages: 0,
                    });
                    self.symbols.len() - 1
                });
                locates.insert(locate, row);
                Some(row)
            }
            None => locates.get(&locate).copied().filter(|_| locate != 0),
        };
        let Some(found) = row.map(|row| &mut self.symbols[row]) else { return };
        found.messages += 1;
        if let Message::StockDirectory(directory) = &message {
            found.round_lot = Some(directory.round_lot_size());
        }
        if let Some(price) = price_of(&message).filter(|price| *price > 0) {
            found.first_price.get_or_insert(price);
            found.min_price = Some(found.min_price.map_or(price, |least| least.min(price)));
            found.max_price = Some(found.max_price.map_or(price, |most| most.max(price)));
            found.has_subpenny |= !price.is_multiple_of(100);
        }
    }
}

/// Timestamp of a message, in nanoseconds since midnight; `None` when it is shorter than a header (unknown types).
#[must_use]
pub fn timestamp_ns(message: &[u8]) -> Option<u64> {
    let bytes = message.get(5..11)?;
    Some(bytes.iter().fold(0, |value, byte| value << 8 | u64::from(*byte)))
}

fn stock_of(message: &Message<'_>) -> Option<Symbol> {
    let stock = match message {
        Message::StockDirectory(view) => view.stock(),
        Message::StockTradingAction(view) => view.stock(),
        Message::AddOrder(view) => view.stock(),
        Message::AddOrderMpid(view) => view.stock(),
        Message::Trade(view) => view.stock(),
        Message::CrossTrade(view) => view.stock(),
        _ => return None,
    };
    Some(stock.0)
}

fn price_of(message: &Message<'_>) -> Option<PriceTicks> {
    match message {
        Message::AddOrder(view) => Some(view.price()),
        Message::AddOrderMpid(view) => Some(view.price()),
        Message::OrderReplace(view) => Some(view.price()),
        Message::Trade(view) => Some(view.price()),
        _ => None,
    }
}

/// Reads a whole file and says what it holds.
///
/// # Errors
/// The first frame that cannot be, by file and offset; nothing of such a file is to be played.
pub fn scan(path: &Path) -> Result<Scan, ItchFileError> {
    scan_frames(ItchFile::open(path)?)
}

/// [`scan`] of any reader.
///
/// # Errors
/// As [`scan`].
pub fn scan_frames<R: Read>(mut file: ItchFile<R>) -> Result<Scan, ItchFileError> {
    let mut scan = Scan::default();
    let (mut rows, mut locates) = (BTreeMap::new(), BTreeMap::new());
    while let Some(message) = file.next_message()? {
        scan.take(message, &mut rows, &mut locates);
    }
    if scan.messages == 0 {
        return Err(file.malformed("the file holds no message"));
    }
    Ok(scan)
}
