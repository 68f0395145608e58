//! The files of a repository: texts that were read, paths of the others, places in them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// A file of [`Files`]: its index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FileId(pub usize);

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// The file.
    pub file: FileId,
    /// Bytes of its text.
    pub span: Range<usize>,
}

impl Place {
    /// A range of a file.
    pub fn new(file: FileId, span: Range<usize>) -> Place {
        Place { file, span }
    }
}

/// A path from a folder of the repository, without `.` and `..`.
pub(crate) fn joined(folder: &str, path: &str) -> String {
    knee_files::formats::dockerfile::absolute(&format!("/{folder}"), path).trim_matches('/').into()
}

/// A file that was read.
#[derive(Clone, Debug)]
pub struct File {
    /// Relative to the root, with `/` between folders.
    pub path: String,
    /// Its text.
    pub text: Arc<str>,
}

/// The files of a repository.
#[derive(Clone, Debug, Default)]
pub struct Files {
    /// Those whose text was read.
    pub read: Vec<File>,
    /// Paths of all files that are not ignored, relative to the root, sorted; vendored ones too.
    pub all: Vec<String>,
    /// Bytes of PHP's files among them, by path.
    pub php: BTreeMap<String, u64>,
}

impl Files {
    /// The file.
    pub fn get(&self, id: FileId) -> &File {
        &self.read[id.0]
    }

    /// Each file with its id.
    pub fn iter(&self) -> impl Iterator<Item = (FileId, &File)> {
        self.read.iter().enumerate().map(|(at, file)| (FileId(at), file))
    }

    /// The file at a path relative to the root.
    pub fn at(&self, path: &str) -> Option<FileId> {
        self.read.iter().position(|file| file.path == path).map(FileId)
    }

    /// Path and 1-based line and column (in characters) of a place.
    pub fn position(&self, place: &Place) -> (&str, u32, u32) {
        let file = self.get(place.file);
        let before = &file.text.as_bytes()[..place.span.start.min(file.text.len())];
        let start = before.iter().rposition(|b| *b == b'\n').map_or(0, |n| n + 1);
        let line = before.iter().filter(|b| **b == b'\n').count() as u32 + 1;
        let column = before[start..].iter().filter(|b| **b & 0xc0 != 0x80).count() as u32 + 1;
        (&file.path, line, column)
    }

    /// The text at a place.
    pub fn text(&self, place: &Place) -> &str {
        self.get(place.file).text.get(place.span.clone()).unwrap_or_default()
    }
}
