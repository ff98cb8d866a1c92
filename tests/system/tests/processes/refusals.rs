//! Bad inputs: each is refused with one line that says what, where, and the way out, and leaves nothing behind.

use crate::report;
use nix::unistd::getuid;
use std::io::Write as _;
use std::process::Command;
use system::{Bench, Run};

const OWN: &str = include_str!("../../../../tuning/demo.toml");

/// One line of the command's own, after whatever the demo told of its progress, naming all of `names`.
fn assert_refused(run: &Run, names: &[&str]) {
    assert!(run.code.is_some_and(|code| code != 0), "{run:#?}");
    let words: Vec<&str> = run.stderr.lines().filter(|line| !line.starts_with("demo: ")).collect();
    assert_eq!(words.len(), 1, "{run:#?}");
    for name in names {
        assert!(words[0].contains(name), "{name} is not named: {}", words[0]);
    }
    if !run.stdout.is_empty() {
        assert_eq!(run.json()["verdict"], "differences");
    }
}

/// The demo's host file with `from` replaced, refused by the demo and by `config check`.
fn host_refused(bench: &Bench, from: &str, to: &str, names: &[&str]) {
    let text = OWN.replacen(from, to, 1);
    assert_ne!(text, OWN, "{from}");
    let host = bench.write("bad.toml", text);
    let path = host.to_str().unwrap();
    let run = bench.demo(3, &["--host", path]).wait();
    assert_refused(&run, names);
    assert!(run.stderr.contains("bad.toml"), "{}", run.stderr);
    assert_refused(&bench.tickway(&["up", "--host", path, "--detach"]), names);
    bench.expect_nothing_left();
}

#[test]
fn a_host_file_that_is_not_sound() {
    let bench = Bench::new("host-file");
    host_refused(&bench, "[host]", "[host]\nnonsense = 1", &["nonsense", "bad.toml:5"]);
    host_refused(&bench, "lease_ms = 100", "lease_ms = \"soon\"", &["lease_ms"]);
    host_refused(&bench, "restarts_max = 5", "restarts_max = -1", &["restarts_max"]);
    host_refused(&bench, "[host]", "[failpoint]\n\"ring.write.after_mark\" = \"kill\"\n[host]", &["failpoint"]);
    host_refused(&bench, "[supervisor]", "[supervizor]", &["supervizor"]);
}

#[test]
fn an_interface_of_another_machine() {
    let bench = Bench::new("interface");
    // 192.0.2.0/24 is for documentation (RFC 5737): no machine has it.
    let line = OWN.lines().position(|line| line.starts_with("interface = ")).unwrap() + 1;
    let place = format!("bad.toml:{line}: venues[0].interface");
    host_refused(&bench, "interface = \"127.0.0.1\"", "interface = \"192.0.2.1\"", &[&place, "192.0.2.1"]);
}

#[test]
fn a_negative_number() {
    let bench = Bench::new("negative");
    for (option, number) in [("--seconds", "-1"), ("--seed", "-1"), ("--rate", "-5")] {
        let run = bench.start(&mut bench.command(&["demo", "--json", option, number])).wait();
        assert_eq!(run.code, Some(2));
        assert_refused(&run, &[option, &format!("'{number}'")]);
    }
    bench.expect_nothing_left();
}

#[test]
fn a_core_that_is_not_there() {
    let bench = Bench::new("core");
    let host = bench.write("bad.toml", OWN.replacen("cores = \"auto\"", "cores = [5000, 5001, 5002, 5003]", 1));
    assert_refused(&bench.demo(3, &["--host", host.to_str().unwrap()]).wait(), &["5000", "cores"]);
    bench.expect_nothing_left();
}

