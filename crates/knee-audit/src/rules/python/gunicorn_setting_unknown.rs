//! A name in gunicorn's file of settings that gunicorn does not know.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::{FileId, Found, Place, Runtime};
use crate::rules::Rule;
use crate::rules::reading::programs;
use crate::source::python::assigned;
use std::collections::BTreeSet;

/// The rule.
pub static RULE: Rule = Rule::new("gunicorn-setting-unknown", include_str!("gunicorn_setting_unknown.md"), check);

/// Settings whose names are missed, by <https://gunicorn.org/reference/settings/>.
const KNOWN: [&str; 42] = [
    "access_log_format", "accesslog", "backlog", "bind", "capture_output", "certfile", "chdir", "daemon",
    "dogstatsd_tags", "errorlog", "forwarded_allow_ips", "graceful_timeout", "group", "keepalive", "keyfile",
    "limit_request_field_size", "limit_request_fields", "limit_request_line", "logconfig", "logconfig_dict",
    "logger_class", "loglevel", "max_requests", "max_requests_jitter", "pidfile", "preload_app", "proc_name",
    "pythonpath", "raw_env", "reload", "reload_engine", "reload_extra_files", "reuse_port", "secure_scheme_headers",
    "statsd_host", "statsd_prefix", "threads", "timeout", "worker_class", "worker_connections", "worker_tmp_dir", "workers",
];

/// Names of options of the command line, and of other servers, with the setting that is meant.
const MEANT: [(&str, &str); 13] = [
    ("preload", "preload_app"),
    ("access_logfile", "accesslog"),
    ("access_log_file", "accesslog"),
    ("error_logfile", "errorlog"),
    ("error_log_file", "errorlog"),
    ("access_logformat", "access_log_format"),
    ("keepalive_timeout", "keepalive"),
    ("keep_alive_timeout", "keepalive"),
    ("worker_processes", "workers"),
    ("num_workers", "workers"),
    ("worker_timeout", "timeout"),
    ("worker_threads", "threads"),
    ("graceful_shutdown_timeout", "graceful_timeout"),
];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Gunicorn) {
        let places = program.settings.values().filter_map(Found::place);
        let files: BTreeSet<FileId> = places.map(|place| place.file).filter(|id| is_own(&subject.picture.files.get(*id).path)).collect();
        for id in files.into_iter().filter(|id| seen.insert(*id)) {
            let text = &subject.picture.files.get(id).text;
            for (name, range) in assigned(text) {
                let Some(meant) = meant(name).filter(|_| !is_used(text, name)) else { continue };
                let message = format!("gunicorn has no setting `{name}`, and says nothing of it: `{meant}` is probably meant, and stays at its default");
                found.push(
                    Finding::new(RULE.name, &service.name, &Place::new(id, range), message)
                        .severity(Severity::Low)
                        .confidence(Confidence::Medium)
                        .label("read by nobody")
                        .remedy(format!("write {meant} = …, or leave the line out")),
                );
            }
        }
    }
    found
}

/// Whether a file is gunicorn's: other servers have such files, too.
fn is_own(path: &str) -> bool {
    path.ends_with(".py") && !path.contains("hypercorn")
}

/// The setting that a name is nearly.
fn meant(name: &str) -> Option<&'static str> {
    if KNOWN.contains(&name) {
        return None;
    }
    let plain = |name: &str| name.replace('_', "");
    let near = |known: &&&str| plain(known) == plain(name) || (name.len() > 6 && one_letter_off(name, known));
    let table = MEANT.iter().find(|(other, _)| *other == name).map(|(_, meant)| *meant);
    table.or_else(|| KNOWN.iter().find(near).copied())
}

/// Whether one letter more, less or changed makes one name of the other.
fn one_letter_off(one: &str, other: &str) -> bool {
    let same = one.bytes().zip(other.bytes()).take_while(|(a, b)| a == b).count();
    let (one, other) = (&one.as_bytes()[same..], &other.as_bytes()[same..]);
    match one.len() as isize - other.len() as isize {
        0 => one.get(1..) == other.get(1..),
        1 => one.get(1..) == Some(other),
        -1 => Some(one) == other.get(1..),
        _ => false,
    }
}

/// Whether a name stands anywhere but where it is assigned.
fn is_used(text: &str, name: &str) -> bool {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| *word == name).count() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_nearly_a_setting() {
        for (name, expected) in [
            ("preload", Some("preload_app")),
            ("log_level", Some("loglevel")),
            ("keep_alive", Some("keepalive")),
            ("gracefull_timeout", Some("graceful_timeout")),
            ("timeouts", Some("timeout")),
            ("worker_clas", Some("worker_class")),
            ("workers", None),
            ("cores", None),
            ("port", None),
        ] {
            assert_eq!(meant(name), expected, "{name}");
        }
    }
}
