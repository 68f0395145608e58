//! The command and all that came from it: whom a signal is for, who has ended, who is left.

use super::passing::Passing;
use super::spawn::{Started, give_terminal, has_terminal};
use crate::exit;
use crate::log::say;
use crate::table::Entry;
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
    passing: Passing,
    /// Whether all comes from one command.
    one: bool,
    /// Those that were started beside it and have not ended.
    beside: Vec<Beside>,
    /// Whether all have been asked to end: then the main process's code is the container's.
    ending: bool,
    /// How the main process ended, or before that one of the others that is not optional.
    code: Option<u8>,
}

/// A process that was started beside the main one.
struct Beside {
    name: String,
    pid: i32,
    optional: bool,
}

impl Family {
    /// Of a command just started. From now on whoever loses its parent comes to this process,
    /// also where it is not the first one (prctl(2), PR_SET_CHILD_SUBREAPER).
    pub fn of(started: Started, one: bool, passing: &Passing) -> Family {
        let me = std::process::id().cast_signed();
        Family {
            main: started.pid,
            terminal: started.terminal,
            me,
            passing: passing.clone(),
            one,
            beside: vec![],
            ending: false,
            code: None,
        }
    }

    /// One more that was started beside it.
    pub fn add(&mut self, entry: &Entry, started: Started) {
        let (name, optional) = (entry.name.clone(), entry.optional);
        self.beside.push(Beside { name, pid: started.pid, optional });
        self.terminal |= started.terminal;
    }

    /// It cannot go on: one that it needs was not started.
    pub fn fail(&mut self, code: u8) {
        self.code.get_or_insert(code);
    }

    /// All are asked to end.
    pub fn end(&mut self) {
        self.ending = true;
    }

    /// Whether all comes from one command.
    pub fn is_one(&self) -> bool {
        self.one
    }

    /// The processes that were started here.
    pub fn started(&self) -> Vec<i32> {
        std::iter::once(self.main).chain(self.beside.iter().map(|b| b.pid)).collect()
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

    /// What the user said that a signal is to become.
    pub fn rewritten(&self, signal: i32) -> Option<i32> {
        self.passing.rewritten(signal)
    }

    /// Whether a signal asks for a stop.
    pub fn stops(&self, signal: i32) -> bool {
        matches!(signal, libc::SIGTERM | libc::SIGINT | libc::SIGQUIT)
            && self.rewritten(signal) != Some(0)
    }

    /// Passes a signal on as what the user said that it is to become.
    pub fn forward(&self, signal: i32) {
        self.tell(self.rewritten(signal).unwrap_or(signal));
    }

    /// Sends a signal to whom it is for, see [`right`], or to whole groups where that is asked for, and
    /// says who that is.
    pub fn tell(&self, signal: i32) -> Vec<i32> {
        let started = self.started();
        if self.passing.group {
            started.iter().filter_map(|pid| group(*pid)).for_each(|group| send(-group, signal));
            return started;
        }
        let pids: Vec<i32> = started.iter().flat_map(|pid| right(*pid, signal)).collect();
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
            if libc::WIFSTOPPED(status) {
                if pid == self.main {
                    self.stopped();
                }
                continue;
            }
            let code = if libc::WIFSIGNALED(status) {
                exit::by_signal(libc::WTERMSIG(status))
            } else {
                u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(exit::OWN)
            };
            self.ended(pid, code);
        }
    }

    /// Takes note of the end of a process that was started here; of any other there is nothing to note.
    fn ended(&mut self, pid: i32, code: u8) {
        if let Some(at) = self.beside.iter().position(|b| b.pid == pid) {
            let Beside { name, optional, .. } = self.beside.remove(at);
            if self.ending {
                return;
            }
            let then = if optional { "the others go on" } else { "so all end" };
            say(format_args!("{name} has ended with {code}: {then}"));
            if optional {
                return;
            }
        } else if pid != self.main {
            return;
        }
        self.code.get_or_insert(code);
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
        if self.code != Some(0) || !self.is_one() {
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
pub fn right(pid: i32, signal: i32) -> Vec<i32> {
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

/// The process group of a process: one that went into the background may have another than the command's.
fn group(pid: i32) -> Option<i32> {
    // SAFETY: a plain call.
    Some(unsafe { libc::getpgid(pid) }).filter(|group| *group > 0)
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
