//! Greenlets that all wait for one query: psycopg2 under gevent.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::{Place, Program, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};

/// The rule.
pub static RULE: Rule = Rule::new("gevent-blocking-driver", include_str!("gevent_blocking_driver.md"), check);

/// What makes psycopg2 wait in gevent's loop, psycogreen or the hook that it uses itself; and a driver
/// beside which psycopg2 is there for migrations.
const OTHERS: [&str; 3] = ["psycogreen", "set_wait_callback", "asyncpg"];

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::Gunicorn | Runtime::Celery))
        .filter_map(|(service, container, program)| {
            let name = if program.runtime == Runtime::Celery { "celery.worker_pool" } else { "gunicorn.worker_class" };
            program.word(name).filter(|class| *class == "gevent")?;
            let driver = driver(subject, program)?;
            let finding = Finding::new(
                RULE.name,
                &service.name,
                setting_or_start(container, program, name),
                "psycopg2 waits in C, where gevent cannot switch: each query holds all greenlets of its worker, and one request is served at a time",
            )
            .confidence(Confidence::Medium)
            .label("greenlets")
            .beside(Some(&driver), "the driver, which nothing makes cooperative")
            .remedy("call psycogreen.gevent.patch_psycopg() in each worker, take psycopg 3, or take threads (gthread)");
            Some(finding)
        })
        .collect()
}

/// Where psycopg2 is required, if nothing of the repository makes it cooperative.
fn driver(subject: &Subject, program: &Program) -> Option<Place> {
    let folder = program.folder.as_deref()?;
    let within = |path: &str| folder.is_empty() || path.starts_with(&format!("{folder}/"));
    let mut required = None;
    for (id, file) in subject.picture.files.iter().filter(|(_, file)| within(&file.path)) {
        let name = file.path.rsplit('/').next().unwrap_or(&file.path);
        let lists = name.starts_with("requirements") && name.ends_with(".txt") || matches!(name, "pyproject.toml" | "Pipfile");
        if !lists && !name.ends_with(".py") {
            continue;
        }
        if OTHERS.iter().any(|other| file.text.contains(other)) {
            return None;
        }
        let lines = file.text.split_inclusive('\n').scan(0, |at, line| {
            *at += line.len();
            Some((*at - line.len(), line))
        });
        let mut named = lines.filter(|(_, line)| line.trim_start_matches([' ', '\t', '"', '\'']).starts_with("psycopg2"));
        if let Some((at, line)) = named.next().filter(|_| lists && required.is_none()) {
            required = Some(Place::new(id, at..at + line.trim_end().len()));
        }
    }
    required
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn drivers_that_switch_and_those_that_do_not() {
        let found = |required: &str, code: &str, class: &str| {
            let dockerfile = format!("FROM python:3.13-slim\nWORKDIR /app\nCOPY . .\nCMD [\"gunicorn\", \"-k\", \"{class}\", \"app:app\"]\n");
            check(&subject(&[("Dockerfile", &*dockerfile), ("app.py", code), ("requirements.txt", required)])).len()
        };
        assert_eq!(found("gevent\npsycopg2-binary==2.9\n", "", "gevent"), 1);
        assert_eq!(found("gevent\npsycopg2-binary==2.9\npsycogreen\n", "", "gevent"), 0);
        assert_eq!(found("psycopg2\n", "extensions.set_wait_callback(f)\n", "gevent"), 0);
        assert_eq!(found("# psycopg2\npsycopg[binary]\n", "", "gevent"), 0);
        assert_eq!(found("psycopg2\nasyncpg\n", "", "gevent"), 0);
        assert_eq!(found("psycopg2\n", "", "gthread"), 0);
    }
}
