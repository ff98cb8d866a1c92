//! Faults on request, seeded and counted exactly, on the data datagrams of the feed alone: heartbeats, the end of the
//! session and re-request replies always arrive whole, so that every receiver can recover.
//!
//! A malformed datagram takes the place of the good one, so its messages must be re-requested, and any receiver that
//! checks structure can tell: see [`Malformation`].

use crate::dice::Dice;
use protocols::itch::min_length;
use protocols::moldudp64::{HEADER_LENGTH, PREFIX_LENGTH};
use shm_layout::types::{Qty, UNITS};

/// One in a billion, the unit of the rates.
const BILLION: u32 = 1_000_000_000;

/// How often each fault strikes, in billionths of the data datagrams; at most one fault strikes a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultRates {
    /// Replaced by a malformed datagram.
    pub malformed: u32,
    /// Not sent.
    pub drop: u32,
    /// Sent twice.
    pub dup: u32,
}

/// Why a `--fault` text is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FaultTextError {
    /// Not `name=rate`.
    #[error("{0:?} is not name=rate; write such as drop=0.01,dup=0.01")]
    Form(String),
    /// Not one of the three names.
    #[error("{0:?} is no fault; name malformed, drop or dup")]
    Name(String),
    /// Which of two rates is meant?
    #[error("{0:?} is given twice; keep one of the two")]
    Twice(String),
    /// Not a decimal from 0 to 1.
    #[error("{0:?} is no rate; write a decimal from 0 to 1")]
    Rate(String),
    /// Together they exceed 1.
    #[error("the rates exceed 1 together; at most one fault strikes a datagram, so lower them")]
    Sum,
}

impl std::str::FromStr for FaultRates {
    type Err = FaultTextError;

    /// Reads `malformed=0.01,drop=0.01,dup=0.01`; what is not named is 0, and nothing is named twice.
    fn from_str(text: &str) -> Result<Self, FaultTextError> {
        let mut rates = Self::default();
        let mut named = Vec::new();
        for part in text.split(',').filter(|part| !part.is_empty()) {
            let (name, rate) = part.split_once('=').ok_or_else(|| FaultTextError::Form(part.to_owned()))?;
            if named.contains(&name) {
                return Err(FaultTextError::Twice(name.to_owned()));
            }
            named.push(name);
            let units = Qty::parse(rate).filter(|rate| (0..=UNITS).contains(&rate.0));
            let units = units.ok_or_else(|| FaultTextError::Rate(rate.to_owned()))?;
            // 1e-8 units to billionths; at most 1e9, which fits.
            let billionths = u32::try_from(units.0 * 10).map_err(|_| FaultTextError::Rate(rate.to_owned()))?;
            match name {
                "malformed" => rates.malformed = billionths,
                "drop" => rates.drop = billionths,
                "dup" => rates.dup = billionths,
                _ => return Err(FaultTextError::Name(name.to_owned())),
            }
        }
        let sum = u64::from(rates.malformed) + u64::from(rates.drop) + u64::from(rates.dup);
        if sum > u64::from(BILLION) { Err(FaultTextError::Sum) } else { Ok(rates) }
    }
}

/// Data datagrams by what became of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FaultCounts {
    /// Data datagrams made by the packetiser.
    pub made: u64,
    /// Datagrams handed to the socket: `made - dropped + duplicated`, the malformed among them.
    pub sent: u64,
    /// Not sent.
    pub dropped: u64,
    /// Sent a second time.
    pub duplicated: u64,
    /// Replaced by a malformed one.
    pub malformed: u64,
}

/// The ways in which a datagram is made malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Malformation {
    /// The datagram ends inside its last message blocks.
    TruncatedBlock,
    /// The first length points beyond the datagram.
    LengthBeyondPacket,
    /// The datagram is shorter than a header.
    ShortHeader,
    /// The first message, of a known ITCH type, is shorter than its table; the framing agrees.
    ShortMessage,
}

/// The seeded fault injector of the feed.
#[derive(Debug)]
pub struct Faults {
    rates: FaultRates,
    dice: Dice,
    counts: FaultCounts,
}

impl Faults {
    /// No fault has struck yet.
    #[must_use]
    pub fn new(rates: FaultRates, seed: u64) -> Self {
        // A stream of its own: turning faults on must not change the market.
        Self { rates, dice: Dice::new(seed, u64::MAX), counts: FaultCounts::default() }
    }

    /// What has struck so far.
    #[must_use]
    pub const fn counts(&self) -> FaultCounts {
        self.counts
    }

    /// Passes one data datagram on to `send`: once, twice, mangled, or not at all.
    pub fn pass(&mut self, datagram: &[u8], send: &mut impl FnMut(&[u8])) {
        self.counts.made += 1;
        let throw = self.dice.below(BILLION);
        let drop_from = self.rates.malformed;
        let dup_from = drop_from + self.rates.drop;
        if throw < drop_from {
            self.counts.malformed += 1;
            let mangled = self.mangle(datagram);
            self.counts.sent += 1;
            send(&mangled);
        } else if throw < dup_from {
            self.counts.dropped += 1;
        } else {
            let is_twice = throw < dup_from + self.rates.dup;
            send(datagram);
            self.counts.sent += 1;
            if is_twice {
                self.counts.duplicated += 1;
                self.counts.sent += 1;
                send(datagram);
            }
        }
    }

    fn mangle(&mut self, datagram: &[u8]) -> Vec<u8> {
        use Malformation::{LengthBeyondPacket, ShortHeader, ShortMessage, TruncatedBlock};
        let kinds = [TruncatedBlock, LengthBeyondPacket, ShortHeader, ShortMessage];
        let kind = kinds[self.dice.below(kinds.len() as u32) as usize];
        malformed(datagram, kind, &mut self.dice)
    }
}

/// A malformed version of a data datagram with at least one message; a kind that cannot be had from it (an unknown
/// type, or a message of one byte) gives way to [`Malformation::TruncatedBlock`].
#[must_use]
pub fn malformed(datagram: &[u8], kind: Malformation, dice: &mut Dice) -> Vec<u8> {
    let body = HEADER_LENGTH + PREFIX_LENGTH;
    let mut bytes = datagram.to_vec();
    match kind {
        Malformation::LengthBeyondPacket => {
            let beyond = datagram.len() - body + 1 + dice.below(1_000) as usize;
            bytes[HEADER_LENGTH..body].copy_from_slice(&(beyond as u16).to_be_bytes());
            bytes
        }
        Malformation::ShortHeader => {
            bytes.truncate(1 + dice.below(HEADER_LENGTH as u32 - 1) as usize);
            bytes
        }
        Malformation::ShortMessage => {
            let needed = datagram.get(body).copied().and_then(min_length).filter(|needed| *needed > 1);
            let Some(needed) = needed else { return malformed(datagram, Malformation::TruncatedBlock, dice) };
            let length = usize::from(u16::from_be_bytes([bytes[HEADER_LENGTH], bytes[HEADER_LENGTH + 1]]));
            let shorter = 1 + dice.below(needed as u32 - 1) as usize;
            bytes.drain(body + shorter..body + length);
            bytes[HEADER_LENGTH..body].copy_from_slice(&(shorter as u16).to_be_bytes());
            bytes
        }
        Malformation::TruncatedBlock => {
            let cut = 1 + dice.below(16.min(datagram.len() - HEADER_LENGTH) as u32) as usize;
            bytes.truncate(datagram.len() - cut.min(datagram.len() - HEADER_LENGTH));
            bytes
        }
    }
}
