//! CloudFormation templates, SAM's and what CDK synthesises: resources with their properties, the
//! intrinsic functions computed as far as the template says what they need. A parameter has its
//! default unless the stack is given another value; without a default it is unknown.
//!
//! Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html>.

use crate::formats::tree::{DEEPEST, Node, Span, Value};
use std::cell::Cell;
use std::collections::BTreeMap;

/// A text longer than this is not put together.
const LONGEST: usize = 1 << 16;

/// Conditions may name each other in circles: a template is left after so many steps.
const MOST: u32 = 200_000;

/// A resource with its properties computed.
#[derive(Clone, Debug)]
pub struct Resource {
    /// What references name it by: the stack's name, `#` and the logical id.
    pub id: String,
    /// `AWS::ECS::Service`.
    pub kind: String,
    pub body: Node,
    pub span: Span,
}

/// A template with its functions computed.
#[derive(Debug, Default)]
pub struct Stack {
    pub resources: Vec<Resource>,
    /// Outputs by name, with the name under which each is exported.
    pub outputs: Vec<(String, Node, Option<Node>)>,
}

/// Whether a document is a template.
pub fn is_template(root: &Node) -> bool {
    let resources = root.entries().iter().find(|(key, _)| key == "Resources");
    resources.is_some_and(|(_, resources)| {
        let kind = |node: &Node| node.get("Type").and_then(Node::text);
        resources.entries().iter().any(|(_, node)| kind(node).is_some_and(|k| k.contains("::")))
    })
}

/// Computes a template. References are named after `name`; `given` are the parameters that the
/// stack is created with.
pub fn evaluate(root: &Node, name: &str, given: &BTreeMap<String, Node>) -> Stack {
    let stack = Evaluator { root, name, given, left: Cell::new(MOST) };
    let section = |key: &str| {
        root.entries().iter().find(|(k, _)| k == key).map_or(&[][..], |(_, node)| node.entries())
    };
    let resource = |(id, node): &(String, Node)| {
        let body = match node.get("Properties") {
            Some(properties) => stack.node(properties, 0),
            None => Node::new(Value::Map(Vec::new()), node.span.file, node.span.range.clone()),
        };
        Some(Resource {
            id: format!("{name}#{id}"),
            kind: node.get("Type")?.text()?,
            body,
            span: node.span.clone(),
        })
    };
    let output = |(key, node): &(String, Node)| {
        let value = stack.node(node.get("Value")?, 0);
        let export = node.path(&["Export", "Name"]).map(|name| stack.node(name, 0));
        Some((key.clone(), value, export))
    };
    Stack {
        resources: section("Resources").iter().filter_map(resource).collect(),
        outputs: section("Outputs").iter().filter_map(output).collect(),
    }
}

struct Evaluator<'a> {
    root: &'a Node,
    name: &'a str,
    given: &'a BTreeMap<String, Node>,
    /// Steps that are left.
    left: Cell<u32>,
}

