//! What goes wrong at once, on real services: each is told with its evidence and remedy.

use crate::group::Group;
use crate::support::{self, command, free_port, knee_run};
use crate::watch::{asked, told};
use knee_probe::fastcgi;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::sync::mpsc::{TryRecvError, channel};
use std::time::Duration;

const EVERY: [&str; 3] = ["--watch-every", "300ms", "--"];

/// The evidence of the first trouble of that kind, which has a remedy.
fn evidence(command: std::process::Command, kind: &str) -> String {
    let event = told(command, |event| event["kind"] == kind);
    assert!(event["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{event}");
    assert!(event["pid"].as_i64() > Some(1) && event["service"].is_string(), "{event}");
    event["evidence"].as_str().unwrap().to_string()
}

#[test]
fn a_pool_that_is_full() {
    let dir = tempfile::tempdir().unwrap();
    let app =
        "import time\ndef app(e, s):\n    time.sleep(1)\n    s('200 OK', [])\n    return [b'ok']\n";
    fs::write(dir.path().join("app.py"), app).unwrap();
    let port = free_port();
    let bind = format!("127.0.0.1:{port}");
    let words = ["gunicorn", "-w", "1", "-b", &bind, "--no-control-socket", "app:app"];
    let mut command = knee_run(&[&EVERY[..], &words].concat());
    command.current_dir(dir.path());
    let told = asked(port, "/", 1, || evidence(command, "pool_saturated"));
    assert!(told.contains(" of 1 workers busy"), "{told}");
}

#[test]
fn a_quota_that_runs_out() {
    let Some(group) = Group::new() else {
        eprintln!("not tested: this process may make no cgroup");
        return;
    };
    group.quota(1);
    let mut command = knee_run(&[&EVERY[..], &["python3", "-c", "while True: pass"]].concat());
    group.join(&mut command);
    let told = evidence(command, "cpu_throttled");
    assert!(told.contains(" of 0.25 vCPU used") && told.starts_with("stopped in "), "{told}");
}

#[test]
fn descriptors_that_are_nearly_all_open() {
    let program = env!("CARGO_BIN_EXE_knee-run");
    let open =
        "import os, time\nkept = [os.open('/dev/null', 0) for _ in range(180)]\ntime.sleep(60)";
    let text = format!("ulimit -n 200; exec {program} {} python3 -c \"{open}\"", EVERY.join(" "));
    let mut shell = command("sh");
    shell.args(["-c", &text]).stdin(Stdio::null());
    let told = evidence(shell, "descriptors_near_limit");
    assert!(told.ends_with(" of 200 descriptors open"), "{told}");
}

/// An application of 400 files, asked again and again.
fn of_php(settings: &[&str]) -> String {
    let dir = tempfile::tempdir().unwrap();
    let main = support::fpm(dir.path());
    let file = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    (0..400).for_each(|n| file(&format!("part{n}.php"), "<?php return 1;\n"));
    file(
        "index.php",
        "<?php\nfor ($n = 0; $n < 400; $n++) { include __DIR__ . \"/part$n.php\"; }\necho 'done';\n",
    );
    let path = |name: &str| dir.path().join(name).display().to_string();
    let (socket, script) = (path("fpm.sock"), path("index.php"));
    let (stop, stopped) = channel::<()>();
    let asking = std::thread::spawn(move || {
        while stopped.try_recv() == Err(TryRecvError::Empty) {
            let _ = fastcgi::get(&socket, &script, "", Duration::from_secs(5));
            std::thread::sleep(Duration::from_millis(20));
        }
    });
    // Long enough that no sample but the first one is of files that nobody has asked for before.
    let flags = ["--watch-every", "2s", "--"];
    let words = ["php-fpm8.2", "--nodaemonize", "--fpm-config", &main];
    let mut command = knee_run(&[&flags[..], &words].concat());
    for setting in settings {
        command.args(["-d", setting]);
    }
    let told = evidence(command, "opcache_misses");
    drop(stop);
    asking.join().unwrap();
    told
}

#[test]
fn too_few_slots_of_opcache_are_named_as_the_cause() {
    let told = of_php(&["opcache.max_accelerated_files=200"]);
    assert!(told.ends_with("all slots are taken (opcache.max_accelerated_files)"), "{told}");
    let rate: f64 = told.split(' ').next().unwrap().parse().unwrap();
    assert!(rate < 95.0, "{told}");
}

#[test]
fn an_opcache_that_is_off_is_told() {
    let told = of_php(&["opcache.enable=0"]);
    assert_eq!(told, "0 % of PHP's files came from OPcache: OPcache is off");
}

/// Each request opens a connection that stays (`pfsockopen`), to another address of this machine's own network.
const KEEPS: &str = "<?php\n$to = '127.' . mt_rand(1, 250) . '.' . mt_rand(0, 250) . '.' . mt_rand(1, 250);\n\
    pfsockopen($to, PORT);\necho 'done';\n";

#[test]
fn children_of_fpm_that_leak_are_replaced_and_no_request_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let main = support::fpm(dir.path());
    let pool = "[www]\npm = static\npm.max_children = 2\n";
    fs::write(dir.path().join("pool.d/x.conf"), pool).unwrap();
    let peer = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let script = KEEPS.replace("PORT", &peer.local_addr().unwrap().port().to_string());
    // Accepted and closed: PHP keeps its side.
    std::thread::spawn(move || peer.incoming().for_each(drop));
    fs::write(dir.path().join("index.php"), script).unwrap();
    let port = free_port();
    let program = env!("CARGO_BIN_EXE_knee-run");
    let text = format!(
        "ulimit -n 2000; exec {program} --recycle --metrics 127.0.0.1:{port} --serve-for 0s {} \
         php-fpm8.2 --nodaemonize --fpm-config {main}",
        EVERY.join(" ")
    );
    let mut shell = command("sh");
    shell.args(["-c", &text]).stdin(Stdio::null()).stderr(Stdio::null());
    let talk = support::Talk::with(shell);
    let socket = dir.path().join("fpm.sock");
    support::until("FPM listens", || Path::new(&socket).exists());
    let [socket, script] =
        ["fpm.sock", "index.php"].map(|n| dir.path().join(n).display().to_string());
    support::until("both were replaced", || {
        for _ in 0..10 {
            let answer = fastcgi::get(&socket, &script, "", Duration::from_secs(30));
            assert_eq!(answer.unwrap(), b"done");
        }
        let page = crate::watch::page(port);
        let line = page.lines().find_map(|line| line.strip_prefix("knee_recycled_total "));
        line.is_some_and(|count| count.parse::<f64>().unwrap() >= 2.0)
    });
    talk.signal(libc::SIGTERM);
    assert_eq!(talk.end().0, Some(0));
}
