//! A shell that stays in front of the program and keeps the stop signal for itself.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{LinkKind, Place, Runtime, Shell, is_daemon};
use crate::rules::Rule;
use crate::rules::reading::{programs, start};
use crate::finding::Safety;
use std::collections::HashSet;

/// The rule.
pub static RULE: Rule = Rule::new("signal-swallowed-by-shell", include_str!("signal_swallowed_by_shell.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
    // A script that does several things again and again is mended in one place.
    let mut told = HashSet::new();
    programs(subject, |_| true)
        .filter_map(|(service, container, program)| {
            if program.chain.unknown.is_some() {
                return None;
            }
            let mut links = program.chain.links.iter().filter(|link| !matches!(link.kind, LinkKind::Init)).peekable();
            let mut first = links.next()?;
            // A shell that may or may not exec a script: the script's own stays in any case.
            let unknown = matches!(first.kind, LinkKind::Shell { shell: Shell::Unknown, script: false, .. });
            if unknown && matches!(links.peek()?.kind, LinkKind::Shell { script: true, .. }) {
                first = links.next()?;
            }
            let LinkKind::Shell { shell, script, traps: false } = first.kind else { return None };
            if shell == Shell::Unknown && !script {
                return None;
            }
            let start = start(container, program);
            let at = if script { start } else { &first.place };
            let shown = if script { "a script that does not `exec` its last command" } else { "the shell form" };
            let endless = program.chain.endless && script;
            if endless && !told.insert(first.place.clone()) {
                return None;
            }
            let shown = if endless { "a script that loops for ever, and traps no signal," } else { shown };
            let message = format!("{shown} keeps a shell in front of the program: the stop signal never arrives, and what is in flight is killed");
            let daemon = program.command.get().is_some_and(|words| is_daemon(words));
            let serves = program.command.get().and_then(|words| words.first()).is_some_and(|word| {
                let name = word.rsplit('/').next().unwrap_or(word);
                ["server", "serve", "gunicorn", "httpd"].iter().any(|part| name.split(['-', '_', '.']).any(|own| own == *part))
            });
            let known = !matches!(program.runtime, Runtime::Other) || daemon || endless || serves;
            let finding = Finding::new(RULE.name, &service.name, at, message)
                .severity(if known && !endless && !daemon { Severity::High } else { Severity::Medium })
                .confidence(if known { Confidence::High } else { Confidence::Medium })
                .persona(if known { Persona::Regular } else { Persona::Pedantic })
                .label("a shell waits here")
                .beside(Some(&first.place).filter(|place| *place != at), "what starts the shell")
                .remedy(if endless {
                    "trap TERM in the script, and run what it does in the background with `wait`, so that the trap is run at once"
                } else if script {
                    "begin the last command of the script with `exec`"
                } else {
                    "write the instruction in exec form: CMD [\"program\", \"argument\"]"
                });
            Some(if endless { finding } else { fixed(subject, finding, at, script) })
        })
        .collect()
}

/// The fix, where the words mean the same without a shell, or nothing follows the last command.
fn fixed(subject: &Subject, finding: Finding, at: &Place, script: bool) -> Finding {
    let text = &*subject.picture.files.get(at.file).text;
    let line_start = text[..at.span.start].rfind('\n').map_or(0, |n| n + 1);
    let line_end = text[at.span.start..].find('\n').map_or(text.len(), |n| at.span.start + n);
    let line = &text[line_start..line_end];
    if script {
        let rest = text[line_end..].trim();
        let plain = line.trim_start() == line && !line.contains(['|', '&', ';', '=']) && !line.ends_with('\\');
        let shell = text.starts_with("#!") && text.lines().next().is_some_and(|first| first.ends_with("sh"));
        if rest.is_empty() && plain && shell && !text.contains("trap ") {
            let place = Place::new(at.file, line_start..line_start);
            return finding.fix(&place, "exec ", Safety::Safe);
        }
        return finding;
    }
    let Some((instruction, words)) = line.split_once(char::is_whitespace) else { return finding };
    let plain = |c: char| c.is_ascii_alphanumeric() || " ./:=,@_-".contains(c);
    let starts = text.lines().filter(|l| ["CMD", "ENTRYPOINT"].iter().any(|i| l.trim_start().to_uppercase().starts_with(i)));
    if !matches!(&*instruction.to_uppercase(), "CMD" | "ENTRYPOINT") || !words.chars().all(plain) || starts.count() != 1 || words.contains('=') {
        return finding;
    }
    let quoted: Vec<String> = words.split_whitespace().map(|word| format!("\"{word}\"")).collect();
    let place = Place::new(at.file, line_start..line_end);
    finding.fix(&place, format!("{instruction} [{}]", quoted.join(", ")), Safety::Safe)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn scripts_that_stay() {
        let found = |script: &str| {
            let dockerfile = "FROM debian:12\nCOPY run.sh /run.sh\nENTRYPOINT [\"/run.sh\"]\n";
            let text = format!("#!/bin/sh\n{script}\n");
            let found = check(&subject(&[("Dockerfile", dockerfile), ("run.sh", &text)]));
            found.iter().filter(|finding| finding.persona == Persona::Regular).count()
        };
        let looped = "while true; do\n  php sync.php a\n  php sync.php b\n  sleep 60\ndone";
        assert_eq!(found(looped), 1);
        assert_eq!(found(&format!("trap 'exit 0' TERM\n{looped}")), 0);
        assert_eq!(found("case \"$1\" in\n  web) exec node server.js ;;\n  *) cron -f ;;\nesac"), 1);
        assert_eq!(found("case \"$1\" in\n  web)\n    ls\n    ;;\n  *)\n    cron -f\n    ;;\nesac"), 1);
        assert_eq!(found("cron\nexec node server.js"), 0, "in the background by itself");
        assert_eq!(found("trap stop CHLD\ngunicorn main:app &\nwait"), 1);
    }
}
