//! php-fpm that kills its children on every stop signal.

use crate::Subject;
use crate::finding::{Finding, Label, Severity};
use crate::picture::{Datum, Place, Program, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{is_started, programs, setting_or_start};
use std::collections::HashSet;

/// The rule.
pub static RULE: Rule = Rule::new("fpm-stop-without-drain", include_str!("fpm_stop_without_drain.md"), check);

const NAME: &str = "php_fpm.process_control_timeout";
const STOPPED: &str = "what is stopped so";

fn check(subject: &Subject) -> Vec<Finding> {
    // Stages of one Dockerfile are mended in one place, and so are images with one pool.
    let mut told = HashSet::new();
    let mut found: Vec<Finding> = Vec::new();
    for (service, container, program) in programs(subject, |runtime| runtime == Runtime::PhpFpm) {
        let written = program.setting(NAME);
        let zero = match written {
            None => is_started(program),
            Some(found) => found.get().and_then(Datum::number) == Some(0.0),
        };
        let at = setting_or_start(container, program, NAME);
        if !zero || !told.insert(at.file) {
            continue;
        }
        let own = pool(subject, program).filter(|_| written.is_none());
        if let Some(own) = &own
            && let Some(same) = found.iter_mut().find(|other| other.primary.place == *own)
        {
            same.further.push(Label { place: at.clone(), text: STOPPED.into() });
            continue;
        }
        let message = "process_control_timeout is 0: php-fpm kills its children one second after any stop signal, SIGQUIT too";
        found.push(
            Finding::new(RULE.name, &service.name, own.as_ref().unwrap_or(at), message)
                .severity(Severity::Low)
                .label("requests in flight are cut at every stop")
                .beside(own.as_ref().map(|_| at), STOPPED)
                .remedy("set process_control_timeout in the [global] section to the longest request, below the stop time-out, and stop with SIGQUIT"),
        );
    }
    found
}

/// Where the repository's own configuration may say it: its `[global]` section, else its first one.
fn pool(subject: &Subject, program: &Program) -> Option<Place> {
    let own = program.settings.iter().filter(|(name, _)| name.starts_with("php_fpm."));
    let sections = own.filter_map(|(_, found)| {
        let file = found.place()?.file;
        let text = &subject.picture.files.get(file).text;
        let lines = text.split_inclusive('\n').scan(0, |at, line| {
            *at += line.len();
            Some((*at - line.len(), line.trim_end()))
        });
        let sections: Vec<_> = lines.filter(|(_, line)| line.starts_with('[') && line.ends_with(']')).collect();
        let (at, line) = sections.iter().find(|(_, line)| *line == "[global]").or(sections.first())?;
        Some((*line != "[global]", Place::new(file, *at..at + line.len())))
    });
    sections.min_by_key(|(other, place)| (*other, place.file)).map(|(_, place)| place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn the_file_that_may_say_it_and_what_is_started() {
        let dockerfile = "FROM php:8.4-fpm\nCOPY . /var/www\nCOPY pool.conf /usr/local/etc/php-fpm.d/zz.conf\nCMD [\"php-fpm\"]\n";
        let at = |pool: &str| {
            let subject = subject(&[("Dockerfile", dockerfile), ("pool.conf", pool), ("index.php", "<?php\n")]);
            let found = check(&subject);
            assert_eq!(found.len(), 1);
            let path = |place: &Place| subject.picture.files.get(place.file).path.clone();
            (path(&found[0].primary.place), found[0].primary.place.span.start, found[0].further.iter().map(|f| path(&f.place)).collect::<Vec<_>>())
        };
        let started = vec!["Dockerfile".to_string()];
        assert_eq!(at("; ours\n[www]\npm = static\npm.max_children = 8\n"), ("pool.conf".into(), 7, started.clone()));
        assert_eq!(at("[www]\npm = static\n[global]\ndaemonize = no\n"), ("pool.conf".into(), 18, started));
        assert_eq!(at("[global]\nprocess_control_timeout = 0\n"), ("pool.conf".into(), 35, vec![]));
    }
}
