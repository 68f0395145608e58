//! Celery's settings: what the module of its application and the modules that it names assign. They
//! are read with a real parser; nothing is run.
//!
//! Source: <https://docs.celeryq.dev/en/stable/userguide/configuration.html>.

use super::{Reader, Settings, put};
use crate::picture::files::{FileId, Place};
use crate::picture::found::{Datum, Found, Known};
use crate::picture::knowledge;
use crate::picture::program::Runtime;
use crate::picture::values::{Context, Kind, Notation, Raw};
use crate::source::tree::{around, children, each, field, parse, text};
use knee_files::formats::argv;
use tree_sitter::Node;

/// Modules that import each other's settings are followed no further than this.
const MOST_FILES: usize = 8;

/// Names before Celery 4 that the new ones do not follow from:
/// <https://docs.celeryq.dev/en/stable/userguide/configuration.html#new-lowercase-settings>.
const OLD: [(&str, &str); 9] = [
    ("celery_acks_late", "task_acks_late"),
    ("celery_reject_on_worker_lost", "task_reject_on_worker_lost"),
    ("celeryd_task_time_limit", "task_time_limit"),
    ("celeryd_task_soft_time_limit", "task_soft_time_limit"),
    ("celeryd_concurrency", "worker_concurrency"),
    ("celeryd_pool", "worker_pool"),
    ("celeryd_prefetch_multiplier", "worker_prefetch_multiplier"),
    ("celeryd_max_tasks_per_child", "worker_max_tasks_per_child"),
    ("celeryd_max_memory_per_child", "worker_max_memory_per_child"),
];

/// What a module says of an application's settings.
#[derive(Default)]
struct Module<'t> {
    /// Names as they are written, with their values, in order.
    assigned: Vec<(String, Node<'t>)>,
    /// Modules that hold settings: `celeryconfig`, `django.conf:settings`, `.base`.
    named: Vec<String>,
    /// What Django's settings module is called unless the environment says otherwise.
    django: Option<String>,
}

impl Reader<'_> {
    /// What the application's module and those that it names say.
    pub(super) fn celery(&mut self, texts: &[String], context: &Context, settings: &mut Settings) {
        let named = argv::find(texts, "--app", Some("-A")).map(|found| found.value);
        let Some(app) = named.or_else(|| context.variable("CELERY_APP")) else { return };
        let app = app.split(':').next().unwrap_or_default().to_string();
        let mut todo = self.module(&app);
        if todo.is_empty() {
            // The last part may be the application in the module, not a module.
            todo.extend(app.rsplit_once('.').map(|(up, _)| self.module(up)).unwrap_or_default());
        }
        let variables = context;
        if todo.is_empty() {
            // The application is somebody else's (Superset's, say), and takes a class of settings.
            let context = self.context();
            let below = |path: &str| context.is_empty() || path.starts_with(&format!("{context}/"));
            let holds = |text: &str| {
                text.contains("class CeleryConfig") || text.contains("class CelerySettings")
            };
            let mut found = self
                .files
                .iter()
                .filter(|(_, f)| f.path.ends_with(".py") && below(&f.path) && holds(&f.text));
            if let (Some((id, _)), None) = (found.next(), found.next()) {
                self.used.insert(id);
                self.celery_file(id, true, variables, settings);
            }
            return;
        }
        let mut seen = Vec::new();
        let application = todo.len();
        let mut django = context.variable("DJANGO_SETTINGS_MODULE");
        let mut at = 0;
        while at < todo.len() && seen.len() < MOST_FILES {
            let id = todo[at];
            at += 1;
            if seen.contains(&id) {
                continue;
            }
            seen.push(id);
            self.used.insert(id);
            let (named, own) = self.celery_file(id, at > application, context, settings);
            django = django.or(own);
            for name in named {
                let name = match &*name {
                    "django.conf:settings" => django.clone().unwrap_or_default(),
                    name => self.absolute_module(id, name),
                };
                let found = self.module(&name);
                todo.extend(found);
            }
        }
    }

    /// What one file assigns, put into `settings`; returns the modules that it names and Django's.
    pub fn celery_file(
        &self,
        id: FileId,
        is_configuration: bool,
        context: &Context,
        settings: &mut Settings,
    ) -> (Vec<String>, Option<String>) {
        let source = self.files.get(id).text.clone();
        let Some(tree) = parse(tree_sitter_python::LANGUAGE.into(), &source) else {
            return Default::default();
        };
        let module = read(tree.root_node(), &source, is_configuration);
        let context = Context { python: Some((id, source.clone())), ..context.clone() };
        for (name, value) in module.assigned {
            let place = Place::new(id, value.byte_range());
            let raw = Raw { text: text(value, &source).into(), notation: Notation::Python, place };
            let Some((name, kind)) = setting(&name) else { continue };
            match name {
                "broker" => {
                    if let Some(found) = scheme(context.read(Kind::Text, &raw)) {
                        put(settings, "celery.broker", found);
                    }
                }
                "broker_transport_options" => {
                    for (key, value) in pairs(value, &source) {
                        if key == "visibility_timeout" {
                            let place = Place::new(id, value.byte_range());
                            let text = text(value, &source).to_string();
                            let raw = Raw { text, notation: Notation::Python, place };
                            let found = context.read(Kind::Seconds, &raw);
                            put(settings, "celery.visibility_timeout", found);
                        }
                    }
                }
                name => put(settings, &format!("celery.{name}"), context.read(kind, &raw)),
            }
        }
        (module.named, module.django)
    }

    /// The files that a dotted name may be.
    fn module(&self, name: &str) -> Vec<FileId> {
        let path = name.trim_matches('.').replace('.', "/");
        if path.is_empty() {
            return Vec::new();
        }
        let tails = [".py", "/__init__.py", "/celery.py", "/celery_app.py"];
        tails.iter().filter_map(|tail| self.python_file(&format!("{path}{tail}"))).collect()
    }

    /// A file of Python by its path: in the image, else the nearest below the image's sources.
    fn python_file(&self, path: &str) -> Option<FileId> {
        if let Some(id) = self.built.and_then(|built| built.at(self.index, path)) {
            return Some(id);
        }
        let context = self.context();
        let below = |file: &str| context.is_empty() || file.starts_with(&format!("{context}/"));
        let ends = |file: &str| file == path || file.ends_with(&format!("/{path}"));
        let fits = self.files.iter().filter(|(_, file)| below(&file.path) && ends(&file.path));
        fits.min_by_key(|(_, file)| file.path.len()).map(|(id, _)| id)
    }

    /// A module's name without leading dots, which stand for the folder of the file that names it.
    fn absolute_module(&self, from: FileId, name: &str) -> String {
        if !name.starts_with('.') {
            return name.into();
        }
        let folder = self.files.get(from).path.rsplit_once('/').map_or("", |(folder, _)| folder);
        format!("{}.{}", folder.replace('/', "."), name.trim_start_matches('.'))
    }
}

