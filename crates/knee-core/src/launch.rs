//! How a service is started: what the laboratory is given.

use crate::task::Task;
use std::fmt;
use std::path::PathBuf;

/// Everything that is needed to start a service once, under the limits of its task.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Size of the task: the quota and the memory limit of all containers together.
    pub task: Task,
    /// The containers, in start order; they share the network and the file system overlay.
    pub containers: Vec<Container>,
    /// Host paths to show at other paths (a Dockerfile's WORKDIR and COPY).
    pub binds: Vec<Bind>,
    /// Changed copies of files, by absolute path as the service sees it. The originals stay.
    pub files: Vec<(PathBuf, Vec<u8>)>,
    /// What its runtimes can be asked while it runs.
    pub asks: Vec<Ask>,
}

/// How one runtime's status is had from the outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ask {
    /// The runtime's `id`.
    pub runtime: &'static str,
    /// Where its answer comes from.
    pub how: Answer,
}

/// Where a runtime's status comes from. Paths are as the service sees them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Asked for over FastCGI.
    FastCgi {
        /// `host:port` or the absolute path of a unix socket.
        listen: String,
        /// The page, for example `/knee-status`.
        page: String,
    },
    /// A PHP script executed over FastCGI, which costs the service more than a page: asked
    /// for at the ends of an interval only.
    Script {
        /// `host:port` or the absolute path of a unix socket.
        listen: String,
        /// Its absolute path as the service sees it.
        script: String,
    },
    /// Files in this folder, one per process, each holding its latest answer.
    Folder(PathBuf),
    /// Lines among the container's standard error, by the container's index.
    Stderr(usize),
}

/// One container of the task.
#[derive(Clone, Debug)]
pub struct Container {
    /// Name as in the task definition, or `app`.
    pub name: String,
    /// Program and arguments; the program is looked up in the environment's PATH.
    pub argv: Vec<String>,
    /// Working directory as the service sees it.
    pub workdir: PathBuf,
    /// The environment, complete.
    pub env: Environment,
    /// Soft and hard limit of open files; None leaves knee's own.
    pub nofile: Option<(u64, u64)>,
}

/// A host path shown at another path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Absolute path on the host.
    pub host: PathBuf,
    /// Absolute path as the service sees it.
    pub container: PathBuf,
}

/// Environment variables in order. Their values may be secrets: `Debug` shows names only,
/// and nothing serialises them.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(pub Vec<(String, String)>);

impl Environment {
    /// The value of a variable.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().rev().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// Sets a variable, in place if it is there.
    pub fn set(&mut self, name: impl Into<String>, value: impl Into<String>) {
        let (name, value) = (name.into(), value.into());
        self.0.retain(|(n, _)| *n != name);
        self.0.push((name, value));
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_not_shown() {
        let mut env = Environment::default();
        env.set("DB_PASSWORD", "hunter2");
        env.set("DB_PASSWORD", "hunter3");
        assert_eq!(format!("{env:?}"), r#"["DB_PASSWORD"]"#);
        assert_eq!(env.get("DB_PASSWORD"), Some("hunter3"));
    }
}
