//! Errors are one line with the way out, usage errors exit with 2, and `demo --json` prints one object whatever happens.
#![forbid(unsafe_code)]

#[path = "world/command.rs"]
mod command;

use command::{Run, tickway};

const DEMO: &str = include_str!("../../../tuning/demo.toml");

/// Writes a host file into a directory of its own and checks it.
fn check(text: &str) -> Run {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.toml");
    std::fs::write(&path, text).unwrap();
    tickway(&["config", "check", path.to_str().unwrap(), "--json"])
}

#[test]
fn the_demos_host_file_is_sound_for_every_process() {
    let run = check(DEMO);
    assert_eq!(run.code, 0, "{run:?}");
    assert_eq!(run.json()["sound"], true);
}

#[test]
fn each_process_owns_its_table_and_nobody_an_unknown_one() {
    let wrong = [
        ("[risk]\n", "[risky]\n", "risky", "no process owns this table"),
        ("gap_wait_us = 200", "gap_wait = 200", "feed-handler.gap_wait", "unknown field"),
        ("mode = \"tap\"", "mode = \"sometimes\"", "recorder.mode", "unknown variant"),
        ("restarts_max = 5", "restart_max = 5", "supervisor.restart_max", "unknown field"),
        ("durability = \"L0\"", "durability = \"L9\"", "execution-gateway.durability", "unknown variant"),
        ("username = \"TICK01\"", "username = \"MUCHTOOLONG\"", "venues[0]", "username"),
        ("symbol = \"*\"", "symbol = \"ZZZ\"", "risk.limits", "ZZZ"),
        ("instruments = [\"AAAA\"]", "instruments = [\"BBBB\"]", "strategy[0]", "BBBB"),
        ("execution = 16384", "execution = 1000", "rings.execution", "not a power of two"),
    ];
    for (from, to, key, what) in wrong {
        let text = DEMO.replacen(from, to, 1);
        assert_ne!(text, DEMO, "{from} is in the file");
        let run = check(&text);
        assert_eq!(run.code, 78, "{to}: {run:?}");
        assert!(run.line().contains(key) && run.line().contains(what), "{to}: {run:?}");
        assert!(run.line().contains("host.toml:"), "names file and line: {run:?}");
    }
}

#[test]
fn show_prints_what_takes_effect() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("host.toml");
    std::fs::write(&path, DEMO.replace("nap_us = 100\n", "")).unwrap();
    let shown = tickway(&["config", "show", path.to_str().unwrap(), "--json"]).json();
    assert_eq!(shown["host_file"]["host"]["nap_us"], 100, "the default is filled in");
    assert_eq!(shown["host_file"]["risk"]["lease_ms"], 100);
}

#[test]
fn what_is_missing_is_one_line_with_the_way_out() {
    let none = tickway(&["status", "--instance", "never-was"]);
    assert_eq!(none.code, 66);
    assert!(none.line().contains("never-was") && none.line().contains("--instance"), "{none:?}");
    let name = tickway(&["status", "--instance", "Not A Name"]);
    assert!(name.line().contains("not an instance name"), "{name:?}");
    let file = tickway(&["config", "check", "no-such-host.toml"]);
    assert_eq!(file.code, 66);
    assert!(file.line().contains("no-such-host.toml"), "{file:?}");
    let journal = tickway(&["journal", "verify", "no-such-directory"]);
    assert_eq!(journal.code, 66);
    assert!(journal.line().contains("no-such-directory"), "{journal:?}");
    let up = tickway(&["up", "--host", "no-such-host.toml"]);
    assert_eq!(up.code, 66);
    let down = tickway(&["down", "--instance", "never-was"]);
    assert_eq!(down.code, 66);
}

#[test]
fn usage_is_two_and_help_is_zero() {
    assert_eq!(tickway(&["ring", "tail"]).code, 2);
    assert_eq!(tickway(&["nothing"]).code, 2);
    assert_eq!(tickway(&["kill", "release"]).code, 2);
    let help = tickway(&["--help"]);
    assert_eq!(help.code, 0);
    assert!(!help.out.contains("debug"), "hidden");
    assert_eq!(tickway(&["debug", "allocate", "--role", "nobody"]).code, 2);
}

