//! A stop signal that the program takes for something else.

use crate::Subject;
use crate::finding::{Confidence, Finding, Safety, Severity};
use crate::picture::{LinkKind, Program, Runtime};
use crate::rules::Rule;
use crate::rules::reading::{programs, start};

/// The rule.
pub static RULE: Rule = Rule::new("stop-signal-unwanted", include_str!("stop_signal_unwanted.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = by_container(subject);
    found.extend(by_supervisor(subject));
    found
}

/// What supervisord sends: SIGTERM where nothing is written,
/// <http://supervisord.org/configuration.html#program-x-section-settings>.
fn by_supervisor(subject: &Subject) -> Vec<Finding> {
    programs(subject, |r| matches!(r, Runtime::Nginx | Runtime::PhpFpm | Runtime::Apache))
        .filter_map(|(service, _, program)| {
            let link = program.chain.links.last()?;
            let LinkKind::Supervisor(supervision) = &link.kind else { return None };
            if supervision.supervisor != "supervisord" {
                return None;
            }
            let (signal, at) = match &supervision.stop_signal {
                Some(stated) => (stated.get()?.as_str(), stated.place()?),
                None => ("SIGTERM", &supervision.place),
            };
            let (does, wanted) = unwanted(program, signal)?;
            // Without it SIGQUIT ends php-fpm's children as soon: another rule says so.
            if program.runtime == Runtime::PhpFpm && program.number("php_fpm.process_control_timeout").is_none_or(|n| n <= 0.0) {
                return None;
            }
            let wanted = wanted.trim_start_matches("SIG");
            let message = format!("supervisord stops it with {signal}, at which the program {does}");
            let finding = Finding::new(RULE.name, &service.name, at, message)
                .severity(Severity::Low)
                .confidence(Confidence::High)
                .label(format!("{signal} is not for a graceful stop"))
                .beside(program.command.place(), "gets it")
                .remedy(format!("write `stopsignal={wanted}` in its section"));
            Some(match &supervision.stop_signal {
                None => finding.below(subject, at, &[".conf", ".ini"], &format!("stopsignal={wanted}"), Safety::Safe),
                Some(_) => finding,
            })
        })
        .collect()
}

fn by_container(subject: &Subject) -> Vec<Finding> {
    programs(subject, |_| true)
        .filter_map(|(service, container, program)| {
            let stated = container.stop_signal.as_ref()?;
            let signal = format!("SIG{}", stated.get()?.trim_start_matches("SIG"));
            // A shell or a supervisor between makes another signal of it.
            let direct = program.chain.links.iter().all(|link| matches!(link.kind, LinkKind::Init));
            let known = direct && program.chain.unknown.is_none() && !handles(subject, program, &signal);
            let (does, wanted) = unwanted(program, &signal).filter(|_| known)?;
            let message = format!("the container is stopped with {signal}, at which the program {does}");
            let finding = Finding::new(RULE.name, &service.name, stated.place().unwrap_or(start(container, program)), message)
                .severity(Severity::High)
                .confidence(Confidence::High)
                .label(format!("{signal} is not for a graceful stop"))
                .beside(program.command.place(), "gets it")
                .remedy(format!("set STOPSIGNAL {wanted}"));
            Some(finding)
        })
        .collect()
}

/// Whether a program's own code names the signal: it then does with it what its author wants.
fn handles(subject: &Subject, program: &Program, signal: &str) -> bool {
    let code = matches!(program.runtime, Runtime::Go | Runtime::Node) && signal != "SIGKILL";
    code && program.sources.iter().any(|id| subject.picture.files.get(*id).text.contains(signal))
}

/// What a program does at a signal that does not end it gracefully, and the one that does.
fn unwanted(program: &Program, signal: &str) -> Option<(&'static str, &'static str)> {
    let (does, wanted) = match (program.runtime, signal) {
        // https://nginx.org/en/docs/control.html
        (Runtime::Nginx, "SIGTERM" | "SIGINT") => ("closes every connection at once", "SIGQUIT"),
        // https://www.php.net/manual/en/install.fpm.configuration.php: process_control_timeout is for SIGQUIT
        (Runtime::PhpFpm, "SIGTERM" | "SIGINT") => ("ends its children at once", "SIGQUIT"),
        // https://httpd.apache.org/docs/2.4/stopping.html
        (Runtime::Apache, "SIGTERM" | "SIGINT") => ("ends its children at once", "SIGWINCH"),
        // https://docs.gunicorn.org/en/stable/signals.html
        (Runtime::Gunicorn, "SIGQUIT" | "SIGINT") => ("stops quickly and drops what is in flight", "SIGTERM"),
        // https://docs.celeryq.dev/en/stable/userguide/workers.html#stopping-the-worker
        (Runtime::Celery, "SIGQUIT") => ("ends its tasks at once", "SIGTERM"),
        (Runtime::Uvicorn | Runtime::Hypercorn | Runtime::Go | Runtime::Node, "SIGQUIT" | "SIGHUP" | "SIGKILL") => ("ends at once", "SIGTERM"),
        _ => return None,
    };
    Some((does, wanted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    fn fires(main: &str) -> bool {
        let dockerfile = "FROM golang:1.25\nWORKDIR /app\nCOPY . .\nRUN go build -o /web .\nSTOPSIGNAL SIGQUIT\nCMD [\"/web\"]\n";
        let subject = subject(&[("Dockerfile", dockerfile), ("go.mod", "module web\n"), ("main.go", main)]);
        !check(&subject).is_empty()
    }

    #[test]
    fn what_supervisord_sends_counts_too() {
        let stop = |more: &str| {
            let dockerfile = "FROM nginx:1.29\nCOPY app.conf /etc/supervisord.conf\nCMD [\"supervisord\", \"-c\", \"/etc/supervisord.conf\"]\n";
            let conf = format!("[program:web]\ncommand=nginx -g 'daemon off;'\n{more}\n[program:fpm]\ncommand=php-fpm -F\n");
            check(&subject(&[("Dockerfile", dockerfile), ("app.conf", &conf)])).len()
        };
        assert_eq!((stop(""), stop("stopsignal=TERM"), stop("stopsignal=QUIT")), (1, 1, 0), "php-fpm without its time-out is another rule's");
    }

    #[test]
    fn a_program_that_handles_the_signal_wants_it() {
        assert!(fires("package main\nfunc main() { serve() }\n"));
        assert!(!fires("package main\nfunc main() { signal.Notify(stop, syscall.SIGQUIT); serve() }\n"));
    }
}
