//! Standard output is data, standard error is talk. Colours go away where nobody sees them
//! (NO_COLOR, pipes, files).

use crate::failure::Failure;
use std::io::{IsTerminal, Write};

/// Writes data. Fails with [`Failure::Closed`] when nobody reads any more.
pub fn data(text: &str) -> Result<(), Failure> {
    let mut out = anstream::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Says something to the person. That nobody listens is no reason to stop.
pub fn talk(text: &str) {
    let _ = anstream::stderr().write_all(text.as_bytes());
}

/// Columns of the terminal that standard output is; None where it is none.
pub fn width() -> Option<usize> {
    let columns = || usize::from(console::Term::stdout().size().1);
    std::io::stdout().is_terminal().then(columns)
}
