//! Which branches of a script are taken: those that the files decide, of the others each.

use super::{DEEPEST, Follower, MOST_COMMANDS};
use crate::picture::files::FileId;
use crate::picture::program::Link;
use crate::picture::values::Context;
use knee_files::formats::script::{self, Part};

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
            Part::Background(part) => {
                let tail = std::mem::replace(&mut self.tail, false);
                self.part(part, file, context, links, depth + 1, false);
                self.tail = tail;
            }
            Part::Loop(condition, body) => {
                let before = self.endless;
                self.endless = self.tail && is_endless(condition);
                self.parts(body, file, context, links, depth + 1);
                self.endless = before;
            }
            Part::Function(..) => {}
            Part::List(name, append, words) => {
                let list = self.lists.entry(name.clone()).or_default();
                if !append {
                    list.clear();
                }
                list.extend(words.iter().map(|word| (file, word.clone())));
            }
            Part::If(branches, otherwise) => {
                let mut decided = false;
                for (condition, body) in branches {
                    match script::holds(condition, &|text| self.value(text, context)) {
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
                    let matches = |v: &String| patterns.iter().any(|p| script::fits(p, v));
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
        let given: Vec<&str> = self.arguments.iter().map(|(_, word)| word.text.as_str()).collect();
        if let Some(said) = script::of_arguments(text, &given) {
            return Some(said);
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
}

/// Whether a loop goes on whatever happens: `while true`, `while :`.
fn is_endless(condition: &[Part]) -> bool {
    let [Part::Command(condition)] = condition else { return false };
    let words = condition.argv();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    matches!(words[..], ["true" | ":" | "/bin/true"] | ["[" | "[[", "1" | "true", "]" | "]]"])
}
