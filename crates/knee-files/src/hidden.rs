//! Files and commands as they may be shown: what environment variables are set to is left out, as
//! it may be a secret, unless that is what changes.

mod options;

use crate::formats::dockerfile::{self, Dockerfile};
use crate::formats::tree::Node;
use crate::formats::word::{Coat, Dress, Inner, Word};
use crate::formats::{Entry, cloudformation, compose, shell, yaml};
use std::ops::Range;
use std::path::Path;

/// Both states of a file without the values that are the same in both.
pub(crate) fn shown(path: &Path, before: &str, after: &str) -> (String, String) {
    let (old, new) = (values(path, before), values(path, after));
    let known = |others: &[Value], value: &Value| {
        others.iter().any(|other| other.name == value.name && other.text == value.text)
    };
    let hide = |text: &str, values: &[Value], others: &[Value]| {
        let mut ranges: Vec<Range<usize>> = values
            .iter()
            .filter(|value| value.is_literal() && known(others, value))
            .map(|value| value.range.clone())
            .collect();
        ranges.sort_by_key(|range| std::cmp::Reverse(range.start));
        ranges.dedup();
        ranges.into_iter().fold(text.to_string(), |mut text, range| {
            text.replace_range(range, HIDDEN);
            text
        })
    };
    (hide(before, &old, &new), hide(after, &new, &old))
}

/// A command line as it may be shown and kept: without the values that it assigns, those of options
/// that name a secret, and passwords in addresses.
pub fn without_values(command: &str) -> String {
    let mut shown = String::new();
    let mut end = 0;
    for Assigned { range, closes, .. } in assigned_in(command) {
        shown += &command[end..range.start];
        shown += HIDDEN;
        // What was opened before stays closed, so that it reads as it did.
        shown += closes.unwrap_or_default();
        end = range.end;
    }
    shown += &command[end..];
    options::without_secrets(&shown).split(' ').map(without_password).collect::<Vec<_>>().join(" ")
}

/// Whether a line has an address with a password, or a token in its place.
pub fn has_password(line: &str) -> bool {
    let inside = |c: char| !(c.is_whitespace() || "\"'`<>".contains(c));
    line.match_indices("://").any(|(at, sign)| {
        let rest = &line[at + sign.len()..];
        let word = rest.split(|c| !inside(c)).next().unwrap_or_default();
        // A password may have a slash; a path without one before it has no `@` that means a user.
        let user = word.split_once('@').map(|(user, _)| user);
        user.is_some_and(|user| user.contains(':') || !user.contains('/'))
    })
}

/// Whether something was left out of a command line.
pub fn lacks_values(command: &str) -> bool {
    command.contains(HIDDEN)
}

/// The variables that a command line assigns, in whichever quotes it does so, with their values.
pub fn assignments(command: &str) -> Vec<(String, String)> {
    let plain = |range: Range<usize>| command[range].replace(['\'', '"', '\\'], "");
    assigned_in(command).into_iter().map(|a| (a.name, plain(a.range))).collect()
}

/// Stands where a value was.
const HIDDEN: &str = "…";

/// A variable with the bytes of its value.
struct Assigned {
    name: String,
    range: Range<usize>,
    /// The quote that was opened before the name, where the value goes on beyond its end.
    closes: Option<&'static str>,
}

/// Every assignment. Rather too much is taken for a value than too little: a
/// text for the shell may stand in a word of another one.
fn assigned_in(command: &str) -> Vec<Assigned> {
    let begins = |at: usize| {
        let before = command[..at].chars().next_back();
        before.is_none_or(|c| c.is_whitespace() || "'\"`;&|(".contains(c))
    };
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(sign) = command[at..].find('=').map(|sign| at + sign) {
        let word = |c: char| !(c.is_ascii_alphanumeric() || c == '_');
        let name = command[at..sign].rfind(word).map_or(at, |before| {
            at + before + command[at + before..].chars().next().map_or(1, char::len_utf8)
        });
        at = sign + 1;
        if shell::is_name(&command[name..sign]) && begins(name) {
            let rest = &command[at..];
            let (length, closes) = match quote_at_end(&command[..name]) {
                Some(quote) => quoted_length(rest, quote),
                None => (value_length(rest), None),
            };
            let range = at..at + length;
            at = range.end;
            let value = &command[range.clone()];
            if !value.is_empty() && !names_another(value) {
                found.push(Assigned { name: command[name..sign].into(), range, closes });
            }
        }
    }
    found
}

