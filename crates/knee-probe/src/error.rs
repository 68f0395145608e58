//! What can go wrong when something is read, and reading itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a window shows nothing.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// A file that cannot be read.
    #[error("{}: cannot read it: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A file that says something else than the kernel writes there.
    #[error("{}:{line}: {problem}", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// 1-based line.
        line: usize,
        /// What was expected, and what is there.
        problem: String,
    },
    /// The kernel does not tell of sockets.
    #[error("cannot ask the kernel for listening sockets (sock_diag): {0}")]
    Diagnostics(io::Error),
    /// A FastCGI server that gave no answer.
    #[error("{page} at {listen} over FastCGI: {problem}")]
    FastCgi {
        /// Its address.
        listen: String,
        /// What was asked for.
        page: String,
        /// What happened.
        problem: String,
    },
}

impl ProbeError {
    /// Whether what was to be read is not there: a process that ended, a file that this kernel
    /// does not have.
    pub fn is_absent(&self) -> bool {
        let gone = |e: &io::Error| {
            e.kind() == io::ErrorKind::NotFound
                || e.raw_os_error() == Some(rustix::io::Errno::SRCH.raw_os_error())
        };
        matches!(self, ProbeError::Read { source, .. } if gone(source))
    }

    pub(crate) fn read(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> ProbeError {
        let path = path.into();
        move |source| ProbeError::Read { path, source }
    }

    pub(crate) fn form(path: &Path, line: usize, problem: impl Into<String>) -> ProbeError {
        ProbeError::Form { path: path.into(), line, problem: problem.into() }
    }
}

/// The text of a small file.
pub(crate) fn text(path: &Path) -> Result<String, ProbeError> {
    let bytes = fs::read(path).map_err(ProbeError::read(path))?;
    String::from_utf8(bytes).map_err(|_| ProbeError::form(path, 1, "not UTF-8"))
}

/// The number that is all a file holds.
pub(crate) fn number(path: &Path) -> Result<u64, ProbeError> {
    let text = text(path)?;
    let text = text.trim();
    text.parse().map_err(|_| ProbeError::form(path, 1, format!("`{}` is no number", shown(text))))
}

/// The value of `name 3` among such lines, with its 1-based line; None where no line has the name.
pub(crate) fn counter(
    path: &Path,
    text: &str,
    name: &str,
) -> Result<Option<(u64, usize)>, ProbeError> {
    for (at, line) in text.lines().enumerate() {
        let Some(value) = line.strip_prefix(name).and_then(|l| l.strip_prefix(' ')) else {
            continue;
        };
        let wrong = || ProbeError::form(path, at + 1, format!("`{}` is no number", shown(value)));
        return value.trim().parse().map(|n| Some((n, at + 1))).map_err(|_| wrong());
    }
    Ok(None)
}

/// The beginning of a text that may be anything, for an error message.
pub(crate) fn shown(text: &str) -> String {
    text.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_counter_is_found_at_its_line_or_the_line_is_named(
            before in prop::collection::vec("[a-z_]{1,8} [0-9]{1,5}", 0..5),
            value in ".{0,12}",
        ) {
            let path = Path::new("/sys/cpu.stat");
            let mut lines = before.clone();
            lines.push(format!("NR {value}"));
            let line = lines.len();
            // A line that ends early in the value leaves the rest for the next.
            let first = value.lines().next().unwrap_or("").trim();
            match (counter(path, &lines.join("\n"), "NR"), first.parse::<u64>()) {
                (Ok(found), Ok(n)) => prop_assert_eq!(found, Some((n, line))),
                (Err(error), Err(_)) => {
                    let place = format!("/sys/cpu.stat:{line}: ");
                    prop_assert!(error.to_string().starts_with(&place));
                }
                (found, expected) => prop_assert!(false, "{found:?} {expected:?}"),
            }
            prop_assert!(counter(path, &before.join("\n"), "NR").unwrap().is_none());
        }
    }
}
