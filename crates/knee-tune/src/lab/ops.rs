//! System calls that a new process makes before its program starts, prepared beforehand:
//! between fork and exec nothing may allocate.

use std::ffi::CString;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;

/// One step, with words for when it fails.
#[derive(Debug)]
pub(super) struct Op {
    call: Call,
    /// What is tried when it fails; without it the step must succeed.
    instead: Otherwise,
    what: String,
}

#[derive(Debug)]
enum Otherwise {
    Fail,
    Ignore,
    Try(Box<Op>),
}

#[derive(Debug)]
enum Call {
    Mount { source: CString, target: CString, kind: CString, flags: libc::c_ulong, data: CString },
    Mkdir(CString),
    Symlink { to: CString, at: CString },
    Pivot(CString),
}

/// A path or text as the kernel takes it. A zero byte cannot stand in a path: the text ends there.
pub(super) fn c(text: impl AsRef<Path>) -> CString {
    let bytes = text.as_ref().as_os_str().as_bytes();
    let end = bytes.iter().position(|b| *b == 0).unwrap_or(bytes.len());
    CString::new(&bytes[..end]).unwrap_or_default()
}

impl Op {
    fn new(call: Call, what: String) -> Op {
        Op { call, instead: Otherwise::Fail, what }
    }

    /// Shows a file system of `kind` at `target`.
    pub fn mount(kind: &str, target: &Path, flags: libc::c_ulong, data: &str) -> Op {
        let what = format!("mount {kind} at {}", target.display());
        Op::new(
            Call::Mount { source: c(kind), target: c(target), kind: c(kind), flags, data: c(data) },
            what,
        )
    }

    /// Shows `source` at `target` as well.
    pub fn bind(source: &Path, target: &Path, flags: libc::c_ulong) -> Op {
        let what = format!("show {} at {}", source.display(), target.display());
        let flags = flags | libc::MS_BIND;
        Op::new(
            Call::Mount { source: c(source), target: c(target), kind: c(""), flags, data: c("") },
            what,
        )
    }

    /// Makes what is mounted at `target` read-only in this namespace.
    pub fn read_only(target: &Path) -> Op {
        let flags = libc::MS_REMOUNT | libc::MS_BIND | libc::MS_RDONLY;
        Op {
            what: format!("make {} read-only", target.display()),
            ..Op::bind(Path::new("none"), target, flags)
        }
    }

    /// Keeps every mount from here on from being seen elsewhere.
    pub fn private() -> Op {
        let flags = libc::MS_REC | libc::MS_PRIVATE;
        let (source, target, kind, data) = (c("none"), c("/"), c(""), c(""));
        Op::new(Call::Mount { source, target, kind, flags, data }, "make mounts private".into())
    }

    pub fn mkdir(path: &Path) -> Op {
        Op::new(Call::Mkdir(c(path)), format!("create {}", path.display()))
    }

    pub fn symlink(to: &Path, at: &Path) -> Op {
        Op::new(Call::Symlink { to: c(to), at: c(at) }, format!("create {}", at.display()))
    }

    /// Makes a mounted folder the root and lets go of the old one.
    pub fn pivot(root: &Path) -> Op {
        Op::new(Call::Pivot(c(root)), format!("make {} the root", root.display()))
    }

    pub fn or_ignore(self) -> Op {
        Op { instead: Otherwise::Ignore, ..self }
    }

    pub fn or(self, other: Op) -> Op {
        Op { instead: Otherwise::Try(Box::new(other)), ..self }
    }

    /// What it does, for an error message.
    pub fn what(&self) -> &str {
        &self.what
    }

    /// Makes the call. Allocates nothing and takes no lock: safe between fork and exec.
    pub fn run(&self) -> io::Result<()> {
        match (self.call.run(), &self.instead) {
            (Err(_), Otherwise::Ignore) => Ok(()),
            (Err(_), Otherwise::Try(other)) => other.run(),
            (result, _) => result,
        }
    }
}

impl Call {
    fn run(&self) -> io::Result<()> {
        // SAFETY: every pointer is a CString of ours that lives through the call.
        unsafe {
            match self {
                Call::Mount { source, target, kind, flags, data } => check(libc::mount(
                    source.as_ptr(),
                    target.as_ptr(),
                    kind.as_ptr(),
                    *flags,
                    if data.is_empty() { ptr::null() } else { data.as_ptr().cast() },
                )),
                Call::Mkdir(path) => check(libc::mkdir(path.as_ptr(), 0o755)),
                Call::Symlink { to, at } => check(libc::symlink(to.as_ptr(), at.as_ptr())),
                Call::Pivot(root) => pivot(root),
            }
        }
    }
}

/// pivot_root(2)'s way without a folder for the old root; on an initramfs, which cannot be
/// pivoted away from, the mount is moved over it.
///
/// # Safety
/// `root` must be alive; it is.
unsafe fn pivot(root: &CString) -> io::Result<()> {
    // SAFETY: constant strings and a live CString.
    unsafe {
        check(libc::chdir(root.as_ptr()))?;
        let here = c".".as_ptr();
        if libc::syscall(libc::SYS_pivot_root, here, here) == 0 {
            check(libc::umount2(here, libc::MNT_DETACH))?;
        } else {
            check(libc::mount(here, c"/".as_ptr(), ptr::null(), libc::MS_MOVE, ptr::null()))?;
            check(libc::chroot(here))?;
        }
        check(libc::chdir(c"/".as_ptr()))
    }
}

/// The error of a system call that returned -1.
pub(super) fn check(result: libc::c_int) -> io::Result<()> {
    if result == -1 { Err(io::Error::last_os_error()) } else { Ok(()) }
}
