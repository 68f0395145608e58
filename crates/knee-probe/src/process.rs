//! One process as `/proc` shows it (proc(5)).

#[cfg(test)]
mod tests;

use crate::error::{ProbeError, bytes, shown, text};
use knee_core::Bytes;
use std::fs;
use std::path::{Path, PathBuf};

/// A process's folder in `/proc`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    folder: PathBuf,
}

/// What `stat` says of a process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Stat {
    /// `R`, `S`, `D`, `Z`, ...
    pub state: char,
    /// Parent.
    pub parent: i32,
    /// Session.
    pub session: i32,
    /// CPU of all its threads, user and system, also of those that ended: seconds, to the
    /// clock tick of 10 ms.
    pub cpu: f64,
    /// Threads.
    pub threads: u32,
    /// When it started, clock ticks since boot: with the number it names a process for good.
    pub started: u64,
}

impl Stat {
    /// Whether it has ended and only waits for its parent to notice.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X' | 'x')
    }
}

impl Process {
    /// The process of that number.
    pub fn new(pid: i32) -> Process {
        Process::below(Path::new("/proc"), pid)
    }

    /// The same below another `/proc`.
    pub fn below(proc: &Path, pid: i32) -> Process {
        Process { folder: proc.join(pid.to_string()) }
    }

    /// State, kin, CPU and threads.
    ///
    /// # Errors
    /// It ended ([`ProbeError::is_absent`]) or the file is not as the kernel writes it; so of
    /// all readers here.
    pub fn stat(&self) -> Result<Stat, ProbeError> {
        let path = self.folder.join("stat");
        // The name may be no UTF-8, and may hold spaces and brackets.
        let bytes = bytes(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        let wrong = || ProbeError::form(&path, 1, format!("`{}` is no stat line", shown(&text)));
        parse_stat(&text).ok_or_else(wrong)
    }

    /// How long each of its threads has waited for a CPU while it could run, seconds, by the thread's
    /// number. The time in which a quota stops it counts, too. Second figure of `schedstat`:
    /// <https://docs.kernel.org/scheduler/sched-stats.html#proc-pid-schedstat>.
    ///
    /// # Errors
    /// As [`Process::stat`]; also a kernel that keeps no such figures.
    pub fn waited(&self) -> Result<Vec<(i32, f64)>, ProbeError> {
        let folder = self.folder.join("task");
        let mut all = Vec::new();
        for entry in fs::read_dir(&folder).map_err(ProbeError::read(&folder))?.flatten() {
            let Some(thread) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else {
                continue;
            };
            let path = entry.path().join("schedstat");
            let text = match text(&path) {
                // It ended meanwhile.
                Err(error) if error.is_absent() && path.parent().is_some_and(|p| !p.exists()) => {
                    continue;
                }
                read => read?,
            };
            let nanoseconds =
                text.split_ascii_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok());
            let wrong = || {
                ProbeError::form(&path, 1, format!("`{}` is no schedstat line", shown(text.trim())))
            };
            all.push((thread, nanoseconds.ok_or_else(wrong)? as f64 / 1e9));
        }
        Ok(all)
    }

    /// Proportional set size: its pages, those that n processes share counted as 1/n. The kernel
    /// walks all its memory for that: tenths of a millisecond to several, and meanwhile it can map nothing.
    ///
    /// # Errors
    /// As [`Process::stat`]; also a process of another user, without privilege.
    pub fn pss(&self) -> Result<Bytes, ProbeError> {
        let path = self.folder.join("smaps_rollup");
        let text = text(&path)?;
        let found =
            text.lines().enumerate().find_map(|(at, l)| Some((at, l.strip_prefix("Pss:")?)));
        let (at, value) = found.ok_or_else(|| ProbeError::form(&path, 1, "no line `Pss:`"))?;
        let kib = value.trim().strip_suffix(" kB").and_then(|n| n.parse::<u64>().ok());
        let bytes = kib.and_then(|kib| kib.checked_mul(1024)).map(Bytes);
        bytes.ok_or_else(|| {
            ProbeError::form(&path, at + 1, format!("`{}` is no size", shown(value.trim())))
        })
    }

