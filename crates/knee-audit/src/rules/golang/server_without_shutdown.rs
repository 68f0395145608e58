//! A Go server that SIGTERM ends at once.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("server-without-shutdown", include_str!("server_without_shutdown.md"), check);

/// Modules that shut servers down by themselves.
const DRAINING: [&str; 9] = [
    "go.uber.org/fx", "github.com/fvbock/endless", "github.com/tylerb/graceful", "gopkg.in/tylerb/graceful", "github.com/oklog/run",
    "github.com/go-kratos/kratos", "github.com/zeromicro/go-zero", "sigs.k8s.io/controller-runtime",
    "github.com/Shopify/goose",
];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Go) {
        let sources: Vec<_> = subject.code.go_of(program).collect();
        let drains = sources.iter().any(|source| {
            !source.shutdowns.is_empty() || source.imports.iter().any(|i| DRAINING.iter().any(|d| i.starts_with(d)))
        });
        if drains {
            continue;
        }
        let bare = sources.iter().flat_map(|source| source.bare.iter().map(|bare| &bare.place));
        let servers = sources.iter().flat_map(|source| source.servers.iter().filter(|s| !s.local).map(|s| &s.place));
        let Some(at) = bare.chain(servers).next() else { continue };
        let listens = sources.iter().flat_map(|source| &source.listens).find(|place| place.file == at.file && *place != at);
        let handled = sources.iter().any(|source| !source.notified.is_empty());
        let message = if handled {
            "the signal is handled, but no server is shut down: requests in flight are cut"
        } else {
            "nothing handles SIGTERM: it ends the program at once, and requests in flight are cut at every deployment"
        };
        found.push(
            Finding::new(RULE.name, &service.name, at, message)
                .confidence(Confidence::Medium)
                .label("never shut down")
                .beside(listens, "listens here until the process ends")
                .remedy("wait for signal.NotifyContext(ctx, syscall.SIGTERM), then call Shutdown with a deadline below the stop time-out"),
        );
    }
    found
}
