//! `[failpoint]`: which named places misbehave, for fault tests only.

use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;

/// What an armed point does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FailpointAction {
    /// SIGKILLs its own process: `"kill"`.
    Kill,
    /// Never returns: `"spin"`.
    Spin,
    /// Sleeps: `"sleep:MS"`, 1 to 60000 milliseconds.
    SleepMs(u32),
}

/// One armed point: `"kill"`, or `{ action = "kill", after = 3, lives = 2 }`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FailpointArm {
    /// What it does.
    pub action: FailpointAction,
    /// Hits that pass unharmed before it acts.
    pub after: u32,
    /// In how many lives of a process it is armed, from the first on; 0 = in all. 1 unless said, so that the restarted
    /// process lives.
    pub lives: u32,
}

/// The points by name.
pub type Failpoints = BTreeMap<String, FailpointArm>;

impl FailpointAction {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "kill" => Some(Self::Kill),
            "spin" => Some(Self::Spin),
            _ => {
                let ms: u32 = text.strip_prefix("sleep:")?.parse().ok()?;
                (1..=60_000).contains(&ms).then_some(Self::SleepMs(ms))
            }
        }
    }
}

impl fmt::Display for FailpointAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill => f.write_str("kill"),
            Self::Spin => f.write_str("spin"),
            Self::SleepMs(ms) => write!(f, "sleep:{ms}"),
        }
    }
}

impl<'de> Deserialize<'de> for FailpointAction {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| {
            D::Error::custom(format_args!("invalid value: {text:?} is not \"kill\", \"spin\" or \"sleep:1\" to 60000"))
        })
    }
}

struct ArmVisitor;

impl<'de> Visitor<'de> for ArmVisitor {
    type Value = FailpointArm;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("\"kill\", \"spin\", \"sleep:MS\" or { action = \"…\", after = hits, lives = count }")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<FailpointArm, E> {
        let action = FailpointAction::parse(text);
        let action = action.ok_or_else(|| E::invalid_value(serde::de::Unexpected::Str(text), &self))?;
        Ok(FailpointArm { action, after: 0, lives: 1 })
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<FailpointArm, A::Error> {
        let (mut action, mut after, mut lives) = (None, 0, 1);
        while let Some(key) = entries.next_key::<String>()? {
            match key.as_str() {
                "action" => action = Some(entries.next_value()?),
                "after" => after = entries.next_value()?,
                "lives" => lives = entries.next_value()?,
                _ => return Err(A::Error::unknown_field(&key, &["action", "after", "lives"])),
            }
        }
        Ok(FailpointArm { action: action.ok_or_else(|| A::Error::missing_field("action"))?, after, lives })
    }
}

impl<'de> Deserialize<'de> for FailpointArm {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ArmVisitor)
    }
}

impl Serialize for FailpointArm {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeMap;
        let mut map = serializer.serialize_map(Some(3))?;
        map.serialize_entry("action", &self.action.to_string())?;
        map.serialize_entry("after", &self.after)?;
        map.serialize_entry("lives", &self.lives)?;
        map.end()
    }
}
