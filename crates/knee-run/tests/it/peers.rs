//! What the tests of dumb-init and tini check of these, tried here: what is rewritten, whom a group is, who
//! is stopped, and what becomes of those that are left. What else they check stands in `init` and
//! `terminal`. Sources: <https://github.com/Yelp/dumb-init/tree/master/tests>,
//! <https://github.com/krallin/tini/blob/master/test/run_inner_tests.py>.

use crate::support::{ECHO, Talk, echo, kill, knee_run, until};
use knee_probe::process::{Process, with_descendants};

/// Sends signals one after the other and returns which arrived.
fn pass(flags: &[&str], signals: &[i32]) -> Vec<i32> {
    let mut talk = echo(flags);
    let mut arrived = vec![];
    for signal in signals {
        talk.signal(*signal);
        arrived.push(talk.line().parse().unwrap());
    }
    arrived
}

#[test]
fn signals_are_rewritten_as_dumb_init_rewrites_them() {
    const STOPS: [i32; 3] = [libc::SIGQUIT, libc::SIGCONT, libc::SIGINT];
    assert_eq!(pass(&[], &STOPS), STOPS);
    let swapped = ["--rewrite", "TERM:INT", "--rewrite=INT:TERM", "--rewrite", "3:3"];
    let arrived = pass(&swapped, &[libc::SIGTERM, libc::SIGQUIT, libc::SIGCONT, libc::SIGINT]);
    assert_eq!(arrived, [libc::SIGINT, libc::SIGQUIT, libc::SIGCONT, libc::SIGTERM]);
    assert_eq!(pass(&["--rewrite", "1:31", "--rewrite", "31:1"], &[1, 31]), [31, 1]);
    assert_eq!(pass(&["--rewrite", "CONT:USR1"], &[libc::SIGCONT]), [libc::SIGUSR1]);
    let suspends = ["--rewrite", "TTIN:QUIT", "--rewrite", "TTOU:INT", "--rewrite", "TSTP:HUP"];
    let arrived = pass(&suspends, &[libc::SIGTTIN, libc::SIGTTOU, libc::SIGTSTP]);
    assert_eq!(arrived, [libc::SIGQUIT, libc::SIGINT, libc::SIGHUP]);
}

#[test]
fn a_signal_that_is_rewritten_to_none_is_not_passed_on() {
    let mut talk = echo(&["--rewrite", "TERM:QUIT", "--rewrite", "INT:0", "--rewrite", "WINCH:0"]);
    for (dropped, signal, arrives) in [(2, 15, "3"), (28, 1, "1")] {
        talk.signal(dropped);
        talk.signal(signal);
        assert_eq!(talk.line(), arrives);
    }
    let said = knee_run(&["--rewrite", "KILL:TERM", "--", "true"]).output().unwrap();
    assert_eq!(said.status.code(), Some(125));
    assert!(String::from_utf8_lossy(&said.stderr).contains("`KILL:TERM` is no FROM:TO"));
}

/// gunicorn ends at once at QUIT and INT, and gracefully at TERM; where the user says so, that is hers.
#[test]
fn a_stop_uses_the_signal_that_was_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("app.py"), "def app(e, s): pass\n").unwrap();
    let bind = format!("unix:{}/socket", dir.path().display());
    let flags = ["--keep", "--serve-for", "0s", "--rewrite", "TERM:INT", "--"];
    let words = ["gunicorn", "--no-control-socket", "-b", &bind, "app:app"];
    let mut command = knee_run(&[&flags[..], &words].concat());
    command.current_dir(dir.path()).stderr(std::process::Stdio::piped());
    let mut talk = Talk::with(command);
    until("it listens", || dir.path().join("socket").exists());
    talk.signal(libc::SIGTERM);
    let mut said = String::new();
    std::io::Read::read_to_string(&mut talk.child.stderr.take().unwrap(), &mut said).unwrap();
    assert!(said.contains("Handling signal: int"), "{said}");
    talk.end();
}

/// Ignores SIGUSR1, unlike its child, for which it waits.
const PARENT: &str = "\
import signal, subprocess, sys
signal.signal(10, signal.SIG_IGN)
child = subprocess.Popen(['sleep', '1000'], preexec_fn=lambda: signal.signal(10, signal.SIG_DFL))
print('ready', flush=True)
sys.exit(7 if child.wait() == -10 else 1)
";

#[test]
fn a_whole_group_gets_signals_where_that_is_asked_for() {
    let mut talk = Talk::with(knee_run(&["--keep", "--group", "--", "python3", "-c", PARENT]));
    assert_eq!(talk.line(), "ready");
    talk.signal(libc::SIGUSR1);
    assert_eq!(talk.end().0, Some(7));
}

#[test]
fn a_pipeline_ends_at_term() {
    for flags in [&["--keep", "--"][..], &["--keep", "--group", "--"]] {
        let text = "yes a | tail & yes b | tail >&2";
        let mut command = knee_run(&[flags, &["sh", "-c", text]].concat());
        command.stderr(std::process::Stdio::null());
        let talk = Talk::with(command);
        // Itself, the shell, and four in pipelines.
        until("all run", || with_descendants(&[talk.pid()]).len() == 6);
        let all = with_descendants(&[talk.pid()]);
        talk.signal(libc::SIGTERM);
        talk.end();
        let dead = |pid: &i32| Process::new(*pid).stat().map_or(true, |stat| stat.is_dead());
        until("all have ended", || all.iter().all(dead));
    }
}

#[test]
fn who_is_left_behind_is_told_to_end() {
    let text = format!("python3 -c \"{ECHO}\" & sleep 1");
    // It ends when the shell does, and does not wait.
    let mut talk = Talk::with(knee_run(&["--keep", "--", "sh", "-c", &text]));
    assert_eq!(talk.line(), "ready");
    assert_eq!(talk.line(), "15");
    assert_eq!(talk.end().0, Some(0));
}

#[test]
fn what_is_suspended_goes_on_at_cont() {
    let mut talk = Talk::with(knee_run(&["--keep", "--", "sh", "-c", "echo $$; exec sleep 1000"]));
    let command = Process::new(talk.line().parse().unwrap());
    let state = || command.stat().unwrap().state;
    for signal in [libc::SIGTSTP, libc::SIGTTIN, libc::SIGTTOU] {
        talk.signal(signal);
        until("it is stopped", || state() == 'T');
        talk.signal(libc::SIGCONT);
        until("it goes on", || state() != 'T');
    }
    kill(talk.pid(), libc::SIGTERM);
    assert_eq!(talk.end().0, Some(143));
}
