//! The rules of style that a machine can check. Each message names the file, the line and the cure.
#![forbid(unsafe_code)]

use tidy::{expect_none, root, sources};

/// Crates whose code decides about orders or money.
const CORES: &[&str] = &[
    "shm-layout/src/",
    "processes/lib/machine/",
    "processes/lib/protocols/",
    "processes/lib/book/",
    "processes/lib/orders/",
    "processes/lib/journal/",
    "processes/feed-handler/src/machine",
    "processes/strategy/src/",
    "processes/risk/src/",
    "processes/execution-gateway/src/machine",
];

/// The only rooms for `unsafe`. Tests, examples and benches are none: they take what they need from these.
const UNSAFE_ROOMS: &[&str] = &["shm-layout/src/ring", "processes/lib/runtime/src/"];

#[test]
fn no_source_file_is_a_hall() {
    let mut findings = Vec::new();
    let mut lengths = Vec::new();
    for source in sources("rs") {
        let lines = source.text.lines().count();
        lengths.push(lines);
        if lines > 1000 {
            findings.push(format!("{}: {lines} lines; split it by noun: no file is over 1000", source.path));
        }
    }
    lengths.sort_unstable();
    let over_600 = lengths.iter().filter(|lines| **lines > 600).count();
    if over_600 * 20 > lengths.len() {
        findings.push(format!("{over_600} of {} files are over 600 lines; split the largest by noun", lengths.len()));
    }
    let median = lengths[lengths.len() / 2];
    if median > 250 {
        findings.push(format!("the median file has {median} lines; files of one noun read well at 200 or less"));
    }
    expect_none(&findings);
}

#[test]
fn functions_fit_on_a_page() {
    let mut findings = Vec::new();
    for source in sources("rs") {
        let lines: Vec<&str> = source.text.lines().collect();
        for (start, line) in lines.iter().enumerate() {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            if !is_function_head(trimmed) {
                continue;
            }
            let close = format!("{}}}", " ".repeat(indent));
            let Some(length) = lines[start..].iter().position(|line| *line == close) else { continue };
            if length + 1 > 90 {
                findings.push(format!(
                    "{}:{}: a function of {} lines; give its parts names (70 reads well, 90 is the end)",
                    source.path,
                    start + 1,
                    length + 1
                ));
            }
        }
    }
    expect_none(&findings);
}

fn is_function_head(line: &str) -> bool {
    let mut words = line.split_whitespace().skip_while(|word| {
        word.starts_with("pub") || ["const", "async", "unsafe", "extern", "\"C\"", "crate)"].contains(word)
    });
    words.next() == Some("fn") && !line.trim_end().ends_with(';')
}

#[test]
fn unsafe_stays_in_its_rooms() {
    let mut findings = Vec::new();
    for source in sources("rs") {
        let crate_root = source.path.ends_with("src/lib.rs") || source.path.ends_with("src/main.rs");
        let may = source.is_in(&["shm-layout/src/", "processes/lib/runtime/src/"]);
        if crate_root && !may && !source.text.contains("#![forbid(unsafe_code)]") {
            findings.push(format!("{}: begins without #![forbid(unsafe_code)]; add it below the header", source.path));
        }
        if source.is_in(UNSAFE_ROOMS) {
            continue;
        }
        for (number, line) in source.text.lines().enumerate() {
            let code = line.split("//").next().unwrap_or("");
            const FORMS: &[&str] = &["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code)"];
            if FORMS.iter().any(|form| code.contains(form)) && !code.contains('"') {
                findings.push(format!(
                    "{}:{}: unsafe outside shm-layout/src/ring and processes/lib/runtime/src; move it there behind a safe call",
                    source.path,
                    number + 1
                ));
            }
        }
    }
    expect_none(&findings);
}

