//! Files in, findings out: reads what is deployed, joins it into one picture of each service, and
//! reports what matters there.
//!
//! What lives here: the [`picture`], the rules over it, suppression and fixes. What never does: the
//! network, a clock, rendering.
//!
//! Configuration is read in `picture/`, gunicorn's and Celery's Python included. What only the
//! application's own code says (a server's time-outs, a handler of SIGTERM) is read in `source/`. What is
//! only told, and judged by no rule, is read in `told/`.

pub mod finding;
pub mod fix;
mod page;
pub mod picture;
mod rules;
mod source;
pub mod suppress;
mod told;

pub use finding::{Confidence, Finding, Persona, Severity};
pub use page::{Example, Page};
pub use rules::{Rule, rule, rules};
pub use source::Code;

use picture::{Fact, Picture, Purpose, Service};
use std::path::Path;

/// What rules look at.
#[derive(Debug, Default)]
pub struct Subject {
    /// What the configuration says.
    pub picture: Picture,
    /// What the code says.
    pub code: Code,
}

impl Subject {
    /// Reads a folder or a file.
    ///
    /// # Errors
    /// When the root cannot be read; a file below it that cannot be is a note of the picture.
    pub fn read(root: &Path) -> std::io::Result<Subject> {
        let picture = Picture::read(root)?;
        let code = Code::read(&picture);
        Ok(Subject { picture, code })
    }

    /// Every value that was discovered, by service: what the configuration says, what the code does, what
    /// stands in files beside them.
    pub fn facts(&self) -> Vec<Fact> {
        let mut facts = self.picture.facts();
        facts.extend(self.code.facts(&self.picture));
        told::add(&self.picture, &mut facts);
        facts
    }

    /// The services that rules judge.
    pub fn production(&self) -> impl Iterator<Item = &Service> {
        self.picture.services.iter().filter(|service| service.purpose == Purpose::Production)
    }

    /// What all rules find, without what is found twice, by file and place. What is not for this
    /// persona is left out.
    pub fn findings(&self, persona: Persona) -> Vec<Finding> {
        let mut found: Vec<Finding> = rules().iter().flat_map(|rule| (rule.check)(self)).collect();
        found.retain(|finding| finding.persona <= persona);
        found.sort_by(|a, b| key(a).cmp(&key(b)));
        found.dedup_by(|a, b| key(a) == key(b));
        found
    }
}

fn key(finding: &Finding) -> (usize, usize, &str) {
    let place = &finding.primary.place;
    (place.file.0, place.span.start, finding.rule)
}

/// All that is read of a Dockerfile and the sources beside it, for `make fuzz`.
#[cfg(fuzzing)]
pub mod fuzz {
    use crate::picture::{File, Files, Picture};
    use crate::{Code, Persona, Subject};

    /// A text as the Dockerfile, and as a source in each language.
    pub fn image(text: &str) {
        let paths = ["Dockerfile", "app.py", "main.go", "index.php", "server.js"];
        let all = paths.map(String::from).to_vec();
        let read = all.iter().map(|path| File { path: path.clone(), text: text.into() }).collect();
        let picture = Picture::of(Files { read, all, ..Files::default() }, Vec::new());
        let code = Code::read(&picture);
        let subject = Subject { picture, code };
        for finding in subject.findings(Persona::Auditor) {
            subject.picture.files.position(&finding.primary.place);
        }
        subject.facts();
    }
}
