//! nginx's settings: its main file and what the image puts beside it.

use super::{Reader, Settings};
use crate::picture::files::{FileId, Place};
use crate::picture::values::{Kind, typed};
use knee_files::formats::argv;
use knee_files::formats::nginx::Nginx;

impl Reader<'_> {
    pub(super) fn nginx(&mut self, texts: &[String], settings: &mut Settings) {
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
}
