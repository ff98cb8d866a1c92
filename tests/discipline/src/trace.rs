//! The system calls of one thread, as `strace` writes them down.

use std::io::ErrorKind;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long a tracer may take to be there.
const ATTACH: Duration = Duration::from_secs(10);
/// Nap between two looks for it.
const NAP: Duration = Duration::from_millis(1);

/// What a call came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The number it returned; an address or flags are numbers, too.
    Value(i64),
    /// Nothing to read, or no room to write: EAGAIN.
    NotNow,
    /// Any other error.
    Failed,
    /// The trace ended before it did.
    Unfinished,
    /// What `strace` wrote there is no number: `?`, or nothing.
    Unknown,
}

/// One call.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Call {
    /// Its name.
    pub name: String,
    /// Its first argument, where that is a plain number, as a descriptor is.
    pub descriptor: Option<i64>,
    /// What it came to.
    pub outcome: Outcome,
    /// Messages that a `recvmmsg` had room for: fewer that came say that no more waited.
    pub asked: Option<i64>,
}

/// Reads the lines of `strace -ttt`. Only remarks (a signal, a stop, an exit) are no calls: a line that cannot be read is a
/// call with an outcome that is not known, for what is skipped here is never judged.
#[must_use]
pub fn parse(text: &str) -> Vec<Call> {
    text.lines().map(str::trim).filter(|line| !line.is_empty()).filter_map(call).collect()
}

fn call(line: &str) -> Option<Call> {
    let (_stamp, rest) = line.split_once(' ').unwrap_or(("", line));
    if rest.starts_with("---") || rest.starts_with("+++") {
        return None;
    }
    let (name, arguments) = rest.split_once('(').unwrap_or((rest, ""));
    let first = arguments.split([',', ')', ' ']).next().unwrap_or_default();
    // recvmmsg(5, [{...}], 2, MSG_DONTWAIT, NULL) = 1
    let asked = || rest.rsplit_once(") = ")?.0.rsplit(", ").nth(2)?.parse().ok();
    Some(Call {
        name: name.to_owned(),
        descriptor: first.parse().ok(),
        outcome: outcome(rest),
        asked: if name == "recvmmsg" { asked() } else { None },
    })
}

fn outcome(line: &str) -> Outcome {
    if line.ends_with("<detached ...>") {
        return Outcome::Unfinished;
    }
    let Some((_, returned)) = line.rsplit_once(" = ") else { return Outcome::Unknown };
    let mut words = returned.split_whitespace();
    match words.next().and_then(number) {
        None => Outcome::Unknown,
        Some(-1) if words.next() == Some("EAGAIN") => Outcome::NotNow,
        Some(value) if value < 0 => Outcome::Failed,
        Some(value) => Outcome::Value(value),
    }
}

/// `-1`, `4096` or `0x7f6213b47000`: an address is below 2^63.
fn number(word: &str) -> Option<i64> {
    word.strip_prefix("0x").map_or_else(|| word.parse().ok(), |digits| i64::from_str_radix(digits, 16).ok())
}

/// Follows one thread while `during` runs, and returns its calls with what that returned; an error says why nothing can be
/// followed here.
///
/// # Errors
/// When `strace` is not installed, or may not follow the process.
pub fn strace<T>(thread: u32, folder: &Path, during: impl FnOnce() -> T) -> Result<(Vec<Call>, T), String> {
    let path = folder.join(format!("{thread}.strace"));
    let mut command = Command::new("strace");
    command.args(["-ttt", "-s", "0", "-o"]).arg(&path).args(["-p", &thread.to_string()]);
    let mut child = match command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn() {
        Ok(child) => child,
        Err(error) if error.kind() == ErrorKind::NotFound => return Err("strace is not installed".to_owned()),
        Err(error) => return Err(format!("strace does not start: {error}")),
    };
    let during = if attached(&mut child, thread) { Some(during()) } else { None };
    // Not reaped yet, so the pid is its own; SIGINT makes it let go of the process.
    let pid = nix::unistd::Pid::from_raw(child.id() as i32);
    let _ = nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT);
    let said = child.wait_with_output().map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    if said.contains("Operation not permitted") {
        return Err(format!("ptrace is not allowed: {}", said.trim()));
    }
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}; {said}", path.display()))?;
    let during = during.ok_or_else(|| format!("strace did not attach: {}", said.trim()))?;
    Ok((parse(&text), during))
}

