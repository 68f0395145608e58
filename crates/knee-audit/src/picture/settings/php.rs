//! PHP's settings: the pools of php-fpm in the order in which it reads them, php.ini and what a
//! Dockerfile writes into one.

use super::{Reader, Settings, notation, put};
use crate::picture::files::{FileId, Place};
use crate::picture::values::{Context, Kind, Raw};
use knee_files::formats::argv;
use knee_files::formats::ini::Ini;

impl Reader<'_> {
    pub(super) fn php_fpm(
        &mut self,
        texts: &[String],
        context: &mut Context,
        settings: &mut Settings,
    ) {
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
        // A file that is included may begin without a header: its keys are the last section's.
        for (key, entry) in ini.keys() {
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
            let (setting, kind) = match key {
                key if seconds.contains(&key) => (format!("php_fpm.{key}"), Kind::Seconds),
                key if number.contains(&key) => (format!("php_fpm.{key}"), Kind::Number),
                "daemonize" | "pm" | "listen" | "pm.status_path" => {
                    (format!("php_fpm.{key}"), Kind::Text)
                }
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

    pub(super) fn php_ini(&mut self, context: &Context, settings: &mut Settings) {
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
