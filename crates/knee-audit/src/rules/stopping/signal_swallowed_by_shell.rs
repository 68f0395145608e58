//! A shell that stays in front of the program and keeps the stop signal for itself.

use crate::Subject;
use crate::finding::{Confidence, Finding, Persona, Severity};
use crate::picture::{LinkKind, Place, Runtime, Shell};
use crate::rules::Rule;
use crate::rules::reading::{programs, start};
use crate::finding::Safety;

/// The rule.
pub static RULE: Rule = Rule::new("signal-swallowed-by-shell", include_str!("signal_swallowed_by_shell.md"), check);

fn check(subject: &Subject) -> Vec<Finding> {
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
            let message = format!("{shown} keeps a shell in front of the program: the stop signal never arrives, and what is in flight is killed");
            let known = !matches!(program.runtime, Runtime::Other);
            let finding = Finding::new(RULE.name, &service.name, at, message)
                .severity(if known { Severity::High } else { Severity::Medium })
                .confidence(if known { Confidence::High } else { Confidence::Medium })
                .persona(if known { Persona::Regular } else { Persona::Pedantic })
                .label("a shell waits here")
                .beside(Some(&first.place).filter(|place| *place != at), "what starts the shell")
                .remedy(if script {
                    "begin the last command of the script with `exec`"
                } else {
                    "write the instruction in exec form: CMD [\"program\", \"argument\"]"
                });
            Some(fixed(subject, finding, at, script))
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
