//! package.json: the scripts that `npm start` and `npm run` start.
//!
//! Source: <https://docs.npmjs.com/cli/v11/using-npm/scripts#npm-start>.

use super::word::{Coat, Inner};
use super::{FormatError, json};
use crate::text::Position;
use jsonc_parser::ast::Value;
use jsonc_parser::common::Ranged;

/// The text of the script of that name, which is for the shell; None where there is none.
pub fn script(text: &str, name: &str) -> Result<Option<Inner>, FormatError> {
    let text = &*json::unmarked(text);
    let Some(Value::Object(package)) = json::parse(text)? else {
        let problem = "is no package.json: an object belongs here".into();
        return Err(FormatError { at: Position::of(text, 0), problem });
    };
    let script = package.get_object("scripts").and_then(|scripts| scripts.get_string(name));
    Ok(script.map(|script| {
        let range = script.range();
        Inner::aligned(text, range.start..range.end, &script.value, Coat::Json)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::formats::shell;
    use proptest::prelude::*;

    #[test]
    fn the_start_script_is_a_command() {
        let text = "\u{feff}{\r\n  \"scripts\": { \"start\": \"NODE_ENV=production node --max-old-space-size=300 \\\"a b.js\\\"\" }\r\n}";
        let inner = script(text, "start").unwrap().unwrap();
        let statement = shell::statements(&inner).remove(0);
        assert_eq!(statement.argv(), ["node", "--max-old-space-size=300", "a b.js"]);
        let edited = statement.words[1].replace(text, "--max-old-space-size=200").apply(text);
        assert_eq!(edited, text.replace("300", "200"));
        assert_eq!(script("{\"scripts\": {\"test\": \"x\"}}", "start"), Ok(None));
        assert!(script("[]", "start").is_err());
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
            let start = |text: &str| script(text, "start").unwrap().unwrap();
            let words = |text: &str| shell::statements(&start(text)).remove(0).words;
            let edited = words(text)[3].replace(text, &value).apply(text);
            let argv: Vec<String> = words(&edited).into_iter().map(|w| w.text).collect();
            prop_assert_eq!(argv, ["exec", "node", "-w", &value, "a b"]);
            let other = script(&edited, "test").unwrap().unwrap();
            prop_assert_eq!(other.text, "x");
        }
    }
}
