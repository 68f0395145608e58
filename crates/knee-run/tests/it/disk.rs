//! A disk that is full and a root file system that is read-only, in mount namespaces of their own: what is
//! written for the service is left out and said, and the service starts and ends as it would.

use crate::support::{self, command};
use std::path::Path;
use std::process::{Command, Output};

/// What a container with a disk like this says and ends with: `prepare` mounts it, then it starts.
fn inside(prepare: &str, words: &str) -> (Option<i32>, String) {
    let program = env!("CARGO_BIN_EXE_knee-run");
    let text =
        format!("set -e; {prepare}; exec {program} --watch-every 100ms --serve-for 0s {words}");
    let mut unshare: Command = command("unshare");
    // SAFETY: a plain call.
    if unsafe { libc::geteuid() } != 0 {
        unshare.args(["--user", "--map-root-user"]);
    }
    unshare.args(["--mount", "--pid", "--fork", "--mount-proc", "sh", "-c", &text]);
    unshare.env_remove("ECS_CONTAINER_METADATA_URI_V4");
    let Output { status, stdout, stderr } = unshare.output().unwrap();
    let text = [stdout, stderr].concat();
    (status.code(), String::from_utf8(text).unwrap())
}

/// A small file system over that folder, with no room left in it after `first`.
fn full(folder: &Path, first: &str) -> String {
    let at = folder.display();
    format!(
        "mount -t tmpfs -o size=64k none {at}; {first}; dd if=/dev/zero of={at}/fill bs=4k 2>/dev/null || true"
    )
}

#[test]
fn on_a_full_disk_a_pool_starts_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let main = support::fpm(dir.path());
    let at = dir.path().display();
    let pools = full(&dir.path().join("pool.d"), &format!("cp {at}/www.conf {at}/pool.d/"));
    let prepare = format!("cp {at}/pool.d/www.conf {at}/; {pools}");
    let words = format!("-- php-fpm8.2 --nodaemonize --fpm-config {main} -tt");
    let (code, said) = inside(&prepare, &words);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("pm.max_children stays as it is, as "), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
    assert!(said.contains("\tpm.max_children = 5\n"), "{said}");
}

#[test]
fn on_a_full_disk_node_runs_unasked() {
    let prepare = format!("mkdir -p /run/knee; {}", full(Path::new("/run/knee"), "true"));
    let (code, said) = inside(
        &prepare,
        "-- node -e 'process.exit(process.env.NODE_OPTIONS?.includes(\"/run/knee\") ? 1 : 9)'",
    );
    assert_eq!(code, Some(9), "{said}");
    assert!(said.contains("Node.js is not asked how it is doing: /run/knee/"), "{said}");
    assert!(said.contains("No space left on device"), "{said}");
}

#[test]
fn lines_that_nobody_can_keep_are_no_reason_to_stop() {
    // As where a container's log is a file on a disk that is full.
    let words = "--emf -- sh -c 'sleep 1; exit 7'";
    let (code, _) = inside("true", &format!("{words} >/dev/full 2>/dev/full"));
    assert_eq!(code, Some(7));
}

#[test]
fn on_a_read_only_root_the_service_runs_as_it_is() {
    // All that is mounted below the root, too, but not /proc and /dev, as ECS has them.
    let prepare = "mount --make-rprivate /; \
        for at in $(awk '$2 !~ \"^/(proc|dev|sys)\" { print $2 }' /proc/self/mounts | sort -u); do \
        mount -o remount,bind,ro $at 2>/dev/null || mount -o remount,ro $at; done; \
        ! touch /run/x 2>/dev/null; ! touch /tmp/x 2>/dev/null";
    let (code, said) = inside(prepare, "-- node -e 'process.exit(8)'");
    assert_eq!(code, Some(8), "{said}");
    assert!(said.contains("Node.js is not asked how it is doing: /run/knee/"), "{said}");
    assert!(said.contains("Read-only file system"), "{said}");
    assert!(
        said.contains("max-old-space-size ") || said.contains("nothing that can be seen limits"),
        "{said}"
    );
}
