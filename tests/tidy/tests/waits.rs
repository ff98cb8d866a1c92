//! Hot code gives its CPU away in its run loops and nowhere else: every place that can is named here, with its reason.
//!
//! A trace of system calls shows of a process with sockets that it yields only when it has nothing to do. Strategy and risk
//! have none: where in a pass they yield can only be read here.
#![forbid(unsafe_code)]

use tidy::{Source, expect_none, sources};

/// Where hot processes take their code from. Cold roles have loops of their own, which may wait as they like.
const HOT: &[&str] = &[
    "processes/feed-handler/src/",
    "processes/strategy/src/",
    "processes/risk/src/",
    "processes/execution-gateway/src/",
    "processes/lib/",
    "tools/fused/src/",
    "shm-layout/src/",
];

/// What waits, or may: for time, for another thread, or for whoever holds a lock.
const WAITING: &[&str] = &[
    "yield_now",
    "sched_yield",
    "sleep",
    "sleep_until",
    "usleep",
    "nanosleep",
    "clock_nanosleep",
    "park",
    "park_timeout",
    "Condvar",
    "Barrier",
    "Mutex",
    "RwLock",
    "mpsc",
    "futex",
    "nix::poll",
    "ppoll",
    "epoll_wait",
    ".join()",
    ".recv()",
];

