//! All that is wrong in a knee.toml, so that it is mended in one go.

use crate::formats::FormatError;
use std::fmt;

/// What is wrong, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistakes(Vec<FormatError>);

impl Mistakes {
    /// Does everything and fails with all that failed.
    pub(crate) fn none(
        done: impl IntoIterator<Item = Result<(), Mistakes>>,
    ) -> Result<(), Mistakes> {
        let failed = done.into_iter().filter_map(Result::err).flat_map(|mistakes| mistakes.0);
        let mut all: Vec<FormatError> = failed.collect();
        all.sort_by_key(|mistake| (mistake.at.line, mistake.at.column));
        if all.is_empty() { Ok(()) } else { Err(Mistakes(all)) }
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &FormatError> {
        self.0.iter()
    }

    /// A line for each, behind the path of its file.
    pub fn of(&self, path: impl fmt::Display) -> String {
        self.iter().map(|mistake| format!("{path}:{mistake}")).collect::<Vec<_>>().join("\n")
    }
}

impl From<FormatError> for Mistakes {
    fn from(mistake: FormatError) -> Mistakes {
        Mistakes(vec![mistake])
    }
}

impl fmt::Display for Mistakes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.iter().map(ToString::to_string).collect();
        f.write_str(&lines.join("\n"))
    }
}
