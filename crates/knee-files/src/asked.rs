//! What is said of a start besides the files: flags of knee's own command line, and knee.toml where
//! it says the same.

use crate::error::FilesError;
use crate::formats::{FormatError, shell};
use crate::sources::{CONFIG, Sources};
use crate::text::Position;
use knee_core::sourced::{Origin, Sourced};
use std::path::{Path, PathBuf};

/// What knee's own command line and knee.toml say of the start.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Asked<'a> {
    pub command: Option<&'a str>,
    pub container: Option<&'a str>,
    /// Names of variables to pass on from knee's own environment.
    pub env: &'a [String],
    /// A file of variables.
    pub env_file: Option<&'a Path>,
}

impl Asked<'_> {
    /// The variables that are to be passed on. A flag that holds a value is refused without
    /// repeating it: others see a command line.
    pub fn passed(&self, sources: &Sources) -> Result<Vec<Sourced<String>>, FilesError> {
        let flag = |text: &String| {
            let name = text.split('=').next().unwrap_or_default();
            let problem = match shell::is_name(name) {
                true if name == text => {
                    return Ok(Sourced::new(text.clone(), Origin::Flag { name: "--env".into() }));
                }
                true => format!(
                    "takes the name alone, as its value may be a secret; write {name}=… knee tune --env {name}"
                ),
                false => "takes the name of a variable; write --env SECRET_KEY".into(),
            };
            Err(FilesError::Flag { flag: "--env", problem })
        };
        let mut passed: Vec<Sourced<String>> =
            self.env.iter().map(flag).collect::<Result<_, _>>()?;
        if let Some(stated) = sources.config.as_ref().and_then(|c| c.parsed.service.env.as_ref()) {
            for name in &stated.value {
                if !passed.iter().any(|known| known.value == *name) {
                    passed.push(Sourced::from_file(name.clone(), CONFIG, stated.line));
                }
            }
        }
        Ok(passed)
    }

    /// The file of variables that is named, which has to be there.
    pub fn file(&self, sources: &Sources) -> Result<Option<Sourced<PathBuf>>, FilesError> {
        let config = sources.config.as_ref().and_then(|c| c.parsed.service.env_file.as_ref());
        let named = match (self.env_file, config) {
            (Some(path), _) => {
                Sourced::new(path.into(), Origin::Flag { name: "--env-file".into() })
            }
            (None, Some(stated)) => stated.sourced(CONFIG),
            (None, None) => return Ok(None),
        };
        if sources.text(&named.value)?.is_some() {
            return Ok(Some(named));
        }
        let shown = named.value.display();
        let problem = format!("there is no file {shown} in {}", sources.root.display());
        Err(match named.origin {
            Origin::File { line, .. } => {
                let at = Position { line, column: 1 };
                let problem = format!("`service.env_file`: {problem}");
                FilesError::Format { path: CONFIG.into(), error: FormatError { at, problem } }
            }
            _ => FilesError::Flag { flag: "--env-file", problem },
        })
    }
}
