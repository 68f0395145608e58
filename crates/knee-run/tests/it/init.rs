//! What an init has to do: the behaviours that tini and dumb-init are known for.

use crate::support::{ECHO, Talk, code_of_shell, command, echo, kill, knee_run, output, until};
use knee_probe::process::Process;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

#[test]
fn every_exit_code_is_passed_on() {
    for code in 0..=255 {
        assert_eq!(code_of_shell(&format!("exit {code}")), Some(code));
    }
}

#[test]
fn a_signal_that_ended_the_command_is_in_the_code() {
    for signal in [1, 2, 3, 4, 6, 8, 9, 10, 11, 12, 13, 14, 15, 24, 25, 31, 34, 64] {
        // What is ignored here (nohup) is ignored by every child, and ends none.
        if !ignored(signal) {
            let text = format!("ulimit -c 0; kill -{signal} $$");
            assert_eq!(code_of_shell(&text), Some(128 + signal), "{signal}");
        }
    }
}

fn ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:")).unwrap().trim();
    u64::from_str_radix(mask, 16).unwrap() >> (signal - 1) & 1 == 1
}

#[test]
fn what_cannot_be_started_has_the_codes_of_a_shell() {
    let code = |words: &[&str]| output(words).status.code();
    assert_eq!(code(&["--", "/no/such/program"]), Some(127));
    assert_eq!(code(&["--", "no-such-program"]), Some(127));
    assert_eq!(code(&["--", "/etc/passwd/x"]), Some(127));
    assert_eq!(code(&["--", "/etc/passwd"]), Some(126));
    assert_eq!(code(&["--", "/etc"]), Some(126));
    assert_eq!(code(&["--no-such-flag"]), Some(125));
    assert_eq!(code(&[]), Some(125));
    let said = String::from_utf8(output(&["--", "/no/such/program"]).stderr).unwrap();
    assert!(said.contains("/no/such/program: cannot start it: No such file"), "{said}");
}

#[test]
fn every_signal_reaches_the_command() {
    let mut talk = echo(&[]);
    // All but KILL, STOP, CHLD, CONT (see `terminal`), the C library's own two, and the one that ends it.
    let passed = (1..=64).filter(|n| ![9, 15, 17, 18, 19, 32, 33].contains(n));
    for signal in passed {
        talk.signal(signal);
        // A second signal of a kind that has not been taken yet is none: one at a time.
        assert_eq!(talk.line(), signal.to_string());
    }
    talk.signal(15);
    assert_eq!(talk.end(), (Some(9), "15\n".into()));
}

#[test]
fn a_storm_of_signals_is_survived() {
    let mut talk = echo(&[]);
    for _ in 0..20_000 {
        talk.signal(libc::SIGUSR1);
        talk.signal(libc::SIGCHLD);
    }
    assert_eq!(talk.line(), "10");
    talk.signal(15);
    let (code, rest) = talk.end();
    assert_eq!(code, Some(9));
    assert!(rest.ends_with("15\n"), "{rest}");
}

/// `SigBlk`, `SigIgn` and `SigCgt` of the command.
fn masks(command: &mut Command) -> [u64; 3] {
    let status = String::from_utf8(command.output().unwrap().stdout).unwrap();
    ["SigBlk:", "SigIgn:", "SigCgt:"].map(|name| {
        let line = status.lines().find_map(|l| l.strip_prefix(name)).unwrap();
        // Signals 32 and 33 are the C library's own.
        u64::from_str_radix(line.trim(), 16).unwrap() & !(3 << 31)
    })
}

#[test]
fn the_command_has_the_masks_that_were_inherited() {
    let words = ["--keep", "--", "cat", "/proc/self/status"];
    // What this test inherited itself is none of the program's doing.
    let [blocked, ignored, _] = masks(command("cat").arg("/proc/self/status"));
    assert_eq!(masks(&mut knee_run(&words)), [blocked, ignored, 0]);
    let mut command = knee_run(&words);
    let prepare = || {
        // SAFETY: plain calls between fork and exec.
        unsafe {
            let mut set = std::mem::zeroed();
            libc::sigemptyset(&mut set);
            libc::sigaddset(&mut set, libc::SIGUSR1);
            libc::sigprocmask(libc::SIG_SETMASK, &set, std::ptr::null_mut());
            libc::signal(libc::SIGHUP, libc::SIG_IGN);
        }
        Ok(())
    };
    // SAFETY: it allocates nothing.
    unsafe { command.pre_exec(prepare) };
    assert_eq!(masks(&mut command), [1 << 9, ignored | 1, 0]);
}

#[test]
fn an_inherited_deafness_for_children_is_cured() {
    let mut command = knee_run(&["--keep", "--", "sh", "-c", "exit 5"]);
    let prepare = || {
        // SAFETY: a plain call.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        Ok(())
    };
    // SAFETY: it allocates nothing.
    unsafe { command.pre_exec(prepare) };
    assert_eq!(command.status().unwrap().code(), Some(5));
}

#[test]
fn the_command_leads_a_group_of_its_own() {
    let stat = String::from_utf8(output(&["--", "cat", "/proc/self/stat"]).stdout).unwrap();
    let fields: Vec<&str> = stat.split(' ').collect();
    assert_eq!(fields[0], fields[4]);
}

