//! Types of variables, and the defaults that they give to what a value leaves out.

use super::evaluate::{Evaluator, Scope};
use super::module::{DEEPEST, Instance};
use super::{Read, Terraform};
use crate::formats::tree::{Node, Value};
use hcl_edit::Span as _;
use hcl_edit::expr::Expression;

/// A value with the defaults that a variable's type gives to what it leaves out.
pub(super) fn fill(
    evaluator: &Evaluator<'_>,
    scope: &Scope<'_>,
    node: Node,
    kind: &Expression,
    file: usize,
    depth: usize,
) -> Node {
    let Expression::FuncCall(call) = kind else { return node };
    if depth > DEEPEST || evaluator.exhausted() {
        return node;
    }
    let inner = call.args.get(0);
    let deeper =
        |node: Node, kind: &Expression| fill(evaluator, scope, node, kind, file, depth + 1);
    let Node { value, .. } = &node;
    let value = match (call.name.name.as_str(), inner, value.clone()) {
        ("optional", Some(kind), _) => return deeper(node, kind),
        ("map", Some(kind), Value::Map(entries)) => {
            Value::Map(entries.into_iter().map(|(key, n)| (key, deeper(n, kind))).collect())
        }
        ("list" | "set", Some(kind), Value::List(items)) => {
            Value::List(items.into_iter().map(|n| deeper(n, kind)).collect())
        }
        ("object", Some(Expression::Object(fields)), Value::Map(entries)) => {
            let mut entries: Vec<(String, Node)> = entries;
            for (key, field) in fields.iter() {
                let Some(key) = key.as_ident().map(|name| name.as_str()) else { continue };
                match entries.iter_mut().find(|(own, _)| own == key) {
                    Some((_, own)) if own.value != Value::Null => {
                        *own = deeper(own.clone(), field.expr());
                    }
                    _ => entries.push((key.into(), missing(evaluator, scope, field.expr(), file))),
                }
            }
            Value::Map(entries)
        }
        (_, _, value) => value,
    };
    Node { value, ..node }
}

/// What `optional(number, 120)` stands for.
fn missing(evaluator: &Evaluator<'_>, scope: &Scope<'_>, kind: &Expression, file: usize) -> Node {
    let default = match kind {
        Expression::FuncCall(call) if call.name.name.as_str() == "optional" => call.args.get(1),
        _ => None,
    };
    match default {
        Some(default) => evaluator.expression(scope, default, file),
        None => Node::new(Value::Null, file, kind.span().unwrap_or(0..0)),
    }
}

/// The defaults that the types and defaults of a folder's variables state, by the name of the
/// variable or field.
pub(super) fn defaults(terraform: &Terraform, folder: &str, read: Read<'_>) -> Vec<(String, Node)> {
    let evaluator = Evaluator::new(terraform, read);
    let root = Instance::root(folder);
    let mut found = Vec::new();
    for (file, block) in root.blocks(terraform, "variable") {
        let Some(name) = block.labels.first().map(|label| label.as_str()) else { continue };
        let scope = Scope::of(&root);
        if let Some(default) = block.body.get_attribute("default") {
            found.push((name.to_string(), evaluator.expression(&scope, &default.value, file)));
        }
        if let Some(kind) = block.body.get_attribute("type") {
            optional(&evaluator, &scope, &kind.value, file, 0, &mut found);
        }
    }
    found
}

fn optional(
    evaluator: &Evaluator<'_>,
    scope: &Scope<'_>,
    kind: &Expression,
    file: usize,
    depth: usize,
    found: &mut Vec<(String, Node)>,
) {
    match kind {
        Expression::FuncCall(call) if depth < DEEPEST * 2 => {
            for argument in call.args.iter() {
                optional(evaluator, scope, argument, file, depth + 1, found);
            }
        }
        Expression::Object(fields) => {
            for (key, field) in fields.iter() {
                let node = missing(evaluator, scope, field.expr(), file);
                if let (Some(key), false) = (key.as_ident(), node.value == Value::Null) {
                    found.push((key.to_string(), node));
                }
                optional(evaluator, scope, field.expr(), file, depth + 1, found);
            }
        }
        _ => {}
    }
}
