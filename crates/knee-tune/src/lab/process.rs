//! A container's first process: forked, put into its cgroup and namespaces, then its program.

use super::cgroup::Group;
use super::error::LabError;
use super::files::Files;
use super::forker::Forker;
use super::nofile::granted_nofile;
use super::ops::{Op, c, check};
use knee_core::launch::Container;
use knee_probe::mounts::Mount;
use std::ffi::CString;
use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The namespaces of a task, kept open: the next container enters them.
#[derive(Debug)]
pub(super) struct Namespaces {
    user: Option<File>,
    mount: File,
}

/// Where a container's first process finds itself.
pub(super) enum Place<'a> {
    /// The host's own view of everything.
    Host,
    /// New namespaces with these files.
    New(&'a Files),
    /// Those that another container of the task has.
    Same(&'a Namespaces),
}

/// Everything but the program, prepared before the fork.
struct Prepared {
    doors: Vec<File>,
    enter: Enter,
    mounts: Vec<Op>,
    limits: Option<libc::rlimit>,
    workdir: CString,
    parent: libc::pid_t,
    report: OwnedFd,
}

enum Enter {
    Nothing,
    New { user: Option<Maps> },
    Same { user: Option<OwnedFd>, mount: OwnedFd },
}

/// What a new user namespace is told: the same numbers inside as outside.
struct Maps {
    user: String,
    group: String,
}

/// Steps whose failure is reported by number; those of `mounts` follow.
const STEPS: [&str; 8] = [
    "enter its cgroup",
    "start a session",
    "make a user namespace",
    "make mount and cgroup namespaces",
    "enter the task's namespaces",
    "set the limit of open files",
    "ask to die with knee",
    "enter its working directory",
];

/// Starts a container's program with its output going to `log`.
pub(super) fn start(
    forker: &Forker,
    container: &Container,
    group: Option<&Group>,
    place: &Place,
    cgroups: &[Mount],
    log: &Path,
) -> Result<Child, LabError> {
    let output = OpenOptions::new().append(true).create(true).open(log);
    let output = output.map_err(LabError::file(log, "create it"))?;
    let again = output.try_clone().map_err(LabError::file(log, "open it twice"))?;
    let (reader, report) = io::pipe().map_err(LabError::file(log, "make a pipe"))?;
    let prepared = prepare(container, group, place, cgroups, report.into())?;
    let names: Vec<String> = prepared.mounts.iter().map(|o| o.what().to_string()).collect();
    let mut command = command(container)?;
    command.stdin(Stdio::null()).stdout(output).stderr(again);
    // SAFETY: `run` makes system calls only; it neither allocates nor locks.
    unsafe { command.pre_exec(move || prepared.run()) };
    forker.spawn(command).map_err(|source| explain(container, source, reader, &names))
}

fn command(container: &Container) -> Result<Command, LabError> {
    let Some((program, arguments)) = container.argv.split_first() else {
        let what = "its command is empty".into();
        return Err(LabError::Launch { container: container.name.clone(), what });
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear();
    command.envs(container.env.0.iter().map(|(name, value)| (name, value)));
    if container.env.get("PATH").is_none() && !program.contains('/') {
        let found = std::env::var_os("PATH").and_then(|path| {
            std::env::split_paths(&path).map(|p| p.join(program)).find(|p| p.is_file())
        });
        if let Some(found) = found {
            let mut absolute = Command::new(found);
            absolute.arg0(program).args(arguments).env_clear();
            absolute.envs(container.env.0.iter().map(|(name, value)| (name, value)));
            return Ok(absolute);
        }
    }
    Ok(command)
}

fn prepare(
    container: &Container,
    group: Option<&Group>,
    place: &Place,
    cgroups: &[Mount],
    report: OwnedFd,
) -> Result<Prepared, LabError> {
    let doors = group.map(Group::doors).unwrap_or_default();
    let open = |door: PathBuf| {
        OpenOptions::new().write(true).open(&door).map_err(LabError::cgroup(&door, "open it"))
    };
    let copy = |file: &File| {
        file.try_clone().map(OwnedFd::from).map_err(LabError::file("/proc/self/ns", "keep it open"))
    };
    let (enter, mounts) = match place {
        Place::Host => (Enter::Nothing, Vec::new()),
        Place::New(files) => {
            let root = files.root().unwrap_or(Path::new("/"));
            let mut ops = vec![Op::private()];
            ops.extend(files.ops());
            ops.extend(group.map(|_| cgroup_view(cgroups, root)).unwrap_or_default());
            ops.extend(files.root().map(Op::pivot));
            (Enter::New { user: files.user().then(maps) }, ops)
        }
        Place::Same(namespaces) => {
            let user = namespaces.user.as_ref().map(copy).transpose()?;
            let enter = Enter::Same { user, mount: copy(&namespaces.mount)? };
            let view = group.map(|_| cgroup_view(cgroups, Path::new("/"))).unwrap_or_default();
            (enter, view)
        }
    };
    Ok(Prepared {
        doors: doors.into_iter().map(open).collect::<Result<_, _>>()?,
        enter,
        mounts,
        limits: container
            .nofile
            .map(granted_nofile)
            .map(|(soft, hard)| libc::rlimit { rlim_cur: soft, rlim_max: hard }),
        workdir: c(&container.workdir),
        parent: std::process::id().cast_signed(),
        report,
    })
}

fn maps() -> Maps {
    let map = |id: u32| format!("{id} {id} 1");
    Maps {
        user: map(rustix::process::geteuid().as_raw()),
        group: map(rustix::process::getegid().as_raw()),
    }
}

/// `/sys/fs/cgroup` as a container sees it: in its own cgroup namespace each hierarchy begins
/// at the container's cgroup, which has no quota.
fn cgroup_view(mounts: &[Mount], root: &Path) -> Vec<Op> {
    let top = Path::new("/sys/fs/cgroup");
    let inside = |path: &Path| root.join(path.strip_prefix("/").unwrap_or(path));
    if mounts.iter().any(|m| m.kind == "cgroup2" && m.at == top) {
        let at = inside(top);
        // The kernel refuses a file system over itself, though this one begins elsewhere.
        let apart = Op::mount("tmpfs", &at, 0, "mode=755");
        return vec![apart, Op::mount("cgroup2", &at, 0, ""), Op::read_only(&at)];
    }
    let mut ops = vec![Op::mount("tmpfs", &inside(top), 0, "mode=755")];
    for mount in mounts.iter().filter(|m| m.kind == "cgroup" && m.at.parent() == Some(top)) {
        let foreign = ["rw", "ro", "xattr"];
        let options: Vec<_> = mount
            .options
            .split(',')
            .filter(|o| !foreign.contains(o) && !o.starts_with("release_agent="))
            .collect();
        let at = inside(&mount.at);
        ops.push(Op::mkdir(&at));
        // A hierarchy that knee made no cgroup in is of no weight.
        ops.push(Op::mount("cgroup", &at, 0, &options.join(",")).or_ignore());
        ops.push(Op::read_only(&at).or_ignore());
    }
    // Distributions link `cpu` to `cpu,cpuacct`.
    for entry in std::fs::read_dir(top).into_iter().flatten().flatten() {
        if let Ok(to) = std::fs::read_link(entry.path()) {
            ops.push(Op::symlink(&to, &inside(&entry.path())).or_ignore());
        }
    }
    ops
}

impl Prepared {
    /// Runs in the new process before its program. The error of the step that failed goes to
    /// the parent by way of `Command`, the step's number through the pipe.
    fn run(&self) -> io::Result<()> {
        let report = |step: usize| {
            move |error: io::Error| {
                let number = (step as u16).to_ne_bytes();
                // SAFETY: two bytes from a live array to an open pipe.
                unsafe { libc::write(self.report.as_raw_fd(), number.as_ptr().cast(), 2) };
                error
            }
        };
        for door in &self.doors {
            write_all(door.as_raw_fd(), b"0").map_err(report(0))?;
        }
        // SAFETY: takes no arguments.
        check(unsafe { libc::setsid() }).map_err(report(1))?;
        self.enter.run(report)?;
        for (number, op) in self.mounts.iter().enumerate() {
            op.run().map_err(report(STEPS.len() + number))?;
        }
        if let Some(limit) = &self.limits {
            // SAFETY: a live structure.
            check(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, limit) }).map_err(report(5))?;
        }
        self.die_with_parent().map_err(report(6))?;
        // SAFETY: a live CString.
        check(unsafe { libc::chdir(self.workdir.as_ptr()) }).map_err(report(7))
    }

    fn die_with_parent(&self) -> io::Result<()> {
        // SAFETY: plain numbers.
        unsafe {
            check(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL))?;
            // It may have died before it could be asked for.
            if libc::getppid() == self.parent {
                Ok(())
            } else {
                Err(io::Error::from_raw_os_error(libc::ESRCH))
            }
        }
    }
}

