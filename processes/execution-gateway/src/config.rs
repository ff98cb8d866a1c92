//! The `[execution-gateway]` table of the host file, and what the machine makes of it.

use protocols::Alpha;
use protocols::ouch::{Firm, Symbol};
use protocols::soupbintcp::{Password, Timing};
use runtime::config::{DecimalQty, Venue, Within};
use serde::Deserialize;
use shm_layout::types::Notional;

/// When an order may leave, after it was journaled.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum Durability {
    /// Journaled in shared memory: survives this process, not a power loss.
    #[default]
    L0,
    /// Synced to a file of this host.
    L2,
}

/// The table.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayConfig {
    /// Oldest heartbeat of risk with which an order leaves, in milliseconds.
    #[serde(default = "default_risk_lease")]
    pub risk_lease_ms: Within<1, 60_000>,
    /// Oldest heartbeat of a strategy with which its orders live, in milliseconds.
    #[serde(default = "default_strategy_lease")]
    pub strategy_lease_ms: Within<1, 60_000>,
    /// Durability level.
    #[serde(default)]
    pub durability: Durability,
    /// Bytes of a journal segment.
    #[serde(default = "default_segment")]
    pub segment_bytes: Within<1_048_576, 4_294_967_296>,
    /// Bytes of the journal tail.
    #[serde(default = "default_tail")]
    pub tail_bytes: Within<65_536, 1_073_741_824>,
    /// Orders held, live and ended.
    #[serde(default = "default_orders")]
    pub orders_max: Within<16, 1_048_576>,
    /// Time between checkpoints of the orders state, in milliseconds.
    #[serde(default = "default_checkpoint")]
    pub checkpoint_ms: Within<1, 60_000>,
    /// Control 19: new orders and replaces of a session; missing blocks every order.
    pub capital_orders_max: Option<u64>,
    /// Control 19: sum of price × quantity of the new orders and replaces of a session, in the quote currency.
    pub capital_notional_max: Option<DecimalQty>,
}

fn default_risk_lease() -> Within<1, 60_000> {
    Within::new(10)
}
fn default_strategy_lease() -> Within<1, 60_000> {
    Within::new(500)
}
fn default_segment() -> Within<1_048_576, 4_294_967_296> {
    Within::new(16 << 20)
}
fn default_tail() -> Within<65_536, 1_073_741_824> {
    Within::new(4 << 20)
}
fn default_orders() -> Within<16, 1_048_576> {
    Within::new(16_384)
}
fn default_checkpoint() -> Within<1, 60_000> {
    Within::new(500)
}

/// The gateway's own stop (control 19). `None` blocks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Capital {
    /// New orders and replaces.
    pub orders_max: Option<u64>,
    /// Their notional.
    pub notional_max: Option<Notional>,
}

/// What the machine is built with.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Row of the host file's venues: whose `order_entry` ring it reads.
    pub gateway: u8,
    /// User name at the venue.
    pub username: Alpha<6>,
    /// Password.
    pub password: Password,
    /// Firm, for mass cancels.
    pub firm: Firm,
    /// Venue symbol of each instrument, by row.
    pub symbols: Vec<Symbol>,
    /// Strategies of the instance.
    pub strategies: usize,
    /// Durability level.
    pub durability: Durability,
    /// Control 19.
    pub capital: Capital,
    /// Orders held.
    pub orders_max: usize,
    /// Time between checkpoints, in nanoseconds.
    pub checkpoint_ns: u64,
    /// Time between attempts to connect, in nanoseconds.
    pub reconnect_ns: u64,
    /// Heartbeat and death of the session.
    pub timing: Timing,
}

/// What of the host file the machine cannot work with.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingsError {
    /// A text longer than its field at the venue.
    #[error("{0} \"{1}\" is longer than its {2} characters at the venue; shorten it")]
    TooLong(&'static str, String, usize),
}

fn alpha<const N: usize>(field: &'static str, text: &str) -> Result<Alpha<N>, SettingsError> {
    Alpha::padded(text.as_bytes()).ok_or_else(|| SettingsError::TooLong(field, text.to_owned(), N))
}

impl GatewayConfig {
    /// The machine's settings for the venue in row `gateway`.
    ///
    /// # Errors
    /// [`SettingsError`].
    pub fn settings(
        &self,
        gateway: u8,
        venue: &Venue,
        symbols: &[String],
        strategies: usize,
    ) -> Result<Settings, SettingsError> {
        // A DecimalQty is in 1e-8 of the currency; a notional is in 1e-16.
        let notional = |amount: DecimalQty| Notional(i128::from(amount.0.0) * i128::from(shm_layout::types::UNITS));
        Ok(Settings {
            gateway,
            username: alpha("username", &venue.username)?,
            password: Password(alpha("password", &venue.password)?),
            firm: alpha("firm", &venue.firm)?,
            symbols: symbols.iter().map(|symbol| alpha("symbol", symbol)).collect::<Result<_, _>>()?,
            strategies,
            durability: self.durability,
            capital: Capital {
                orders_max: self.capital_orders_max,
                notional_max: self.capital_notional_max.map(notional),
            },
            orders_max: self.orders_max.get() as usize,
            checkpoint_ns: self.checkpoint_ms.get() * 1_000_000,
            reconnect_ns: 500_000_000,
            timing: Timing::default(),
        })
    }
}
