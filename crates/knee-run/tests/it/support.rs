//! Starting the program, and waiting for what it does.

use std::fs::{self, Permissions};
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Whatever has not come by then never will; machines of continuous integration stall.
const LONG: Duration = Duration::from_secs(60);

/// A command that gets SIGINT and SIGQUIT as a terminal's shell leaves them: where these tests
/// run in the background both are ignored, and whatever is started would inherit that.
pub fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    let ordinary = || {
        for signal in [libc::SIGINT, libc::SIGQUIT] {
            // SAFETY: a plain call between fork and exec.
            unsafe { libc::signal(signal, libc::SIG_DFL) };
        }
        Ok(())
    };
    // SAFETY: it allocates nothing.
    unsafe { command.pre_exec(ordinary) };
    command
}

/// The program with these words.
pub fn knee_run(words: &[&str]) -> Command {
    let mut command = command(env!("CARGO_BIN_EXE_knee-run"));
    command.args(words).stdin(Stdio::null()).env_remove("ECS_CONTAINER_METADATA_URI_V4");
    command
}

/// The environment that the tests' Python packages are in.
pub fn packages() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/setup/venv")
}

/// PHP-FPM's files as they are packaged, in that folder; the main one. Its children get there, too.
pub fn fpm(folder: &Path) -> String {
    let at = folder.display();
    fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    fs::create_dir(folder.join("pool.d")).unwrap();
    let main = format!("[global]\nerror_log = /dev/stderr\ninclude={at}/pool.d/*.conf\n");
    fs::write(folder.join("php-fpm.conf"), main).unwrap();
    let pool = format!(
        "[www]\nlisten = {at}/fpm.sock\nuser = www-data\nlisten.owner = www-data\npm = dynamic\n\
         pm.max_children = 5\npm.start_servers = 2\npm.min_spare_servers = 1\npm.max_spare_servers = 3\n"
    );
    fs::write(folder.join("pool.d/www.conf"), pool).unwrap();
    format!("{at}/php-fpm.conf")
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Its exit code when it runs a shell with that text.
pub fn code_of_shell(text: &str) -> Option<i32> {
    knee_run(&["--keep", "--", "sh", "-c", text]).stderr(Stdio::null()).status().unwrap().code()
}

/// All that it says.
pub fn output(words: &[&str]) -> Output {
    knee_run(words).output().unwrap()
}

/// Prints the number of each signal that it gets, and ends with 9 at SIGTERM.
pub const ECHO: &str = "\
import os, signal, sys
fatal = {9, 17, 19, 32, 33}
def say(n, _):
    os.write(1, b'%d\\n' % n)
    if n == 15: os._exit(9)
for n in range(1, 65):
    if n not in fatal: signal.signal(n, say)
os.write(1, b'ready\\n')
while True: signal.pause()
";

/// That below the program with these flags.
pub fn echo(flags: &[&str]) -> Talk {
    let mut talk =
        Talk::with(knee_run(&[flags, &["--keep", "--", "python3", "-c", ECHO]].concat()));
    assert_eq!(talk.line(), "ready");
    talk
}

/// A process that ends with this.
pub struct Ended(pub Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A process that is being talked to. It and its kin end with the test.
pub struct Talk {
    pub child: Child,
    lines: BufReader<ChildStdout>,
}

impl Talk {
    pub fn with(mut command: Command) -> Talk {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap());
        Talk { child, lines }
    }

    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// The next line of its standard output.
    pub fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.read_line(&mut line).unwrap();
        line.trim_end().to_string()
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: i32) {
        kill(self.pid(), signal);
    }

    /// Its exit code, and what it says until its end.
    pub fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        let mut rest = String::new();
        self.lines.read_to_string(&mut rest).unwrap();
        (code, rest)
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        for pid in knee_probe::process::with_descendants(&[self.pid()]) {
            kill(pid, libc::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

pub fn kill(pid: i32, signal: i32) {
    // SAFETY: a plain call.
    unsafe { libc::kill(pid, signal) };
}

/// Waits until it holds.
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < LONG, "never: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}
