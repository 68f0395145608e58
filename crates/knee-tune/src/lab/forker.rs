//! The thread that forks: the kernel kills a process that asked to die with its parent when the
//! *thread* that forked it ends, so this one lives as long as any task.

use std::io;
use std::process::{Child, Command};
use std::sync::mpsc::{self, Sender};
use std::thread;

struct Job {
    command: Command,
    done: Sender<io::Result<Child>>,
}

/// A handle; the thread ends with the last one.
#[derive(Debug)]
pub(super) struct Forker(Sender<Job>);

impl Forker {
    /// Starts the thread. It has the priority of the caller now, and what it forks as well.
    pub fn new() -> io::Result<Forker> {
        let (sender, jobs) = mpsc::channel::<Job>();
        let work = move || {
            for mut job in jobs {
                let result = job.command.spawn();
                // Lets go of the descriptors that the command holds before anybody waits for their end.
                drop(job.command);
                let _ = job.done.send(result);
            }
        };
        thread::Builder::new().name("knee-lab".into()).spawn(work)?;
        Ok(Forker(sender))
    }

    /// Starts a command on that thread.
    pub fn spawn(&self, command: Command) -> io::Result<Child> {
        let gone = || io::Error::other("the laboratory's thread ended");
        let (done, result) = mpsc::channel();
        self.0.send(Job { command, done }).map_err(|_| gone())?;
        result.recv().map_err(|_| gone())?
    }
}
