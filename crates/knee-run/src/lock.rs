//! `knee.lock`: what was measured of the service. A file that cannot be used is said and left alone,
//! and the service starts by the rules that need none.

use crate::fill::{self, find};
use knee_core::profile::Profile;
use knee_core::runtimes::Needs;
use std::ffi::OsString;
use std::io;
use std::path::Path;

/// Where it stands if nothing else is said: in the working folder.
pub const NAME: &str = "knee.lock";

/// A profile that was read.
#[derive(Debug)]
pub struct Lock {
    /// The runtime that it is a profile of.
    pub runtime: String,
    /// What a request and a process take.
    pub needs: Needs,
    /// Its name as the user knows it.
    pub path: String,
}

impl Lock {
    /// Whether one of these commands starts what it is a profile of.
    pub fn is_for(&self, commands: &[&[OsString]]) -> bool {
        commands.iter().any(|command| fill::starts(command, &self.runtime))
    }

    /// What is said where none does.
    pub fn foreign(&self) -> String {
        let Lock { path, runtime, .. } = self;
        format!(
            "{path} is a profile of {runtime}, which does not start here: sized without a measurement"
        )
    }
}

/// Reads it; what is wrong is said. Without `named` it need not be there.
pub fn read(named: Option<&Path>, told: &mut Vec<String>) -> Option<Lock> {
    let path = named.unwrap_or(Path::new(NAME));
    let shown = path.display();
    let text = match find::small(path) {
        Ok(Some(text)) => text,
        Ok(None) => {
            told.push(format!("{shown}: no text file of some kB: sized without a measurement"));
            return None;
        }
        Err(e) if e.kind() == io::ErrorKind::NotFound && named.is_none() => return None,
        Err(error) => {
            told.push(format!("{shown}: {error}: sized without a measurement"));
            return None;
        }
    };
    match serde_json::from_str::<Profile>(&text) {
        Ok(profile) => of(&profile, path, told),
        Err(error) => {
            let (line, column) = (error.line(), error.column());
            // The message alone: what stands in the file is nobody else's business.
            told.push(format!(
                "{shown}:{line}:{column}: no profile that this knee reads, sized without a \
                 measurement; `knee plan --lock` writes it anew"
            ));
            None
        }
    }
}

fn of(profile: &Profile, path: &Path, told: &mut Vec<String>) -> Option<Lock> {
    let shown = path.display();
    let run = profile.measured.as_ref().map(|measured| format!(", run {}", measured.run));
    let source = format!("{shown}{}", run.unwrap_or(", assumed".into()));
    let Some(needs) = Needs::of(profile, source) else {
        told.push(format!("{shown}: it says no CPU of a request: sized without a measurement"));
        return None;
    };
    Some(Lock { runtime: profile.runtime.clone(), needs, path: shown.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::fs;

    #[test]
    fn what_is_no_small_file_is_said_and_not_read() {
        for path in ["/dev/zero", "/"] {
            let mut told = vec![];
            assert!(read(Some(Path::new(path)), &mut told).is_none());
            assert_eq!(
                told,
                [format!("{path}: no text file of some kB: sized without a measurement")]
            );
        }
    }

    proptest! {
        #[test]
        fn any_file_is_survived(text in prop::collection::vec(any::<u8>(), 0..80)) {
            let file = tempfile::NamedTempFile::new().unwrap();
            fs::write(file.path(), text).unwrap();
            let mut told = vec![];
            prop_assert!(read(Some(file.path()), &mut told).is_none() && told.len() == 1);
        }
    }
}
