//! The programs of a container with their knobs, as knee.toml lets them move.

use super::knobs::Reader;
use crate::config::{Config, KnobRule, Mistakes, Stated};
use crate::error::FilesError;
use crate::formats::FormatError;
use crate::sources::{Source, Sources};
use crate::text::Position;
use knee_core::runtimes::Runtime;
use knee_core::service::{Part, PlacedKnob};
use knee_core::settings::{Knob, Range, Site, Value};
use knee_core::sourced::Origin;
use std::path::Path;

/// Files that are searched for a variable's name, and folders that are not the user's own.
const SOURCES: [&str; 6] = ["js", "mjs", "cjs", "ts", "mts", "json"];
const FOREIGN: [&str; 4] = ["node_modules", ".git", "vendor", ".knee"];
/// More files are not searched: a knob that might do nothing is then offered.
const MOST: usize = 5000;

/// The part that a program is, with the knobs that act.
pub(super) fn part(
    reader: &Reader<'_>,
    runtime: &'static Runtime,
    sources: &Sources,
) -> Result<Part, FilesError> {
    let known = (runtime.knobs)();
    let mut knobs = Vec::new();
    for knob in &known {
        if !acts(reader, runtime, knob, sources)? {
            continue;
        }
        let mut placed = reader.read(knob.clone(), &known)?;
        if runtime.asked.contains(&&*knob.name)
            && let Origin::Default { .. } = placed.current.origin
        {
            let because = format!("nothing sets {}, which the program reads itself", knob.name);
            placed.current.origin = Origin::Assumed { because };
        }
        knobs.push(placed);
    }
    Ok(Part { runtime: runtime.id, recognised: reader.recognised(), knobs })
}

/// Whether turning a knob can do anything here.
fn acts(
    reader: &Reader<'_>,
    runtime: &Runtime,
    knob: &Knob,
    sources: &Sources,
) -> Result<bool, FilesError> {
    let ruled = rules(sources).any(|(name, _)| *name == knob.name);
    if runtime.asked.contains(&&*knob.name) && !ruled {
        return Ok(mentions(&sources.root, &knob.name));
    }
    let upstream = knob
        .sites
        .iter()
        .any(|site| matches!(site, Site::Directive { context, .. } if context == "upstream"));
    Ok(!upstream || reader.program.has_upstream()?)
}

/// Whether a source file of the user's own names a variable.
fn mentions(root: &Path, name: &str) -> bool {
    let mut todo = vec![root.to_path_buf()];
    let mut searched = 0;
    while let Some(folder) = todo.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let (path, kind) = (entry.path(), entry.file_type());
            let file_name = entry.file_name();
            let file_name = file_name.to_string_lossy();
            if kind.as_ref().is_ok_and(|kind| kind.is_dir()) {
                if !FOREIGN.contains(&&*file_name) {
                    todo.push(path);
                }
                continue;
            }
            let extension = path.extension().map(|e| e.to_string_lossy().into_owned());
            if !extension.is_some_and(|e| SOURCES.contains(&&*e)) {
                continue;
            }
            searched += 1;
            let text = crate::view::read_text(&path, &path).ok().flatten();
            if searched > MOST || text.is_some_and(|text| text.contains(name)) {
                return true;
            }
        }
    }
    false
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
