//! Holds the figures of `benches/` against the promises of `benches/budgets.toml`.
//!
//! A bench target, or the program that counts instructions, prints `budget NAME VALUE` for each figure. Nothing here
//! invents a figure: an enforced promise that nothing measured is broken.

use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use toml::Spanned;

/// Bench targets that measure time.
const TIMED: &[&str] = &["codec", "book", "risk", "journal", "tick_to_order", "peers"];
/// The program that counts instructions.
const COUNTED: &[&str] = &["run", "--release", "-p", "benches", "--bin", "bench_instructions"];

/// How a figure is compared with its goal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Instructions,
    AtMost,
    AtLeast,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Enforced,
    Pending,
}

/// One promise.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Promise {
    name: Spanned<String>,
    kind: Kind,
    goal: f64,
    unit: String,
    state: State,
    /// Where the goal is not yet the aim.
    aim: Option<f64>,
    /// What measures it, where this command does not.
    command: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Machine {
    figures: String,
    instructions: String,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Budgets {
    machine: Machine,
    promise: Vec<Promise>,
}

/// What came of a promise.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Verdict {
    Holds,
    Broken,
    Missing,
}

impl Promise {
    fn verdict(&self, found: Option<f64>) -> Verdict {
        match (self.kind, found) {
            (_, None) => Verdict::Missing,
            (Kind::AtLeast, Some(found)) if found >= self.goal => Verdict::Holds,
            (Kind::Instructions | Kind::AtMost, Some(found)) if found <= self.goal => Verdict::Holds,
            _ => Verdict::Broken,
        }
    }

    /// Whether the verdict fails the check.
    fn fails(&self, found: Option<f64>) -> bool {
        self.state == State::Enforced && self.verdict(found) != Verdict::Holds
    }

    fn line(&self, found: Option<f64>) -> String {
        let found_text = found.map_or("none".to_owned(), |found| format!("{found:.2}"));
        let relation = if self.kind == Kind::AtLeast { ">=" } else { "<=" };
        let verdict = match (self.verdict(found), self.state) {
            (Verdict::Holds, State::Enforced) => "holds",
            (Verdict::Holds, State::Pending) => "pending, holds in this run",
            (Verdict::Missing, State::Pending) => "pending, not measured in this run",
            (Verdict::Broken, State::Pending) => "pending",
            (Verdict::Broken, State::Enforced) => "BROKEN",
            (Verdict::Missing, State::Enforced) => "BROKEN: nothing was measured",
        };
        let aim = self.aim.map_or(String::new(), |aim| format!(", aim {aim}"));
        let command = self.command.as_ref().map_or(String::new(), |command| format!(", see {command}"));
        let name = self.name.get_ref();
        format!("{name:<44} {found_text:>10} {relation} {:<8} {}: {verdict}{aim}{command}", self.goal, self.unit)
    }
}

/// Runs the benches of one kind and compares; the exit code is 0 only when every enforced promise of that kind holds.
pub fn run(instructions: bool) -> ExitCode {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../benches/budgets.toml"));
    let budgets = match read(&path) {
        Ok(budgets) => budgets,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(78);
        }
    };
    let bench = |target| ["bench", "-p", "benches", "--bench", target];
    let timed = TIMED.iter().copied().map(bench);
    let found = if instructions { measure([COUNTED]) } else { measure(timed) };
    let Some(found) = found else { return ExitCode::FAILURE };
    if instructions && found.is_empty() {
        // The program has said why.
        return ExitCode::SUCCESS;
    }
    let machine = if instructions { &budgets.machine.instructions } else { &budgets.machine.figures };
    println!("goals are those of: {machine}");
    let mut failed = 0;
    for promise in budgets.promise.iter().filter(|promise| (promise.kind == Kind::Instructions) == instructions) {
        let figure = found.get(promise.name.get_ref()).copied();
        failed += u32::from(promise.fails(figure));
        println!("{}", promise.line(figure));
    }
    for name in found.keys().filter(|name| !budgets.promise.iter().any(|promise| promise.name.get_ref() == *name)) {
        println!("{name:<44} {:>10.2}    no promise", found[name]);
    }
    if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn read(path: &Path) -> Result<Budgets, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    parse(&text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Reads the promises; an error names the line.
fn parse(text: &str) -> Result<Budgets, String> {
    let budgets: Budgets = toml::from_str(text).map_err(|error| error.to_string())?;
    let mut lines: BTreeMap<&str, usize> = BTreeMap::new();
    for promise in &budgets.promise {
        let name = promise.name.get_ref();
        let line = text[..promise.name.span().start].lines().count();
        if let Some(first) = lines.insert(name, line) {
            return Err(format!("line {line}: `{name}` is promised in line {first} already; keep one of them"));
        }
        if promise.state == State::Enforced && promise.command.is_some() {
            return Err(format!(
                "line {line}: `{name}` is measured elsewhere and cannot be enforced here; make it pending"
            ));
        }
        if !(promise.goal.is_finite() && promise.goal > 0.0) {
            return Err(format!("line {line}: the goal of `{name}` must be a number above 0"));
        }
    }
    Ok(budgets)
}

/// Runs cargo once for each list of arguments, passes the output through, and collects the figures that it states.
fn measure<'a>(runs: impl IntoIterator<Item: AsRef<[&'a str]>>) -> Option<BTreeMap<String, f64>> {
    let mut found = BTreeMap::new();
    for arguments in runs {
        let arguments = arguments.as_ref();
        let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.args(arguments).arg("--quiet").stderr(Stdio::inherit());
        let said = format!("cargo {}", arguments.join(" "));
        let output = command.output().map_err(|error| eprintln!("{said}: {error}")).ok()?;
        if !output.status.success() {
            eprintln!("{}{said} failed", String::from_utf8_lossy(&output.stdout));
            return None;
        }
        let said = String::from_utf8_lossy(&output.stdout);
        for line in said.lines() {
            match figure(line) {
                Some((name, value)) => drop(found.insert(name, value)),
                None => println!("{line}"),
            }
        }
    }
    Some(found)
}

