//! Options of a command that say a secret in a word, as redis-server's `--requirepass` does.

use super::HIDDEN;

/// What the name of such an option has in it, in lower case and without `-` and `_`.
const NAMED: [&str; 7] =
    ["password", "passwd", "requirepass", "secret", "token", "apikey", "accesskey"];
/// What such a name ends with where it says where the secret is, and not the secret.
const ELSEWHERE: [&str; 4] = ["file", "path", "env", "name"];

/// A command line without what is said to such options, in the next word or behind `=`.
pub(super) fn without_secrets(command: &str) -> String {
    let mut shown: Vec<String> = Vec::new();
    let mut words = command.split(' ');
    while let Some(word) = words.next() {
        match word.split_once('=') {
            Some((option, value)) if says(option) && !value.is_empty() => {
                shown.push(format!("{option}={}", hidden(value, &mut words)));
            }
            None if says(word) => {
                shown.push(word.into());
                let value = words.next();
                shown.extend(value.map(|value| match value.starts_with('-') || value.is_empty() {
                    true => value.into(),
                    false => hidden(value, &mut words),
                }));
            }
            _ => shown.push(word.into()),
        }
    }
    shown.join(" ")
}

fn says(option: &str) -> bool {
    let name = option.trim_start_matches(['"', '\'']);
    let bare = name.to_lowercase().replace(['-', '_'], "");
    name.starts_with('-')
        && NAMED.iter().any(|named| bare.contains(named))
        && !ELSEWHERE.iter().any(|end| bare.ends_with(end))
}

/// What stands for a value that begins with this word: it goes on to the quote that closes it. Quotes
/// that it closes of what was opened before stay.
fn hidden<'a>(word: &str, rest: &mut impl Iterator<Item = &'a str>) -> String {
    if word.starts_with('$') {
        return word.into(); // the name of a variable
    }
    let Some(quote) = word.chars().next().filter(|c| ['"', '\''].contains(c)) else {
        let value = word.trim_end_matches(['"', '\'', ';', ')']);
        return format!("{HIDDEN}{}", &word[value.len()..]);
    };
    let closes = |word: &str| word.trim_end_matches([';', ')']).ends_with(quote);
    if !(word.len() > 1 && closes(word)) {
        let _ = rest.find(|word| closes(word));
    }
    HIDDEN.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_to_an_option_that_names_a_secret_is_hidden() {
        for (command, shown) in [
            ("x --password hunter2 --port 1", "x --password … --port 1"),
            ("x --requirepass=hunter2", "x --requirepass=…"),
            ("x --password 'hunter 2' -v", "x --password … -v"),
            ("x --api-key=\"a b c\" -v", "x --api-key=… -v"),
            ("sh -c 'exec x --token hunter2'", "sh -c 'exec x --token …'"),
            ("x --token $TOKEN", "x --token $TOKEN"),
            ("x --password-file /run/secret", "x --password-file /run/secret"),
            ("x --password --port 1", "x --password --port 1"),
            ("x --password", "x --password"),
            ("x --workers 4 token y", "x --workers 4 token y"),
        ] {
            assert_eq!(without_secrets(command), shown);
            assert_eq!(without_secrets(shown), shown, "hidden twice");
        }
    }
}
