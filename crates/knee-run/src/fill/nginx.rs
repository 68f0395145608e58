//! nginx's configuration, as far as a directive can be found and given a value in a copy. The copy
//! stands in the same folder, as nginx takes relative paths from there.
//!
//! Source: <https://nginx.org/en/docs/beginners_guide.html#conf_structure>, `ngx_conf_read_token`.

use knee_core::runtimes::Runtime;
use knee_core::settings::{Settings, Site, Value};
use std::ops::Range;

/// A directive or the head of a block.
#[derive(Debug, PartialEq)]
struct Directive<'a> {
    /// The block that it stands in: `main`, `events`, `http`.
    context: &'a str,
    words: Vec<(&'a str, Range<usize>)>,
    /// Behind its `;` or `{`.
    end: usize,
}

/// What the main file sets. What only the runtime itself decides (`auto`) is left open, and what an
/// included file may set is not.
pub fn set(runtime: &Runtime, text: &str) -> Settings {
    let all = directives(text);
    let mut set = Settings::default();
    for knob in (runtime.knobs)() {
        for site in &knob.sites {
            let Site::Directive { context, name } = site else { continue };
            let mut here = all.iter().filter(|d| d.context == context);
            let value = match here.clone().rev().find(|d| d.name() == name) {
                Some(found) if found.value() == "auto" => continue,
                Some(found) => found.value(),
                None if here.any(|d| d.name() == "include") => "included, perhaps",
                None => continue,
            };
            let value = value.parse().map_or_else(|_| value.into(), Value::Int);
            set = set.with(knob.name.clone(), value);
        }
    }
    set
}

/// The text with a value for a directive; None where its block is missing.
pub fn with(text: &str, context: &str, name: &str, value: &str) -> Option<String> {
    let all = directives(text);
    let found = all.iter().rev().find(|d| d.context == context && d.name() == name);
    if let Some((_, range)) = found.and_then(|found| found.words.get(1)) {
        return Some([text.get(..range.start)?, value, text.get(range.end..)?].concat());
    }
    let line = format!("\n{name} {value};");
    let at = match context {
        "main" => text.len(),
        _ => all.iter().find(|d| d.context == "main" && d.name() == context)?.end,
    };
    Some([text.get(..at)?, &line, text.get(at..)?, "\n"].concat())
}

impl<'a> Directive<'a> {
    fn name(&self) -> &'a str {
        self.words.first().map_or("", |(word, _)| word)
    }

    fn value(&self) -> &'a str {
        self.words.get(1).map_or("", |(word, _)| word)
    }
}

fn directives(text: &str) -> Vec<Directive<'_>> {
    let mut all = Vec::new();
    let (mut blocks, mut words) = (vec!["main"], Vec::new());
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(first) = rest.chars().next() else { break };
        let end = at.saturating_add(first.len_utf8());
        match first {
            '#' => at = at.saturating_add(rest.find('\n').unwrap_or(rest.len())),
            ';' | '{' => {
                let context = blocks.last().copied().unwrap_or_default();
                let directive = Directive { context, words: std::mem::take(&mut words), end };
                if first == '{' {
                    blocks.push(directive.name());
                }
                all.push(directive);
                at = end;
            }
            '}' => {
                blocks.pop();
                at = end;
            }
            c if c.is_whitespace() => at = end,
            _ => {
                let length = word(rest, first);
                let range = at..at.saturating_add(length);
                words.push((rest.get(..length).unwrap_or_default(), range.clone()));
                at = range.end;
            }
        }
    }
    all
}

/// Length of the word that begins here, with its quotes.
fn word(rest: &str, first: char) -> usize {
    let quote = (first == '"' || first == '\'').then_some(first);
    let mut escaped = false;
    for (at, c) in rest.char_indices().skip(1) {
        match quote {
            _ if escaped => escaped = false,
            _ if c == '\\' => escaped = true,
            Some(quote) if c == quote => return at.saturating_add(1),
            Some(_) => {}
            // `${name}` belongs to the word.
            None if c == '{' && rest.get(..at).is_some_and(|before| before.ends_with('$')) => {}
            None if c.is_whitespace() || c == ';' || c == '{' => return at,
            None => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::runtimes::by_id;
    use proptest::prelude::*;

    const DEBIAN: &str = "user www-data;\nworker_processes auto; # all\ninclude /etc/nginx/modules-enabled/*.conf;\n\
        events {\n  worker_connections 768;\n}\nhttp { server { location ~ ^/(a|b){1,2}$ { return 200 \"x;{\"; } } }\n";

    #[test]
    fn what_is_set_is_seen_and_auto_is_not() {
        let set = |text| set(by_id("nginx").unwrap(), text).to_string();
        assert_eq!(set(DEBIAN), "worker_connections=768");
        assert_eq!(set("worker_processes 4; events {}"), "worker_processes=4");
        assert_eq!(set("events { include e.conf; }"), "worker_connections=included, perhaps");
    }

    #[test]
    fn a_value_goes_where_the_directive_stands_or_belongs() {
        let changed = with(DEBIAN, "main", "worker_processes", "1").unwrap();
        assert_eq!(changed, DEBIAN.replace("auto", "1"));
        let added = with("events {}", "events", "worker_connections", "512").unwrap();
        assert_eq!(added, "events {\nworker_connections 512;}\n");
        let added = with("events {}\n# end", "main", "worker_processes", "2").unwrap();
        assert_eq!(added, "events {}\n# end\nworker_processes 2;\n");
        assert_eq!(with("", "events", "worker_connections", "512"), None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in "[a-z{};#'\"\\\\$ \n\u{e9}]{0,60}") {
            directives(&text);
            let _ = with(&text, "main", "x", "1");
        }
    }
}
