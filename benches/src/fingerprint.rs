//! On what a figure was found: processor, kernel, cores, and the build. Read from the kernel's files; what is not there is
//! left out, never guessed.

use serde::{Deserialize, Serialize};
use std::fs::read_to_string;
use std::path::Path;

/// The machine and the build.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Fingerprint {
    /// Model of the processor.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: Vec<usize>,
    /// Kernel.
    pub kernel: String,
    /// Governor of the first core; `None` where the kernel does not steer it (virtual machines).
    pub governor: Option<String>,
    /// Mitigations in force: name and state, without those that do not concern this processor.
    pub mitigations: Vec<(String, String)>,
    /// Transparent huge pages, the chosen one.
    pub transparent_huge_pages: Option<String>,
    /// Reserved huge pages.
    pub huge_pages: Option<u64>,
    /// Isolated cores of the kernel command line.
    pub isolated: String,
    /// Clock source.
    pub clocksource: String,
    /// The hypervisor, when there is one.
    pub virtual_machine: Option<String>,
    /// Ticks of the counter per nanosecond.
    pub ticks_per_ns: f64,
    /// Cost of a stamp in nanoseconds, and the smallest step that it can tell.
    pub stamp_ns: [f64; 2],
    /// Profile of the build.
    pub profile: String,
    /// Version of the build.
    pub version: String,
    /// Revision of the sources, when the command was started within them.
    pub revision: Option<String>,
}

impl Fingerprint {
    /// Of this machine and build.
    #[must_use]
    pub fn take(timeline: &crate::timeline::Timeline) -> Self {
        let cpuinfo = read_to_string("/proc/cpuinfo").unwrap_or_default();
        let stamp = crate::timeline::StampCost::measure(timeline);
        Self {
            cpu: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores: runtime::affinity::allowed_cpus().unwrap_or_default(),
            kernel: line_of("/proc/sys/kernel/osrelease").unwrap_or_default(),
            governor: line_of("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"),
            mitigations: mitigations(Path::new("/sys/devices/system/cpu/vulnerabilities")),
            transparent_huge_pages: line_of("/sys/kernel/mm/transparent_hugepage/enabled")
                .and_then(|line| chosen(&line)),
            huge_pages: line_of("/proc/sys/vm/nr_hugepages").and_then(|line| line.parse().ok()),
            isolated: line_of("/sys/devices/system/cpu/isolated").unwrap_or_default(),
            clocksource: line_of("/sys/devices/system/clocksource/clocksource0/current_clocksource")
                .unwrap_or_default(),
            virtual_machine: hypervisor(&cpuinfo),
            ticks_per_ns: 1.0 / timeline.ns_per_tick,
            stamp_ns: [stamp.read_ns, stamp.step_ns],
            profile: if cfg!(debug_assertions) { "dev" } else { "release" }.to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            revision: revision(&std::env::current_dir().unwrap_or_default()),
        }
    }

    /// One line for a terminal.
    #[must_use]
    pub fn line(&self) -> String {
        let machine = self.virtual_machine.as_ref().map_or("bare metal".to_owned(), |name| format!("VM ({name})"));
        format!(
            "{}, {} cores, {machine}, Linux {}, clocksource {}, a stamp costs {:.1} ns and steps by {:.1} ns, {} build",
            self.cpu,
            self.cores.len(),
            self.kernel,
            self.clocksource,
            self.stamp_ns[0],
            self.stamp_ns[1],
            self.profile
        )
    }
}

fn line_of(path: &str) -> Option<String> {
    let text = read_to_string(path).ok()?;
    let line = text.lines().next()?.trim();
    (!line.is_empty()).then(|| line.to_owned())
}

fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    cpuinfo.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}

/// The word in brackets: `always [madvise] never`.
fn chosen(line: &str) -> Option<String> {
    let (_, rest) = line.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

fn mitigations(folder: &Path) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut all: Vec<(String, String)> = entries
        .filter_map(|entry| {
            let state = read_to_string(entry.path()).ok()?;
            Some((entry.file_name().to_string_lossy().into_owned(), state.trim().to_owned()))
        })
        .filter(|(_, state)| state != "Not affected")
        .collect();
    all.sort();
    all
}

/// The processor says that it runs under a hypervisor; the firmware's tables usually say which.
fn hypervisor(cpuinfo: &str) -> Option<String> {
    let flags = field(cpuinfo, "flags")?;
    if !flags.split(' ').any(|flag| flag == "hypervisor") {
        return None;
    }
    Some(line_of("/sys/class/dmi/id/sys_vendor").unwrap_or_else(|| "unnamed".to_owned()))
}

/// The commit of the working tree that holds `folder`, from git's own files.
fn revision(folder: &Path) -> Option<String> {
    let dot_git = folder.ancestors().map(|above| above.join(".git")).find(|path| path.exists())?;
    let git = if dot_git.is_dir() {
        dot_git
    } else {
        // A linked tree: `gitdir: PATH`.
        Path::new(read_to_string(&dot_git).ok()?.trim().strip_prefix("gitdir: ")?).to_owned()
    };
    let head = read_to_string(git.join("HEAD")).ok()?;
    let Some(name) = head.trim().strip_prefix("ref: ") else { return Some(head.trim().to_owned()) };
    let main = read_to_string(git.join("commondir")).map_or_else(|_| git.clone(), |path| git.join(path.trim()));
    let loose = [&git, &main].into_iter().find_map(|folder| read_to_string(folder.join(name)).ok());
    let packed = || {
        let refs = read_to_string(main.join("packed-refs")).ok()?;
        refs.lines().find_map(|line| Some(line.strip_suffix(name)?.trim().to_owned()))
    };
    loose.or_else(packed).map(|hash| hash.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_files_are_read_as_they_are_written() {
        let cpuinfo = "processor\t: 0\nmodel name\t: AMD EPYC 9B14\nflags\t\t: fpu hypervisor sse\n";
        assert_eq!(field(cpuinfo, "model name"), Some("AMD EPYC 9B14"));
        assert!(hypervisor(cpuinfo).is_some());
        assert_eq!(hypervisor("flags : fpu sse\n"), None);
        assert_eq!(chosen("always [madvise] never"), Some("madvise".to_owned()));
    }

    #[test]
    fn a_revision_is_found_from_within_the_tree() {
        let folder = tempfile::tempdir().expect("a folder");
        let deep = folder.path().join("a/b");
        let git = folder.path().join(".git");
        std::fs::create_dir_all(&deep).expect("folders");
        std::fs::create_dir_all(git.join("refs/heads")).expect("folders");
        std::fs::write(git.join("HEAD"), "ref: refs/heads/main\n").expect("a file");
        std::fs::write(git.join("refs/heads/main"), "0123abc\n").expect("a file");
        assert_eq!(revision(&deep), Some("0123abc".to_owned()));
        std::fs::remove_file(git.join("refs/heads/main")).expect("it was there");
        std::fs::write(git.join("packed-refs"), "# pack-refs\n4567def refs/heads/main\n").expect("a file");
        assert_eq!(revision(&deep), Some("4567def".to_owned()));
    }
}
