//! A Go program that waits for Ctrl-C and is stopped by SIGTERM.

use crate::Subject;
use crate::finding::{Finding, Severity};
use crate::picture::Runtime;
use crate::rules::Rule;
use crate::rules::reading::programs;

/// The rule.
pub static RULE: Rule = Rule::new("interrupt-only", include_str!("interrupt_only.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for (service, container, program) in programs(subject, |runtime| runtime == Runtime::Go) {
        let interrupted = container.stop_signal.as_ref().is_some_and(|s| s.get().is_none_or(|s| s.contains("INT")));
        let sources: Vec<_> = subject.code.go_of(program).collect();
        let shuts_down = sources.iter().any(|source| !source.shutdowns.is_empty());
        let notified: Vec<_> = sources.iter().flat_map(|source| &source.notified).collect();
        let only = |signals: &[String]| {
            !signals.is_empty() && signals.iter().all(|s| matches!(&**s, "os.Interrupt" | "syscall.SIGINT"))
        };
        if interrupted || !shuts_down || !notified.iter().all(|(_, signals)| only(signals)) {
            continue;
        }
        found.extend(notified.first().map(|(at, _)| {
            Finding::new(RULE.name, &service.name, at, "the program shuts down on SIGINT only, but ECS sends SIGTERM: the drain never runs")
                .severity(Severity::High)
                .label("SIGTERM is missing here")
                .remedy("name both: signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)")
        }));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn by_another_name_for_notify() {
        let found = |notify: &str| {
            let main = format!("package main\nimport (\"net/http\"; \"os\"; \"os/signal\")\n{notify}\nfunc main() {{\n\tsrv := &http.Server{{}}\n\tc := make(chan os.Signal, 1)\n\tnotify(c, os.Interrupt)\n\tgo srv.ListenAndServe()\n\t<-c\n\tsrv.Shutdown(nil)\n}}\n");
            let dockerfile = "FROM golang:1.25\nCOPY . .\nRUN go build -o /web .\nCMD [\"/web\"]\n";
            check(&subject(&[("Dockerfile", dockerfile), ("go.mod", "module web\n"), ("main.go", &main)])).len()
        };
        assert_eq!((found("var notify = signal.Notify"), found("func notify(c chan os.Signal, s os.Signal) {}")), (1, 0));
    }
}
