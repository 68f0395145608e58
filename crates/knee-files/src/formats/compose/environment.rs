//! The variables of a service, and how one is set: in a map or a list, in lines or in brackets.

use super::File;
use crate::formats::Entry;
use crate::formats::word::{Coat, Dress, Word, quoted};
use crate::formats::yaml::At;
use crate::text::{Edit, newline};
use std::ops::Range;

/// What a new variable is written as.
#[derive(Clone, Debug)]
struct Insert {
    /// Bytes that it takes the place of.
    range: Range<usize>,
    before: String,
    form: Form,
    after: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `NAME: "value"`
    Map,
    /// `"NAME=value"`
    List,
}

/// A variable of a service.
pub(super) struct Variable {
    name: String,
    value: Option<String>,
    word: Word,
    form: Form,
    /// Whether it stands in the service's own map or list.
    own: bool,
}

impl Variable {
    /// Its value; without one it has that of the place where compose runs.
    pub fn entry(
        &self,
        file: &str,
        outside: &dyn Fn(&str) -> Option<String>,
    ) -> Option<(String, Entry)> {
        let mut entry = Entry::of(file, self.word.clone());
        entry.value = self.value.clone().or_else(|| outside(&self.name))?;
        if self.form == Form::List {
            entry.around.0 = format!("{}=", self.name);
        }
        Some((self.name.clone(), entry))
    }
}

/// How variables of a service are set.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer {
    /// Variables that stand in the service's own map or list.
    own: Vec<(String, Form, Word)>,
    /// Where a new one goes.
    insert: Option<Insert>,
}

impl Writer {
    pub fn new(
        text: &str,
        service: At<'_>,
        environment: Option<At<'_>>,
        variables: Vec<Variable>,
    ) -> Writer {
        let own = variables.into_iter().filter(|v| v.own).map(|v| (v.name, v.form, v.word));
        Writer { own: own.collect(), insert: insert(text, service, environment) }
    }

    /// See [`super::Service::set_env`].
    pub fn set(&self, file: &str, name: &str, value: &str) -> Option<Edit> {
        let value = value.replace('$', "$$");
        if let Some((_, form, word)) = self.own.iter().rev().find(|(own, ..)| own == name) {
            return Some(match form {
                Form::List => word.replace(file, &format!("{name}={value}")),
                // Nothing stands behind the colon.
                Form::Map if word.range.is_empty() => {
                    Edit::insert(word.range.start, format!(" {}", quoted(&value)))
                }
                Form::Map => word.replace(file, &value),
            });
        }
        let insert = self.insert.as_ref()?;
        let new = match insert.form {
            Form::Map => format!("{}: {}", Coat::Plain.item(name), quoted(&value)),
            Form::List => quoted(&format!("{name}={value}")),
        };
        let text = format!("{}{new}{}", insert.before, insert.after);
        Some(Edit::replace(insert.range.clone(), text))
    }
}

impl File<'_> {
    pub fn variables(&self, env: At<'_>) -> Vec<Variable> {
        if let Some(items) = env.items() {
            let variable = |item: At<'_>| {
                let (word, _) = self.word(item)?;
                let (name, value) = match word.text.split_once('=') {
                    Some((name, value)) => (name.to_string(), Some(value.to_string())),
                    None => (word.text.clone(), None),
                };
                Some(Variable { name, value, word, form: Form::List, own: !item.shared })
            };
            return items.into_iter().filter_map(variable).collect();
        }
        let variable = |(name, node): (&str, At<'_>)| {
            let mut word = node.word()?;
            if word.dress == Dress::Item(Coat::Plain) {
                word.dress = Dress::Item(Coat::PlainNumber);
            }
            let value = self.inner(node).map(|inner| inner.text);
            Some(Variable { name: name.into(), value, word, form: Form::Map, own: !node.shared })
        };
        env.entries().into_iter().filter_map(variable).collect()
    }
}

/// Where a new variable goes. None where only what other services share could be changed.
fn insert(text: &str, service: At<'_>, environment: Option<At<'_>>) -> Option<Insert> {
    if service.shared {
        return None;
    }
    let end = newline(text);
    let Some(env) = environment else {
        let at = service.extent()?.start;
        let (before, after) = if service.is_flow() {
            ("environment: {".into(), "}, ".into())
        } else {
            let lead = lead(text, at)?;
            (format!("environment:{end}{lead}  "), format!("{end}{lead}"))
        };
        return Some(Insert { range: at..at, before, form: Form::Map, after });
    };
    if let Some(alias) = env.alias().filter(|_| env.is_map() && !service.is_flow()) {
        let lead = lead(text, service.extent()?.start)?;
        let merged = format!("{end}{lead}  <<: {}{end}{lead}  ", &text[alias.clone()]);
        return Some(Insert {
            range: alias,
            before: merged,
            form: Form::Map,
            after: String::new(),
        });
    }
    if env.shared {
        return None;
    }
    let form = if env.is_map() { Form::Map } else { Form::List };
    let (at, before, after) = beside(text, env)?;
    Some(Insert { range: at..at, before, form, after })
}

