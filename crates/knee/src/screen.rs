//! A run as it happens, where the person looks: data on standard output, or all of it as talk
//! on standard error when standard output is to hold a document.

use crate::failure::Failure;
use crate::out;
use crate::render::plain::Plain;
use crate::render::progress::Progress;
use crate::render::terminal::Terminal;
use console::Term;
use knee_core::event::Event;

/// Where a run is shown.
#[derive(Debug)]
pub struct Screen {
    how: How,
    to: To,
    progress: Progress,
}

#[derive(Debug)]
enum How {
    Terminal(Terminal),
    Plain(Plain),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum To {
    Data,
    Talk,
}

impl To {
    fn term(self) -> Term {
        match self {
            To::Data => Term::stdout(),
            To::Talk => Term::stderr(),
        }
    }
}

impl Screen {
    /// For a run that `doing` says in a few words; `document` keeps standard output free.
    pub fn new(document: bool, doing: &str) -> Screen {
        let to = if document { To::Talk } else { To::Data };
        let how = match out::size(&to.term()) {
            Some((width, _)) => How::Terminal(Terminal::new(width)),
            None => How::Plain(Plain::default()),
        };
        Screen { how, to, progress: Progress::begin(doing) }
    }

    /// Shows what happened before an interruption.
    pub fn replay(&mut self, events: &[Event]) -> Result<(), Failure> {
        events.iter().for_each(|event| self.progress.note(event));
        let text = match &mut self.how {
            How::Terminal(terminal) => terminal.replay(events),
            How::Plain(plain) => plain.replay(events),
        };
        self.write(0, &text)
    }

    /// Shows what happens.
    pub fn on(&mut self, event: &Event) -> Result<(), Failure> {
        self.progress.on(event);
        let (erase, text) = match &mut self.how {
            How::Terminal(terminal) => {
                if let Some((width, height)) = out::size(&self.to.term()) {
                    terminal.resize(width, height);
                }
                let update = terminal.on(event);
                (update.erase, update.text)
            }
            How::Plain(plain) => (0, plain.on(event)),
        };
        self.write(erase, &text)
    }

    fn write(&self, erase: usize, text: &str) -> Result<(), Failure> {
        if text.is_empty() {
            return Ok(());
        }
        self.progress.aside(|| match self.to {
            To::Data => {
                self.to.term().clear_last_lines(erase)?;
                out::data(text)
            }
            To::Talk => {
                // That nobody sees it is no reason to stop.
                let _ = self.to.term().clear_last_lines(erase);
                out::talk(text);
                Ok(())
            }
        })
    }
}
