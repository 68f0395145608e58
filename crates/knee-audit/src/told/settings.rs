//! Files of servers' settings that nothing is seen to read: nginx, PHP-FPM, uWSGI, supervisord.

use super::Said;
use super::lines::hidden;
use super::names::snake;
use crate::picture::FileId;
use knee_files::formats::ini::Ini;
use knee_files::formats::nginx::Nginx;
use knee_files::formats::unit;
use std::ops::Range;

/// Directives of nginx, settings of PHP-FPM, uWSGI and supervisord that bound what a server takes.
const DIRECTIVES: [(&str, &[&str]); 4] = [
    (
        "nginx",
        &[
            "listen",
            "keepalive_timeout",
            "keepalive_requests",
            "worker_processes",
            "worker_connections",
            "worker_rlimit_nofile",
            "fastcgi_read_timeout",
            "proxy_read_timeout",
            "uwsgi_read_timeout",
            "client_max_body_size",
        ],
    ),
    (
        "php_fpm",
        &[
            "pm",
            "pm.max_children",
            "pm.start_servers",
            "pm.min_spare_servers",
            "pm.max_spare_servers",
            "pm.max_requests",
            "listen",
            "listen.backlog",
            "request_terminate_timeout",
            "process_control_timeout",
        ],
    ),
    (
        "uwsgi",
        &[
            "http",
            "socket",
            "http-socket",
            "processes",
            "workers",
            "threads",
            "harakiri",
            "listen",
            "master",
            "max-requests",
            "http-timeout",
            "buffer-size",
        ],
    ),
    (
        "supervisor",
        &["stopwaitsecs", "stopsignal", "numprocs", "startretries", "startsecs", "autorestart"],
    ),
];

/// What a file of settings says, by what it is of.
pub(super) fn settings(text: &str, file: FileId) -> Vec<Said> {
    let has = |words: &[&str]| words.iter().any(|word| text.contains(word));
    let of = match () {
        () if has(&["[program:"]) => "supervisor",
        () if has(&["[uwsgi]"]) => "uwsgi",
        () if has(&["pm.max_children", "\npm = "]) => "php_fpm",
        () if has(&["server {", "server{", "http {", "worker_connections"]) => "nginx",
        () => return Vec::new(),
    };
    let known = DIRECTIVES.iter().find(|(name, _)| *name == of).map_or(&[][..], |(_, known)| known);
    let mut said = Vec::new();
    let mut add = |name: &str, value: &str, range: Range<usize>| {
        if known.contains(&name) && !value.is_empty() {
            let name = name.strip_prefix("pm.").or(name.strip_prefix("listen.")).unwrap_or(name);
            let key = format!("{of}.{}", snake(name));
            said.push(Said { key, value: hidden(value), range });
        }
    };
    match of {
        "nginx" => {
            let Ok(parsed) = Nginx::parse(text, "main") else { return said };
            for directive in known.iter().flat_map(|name| parsed.anywhere(name)) {
                let words: Vec<&str> = directive.args.iter().map(|word| &*word.text).collect();
                let Some(first) = directive.args.first() else { continue };
                add(&directive.name, &words.join(" "), first.range.clone());
            }
        }
        "php_fpm" => {
            let Ok(ini) = Ini::parse(text) else { return said };
            for (name, entry) in ini.keys() {
                add(name, &entry.value, entry.word.range.clone());
            }
        }
        _ => {
            for (name, node) in unit::parse(text, file.0).iter().flat_map(|section| &section.keys) {
                add(name, &node.text().unwrap_or_default(), node.span.range.clone());
            }
        }
    }
    said
}
