//! Bad input through the real command: one line that names what, where and the way out, an exit code of sysexits, and
//! nothing left behind.

use nix::unistd::getuid;
use std::io::Write as _;
use std::net::UdpSocket;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;
use system::{Bench, Run};

const OWN: &str = include_str!("../../../../tuning/demo.toml");

/// One line, beside the demo's progress; every name in it; the exit code.
fn assert_refused(run: &Run, codes: &[i32], names: &[&str]) {
    assert!(run.code.is_some_and(|code| codes.contains(&code)), "{run:#?}");
    let words: Vec<&str> = run.stderr.lines().filter(|line| !line.starts_with("demo: ")).collect();
    assert_eq!(words.len(), 1, "{run:#?}");
    for name in names {
        assert!(words[0].contains(name), "{name} is not named: {}", words[0]);
    }
}

/// The demo's host file as an instance of the test's own, with more replaced.
fn host(bench: &Bench, name: &str, data: &Path, more: &[(&str, &str)]) -> String {
    let mut text = OWN.replacen("instance = \"demo\"", &format!("instance = {name:?}"), 1);
    text = text.replacen("data = \"\"", &format!("data = {:?}", data.display().to_string()), 1);
    for (from, to) in more {
        assert!(text.contains(from), "{from}");
        text = text.replacen(from, to, 1);
    }
    bench.write(&format!("{name}.toml"), text).display().to_string()
}

fn up(bench: &Bench, host: &str) -> Run {
    bench.tickway(&["up", "--detach", "--host", host])
}

#[test]
fn two_names_with_one_data_directory() {
    let bench = Bench::new("data-one");
    let mut first = bench.demo(4, &[]);
    first.wait_second(1);
    let data = bench.data();
    let other = format!("x{}", bench.name());
    let names = [data.to_str().unwrap(), bench.name(), "supervisor pid"];
    assert_refused(&up(&bench, &host(&bench, &other, &data, &[])), &[69], &names);
    let mut second = bench.command(&["demo", "--json", "--seconds", "2", "--instance", &other, "--data"]);
    assert_refused(&bench.start(second.arg(&data)).wait(), &[69], &names);
    crate::report::good(&first.wait());
    for name in [bench.name(), &other] {
        assert!(
            !Bench::user_folder().join(name).exists() && !Bench::user_folder().join(format!("{name}.lock")).exists()
        );
    }
    bench.expect_nothing_left();
}

#[test]
fn cores_that_are_not_there() {
    let bench = Bench::new("cores");
    for cores in ["[5000]", "[0, 5000]"] {
        let path = host(&bench, bench.name(), &bench.data(), &[("cores = \"auto\"", &format!("cores = {cores}"))]);
        let line = OWN.lines().position(|line| line.starts_with("cores = ")).unwrap() + 1;
        let place = format!(".toml:{line}: host.cores[");
        let names = [place.as_str(), "CPU 5000"];
        assert_refused(&bench.tickway(&["config", "check", &path]), &[78], &names);
        assert_refused(&up(&bench, &path), &[78], &names);
        assert_refused(&bench.demo(2, &["--host", &path]).wait(), &[78], &names);
        assert!(!bench.data().exists() && !Bench::user_folder().join(bench.name()).exists(), "nothing was made");
    }
    bench.expect_nothing_left();
}

#[test]
fn a_port_that_another_process_holds() {
    let bench = Bench::new("port");
    // Without SO_REUSEADDR: nobody may share it.
    let holder = UdpSocket::bind("0.0.0.0:0").unwrap();
    let port = holder.local_addr().unwrap().port().to_string();
    let path = host(&bench, bench.name(), &bench.data(), &[("group_port = 0", &format!("group_port = {port}"))]);
    assert_refused(&up(&bench, &path), &[69, 70, 71, 74], &["group_port", &port, "feed-handler/0"]);
    drop(holder);
    bench.expect_nothing_left();
}

#[test]
fn a_region_of_another_layout() {
    let bench = Bench::new("layout");
    let mut demo = bench.demo(6, &[]);
    demo.wait_second(1);
    let path = Bench::user_folder().join(bench.name()).join("market_data.0.ring");
    let file = std::fs::OpenOptions::new().read(true).write(true).open(&path).unwrap();
    // Offset 16 of the header: the layout hash.
    let mut own = [0; 8];
    file.read_exact_at(&mut own, 16).unwrap();
    let (own, other) = (u64::from_le_bytes(own), 0x1122_3344_5566_7788_u64);
    file.write_all_at(&other.to_le_bytes(), 16).unwrap();
    let run = bench.about(&["ring", "ls", "--json"]);
    file.write_all_at(&own.to_le_bytes(), 16).unwrap();
    assert_eq!(run.code, Some(1), "{run:#?}");
    let faults = run.json()["faults"].as_array().cloned().unwrap_or_default();
    assert_eq!(faults.len(), 1, "{faults:?}");
    for name in [
        format!("0x{own:016x}"),
        format!("0x{other:016x}"),
        path.display().to_string(),
        "the build that wrote it".to_owned(),
    ] {
        assert!(faults[0].as_str().unwrap().contains(&name), "{name} is not named: {}", faults[0]);
    }
    crate::report::good(&demo.wait());
    bench.expect_nothing_left();
}

#[test]
fn a_journal_directory_that_cannot_be_written() {
    let bench = Bench::new("journal-ro");
    std::fs::create_dir_all(bench.data()).unwrap();
    std::fs::write(bench.data().join("journal"), "in the way").unwrap();
    let journal = bench.data().join("journal").display().to_string();
    assert_refused(&up(&bench, &host(&bench, bench.name(), &bench.data(), &[])), &[69, 71, 74], &[&journal]);
    bench.expect_nothing_left();
}

/// Runs the demo in mount namespaces of its own, after `mount`; `None`, and a line that says so, where that may not be.
fn mounted(bench: &Bench, mount: &str, extra: &[&str]) -> Option<Run> {
    let outer: &[&str] = if getuid().is_root() { &["-m"] } else { &["-rm"] };
    let can = Command::new("unshare").args(outer).args(["sh", "-c", mount]).output();
    if !can.is_ok_and(|output| output.status.success()) {
        // Past the harness's capture: a skipped test must not look like one that ran.
        let _ = writeln!(std::io::stderr().lock(), "skipped: mounting a small tmpfs is not allowed");
        return None;
    }
    let demo = bench.demo_command(3, extra);
    let mut command = Command::new("unshare");
    command.args(outer).args(["sh", "-c", &format!("{mount} && exec \"$0\" \"$@\"")]).arg(demo.get_program());
    Some(bench.start(command.args(demo.get_args())).wait())
}

#[test]
fn a_data_directory_without_space_for_the_journal() {
    let bench = Bench::new("data-full");
    std::fs::create_dir_all(bench.data()).unwrap();
    let data = bench.data().display().to_string();
    let Some(run) = mounted(&bench, &format!("mount -t tmpfs -o size=4m none {data}"), &[]) else { return };
    assert_refused(&run, &[69, 74], &[&data, "free"]);
    bench.expect_nothing_left();
}

#[test]
fn a_data_directory_that_is_read_only() {
    let bench = Bench::new("data-ro");
    std::fs::create_dir_all(bench.data()).unwrap();
    let data = bench.data().display().to_string();
    let Some(run) = mounted(&bench, &format!("mount -t tmpfs -o ro none {data}"), &[]) else { return };
    assert_refused(&run, &[69, 71, 74, 77], &[&data]);
    bench.expect_nothing_left();
}