/// Quotes, which may themselves be escaped in a text for a shell that stands in another's.
const QUOTES: [&str; 4] = ["\\\"", "\\'", "\"", "'"];

fn quote_at_end(text: &str) -> Option<&'static str> {
    QUOTES.into_iter().find(|quote| text.ends_with(quote))
}

/// How many bytes of a text belong to the value that it begins with, where a quote was opened before
/// its name: those up to that quote's end, and what is joined to it, with the quote that is among them then.
fn quoted_length(text: &str, quote: &'static str) -> (usize, Option<&'static str>) {
    let is_end = |at: &usize| quote.starts_with('\\') || !text[..*at].ends_with('\\');
    let Some(close) = text.match_indices(quote).map(|(at, _)| at).find(is_end) else {
        return (text.len(), None);
    };
    match value_length(&text[close + quote.len()..]) {
        0 => (close, None),
        joined => (close + quote.len() + joined, Some(quote)),
    }
}

/// How many bytes of a text belong to the value that it begins with, as a shell reads it.
fn value_length(text: &str) -> usize {
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let quote = QUOTES.into_iter().find(|quote| rest.starts_with(quote));
        at += match quote {
            Some(quote) => {
                let close = rest[quote.len()..].find(quote);
                close.map_or(rest.len(), |inside| inside + 2 * quote.len())
            }
            None if c == '\\' => 1 + rest[1..].chars().next().map_or(0, char::len_utf8),
            None if c.is_whitespace() || ";&|)".contains(c) => return at,
            None => c.len_utf8(),
        };
    }
    at
}

/// `$NAME` and `${NAME}` are no secret themselves.
fn names_another(value: &str) -> bool {
    let bare = value.trim_matches(['"', '\\']).strip_prefix('$');
    let name =
        bare.map(|name| name.strip_prefix('{').and_then(|n| n.strip_suffix('}')).unwrap_or(name));
    name.is_some_and(shell::is_name)
}

fn without_password(word: &str) -> String {
    if let Some((scheme, rest)) = word.split_once("://")
        && let Some((_, host)) = rest.split_once('@')
    {
        return format!("{scheme}://{HIDDEN}@{host}");
    }
    word.into()
}

/// A value in a file.
struct Value {
    name: String,
    text: String,
    /// The bytes that say it, without quotes where that is simple.
    range: Range<usize>,
}

impl Value {
    /// `${N:-4}` names another variable and is no secret itself.
    fn is_literal(&self) -> bool {
        !self.text.is_empty() && !self.text.starts_with('$')
    }

    fn of(file: &str, name: &str, text: &str, word: &Word) -> Value {
        let raw = &file[word.range.clone()];
        let range = match raw.find(text) {
            Some(at) => word.range.start + at..word.range.start + at + text.len(),
            None => word.range.clone(),
        };
        Value { name: name.into(), text: text.into(), range }
    }
}