impl Enter {
    fn run<R: FnOnce(io::Error) -> io::Error>(
        &self,
        report: impl Fn(usize) -> R,
    ) -> io::Result<()> {
        let new = libc::CLONE_NEWNS | libc::CLONE_NEWCGROUP;
        // SAFETY: plain numbers and open descriptors.
        unsafe {
            match self {
                Enter::Nothing => Ok(()),
                Enter::New { user } => {
                    if let Some(maps) = user {
                        check(libc::unshare(libc::CLONE_NEWUSER)).map_err(report(2))?;
                        maps.write().map_err(report(2))?;
                    }
                    check(libc::unshare(new)).map_err(report(3))
                }
                Enter::Same { user, mount } => {
                    if let Some(user) = user {
                        check(libc::setns(user.as_raw_fd(), libc::CLONE_NEWUSER))
                            .map_err(report(4))?;
                    }
                    check(libc::setns(mount.as_raw_fd(), libc::CLONE_NEWNS)).map_err(report(4))?;
                    check(libc::unshare(new)).map_err(report(3))
                }
            }
        }
    }
}

impl Maps {
    fn write(&self) -> io::Result<()> {
        put(c"/proc/self/setgroups", b"deny")?;
        put(c"/proc/self/uid_map", self.user.as_bytes())?;
        put(c"/proc/self/gid_map", self.group.as_bytes())
    }
}

