//! The scripts build and install everything that what they run needs: on a fresh machine nobody else does.
#![forbid(unsafe_code)]

use std::collections::BTreeSet;
use std::fs::read_to_string;
use tidy::{Source, expect_none, root, sources};

/// Programs that a minimal Debian has (its essential packages), or that come with Rust.
const AT_HAND: &[&str] = &["sh", "bash", "sync", "unshare", "cargo", "rustc"];

fn script(name: &str) -> String {
    read_to_string(root().join("scripts").join(name)).expect("the project has this script")
}

/// Arguments of `-p` in a script.
fn packages(script: &str) -> BTreeSet<String> {
    let words: Vec<&str> = script.split_whitespace().collect();
    words.windows(2).filter(|pair| pair[0] == "-p").map(|pair| pair[1].to_owned()).collect()
}

/// The package of the workspace that makes a binary of this name: a `[[bin]]` says so, else the package's own name.
fn package_of(binary: &str, manifests: &[Source]) -> Option<String> {
    manifests.iter().find_map(|manifest| {
        let names: Vec<&str> = manifest.text.lines().filter_map(|line| line.strip_prefix("name = \"")).collect();
        let own = names.first()?.trim_end_matches('"');
        let folder = manifest.path.strip_suffix("Cargo.toml")?;
        let declared = manifest.text.contains("[[bin]]");
        let named = declared && names.iter().skip(1).any(|name| name.trim_end_matches('"') == binary);
        let plain = !declared && own == binary && root().join(folder).join("src/main.rs").exists();
        (named || plain).then(|| own.to_owned())
    })
}

/// Names in the list `BINARIES` of what a demo starts.
fn demanded() -> Vec<String> {
    let path = "tools/tickway/src/demo/session.rs";
    let text = read_to_string(root().join(path)).expect("the demo's session");
    let list = text.split_once("const BINARIES").and_then(|(_, rest)| rest.split_once("];"));
    let (list, _) = list.unwrap_or_else(|| panic!("{path}: no list BINARIES; tell this test where it went"));
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn the_demo_builds_every_binary_that_it_starts() {
    let built = packages(&script("demo.sh"));
    let manifests: Vec<Source> =
        sources("toml").into_iter().filter(|source| source.path.ends_with("/Cargo.toml")).collect();
    let binaries = demanded();
    assert!(binaries.len() > 6, "the demo starts more than {binaries:?}");
    let mut findings = Vec::new();
    for binary in binaries {
        match package_of(&binary, &manifests) {
            Some(package) if built.contains(&package) => {}
            Some(package) => findings.push(format!("scripts/demo.sh: {binary} is not built; add `-p {package}`")),
            None => findings.push(format!("no package makes the binary {binary}, which the demo starts")),
        }
    }
    expect_none(&findings);
}

#[test]
fn the_set_up_brings_every_program_that_tests_start() {
    let setup = script("setup.sh");
    let mut findings = Vec::new();
    let here = |source: &Source| !source.path.starts_with("tests/tidy/");
    for source in sources("rs").iter().filter(|source| here(source)) {
        for (index, line) in source.text.lines().enumerate() {
            for call in line.split("Command::new(\"").skip(1) {
                let program = call.split('"').next().unwrap_or_default();
                let brought = AT_HAND.contains(&program) || setup.contains(&format!("command -v {program} "));
                if !brought {
                    findings.push(format!(
                        "{}:{}: starts {program}, which scripts/setup.sh does not install; add it there",
                        source.path,
                        index + 1
                    ));
                }
            }
        }
    }
    expect_none(&findings);
}

#[test]
fn a_skipped_test_says_so_past_the_harness() {
    // The count of skipped tests is made from lines that begin with `skipped:`. The harness keeps what a passing test
    // prints to itself, so such a test would be counted as one that ran. Benches and chores have no harness.
    let captured = |line: &str| line.contains("println!(\"skipped:");
    let mut findings = Vec::new();
    for source in
        sources("rs").iter().filter(|source| !source.is_in(&["tests/tidy/", "benches/benches/", "tools/xtask/"]))
    {
        for (index, _) in source.text.lines().enumerate().filter(|(_, line)| captured(line)) {
            let cure = "write it with `writeln!(std::io::stderr(), \"skipped: …\")`, or it is counted as passed";
            findings.push(format!("{}:{}: {cure}", source.path, index + 1));
        }
    }
    expect_none(&findings);
}
