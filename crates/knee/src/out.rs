//! Standard output is data, standard error is talk. Colours go away where nobody sees them
//! (NO_COLOR, pipes, files).

use crate::failure::Failure;
use console::Term;
use std::io::Write;

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

/// Columns of the terminal that standard output is; None where it is none that can be drawn on.
pub fn width() -> Option<usize> {
    size(&Term::stdout()).map(|(columns, _)| columns)
}

/// The same of standard error.
pub fn talk_width() -> Option<usize> {
    size(&Term::stderr()).map(|(columns, _)| columns)
}

/// Columns and rows of a terminal as it is now, likewise.
pub fn size(term: &Term) -> Option<(usize, usize)> {
    let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
    let (rows, columns) = term.size();
    (term.is_term() && !dumb).then_some((columns.into(), rows.into()))
}
