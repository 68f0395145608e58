//! What was measured of a service: a `knee.lock` beside it.

use super::files::{FileId, Place};
use super::program::{Program, Runtime};
use super::{Note, Picture};
use knee_core::profile::{Estimate, Profile};
use knee_core::sourced::Origin;

const NAME: &str = "knee.lock";

/// A profile that stands in the repository.
#[derive(Clone, Debug)]
pub struct Measured {
    /// The folder that it speaks of, relative to the root.
    pub folder: String,
    /// What it says of a process's memory.
    pub per_process: Place,
    /// What it says of the heap.
    pub heap: Place,
    /// What it says.
    pub profile: Profile,
}

impl Picture {
    /// The profile of a program: the nearest one around its sources, of its runtime.
    pub fn measured(&self, program: &Program) -> Option<&Measured> {
        let ids = ids(program.runtime);
        let started = || {
            let path = &self.files.get(program.command.place()?.file).path;
            Some(path.rsplit_once('/').map_or("", |(folder, _)| folder))
        };
        let folder = program.folder.as_deref().or_else(started)?;
        let around = |measured: &&Measured| {
            let rest = folder.strip_prefix(&*measured.folder);
            measured.folder.is_empty() || rest.is_some_and(|r| r.is_empty() || r.starts_with('/'))
        };
        let own = self.profiles.iter().filter(|m| ids.contains(&&*m.profile.runtime));
        own.filter(around).max_by_key(|measured| measured.folder.len())
    }

    /// Reads every profile; one that is none is a note.
    pub(super) fn read_profiles(&mut self) {
        for (id, file) in self.files.iter() {
            let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
            if name != NAME {
                continue;
            }
            match serde_json::from_str(&file.text) {
                Ok(profile) => {
                    let per_process = key(id, &file.text, "\"per_process\"");
                    let heap = key(id, &file.text, "\"live\"");
                    let folder = folder.into();
                    self.profiles.push(Measured { folder, per_process, heap, profile });
                }
                Err(error) => self.notes.push(Note {
                    path: file.path.clone(),
                    at: Some((error.line() as u32, error.column() as u32)),
                    text: "is no profile that this knee reads; `knee plan --lock` writes it anew"
                        .into(),
                }),
            }
        }
    }
}

/// An estimate's value, if it was seen and not assumed.
pub fn observed(estimate: &Estimate) -> Option<f64> {
    matches!(estimate.origin, Origin::Observed { .. }).then_some(estimate.value)
}

fn key(id: FileId, text: &str, key: &str) -> Place {
    let at = text.find(key).map_or(0..0, |at| at..at + key.len());
    Place::new(id, at)
}

/// What `knee tune` calls a runtime: Node.js under pm2 is one of its own there.
fn ids(runtime: Runtime) -> &'static [&'static str] {
    match runtime {
        Runtime::PhpFpm => &["php-fpm"],
        Runtime::Octane => &["octane"],
        Runtime::Nginx => &["nginx"],
        Runtime::Gunicorn => &["gunicorn"],
        Runtime::Uvicorn => &["uvicorn"],
        Runtime::Hypercorn => &["hypercorn"],
        Runtime::Celery => &["celery"],
        Runtime::Node => &["node", "pm2"],
        Runtime::Go => &["go"],
        Runtime::Apache | Runtime::Uwsgi | Runtime::Worker | Runtime::Other => &[],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_runtime_that_is_tuned_is_known_here() {
        let known = [
            Runtime::PhpFpm,
            Runtime::Octane,
            Runtime::Nginx,
            Runtime::Gunicorn,
            Runtime::Uvicorn,
            Runtime::Hypercorn,
            Runtime::Celery,
            Runtime::Node,
            Runtime::Go,
        ];
        for runtime in knee_core::runtimes::all() {
            assert!(known.iter().any(|r| ids(*r).contains(&runtime.id)), "{}", runtime.id);
        }
    }

    #[test]
    fn a_profile_that_is_none_is_a_note() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(NAME), "{\n").unwrap();
        let picture = Picture::read(folder.path()).unwrap();
        assert!(picture.profiles.is_empty() && picture.notes[0].path == NAME);
    }
}
