//! A finding: what is wrong, both ends of the proof, the number, the remedy.

use crate::picture::Place;
use serde::Serialize;
use std::fmt;

/// How bad it is where it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Costs something, or will one day.
    Low,
    /// Loses requests or capacity under load.
    Medium,
    /// Loses requests or the service in ordinary operation.
    High,
}

/// How sure it is that it is true.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Depends on something that the files do not say.
    Low,
    /// Rests on a default or on what code of this kind usually does.
    Medium,
    /// Both ends of the proof stand in the files, or in a program's documentation.
    High,
}

/// Who wants to hear of it: the tolerance for false alarms.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Persona {
    /// Everyone.
    #[default]
    Regular,
    /// Who wants to hear of what may be deliberate, too.
    Pedantic,
    /// Who looks for what could be wrong, and checks it.
    Auditor,
}

/// A place with what is to be seen there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The place.
    pub place: Place,
    /// A fragment without a full stop.
    pub text: String,
}

/// Whether a fix may be made without a look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Safety {
    /// Changes nothing but what the finding is about.
    Safe,
    /// Needs a decision, or has consequences elsewhere.
    Unsafe,
}

/// What a range of a file is replaced by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The range; empty to insert.
    pub place: Place,
    /// What stands there afterwards.
    pub replacement: String,
    /// Whether it may be made without a look.
    pub safety: Safety,
}

/// Something that a rule found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Name of the rule.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Who wants to hear of it.
    pub persona: Persona,
    /// The service that it is about.
    pub service: String,
    /// One sentence without a full stop, with the number.
    pub message: String,
    /// Where it is to be changed.
    pub primary: Label,
    /// The other ends of the proof.
    pub further: Vec<Label>,
    /// What to do.
    pub remedy: String,
    /// The fix, where one can be written; made all or none.
    pub edits: Vec<Edit>,
}

impl Finding {
    /// A finding of medium severity and high confidence, for everyone, without further places.
    pub fn new(
        rule: &'static str,
        service: &str,
        place: &Place,
        message: impl Into<String>,
    ) -> Finding {
        Finding {
            rule,
            severity: Severity::Medium,
            confidence: Confidence::High,
            persona: Persona::Regular,
            service: service.into(),
            message: message.into(),
            primary: Label { place: place.clone(), text: String::new() },
            further: Vec::new(),
            remedy: String::new(),
            edits: Vec::new(),
        }
    }

    /// How bad it is.
    pub fn severity(mut self, severity: Severity) -> Finding {
        self.severity = severity;
        self
    }

    /// How sure it is.
    pub fn confidence(mut self, confidence: Confidence) -> Finding {
        self.confidence = confidence;
        self
    }

    /// Who wants to hear of it.
    pub fn persona(mut self, persona: Persona) -> Finding {
        self.persona = persona;
        self
    }

    /// What is to be seen at the primary place.
    pub fn label(mut self, text: impl Into<String>) -> Finding {
        self.primary.text = text.into();
        self
    }

    /// Another end of the proof.
    pub fn beside(mut self, place: Option<&Place>, text: impl Into<String>) -> Finding {
        if let Some(place) = place {
            self.further.push(Label { place: place.clone(), text: text.into() });
        }
        self
    }

    /// What to do.
    pub fn remedy(mut self, text: impl Into<String>) -> Finding {
        self.remedy = text.into();
        self
    }

    /// A fix: one range replaced.
    pub fn fix(mut self, place: &Place, replacement: impl Into<String>, safety: Safety) -> Finding {
        self.edits.push(Edit { place: place.clone(), replacement: replacement.into(), safety });
        self
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
        })
    }
}

impl fmt::Display for Confidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        })
    }
}
