//! A program that may take longer to stop than it is given.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::{Deployment, Place, Runtime, Service};
use crate::rules::Rule;
use crate::rules::reading::{programs, stop, supervision};
use crate::rules::reading::Stop;

/// The rule.
pub static RULE: Rule = Rule::new("graceful-period-beyond-stop-timeout", include_str!("graceful_period_beyond_stop_timeout.md"), check);

/// Settings that say how long a program may take to finish.
fn setting(runtime: Runtime) -> Option<&'static str> {
    Some(match runtime {
        Runtime::Gunicorn => "gunicorn.graceful_timeout",
        Runtime::Uvicorn => "uvicorn.timeout_graceful_shutdown",
        Runtime::Hypercorn => "hypercorn.graceful_timeout",
        Runtime::PhpFpm => "php_fpm.process_control_timeout",
        Runtime::Nginx => "nginx.worker_shutdown_timeout",
        Runtime::Celery => "celery.worker_soft_shutdown_timeout",
        _ => return None,
    })
}

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |_| true)
        .filter_map(|(service, container, program)| {
            let stop = stop(service, container)?;
            let graceful = setting(program.runtime).and_then(|name| Some((name, program.setting(name)?)));
            let graceful = graceful.filter(|(_, found)| found.is_written());
            if let Some((name, found)) = graceful {
                let seconds = found.get()?.number()?;
                let name = name.split_once('.').map_or(name, |(_, option)| option);
                let at = found.place()?;
                return late(seconds, &stop).then(|| finding(service, at, name, seconds, &stop));
            }
            // Outside of a deployment nobody knows how long it is given.
            let deployed = matches!(service.deployment, Deployment::Ecs | Deployment::Compose);
            let supervision = supervision(program).filter(|_| deployed)?;
            let seconds = *supervision.stop_wait.get().filter(|_| supervision.stop_wait.is_written())?;
            let at = stop.place.unwrap_or(&container.place);
            late(seconds, &stop).then(|| {
                finding(service, at, "the supervisor's stop time", seconds, &stop)
                    .beside(supervision.stop_wait.place(), format!("`{}` may take {seconds} s", supervision.program))
            })
        })
        .collect()
}

/// Equal times race: at the same second one is told to give up and the other is killed.
fn late(seconds: f64, stop: &Stop<'_>) -> bool {
    seconds >= stop.seconds
}

fn finding(service: &Service, at: &Place, name: &str, seconds: f64, stop: &Stop<'_>) -> Finding {
    let message = format!(
        "{name} allows {seconds} s to finish, but SIGKILL comes after {} s ({}): what is in flight then is lost",
        stop.seconds, stop.whose
    );
    Finding::new(RULE.name, &service.name, at, message)
        .confidence(if stop.place.is_some() { Confidence::High } else { Confidence::Medium })
        .label(format!("{seconds} s against {} s", stop.seconds))
        .beside(stop.place.filter(|place| *place != at), format!("{} s until SIGKILL", stop.seconds))
        .remedy(format!(
            "give the container {} s or more to stop (Fargate allows 120 s), or let the program give up after {} s",
            seconds + 5.0,
            (stop.seconds - 5.0).max(1.0)
        ))
}
