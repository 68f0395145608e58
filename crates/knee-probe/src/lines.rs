//! The new lines of a log, each read once.

use crate::ProbeError;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::PathBuf;

/// Most that one look reads; the rest comes with the next.
const LOOK: u64 = 4 << 20;
/// A line that grows beyond is handed on unfinished.
const LINE: usize = 64 << 10;

/// A log that grows.
#[derive(Debug)]
pub struct Lines {
    path: PathBuf,
    read: u64,
    /// The beginning of a line that is not finished yet.
    rest: Vec<u8>,
}

impl Lines {
    /// Begins at the start of the log.
    pub fn new(path: PathBuf) -> Lines {
        Lines { path, read: 0, rest: Vec::new() }
    }

    /// All lines that were finished since the last look, together; empty when there are none. A
    /// log that became shorter began anew.
    ///
    /// # Errors
    /// The log cannot be read.
    pub fn new_lines(&mut self) -> Result<Vec<u8>, ProbeError> {
        let broken = |source| ProbeError::Read { path: self.path.clone(), source };
        let mut file = File::open(&self.path).map_err(broken)?;
        if file.metadata().map_err(broken)?.len() < self.read {
            self.read = 0;
            self.rest.clear();
        }
        file.seek(SeekFrom::Start(self.read)).map_err(broken)?;
        let mut bytes = std::mem::take(&mut self.rest);
        self.read += file.take(LOOK).read_to_end(&mut bytes).map_err(broken)? as u64;
        let end = match bytes.iter().rposition(|byte| *byte == b'\n') {
            Some(at) => at + 1,
            None if bytes.len() > LINE => bytes.len(),
            None => 0,
        };
        self.rest = bytes.split_off(end);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    #[test]
    fn a_line_is_read_once_and_whole() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        let mut lines = Lines::new(path.clone());
        assert!(lines.new_lines().unwrap_err().is_absent());
        let mut log = File::create(&path).unwrap();
        log.write_all(b"one\ntw").unwrap();
        assert_eq!(lines.new_lines().unwrap(), b"one\n");
        assert_eq!(lines.new_lines().unwrap(), b"");
        log.write_all(b"o\nthree\n").unwrap();
        assert_eq!(lines.new_lines().unwrap(), b"two\nthree\n");
        std::fs::write(&path, "new\n").unwrap();
        assert_eq!(lines.new_lines().unwrap(), b"new\n", "it began anew");
    }

    #[test]
    fn a_line_without_end_is_handed_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("log");
        std::fs::write(&path, "x".repeat(LINE + 1)).unwrap();
        assert_eq!(Lines::new(path).new_lines().unwrap().len(), LINE + 1);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_or_doubled(parts in prop::collection::vec("[a\n]{0,8}", 0..12)) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("log");
            let mut log = File::create(&path).unwrap();
            let (mut lines, mut seen) = (Lines::new(path), Vec::new());
            for part in &parts {
                log.write_all(part.as_bytes()).unwrap();
                seen.extend(lines.new_lines().unwrap());
            }
            let all = parts.concat();
            let finished = all.rfind('\n').map_or(0, |at| at + 1);
            prop_assert_eq!(seen, &all.as_bytes()[..finished]);
        }
    }
}
