//! What a file in Terraform's language writes, nothing computed: values for the variables of one of
//! several environments, arguments of modules that are elsewhere, Terragrunt's inputs.

use super::{FormatError, parsed};
use crate::formats::tree::{DEEPEST, Node, Value};
use hcl_edit::Span as _;
use hcl_edit::expr::{Expression, ObjectKey};
use hcl_edit::structure::{Body, Structure};

/// The file as a tree; a block is a map under its word and its labels. What is no literal is unknown.
pub fn written(text: &str, file: usize) -> Result<Node, FormatError> {
    Ok(body(&parsed(text)?, file, 0))
}

fn body(of: &Body, file: usize, depth: usize) -> Node {
    let entries = of.iter().map(|structure| match structure {
        Structure::Attribute(attribute) => {
            let key = attribute.key.to_string();
            (key.trim().to_string(), value(&attribute.value, file, depth + 1))
        }
        Structure::Block(block) => {
            let inner = match depth < DEEPEST {
                true => body(&block.body, file, depth + 1),
                false => Node::unknown("stands too deep", file, 0..0),
            };
            let labelled = block.labels.iter().rev().fold(inner, |inner, label| {
                let range = inner.span.range.clone();
                Node::new(Value::Map(vec![(label.as_str().into(), inner)]), file, range)
            });
            (block.ident.to_string().trim().to_string(), labelled)
        }
    });
    Node::new(Value::Map(entries.collect()), file, of.span().unwrap_or(0..0))
}

fn value(of: &Expression, file: usize, depth: usize) -> Node {
    let range = of.span().unwrap_or(0..0);
    let value = match of {
        _ if depth > DEEPEST => Value::Unknown("stands too deep".into()),
        Expression::Null(_) => Value::Null,
        Expression::Bool(b) => Value::Bool(*b.value()),
        Expression::Number(n) => n.value().as_f64().map_or(Value::Null, Value::Number),
        Expression::String(text) => Value::Text(text.value().clone()),
        Expression::Array(array) => {
            Value::List(array.iter().map(|item| value(item, file, depth + 1)).collect())
        }
        Expression::Object(object) => {
            let entries = object.iter().filter_map(|(key, entry)| {
                let key = match key {
                    ObjectKey::Ident(name) => name.to_string(),
                    ObjectKey::Expression(Expression::String(text)) => text.value().clone(),
                    ObjectKey::Expression(_) => return None,
                };
                Some((key.trim().to_string(), value(entry.expr(), file, depth + 1)))
            });
            Value::Map(entries.collect())
        }
        // `merge(local.common, { cpu = 512 })`: what it is called with.
        Expression::FuncCall(call) => {
            Value::List(call.args.iter().map(|one| value(one, file, depth + 1)).collect())
        }
        _ => Value::Unknown("is computed".into()),
    };
    Node::new(value, file, range)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_maps_under_their_labels() {
        let text = "module \"web\" {\n  cpu = 256\n  sizes = { memory = \"512\" }\n  more = [true, var.x]\n}\n";
        let node = written(text, 3).unwrap();
        let web = node.path(&["module", "web"]).unwrap();
        let cpu = web.get("cpu").unwrap();
        assert_eq!(cpu.number(), Some(256.0));
        assert_eq!((cpu.span.file, &text[cpu.span.range.clone()]), (3, "256"));
        assert_eq!(web.path(&["sizes", "memory"]).unwrap().number(), Some(512.0));
        assert!(web.get("more").unwrap().items()[1].unknown_because().is_some());
        assert!(written("a = ", 0).is_err());
    }
}
