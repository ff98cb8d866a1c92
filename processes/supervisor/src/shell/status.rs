//! The `status` reply: the whole state as one JSON object.

use super::Shell;
use runtime::heartbeat::lease_age_ns;
use serde_json::{Value, json};
use shm_layout::types::Nanos;

impl Shell {
    pub(super) fn status(&self, now: Nanos, request_id: u64) -> Value {
        let reader = self.page.reader();
        let entries: Vec<_> = reader.roster().collect();
        let processes: Vec<Value> = entries
            .iter()
            .filter_map(|(slot, entry)| {
                let status = &self.seats.get(*slot)?.watched.status;
                let life = self.core.machine.slots().get(*slot)?;
                Some(json!({
                    "role": entry.role.folder(),
                    "index": entry.index,
                    "state": entry.state.name(),
                    "stage": life.stage(),
                    "stage_age_ns": life.stage().map(|_| now.0.saturating_sub(life.stage_began.0)),
                    "pid": entry.pid,
                    "core": entry.core,
                    "epoch": entry.epoch,
                    "restarts": entry.restarts,
                    "heartbeat_age_ns": (entry.pid != 0).then(|| lease_age_ns(status, now)),
                    "progress": status.progress(),
                    "armed": status.armed(),
                }))
            })
            .collect();
        let strategies = self.file.counts().strategies;
        let armed: Vec<u8> = (0..strategies).filter(|index| reader.armed_by_operator(*index)).collect();
        json!({
            "ok": true,
            "request_id": request_id,
            "schema_version": 1,
            "instance": self.instance.name().as_str(),
            "pid": std::process::id(),
            "state": self.core.machine.state_name(),
            "kill_generation": self.kill_generation,
            "armed_by_operator": armed,
            "cores": self.plan.line,
            "processes": processes,
        })
    }
}
