//! nginx keeps connections to an application that closes them first.

use crate::Subject;
use crate::finding::{Confidence, Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::{programs, setting_or_start};
use crate::rules::keep_alive::keep_alive;

/// The rule.
pub static RULE: Rule = Rule::new("upstream-keepalive-beyond-application", include_str!("upstream_keepalive_beyond_application.md"), check);

/// nginx keeps an idle connection to its upstream for so long where nothing is written:
/// <https://nginx.org/en/docs/http/ngx_http_upstream_module.html#keepalive_timeout>.
const UPSTREAM: f64 = 60.0;

fn check(subject: &Subject) -> Vec<Finding> {
    programs(subject, |runtime| runtime == Runtime::Nginx)
        .filter_map(|(service, container, nginx)| {
            nginx.number("nginx.upstream_keepalive").filter(|kept| *kept > 0.0)?;
            let wait = match nginx.setting("nginx.upstream_keepalive_timeout") {
                Some(found) => found.get()?.number()?,
                None => UPSTREAM,
            };
            let mut behind = service.containers.iter().flat_map(|c| &c.programs).filter(|p| {
                matches!(p.runtime, Runtime::Node | Runtime::Gunicorn | Runtime::Uvicorn | Runtime::Hypercorn | Runtime::Go)
            });
            // Of several it is not known which one is meant.
            let (application, None) = (behind.next()?, behind.next()) else { return None };
            let keep = keep_alive(subject, application)?;
            let at = setting_or_start(container, nginx, "nginx.upstream_keepalive");
            (keep.seconds > 0.0 && keep.seconds <= wait).then(|| {
                let message = format!(
                    "nginx keeps connections for {wait} s that the application closes after {} s: requests that meet the close get a 502",
                    keep.seconds
                );
                Finding::new(RULE.name, &service.name, at, message)
                    .severity(Severity::High)
                    .confidence(if keep.written { Confidence::High } else { Confidence::Medium })
                    .label(format!("idle connections are kept for {wait} s"))
                    .beside(Some(&keep.at), format!("closed after {} s", keep.seconds))
                    .remedy(format!(
                        "set `keepalive_timeout` in the upstream block below {} s, or keep connections longer in the application",
                        keep.seconds
                    ))
            })
        })
        .collect()
}
