//! What a cell measured, kept so that forecasts can be compared with it.

use crate::cell::{Cell, Failure};
use knee_core::event::Trial;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
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
        Ok(Points(File::create(path(cell))?))
    }

    /// Long steps of some of the points, beside the grid.
    pub fn steady(cell: &Cell) -> Result<Points, Failure> {
        Ok(Points(File::create(folder(cell).join("steady.jsonl"))?))
    }

    /// Goes on with the points that were measured, and returns them. Others may have failed for
    /// want of what is there now, or were cut off: they are measured again.
    pub fn again(cell: &Cell) -> Result<(Points, Vec<Trial>), Failure> {
        let measured: Vec<Trial> =
            read(cell)?.into_iter().filter(|p| p.capacity.is_some()).collect();
        let mut kept = Points::create(cell)?;
        measured.iter().try_for_each(|point| kept.add(point))?;
        Ok((kept, measured))
    }

    pub fn add(&mut self, point: &Trial) -> Result<(), Failure> {
        let mut line = serde_json::to_vec(point)?;
        line.push(b'\n');
        Ok(self.0.write_all(&line)?)
    }
}

/// The points of a cell's grid that are kept; none where it was not measured.
pub fn read(cell: &Cell) -> Result<Vec<Trial>, Failure> {
    let text = match fs::read_to_string(path(cell)) {
        Err(error) if error.kind() == ErrorKind::NotFound => String::new(),
        read => read?,
    };
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    Ok(whole.lines().map(serde_json::from_str).collect::<Result<_, _>>()?)
}

fn path(cell: &Cell) -> PathBuf {
    folder(cell).join("grid.jsonl")
}
