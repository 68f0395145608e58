//! Blocks as values: arguments, the blocks in them, dynamic ones as often as they are made.

use super::evaluate::{Evaluator, Scope, pairs};
use super::module::MOST;
use crate::formats::tree::{Node, Value};
use hcl_edit::Span as _;
use hcl_edit::structure::{Block, Body, Structure};

/// A block's arguments and the blocks in it; a dynamic block stands as often as it is made.
pub(super) fn body(
    evaluator: &Evaluator<'_>,
    scope: &Scope<'_>,
    body: &Body,
    file: usize,
    block: &Block,
) -> Node {
    let mut entries: Vec<(String, Node)> = Vec::new();
    let mut blocks: Vec<(String, Vec<Node>)> = Vec::new();
    let mut add = |name: &str, node: Node| match blocks.iter_mut().find(|(known, _)| known == name)
    {
        Some((_, nodes)) => nodes.push(node),
        None => blocks.push((name.into(), vec![node])),
    };
    for structure in body.iter() {
        match structure {
            Structure::Attribute(attribute) => {
                let key = attribute.key.to_string();
                let value = evaluator.expression(scope, &attribute.value, file);
                entries.push((key.trim().to_string(), value));
            }
            Structure::Block(inner) if inner.has_ident("dynamic") => {
                let Some(name) = inner.labels.first().map(|label| label.as_str()) else { continue };
                for scope in dynamic(evaluator, scope, inner, name, file) {
                    for content in inner.body.get_blocks("content") {
                        add(name, self::body(evaluator, &scope, &content.body, file, content));
                    }
                }
            }
            Structure::Block(inner) => {
                let name = inner.ident.to_string();
                add(name.trim(), self::body(evaluator, scope, &inner.body, file, inner));
            }
        }
    }
    let range = block.span().unwrap_or(0..0);
    entries.extend(blocks.into_iter().map(|(name, mut nodes)| match nodes.len() {
        1 => (name, nodes.remove(0)),
        _ => (name, Node::new(Value::List(nodes), file, range.clone())),
    }));
    Node::new(Value::Map(entries), file, range)
}

/// The scopes of a dynamic block's contents; one where it is not known how often it is made.
fn dynamic<'s>(
    evaluator: &Evaluator<'_>,
    scope: &Scope<'s>,
    block: &Block,
    name: &str,
    file: usize,
) -> Vec<Scope<'s>> {
    let iterator = block.body.get_attribute("iterator").map(|a| a.value.to_string());
    let iterator = iterator.map_or(name.to_string(), |name| name.trim().to_string());
    let Some(each) = block.body.get_attribute("for_each") else { return Vec::new() };
    let each = evaluator.expression(scope, &each.value, file);
    if matches!(each.value, Value::Unknown(_)) {
        return vec![scope.with(Vec::new())];
    }
    let each = pairs(&each).into_iter().take(MOST);
    let scopes = each.map(|(key, value)| {
        let entries = vec![("key".to_string(), key), ("value".to_string(), value.clone())];
        scope.with(vec![(iterator.clone(), Node { value: Value::Map(entries), ..value })])
    });
    scopes.collect()
}
