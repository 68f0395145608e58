//! Who made a cgroup or a temporary folder, and whether that process still lives.
//!
//! A name says so by itself, so that the next knee can remove what a dead one left and never
//! touches what a living one uses.

use knee_probe::process::Process;
use std::fmt;
use std::path::Path;
use std::str::FromStr;

/// A process, told from an earlier one of the same number by its start time, and from one of
/// the same number in another container by its PID namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Owner {
    pid: u32,
    /// Clock ticks since boot.
    started: u64,
    namespace: u64,
}

/// The name of one laboratory of an owner: `knee-<pid>-<start>-<namespace>-<number>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Name {
    pub owner: Owner,
    pub number: u32,
}

impl Owner {
    /// This process.
    pub fn myself() -> Option<Owner> {
        let pid = std::process::id();
        Some(Owner { pid, started: started(pid)?, namespace: pid_namespace()? })
    }

    /// Whether it ended. An owner in another PID namespace, or that cannot be read (for want of
    /// descriptors, say), cannot be judged and counts as alive.
    pub fn is_gone(self) -> bool {
        let folder = format!("/proc/{}", self.pid);
        let gone = || Path::new(&folder).try_exists().is_ok_and(|exists| !exists);
        let other = |started| started != self.started;
        pid_namespace() == Some(self.namespace) && started(self.pid).map_or_else(gone, other)
    }
}

/// Start time of a process in clock ticks since boot.
pub(super) fn started(pid: u32) -> Option<u64> {
    Some(Process::new(pid.cast_signed()).stat().ok()?.started)
}

fn pid_namespace() -> Option<u64> {
    namespace_inode(Path::new("/proc/self/ns/pid"))
}

/// The number in a namespace link such as `mnt:[4026531841]`.
pub(super) fn namespace_inode(link: &Path) -> Option<u64> {
    let target = std::fs::read_link(link).ok()?;
    target.to_str()?.split_once('[')?.1.strip_suffix(']')?.parse().ok()
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Owner { pid, started, namespace } = self.owner;
        write!(f, "knee-{pid}-{started}-{namespace}-{}", self.number)
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let mut parts = text.strip_prefix("knee-").ok_or(())?.split('-');
        let mut next = || parts.next()?.parse::<u64>().ok();
        let mut read = || {
            let (pid, started, namespace, number) = (next()?, next()?, next()?, next()?);
            let owner = Owner { pid: pid.try_into().ok()?, started, namespace };
            Some(Name { owner, number: number.try_into().ok()? })
        };
        let name = read().ok_or(())?;
        if name.to_string() == text { Ok(name) } else { Err(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn i_am_alive_and_a_later_start_is_not_me() {
        let me = Owner::myself().unwrap();
        assert!(!me.is_gone());
        assert!(Owner { started: me.started + 1, ..me }.is_gone());
        assert!(Owner { pid: i32::MAX.unsigned_abs(), ..me }.is_gone());
        assert!(!Owner { namespace: 1, pid: 0, ..me }.is_gone(), "cannot be judged");
    }

    #[test]
    fn a_name_is_read_back_and_nothing_else_is() {
        let name = Name { owner: Owner::myself().unwrap(), number: 3 };
        assert_eq!(name.to_string().parse(), Ok(name));
        for text in ["", "knee-", "knee-1-2-3", "knee-1-2-3-4-5", "knee-01-2-3-4", "kneel-1-2-3-4"]
        {
            assert_eq!(text.parse::<Name>(), Err(()), "{text}");
        }
    }
}