/// Reads `budget NAME VALUE`.
fn figure(line: &str) -> Option<(String, f64)> {
    let mut words = line.strip_prefix("budget ")?.split_whitespace();
    Some((words.next()?.to_owned(), words.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const MACHINE: &str = "[machine]\nfigures = \"a\"\ninstructions = \"b\"\n";

    fn promise(kind: &str, state: &str) -> Promise {
        let text = format!(
            "{MACHINE}[[promise]]\nname = \"p\"\nkind = \"{kind}\"\ngoal = 10\nunit = \"u\"\nstate = \"{state}\"\n"
        );
        parse(&text).expect("a promise").promise.remove(0)
    }

    #[test]
    fn an_enforced_promise_fails_when_it_is_broken_or_not_measured() {
        for (kind, good, bad) in [("instructions", 10.0, 10.1), ("at_most", 9.0, 11.0), ("at_least", 10.0, 9.9)] {
            let enforced = promise(kind, "enforced");
            assert!(!enforced.fails(Some(good)), "{kind}");
            assert!(enforced.fails(Some(bad)) && enforced.fails(None), "{kind}");
            assert!(!promise(kind, "pending").fails(Some(bad)), "{kind}");
        }
    }

    #[test]
    fn a_promise_made_twice_is_refused_with_both_lines() {
        let one = "[[promise]]\nname = \"p\"\nkind = \"at_most\"\ngoal = 1\nunit = \"u\"\nstate = \"pending\"\n";
        let error = parse(&format!("{MACHINE}{one}{one}")).expect_err("twice");
        assert!(error.contains("line 11") && error.contains("line 5"), "{error}");
    }

    #[test]
    fn what_another_command_measures_is_not_enforced_here() {
        let one = |state: &str| {
            let kind = "kind = \"at_most\"\ngoal = 1\nunit = \"u\"\ncommand = \"tickway bench ring\"";
            parse(&format!("{MACHINE}[[promise]]\nname = \"p\"\n{kind}\nstate = \"{state}\"\n"))
        };
        assert!(one("enforced").expect_err("nothing would measure it").contains("make it pending"));
        let pending = one("pending").expect("a promise").promise.remove(0);
        assert!(
            pending.line(None).ends_with("not measured in this run, see tickway bench ring"),
            "{}",
            pending.line(None)
        );
    }

    #[test]
    fn the_projects_own_promises_can_be_read() {
        let budgets = parse(include_str!("../../../benches/budgets.toml")).expect("benches/budgets.toml");
        assert!(budgets.promise.iter().any(|p| p.kind == Kind::Instructions && p.state == State::Enforced));
    }

    #[test]
    fn only_stated_figures_are_read() {
        assert_eq!(figure("budget book_hot_ns 9.25"), Some(("book_hot_ns".to_owned(), 9.25)));
        assert_eq!(figure("tickway 9.25 9.1"), None);
    }
}
