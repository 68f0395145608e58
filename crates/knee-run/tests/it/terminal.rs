//! A terminal in front of it: foreground group, Ctrl-C, job control.

use crate::support::{knee_run, until};
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};

/// A program in a session of its own, with a pseudo-terminal.
struct Session {
    child: Child,
    keys: File,
    screen: Arc<Mutex<String>>,
}

impl Session {
    fn with(mut command: Command) -> Session {
        let (mut keys, mut terminal) = (0, 0);
        let none = std::ptr::null_mut();
        // SAFETY: writes two descriptors, which are nobody else's.
        let (keys, terminal) = unsafe {
            assert_eq!(libc::openpty(&mut keys, &mut terminal, none, none.cast(), none.cast()), 0);
            (OwnedFd::from_raw_fd(keys), OwnedFd::from_raw_fd(terminal))
        };
        let end = || terminal.as_fd().try_clone_to_owned().unwrap();
        command.stdin(end()).stdout(end()).stderr(end());
        let prepare = || {
            // SAFETY: plain calls between fork and exec.
            unsafe {
                libc::setsid();
                libc::ioctl(0, libc::TIOCSCTTY, 0);
            }
            Ok(())
        };
        // SAFETY: it allocates nothing.
        unsafe { command.pre_exec(prepare) };
        let child = command.spawn().unwrap();
        drop((command, terminal));
        let (keys, screen) = (File::from(keys), Arc::new(Mutex::new(String::new())));
        let (mut reader, seen) = (keys.try_clone().unwrap(), screen.clone());
        std::thread::spawn(move || {
            let mut buffer = [0; 1024];
            while let Ok(n @ 1..) = reader.read(&mut buffer) {
                seen.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..n]));
            }
        });
        Session { child, keys, screen }
    }

    fn see(&self, text: &str) {
        until(text, || self.screen.lock().unwrap().contains(text));
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }
}

#[test]
fn the_command_has_the_terminal_and_gets_its_keys() {
    let text = "import os, time; print('mine', os.tcgetpgrp(0) == os.getpgrp()); time.sleep(60)";
    let mut session = Session::with(knee_run_on_terminal(text));
    session.see("mine True");
    session.press("\x03");
    // Python ends by the signal itself after a KeyboardInterrupt.
    assert_eq!(session.child.wait().unwrap().code(), Some(130));
}

fn knee_run_on_terminal(text: &str) -> Command {
    knee_run(&["--keep", "--", "python3", "-c", text])
}

#[test]
fn a_shell_can_stop_it_and_take_it_up_again() {
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-i"]).env("PS1", "$ ");
    let mut session = Session::with(bash);
    session.see("$ ");
    let program = env!("CARGO_BIN_EXE_knee-run");
    session.press(&format!("{program} --keep -- sh -c 'echo be''gun; read x; echo go''t $x'\n"));
    session.see("begun");
    session.press("\x1a");
    session.see("Stopped");
    session.press("fg\n");
    session.press("it\n");
    session.see("got it");
    session.press("exit 3\n");
    assert_eq!(session.child.wait().unwrap().code(), Some(3));
}

#[test]
fn in_the_background_it_leaves_the_terminal_alone() {
    let mut bash = Command::new("bash");
    bash.args(["--norc", "--noprofile", "-i"]).env("PS1", "$ ");
    let mut session = Session::with(bash);
    session.see("$ ");
    let program = env!("CARGO_BIN_EXE_knee-run");
    let text = "import os; print('mi''ne', os.tcgetpgrp(0) == os.getpgrp())";
    session.press(&format!("{program} --keep -- python3 -c \"{text}\" &\n"));
    session.see("mine False");
    session.press("exit 4\n");
    assert_eq!(session.child.wait().unwrap().code(), Some(4));
}