impl Evaluator<'_> {
    fn exhausted(&self) -> bool {
        self.left.set(self.left.get().saturating_sub(1));
        self.left.get() == 0
    }

    /// The node with its functions computed.
    fn node(&self, node: &Node, depth: usize) -> Node {
        let same = |value| Node { value, ..node.clone() };
        if depth > DEEPEST || self.exhausted() {
            return self.unknown(node, "is nested too deeply");
        }
        match &node.value {
            Value::List(items) => {
                let items = items.iter().map(|item| self.node(item, depth + 1));
                same(Value::List(items.filter(|n| n.value != Value::Null).collect()))
            }
            Value::Map(entries) => {
                if let [(key, argument)] = entries.as_slice()
                    && let Some(function) = function(key)
                {
                    return self.call(node, function, argument, depth + 1);
                }
                let entries = entries.iter().map(|(k, n)| (k.clone(), self.node(n, depth + 1)));
                same(Value::Map(entries.filter(|(_, n)| n.value != Value::Null).collect()))
            }
            _ => node.clone(),
        }
    }

    fn unknown(&self, node: &Node, because: impl Into<String>) -> Node {
        Node::unknown(because, node.span.file, node.span.range.clone())
    }

    fn call(&self, node: &Node, function: &str, argument: &Node, depth: usize) -> Node {
        let arguments = || -> Vec<Node> {
            argument.items().iter().map(|item| self.node(item, depth)).collect()
        };
        let text = |value: String| Node {
            value: Value::Text(value),
            unless: None,
            places: None,
            ..node.clone()
        };
        match function {
            "Ref" => self.reference(node, &argument.text().unwrap_or_default(), depth),
            "GetAtt" => {
                let parts: Vec<String> = argument.items().iter().filter_map(Node::text).collect();
                let name = parts.join(".");
                let attribute = name.split_once('.').map_or("", |(_, rest)| rest);
                // Only the outputs of a nested stack are told apart.
                let kept = attribute.starts_with("Outputs.");
                let name = if kept { &name } else { name.split('.').next().unwrap_or("") };
                Node { value: Value::Reference(format!("{}#{name}", self.name)), ..node.clone() }
            }
            "ImportValue" => match self.node(argument, depth).text() {
                Some(name) => {
                    Node { value: Value::Reference(format!("import:{name}")), ..node.clone() }
                }
                None => self.unknown(node, "is imported from another stack"),
            },
            "Sub" => self.substitute(node, argument, depth),
            "Join" => {
                let arguments = arguments();
                let separator = arguments.first().and_then(Node::text).unwrap_or_default();
                let parts = arguments.get(1).map(Node::items).unwrap_or_default();
                let said = |part: &Node| part.text().unwrap_or_else(|| hole(part));
                let parts: Vec<String> = parts.iter().map(said).collect();
                self.joined(node, parts.join(&separator)).unwrap_or_else(text)
            }
            "Split" => {
                let arguments = arguments();
                let (separator, source) = (arguments.first(), arguments.get(1));
                match (separator.and_then(Node::text), source.and_then(Node::text)) {
                    (Some(separator), Some(source)) if !separator.is_empty() => {
                        let parts = source.split(&separator).map(|part| text(part.into()));
                        Node { value: Value::List(parts.collect()), ..node.clone() }
                    }
                    _ => self.unknown(node, "splits what is not known"),
                }
            }
            "Select" => {
                let arguments = arguments();
                let index = arguments.first().and_then(Node::number);
                let list = arguments.get(1).map(Node::items).unwrap_or_default();
                let chosen = index.and_then(|at| list.get(at as usize)).cloned();
                chosen.unwrap_or_else(|| self.unknown(node, "selects from what is not known"))
            }
            "If" => self.choose(node, argument, depth),
            "FindInMap" => self.in_map(node, &arguments()),
            "Base64" => self.node(argument, depth),
            "ToJsonString" => self.node(argument, depth),
            _ => self.unknown(node, format!("is computed by {function}")),
        }
    }

    fn joined(&self, node: &Node, text: String) -> Result<Node, String> {
        if text.len() > LONGEST { Ok(self.unknown(node, "is too long")) } else { Err(text) }
    }

    fn reference(&self, node: &Node, name: &str, depth: usize) -> Node {
        if name == "AWS::NoValue" {
            return Node { value: Value::Null, ..node.clone() };
        }
        if name.starts_with("AWS::") {
            return self.unknown(node, format!("is `{name}`"));
        }
        match self.parameter(name, depth) {
            Some(Some(value)) => value,
            Some(None) => {
                self.unknown(node, format!("is the parameter {name}, which has no default"))
            }
            None => {
                Node { value: Value::Reference(format!("{}#{name}", self.name)), ..node.clone() }
            }
        }
    }

    /// A parameter's value; None where there is no such parameter.
    fn parameter(&self, name: &str, depth: usize) -> Option<Option<Node>> {
        let parameters = self.root.entries().iter().find(|(k, _)| k == "Parameters")?;
        let (_, parameter) = parameters.1.entries().iter().find(|(k, _)| k == name)?;
        if let Some(given) = self.given.get(name) {
            return Some(Some(given.clone()));
        }
        let default = parameter.get("Default").filter(|_| depth <= DEEPEST);
        let is_list =
            parameter.get("Type").and_then(Node::text).is_some_and(|t| t.contains("List"));
        Some(default.map(|default| {
            let mut value =
                Node { unless: Some(format!("the parameter {name}")), ..default.clone() };
            // What a parameter store holds is not known; the name of an image's parameter says what it is.
            let kind = parameter.get("Type").and_then(Node::text).unwrap_or_default();
            if kind.contains("SSM::Parameter::Value") {
                let path = default.text().unwrap_or_default();
                value.value = Value::Unknown(format!("is the stored parameter {path}"));
            } else if is_list && let Some(text) = default.text() {
                let part = |part: &str| Node {
                    value: Value::Text(part.trim().into()),
                    places: None,
                    ..value.clone()
                };
                value.value = Value::List(text.split(',').map(part).collect());
            }
            value
        }))
    }

    fn substitute(&self, node: &Node, argument: &Node, depth: usize) -> Node {
        let (template, own) = match argument.items() {
            [template, own] if argument.is_list() => (template, own.entries()),
            [template] => (template, &[][..]),
            _ => return self.unknown(node, "is no text"),
        };
        let Some(inner) = template.inner() else { return self.unknown(node, "is no text") };
        let (mut text, mut places) = (String::new(), Vec::new());
        let mut at = 0;
        while at < inner.text.len() {
            let rest = &inner.text[at..];
            let named = rest.strip_prefix("${").and_then(|r| Some(&r[..r.find('}')?]));
            let Some(name) = named else {
                let next = rest[1..].find("${").map_or(rest.len(), |n| n + 1);
                let end = next.max(rest.chars().next().map_or(1, char::len_utf8));
                text.push_str(&rest[..end]);
                places.extend_from_slice(&inner.places()[at..at + end]);
                at += end;
                continue;
            };
            let value = match own.iter().find(|(key, _)| key == name) {
                Some((_, value)) => self.node(value, depth),
                None => self.reference(node, name.trim_start_matches('!'), depth),
            };
            let new = match value.text().filter(|_| !name.starts_with('!')) {
                Some(new) => new,
                None => format!("${{{name}}}"),
            };
            places.extend(std::iter::repeat_n(inner.places()[at], new.len()));
            text.push_str(&new);
            at += name.len() + 3;
            if text.len() > LONGEST {
                return self.unknown(node, "is too long");
            }
        }
        places.extend(inner.places().last());
        let range = template.span.range.clone();
        Node { places: Some(places.into()), ..Node::new(Value::Text(text), node.span.file, range) }
    }

    fn choose(&self, node: &Node, argument: &Node, depth: usize) -> Node {
        let [condition, yes, no] = argument.items() else {
            return self.unknown(node, "is an Fn::If that lacks a branch");
        };
        let name = condition.text().unwrap_or_default();
        let Some((holds, unless)) = self.condition(&name, 0) else {
            let (yes, no) = (self.node(yes, depth), self.node(no, depth));
            let alike = yes.text().is_some() && yes.text() == no.text();
            let because = format!("depends on the condition {name}");
            return if alike { yes } else { self.unknown(node, because) };
        };
        let chosen = self.node(if holds { yes } else { no }, depth);
        Node { unless: chosen.unless.clone().or(unless), ..chosen }
    }

    /// Whether a condition holds, and the parameter that could change that.
    fn condition(&self, name: &str, depth: usize) -> Option<(bool, Option<String>)> {
        let conditions = self.root.entries().iter().find(|(k, _)| k == "Conditions")?;
        let (_, node) = conditions.1.entries().iter().find(|(k, _)| k == name)?;
        self.holds(node, depth + 1)
    }

    fn holds(&self, node: &Node, depth: usize) -> Option<(bool, Option<String>)> {
        let [(key, argument)] = node.entries() else { return None };
        if depth > DEEPEST || self.exhausted() {
            return None;
        }
        let all = || -> Vec<_> {
            argument.items().iter().map(|item| self.holds(item, depth + 1)).collect()
        };
        match key.trim_start_matches("Fn::") {
            "Condition" => self.condition(&argument.text()?, depth),
            "Equals" => {
                let [a, b] = argument.items() else { return None };
                let (a, b) = (self.node(a, 0), self.node(b, 0));
                let unless = a.unless.clone().or(b.unless.clone());
                (a.unknown_because().is_none() && b.unknown_because().is_none())
                    .then(|| (a.text() == b.text(), unless))
            }
            "Not" => self.holds(argument.items().first()?, depth + 1).map(|(h, u)| (!h, u)),
            "And" | "Or" => {
                let decisive = key.ends_with("Or");
                let all = all();
                if let Some(found) = all.iter().flatten().find(|(holds, _)| *holds == decisive) {
                    return Some(found.clone());
                }
                let unless = all.iter().flatten().find_map(|(_, unless)| unless.clone());
                all.iter().all(Option::is_some).then_some((!decisive, unless))
            }
            _ => None,
        }
    }

    fn in_map(&self, node: &Node, arguments: &[Node]) -> Node {
        let found = || {
            let mappings = self.root.entries().iter().find(|(k, _)| k == "Mappings")?;
            let keys: Vec<String> =
                arguments.iter().take(3).map(Node::text).collect::<Option<_>>()?;
            let exact = |node: &Node, key: &String| {
                node.entries().iter().find(|(k, _)| k == key).map(|(_, node)| node.clone())
            };
            let found = keys.iter().try_fold(mappings.1.clone(), |node, key| exact(&node, key))?;
            let unless = arguments.iter().find_map(|argument| argument.unless.clone());
            Some(Node { unless, ..found })
        };
        found().unwrap_or_else(|| self.unknown(node, "is looked up by what is not known"))
    }
}

/// What stands in a text for a part that is not known.
fn hole(node: &Node) -> String {
    match &node.value {
        Value::Reference(name) => format!("${{{}}}", name.rsplit('#').next().unwrap_or(name)),
        _ => "${…}".into(),
    }
}

/// The name of an intrinsic function, if the key is one.
fn function(key: &str) -> Option<&str> {
    const SHORT: [&str; 14] = [
        "Ref",
        "GetAtt",
        "Sub",
        "Join",
        "Split",
        "Select",
        "If",
        "FindInMap",
        "Base64",
        "ImportValue",
        "GetAZs",
        "Cidr",
        "Transform",
        "ToJsonString",
    ];
    let name = key.strip_prefix("Fn::").unwrap_or(key);
    (SHORT.contains(&name) && (key != name || name == "Ref" || SHORT.contains(&key)))
        .then_some(name)
}

#[cfg(test)]
mod tests;
