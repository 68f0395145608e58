//! What can go wrong when something is read, and reading itself.

use std::fs::File;
use std::io::{self, Read};
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

/// As much as most of them hold.
const SMALL: usize = 1024;

/// What a small file holds. A file of `/proc` says that it is empty, and `fs::read` then feels its way
/// with five small reads where one and the end are enough.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, ProbeError> {
    let read = || {
        let mut file = File::open(path)?;
        let mut bytes = vec![0; SMALL];
        let mut length = 0;
        loop {
            match file.read(&mut bytes[length..]) {
                Ok(0) => break,
                Ok(read) => length += read,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if length == bytes.len() {
                bytes.resize(2 * length, 0);
            }
        }
        bytes.truncate(length);
        Ok(bytes)
    };
    read().map_err(ProbeError::read(path))
}

/// The text of a small file.
pub(crate) fn text(path: &Path) -> Result<String, ProbeError> {
    let bytes = bytes(path)?;
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

    #[test]
    fn a_file_of_any_length_is_read_whole() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for length in [0, 1, SMALL - 1, SMALL, SMALL + 1, 5 * SMALL] {
            let content = vec![b'x'; length];
            std::fs::write(file.path(), &content).unwrap();
            assert_eq!(bytes(file.path()).unwrap(), content);
        }
    }

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