fn values(path: &Path, text: &str) -> Vec<Value> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
    let entry = |(name, entry): &(String, Entry)| Value::of(text, name, &entry.value, &entry.word);
    // Task definitions, Terraform, and templates of either.
    let named = ["json", "tf", "tfvars", "tpl", "tftpl", "tmpl"];
    if name.split('.').skip(1).any(|part| named.contains(&part)) {
        return named_values(text);
    }
    if name.ends_with(".yml") || name.ends_with(".yaml") || name.ends_with(".template") {
        if let Ok(Some(root)) = yaml::tree(text, 0)
            && cloudformation::is_template(&root)
        {
            return of_template(text, &root, "");
        }
        let services = compose::parse(text, &|_| None).unwrap_or_default();
        return services.iter().flat_map(|service| &service.env).map(entry).collect();
    }
    if name.contains("dockerfile") || name.contains("containerfile") {
        let readable = dockerfile::readable(text);
        let Ok(file) = Dockerfile::parse(&readable) else { return Vec::new() };
        let image = file.image(None);
        let commands = image.cmd.iter().chain(&image.entrypoint).flat_map(|c| &c.statements);
        let mut found: Vec<Value> = image.env.iter().map(entry).collect();
        found.extend(commands.flat_map(|statement| assigned(text, statement)));
        return found;
    }
    if name.ends_with(".py") || name.ends_with(".conf") || name.ends_with(".ini") {
        return Vec::new();
    }
    let statements = shell::statements(&Inner::verbatim(text, 0..text.len()));
    statements.iter().flat_map(|statement| assigned(text, statement)).collect()
}

/// What a template of CloudFormation calls a value or a default, each with its name.
fn of_template(text: &str, node: &Node, name: &str) -> Vec<Value> {
    let named = node.get("Name").and_then(Node::text);
    let mut found = Vec::new();
    for (key, inner) in node.entries() {
        let own = if key == "Value" { named.as_deref().unwrap_or(name) } else { name };
        match (key.as_str(), inner.text()) {
            ("Value" | "Default" | "Sub" | "Fn::Sub", Some(said)) => {
                let range = inner.span.range.clone();
                let word = Word {
                    text: said.clone(),
                    range,
                    dynamic: false,
                    dress: Dress::Item(Coat::Plain),
                };
                found.push(Value::of(text, own, &said, &word));
            }
            // `!Sub 'https://user:password@${Host}'`
            ("Value" | "Default", None) => found.extend(of_template(text, inner, own)),
            _ => found.extend(of_template(text, inner, key)),
        }
    }
    let items = if node.is_list() { node.items() } else { &[] };
    found.extend(items.iter().flat_map(|item| of_template(text, item, name)));
    found
}

/// The texts of everything that is called a value or a default, in JSON and in Terraform's blocks and
/// objects, each with the name before it.
fn named_values(text: &str) -> Vec<Value> {
    let mut name = "";
    let mut found = Vec::new();
    for range in strings(text) {
        let (before, text) = (text[..range.start - 1].trim_end(), &text[range.clone()]);
        let Some(before) = before.strip_suffix(['=', ':']) else { continue };
        let key = before.trim_end().trim_end_matches('"');
        let key = key.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next();
        match key.unwrap_or_default().to_ascii_lowercase().as_str() {
            "name" => name = text,
            // `"Fn::Sub": "https://user:password@${Host}"`
            "value" | "default" | "sub" => {
                let name = std::mem::take(&mut name).into();
                found.push(Value { name, text: text.into(), range });
            }
            _ => {}
        }
    }
    found
}

/// The insides of the texts in double quotes, which end in their line.
fn strings(text: &str) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut open = None;
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match (c, open) {
            _ if escaped => escaped = false,
            ('\\', Some(_)) => escaped = true,
            ('"', Some(start)) => {
                found.push(start..at);
                open = None;
            }
            ('"', None) => open = Some(at + 1),
            ('\n', _) => open = None,
            _ => {}
        }
    }
    found
}

