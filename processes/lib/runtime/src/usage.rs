//! Wrong arguments, told as every other error is: one line that says what is wrong and where the way out is written.
//!
//! Help and version are printed as the reader of arguments makes them; a command without its subcommand answers with help,
//! too. The exit code stays the reader's own: 2 for wrong arguments, 0 for what was asked for.

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

/// Reads this process's arguments, or ends it with one line.
#[must_use]
pub fn parse<A: Parser>() -> A {
    A::try_parse().unwrap_or_else(|error| {
        let _ = print::<A>(&error);
        std::process::exit(error.exit_code())
    })
}

/// Prints help to standard output, or to standard error what is wrong; returns the code to exit with.
pub fn print<A: CommandFactory>(error: &clap::Error) -> ExitCode {
    let called = std::env::args_os().next().unwrap_or_default();
    match line::<A>(error, std::env::args_os()) {
        Some(line) => eprintln!("{}: {line}", program(&called)),
        None => drop(error.print()),
    }
    ExitCode::from(error.exit_code() as u8)
}

/// The line of a usage error: the reader's own words and tips, and the command whose help says more. `None` when help or
/// a version is to be printed. `arguments` are those that were read, the program's name first.
#[must_use]
pub fn line<A: CommandFactory>(
    error: &clap::Error,
    arguments: impl IntoIterator<Item = impl Into<OsString>>,
) -> Option<String> {
    if !error.use_stderr() || error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return None;
    }
    let text = error.to_string();
    let lines = || text.lines().map(str::trim);
    // The first paragraph: a list of what is missing or possible stands below its first line.
    let first: Vec<&str> = lines().take_while(|line| !line.is_empty()).collect();
    let tips = lines().filter_map(|line| line.strip_prefix("tip: "));
    let help = format!("see {} --help", command::<A>(arguments));
    let first = first.join(" ").trim_start_matches("error: ").to_owned();
    let parts: Vec<&str> = std::iter::once(first.as_str()).chain(tips).chain([help.as_str()]).collect();
    Some(parts.join("; "))
}

/// The program and the commands that its arguments begin with.
fn command<A: CommandFactory>(arguments: impl IntoIterator<Item = impl Into<OsString>>) -> String {
    let mut arguments = arguments.into_iter().map(Into::into);
    let mut words = vec![program(&arguments.next().unwrap_or_default())];
    let mut here = A::command();
    for argument in arguments {
        let Some(next) = here.find_subcommand(&argument).cloned() else { break };
        words.push(next.get_name().to_owned());
        here = next;
    }
    words.join(" ")
}

/// The name of a program by the path that it was called by.
fn program(called: &OsString) -> String {
    Path::new(called).file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A program with a command.
    #[derive(Parser, Debug)]
    #[command(name = "program", version)]
    enum Program {
        /// A command.
        Trade {
            /// A number.
            #[arg(long, value_parser = clap::value_parser!(u8).range(1..=9))]
            seconds: u8,
            /// A choice.
            #[arg(long, value_parser = ["slow", "fast"])]
            pace: String,
        },
    }

    fn told(arguments: &[&str]) -> String {
        let arguments = || std::iter::once(&"/bin/program").chain(arguments);
        line::<Program>(&Program::try_parse_from(arguments()).unwrap_err(), arguments()).unwrap()
    }

    #[test]
    fn what_is_wrong_is_one_line_that_names_the_help() {
        let range = told(&["trade", "--seconds", "0", "--pace", "slow"]);
        assert_eq!(range, "invalid value '0' for '--seconds <SECONDS>': 0 is not in 1..=9; see program trade --help");
        let missing = told(&["trade"]);
        assert!(
            missing.contains("not provided: --seconds <SECONDS> --pace <PACE>; see program trade --help"),
            "{missing}"
        );
        let choice = told(&["trade", "--seconds", "1", "--pace", "fest"]);
        assert!(choice.contains("'fest' for '--pace <PACE>' [possible values: slow, fast]"), "{choice}");
        assert!(choice.ends_with("see program trade --help") && choice.contains("exists: 'fast'"), "{choice}");
        let unknown = told(&["trade", "--second", "1"]);
        assert!(unknown.contains("'--second'") && unknown.contains("'--seconds'"), "{unknown}");
        let command = told(&["trad"]);
        assert!(command.contains("'trad'") && command.ends_with("see program --help"), "{command}");
        for words in [range, missing, choice, unknown, command] {
            assert!(!words.contains('\n'), "{words}");
        }
    }

    #[test]
    fn help_and_version_are_no_errors() {
        for arguments in [&["program", "--help"][..], &["program", "--version"], &["program", "trade", "--help"]] {
            assert_eq!(line::<Program>(&Program::try_parse_from(arguments).unwrap_err(), arguments), None);
        }
    }
}