fn put(path: &std::ffi::CStr, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: a live string; the descriptor is closed by exec at the latest.
    unsafe {
        let fd = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        check(fd)?;
        let result = write_all(fd, bytes);
        libc::close(fd);
        result
    }
}

/// Kernel files take a value in one write or not at all.
fn write_all(fd: libc::c_int, bytes: &[u8]) -> io::Result<()> {
    // SAFETY: a live slice and an open descriptor.
    let written = unsafe { libc::write(fd, bytes.as_ptr().cast(), bytes.len()) };
    if written == bytes.len().cast_signed() { Ok(()) } else { Err(io::Error::last_os_error()) }
}

fn explain(
    container: &Container,
    source: io::Error,
    mut pipe: io::PipeReader,
    mounts: &[String],
) -> LabError {
    let mut number = [0; 2];
    let name = container.name.clone();
    let program = container.argv[0].clone();
    match pipe.read(&mut number) {
        Ok(2) => {
            let number = usize::from(u16::from_ne_bytes(number));
            let step = STEPS.get(number).copied().map(String::from);
            let step = step.or_else(|| mounts.get(number - STEPS.len()).cloned());
            let step = match number {
                7 => format!("enter its working directory {}", container.workdir.display()),
                _ => step.unwrap_or_default(),
            };
            LabError::Confine { container: name, step, source }
        }
        _ => {
            let hint = match source.kind() {
                io::ErrorKind::NotFound => " (is it installed, and its folder in PATH?)",
                io::ErrorKind::PermissionDenied => " (is it executable?)",
                _ => "",
            };
            LabError::Start { container: name, program, source, hint: hint.into() }
        }
    }
}

impl Namespaces {
    /// Those of a running process.
    pub fn of(pid: u32, user: bool) -> Result<Namespaces, LabError> {
        let open = |kind: &str| {
            let path = format!("/proc/{pid}/ns/{kind}");
            File::open(&path).map_err(LabError::file(path, "open it"))
        };
        Ok(Namespaces { user: user.then(|| open("user")).transpose()?, mount: open("mnt")? })
    }
}
