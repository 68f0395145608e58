//! What a cell measured, kept so that forecasts can be compared with it.

use crate::cell::{Cell, Failure};
use knee_core::event::Trial;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// The folder of a cell.
pub fn folder(cell: &Cell) -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("grid").join(cell.to_string())
}

/// The points of a grid, a line of JSON for each, written as they are measured.
pub struct Points(File);

impl Points {
    /// Begins anew.
    pub fn create(cell: &Cell) -> Result<Points, Failure> {
        fs::create_dir_all(folder(cell))?;
        Ok(Points(File::create(folder(cell).join("grid.jsonl"))?))
    }

    pub fn add(&mut self, point: &Trial) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(point)?;
        line.push(b'\n');
        Ok(self.0.write_all(&line)?)
    }
}
