//! The command and all that came from it: whom a signal is for, who has ended, who is left.

use super::spawn::{Started, give_terminal, has_terminal};
use crate::exit;
use crate::log::say;
use knee_probe::process::{self, Process};
use knee_probe::sockets;
use std::collections::HashSet;

/// Programs that only wait for another one, as a rule.
const SHELLS: [&str; 6] = ["sh", "dash", "bash", "ash", "busybox", "zsh"];

/// What runs in this container.
pub struct Family {
    /// The command's process, or the one that it left in its place.
    main: i32,
    terminal: bool,
    me: i32,
    /// How the main process ended.
    code: Option<u8>,
}

impl Family {
    /// Of a command just started. From now on whoever loses its parent comes to this process,
    /// also where it is not the first one (prctl(2), PR_SET_CHILD_SUBREAPER).
    pub fn of(started: Started) -> Family {
        let me = std::process::id().cast_signed();
        Family { main: started.pid, terminal: started.terminal, me, code: None }
    }

    /// The main process.
    pub fn main(&self) -> i32 {
        self.main
    }

    /// Its exit code, once it has ended.
    pub fn code(&self) -> Option<u8> {
        self.code
    }

    /// All that live, without this process.
    pub fn members(&self) -> Vec<i32> {
        let all = process::with_descendants(&[self.me]);
        all.into_iter().filter(|pid| *pid != self.me).collect()
    }

    /// Passes a signal on to whom it is for, see [`right`], and says who that is.
    pub fn forward(&self, signal: i32) -> Vec<i32> {
        let pids = right(self.main, signal);
        pids.iter().for_each(|pid| send(*pid, signal));
        pids
    }

    /// After SIGCONT: the shell that this process was started from has put it into the foreground
    /// again, or into the background.
    pub fn resume(&self) {
        if self.terminal && has_terminal() {
            give_terminal(self.main);
        }
        // The group, as it was stopped as a group.
        send(-self.main, libc::SIGCONT);
    }

    /// Takes note of every child that has ended or was stopped.
    pub fn reap(&mut self) {
        let mut status = 0;
        loop {
            // SAFETY: a plain call that writes the status.
            let pid = unsafe { libc::waitpid(-1, &mut status, libc::WNOHANG | libc::WUNTRACED) };
            if pid <= 0 {
                return;
            }
            if pid != self.main {
                continue;
            }
            if libc::WIFSTOPPED(status) {
                self.stopped();
            } else if libc::WIFSIGNALED(status) {
                self.code = Some(exit::by_signal(libc::WTERMSIG(status)));
            } else {
                self.code = u8::try_from(libc::WEXITSTATUS(status)).ok();
            }
        }
    }

    /// Ctrl-Z stops the foreground group, the command's; this process follows, or the shell that
    /// it was started from would wait for it. Nobody waits for the first process of a container.
    fn stopped(&self) {
        if self.terminal && self.me != 1 {
            send(self.me, libc::SIGSTOP);
        }
    }

    /// When the command has ended well and left behind what listens, it was a program that went
    /// into the background: that goes on as the main process. True if so.
    pub fn follow(&mut self) -> bool {
        if self.code != Some(0) {
            return false;
        }
        let members = self.members();
        let held = sockets::inodes(&members);
        let listening: HashSet<u64> =
            sockets::listening().iter().map(|l| l.inode).filter(|i| held.contains(i)).collect();
        let mine = |pid: &&i32| Process::new(**pid).stat().is_ok_and(|s| s.parent == self.me);
        let listens = |pid: &&i32| {
            let family = process::with_descendants(&[**pid]);
            sockets::inodes(&family).iter().any(|inode| listening.contains(inode))
        };
        let Some(heir) = members.iter().filter(mine).find(listens).copied() else { return false };
        say(format_args!(
            "the command has ended and left {} (pid {heir}) behind, which listens: going on with \
             that; started in the foreground its exit code would be its own",
            Process::new(heir).name()
        ));
        (self.main, self.code) = (heir, None);
        true
    }
}

/// Whom a signal for a process is for: a shell that does not catch it dies of it, and the program
/// that it waits for never hears of it. Then that program gets it; the shell too where the signal
/// asks it to end, or a script would go on with its next line.
fn right(pid: i32, signal: i32) -> Vec<i32> {
    if !is_shell(pid) || catches(pid, signal) {
        return vec![pid];
    }
    let ends = matches!(signal, libc::SIGTERM | libc::SIGINT | libc::SIGQUIT | libc::SIGHUP);
    let children = children(pid);
    let below: Vec<i32> = children.iter().flat_map(|child| right(*child, signal)).collect();
    // The shell first: it must not notice how its program ended.
    let shell = (ends || below.is_empty()).then_some(pid);
    shell.into_iter().chain(below).collect()
}

/// Whether a process is a shell.
pub fn is_shell(pid: i32) -> bool {
    SHELLS.contains(&Process::new(pid).name().as_str())
}

fn children(parent: i32) -> Vec<i32> {
    let child = |pid: &i32| {
        Process::new(*pid).stat().is_ok_and(|stat| stat.parent == parent && !stat.is_dead())
    };
    process::all().into_iter().filter(child).collect()
}

/// Whether a process handles a signal itself; where that cannot be read it is left to it.
fn catches(pid: i32, signal: i32) -> bool {
    Process::new(pid).catches(signal).unwrap_or(true)
}

/// Sends it; whoever has ended meanwhile needs it no more.
pub fn send(pid: i32, signal: i32) {
    // SAFETY: a plain call.
    unsafe { libc::kill(pid, signal) };
}
