//! A Go server that SIGTERM ends at once.

use crate::Subject;
use crate::finding::{Confidence, Finding};
use crate::picture::{Place, Runtime};
use crate::rules::Rule;
use crate::rules::reading::programs;
use crate::source::go::Source;

/// The rule.
pub static RULE: Rule = Rule::new("server-without-shutdown", include_str!("server_without_shutdown.md"), check);

/// Modules that shut servers down by themselves.
const DRAINING: [&str; 9] = [
    "go.uber.org/fx", "github.com/fvbock/endless", "github.com/tylerb/graceful", "gopkg.in/tylerb/graceful", "github.com/oklog/run",
    "github.com/go-kratos/kratos", "github.com/zeromicro/go-zero", "sigs.k8s.io/controller-runtime",
    "github.com/Shopify/goose",
];

/// No more places where a file listens are shown.
const MOST: usize = 4;

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
        // Metrics are served beside what the service is there for.
        let mut servers: Vec<_> = sources.iter().flat_map(|source| &source.servers).filter(|s| !s.local).collect();
        servers.sort_by_key(|server| server.beside);
        let bare = sources.iter().flat_map(|source| source.bare.iter().map(|bare| &bare.place));
        let Some(at) = bare.chain(servers.iter().map(|server| &server.place)).next() else { continue };
        let own = |place: &&&Place| place.file == at.file && **place != at;
        let listens: Vec<&Place> = sources.iter().flat_map(|source| &source.listens).filter(|p| own(&p)).take(MOST).collect();
        let asked = asked_for(&sources, at);
        let handled = sources.iter().any(|source| !source.notified.is_empty());
        let message = if handled {
            "the signal is handled, but no server is shut down: requests in flight are cut"
        } else {
            "nothing handles SIGTERM: it ends the program at once, and requests in flight are cut at every deployment"
        };
        let mut finding = Finding::new(RULE.name, &service.name, at, message)
            .confidence(Confidence::Medium)
            .label("never shut down")
            .beside(asked, "asked for here, and nothing keeps it to shut it down")
            .remedy("wait for signal.NotifyContext(ctx, syscall.SIGTERM), then call Shutdown with a deadline below the stop time-out");
        for place in listens {
            finding = finding.beside(Some(place), "listens here until the process ends");
        }
        found.push(finding);
    }
    found
}

/// Where another file calls the function that makes a server.
fn asked_for<'s>(sources: &[&'s Source], at: &Place) -> Option<&'s Place> {
    let server = sources.iter().flat_map(|source| &source.servers).find(|server| server.place == *at)?;
    let maker = server.maker.as_deref()?;
    let others = sources.iter().filter(|source| source.file != at.file).flat_map(|source| &source.calls);
    others.filter(|(name, _)| name == maker).map(|(_, place)| place).next()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn where_a_server_that_another_package_makes_is_thrown_away() {
        let dockerfile = "FROM golang:1.25 AS build\nWORKDIR /src\nCOPY . .\nRUN go build -o /shop .\nFROM scratch\nCOPY --from=build /shop /shop\nCMD [\"/shop\"]\n";
        let main = "package main\n\nimport (\n\t\"example.com/shop/aaa\"\n\t\"example.com/shop/web\"\n)\n\nfunc main() {\n\taaa.New()\n\t_, errs := web.Start()\n\t<-errs\n}\n";
        let web = "package web\n\nimport \"net/http\"\n\nfunc Start() (*http.Server, error) {\n\ts := &http.Server{}\n\tgo s.ListenAndServe()\n\tgo s.ListenAndServeTLS()\n\treturn s, nil\n}\n";
        let metrics = "package aaa\n\nimport \"net/http\"\n\nfunc New() {\n\thttp.Handle(\"/metrics\", h)\n\ts = &http.Server{}\n}\n";
        let files = [("Dockerfile", dockerfile), ("go.mod", "module example.com/shop\n"), ("main.go", main), ("web/web.go", web), ("_try/main.go", "package main\nfunc main() { http.ListenAndServe(a, nil) }\n"), ("aaa/metrics.go", metrics)];
        let found = check(&subject(&files));
        assert_eq!(found.len(), 1);
        let texts: Vec<&str> = found[0].further.iter().map(|label| &*label.text).collect();
        assert_eq!(texts.len(), 3);
        assert!(texts[0].starts_with("asked for here"));
    }
}