/// What a command assigns or exports.
fn assigned(text: &str, statement: &shell::Statement) -> Vec<Value> {
    let assignments = statement.assignments.iter().map(|(name, word)| (name.as_str(), word, 0));
    let exported = statement.words.iter().filter_map(|word| {
        let (name, _) = word.text.split_once('=')?;
        let is_name = name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        (is_name && !name.is_empty()).then_some((name, word, name.len() + 1))
    });
    let value = |(name, word, skip): (&str, &Word, usize)| {
        Value::of(text, name, word.text.get(skip..).unwrap_or_default(), word)
    };
    assignments.chain(exported).map(value).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_command_is_shown_without_what_it_assigns() {
        for (command, shown) in [
            (
                "TOKEN=hunter2 N=4 gunicorn --bind=0:80 app:app",
                "TOKEN=… N=… gunicorn --bind=0:80 app:app",
            ),
            ("PASS='hunter 2'x \"gunicorn\"", "PASS=… \"gunicorn\""),
            ("PASS=\"hunter 2\" gunicorn", "PASS=… gunicorn"),
            ("PASS=hunter\\ 2 gunicorn", "PASS=… gunicorn"),
            ("export TOKEN=hunter2; exec node x.js", "export TOKEN=…; exec node x.js"),
            ("A=1&&B=hunter2 node", "A=…&&B=… node"),
            (
                "sh -c 'export TOKEN=hunter2; exec node x.js'",
                "sh -c 'export TOKEN=…; exec node x.js'",
            ),
            ("sh -c \"exec T=\\\"hunter 2\\\" node x.js\"", "sh -c \"exec T=… node x.js\""),
            ("sh -c \"T=\\\"hunter 2\\\" node x.js\"", "sh -c \"T=…\""),
            ("env 'T=hunter 2' node", "env 'T=…' node"),
            ("env 'T=hunt'\\''er 2' node", "env 'T=…'"),
            ("'_='hunter2 \"", "'_=…' \""),
            ("env TOKEN=hunter2 node x.js", "env TOKEN=… node x.js"),
            (
                "PORT=$PORT HOST=${HOST} node --a=b x?y=z",
                "PORT=$PORT HOST=${HOST} node --a=b x?y=z",
            ),
            ("DB=${DB:-hunter2} node", "DB=… node"),
            ("server --db postgres://u:hunter2@db/x", "server --db postgres://…@db/x"),
            ("A= node ü=1 =", "A= node ü=1 ="),
            (
                "redis-server --requirepass hunter2 --port 1",
                "redis-server --requirepass … --port 1",
            ),
        ] {
            assert_eq!(without_values(command), shown);
            assert_eq!(without_values(shown), shown, "hidden twice");
        }
        let told = assignments("exec T='hunter 2' U=\\\"x y\\\" node");
        assert_eq!(told, [("T".into(), "hunter 2".into()), ("U".into(), "x y".into())]);
    }

    proptest! {
        #[test]
        fn any_command_can_be_shown(command in "([A-Z_]+=|['\"\\\\ ;$({ü]|hunter2|node|://|@){0,12}") {
            let shown = without_values(&command);
            prop_assert_eq!(without_values(&shown), shown);
        }

        #[test]
        fn no_assigned_value_is_shown(quote in "['\"]?", outer in "(sh -c '|export |env )?", tail in "( node|;|&)?") {
            let command = format!("{outer}TOKEN={quote}hunter2{quote}{tail}");
            prop_assert!(!without_values(&command).contains("hunter2"), "{}", command);
        }
    }

    #[test]
    fn passwords_in_addresses() {
        for line in [
            "url = 'redis://:hunter2@h/0'",
            "DB=postgres://u:hunter2@h/db N=4",
            "git clone https://hunter2@example.org/a",
            "[\"--broker\", \"amqp://u:hunt/er2@h\"]",
        ] {
            assert!(has_password(line), "{line}");
        }
        for line in ["http://example.org/@scope/a", "mail a@b.c, see http://h/x", "a://b c@d"] {
            assert!(!has_password(line), "{line}");
        }
    }

    #[test]
    fn what_stays_is_hidden_and_what_changes_is_shown() {
        for (path, before, after, left) in [
            (
                "Dockerfile",
                "FROM x\nENV TOKEN=hunter2 N=4\nCMD PASS='hunter 3' gunicorn app:app\n",
                "FROM x\nENV TOKEN=hunter2 N=8\nCMD PASS='hunter 3' gunicorn app:app\n",
                "FROM x\nENV TOKEN=… N=8\nCMD PASS='…' gunicorn app:app\n",
            ),
            (
                "compose.yaml",
                "services:\n  a:\n    environment:\n      - TOKEN=hunter2\n      - N=4\n",
                "services:\n  a:\n    environment:\n      - TOKEN=hunter2\n      - N=8\n",
                "services:\n  a:\n    environment:\n      - TOKEN=…\n      - N=8\n",
            ),
            (
                "infra/ecs.tf",
                "{ name = \"TOKEN\", value = \"hunter2\" },\n{ name = \"N\", value = \"4\" }\n  value = \"hunter3\"\n",
                "{ name = \"TOKEN\", value = \"hunter2\" },\n{ name = \"N\", value = \"8\" }\n  value = \"hunter3\"\n",
                "{ name = \"TOKEN\", value = \"…\" },\n{ name = \"N\", value = \"8\" }\n  value = \"…\"\n",
            ),
            (
                "main.tf",
                "environment = [{ name = \"N\", value = \"4\" }, { \"name\" : \"T\", \"value\" : \"hunter2\" }, { value = \"hunter3\\\" 8\" }]\n",
                "environment = [{ name = \"N\", value = \"8\" }, { \"name\" : \"T\", \"value\" : \"hunter2\" }, { value = \"hunter3\\\" 8\" }]\n",
                "environment = [{ name = \"N\", value = \"8\" }, { \"name\" : \"T\", \"value\" : \"…\" }, { value = \"…\" }]\n",
            ),
            (
                "stack.yaml",
                "Parameters:\n  Key: { Type: String, Default: hunter2 }\nResources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Env:\n      - Name: TOKEN\n        Value: 'hunter3'\n      - Name: N\n        Value: 4\n",
                "Parameters:\n  Key: { Type: String, Default: hunter2 }\nResources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Env:\n      - Name: TOKEN\n        Value: 'hunter3'\n      - Name: N\n        Value: 8\n",
                "Parameters:\n  Key: { Type: String, Default: … }\nResources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Env:\n      - Name: TOKEN\n        Value: '…'\n      - Name: N\n        Value: 8\n",
            ),
            (
                "sub.yml",
                "Resources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Env:\n      - Name: DB\n        Value: !Sub 'pg://u:hunter2@${Host}'\n      - Name: N\n        Value: 4\n",
                "Resources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Env:\n      - Name: DB\n        Value: !Sub 'pg://u:hunter2@${Host}'\n      - Name: N\n        Value: 8\n",
                "Resources:\n  T:\n    Type: AWS::ECS::TaskDefinition\n    Env:\n      - Name: DB\n        Value: !Sub '…'\n      - Name: N\n        Value: 8\n",
            ),
            (
                "sub.json",
                "{ \"Name\": \"T\", \"Value\": { \"Fn::Sub\": \"pg://u:hunter2@${Host}\" } }, 4\n",
                "{ \"Name\": \"T\", \"Value\": { \"Fn::Sub\": \"pg://u:hunter2@${Host}\" } }, 8\n",
                "{ \"Name\": \"T\", \"Value\": { \"Fn::Sub\": \"…\" } }, 8\n",
            ),
            (
                "stack.json",
                "{ \"Name\": \"T\", \"Value\": \"hunter2\" },\n{ \"Default\": \"hunter3\" }, 4\n",
                "{ \"Name\": \"T\", \"Value\": \"hunter2\" },\n{ \"Default\": \"hunter3\" }, 8\n",
                "{ \"Name\": \"T\", \"Value\": \"…\" },\n{ \"Default\": \"…\" }, 8\n",
            ),
            (".env", "TOKEN=hunter2\nN=4\n", "TOKEN=hunter2\nN=8\n", "TOKEN=…\nN=8\n"),
            (
                "start.sh",
                "export TOKEN=\"hunter2\"\nN=4 node x.js\n",
                "export TOKEN=\"hunter2\"\nN=8 node x.js\n",
                "export TOKEN=\"…\"\nN=8 node x.js\n",
            ),
            ("www.conf", "[www]\npm = static\n", "[www]\npm = dynamic\n", "[www]\npm = dynamic\n"),
        ] {
            assert_eq!(shown(Path::new(path), before, after).1, left);
            assert!(!shown(Path::new(path), before, after).0.contains("hunter"), "{path}");
        }
    }
}
