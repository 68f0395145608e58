//! The settings of a program that was reached: from its words, its variables and its files, the
//! strongest first.

mod celery;
mod nginx;
mod octane;
mod php;
mod python;
mod queue;
mod version;

pub(crate) use version::said as version_said;

use crate::picture::files::{FileId, Files, Place};
use crate::picture::follow::Reached;
use crate::picture::found::{Datum, Found};
use crate::picture::image::Built;
use crate::picture::knowledge::{self, Setting};
use crate::picture::program::{Program, Runtime};
use crate::picture::values::{Kind, Notation, Raw, strongest, typed};
use knee_files::formats::tree::Node;
use knee_files::formats::word::{Inner, Word};
use knee_files::formats::{self, argv, shell};
use std::collections::{BTreeMap, HashMap, HashSet};

type Settings = BTreeMap<String, Found<Datum>>;

/// What settings are read with.
pub(super) struct Reader<'a> {
    files: &'a Files,
    index: &'a HashMap<String, FileId>,
    built: Option<&'a Built>,
    /// The folder that a program without an image is started in.
    folder: String,
    pub used: HashSet<FileId>,
}

impl<'a> Reader<'a> {
    /// Before anything is read.
    pub fn new(
        files: &'a Files,
        index: &'a HashMap<String, FileId>,
        built: Option<&'a Built>,
    ) -> Reader<'a> {
        Reader { files, index, built, folder: String::new(), used: HashSet::new() }
    }

    /// For programs that are started in a folder of the repository.
    pub fn beside(self, folder: String) -> Reader<'a> {
        Reader { folder, ..self }
    }

    /// The folder of the sources.
    fn context(&self) -> &str {
        self.built.map_or(&self.folder, |built| &built.image.context)
    }

    /// The program with its settings.
    pub fn program(&mut self, mut reached: Reached) -> Program {
        let words = reached.words.clone();
        let texts: Vec<String> = words.iter().map(|word| word.text.clone()).collect();
        let range = words.first().map_or(0..0, |first| {
            first.range.start
                ..words.last().map_or(first.range.end, |l| l.range.end.max(first.range.end))
        });
        let place = Place::new(reached.file, range);
        let mut settings = std::mem::take(&mut reached.given);
        match reached.runtime {
            Runtime::PhpFpm => self.php_fpm(&texts, &mut reached.context, &mut settings),
            Runtime::Nginx => self.nginx(&texts, &mut settings),
            Runtime::Gunicorn => {
                self.python(&texts, &reached.context.clone(), &mut reached.context)
            }
            Runtime::Octane => self.octane(&texts, &words, reached.file, &mut settings),
            Runtime::Celery => self.celery(&texts, &reached.context, &mut settings),
            Runtime::Uwsgi => self.uwsgi(&texts, &mut settings),
            Runtime::Worker => {
                self.queue(&texts, &words, reached.file, &reached.context, &mut settings)
            }
            _ => {}
        }
        if matches!(
            reached.runtime,
            Runtime::PhpFpm | Runtime::Octane | Runtime::Apache | Runtime::Worker
        ) && (reached.runtime == Runtime::PhpFpm || self.is_php(&texts))
        {
            self.php_ini(&reached.context, &mut settings);
        }
        for setting in knowledge::settings(reached.runtime) {
            if let Some(found) = self.setting(setting, &reached, &words) {
                // What stands in a file of the runtime's own is weaker, the command's own verb not.
                let other = settings.remove(setting.name);
                let verb = other
                    .as_ref()
                    .and_then(Found::place)
                    .is_some_and(|at| at.file == place.file && place.span.contains(&at.span.start));
                let both = if verb { [other, Some(found)] } else { [Some(found), other] };
                let found = strongest(both.into_iter().flatten().collect());
                settings.extend(found.map(|found| (setting.name.into(), found)));
            }
        }
        let version = self.built.and_then(|built| version::version(built, reached.runtime, &texts));
        Program {
            runtime: reached.runtime,
            version,
            command: Found::at(texts, place),
            settings,
            chain: reached.chain,
            front: false,
            folder: None,
            sources: Vec::new(),
        }
    }

    fn is_php(&self, texts: &[String]) -> bool {
        let base = self.built.and_then(|b| b.image.base.as_ref()).and_then(Found::get);
        texts.iter().any(|word| word.contains("php") || word.contains("artisan"))
            || base.is_some_and(|b| b.contains("php"))
    }

    fn setting(
        &self,
        setting: &Setting,
        reached: &Reached,
        words: &[Word],
    ) -> Option<Found<Datum>> {
        let context = &reached.context;
        let mut found = Vec::new();
        let texts: Vec<&str> = words.iter().map(|word| word.text.as_str()).collect();
        for flag in setting.flags {
            if setting.kind == Kind::Switch {
                if let Some(at) = texts.iter().position(|word| word == flag) {
                    found.push(Found::at(
                        Datum::Switch(true),
                        Place::new(reached.file, words[at].range.clone()),
                    ));
                }
                continue;
            }
            let (long, short) =
                if flag.starts_with("--") { (*flag, None) } else { ("\u{0}", Some(*flag)) };
            if let Some(value) = argv::find(&texts, long, short) {
                let word = &words[value.index];
                let notation = if word.dynamic { Notation::Shell } else { Notation::Plain };
                let place = Place::new(reached.file, word.range.clone());
                found.push(context.read(setting.kind, &Raw { text: value.value, notation, place }));
            }
        }
        if let Some(name) = knowledge::option_variable(reached.runtime)
            && let Some(entry) = context.env.get(name)
            && let (Some(text), Some(place)) = (entry.get(), entry.place())
        {
            let options: Vec<&str> = text.split_whitespace().collect();
            for flag in setting.flags {
                let (long, short) =
                    if flag.starts_with("--") { (*flag, None) } else { ("\u{0}", Some(*flag)) };
                if let Some(value) = argv::find(&options, long, short) {
                    found.push(typed(setting.kind, &value.value, place.clone()));
                }
            }
        }
        let mut variables = Vec::new();
        for name in setting.env {
            let raw = Raw {
                text: format!("${{{name}}}"),
                notation: Notation::Shell,
                place: Place::new(reached.file, 0..0),
            };
            if context.variable(name).is_some() {
                variables.push(context.read(setting.kind, &raw));
            }
        }
        let mut configured = Vec::new();
        if let Some((file, text)) = &context.python
            && !setting.key.is_empty()
            && let Some(entry) = formats::python::find(text, setting.key)
        {
            let place = Place::new(*file, entry.word.range.clone());
            let raw = Raw { text: entry.word.text, notation: Notation::Python, place };
            configured.push(context.read(setting.kind, &raw));
        }
        // gunicorn's variables are its defaults: its file wins over them.
        if reached.runtime == Runtime::Gunicorn {
            found.extend(configured);
            found.extend(variables);
        } else {
            found.extend(variables);
            found.extend(configured);
        }
        let mut strongest = strongest(found)?;
        if setting.name == "node.max_old_space_size"
            && let crate::picture::found::Known::Is(Datum::Number(n)) = &mut strongest.value
        {
            *n *= 1024.0 * 1024.0;
        }
        Some(strongest)
    }
}

/// A scalar of a tree as a value.
pub(super) fn of_node(kind: Kind, node: &Node) -> Found<Datum> {
    let place = Place::new(FileId(node.span.file), node.span.range.clone());
    let found = match (node.unknown_because(), node.text()) {
        (None, Some(text)) => typed(kind, &text, place),
        (Some(because), _) => Found::unknown(because, place),
        (None, None) => Found::unknown("is no single value", place),
    };
    Found { unless: node.unless.clone(), ..found }
}

/// A later value wins over an earlier one.
fn put(settings: &mut Settings, name: &str, found: Found<Datum>) {
    let earlier = settings.remove(name);
    let found = strongest([Some(found), earlier].into_iter().flatten().collect());
    settings.extend(found.map(|found| (name.to_string(), found)));
}

fn notation(value: &str) -> Notation {
    if value.contains("${") { Notation::Shell } else { Notation::Plain }
}

/// The words of a text for the shell, for a command that is given as one.
pub(super) fn split(inner: &Inner) -> Vec<Word> {
    shell::statements(inner).into_iter().next().map(|statement| statement.words).unwrap_or_default()
}