#[test]
fn wrong_usage_is_one_line_that_names_the_key_and_the_help() {
    let wrong: [(&[&str], &[&str]); 8] = [
        (&["nothing"], &["'nothing'", "see tickway --help"]),
        (&["demo", "--second", "3"], &["'--second'", "'--seconds'", "see tickway demo --help"]),
        (&["demo", "--seconds", "0"], &["'0' for '--seconds", "1..=86400", "see tickway demo --help"]),
        (&["demo", "--rate", "0"], &["--rate", "1..=1000000"]),
        (&["demo", "--fault", "loss=0.1"], &["--fault <RATES>", "\"loss\" is no fault; name malformed, drop or dup"]),
        (&["demo", "--fault", "drop=2"], &["--fault <RATES>", "\"2\" is no rate; write a decimal from 0 to 1"]),
        (&["demo", "--itch", "f", "--pace", "fast"], &["--pace", "\"fast\" is no pace; write real, max or a factor"]),
        (&["kill", "release"], &["--reason", "see tickway kill release --help"]),
    ];
    for (arguments, words) in wrong {
        let run = tickway(arguments);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.line().starts_with("tickway: ") && run.out.is_empty(), "{run:?}");
        for word in words {
            assert!(run.line().contains(word), "{word}: {run:?}");
        }
    }
}

#[test]
fn a_bench_says_what_is_wrong_with_its_cores_and_files_before_it_measures() {
    for cores in ["0", "0,0", "0,4000", "0,1,1"] {
        let run = tickway(&["bench", "ring", "--cores", cores]);
        assert_eq!(run.code, 2, "{cores}: {run:?}");
        assert!(run.line().contains("--cores"), "{run:?}");
    }
    let directory = tempfile::tempdir().unwrap();
    let nowhere = directory.path().join("none/page.html");
    for verb in ["ring", "tick-to-order"] {
        let run = tickway(&["bench", verb, "--report", nowhere.to_str().unwrap()]);
        assert_eq!(run.code, 66, "{verb}: {run:?}");
        assert!(run.line().contains("none/page.html"), "{run:?}");
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let run = tickway(&["bench", verb, "--logs", file.to_str().unwrap()]);
        assert_eq!(run.code, 74, "{verb}: {run:?}");
    }
}

#[test]
fn a_demo_that_fails_prints_one_object_all_the_same() {
    let runs = [
        (tickway(&["demo", "--json", "--host", "no-such-host.toml"]), 66, "no-such-host.toml"),
        (tickway(&["demo", "--json", "--seconds", "0"]), 2, "--seconds"),
        (tickway(&["demo", "--json", "--pace", "max"]), 2, "--itch"),
    ];
    for (run, code, word) in runs {
        assert_eq!(run.code, code, "{run:?}");
        let report = run.json();
        assert_eq!(report["verdict"], "differences");
        assert_eq!(report["differences"].as_array().unwrap().len(), 1);
        assert!(run.err.contains(word), "{run:?}");
        assert!(report["differences"][0].as_str().unwrap().contains(word), "{run:?}");
        let orders = report["orders"].as_object().unwrap();
        assert!(orders["sent"].is_null() && report["tick_to_order_ns"].is_object(), "unknown is not 0");
    }
}

#[test]
fn a_demo_never_empties_a_directory_that_is_not_its_own() {
    let directory = tempfile::tempdir().unwrap();
    let foreign = directory.path().join("thesis.txt");
    std::fs::write(&foreign, b"mine").unwrap();
    let name = format!("never-{}", std::process::id());
    let data = directory.path().to_str().unwrap();
    let run = tickway(&["demo", "--json", "--instance", &name, "--data", data]);
    assert_ne!(run.code, 0);
    assert_eq!(run.json()["verdict"], "differences");
    assert_eq!(std::fs::read(&foreign).unwrap(), b"mine");
}
