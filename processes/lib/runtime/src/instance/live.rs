//! Which instances of this user are alive, and which one a command without a name means.

use super::{Instance, InstanceName, lock, user_directory};
use crate::error::RuntimeError;
use std::path::Path;

/// An instance whose lock is held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Found {
    /// Its name.
    pub name: InstanceName,
    /// Pid of its supervisor; 0 while it is starting.
    pub pid: u32,
}

/// The live instances of this user, by name.
#[must_use]
pub fn live_instances() -> Vec<Found> {
    live_beneath(&user_directory("/dev/shm"))
}

/// The instance of that name, live or not; without a name, the only live one.
///
/// # Errors
/// When the name is not one, or no name is given and not exactly one instance is live.
pub fn find(name: Option<&str>) -> Result<Instance, RuntimeError> {
    if let Some(text) = name {
        let name = InstanceName::new(text).ok_or_else(|| {
            RuntimeError::refused(format!("{text:?} is not an instance name"), "use a-z, 0-9 and -, a letter first")
        })?;
        return Ok(Instance::named(&name));
    }
    choose(&live_instances()).map(|found| Instance::named(&found.name))
}

fn live_beneath(locks: &Path) -> Vec<Found> {
    let Ok(entries) = std::fs::read_dir(locks) else { return Vec::new() };
    let mut found: Vec<Found> = entries
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let name = InstanceName::new(path.file_name()?.to_str()?.strip_suffix(".lock")?)?;
            Some(Found { name, pid: lock::holder(&path)? })
        })
        .collect();
    found.sort_by(|a, b| a.name.cmp(&b.name));
    found
}

fn choose(live: &[Found]) -> Result<&Found, RuntimeError> {
    match live {
        [only] => Ok(only),
        [] => Err(RuntimeError::refused(
            "no instance is running",
            "start one with `tickway up`, or name one with --instance",
        )),
        several => {
            let names: Vec<&str> = several.iter().map(|found| found.name.as_str()).collect();
            Err(RuntimeError::refused(
                format!("several instances are running: {}", names.join(", ")),
                "name one with --instance",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::InstanceLock;

    #[test]
    fn a_lock_makes_an_instance_live_and_refuses_a_second_holder() {
        let dir = tempfile::tempdir().unwrap();
        let instance = |name: &str| {
            let instance = Instance::beneath(&InstanceName::new(name).unwrap(), dir.path(), &dir.path().join("data"));
            instance.create_directories(0).unwrap();
            instance
        };
        let (first, second) = (instance("one"), instance("two"));
        assert!(live_beneath(dir.path()).is_empty());
        let held = InstanceLock::take(&first).unwrap();
        let live = live_beneath(dir.path());
        assert_eq!(live, [Found { name: first.name().clone(), pid: std::process::id() }]);
        assert_eq!(choose(&live).unwrap().name.as_str(), "one");
        let refused = InstanceLock::take(&first).unwrap_err().to_string();
        assert!(refused.contains("\"one\"") && refused.contains(&format!("pid {}", std::process::id())), "{refused}");
        let other = InstanceLock::take(&second).unwrap();
        let several = choose(&live_beneath(dir.path())).unwrap_err().to_string();
        assert!(several.contains("one, two"), "{several}");
        drop((held, other));
        assert!(live_beneath(dir.path()).is_empty(), "both are dead");
        assert!(!first.lock_file().exists(), "and leave no file");
        assert!(choose(&[]).unwrap_err().to_string().contains("no instance is running"));
    }
}
