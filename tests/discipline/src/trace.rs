//! The system calls of one thread, as `strace` writes them down.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

/// What a call came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The number it returned.
    Value(i64),
    /// Nothing to read, or no room to write: EAGAIN.
    NotNow,
    /// Any other error.
    Failed,
}

/// One call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// What it came to.
    pub outcome: Outcome,
    /// Messages that a `recvmmsg` had room for: fewer that came say that no more waited.
    pub asked: Option<i64>,
}

/// Reads the lines of `strace -ttt`. A line without an outcome (the trace began or ended in the middle of the call, a
/// signal, a remark) is no call.
#[must_use]
pub fn parse(text: &str) -> Vec<Call> {
    text.lines().filter_map(call).collect()
}

fn call(line: &str) -> Option<Call> {
    let (_stamp, rest) = line.trim().split_once(' ')?;
    let (name, _) = rest.split_once('(')?;
    let is_name =
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    let (_, returned) = rest.rsplit_once(" = ").filter(|_| is_name)?;
    let mut words = returned.split_whitespace();
    let value: i64 = words.next()?.parse().ok()?;
    let outcome = match words.next() {
        Some("EAGAIN") => Outcome::NotNow,
        _ if value < 0 => Outcome::Failed,
        _ => Outcome::Value(value),
    };
    // recvmmsg(5, [{...}], 2, MSG_DONTWAIT, NULL) = 1
    let asked = || rest.rsplit_once(") = ")?.0.rsplit(", ").nth(2)?.parse().ok();
    Some(Call { name: name.to_owned(), outcome, asked: if name == "recvmmsg" { asked() } else { None } })
}

/// Follows one thread for `span`, and returns its calls; an error says why nothing can be followed here.
///
/// # Errors
/// When `strace` is not installed, or may not follow the process.
pub fn strace(thread: u32, span: Duration, folder: &Path) -> Result<Vec<Call>, String> {
    let path = folder.join(format!("{thread}.strace"));
    let mut command = Command::new("strace");
    command.args(["-ttt", "-s", "0", "-o"]).arg(&path).args(["-p", &thread.to_string()]);
    let child = match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err("strace is not installed".to_owned()),
        Err(error) => return Err(format!("strace does not start: {error}")),
    };
    std::thread::sleep(span);
    // Not reaped yet, so the pid is its own; SIGINT makes it let go of the process.
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
    let said = child.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    if said.contains("Operation not permitted") {
        return Err(format!("ptrace is not allowed: {}", said.trim()));
    }
    std::fs::read_to_string(&path)
        .map(|text| parse(&text))
        .map_err(|error| format!("{}: {error}; {said}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_strace_are_read() {
        let text = "\
1700000000.000001 recvmsg(5, {msg_namelen=16}, MSG_DONTWAIT) = -1 EAGAIN (Resource temporarily unavailable)
1700000000.000002 sendto(7, \"\"..., 50, MSG_NOSIGNAL, NULL, 0) = 50
1700000000.000003 sched_yield()                   = 0
1700000000.000004 openat(AT_FDCWD, \"/a = b\", O_RDONLY) = -1 ENOENT (No such file or directory)
1700000000.000005 futex(0x7f00, FUTEX_WAKE_PRIVATE, 1) = 1
1700000000.000006 recvmmsg(5, [{msg_hdr={msg_iov=[{iov_base=\"\"..., iov_len=2048}], msg_flags=0}, msg_len=90}], 2, MSG_DONTWAIT, NULL) = 1
1700000000.000007 recvmmsg(5, 0x7ffc, 2, MSG_DONTWAIT, NULL) = -1 EAGAIN (Resource temporarily unavailable)
1700000000.000006 recvfrom(7, <detached ...>
1700000000.000007 --- SIGTERM {si_signo=SIGTERM} ---
";
        let outcome = |value| Outcome::Value(value);
        let expected = [
            ("recvmsg", Outcome::NotNow),
            ("sendto", outcome(50)),
            ("sched_yield", outcome(0)),
            ("openat", Outcome::Failed),
            ("futex", outcome(1)),
            ("recvmmsg", outcome(1)),
            ("recvmmsg", Outcome::NotNow),
        ];
        let calls = parse(text);
        let found: Vec<_> = calls.iter().map(|call| (call.name.as_str(), call.outcome)).collect();
        assert_eq!(found, expected);
        let asked: Vec<_> = calls.iter().map(|call| call.asked).collect();
        assert_eq!(asked, [None, None, None, None, None, Some(2), Some(2)]);
    }
}
