//! The line that names a stage: a JSON array of the role's folder name and the arguments of such a process.

use clap::Parser as _;
use runtime::placement::Placement;
use runtime::process::Arguments;
use runtime::usage;
use shm_layout::types::Role;

/// Why a line names no stage.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BadLine(String);

impl std::fmt::Display for BadLine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "no stage: {}", self.0)
    }
}

impl std::error::Error for BadLine {}

/// Reads `["risk","--host","/…/host.toml","--index","0","--epoch","3"]`.
///
/// # Errors
/// When it is no such array, the role is never hosted, or its arguments are not a process's.
pub fn parse(line: &str) -> Result<(Role, Arguments), BadLine> {
    let words: Vec<String> = serde_json::from_str(line).map_err(|error| BadLine(error.to_string()))?;
    let name = words.first().ok_or_else(|| BadLine("an empty array".to_owned()))?;
    let role = Role::from_folder(name).filter(|role| Placement::Fused.host_of(*role).is_some());
    let role = role.ok_or_else(|| BadLine(format!("{name:?} is no role that is hosted")))?;
    let arguments = Arguments::try_parse_from(&words).map_err(|error| {
        BadLine(usage::line::<Arguments>(&error, &words).unwrap_or_else(|| "a call for help".to_owned()))
    })?;
    Ok((role, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;
    use runtime::wait::WaitStrategy;

    #[test]
    fn a_line_is_a_role_and_its_arguments() {
        let line = r#"["strategy","--host","/a b/host.toml","--index","2","--epoch","9","--core","1","--wait","spin"]"#;
        let (role, arguments) = parse(line).unwrap();
        assert_eq!((role, arguments.index, arguments.epoch), (Role::Strategy, 2, 9));
        assert_eq!((arguments.host.to_str(), arguments.wait), (Some("/a b/host.toml"), WaitStrategy::Spin));
        for bad in ["", "{}", "[]", "[\"recorder\"]", "[\"supervisor\"]", "[\"risk\",\"--epoch\",\"x\"]", "[1]"] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
