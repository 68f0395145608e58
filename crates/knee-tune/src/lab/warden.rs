//! A shell that waits for knee to be gone and then removes a task: SIGKILL leaves knee no
//! moment to do it itself, and a forked worker would go on serving on the port.
//!
//! What it may miss, the next knee sweeps: see `store`.

use super::forker::Forker;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

/// `read` ends when the pipe from knee closes, however knee ended. A store that is gone by
/// then means that all was removed in good order.
const SCRIPT: &str = r#"
read -r _
[ -f "$1/belongings" ] || exit 0
tries=0
while [ $tries -lt 200 ]; do
  left=
  while read -r kind what; do
    case $kind in
    cgroup)
      for pid in $(cat "$what/cgroup.procs" "$what"/*/cgroup.procs 2>/dev/null); do
        kill -9 "$pid" && left=yes
      done ;;
    namespace)
      for process in /proc/[0-9]*; do
        [ "$(readlink "$process/ns/mnt")" = "mnt:[$what]" ] && kill -9 "${process#/proc/}" && left=yes
      done ;;
    esac
  done <"$1/belongings"
  [ -n "$left" ] || break
  tries=$((tries + 1))
  sleep 0.05
done
tries=0
while read -r kind what; do
  [ "$kind" = cgroup ] || continue
  # A process that is about to be gone is in no list any more and still holds its cgroup.
  until rmdir "$what"/*/ "$what" || [ ! -d "$what" ] || [ $tries -ge 200 ]; do
    tries=$((tries + 1))
    sleep 0.05
  done
done <"$1/belongings"
chmod -R u+rwx "$1"
rm -rf "$1"
"#;

/// The waiting shell. Dropping it lets it end and waits for that.
#[derive(Debug)]
pub(super) struct Warden {
    child: Child,
    pipe: Option<ChildStdin>,
}

impl Warden {
    /// Starts one for the task with this store.
    pub fn start(forker: &Forker, store: &Path) -> io::Result<Warden> {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", SCRIPT, "knee-warden"]).arg(store).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        // SAFETY: one system call without arguments. In a session of its own, Ctrl-C in the
        // terminal does not reach it.
        unsafe { command.pre_exec(|| super::ops::check(libc::setsid())) };
        let mut child = forker.spawn(command)?;
        let pipe = child.stdin.take();
        Ok(Warden { child, pipe })
    }
}

impl Drop for Warden {
    fn drop(&mut self) {
        self.pipe = None;
        let _ = self.child.wait();
    }
}