    /// Open descriptors.
    ///
    /// # Errors
    /// As [`Process::pss`].
    pub fn descriptors(&self) -> Result<u64, ProbeError> {
        let path = self.folder.join("fd");
        // Since Linux 6.2 the folder's size is their number; before, it is 0.
        match fs::metadata(&path).map_err(ProbeError::read(&path))?.len() {
            0 => Ok(fs::read_dir(&path).map_err(ProbeError::read(&path))?.count() as u64),
            open => Ok(open),
        }
    }

    /// Whether it handles that signal itself.
    ///
    /// # Errors
    /// As [`Process::stat`].
    pub fn catches(&self, signal: i32) -> Result<bool, ProbeError> {
        let path = self.folder.join("status");
        let bytes = bytes(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        let mut lines = text.lines().enumerate();
        let found = lines.find_map(|(at, l)| Some((at, l.strip_prefix("SigCgt:")?.trim())));
        let (at, mask) = found.ok_or_else(|| ProbeError::form(&path, 1, "no line `SigCgt:`"))?;
        let wrong = |_| ProbeError::form(&path, at + 1, format!("`{}` is no mask", shown(mask)));
        let mask = u64::from_str_radix(mask, 16).map_err(wrong)?;
        let bit = u32::try_from(signal - 1).ok().and_then(|n| 1u64.checked_shl(n));
        Ok(bit.is_some_and(|bit| mask & bit != 0))
    }

    /// Its numbers: this one, and those that it has in the pid namespaces below (a container's), the
    /// one that it sees itself last. None besides this one before Linux 4.1.
    ///
    /// # Errors
    /// As [`Process::stat`].
    pub fn numbers(&self) -> Result<Vec<i32>, ProbeError> {
        let path = self.folder.join("status");
        let bytes = bytes(&path)?;
        let text = String::from_utf8_lossy(&bytes);
        let line = |name| text.lines().find_map(|line| line.strip_prefix(name));
        let found = line("NSpid:").or_else(|| line("Pid:"));
        let found = found.ok_or_else(|| ProbeError::form(&path, 1, "no line `Pid:`"))?;
        Ok(found.split_ascii_whitespace().filter_map(|n| n.parse().ok()).collect())
    }

    /// Soft limit of open files; None when there is none.
    ///
    /// # Errors
    /// As [`Process::stat`].
    pub fn nofile(&self) -> Result<Option<u64>, ProbeError> {
        let path = self.folder.join("limits");
        let text = text(&path)?;
        let mut lines = text.lines().enumerate();
        let found = lines.find_map(|(at, l)| Some((at, l.strip_prefix("Max open files")?)));
        let (at, value) = found.ok_or_else(|| ProbeError::form(&path, 1, "no `Max open files`"))?;
        match value.split_whitespace().next() {
            Some("unlimited") => Ok(None),
            soft => soft.and_then(|n| n.parse().ok()).map(Some).ok_or_else(|| {
                ProbeError::form(&path, at + 1, format!("`{}` is no limit", shown(value.trim())))
            }),
        }
    }

    /// Memory that is its own or not backed by a file: resident less shared pages of `statm`. What
    /// a leak fills, cheap to read, and without the program's and its libraries' files.
    ///
    /// # Errors
    /// As [`Process::stat`].
    pub fn anonymous(&self) -> Result<Bytes, ProbeError> {
        let path = self.folder.join("statm");
        let text = text(&path)?;
        let mut pages = text.split_ascii_whitespace().skip(1).map_while(|n| n.parse::<u64>().ok());
        let (Some(resident), Some(shared)) = (pages.next(), pages.next()) else {
            return Err(ProbeError::form(&path, 1, format!("`{}` is no statm line", shown(&text))));
        };
        Ok(Bytes(resident.saturating_sub(shared).saturating_mul(rustix::param::page_size() as u64)))
    }

    /// The value of one variable that it was started with; None where it is not set or may not be
    /// read. It may be a secret.
    pub fn variable(&self, name: &str) -> Option<String> {
        let bytes = fs::read(self.folder.join("environ")).ok()?;
        let value = |entry: &[u8]| {
            let entry = String::from_utf8_lossy(entry);
            Some(entry.strip_prefix(name)?.strip_prefix('=')?.to_string())
        };
        bytes.split(|b| *b == 0).find_map(value)
    }

    /// A path as it sees it, as this process reaches it.
    pub fn path(&self, path: &Path) -> PathBuf {
        match path.strip_prefix("/") {
            Ok(below) => self.folder.join("root").join(below),
            Err(_) => self.folder.join("cwd").join(path),
        }
    }

    /// Whether it lives in this process's network; None where that may not be seen.
    pub fn shares_network(&self) -> Option<bool> {
        let own = fs::read_link("/proc/self/ns/net").ok()?;
        Some(fs::read_link(self.folder.join("ns/net")).ok()? == own)
    }

    /// Whether this process may look into it: into its descriptors and memory (ptrace(2), "access
    /// mode checking"). Their number can be seen of every process.
    pub fn is_open(&self) -> bool {
        fs::read_link(self.folder.join("exe")).is_ok()
    }

    /// The file of its program, as this process reaches it.
    pub fn program(&self) -> PathBuf {
        self.folder.join("exe")
    }

    /// Whether its program is one that Go built.
    pub fn is_go(&self) -> bool {
        crate::elf::has_section(&self.program(), ".go.buildinfo")
    }

    /// Whether there is a process of that number.
    pub fn lives(&self) -> bool {
        self.folder.exists()
    }

    /// The numbers of the sockets that it has open, as far as this process may look.
    pub fn sockets(&self) -> Vec<u64> {
        let entries = fs::read_dir(self.folder.join("fd")).into_iter().flatten().flatten();
        let inode = |entry: fs::DirEntry| {
            let target = fs::read_link(entry.path()).ok()?;
            target.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
        };
        entries.filter_map(inode).collect()
    }

    /// Program and arguments; empty when it has ended or hides them. They may hold secrets.
    pub fn argv(&self) -> Vec<String> {
        let bytes = fs::read(self.folder.join("cmdline")).unwrap_or_default();
        let words = bytes.split(|b| *b == 0).map(|w| String::from_utf8_lossy(w).into_owned());
        let mut words: Vec<String> = words.collect();
        // A zero stands after each word, also the last.
        words.pop();
        words
    }

    /// Its short name; `a process` when it has none any more.
    pub fn name(&self) -> String {
        let name = fs::read(self.folder.join("comm")).unwrap_or_default();
        let name = String::from_utf8_lossy(&name).trim().to_string();
        if name.is_empty() { "a process".into() } else { name }
    }
}

/// The numbers of all processes, in order.
pub fn all() -> Vec<i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let mut pids: Vec<i32> = entries.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    pids.sort_unstable();
    pids
}