#[test]
fn cores_have_no_hidden_inputs() {
    const BANNED: &[(&str, &str)] = &[
        ("HashMap", "its order is random; use a dense table or a BTreeMap"),
        ("HashSet", "its order is random; use a dense table or a BTreeSet"),
        ("std::time::Instant", "time is an input: take `now: Nanos`"),
        ("SystemTime", "time is an input: take `now: Nanos`"),
        ("std::env", "configuration comes from the host file"),
        ("std::fs", "files belong to the shell"),
        ("std::net", "sockets belong to the shell"),
        ("println!", "a core has no output but its emitted values"),
        ("f64", "no float touches money; integers in 1e-8 units"),
        ("f32", "no float touches money; integers in 1e-8 units"),
    ];
    let mut findings = Vec::new();
    for source in sources("rs").iter().filter(|source| source.is_in(CORES)) {
        let shell = ["/shell", "/main.rs", "/tests/", "/test"].iter().any(|part| source.path.contains(part));
        if shell {
            continue;
        }
        for (number, line) in source.product_lines() {
            let code = line.split("//").next().unwrap_or("");
            for (word, cure) in BANNED {
                let hit = code.match_indices(word).any(|(at, _)| {
                    let edge = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
                    edge(code[..at].chars().next_back()) && edge(code[at + word.len()..].chars().next())
                });
                if hit {
                    findings.push(format!("{}:{number}: {word} is banned in a core: {cure}", source.path));
                }
            }
        }
    }
    expect_none(&findings);
}

#[test]
fn nothing_is_left_unbuilt() {
    // Spelled in halves, so that this file is not its own finding.
    let words = ["todo", "unimplemented", "dbg"].map(|word| format!("{word}!("));
    let marks = [["FIX", "ME"].concat(), ["XX", "X:"].concat(), ["#[ign", "ore"].concat()];
    let mut findings = Vec::new();
    for source in sources("rs") {
        for (number, line) in source.text.lines().enumerate() {
            for word in words.iter().chain(&marks) {
                if line.contains(word.as_str()) {
                    findings.push(format!(
                        "{}:{}: {word} is left over; build it or take it out",
                        source.path,
                        number + 1
                    ));
                }
            }
        }
    }
    expect_none(&findings);
}

#[test]
fn every_module_says_what_it_is() {
    let findings: Vec<String> = sources("rs")
        .iter()
        .filter(|source| !source.text.trim_start().starts_with("//!"))
        .map(|source| format!("{}: begins without a `//!` header; say what it is and what it never does", source.path))
        .collect();
    expect_none(&findings);
}

#[test]
fn no_drawer_modules() {
    let mut findings = Vec::new();
    for source in sources("rs") {
        let stem = source.path.rsplit('/').next().unwrap_or("").trim_end_matches(".rs");
        if ["utils", "util", "common", "helpers", "misc", "core", "shared"].contains(&stem) {
            findings.push(format!("{}: a drawer, not a noun; name it for what is in it", source.path));
        }
    }
    expect_none(&findings);
}

#[test]
fn the_project_names_no_machine() {
    let marks = [["/wo", "rk/"].concat(), ["/ro", "ot/"].concat(), ["/ho", "me/"].concat()];
    let mut findings = Vec::new();
    for extension in ["rs", "toml", "md", "sh"] {
        for source in sources(extension) {
            for (number, line) in source.text.lines().enumerate() {
                if let Some(mark) = marks.iter().find(|mark| line.contains(mark.as_str())) {
                    findings.push(format!("{}:{}: names {mark}, a path of one machine", source.path, number + 1));
                }
            }
        }
    }
    expect_none(&findings);
}

#[test]
fn the_top_level_is_fixed() {
    const FIXED: &[&str] = &[
        "Cargo.toml",
        "Cargo.lock",
        "processes",
        "shm-layout",
        "tools",
        "scripts",
        "tuning",
        "benches",
        "tests",
        "README.md",
    ];
    let findings: Vec<String> = std::fs::read_dir(root())
        .expect("the root is readable")
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|name| !name.starts_with('.') && !name.starts_with("target") && !FIXED.contains(&name.as_str()))
        .map(|name| format!("{name}: not in the fixed top level; put it into one of {FIXED:?}"))
        .collect();
    expect_none(&findings);
}
