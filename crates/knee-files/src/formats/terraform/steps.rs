//! Steps from a value into it: `.name`, `["name"]`, `[0]`, `[*]`.

use super::super::tree::{Node, Value};
use super::functions::exact;

/// How the reason begins of what an object lacks.
pub(super) const LACKING: &str = "has no ";

/// A step from a value into it.
#[derive(Clone, Debug)]
pub(super) enum Step {
    Name(String),
    At(String),
    All,
    Unknown,
}

impl Step {
    pub fn text(&self) -> Option<&str> {
        match self {
            Step::Name(text) | Step::At(text) => Some(text),
            _ => None,
        }
    }
}

/// Goes into a value.
pub(super) fn walk(node: Node, steps: &[Step]) -> Option<Node> {
    let Some((first, rest)) = steps.split_first() else { return Some(node) };
    let next = match (first, &node.value) {
        // What belongs to something else is that thing.
        (_, Value::Reference(_)) => return Some(node),
        (Step::All, Value::List(items)) => {
            let items = items.iter().filter_map(|item| walk(item.clone(), rest)).collect();
            return Some(Node { value: Value::List(items), ..node.clone() });
        }
        (Step::All, Value::Map(_)) => {
            let item = walk(node.clone(), rest)?;
            return Some(Node { value: Value::List(vec![item]), ..node });
        }
        (Step::Name(name) | Step::At(name), Value::Map(_)) => match exact(&node, name) {
            Some(found) => found.clone(),
            None => {
                let because = format!("{LACKING}`{name}`");
                return Some(Node { value: Value::Unknown(because), places: None, ..node });
            }
        },
        (Step::At(at), Value::List(items)) => match items.get(at.parse::<usize>().ok()?) {
            Some(item) => item.clone(),
            None => {
                let because = format!("{LACKING}element {at}");
                return Some(Node { value: Value::Unknown(because), places: None, ..node });
            }
        },
        (Step::Name(name), Value::Null) => {
            let because = format!("{LACKING}`{name}`");
            return Some(Node { value: Value::Unknown(because), places: None, ..node });
        }
        _ => return None,
    };
    let unless = next.unless.clone().or(node.unless);
    walk(Node { unless, ..next }, rest)
}
