//! The settings of Laravel Octane and of the servers below it.

use super::{Reader, Settings, of_node, put};
use crate::picture::files::{FileId, Place, joined};
use crate::picture::found::{Datum, Found};
use crate::picture::join::assignments;
use crate::picture::values::{Kind, strongest, typed};
use knee_files::formats::word::Word;
use knee_files::formats::{argv, caddyfile, php, yaml};

impl Reader<'_> {
    pub(super) fn octane(
        &mut self,
        texts: &[String],
        words: &[Word],
        file: FileId,
        settings: &mut Settings,
    ) {
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
        self.caddy(texts, settings);
        if let Some(id) = self.built.and_then(|b| b.at(self.index, "config/octane.php")) {
            self.used.insert(id);
            let deployed = self.dot_env();
            self.octane_php(id, &deployed, settings);
        }
    }

    /// Laravel's own variables that the image holds: its `.env`, unless `.dockerignore` keeps that out.
    fn dot_env(&mut self) -> Vec<(String, Found<String>)> {
        let Some(id) = self.built.and_then(|built| built.at(self.index, ".env")) else {
            return Vec::new();
        };
        let context = self.built.and_then(|built| built.contexts().first()).cloned();
        let ignore = joined(&context.unwrap_or_default(), ".dockerignore");
        let ignores = |text: &str| {
            text.lines().any(|line| {
                let line = line.trim();
                // `*` and then what is let in.
                line == "*"
                    || matches!(line.trim_start_matches(['/', '*']), ".env" | ".env*" | "env*")
            })
        };
        let ignored = self.index.get(&ignore).is_some_and(|id| ignores(&self.files.get(*id).text));
        if ignored {
            return Vec::new();
        }
        self.used.insert(id);
        assignments(&self.files.get(id).text, id)
    }

    /// The Caddyfile of FrankenPHP: the one that is named, else where it looks for one
    /// (<https://frankenphp.dev/docs/config/>).
    fn caddy(&mut self, texts: &[String], settings: &mut Settings) {
        let named = argv::find(texts, "--config", Some("-c"))
            .or_else(|| argv::find(texts, "--caddyfile", None))
            .map(|found| found.value);
        let own = texts.first().is_some_and(|program| program.ends_with("frankenphp"));
        let usual = ["/etc/frankenphp/Caddyfile", "/etc/caddy/Caddyfile", "Caddyfile"];
        let usual = own.then_some(usual).into_iter().flatten().map(String::from);
        let named = named.into_iter().filter(|path| path.ends_with("Caddyfile"));
        let at = |path: String| self.built?.at(self.index, &path);
        if let Some(id) = named.chain(usual).find_map(at) {
            self.used.insert(id);
            self.caddyfile(id, settings);
        }
    }

    /// What a Caddyfile says.
    pub fn caddyfile(&self, id: FileId, settings: &mut Settings) {
        let file = caddyfile::parse(&self.files.get(id).text);
        let mut set = |name: &str, kind, word: Option<&caddyfile::Word>| {
            let Some(word) = word else { return };
            let place = Place::new(id, word.range.clone());
            let found = match word.text.strip_prefix("{$").and_then(|t| t.strip_suffix('}')) {
                None => typed(kind, &word.text, place),
                Some(variable) => match variable.split_once(':') {
                    Some((name, default)) => {
                        let found = typed(kind, default, place);
                        Found { unless: Some(name.into()), ..found }
                    }
                    None => Found::unknown(format!("is the variable {variable}"), place),
                },
            };
            put(settings, name, found);
        };
        let of = |path: &[&str]| caddyfile::find(&file, path);
        let wanted = [
            (&["", "frankenphp", "num_threads"][..], "frankenphp.num_threads", Kind::Number),
            (&["", "frankenphp", "max_threads"], "frankenphp.max_threads", Kind::Number),
            (&["", "frankenphp", "worker", "num"], "octane.workers", Kind::Number),
            (&["", "servers", "timeouts", "idle"], "caddy.idle_timeout", Kind::Seconds),
            (&["", "grace_period"], "caddy.grace_period", Kind::Seconds),
        ];
        for (path, name, kind) in wanted {
            for directive in of(path) {
                set(name, kind, directive.argument());
            }
        }
        // `worker index.php 4`
        for worker in of(&["", "frankenphp", "worker"]) {
            set("octane.workers", Kind::Number, worker.words.get(2));
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
    pub fn octane_php(
        &self,
        id: FileId,
        deployed: &[(String, Found<String>)],
        settings: &mut Settings,
    ) {
        for (key, node) in php::entries(&self.files.get(id).text, id.0) {
            let (name, kind) = match key.as_str() {
                "server" => ("octane.server", Kind::Text),
                "garbage" => ("octane.garbage", Kind::Number),
                "max_execution_time" => ("octane.max_execution_time", Kind::Seconds),
                _ => continue,
            };
            let (variable, default) = php::variable(&node.text().unwrap_or_default());
            if settings.contains_key(name) {
                continue;
            }
            let place = Place::new(id, node.span.range.clone());
            let default = default.map(|default| typed(kind, &default, place));
            let set = deployed.iter().rev().find(|(own, _)| Some(own) == variable.as_ref());
            let set = set.and_then(|(_, set)| Some(typed(kind, set.get()?, set.place()?.clone())));
            let found = match set {
                Some(set) => strongest([Some(set), default].into_iter().flatten().collect()),
                None => default.map(|default| Found { unless: variable, ..default }),
            };
            settings.extend(found.map(|found| (name.to_string(), found)));
        }
    }
}
