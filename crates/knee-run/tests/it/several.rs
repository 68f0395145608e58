//! Several processes in one container: their order, and whose end is the container's.

use crate::support::{Talk, kill, knee_run};
use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Output, Stdio};

fn table(folder: &Path, text: &str) -> String {
    let path = folder.join("processes");
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().into()
}

/// Runs a table to its end.
fn run(text: &str) -> (Option<i32>, String) {
    run_with(&[], text)
}

fn run_with(flags: &[&str], text: &str) -> (Option<i32>, String) {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), text);
    let words = ["--keep", "--stop-timeout", "4s", "--processes", &table];
    let words = [flags, &words].concat();
    let Output { status, stderr, .. } = knee_run(&words).output().unwrap();
    (status.code(), String::from_utf8(stderr).unwrap())
}

#[test]
fn one_that_the_others_need_ends_all() {
    let (code, said) = run("first: sleep 1000\nsecond: sh -c 'exit 3'\n");
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("second has ended with 3: so all end"), "{said}");
    let (code, said) = run("first: sh -c 'exit 4'\nsecond: sleep 1000\n");
    assert_eq!(code, Some(4), "{said}");
    let (code, said) = run("first: sleep 1000\nsecond: /no/such/program\nthird: sleep 1000\n");
    assert_eq!(code, Some(127), "{said}");
}

#[test]
fn what_a_stop_signal_becomes_does_not_keep_the_others() {
    let text = "first: sleep 1000\nsecond: sh -c 'exit 3'\n";
    let (code, said) = run_with(&["--rewrite", "TERM:0"], text);
    assert_eq!(code, Some(3), "{said}");
    assert!(!said.contains("its time was over"), "{said}");
}

/// Says that it runs, and listens once there is a file.
const LATE: &str = "\
import os, socket, time
print('ready', flush=True)
while not os.path.exists('go'): time.sleep(0.02)
listener = socket.socket(); listener.bind(('127.0.0.1', 0)); listener.listen()
time.sleep(60)
";

#[test]
fn a_stop_signal_that_is_dropped_does_not_end_the_start() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("late.py"), LATE).unwrap();
    let text = "first (listens): python3 late.py\nsecond: sh -c 'echo second; exec sleep 60'\n";
    let table = table(folder.path(), text);
    let mut command = knee_run(&["--keep", "--rewrite", "TERM:0", "--processes", &table]);
    command.current_dir(folder.path()).stderr(Stdio::null());
    let mut talk = Talk::with(command);
    assert_eq!(talk.line(), "ready");
    talk.signal(libc::SIGTERM);
    std::fs::write(folder.path().join("go"), "").unwrap();
    assert_eq!(talk.line(), "second");
}

#[test]
fn an_optional_one_may_end_or_never_start() {
    let text = "first: sh -c 'sleep 1; exit 5'\nsecond (optional): sh -c 'exit 3'\nthird (optional): /no/such\n";
    let (code, said) = run(text);
    assert_eq!(code, Some(5), "{said}");
    assert!(said.contains("second has ended with 3: the others go on"), "{said}");
    assert!(said.contains("/no/such: cannot start it"), "{said}");
}

#[test]
fn a_table_that_is_wrong_is_named_with_its_line() {
    for (text, part) in [
        ("# none\n", "no process"),
        ("web: true\nnginx\n", ":2: a process is written"),
        ("web (optional): true\n", "cannot be optional"),
    ] {
        let (code, said) = run(text);
        assert!(code == Some(125) && said.contains(part), "{code:?} {said}");
    }
    let code = |words: &[&str]| knee_run(words).stderr(Stdio::null()).status().unwrap().code();
    assert_eq!(code(&["--processes", "/no/such/table"]), Some(125));
    assert_eq!(code(&["--processes", "/dev/null", "--", "true"]), Some(125));
}

/// FPM behind nginx, which says in its log when it ends.
fn fpm_and_nginx(folder: &Path, port: u16) -> String {
    let at = folder.display();
    let file = |name: &str, text: String| std::fs::write(folder.join(name), text).unwrap();
    file(
        "fpm.conf",
        format!(
            "[global]\nerror_log = /dev/stderr\n[www]\nlisten = {at}/fpm.sock\nlisten.mode = 0666\nuser = www-data\n\
         pm = static\npm.max_children = 2\nping.path = /ping\n"
        ),
    );
    file(
        "nginx.conf",
        format!(
            "worker_processes 1;\npid {at}/pid;\nerror_log stderr notice;\nevents {{}}\nhttp {{ access_log off;\n\
         server {{ listen 127.0.0.1:{port}; location / {{ fastcgi_pass unix:{at}/fpm.sock;\n\
         fastcgi_param SCRIPT_NAME /ping; fastcgi_param SCRIPT_FILENAME /ping; fastcgi_param REQUEST_METHOD GET; }} }} }}\n"
        ),
    );
    table(
        folder,
        &format!(
            "fpm (listens): php-fpm8.2 --nodaemonize --fpm-config {at}/fpm.conf\n\
         nginx (listens): nginx -e stderr -c {at}/nginx.conf -g 'daemon off;'\n\
         last: sh -c 'echo ready; exec sleep 1000'\n"
        ),
    )
}

#[test]
fn nginx_starts_after_fpm_and_ends_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let table = fpm_and_nginx(folder.path(), port);
    let words = ["--keep", "--serve-for", "0s", "--processes", &table];
    let mut command = knee_run(&words);
    command.stderr(Stdio::piped());
    let mut talk = Talk::with(command);
    assert_eq!(talk.line(), "ready");
    // Both listen by now, without any waiting here.
    assert!(UnixStream::connect(folder.path().join("fpm.sock")).is_ok());
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("pong"), "{answer}");
    talk.signal(libc::SIGTERM);
    let mut said = String::new();
    talk.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    talk.end();
    let at = |text: &str| said.find(text).unwrap_or_else(|| panic!("{text}: {said}"));
    assert!(at("gracefully shutting down") < at("Finishing ..."), "{said}");
    assert!(at(": exit\n") < at("Finishing ..."), "{said}");
    assert!(said.contains("none cut"), "{said}");
}

#[test]
fn a_worker_that_is_killed_is_none_of_the_containers_business() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("app.py"), "def app(e, s): pass\n").unwrap();
    let bind = format!("unix:{}/socket", folder.path().display());
    let text = format!(
        "web (listens): gunicorn --no-control-socket -w 1 -b {bind} app:app\nlast: sh -c 'echo ready; exec sleep 1000'\n"
    );
    let mut command = knee_run(&["--keep", "--processes", &table(folder.path(), &text)]);
    command.current_dir(folder.path()).stderr(Stdio::piped());
    let mut talk = Talk::with(command);
    assert_eq!(talk.line(), "ready");
    let name = |pid: &i32| knee_probe::process::Process::new(*pid).name();
    let workers = |talk: &Talk| {
        let mut all = knee_probe::process::with_descendants(&[talk.pid()]);
        all.retain(|pid| name(pid).contains("gunicorn"));
        all
    };
    crate::support::until("the worker is there", || workers(&talk).len() == 2);
    let worker = workers(&talk)[1];
    kill(worker, libc::SIGKILL);
    crate::support::until("gunicorn has another", || {
        let all = workers(&talk);
        all.len() == 2 && !all.contains(&worker)
    });
    talk.signal(libc::SIGTERM);
    assert_eq!(talk.end().0, Some(0));
}
