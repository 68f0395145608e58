//! package.json: the script that `npm start` runs.
//!
//! Source: <https://docs.npmjs.com/cli/v11/using-npm/scripts#npm-start>.

use super::word::{Coat, Inner};
use super::{CommandText, FormatError, json, shell};
use crate::text::line;
use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;

/// The script of that name, a text for the shell.
pub(crate) fn script(text: &str, name: &str) -> Result<Option<CommandText>, FormatError> {
    let text = &*json::unmarked(text);
    let parsed = json::parse(text)?;
    let object = parsed.as_ref().and_then(Value::as_object);
    let scripts = object.and_then(|object| object.get_object("scripts"));
    let Some(script) = scripts.and_then(|scripts| scripts.get_string(name)) else {
        return Ok(None);
    };
    let range = script.range();
    let inner = Inner::aligned(text, range.start..range.end, &script.value, Coat::Json);
    let statements = shell::statements(&inner);
    let argv = vec!["/bin/sh".into(), "-c".into(), inner.text];
    Ok(Some(CommandText { argv, statements, line: line(text, range.start) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_start_script_is_a_command() {
        let text = "\u{feff}{\r\n  \"scripts\": { \"start\": \"NODE_ENV=production node --max-old-space-size=300 \\\"a b.js\\\"\" }\r\n}";
        let command = script(text, "start").unwrap().unwrap();
        assert_eq!((command.argv[1].as_str(), command.line), ("-c", 2));
        let statement = &command.statements[0];
        assert_eq!(statement.argv(), ["node", "--max-old-space-size=300", "a b.js"]);
        let edited = statement.words[1].replace(text, "--max-old-space-size=200").apply(text);
        assert_eq!(edited, text.replace("300", "200"));
        assert_eq!(script("{\"scripts\": {\"test\": \"x\"}}", "start"), Ok(None));
        let error = script("{\n \"scripts\": }", "start").unwrap_err().to_string();
        assert!(error.starts_with("2:13: is no JSON: "), "{error}");
        assert!(script(&"[".repeat(100_000), "start").is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "([{}\\[\\]:, ]|\"(scripts|start|[a-z' $ü]|\\\\\"){0,5}\"|//\n|\u{feff}){0,20}") {
            let _ = script(&text, "start");
        }

        #[test]
        fn a_word_is_read_back_and_no_other_changes(value in "[ -~ü]{1,8}") {
            let text = r#"{ "scripts": { "start": "exec node -w '4' \"a b\"", "test": "x" } }"#;
            let words = |text: &str| script(text, "start").unwrap().unwrap().statements.remove(0).words;
            let edited = words(text)[3].replace(text, &value).apply(text);
            let argv: Vec<String> = words(&edited).into_iter().map(|w| w.text).collect();
            prop_assert_eq!(argv, ["exec", "node", "-w", &value, "a b"]);
            let other = script(&edited, "test").unwrap().unwrap();
            prop_assert_eq!(other.argv[2].as_str(), "x");
        }
    }
}
