//! A death at a named place: arms one failpoint of a life's process with SIGKILL.

use anyhow::ensure;
use runtime::config::{FailpointAction, FailpointArm, Failpoints};
use runtime::failpoint::arm_all;
use shm_layout::failpoint::Failpoint;
use shm_layout::types::Role;

/// Where a life is to end.
#[derive(clap::Args, Clone, Debug, Default)]
pub struct Death {
    /// Failpoint at which it is SIGKILLed.
    #[arg(long)]
    point: Option<String>,
    /// Hits of it that pass.
    #[arg(long, default_value_t = 0)]
    after: u32,
}

impl Death {
    /// Arms it among `points`, if there is to be one.
    ///
    /// # Errors
    /// When none of them has its name.
    pub fn arm(self, points: &[&'static Failpoint]) -> anyhow::Result<()> {
        let Some(point) = self.point else { return Ok(()) };
        let arm = FailpointArm { action: FailpointAction::Kill, after: self.after, lives: 1 };
        let wanted: Failpoints = [(point, arm)].into();
        ensure!(!arm_all(&wanted, &[points], Role::FeedHandler, 0, 0).is_empty(), "no failpoint of that name there");
        Ok(())
    }
}