#[test]
fn who_lost_its_parent_is_adopted_and_buried() {
    let text = "(sh -c 'echo $$; read line; exit 3' <&3 &) 3<&0; sleep 60";
    let mut command = knee_run(&["--keep", "--", "sh", "-c", text]);
    command.stdin(Stdio::piped());
    let mut talk = Talk::with(command);
    let orphan = Process::new(talk.line().parse().unwrap());
    let me = talk.pid();
    until("it is adopted", || orphan.stat().is_ok_and(|stat| stat.parent == me));
    drop(talk.child.stdin.take());
    until("it is buried", || orphan.stat().is_err_and(|e| e.is_absent()));
    talk.signal(libc::SIGTERM);
    assert_eq!(talk.end().0, Some(143));
}

#[test]
fn thousands_of_orphans_leave_no_zombie() {
    let text = "i=0; while [ $i -lt 500 ]; do (true & true &); i=$((i+1)); done; echo; sleep 60";
    let mut talk = Talk::with(knee_run(&["--keep", "--", "sh", "-c", text]));
    talk.line();
    let me = talk.pid();
    let children = || {
        let all = knee_probe::process::all().into_iter();
        all.filter(|p| Process::new(*p).stat().is_ok_and(|s| s.parent == me)).count()
    };
    until("the shell is its only child", || children() == 1);
}

#[test]
fn a_shell_that_waits_does_not_swallow_the_signal() {
    let text = format!("python3 -c \"{ECHO}\"; echo next line");
    let mut talk = Talk::with(knee_run(&["--keep", "--", "sh", "-c", &text]));
    assert_eq!(talk.line(), "ready");
    talk.signal(libc::SIGUSR1);
    assert_eq!(talk.line(), "10");
    talk.signal(libc::SIGTERM);
    let (code, rest) = talk.end();
    assert_eq!((code, rest.as_str()), (Some(143), "15\n"), "the script must not go on");
}

#[test]
fn a_shell_that_traps_gets_its_signal_alone() {
    let text = "trap 'echo trapped; kill $!; exit 4' TERM; sleep 60 & echo ready; wait";
    let mut talk = Talk::with(knee_run(&["--keep", "--", "sh", "-c", text]));
    assert_eq!(talk.line(), "ready");
    talk.signal(libc::SIGTERM);
    assert_eq!(talk.end(), (Some(4), "trapped\n".into()));
}

/// Goes into the background, there to listen or not.
const DAEMON: &str = "\
import os, signal, socket, sys
back, forth = os.pipe()
if os.fork(): os.read(back, 1); os._exit(0)
os.setsid()
if sys.argv[1] == 'listen':
    s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen()
signal.signal(15, lambda *_: os._exit(6))
print(os.getpid(), flush=True)
os.write(forth, b'x')
os.close(1)
while True: signal.pause()
";

#[test]
fn a_service_that_goes_into_the_background_is_followed() {
    let mut talk = Talk::with(knee_run(&["--keep", "--", "python3", "-c", DAEMON, "listen"]));
    let daemon = Process::new(talk.line().parse().unwrap());
    let me = talk.pid();
    until("it is adopted", || daemon.stat().is_ok_and(|stat| stat.parent == me));
    talk.signal(libc::SIGTERM);
    assert_eq!(talk.end().0, Some(6));
}

#[test]
fn what_does_not_listen_keeps_no_container_alive() {
    let mut talk = Talk::with(knee_run(&["--keep", "--", "python3", "-c", DAEMON, "idle"]));
    let daemon = talk.line().parse().unwrap();
    let ended = talk.end().0;
    kill(daemon, libc::SIGKILL);
    assert_eq!(ended, Some(0));
}

/// As the first process of a pid namespace.
fn first(text: &str) -> Command {
    let mut command = command("unshare");
    // SAFETY: a plain call.
    if unsafe { libc::geteuid() } != 0 {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--pid", "--fork", "--mount-proc", "--kill-child"]);
    command.args([env!("CARGO_BIN_EXE_knee-run"), "--keep", "--", "sh", "-c", text]);
    command.env_remove("ECS_CONTAINER_METADATA_URI_V4").stdin(Stdio::null());
    command
}

#[test]
fn as_the_first_process() {
    let output = first("cut -d ' ' -f 1 /proc/1/stat; exit 7").output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "1\n", "{output:?}");
    assert_eq!(output.status.code(), Some(7));
    for signal in [2, 9, 15] {
        let status = first(&format!("kill -{signal} $$")).status().unwrap();
        assert_eq!(status.code(), Some(128 + signal));
    }
    // The kernel drops what the first process of a namespace does not ask for; it does ask.
    let text = format!("exec python3 -c \"{ECHO}\"");
    let mut talk = Talk::with(first(&text));
    assert_eq!(talk.line(), "ready");
    let inside = knee_probe::process::with_descendants(&[talk.pid()])[1];
    kill(inside, libc::SIGHUP);
    assert_eq!(talk.line(), "1");
    kill(inside, libc::SIGTERM);
    assert_eq!(talk.end().0, Some(9));
}

#[test]
fn as_the_first_process_it_buries_all() {
    let text = "(true & true &); sleep 0.1; \
        until [ $(grep -l '^State:.Z' /proc/[0-9]*/status 2>/dev/null | wc -l) = 0 ]; do sleep 0.05; done; echo none";
    let output = first(text).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "none\n", "{output:?}");
}
