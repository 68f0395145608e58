//! Python programs that start their server themselves: `uvicorn.run(app, workers=2)` in a script
//! or module, or the server for development that Flask and Dash bring.
//!
//! Sources: <https://www.uvicorn.org/deployment/#running-programmatically>,
//! <https://flask.palletsprojects.com/en/stable/api/#flask.Flask.run>.

use super::{Follower, Reached};
use crate::picture::files::{FileId, Place};
use crate::picture::found::{Datum, Found};
use crate::picture::program::{Chain, Link, Runtime};
use crate::picture::values::{Context, Kind, typed};
use crate::source::tree::{children, each, field, parse, place};
use knee_files::formats::word::{Coat, Dress, Word};
use std::collections::BTreeMap;

/// The setting that names the call which starts a server for development.
const DEVELOPMENT: &str = "python.development_server";

/// Arguments of `uvicorn.run` that are settings.
const ARGUMENTS: [(&str, Kind); 7] = [
    ("workers", Kind::Number),
    ("timeout_keep_alive", Kind::Seconds),
    ("timeout_graceful_shutdown", Kind::Seconds),
    ("limit_concurrency", Kind::Number),
    ("limit_max_requests", Kind::Number),
    ("backlog", Kind::Number),
    ("reload", Kind::Switch),
];

impl Follower<'_> {
    /// Takes a script or module that starts uvicorn for the program; false where it does not.
    pub(super) fn starts_uvicorn(
        &mut self,
        argv: &[String],
        context: &Context,
        links: &[Link],
    ) -> bool {
        let Some(id) = self.python_file(argv) else { return false };
        let Some((at, given)) = served(id, &self.files.get(id).text) else { return false };
        self.used.insert(id);
        let dress = Dress::Item(Coat::Verbatim);
        let word = Word { text: "uvicorn".into(), range: at.span, dynamic: false, dress };
        self.found.push(Reached {
            runtime: Runtime::Uvicorn,
            file: id,
            words: vec![word],
            context: context.clone(),
            chain: Chain { links: links.to_vec(), ..Chain::default() },
            given,
        });
        true
    }

    /// The setting that a script or module has which starts a server for development.
    pub(super) fn develops(&self, argv: &[String]) -> BTreeMap<String, Found<Datum>> {
        let id = self.python_file(argv);
        let own = id.and_then(|id| development(id, &self.files.get(id).text));
        own.map(|found| (DEVELOPMENT.to_string(), found)).into_iter().collect()
    }

    /// The file of `python main.py`, or of a module whose `python -m` was stepped over.
    fn python_file(&self, argv: &[String]) -> Option<FileId> {
        let first = argv.first()?;
        if first.rsplit('/').next()?.starts_with("python") {
            let script = argv.get(1).filter(|word| word.ends_with(".py"))?;
            return self.file(script);
        }
        let named = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let path = first.chars().all(named).then(|| first.replace('.', "/"))?;
        self.file(&format!("{path}.py")).or_else(|| self.file(&format!("{path}/__main__.py")))
    }
}

/// Where a script starts the server for development of the application that it makes itself:
/// `app = Flask(__name__)` and `app.run()`.
fn development(id: FileId, source: &str) -> Option<Found<Datum>> {
    if !source.contains("Flask(") && !source.contains("Dash(") {
        return None;
    }
    let tree = parse(tree_sitter_python::LANGUAGE.into(), source)?;
    let (mut apps, mut runs) = (Vec::new(), Vec::new());
    each(tree.root_node(), |node| match node.kind() {
        "assignment" => {
            let made = node.child_by_field_name("right").filter(|right| right.kind() == "call");
            let maker = made.map_or("", |call| field(call, "function", source));
            if matches!(maker.rsplit('.').next(), Some("Flask" | "Dash")) {
                apps.push(field(node, "left", source));
            }
        }
        "call" => {
            let called = field(node, "function", source);
            if let Some((app, "run" | "run_server")) = called.rsplit_once('.') {
                runs.push((app, called, place(id, node)));
            }
        }
        _ => {}
    });
    let (_, called, at) = runs.into_iter().find(|(app, _, _)| apps.contains(app))?;
    Some(Found::at(Datum::Text(called.into()), at))
}

/// Where a file calls `uvicorn.run`, and the settings that it gives.
fn served(id: FileId, source: &str) -> Option<(Place, BTreeMap<String, Found<Datum>>)> {
    if !source.contains("uvicorn.run(") {
        return None;
    }
    let tree = parse(tree_sitter_python::LANGUAGE.into(), source)?;
    let mut found = None;
    each(tree.root_node(), |node| {
        if node.kind() != "call" || field(node, "function", source) != "uvicorn.run" {
            return;
        }
        let arguments = node.child_by_field_name("arguments").map(children).unwrap_or_default();
        let settings = arguments.into_iter().filter_map(|argument| {
            let name = field(argument, "name", source);
            let (_, kind) = ARGUMENTS.iter().find(|(known, _)| *known == name)?;
            let value = argument.child_by_field_name("value")?;
            let text = field(argument, "value", source);
            Some((format!("uvicorn.{name}"), typed(*kind, text, place(id, value))))
        });
        let name = node.child_by_field_name("function").map(|function| place(id, function));
        found = found.take().or(name.map(|at| (at, settings.collect())));
    });
    found
}
