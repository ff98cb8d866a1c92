//! A region cut under its writer: the writer ends by SIGBUS, and whoever comes later is refused. What a whole instance
//! makes of it is tested in `tests/system`.
#![forbid(unsafe_code)]

use neighbour::publish;
use nix::sys::signal::Signal;
use std::fs::OpenOptions;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Command;

fn cut(path: &PathBuf, bytes: u64) {
    let file = OpenOptions::new().write(true).open(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    file.set_len(bytes).expect("tmpfs lets its user cut a mapped file");
}

#[test]
fn a_writer_over_a_cut_region_ends_by_sigbus_or_is_refused() {
    let path = PathBuf::from(format!("/dev/shm/tickway-cut-{}", std::process::id()));
    publish::create(&path, false).expect("a region in shared memory");
    let publish = |count: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_neighbour"));
        command.args(["publish", "--epoch", "1", "--count", count, "--path"]).arg(&path);
        command
    };
    // Busy for minutes, if nothing ends it.
    let mut writer = publish("100000000000").spawn().expect("the binary is built with its tests");
    while shm_layout_epoch(&path) == 0 {
        std::thread::yield_now();
    }
    cut(&path, 0);
    let status = writer.wait().expect("it can be waited for");
    assert_eq!(status.signal(), Some(Signal::SIGBUS as i32), "{status}");
    let late = publish("1").output().expect("the binary is built with its tests");
    let said = String::from_utf8_lossy(&late.stderr).into_owned();
    std::fs::remove_file(&path).expect("it is there");
    assert!(late.status.code().is_some_and(|code| code != 0) && said.contains("it was cut"), "{said}");
}

/// The writer's epoch in the file, by the drawing of the header.
fn shm_layout_epoch(path: &PathBuf) -> u64 {
    let bytes = std::fs::read(path).expect("the region is there");
    u64::from_le_bytes(bytes[128..136].try_into().expect("eight bytes"))
}
