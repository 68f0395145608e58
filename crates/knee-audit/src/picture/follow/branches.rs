//! Which branches of a script are taken: those that the files decide, of the others each.

use super::{DEEPEST, Follower, MOST_COMMANDS};
use crate::picture::files::FileId;
use crate::picture::program::Link;
use crate::picture::values::Context;
use knee_files::formats::script::Part;

impl Follower<'_> {
    pub(super) fn part(
        &mut self,
        part: &Part,
        file: FileId,
        context: &mut Context,
        links: &[Link],
        depth: usize,
        last: bool,
    ) {
        if depth > DEEPEST * 4 || self.followed > MOST_COMMANDS {
            return;
        }
        self.followed += 1;
        match part {
            Part::Command(statement) => self.command(statement, file, context, links, depth, last),
            Part::Background(part) => self.part(part, file, context, links, depth + 1, false),
            Part::Loop(body) => self.parts(body, file, context, links, depth + 1),
            Part::Function(..) => {}
            Part::If(branches, otherwise) => {
                let mut decided = false;
                for (condition, body) in branches {
                    match self.holds(condition, context) {
                        Some(false) => continue,
                        Some(true) => {
                            self.parts(body, file, context, links, depth + 1);
                            decided = true;
                            break;
                        }
                        None => self.parts(body, file, context, links, depth + 1),
                    }
                }
                if !decided {
                    self.parts(otherwise, file, context, links, depth + 1);
                }
            }
            Part::Case(subject, branches) => {
                let value = subject.as_ref().and_then(|word| self.value(&word.text, context));
                if subject.as_ref().is_some_and(|word| matches!(&*word.text, "$1" | "${1}")) {
                    let all = branches.iter().flat_map(|(patterns, _)| patterns);
                    self.others.extend(all.filter(|p| Some(*p) != value.as_ref()).cloned());
                }
                for (patterns, body) in branches {
                    let matches = |v: &String| patterns.iter().any(|p| p == v || p == "*");
                    if value.as_ref().is_none_or(matches) {
                        self.parts(body, file, context, links, depth + 1);
                        if value.is_some() {
                            break;
                        }
                    }
                }
            }
        }
    }

    /// What a word says once its variables are replaced, as far as they are known.
    pub(super) fn value(&self, text: &str, context: &Context) -> Option<String> {
        match text {
            "$1" | "${1}" | "${1:-}" => {
                let first = self.arguments.first().map(|(_, word)| word.text.clone());
                return Some(first.unwrap_or_default());
            }
            "$#" => return Some(self.arguments.len().to_string()),
            _ => {}
        }
        if !text.contains('$') {
            return Some(text.into());
        }
        let (name, default, length) = knee_files::formats::expand::variable(text)?;
        if length != text.len() {
            return None;
        }
        context.variable(name).or(default.map(String::from))
    }

    fn holds(&self, condition: &[Part], context: &Context) -> Option<bool> {
        let [Part::Command(statement)] = condition else {
            return condition.is_empty().then_some(true);
        };
        let argv = statement.argv();
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["[" | "[[", a, "=" | "==", b, ..] => {
                Some(self.value(a, context)? == self.value(b, context)?)
            }
            ["[" | "[[", a, "!=", b, ..] => {
                Some(self.value(a, context)? != self.value(b, context)?)
            }
            ["[" | "[[", "-z", a, "]" | "]]"] => self.value(a, context).map(|v| v.is_empty()),
            ["[" | "[[", "-n", a, "]" | "]]"] => self.value(a, context).map(|v| !v.is_empty()),
            _ => None,
        }
    }
}
