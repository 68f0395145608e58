//! A Go server that waits for slow clients for ever.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("server-without-timeouts", include_str!("server_without_timeouts.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, _, program) in programs(subject, |r| r == Runtime::Go) {
        for source in subject.code.go_of(program) {
            let assigned = source.assigned.iter().any(|name| name == "ReadTimeout" || name == "ReadHeaderTimeout");
            for server in source.servers.iter().filter(|server| !server.local && !assigned) {
                let set = |name: &str| server.timeouts.get(name).is_some_and(|(_, s)| *s != Some(0.0));
                if set("ReadTimeout") || set("ReadHeaderTimeout") {
                    continue;
                }
                found.push(
                    Finding::new(
                        RULE.name,
                        &service.name,
                        &server.place,
                        "this server has no ReadHeaderTimeout: a client that sends its headers slowly, or never, keeps a connection and a goroutine",
                    )
                    .label("no ReadHeaderTimeout, no ReadTimeout")
                    .remedy("set ReadHeaderTimeout to 5 to 10 s and IdleTimeout above the load balancer's; WriteTimeout only where nothing streams"),
                );
            }
            // echo has a server whose time-outs are assigned.
            let bare = source.bare.iter().filter(|bare| !assigned || !bare.call.starts_with("echo"));
            found.extend(bare.map(|bare| {
                let message = format!("{} makes a server without any time-out: slow clients keep connections and goroutines for ever", bare.call);
                Finding::new(RULE.name, &service.name, &bare.place, message)
                    .label("no time-outs can be given here")
                    .remedy("make an http.Server with ReadHeaderTimeout and IdleTimeout, and call its ListenAndServe")
            }));
        }
    }
    found
}
