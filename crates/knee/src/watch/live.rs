//! A screen that is drawn again in place on a terminal, and lines one below the other elsewhere.

use crate::failure::Failure;
use crate::out;
use console::Term;

/// Where samples are shown.
pub struct Screen {
    term: Option<Term>,
    drawn: usize,
}

impl Screen {
    /// Draws in place where it is asked for and standard output is a terminal.
    pub fn new(in_place: bool) -> Screen {
        let term = (in_place && out::width().is_some()).then(Term::stdout);
        Screen { term, drawn: 0 }
    }

    /// Shows these lines, in place of those before. What is higher than the terminal is cut.
    pub fn show(&mut self, lines: &[String]) -> Result<(), Failure> {
        let Some(term) = &self.term else {
            return out::data(&(lines.join("\n") + "\n"));
        };
        let most = usize::from(term.size().0).saturating_sub(1).max(1);
        let shown = &lines[..lines.len().min(most)];
        term.clear_last_lines(self.drawn)?;
        self.drawn = shown.len();
        out::data(&(shown.join("\n") + "\n"))
    }
}
