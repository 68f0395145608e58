//! The settings of a program that was reached: from its words, its variables and its files, the
//! strongest first.

use super::files::{FileId, Files, Place};
use super::follow::Reached;
use super::found::{Datum, Found};
use super::image::Built;
use super::knowledge::{self, Setting};
use super::program::{Program, Runtime};
use super::values::{Context, Kind, Notation, Raw, strongest, typed};
use knee_files::formats::ini::Ini;
use knee_files::formats::nginx::Nginx;
use knee_files::formats::tree::Node;
use knee_files::formats::word::{Inner, Word};
use knee_files::formats::{argv, php, python, shell, unit, yaml};
use std::collections::{BTreeMap, HashMap, HashSet};

type Settings = BTreeMap<String, Found<Datum>>;

/// What settings are read with.
pub(super) struct Reader<'a> {
    files: &'a Files,
    index: &'a HashMap<String, FileId>,
    built: Option<&'a Built>,
    pub used: HashSet<FileId>,
}

impl<'a> Reader<'a> {
    /// Before anything is read.
    pub fn new(
        files: &'a Files,
        index: &'a HashMap<String, FileId>,
        built: Option<&'a Built>,
    ) -> Reader<'a> {
        Reader { files, index, built, used: HashSet::new() }
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
        let mut settings = Settings::new();
        match reached.runtime {
            Runtime::PhpFpm => self.php_fpm(&texts, &mut reached.context, &mut settings),
            Runtime::Nginx => self.nginx(&texts, &mut settings),
            Runtime::Gunicorn => {
                self.python(&texts, &reached.context.clone(), &mut reached.context)
            }
            Runtime::Octane => self.octane(&texts, &words, reached.file, &mut settings),
            _ => {}
        }
        if matches!(
            reached.runtime,
            Runtime::PhpFpm | Runtime::Octane | Runtime::Apache | Runtime::Worker
        ) && self.is_php(&texts)
        {
            self.php_ini(&reached.context, &mut settings);
        }
        for setting in knowledge::settings(reached.runtime) {
            if let Some(found) = self.setting(setting, &reached, &words) {
                settings.insert(setting.name.into(), found);
            }
        }
        let version = self.built.and_then(|built| version(built, reached.runtime));
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
            && let Some(entry) = python::find(text, setting.key)
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
            && let super::found::Known::Is(Datum::Number(n)) = &mut strongest.value
        {
            *n *= 1024.0 * 1024.0;
        }
        Some(strongest)
    }

    fn python(&mut self, texts: &[String], before: &Context, context: &mut Context) {
        let named = argv::find(texts, "--config", Some("-c")).map(|found| found.value);
        let path = match named {
            Some(path) => {
                let path = path.trim_start_matches("file:").trim_matches('"').to_string();
                let name = knee_files::formats::expand::variable(&path)
                    .map(|(name, default, _)| (name.to_string(), default.map(String::from)));
                match name {
                    Some((name, default)) => before.variable(&name).or(default).unwrap_or(path),
                    None => path,
                }
            }
            None => "gunicorn.conf.py".into(),
        };
        let path = match path.contains('$') {
            true => path.rsplit('/').next().unwrap_or("").to_string(),
            false => path,
        };
        let id = self.built.and_then(|built| built.at(self.index, &path)).or_else(|| {
            let folder = self.built.map(|built| built.image.context.clone()).unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or(&path);
            let beside =
                if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
            self.index.get(&beside).copied()
        });
        if let Some(id) = id {
            self.used.insert(id);
            context.python = Some((id, self.files.get(id).text.clone()));
        }
    }

    fn php_fpm(&mut self, texts: &[String], context: &mut Context, settings: &mut Settings) {
        let named = argv::find(texts, "--fpm-config", Some("-y")).map(|found| found.value);
        let Some(built) = self.built else { return };
        let mut pools: Vec<(String, FileId)> = built
            .below(self.files, self.index, "/")
            .into_iter()
            .filter(|(to, _)| to.contains("php-fpm") || to.contains("/fpm/"))
            .filter(|(to, _)| to.ends_with(".conf"))
            .collect();
        if let Some(id) = named.and_then(|path| built.at(self.index, &path)) {
            pools.push((String::new(), id));
        }
        // php-fpm reads its folder alphabetically, and the last file wins.
        pools.sort();
        for (_, id) in pools {
            self.used.insert(id);
            self.pool(id, context, settings);
        }
    }

    /// What a pool's file says.
    pub fn pool(&self, id: FileId, context: &Context, settings: &mut Settings) {
        let text = &self.files.get(id).text;
        let Ok(ini) = Ini::parse(text) else { return };
        for (_, section) in ini.sections() {
            for (key, entry) in &section.keys {
                let place = Place::new(id, entry.word.range.clone());
                let seconds = [
                    "process_control_timeout",
                    "request_terminate_timeout",
                    "request_slowlog_timeout",
                    "pm.process_idle_timeout",
                    "process_idle_timeout",
                ];
                let number = [
                    "pm.max_children",
                    "pm.max_requests",
                    "pm.start_servers",
                    "pm.min_spare_servers",
                    "pm.max_spare_servers",
                    "listen.backlog",
                    "rlimit_files",
                    "process.max",
                    "emergency_restart_threshold",
                ];
                let (setting, kind) = match key.as_str() {
                    key if seconds.contains(&key) => (format!("php_fpm.{key}"), Kind::Seconds),
                    key if number.contains(&key) => (format!("php_fpm.{key}"), Kind::Number),
                    "pm" | "listen" | "pm.status_path" => (format!("php_fpm.{key}"), Kind::Text),
                    key => match ini_value(key) {
                        Some((name, kind)) => (name, kind),
                        None => continue,
                    },
                };
                put(
                    settings,
                    &setting,
                    context.read(
                        kind,
                        &Raw { text: entry.value.clone(), notation: notation(&entry.value), place },
                    ),
                );
            }
        }
    }

    fn php_ini(&mut self, context: &Context, settings: &mut Settings) {
        let Some(built) = self.built else { return };
        let mut files = built.below(self.files, self.index, "/");
        files.retain(|(to, id)| {
            to.ends_with(".ini") && (to.contains("php") || self.files.get(*id).path.contains("php"))
        });
        files.sort();
        for (_, id) in files {
            self.used.insert(id);
            self.ini(id, context, settings);
        }
        // `RUN echo opcache.enable=1 > …ini`
        for run in &built.runs {
            let text = self.files.text(run);
            if !text.contains(".ini") {
                continue;
            }
            let mut at = run.span.start;
            for line in text.split_inclusive('\n') {
                let line_start = at;
                at += line.len();
                let key_at = ["opcache.", "memory_limit", "max_execution_time", "realpath_cache"]
                    .iter()
                    .filter_map(|k| line.find(k))
                    .min();
                let Some(start) = key_at else { continue };
                let rest = &line[start..];
                let Some((key, value)) = rest.split_once('=') else { continue };
                let key = key.trim();
                let end = value
                    .find(['\'', '"', ';', '\\', '\n', ' '])
                    .filter(|n| *n > 0)
                    .unwrap_or(value.len());
                let value = value[..end].trim();
                if let Some((name, kind)) = ini_value(key).filter(|_| !value.is_empty()) {
                    let from = line_start + start;
                    let place = Place::new(run.file, from..from + key.len() + 1 + value.len());
                    put(
                        settings,
                        &name,
                        context.read(
                            kind,
                            &Raw { text: value.into(), notation: notation(value), place },
                        ),
                    );
                }
            }
        }
    }

    /// What a php.ini says.
    pub fn ini(&self, id: FileId, context: &Context, settings: &mut Settings) {
        let text = &self.files.get(id).text;
        let Ok(ini) = Ini::parse(text) else { return };
        for (key, entry) in ini.keys() {
            if let Some((name, kind)) = ini_value(key) {
                let place = Place::new(id, entry.word.range.clone());
                put(
                    settings,
                    &name,
                    context.read(
                        kind,
                        &Raw { text: entry.value.clone(), notation: notation(&entry.value), place },
                    ),
                );
            }
        }
    }

    fn nginx(&mut self, texts: &[String], settings: &mut Settings) {
        let Some(built) = self.built else { return };
        let named = argv::find(texts, "--conf", Some("-c")).map(|found| found.value);
        let main = named.unwrap_or_else(|| "/etc/nginx/nginx.conf".into());
        let mut todo: Vec<FileId> = built.at(self.index, &main).into_iter().collect();
        let below = built.below(self.files, self.index, "/etc/nginx");
        todo.extend(
            below
                .into_iter()
                .filter(|(to, _)| to.ends_with(".conf") || to.ends_with(".template"))
                .map(|(_, id)| id),
        );
        for id in todo {
            if self.used.insert(id) {
                self.nginx_file(id, settings);
            }
        }
    }

    /// What a file of nginx says.
    pub fn nginx_file(&self, id: FileId, settings: &mut Settings) -> bool {
        let text = &self.files.get(id).text;
        let Ok(file) = Nginx::parse(text, "main") else { return false };
        let mut some = false;
        let wanted = [
            ("worker_processes", Kind::Number),
            ("worker_connections", Kind::Number),
            ("worker_rlimit_nofile", Kind::Number),
            ("keepalive_timeout", Kind::Seconds),
            ("keepalive_requests", Kind::Number),
            ("worker_shutdown_timeout", Kind::Seconds),
            ("keepalive", Kind::Number),
            ("proxy_read_timeout", Kind::Seconds),
            ("proxy_http_version", Kind::Text),
            ("proxy_pass", Kind::Text),
            ("fastcgi_pass", Kind::Text),
            ("uwsgi_pass", Kind::Text),
        ];
        for (name, kind) in wanted {
            for directive in file.anywhere(name) {
                let Some(word) = directive.args.first() else { continue };
                let upstream = file.context(directive) == "upstream";
                let setting = match name {
                    "keepalive" if upstream => "nginx.upstream_keepalive".to_string(),
                    "keepalive" => continue,
                    "keepalive_timeout" if upstream => "nginx.upstream_keepalive_timeout".into(),
                    "proxy_pass" | "fastcgi_pass" | "uwsgi_pass" => "nginx.upstream".into(),
                    name => format!("nginx.{name}"),
                };
                some = true;
                let place = Place::new(id, word.range.clone());
                settings.entry(setting).or_insert_with(|| typed(kind, &word.text, place));
            }
        }
        some || file.anywhere("server").next().is_some()
    }

    fn octane(&mut self, texts: &[String], words: &[Word], file: FileId, settings: &mut Settings) {
        let verb = texts.iter().position(|word| word.starts_with("octane:"));
        let server = verb
            .map(|at| (texts[at].trim_start_matches("octane:"), at))
            .filter(|(s, _)| *s != "start");
        let server = server.or_else(|| {
            let program = texts.first()?.rsplit('/').next()?;
            matches!(program, "rr" | "frankenphp")
                .then_some((if program == "rr" { "roadrunner" } else { "frankenphp" }, 0))
        });
        if let Some((server, at)) = server {
            put(
                settings,
                "octane.server",
                Found::at(Datum::Text(server.into()), Place::new(file, words[at].range.clone())),
            );
        }
        let folder = self
            .files
            .get(file)
            .path
            .rsplit_once('/')
            .map_or(String::new(), |(f, _)| format!("{f}/"));
        let named = argv::find(texts, "--rr-config", Some("-c"))
            .map(|found| found.value)
            .unwrap_or_else(|| ".rr.yaml".into());
        let name = named.rsplit('/').next().unwrap_or(&named).to_string();
        let rr = self
            .built
            .and_then(|b| b.at(self.index, &named))
            .or_else(|| self.index.get(&format!("{folder}{name}")).copied());
        if let Some(id) = rr.filter(|_| {
            texts.iter().any(|t| t.contains("roadrunner"))
                || texts.first().is_some_and(|t| t.ends_with("rr"))
        }) {
            self.used.insert(id);
            self.roadrunner(id, settings);
        }
        if let Some(id) = self.built.and_then(|b| b.at(self.index, "config/octane.php")) {
            self.used.insert(id);
            self.octane_php(id, settings);
        }
    }

    /// What a `.rr.yaml` says.
    pub fn roadrunner(&self, id: FileId, settings: &mut Settings) {
        let Ok(Some(root)) = yaml::tree(&self.files.get(id).text, id.0) else { return };
        let wanted: [(&[&str], &str, Kind); 8] = [
            (&["http", "pool", "num_workers"], "roadrunner.num_workers", Kind::Number),
            (&["http", "pool", "max_jobs"], "roadrunner.max_jobs", Kind::Number),
            (&["http", "pool", "allocate_timeout"], "roadrunner.allocate_timeout", Kind::Seconds),
            (&["http", "pool", "destroy_timeout"], "roadrunner.destroy_timeout", Kind::Seconds),
            (
                &["http", "pool", "supervisor", "max_worker_memory"],
                "roadrunner.max_worker_memory",
                Kind::Number,
            ),
            (&["http", "pool", "supervisor", "exec_ttl"], "roadrunner.exec_ttl", Kind::Seconds),
            (&["endure", "grace_period"], "roadrunner.grace_period", Kind::Seconds),
            (&["http", "pool", "supervisor", "ttl"], "roadrunner.ttl", Kind::Seconds),
        ];
        for (path, name, kind) in wanted {
            if let Some(node) = root.path(path) {
                put(settings, name, of_node(kind, node));
            }
        }
    }

    /// What a config/octane.php says.
    pub fn octane_php(&self, id: FileId, settings: &mut Settings) {
        for (key, node) in php::entries(&self.files.get(id).text, id.0) {
            let (name, kind) = match key.as_str() {
                "server" => ("octane.server", Kind::Text),
                "garbage" => ("octane.garbage", Kind::Number),
                "max_execution_time" => ("octane.max_execution_time", Kind::Seconds),
                _ => continue,
            };
            let (variable, default) = php::variable(&node.text().unwrap_or_default());
            if let Some(default) = default
                && !settings.contains_key(name)
            {
                let found = typed(kind, &default, Place::new(id, node.span.range.clone()));
                settings.insert(name.into(), Found { unless: variable, ..found });
            }
        }
    }

    /// What a file of uWSGI says.
    pub fn uwsgi_file(&self, id: FileId, settings: &mut Settings) {
        for section in
            unit::parse(&self.files.get(id).text, id.0).iter().filter(|s| s.name == "uwsgi")
        {
            for setting in knowledge::settings(Runtime::Uwsgi) {
                if let Some(node) = section.get(setting.key) {
                    put(settings, setting.name, of_node(setting.kind, node));
                }
            }
        }
    }

    /// A file of gunicorn's settings that nothing is seen to start.
    pub fn gunicorn_file(&self, id: FileId, settings: &mut Settings) {
        let context =
            Context { python: Some((id, self.files.get(id).text.clone())), ..Context::default() };
        let reached = Reached {
            runtime: Runtime::Gunicorn,
            file: id,
            words: Vec::new(),
            context,
            chain: Default::default(),
        };
        for setting in knowledge::settings(Runtime::Gunicorn) {
            if let Some(found) = self.setting(setting, &reached, &[]) {
                settings.insert(setting.name.into(), found);
            }
        }
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

/// The setting that a directive of php.ini is, also inside a pool.
fn ini_value(key: &str) -> Option<(String, Kind)> {
    let inner = ["php_admin_value[", "php_value[", "php_admin_flag[", "php_flag["];
    let key = inner.iter().find_map(|p| key.strip_prefix(p)?.strip_suffix(']')).unwrap_or(key);
    let switches = [
        "opcache.enable",
        "opcache.enable_cli",
        "opcache.validate_timestamps",
        "opcache.save_comments",
        "opcache.enable_file_override",
    ];
    let numbers = [
        "opcache.memory_consumption",
        "opcache.interned_strings_buffer",
        "opcache.max_accelerated_files",
        "opcache.revalidate_freq",
    ];
    match key {
        key if switches.contains(&key) => Some((key.into(), Kind::Switch)),
        key if numbers.contains(&key) => Some((key.into(), Kind::Number)),
        key if key.starts_with("opcache.") => Some((key.into(), Kind::Text)),
        "memory_limit" | "realpath_cache_size" | "upload_max_filesize" | "post_max_size" => {
            Some((format!("php.{key}"), Kind::Bytes))
        }
        "max_execution_time"
        | "realpath_cache_ttl"
        | "max_input_time"
        | "default_socket_timeout" => Some((format!("php.{key}"), Kind::Seconds)),
        _ => None,
    }
}

/// The version of a runtime, as its base image's tag says it.
pub(super) fn version(built: &Built, runtime: Runtime) -> Option<Found<String>> {
    let base = built.image.base.as_ref()?;
    let (text, place) = (base.get()?, base.place()?);
    let name = text.split('@').next()?.rsplit('/').next()?;
    let (name, tag) = name.split_once(':')?;
    let fits = match runtime {
        Runtime::PhpFpm | Runtime::Apache | Runtime::Octane => "php",
        Runtime::Node => "node",
        Runtime::Gunicorn | Runtime::Uvicorn | Runtime::Uwsgi | Runtime::Celery => "python",
        Runtime::Nginx => "nginx",
        Runtime::Go => "golang",
        Runtime::Worker | Runtime::Other => return None,
    };
    let digits: String = tag
        .chars()
        .skip_while(|c| !c.is_ascii_digit())
        .take_while(|c| c.is_ascii_digit() || *c == '.')
        .collect();
    let version = digits.trim_end_matches('.').to_string();
    (name.contains(fits) && !version.is_empty()).then(|| Found::at(version, place.clone()))
}

/// The words of a text for the shell, for a command that is given as one.
pub(super) fn split(inner: &Inner) -> Vec<Word> {
    shell::statements(inner).into_iter().next().map(|statement| statement.words).unwrap_or_default()
}