fn read<'t>(root: Node<'t>, source: &str, is_configuration: bool) -> Module<'t> {
    let mut module = Module::default();
    each(root, |node| match node.kind() {
        "assignment" => {
            let (left, value) = (field(node, "left", source), node.child_by_field_name("right"));
            let of_application = left.split_once(".conf.").map(|(_, name)| name);
            let plain = (is_configuration && !left.contains(['.', '[', ','])).then_some(left);
            if let (Some(name), Some(value)) = (of_application.or(plain), value) {
                let inside = around(node).any(|n| n.kind() == "function_definition");
                if of_application.is_some() || !inside {
                    module.assigned.push((name.into(), value));
                }
            }
        }
        "import_from_statement" if is_configuration && text(node, source).ends_with('*') => {
            module.named.push(field(node, "module_name", source).into());
        }
        "call" => call(node, source, &mut module),
        _ => {}
    });
    module
}

fn call<'t>(node: Node<'t>, source: &str, module: &mut Module<'t>) {
    let name = field(node, "function", source);
    let arguments = node.child_by_field_name("arguments").map(children).unwrap_or_default();
    let keyword = |n: &Node<'t>| {
        (n.kind() == "keyword_argument")
            .then(|| Some((field(*n, "name", source).to_string(), n.child_by_field_name("value")?)))
            .flatten()
    };
    let first = arguments.first().map_or("", |n| text(*n, source)).trim_matches(['"', '\'']);
    if name.ends_with(".conf.update") {
        for argument in &arguments {
            module.assigned.extend(keyword(argument));
            module.assigned.extend(pairs(*argument, source));
        }
    } else if name == "Celery" || name.ends_with(".Celery") {
        let kept = |(name, _): &(String, Node<'t>)| name == "broker";
        module.assigned.extend(arguments.iter().filter_map(keyword).filter(kept));
    } else if name.ends_with(".config_from_object") {
        module.named.push(first.to_string());
    } else if name.ends_with("environ.setdefault") && first == "DJANGO_SETTINGS_MODULE" {
        let value = arguments.get(1).map(|n| text(*n, source).trim_matches(['"', '\'']));
        module.django = value.map(String::from);
    }
}

