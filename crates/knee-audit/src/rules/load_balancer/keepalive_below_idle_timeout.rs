//! A server that closes idle connections before the load balancer does.

use crate::finding::{Confidence, Finding, Safety, Severity};
use crate::picture::{Container, LoadBalancer, Origin, Service};
use crate::rules::Rule;
use crate::rules::keep_alive::{KeepAlive, keep_alive};
use crate::Subject;

/// The rule.
pub static RULE: Rule = Rule::new(
    "keepalive-below-idle-timeout",
    include_str!("keepalive_below_idle_timeout.md"),
    check,
);

/// How much longer than the balancer a server has to wait: clocks and packets take their time.
const MARGIN: f64 = 5.0;

/// What says it, of the servers that have a setting for it.
const SETTINGS: [&str; 5] =
    ["gunicorn.keepalive", "uvicorn.timeout_keep_alive", "hypercorn.keep_alive", "nginx.keepalive_timeout", "caddy.idle_timeout"];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for service in subject.production() {
        for container in &service.containers {
            let Some(balancer) = balancer(subject, container) else { continue };
            let Some(idle) = balancer.idle_timeout.get() else { continue };
            for program in container.programs.iter().filter(|program| program.front) {
                found.extend(
                    keep_alive(subject, program)
                        .filter(|keep| keep.seconds > 0.0 && keep.seconds <= *idle)
                        .map(|keep| {
                            let setting = SETTINGS.iter().find_map(|name| program.setting(name));
                            let longer = format!("{}", idle + MARGIN);
                            finding(service, balancer, *idle, &keep).set(subject, setting, longer, Safety::Unsafe)
                        }),
                );
            }
        }
    }
    found
}

/// The Application Load Balancer in front of a container.
fn balancer<'a>(subject: &'a Subject, container: &Container) -> Option<&'a LoadBalancer> {
    let known = container.targets.iter().find_map(|target| target.load_balancer)?;
    subject.picture.load_balancers.get(known).filter(|balancer| balancer.application)
}

fn finding(service: &Service, balancer: &LoadBalancer, idle: f64, keep: &KeepAlive) -> Finding {
    let idle_at = balancer.idle_timeout.place().unwrap_or(&balancer.place);
    let message = format!(
        "idle connections are closed after {} s, before the load balancer's {idle} s: requests that meet the close get a 502",
        keep.seconds
    );
    Finding::new(RULE.name, &service.name, &keep.at, message)
        .severity(Severity::High)
        .confidence(if keep.written { Confidence::High } else { Confidence::Medium })
        .label(if keep.written { format!("{} s", keep.seconds) } else { format!("{}: {} s", keep.whose, keep.seconds) })
        .beside(
            Some(idle_at),
            match balancer.idle_timeout.origin {
                Origin::At(_) => format!("the load balancer waits {idle} s"),
                Origin::Default(_) => format!("the load balancer waits {idle} s, its default"),
            },
        )
        .remedy(format!(
            "keep idle connections for {} to {} s in the server, or lower the load balancer's idle timeout below {} s",
            idle + MARGIN,
            idle * 2.0,
            keep.seconds
        ))
}
