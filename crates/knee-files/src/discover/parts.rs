//! The programs of a container with their knobs, as knee.toml lets them move.

use super::knobs::Reader;
use super::source::{self, Said};
use crate::config::{Config, KnobRule, Mistakes, Stated};
use crate::error::FilesError;
use crate::formats::FormatError;
use crate::sources::{Source, Sources};
use crate::text::Position;
use knee_core::event::Fact;
use knee_core::runtimes::Runtime;
use knee_core::service::{Part, PlacedKnob};
use knee_core::settings::{Knob, Range, Site, Value};
use knee_core::sourced::{Origin, Sourced};

/// The part that a program is, with the knobs that act, and what there is to tell of those that
/// do not.
pub(super) fn part(
    reader: &Reader<'_>,
    runtime: &'static Runtime,
    sources: &Sources,
) -> Result<(Part, Vec<Fact>), FilesError> {
    let known = (runtime.knobs)();
    let (mut knobs, mut facts) = (Vec::new(), Vec::new());
    for knob in &known {
        if !acts(reader, knob)? {
            continue;
        }
        if !runtime.asked.contains(&&*knob.name) {
            knobs.push(reader.read(knob.clone(), &known)?);
            continue;
        }
        let said = source::says(&sources.root, &knob.name, reader.around.visible_cpus);
        let ruled = rules(sources).any(|(name, _)| *name == knob.name);
        let (placed, fact) = asked(reader.read(knob.clone(), &known)?, said, ruled);
        knobs.extend(placed);
        facts.extend(fact);
    }
    Ok((Part { runtime: runtime.id, recognised: reader.recognised(), knobs }, facts))
}

/// A knob that is a variable which only the program itself may read, as its source says; `ruled`
/// where knee.toml speaks of it.
fn asked(mut placed: PlacedKnob, said: Said, ruled: bool) -> (Option<PlacedKnob>, Option<Fact>) {
    let name = placed.knob.name.clone();
    let unset = matches!(placed.current.origin, Origin::Default { .. });
    match said {
        Said::Read(Some(today)) if unset => placed.current = today.map(Value::Int),
        Said::Nothing if !ruled => return (None, None),
        Said::Forks(today) if !ruled => {
            let told = format!(
                "{name}: nothing reads it; the program forks a process for each of the {} CPUs that \
                 it sees here, whatever the task has",
                today.value
            );
            let fact =
                Fact { what: "not tuned".into(), value: Sourced::new(told, today.origin.clone()) };
            placed.current = today.map(Value::Int);
            placed.knob.range = only(&placed.current.value);
            return (Some(placed), Some(fact));
        }
        _ if unset => {
            let because = format!("nothing sets {name}, which the program reads itself");
            placed.current.origin = Origin::Assumed { because };
        }
        _ => {}
    }
    (Some(placed), None)
}

/// Whether turning a knob can do anything here, as far as the program's configuration tells.
fn acts(reader: &Reader<'_>, knob: &Knob) -> Result<bool, FilesError> {
    let upstream = knob
        .sites
        .iter()
        .any(|site| matches!(site, Site::Directive { context, .. } if context == "upstream"));
    // Where an application of pm2 has no number of processes it runs without a cluster, and a
    // number would change how.
    let property = knob.sites.iter().any(|site| matches!(site, Site::Property { .. }));
    Ok((!upstream || reader.program.has_upstream()?) && (!property || reader.stands(knob)?))
}

fn rules(sources: &Sources) -> impl Iterator<Item = (&String, &Stated<KnobRule>)> {
    let config: Option<&Source<Config>> = sources.config.as_ref();
    config.into_iter().flat_map(|c| &c.parsed.knobs).map(|(name, rule)| (name, rule))
}

/// The knobs of a user's own, as knee.toml adds them.
pub(super) fn own(reader: &Reader<'_>, sources: &Sources) -> Result<Vec<PlacedKnob>, FilesError> {
    let mut knobs: Vec<PlacedKnob> = Vec::new();
    for (_, rule) in rules(sources) {
        let KnobRule::Own(own) = &rule.value else { continue };
        let siblings: Vec<Knob> = knobs.iter().map(|placed| placed.knob.clone()).collect();
        let mut placed = reader.read(own.knob.clone(), &siblings)?;
        let nowhere =
            matches!(placed.current.origin, Origin::Assumed { .. } | Origin::Default { .. });
        if let Some(default) = own.default.clone().filter(|_| nowhere) {
            placed.current =
                Stated { value: default, line: rule.line }.sourced(crate::sources::CONFIG);
        }
        knobs.push(placed);
    }
    Ok(knobs)
}

/// Lets the knobs move as knee.toml says. Without a word there a range takes in today's value, and
/// what only a file that is not the user's own could say stays as it is.
pub(super) fn govern(mut knobs: Vec<&mut PlacedKnob>, sources: &Sources) -> Result<(), FilesError> {
    for placed in &mut knobs {
        let current = &placed.current.value;
        match &mut placed.knob.range {
            Range::Integers { min, max } => {
                if let Value::Int(today) = current {
                    (*min, *max) = ((*min).min(*today), (*max).max(*today));
                }
            }
            Range::Choices(choices) => {
                if let Value::Text(today) = current
                    && !choices.iter().any(|choice| choice == today)
                {
                    choices.push(today.clone().into());
                }
            }
        }
    }
    for placed in &mut knobs {
        if placed.place.seen_at.is_some() && placed.place.file.is_none() {
            placed.knob.range = only(&placed.current.value);
        }
    }
    let governed = Mistakes::none(rules(sources).map(|(name, rule)| {
        let placed = knobs.iter_mut().find(|placed| placed.knob.name == name.as_str());
        let Some(placed) = placed else {
            let known: Vec<&str> = knobs.iter().map(|k| &*k.knob.name).collect();
            return Err(no_such(name, rule.line, &known).into());
        };
        match &rule.value {
            KnobRule::Within(range) => placed.knob.range = range.clone(),
            KnobRule::Fixed(value) => placed.knob.range = only(value),
            KnobRule::Kept => placed.knob.range = only(&placed.current.value),
            KnobRule::Own(_) => {}
        }
        Ok(())
    }));
    let path = crate::sources::CONFIG.into();
    governed.map_err(|mistakes| FilesError::Config { path, mistakes })
}

fn only(value: &Value) -> Range {
    match value {
        Value::Int(n) => Range::Integers { min: *n, max: *n },
        Value::Text(text) => Range::Choices(vec![text.clone().into()]),
    }
}

fn no_such(name: &str, line: u32, known: &[&str]) -> FormatError {
    let known = if known.is_empty() { "none".into() } else { known.join(", ") };
    let problem = format!("`knobs.{name}` is no knob of this service; it has {known}");
    FormatError { at: Position { line, column: 1 }, problem }
}