/// A place for one more key or element: behind the last where its line ends there, else
/// before the first.
fn beside(text: &str, node: At<'_>) -> Option<(usize, String, String)> {
    let Some(extent) = node.extent() else {
        return node.is_flow().then(|| (node.range().start + 1, String::new(), String::new()));
    };
    if node.is_flow() {
        return Some((extent.end, ", ".into(), String::new()));
    }
    let next = format!("{}{}", newline(text), lead(text, extent.start)?);
    let rest = text[extent.end..].split('\n').next().unwrap_or_default().trim_end();
    let ends = rest.is_empty() || rest.trim_start().starts_with('#');
    if ends && !text[..extent.end].ends_with(char::is_whitespace) {
        return Some((extent.end + rest.len(), next, String::new()));
    }
    Some((extent.start, String::new(), next))
}

/// What a line says before `at`: white space, and the dash of a list.
fn lead(text: &str, at: usize) -> Option<&str> {
    let start = text[..at].rfind('\n').map_or(0, |n| n + 1);
    let lead = &text[start..at];
    lead.chars().all(|c| matches!(c, ' ' | '-')).then_some(lead)
}

#[cfg(test)]
mod tests {
    use super::super::tests::{FILE, read};
    use super::super::{Service, parse};
    use proptest::prelude::*;

    #[test]
    fn an_edit_keeps_the_rest() {
        let services = read(FILE);
        let edited = |service: usize, name, value| {
            services[service].set_env(FILE, name, value).unwrap().apply(FILE)
        };
        assert_eq!(edited(0, "POOL", "9"), FILE.replace("POOL: 8", "POOL: 9"));
        assert_eq!(
            edited(0, "LEVEL", "x"),
            FILE.replace("SECRET}\"\n", "SECRET}\"\n      LEVEL: \"x\"\n")
        );
        assert_eq!(edited(1, "WEB_CONCURRENCY", "3"), FILE.replace("NCY=2", "NCY=3"));
        assert_eq!(edited(1, "N", "$1"), FILE.replace("NCY=2\n", "NCY=2\n      - \"N=$$1\"\n"));
        assert_eq!(
            edited(2, "N", "1"),
            FILE.replace(
                "environment: *env\n",
                "environment: \n      <<: *env\n      \"N\": \"1\"\n"
            )
        );
        let crlf = "services:\r\n  a:\r\n    image: x\r\n";
        assert_eq!(
            read(crlf)[0].set_env(crlf, "GOGC", "50").unwrap().apply(crlf),
            "services:\r\n  a:\r\n    environment:\r\n      GOGC: \"50\"\r\n    image: x\r\n"
        );
        let flow = "services: {a: {image: x}, b: {environment: {}}, c: {environment: [A=1]}}";
        let edited = |n: usize| read(flow)[n].set_env(flow, "GOGC", "50").unwrap().apply(flow);
        assert!(edited(0).contains("a: {environment: {GOGC: \"50\"}, image: x}"), "{}", edited(0));
        assert!(edited(1).contains("b: {environment: {GOGC: \"50\"}}"), "{}", edited(1));
        assert!(edited(2).contains("c: {environment: [A=1, \"GOGC=50\"]}"), "{}", edited(2));
    }

    #[test]
    fn what_others_share_is_not_changed() {
        let text = "x: &x { environment: { A: 1 } }\nservices:\n  a: *x\n  b: { <<: *x }\n";
        let services = read(text);
        assert_eq!(services[0].env[0].1.value, "1");
        assert!(services.iter().all(|s| s.set_env(text, "A", "2").is_none()));
    }

    proptest! {
        #[test]
        fn a_variable_is_read_back_and_no_other_changes(
            first in prop::sample::select(vec!["A: 1", "A: '1'", "A: \"x\" # c", "A:", "A: |\n        1\n        2", "- A=1", "- 'A=1'", "- A"]),
            second in prop::sample::select(vec!["B: x", "B: >-\n        1\n        2", "B: ~", "- B=2", "- \"B=$$2\" # c"]),
            end in prop::sample::select(vec!["", "\n", "\n    image: x\n", "\n  c:\n    image: x\n"]),
            name in "[ABC]", value in "[ -~ü]{0,9}",
        ) {
            let text = format!("services:\n  s:\n    environment:\n      {first}\n      {second}{end}");
            if first.starts_with('-') != second.starts_with('-') {
                return Ok(());
            }
            let Ok(services) = parse(&text, &|_| None) else { return Ok(()) };
            let Some(edit) = services[0].set_env(&text, &name, &value) else {
                return Err(TestCaseError::fail("nowhere to write"));
            };
            let edited = edit.apply(&text);
            let after = parse(&edited, &|_| None).map_err(|e| TestCaseError::fail(format!("{e}\n{edited}")))?;
            let values = |services: &[Service], own: bool| -> Vec<(String, String)> {
                let all = services[0].env.iter().filter(|(n, _)| (*n == name) == own);
                all.map(|(n, e)| (n.clone(), e.value.clone())).collect()
            };
            prop_assert_eq!(values(&after, true).pop(), Some((name.clone(), value)), "{}", edited);
            prop_assert_eq!(values(&services, false), values(&after, false), "{}", edited);
        }
    }
}
