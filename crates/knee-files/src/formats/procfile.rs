//! Procfile: a line for each process type, `web: gunicorn app:app`, each a text for the shell.
//!
//! Source: <https://devcenter.heroku.com/articles/procfile#procfile-format>.

use super::CommandText;
use super::shell;
use super::word::Inner;
use crate::text::line;

/// The process types with their commands, in order. What is no such line is left out, as by the
/// programs that run a Procfile.
pub fn parse(text: &str) -> Vec<(String, CommandText)> {
    let mut at = 0;
    let lines = text.split_inclusive('\n').map(|raw| {
        let start = at;
        at += raw.len();
        (start, raw)
    });
    lines.filter_map(|(start, raw)| process(text, start, raw)).collect()
}

fn process(text: &str, start: usize, raw: &str) -> Option<(String, CommandText)> {
    let (name, command) = raw.split_once(':')?;
    let trimmed = name.trim_start_matches('\u{feff}').trim();
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
    if trimmed.is_empty() || !trimmed.chars().all(is_name) || command.trim().is_empty() {
        return None;
    }
    let from = start + name.len() + 1 + (command.len() - command.trim_start().len());
    let inner = Inner::verbatim(text, from..from + command.trim().len());
    let argv = vec!["/bin/sh".into(), "-c".into(), inner.text.clone()];
    let statements = shell::statements(&inner);
    Some((trimmed.into(), CommandText { argv, statements, line: line(text, start) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_line_is_a_process() {
        let text = "\u{feff}# what runs\r\nrelease: ./migrate\r\nweb: gunicorn -w ${N:-4} app:app\r\n\r\nno such line";
        let found = parse(text);
        assert_eq!(
            found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
            ["release", "web"]
        );
        let web = &found[1].1;
        assert_eq!((web.argv[2].as_str(), web.line), ("gunicorn -w ${N:-4} app:app", 3));
        let word = &web.statements[0].words[2];
        assert_eq!(word.replace(text, "8").apply(text), text.replace("${N:-4}", "8"));
    }

    proptest! {
        #[test]
        fn any_text_is_read(text in "([a-z_ü#-]|: |\r?\n|[\"'$ ]){0,40}") {
            for (_, command) in parse(&text) {
                let words = command.statements.iter().flat_map(|s| &s.words);
                prop_assert!(words.into_iter().all(|w| text.get(w.range.clone()).is_some()));
            }
        }

        #[test]
        fn a_word_is_read_back_and_no_other_changes(
            before in "(# [a-z]{0,5}\r?\n|[a-w]: x 4\n){0,3}", value in "[ -~]{1,8}",
        ) {
            let text = format!("{before}web: exec g -w '4' \"a b\" # end\n");
            let words = |text: &str| parse(text).pop().unwrap().1.statements.remove(0).words;
            let edited = words(&text)[3].replace(&text, &value).apply(&text);
            let argv: Vec<String> = words(&edited).into_iter().map(|w| w.text).collect();
            prop_assert_eq!(argv, ["exec", "g", "-w", &value, "a b"]);
            prop_assert!(edited.starts_with(&before) && edited.ends_with(" # end\n"));
        }
    }
}