/// Waits until the tracer has the thread; false when it ended instead, or took too long. What is looked at after that falls
/// into the trace.
fn attached(tracer: &mut Child, thread: u32) -> bool {
    let ours = format!("TracerPid:\t{}", tracer.id());
    let looks = ATTACH.as_millis() / NAP.as_millis();
    for _ in 0..looks {
        let status = std::fs::read_to_string(format!("/proc/{thread}/status")).unwrap_or_default();
        if status.lines().any(|line| line == ours) {
            return true;
        }
        if !matches!(tracer.try_wait(), Ok(None)) {
            return false;
        }
        std::thread::sleep(NAP);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    fn read(text: &str) -> Vec<(String, Option<i64>, Outcome)> {
        parse(text).into_iter().map(|call| (call.name, call.descriptor, call.outcome)).collect()
    }

    fn expect(text: &str, expected: &[(&str, Option<i64>, Outcome)]) {
        let expected: Vec<_> = expected.iter().map(|(name, first, came)| ((*name).to_owned(), *first, *came)).collect();
        assert_eq!(read(text), expected);
    }

    #[test]
    fn calls_of_sockets_are_read_with_their_descriptor() {
        let text = "\
1700000000.000001 recvmsg(5, {msg_namelen=16}, MSG_DONTWAIT) = -1 EAGAIN (Resource temporarily unavailable)
1700000000.000002 sendto(7, \"\"..., 50, MSG_NOSIGNAL, NULL, 0) = 50
1700000000.000003 sched_yield()                   = 0
1700000000.000004 openat(AT_FDCWD, \"/a = b\", O_RDONLY) = -1 ENOENT (No such file or directory)
1700000000.000005 futex(0x7f00, FUTEX_WAKE_PRIVATE, 1) = 1
1700000000.000006 recvmmsg(5, [{msg_hdr={msg_iov=[{iov_base=\"\"..., iov_len=2048}], msg_flags=0}, msg_len=90}], 2, MSG_DONTWAIT, NULL) = 1
1700000000.000007 recvmmsg(12, 0x7ffc, 2, MSG_DONTWAIT, NULL) = -1 EAGAIN (Resource temporarily unavailable)
";
        let value = Outcome::Value;
        let expected = [
            ("recvmsg", Some(5), Outcome::NotNow),
            ("sendto", Some(7), value(50)),
            ("sched_yield", None, value(0)),
            ("openat", None, Outcome::Failed),
            ("futex", None, value(1)),
            ("recvmmsg", Some(5), value(1)),
            ("recvmmsg", Some(12), Outcome::NotNow),
        ];
        expect(text, &expected);
        let asked: Vec<_> = parse(text).iter().map(|call| call.asked).collect();
        assert_eq!(asked, [None, None, None, None, None, Some(2), Some(2)]);
    }

    /// As strace 6.1 wrote them of a program that made these calls.
    #[test]
    fn a_call_that_returns_an_address_flags_or_nothing_is_not_skipped() {
        let text = "\
1795976077.821393 mmap(0x7f6212cfa000, 8192, PROT_READ, MAP_PRIVATE|MAP_FIXED|MAP_DENYWRITE, 3, 0x3000) = 0x7f6212cfa000
1795976077.822834 mmap(NULL, 4096, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS, -1, 0) = 0x7f6213b47000
1795976077.807294 brk(0x55dd174a8000)   = 0x55dd174a8000
1795976077.823035 mremap(0x7f6213b47000, 4096, 1048576, MREMAP_MAYMOVE) = 0x7f6212bf7000
1795976077.823063 fcntl(0, F_GETFL)     = 0x8000 (flags O_RDONLY|O_LARGEFILE)
1795976077.823080 fcntl(99, F_GETFD)    = -1 EBADF (Bad file descriptor)
1795976077.841142 exit_group(0)         = ?
1795976077.842088 +++ exited with 0 +++
";
        let expected = [
            ("mmap", None, Outcome::Value(0x7f62_12cf_a000)),
            ("mmap", None, Outcome::Value(0x7f62_13b4_7000)),
            ("brk", None, Outcome::Value(0x55dd_174a_8000)),
            ("mremap", None, Outcome::Value(0x7f62_12bf_7000)),
            ("fcntl", Some(0), Outcome::Value(0x8000)),
            ("fcntl", Some(99), Outcome::Failed),
            ("exit_group", Some(0), Outcome::Unknown),
        ];
        expect(text, &expected);
    }

    #[test]
    fn only_remarks_are_no_calls() {
        let text = "\
1795976078.170400 read(0,  <detached ...>
1795976078.874129 restart_syscall(<... resuming interrupted read ...> <detached ...>
1795976080.318344 --- stopped by SIGSTOP ---
1700000000.000007 --- SIGTERM {si_signo=SIGTERM} ---
1700000000.000008 recvfrom(7, 0x7ffc, 4096, 0, NULL, NULL) = ? ERESTARTSYS (To be restarted if SA_RESTART is set)
1700000000.000009 <... recvfrom resumed>) = 5
1700000000.000010 recvfrom(7

";
        let expected = [
            ("read", Some(0), Outcome::Unfinished),
            ("restart_syscall", None, Outcome::Unfinished),
            ("recvfrom", Some(7), Outcome::Unknown),
            ("<... recvfrom resumed>) = 5", None, Outcome::Value(5)),
            ("recvfrom", Some(7), Outcome::Unknown),
        ];
        expect(text, &expected);
    }

    #[test]
    fn a_process_that_waits_is_seen_to_wait() {
        let mut shell = Command::new("sh").args(["-c", "read line"]).stdin(Stdio::piped()).spawn().unwrap();
        let pid = shell.id();
        // It sleeps nowhere but in this read.
        let sleeps = || std::fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| stat.contains(") S "));
        while !sleeps() {
            std::thread::sleep(NAP);
        }
        let traced = strace(pid, &std::env::temp_dir(), || std::thread::sleep(NAP));
        drop(shell.stdin.take());
        let _ = shell.wait();
        match traced {
            Ok((calls, ())) => {
                let read = ("read", Some(0), Outcome::Unfinished);
                let found: Vec<_> = calls.iter().map(|call| (&call.name[..], call.descriptor, call.outcome)).collect();
                assert_eq!(found, [read]);
            }
            Err(why) => drop(writeln!(std::io::stderr(), "skipped: {why}")),
        }
        let _ = std::fs::remove_file(std::env::temp_dir().join(format!("{pid}.strace")));
    }
}