#[test]
fn files_and_directories_that_cannot_be_used() {
    let bench = Bench::new("files");
    // Somebody's own files are never emptied.
    std::fs::create_dir_all(bench.data()).unwrap();
    let own = bench.data().join("thesis.txt");
    std::fs::write(&own, "years of work").unwrap();
    assert_refused(&bench.demo(3, &[]).wait(), &[bench.data().to_str().unwrap()]);
    assert_eq!(std::fs::read_to_string(own).unwrap(), "years of work");
    std::fs::remove_dir_all(bench.data()).unwrap();
    let file = bench.write("file", "in the way");
    let below = file.join("data");
    let mut command = bench.command(&["demo", "--json", "--seconds", "3", "--instance", bench.name(), "--data"]);
    assert_refused(&bench.start(command.arg(&below)).wait(), &[below.to_str().unwrap()]);
    let none = bench.folder().join("none.itch");
    assert_refused(&bench.demo(3, &["--itch", none.to_str().unwrap()]).wait(), &["none.itch"]);
    let none = bench.folder().join("none.toml");
    assert_refused(&bench.demo(3, &["--host", none.to_str().unwrap()]).wait(), &["none.toml"]);
    bench.expect_nothing_left();
}

#[test]
fn a_second_instance_of_the_name_leaves_the_first_in_peace() {
    let bench = Bench::new("second");
    let mut first = bench.demo(5, &[]);
    first.wait_second(1);
    let mut command = bench.command(&["demo", "--json", "--seconds", "3", "--instance", bench.name(), "--data"]);
    let run = bench.start(command.arg(bench.folder().join("other"))).wait();
    assert_refused(&run, &[bench.name()]);
    report::good(&first.wait());
    bench.expect_nothing_left();
}

/// Runs the demo under `prelude` of a shell, in namespaces or limits of its own.
fn under(bench: &Bench, outer: &[&str], prelude: &str, extra: &[&str]) -> Run {
    let demo = bench.demo_command(4, extra);
    let mut command = Command::new(outer[0]);
    command.args(&outer[1..]).arg(format!("{prelude} && exec \"$0\" \"$@\"")).arg(demo.get_program());
    bench.start(command.args(demo.get_args())).wait()
}

#[test]
fn a_name_that_is_none() {
    let bench = Bench::new("name");
    let mut command = bench.command(&["demo", "--json", "--instance", "../other", "--data"]);
    let run = bench.start(command.arg(bench.data())).wait();
    assert_eq!(run.code, Some(2));
    assert_refused(&run, &["--instance", "../other"]);
    bench.expect_nothing_left();
}

#[test]
fn shared_memory_that_is_full() {
    let bench = Bench::new("full");
    let regions = bench.folder().join("regions");
    std::fs::create_dir_all(&regions).unwrap();
    let mount = format!("mount -t tmpfs -o size=8m none {}", regions.display());
    let can = Command::new("unshare").args(["-m", "sh", "-c", &mount]).output();
    if !getuid().is_root() || !can.is_ok_and(|output| output.status.success()) {
        let _ = writeln!(std::io::stderr(), "skipped: a small tmpfs needs root and mount namespaces");
        return;
    }
    let host = OWN.replacen("regions = \"\"", &format!("regions = {:?}", regions.display().to_string()), 1);
    let host = bench.write("small.toml", host);
    let run = under(&bench, &["unshare", "-m", "sh", "-c"], &mount, &["--host", host.to_str().unwrap()]);
    assert_refused(&run, &[regions.to_str().unwrap()]);
    bench.expect_nothing_left();
}

#[test]
fn a_limit_on_the_size_of_files() {
    let bench = Bench::new("fsize");
    // 12 MiB, in blocks of 512 bytes: every region fits, no segment of the journal does. No order leaves without it.
    let run = under(&bench, &["sh", "-c"], "ulimit -f 24576", &[]);
    let report = report::of(&run, 1);
    assert_eq!(report::count(&report, "orders.sent"), 0);
    assert!(report["differences"][0].as_str().is_some_and(|what| what.contains("journal cannot be written")));
    bench.expect_nothing_left();
    // 1 KiB: not even the host file fits, nor the report. An error all the same, not a death by the limit's own signal.
    let run = under(&bench, &["sh", "-c"], "ulimit -f 2", &[]);
    assert!(run.code.is_some_and(|code| (64..=78).contains(&code)), "an exit code of sysexits.h: {run:#?}");
    bench.expect_nothing_left();
}