/// File, function (or [`OUTSIDE`]) and reason of each wait.
type Place = (&'static str, &'static str, &'static str);
/// Not in a function: an import or a field.
const OUTSIDE: &str = "no function";

const WAITS: &[Place] = &[
    ("processes/lib/runtime/src/wait.rs", "idle", "the wait of every run loop"),
    ("processes/lib/runtime/src/turn.rs", "seek", "the rare nap for a better turn, after an empty pass"),
    ("processes/lib/runtime/src/failpoint.rs", "act", "a failpoint that a test arms to sleep"),
    ("processes/lib/runtime/src/clock.rs", "calibrate", "the supervisor's, once, before anything runs"),
    ("processes/lib/runtime/src/control_page.rs", "open", "start: the page may not be there yet"),
    ("processes/lib/runtime/src/instance/lock.rs", "lock_patiently", "the supervisor's and the tool's, at start"),
    ("processes/lib/runtime/src/anchor.rs", OUTSIDE, "a measurement of the tool's, by two threads of its own"),
    ("processes/lib/runtime/src/anchor.rs", "one_way_ns", "as above"),
    ("processes/lib/runtime/src/child.rs", OUTSIDE, "the supervisor's, for a child's end"),
    ("processes/lib/runtime/src/socket/tcp.rs", OUTSIDE, "whether a connection stands, with a timeout of zero"),
    ("processes/lib/runtime/src/store.rs", "take_spare", "the flusher's thread, for the one that made a segment"),
    ("processes/execution-gateway/src/shell/flushing.rs", "finish", "the gateway's end, for the flusher's"),
    ("shm-layout/src/failpoint.rs", OUTSIDE, "the hook of a failpoint"),
    ("shm-layout/src/failpoint.rs", "new", "the hook of a failpoint"),
    ("tools/fused/src/host.rs", "run", "before the first stage is named"),
];

/// Every caller of `WaitStrategy::idle`.
const IDLERS: &[Place] = &[
    ("processes/lib/runtime/src/duty_cycle.rs", "run_until", "the run loop of every process"),
    ("tools/fused/src/host.rs", "run", "the run loop of stages that share a process"),
    ("processes/execution-gateway/src/shell/flushing.rs", "flush", "the loop of the flusher's thread"),
];

/// Every caller of a `seek`: of `Turn`'s, or of a ring reader's, which has the same name.
const SEEKERS: &[Place] = &[
    ("processes/lib/runtime/src/duty_cycle.rs", "run_until", "the run loop looks for its turn"),
    ("processes/lib/runtime/src/inputs.rs", "of_this_life", "a ring reader's place: no wait"),
    ("processes/risk/src/shell/intents.rs", "read", "a ring reader's place: no wait"),
];

/// A line without its comment and without what stands in quotes.
fn code(line: &str) -> String {
    let plain = line.replace("\\\"", "").replace("'\"'", "");
    let unquoted: Vec<&str> = plain.split('"').step_by(2).collect();
    unquoted.join("\"\"").split("//").next().unwrap_or_default().to_owned()
}

/// The name of the function that a line begins to define.
fn head(code: &str) -> Option<String> {
    let (before, rest) = code.split_once("fn ")?;
    let is_head = before.is_empty() || before.ends_with(' ');
    let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    Some(name).filter(|name| is_head && !name.is_empty())
}

/// True when `word` stands in the line as a word of its own; one with a point is looked for as it is.
fn holds(code: &str, word: &str) -> bool {
    let edge = |c: Option<char>| !c.is_some_and(|c| c.is_alphanumeric() || c == '_');
    code.match_indices(word).any(|(at, _)| {
        let (before, after) = (code[..at].chars().next_back(), code[at + word.len()..].chars().next());
        (word.starts_with('.') || edge(before)) && (word.ends_with(['(', ')']) || edge(after))
    })
}

/// Each place where one of `words` stands: file, line, function, word.
fn places<'a>(files: &'a [Source], words: &[&'a str]) -> Vec<(&'a str, usize, String, &'a str)> {
    let mut found = Vec::new();
    for file in files.iter().filter(|file| !file.path.contains("/tests") && !file.path.ends_with("_tests.rs")) {
        let mut function = OUTSIDE.to_owned();
        for (number, line) in file.product_lines() {
            let code = code(line);
            function = head(&code).unwrap_or(function);
            let here = words.iter().filter(|word| holds(&code, word));
            found.extend(here.map(|word| (&*file.path, number, function.clone(), *word)));
            if line.starts_with('}') {
                OUTSIDE.clone_into(&mut function);
            }
        }
    }
    found
}

/// Places that are not on the list, and entries of the list where nothing is any more.
fn findings(files: &[Source], words: &[&str], list: &[Place], name: &str, cure: &str) -> Vec<String> {
    let found = places(files, words);
    let strangers = found
        .iter()
        .filter(|(path, _, function, _)| !list.iter().any(|(listed, within, _)| listed == path && within == function));
    let mut findings: Vec<String> = strangers
        .map(|(path, number, function, word)| {
            format!("{path}:{number}: {word} in {function}: {cure}, or give the place its reason in {name}")
        })
        .collect();
    for (path, function, _) in list {
        if !found.iter().any(|(at, _, within, _)| at == path && within == function) {
            findings.push(format!("{path}: nothing of {name} is in {function} any more; take it off the list"));
        }
    }
    findings
}

/// The hot code of the project. Examples beside it are programs of their own.
fn hot() -> Vec<Source> {
    sources("rs").into_iter().filter(|source| source.is_in(HOT) && source.path.contains("/src/")).collect()
}

const WAIT_CURE: &str = "hot code never waits; return the work count and let the run loop do it";
const LOOP_CURE: &str = "only a run loop waits, after a whole pass; return the work count to it";

fn waits(files: &[Source]) -> Vec<String> {
    findings(files, WAITING, WAITS, "WAITS", WAIT_CURE)
}

fn loops(files: &[Source]) -> Vec<String> {
    let mut findings = findings(files, &[".idle(", "WaitStrategy::idle"], IDLERS, "IDLERS", LOOP_CURE);
    findings.extend(self::findings(files, &[".seek(", "Turn::seek"], SEEKERS, "SEEKERS", LOOP_CURE));
    findings
}

#[test]
fn hot_code_waits_in_listed_places_only() {
    expect_none(&waits(&hot()));
}

#[test]
fn only_run_loops_ask_for_a_wait() {
    expect_none(&loops(&hot()));
}

#[test]
fn a_wait_in_a_pass_is_found() {
    let with = |path: &str, body: &str| {
        let text = format!(
            "//! Header: no sleep.\n\nfn pass() {{\n    {body}\n}}\n\n#[cfg(test)]\nmod tests {{\n    sleep();\n}}\n"
        );
        let mut files = hot();
        files.push(Source { path: path.to_owned(), text });
        files
    };
    let strategy = "processes/strategy/src/shell/pass.rs";
    for (body, word) in [
        ("std::thread::yield_now();", "yield_now"),
        ("use std::thread::sleep as rest;", "sleep"),
        ("nix::libc::sched_yield();", "sched_yield"),
        ("helper.join();", ".join()"),
        ("let guard: Mutex<u64> = held;", "Mutex"),
    ] {
        let cure =
            "never waits; return the work count and let the run loop do it, or give the place its reason in WAITS";
        assert_eq!(waits(&with(strategy, body)), [format!("{strategy}:4: {word} in pass: hot code {cure}")]);
    }
    for body in ["self.wait.idle(0);", "WaitStrategy::idle(wait, 0);", "turn.seek(now);", "Turn::seek(&mut turn, now);"]
    {
        assert_eq!(loops(&with(strategy, body)).len(), 1, "{body}");
    }
    for body in ["// sleep", "let text = \"sleep\";", "let sleepy = path.join(\"x\");", "self.is_idle();"] {
        let files = with(strategy, body);
        assert_eq!((waits(&files).len(), loops(&files).len()), (0, 0), "{body}");
    }
    // The same call in another function of a listed file is another place.
    assert_eq!(waits(&with("processes/lib/runtime/src/wait.rs", "std::thread::yield_now();")).len(), 1);
}

#[test]
fn a_place_that_is_gone_is_found() {
    let mut files = hot();
    files.retain(|file| !file.path.ends_with("runtime/src/turn.rs"));
    let gone = "processes/lib/runtime/src/turn.rs: nothing of WAITS is in seek any more; take it off the list";
    assert_eq!(waits(&files), [gone]);
}

#[test]
fn the_product_goes_on_after_a_module_of_tests_in_the_head() {
    let text = "//! Header.\n\n#[cfg(test)]\nmod tests;\n\nfn pass() {\n    park();\n}\n".to_owned();
    let files = [Source { path: "shm-layout/src/pass.rs".to_owned(), text }];
    let found: Vec<_> = places(&files, &["park"]).into_iter().map(|(_, line, ..)| line).collect();
    assert_eq!(found, [7]);
}