/// These processes and all that descend from them, as far as they live now.
pub fn with_descendants(roots: &[i32]) -> Vec<i32> {
    let living = |pid: i32| {
        let stat = Process::new(pid).stat().ok().filter(|stat| !stat.is_dead())?;
        Some((pid, stat.parent))
    };
    let parents: Vec<(i32, i32)> = all().into_iter().filter_map(living).collect();
    let mut found: Vec<i32> =
        parents.iter().map(|(pid, _)| *pid).filter(|pid| roots.contains(pid)).collect();
    // Each round adds the children of those that came before it.
    let mut from = 0;
    while from < found.len() {
        let parent = found[from];
        let children = parents.iter().filter(|(pid, p)| *p == parent && !roots.contains(pid));
        found.extend(children.map(|(pid, _)| *pid));
        from += 1;
    }
    found
}

/// `42 (a name) S 1 ...`: fields 3, 4, 6, 14, 15, 20 and 22.
fn parse_stat(text: &str) -> Option<Stat> {
    let fields: Vec<&str> = text.rsplit_once(") ")?.1.split_ascii_whitespace().collect();
    let number = |at: usize| fields.get(at)?.parse::<u64>().ok();
    let ticks = number(11)?.checked_add(number(12)?)?;
    Some(Stat {
        state: fields.first()?.chars().next()?,
        parent: fields.get(1)?.parse().ok()?,
        session: fields.get(3)?.parse().ok()?,
        cpu: ticks as f64 / rustix::param::clock_ticks_per_second() as f64,
        threads: number(17)?.try_into().ok()?,
        started: number(19)?,
    })
}