/// The entries of a dictionary that have a text for a key.
fn pairs<'t>(node: Node<'t>, source: &str) -> Vec<(String, Node<'t>)> {
    if node.kind() != "dictionary" {
        return Vec::new();
    }
    let pair = |n: Node<'t>| {
        let key = field(n, "key", source).trim_matches(['"', '\'']).to_string();
        (n.kind() == "pair").then(|| Some((key, n.child_by_field_name("value")?))).flatten()
    };
    children(node).into_iter().filter_map(pair).collect()
}

/// The setting that a name is: today's, Django's (`CELERY_TASK_ACKS_LATE`) or the one before 4.0.
fn setting(written: &str) -> Option<(&'static str, Kind)> {
    let lower = written.to_ascii_lowercase();
    let bare = lower.strip_prefix("celery_").unwrap_or(&lower);
    match bare {
        "broker" | "broker_url" => return Some(("broker", Kind::Text)),
        "broker_transport_options" => return Some(("broker_transport_options", Kind::Text)),
        _ => {}
    }
    let today = OLD.iter().find(|(old, _)| *old == lower).map_or(bare, |(_, today)| today);
    let known = knowledge::settings(Runtime::Celery).iter();
    known.into_iter().find(|s| s.key == today).map(|s| (s.key, s.kind))
}

/// What kind of broker an address is of. The address itself holds a password, and is not kept.
fn scheme(found: Found<Datum>) -> Option<Found<Datum>> {
    let Known::Is(Datum::Text(address)) = &found.value else { return None };
    let (scheme, _) = address.split_once("://")?;
    let value = Known::Is(Datum::Text(scheme.into()));
    Some(Found { value, overrode: Vec::new(), ..found })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::picture::files::{File, Files};
    use std::collections::HashMap;

    fn settings(text: &str, is_configuration: bool) -> Settings {
        let read = vec![File { path: "tasks.py".into(), text: text.into() }];
        let files = Files { read, ..Files::default() };
        let (index, mut settings) = (HashMap::new(), Settings::new());
        let reader = Reader::new(&files, &index, None);
        reader.celery_file(FileId(0), is_configuration, &Context::default(), &mut settings);
        settings
    }

    fn shown(settings: &Settings, name: &str) -> Option<String> {
        settings.get(&format!("celery.{name}"))?.get().map(ToString::to_string)
    }

    #[test]
    fn an_application_that_sets_itself_up() {
        let text = "from celery import Celery\napp = Celery('t', broker='redis://:secret@h/0')\napp.conf.task_acks_late = True\napp.conf.update(worker_prefetch_multiplier=1, task_time_limit=60 * 60,\n    broker_transport_options={'visibility_timeout': 7200})\napp.conf.update({'worker_pool': 'threads'})\nworker_concurrency = 9\n";
        let settings = settings(text, false);
        let of = |name| shown(&settings, name);
        assert_eq!(of("broker").as_deref(), Some("redis"), "and no password");
        assert_eq!(of("task_acks_late").as_deref(), Some("on"));
        assert_eq!(of("worker_prefetch_multiplier").as_deref(), Some("1"));
        assert_eq!(of("task_time_limit").as_deref(), Some("3600"));
        assert_eq!(of("visibility_timeout").as_deref(), Some("7200"));
        assert_eq!(of("worker_pool").as_deref(), Some("threads"));
        assert_eq!(of("worker_concurrency"), None, "a variable is no setting");
        assert!(!format!("{settings:?}").contains("secret"));
    }

    #[test]
    fn a_module_of_settings_by_todays_djangos_and_older_names() {
        let text = "CELERY_TASK_ACKS_LATE = True\nCELERYD_PREFETCH_MULTIPLIER = 1\nworker_concurrency = int(os.environ.get('N', 4))\nBROKER_URL = os.getenv('BROKER', 'sqs://')\ndef f():\n    worker_pool = 'solo'\n";
        let settings = settings(text, true);
        let of = |name| shown(&settings, name);
        assert_eq!(of("task_acks_late").as_deref(), Some("on"));
        assert_eq!(of("worker_prefetch_multiplier").as_deref(), Some("1"));
        assert_eq!(of("worker_concurrency").as_deref(), Some("4"));
        assert_eq!(settings["celery.worker_concurrency"].unless.as_deref(), Some("N"));
        assert_eq!(of("broker").as_deref(), Some("sqs"));
        assert_eq!(of("worker_pool"), None, "inside a function");
    }
}
