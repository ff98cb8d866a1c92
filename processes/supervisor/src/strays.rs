//! Processes of an instance that its roster does not name: started by a supervisor that died before it could write them
//! down. They are known by their arguments: a Tickway binary whose `--host` is the instance's effective host file.

use runtime::child::{ProcessId, start_time};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Every living process of the instance with that effective host file, supervisors and tools aside.
#[must_use]
pub fn find(host_file: &Path) -> Vec<ProcessId> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter_map(|pid| {
        // The start time first: if the pid changes hands in between, the pair names nobody.
        let id = ProcessId { pid, start_time: start_time(pid)? };
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        is_of(&arguments, host_file).then_some(id)
    })
    .collect()
}

/// True for the NUL-separated arguments of a process or rebuild of the instance.
fn is_of(arguments: &[u8], host_file: &Path) -> bool {
    let mut words = arguments.split(|byte| *byte == 0);
    let Some(binary) = words.next() else { return false };
    let name = binary.rsplit(|byte| *byte == b'/').next().unwrap_or(binary);
    let words: Vec<&[u8]> = words.collect();
    let is_rebuild = words.first() == Some(&&b"rebuild"[..]);
    let is_process = name.starts_with(b"tickway-") && (name != b"tickway-supervisor" || is_rebuild);
    let named = words.windows(2).any(|pair| pair[0] == b"--host" && pair[1] == host_file.as_os_str().as_bytes());
    is_process && named
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_processes_of_the_very_instance_are_meant() {
        let host = Path::new("/var/tmp/tickway-0/demo/host.toml");
        let of = |words: &[&str]| is_of(words.join("\0").as_bytes(), host);
        let path = host.to_str().unwrap();
        assert!(of(&["/opt/tickway/tickway-risk", "--host", path, "--index", "0", ""]));
        assert!(of(&["tickway-supervisor", "rebuild", "--host", path]));
        assert!(!of(&["tickway-supervisor", "run", "--host", path]), "a supervisor holds the lock or is not alive");
        assert!(!of(&["tickway-risk", "--host", "/var/tmp/tickway-0/demo2/host.toml"]));
        assert!(!of(&["tickway", "status", "--host", path]), "a tool");
        assert!(!of(&["vim", path]) && !of(&[""]));
    }

    #[test]
    fn a_process_with_other_arguments_is_not_found() {
        assert!(find(Path::new("/nowhere/at/all/host.toml")).is_empty());
    }
}
