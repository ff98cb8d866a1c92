//! The recorder as a process of its own: a limit on file sizes stands in for a full disk.
#![forbid(unsafe_code)]

mod world;

use recorder::capture::{reader, resume, scan};
use runtime::clock::{Clock, calibrate};
use runtime::config::HostFile;
use runtime::control_page::{self, ControlPageRegion};
use runtime::instance::Instance;
use runtime::ports::{Identity, Ports};
use shm_layout::control_page::RecorderMode;
use shm_layout::message::control::{Control, ControlKind};
use shm_layout::status::ProcessState;
use shm_layout::topology::RingKind;
use shm_layout::types::{Nanos, Role};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use world::{BOOT, host_text, ring};

struct Host {
    dir: tempfile::TempDir,
    instance: Instance,
    ports: Ports,
    page: ControlPageRegion,
}

impl Drop for Host {
    fn drop(&mut self) {
        control_page::remove(&self.instance).unwrap();
    }
}

/// An instance as a supervisor leaves it for its children.
fn host(name: &str, segment_bytes: &str) -> Host {
    let dir = tempfile::tempdir().unwrap();
    let path = |of: &str| dir.path().join(of).display().to_string();
    let text = host_text(segment_bytes)
        .replacen("instance = \"demo\"", &format!("instance = \"{name}-{}\"", std::process::id()), 1)
        .replacen("regions = \"\"", &format!("regions = \"{}\"", path("shm")), 1)
        .replacen("data = \"\"", &format!("data = \"{}\"", path("data")), 1);
    std::fs::write(dir.path().join("host.toml"), &text).unwrap();
    let file = HostFile::parse("host.toml", &text).unwrap();
    let instance = Instance::of(&file);
    std::fs::create_dir_all(instance.regions()).unwrap();
    std::fs::create_dir_all(instance.capture()).unwrap();
    let page = ControlPageRegion::create_or_adopt(&instance, BOOT, Nanos(1)).unwrap();
    page.page().publish_anchor(Clock::new(calibrate()).anchor());
    page.page().set_recorder_mode(RecorderMode::Tap);
    let ports = Ports::new(&instance, &file, BOOT, page.page().reader());
    ports.create_all(Nanos(1)).unwrap();
    Host { dir, instance, ports, page }
}

/// Runs the recorder in a shell that limits its files to `blocks` of 512 bytes or, in some shells, of 1,024.
fn run(host: &Path, blocks: u32) -> Output {
    Command::new("sh")
        .args(["-c", &format!("ulimit -f {blocks} && exec \"$0\" \"$@\""), env!("CARGO_BIN_EXE_tickway-recorder")])
        .arg("--host")
        .arg(host)
        .args(["--epoch", "3", "--wait", "nap:50"])
        .stdin(Stdio::null())
        .output()
        .unwrap()
}

/// A child that does not outlive a failed test.
struct Living(Child);

impl Drop for Living {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_stop_ends_it_in_order_and_it_never_allocated() {
    let host = host("recorder-stop", "4096");
    let mut child = Living(
        Command::new(env!("CARGO_BIN_EXE_tickway-recorder"))
            .arg("--host")
            .arg(host.dir.path().join("host.toml"))
            .args(["--epoch", "3", "--wait", "nap:50"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let status = host.ports.status_reader(Role::Recorder, 0).unwrap();
    let wire = ring(RingKind::Wire, Role::FeedHandler);
    let mut writer = host.ports.writer::<15>(wire, Identity { role: Role::FeedHandler, index: 0, epoch: 1 }).unwrap();
    let supervisor = Identity { role: Role::Supervisor, index: 0, epoch: 1 };
    let mut control = host.ports.writer::<7>(ring(RingKind::Control, Role::Supervisor), supervisor).unwrap();
    for round in 1..=20 {
        (0..60).for_each(|_| assert!(writer.push(&[7; 15]).is_ok()));
        patiently(|| status.progress() == round * 60);
    }
    control.push(&Control { kind: ControlKind::Stop as u8, ..Control::default() }.encode()).unwrap();
    assert!(child.0.wait().unwrap().success());
    assert_eq!((status.state(), status.allocations_after_start()), (Some(ProcessState::Stopped), 0));
    let ranges = scan(&host.instance.capture(), Some(BOOT)).unwrap()[&wire];
    assert_eq!((ranges.captured, ranges.missed, ranges.ended), (1_200, 0, true));
    assert!(reader::files(&host.instance.capture()).unwrap().len() > 20, "with many rotations");
}

fn patiently(mut done: impl FnMut() -> bool) {
    for _ in 0..10_000 {
        if done() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("never done");
}

#[test]
fn a_full_disk_ends_it_with_one_line_and_its_file_can_be_continued() {
    let host = host("recorder-full", "67108864");
    let wire = ring(RingKind::Wire, Role::FeedHandler);
    let feed = Identity { role: Role::FeedHandler, index: 0, epoch: 1 };
    let mut writer = host.ports.writer::<15>(wire, feed).unwrap();
    (0..64).for_each(|_| assert!(writer.push(&[7; 15]).is_ok()));
    // 64 messages of 120 bytes are over both kinds of limit.
    let output = run(&host.dir.path().join("host.toml"), 4);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(74), "{errors}");
    let line = errors.lines().last().unwrap();
    assert!(line.contains("000001.capture: cannot write") && line.contains("ulimit -f"), "{errors}");
    let status = host.ports.status_reader(Role::Recorder, 0).unwrap();
    assert_eq!(status.state(), Some(ProcessState::Failed));
    assert_eq!(host.page.page().reader().recorder_mode(), RecorderMode::Tap);

    let resumed = resume(&host.instance.capture(), BOOT).unwrap();
    assert!(resumed.cut_bytes > 0, "the block that did not fit was torn");
    assert_eq!(resumed.file_index, 2);
    assert!(scan(&host.instance.capture(), Some(BOOT)).unwrap().is_empty());
}
