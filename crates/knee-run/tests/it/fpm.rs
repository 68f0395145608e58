//! How PHP-FPM is asked while it runs: on a socket that knee-run has made, or by its own status page.

use crate::support::{self, Talk, free_port, knee_run, until};
use crate::watch::{page, value};
use std::fs;
use std::io::Read;
use std::process::Stdio;

#[test]
fn fpm_is_asked_on_a_socket_of_its_own_that_goes_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let main = support::fpm(dir.path());
    let port = free_port();
    let at = format!("127.0.0.1:{port}");
    let flags = ["--watch-every", "300ms", "--metrics", &at, "--serve-for", "0s"];
    let words = ["--", "php-fpm8.2", "--nodaemonize", "--fpm-config", &main];
    let mut command = knee_run(&[&flags[..], &words].concat());
    command.stderr(Stdio::piped());
    let mut talk = Talk::with(command);
    until("FPM tells of its children", || value(&page(port), "knee_fpm_active").is_some());
    until("OPcache is asked", || value(&page(port), "knee_opcache_hit_rate_ratio").is_some());
    let (page, pool) = (page(port), dir.path().join("pool.d/zzz-knee.conf"));
    // The process that answers is none that serves.
    assert_eq!(value(&page, "knee_workers"), value(&page, "knee_slots"), "{page}");
    let written = fs::read_to_string(&pool).unwrap();
    let of = |key: &str| {
        let line = written.lines().find_map(|l| l.strip_prefix(key)?.strip_prefix(" = "));
        line.unwrap_or_else(|| panic!("no {key} in {written}")).to_string()
    };
    assert_eq!(of("pm.max_children").parse::<f64>().ok(), value(&page, "knee_slots"), "{page}");
    let (socket, secret) = (of("pm.status_listen"), of("pm.status_path"));
    assert!(secret.len() > 32 && fs::exists(&socket).unwrap(), "{written}");
    talk.signal(libc::SIGTERM);
    let mut said = String::new();
    talk.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(said.contains("pm.status_listen /run/knee/") && !said.contains(&secret), "{said}");
    talk.end();
    assert!(!fs::exists(socket).unwrap() && !fs::exists(pool).unwrap());
}

#[test]
fn a_status_page_of_the_users_own_is_left_alone_and_asked() {
    let dir = tempfile::tempdir().unwrap();
    let main = support::fpm(dir.path());
    fs::write(
        dir.path().join("pool.d/x.conf"),
        "[www]\npm.max_children = 3\npm.status_path = /own\n",
    )
    .unwrap();
    let port = free_port();
    let at = format!("127.0.0.1:{port}");
    let flags = ["--watch-every", "300ms", "--metrics", &at, "--serve-for", "0s"];
    let words = ["--", "php-fpm8.2", "--nodaemonize", "--fpm-config", &main];
    let mut command = knee_run(&[&flags[..], &words].concat());
    command.stderr(Stdio::null());
    let talk = Talk::with(command);
    until("FPM tells of its children", || value(&page(port), "knee_fpm_active").is_some());
    assert!(!dir.path().join("pool.d/zzz-knee.conf").exists());
    talk.signal(libc::SIGTERM);
    talk.end();
}

#[test]
fn two_in_one_container_are_asked_each_on_its_own_socket() {
    let dir = tempfile::tempdir().unwrap();
    support::fpm(dir.path());
    let text = ["one", "two"].map(|name| {
        let folder = dir.path().join(name);
        fs::create_dir(&folder).unwrap();
        format!("{name}: php-fpm8.2 --nodaemonize --fpm-config {}\n", support::fpm(&folder))
    });
    let table = dir.path().join("processes");
    fs::write(&table, text.concat()).unwrap();
    let port = free_port();
    let at = format!("127.0.0.1:{port}");
    let flags = ["--watch-every", "300ms", "--metrics", &at, "--serve-for", "0s"];
    let words = ["--processes", table.to_str().unwrap()];
    let mut command = knee_run(&[&flags[..], &words].concat());
    command.stderr(Stdio::null());
    let talk = Talk::with(command);
    until("both tell of their children", || {
        page(port).lines().filter(|line| line.starts_with("knee_fpm_active{")).count() == 2
    });
    talk.signal(libc::SIGTERM);
    assert_eq!(talk.end().0, Some(0));
}
