//! The tables that `runtime` owns itself: `[host]`, `[paths]`, `[rings]`.

use super::value::{Slots, Within};
use crate::placement::Placement;
use crate::scheduler::Scheduler;
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use shm_layout::topology::RingKind;
use std::fmt;

/// Longest instance name.
pub const INSTANCE_NAME_MAX: usize = 32;

/// `[host]`: the instance and how its processes share the machine.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Host {
    /// Name of the instance: 1 to 32 of `a-z`, `0-9`, `-`, beginning with a letter.
    pub instance: InstanceName,
    /// Cores of the hot processes, in role order.
    #[serde(default)]
    pub cores: CoreSpec,
    /// How a hot process waits when a duty cycle found no work.
    #[serde(default)]
    pub wait: WaitSpec,
    /// Scheduling class of the hot processes.
    #[serde(default)]
    pub scheduler: Scheduler,
    /// Which stages share a process.
    #[serde(default)]
    pub placement: Placement,
    /// Nap of an idle cold process, in microseconds.
    #[serde(default = "default_nap_us")]
    pub nap_us: Within<1, 100_000>,
    /// A hot process runs from a copy of its code on memory of its own (`runtime::code`); false leaves it to the file's
    /// cache, where profilers, debuggers and uprobes look for it.
    #[serde(default = "default_own_code")]
    pub own_code: bool,
    /// Whether `[failpoint]` may arm anything. Preflight refuses a host that says true.
    #[serde(default)]
    pub allow_failpoints: bool,
}

const fn default_nap_us() -> Within<1, 100_000> {
    Within::new(100)
}

const fn default_own_code() -> bool {
    true
}

/// An instance's name, safe as a file name and as a name of shared memory.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(transparent)]
pub struct InstanceName(String);

impl InstanceName {
    /// The name, if it is 1 to 32 of `a-z`, `0-9`, `-` and begins with a letter.
    #[must_use]
    pub fn new(name: &str) -> Option<Self> {
        let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let good = name.len() <= INSTANCE_NAME_MAX
            && name.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && name.bytes().all(plain);
        good.then(|| Self(name.to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl<'de> Deserialize<'de> for InstanceName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        Self::new(&name).ok_or_else(|| {
            D::Error::custom(format_args!(
                "invalid value: {name:?} is not an instance name (1 to {INSTANCE_NAME_MAX} of a-z, 0-9 and -, a letter first)"
            ))
        })
    }
}

/// `cores`: `"auto"` or a list of CPU ids.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum CoreSpec {
    /// Spread over the CPUs at hand.
    #[default]
    Auto,
    /// These CPUs, in role order.
    Listed(Vec<usize>),
}

struct CoreVisitor;

impl<'de> Visitor<'de> for CoreVisitor {
    type Value = CoreSpec;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"auto\" or a list of CPU ids such as [2, 3, 4]")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<CoreSpec, E> {
        if text == "auto" { Ok(CoreSpec::Auto) } else { Err(E::invalid_value(serde::de::Unexpected::Str(text), &self)) }
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<CoreSpec, A::Error> {
        let mut cores = Vec::new();
        while let Some(core) = items.next_element()? {
            if cores.contains(&core) {
                return Err(A::Error::custom(format_args!("invalid value: CPU {core} is listed twice")));
            }
            cores.push(core);
        }
        Ok(CoreSpec::Listed(cores))
    }
}

impl<'de> Deserialize<'de> for CoreSpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CoreVisitor)
    }
}

impl Serialize for CoreSpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Auto => serializer.serialize_str("auto"),
            Self::Listed(cores) => cores.serialize(serializer),
        }
    }
}

/// `wait`: how a hot process waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum WaitSpec {
    /// Spin where every hot process has a core of its own, else yield.
    #[default]
    Auto,
    /// Never leave the core.
    Spin,
    /// `sched_yield` from the first empty poll.
    Yield,
    /// Sleep `nap_us`.
    Nap,
}

/// `[paths]`: an empty string means the default.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Paths {
    /// Regions; default `/dev/shm/tickway-<uid>/<instance>`.
    pub regions: String,
    /// Journal, capture and state; default `/var/tmp/tickway-<uid>/<instance>`.
    pub data: String,
}

/// `[rings]`: slots per ring of each kind, each a power of two.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
#[expect(missing_docs, reason = "each field is the ring kind of its name")]
pub struct Rings {
    pub market_data: Slots,
    pub order_intent: Slots,
    pub order_entry: Slots,
    pub execution: Slots,
    pub control: Slots,
    pub step: Slots,
    pub wire: Slots,
}

impl Default for Rings {
    /// The demo's sizes: one strategy and one venue stay under 52 MiB. Each ring of market data, orders, steps and wire fills a
    /// page of 2 MiB, so that it can lie on one.
    fn default() -> Self {
        Self {
            market_data: Slots::new(65_536),
            order_intent: Slots::new(16_384),
            order_entry: Slots::new(16_384),
            execution: Slots::new(16_384),
            control: Slots::new(1_024),
            step: Slots::new(65_536),
            wire: Slots::new(65_536),
        }
    }
}

impl Rings {
    /// Slots of a ring of this kind.
    #[must_use]
    pub const fn slots(&self, kind: RingKind) -> u32 {
        match kind {
            RingKind::MarketData => self.market_data.get(),
            RingKind::OrderIntent => self.order_intent.get(),
            RingKind::OrderEntry => self.order_entry.get(),
            RingKind::Execution => self.execution.get(),
            RingKind::Control => self.control.get(),
            RingKind::Step => self.step.get(),
            RingKind::Wire => self.wire.get(),
        }
    }
}
