//! Terraform's functions on values that are known, at least in part.
//!
//! Source: <https://developer.hashicorp.com/terraform/language/functions>.

use super::super::loose;
use super::super::tree::{Node, Value};

/// The result; `call` is the place of the call. None where it is not understood, or not known.
pub(super) fn call(name: &str, arguments: Vec<Node>, call: &Node) -> Option<Node> {
    let value = |value: Value| Node { value, places: None, ..call.clone() };
    let text = |text: String| value(Value::Text(text));
    let first = arguments.first();
    let known = |node: &Node| node.text().filter(|text| !text.contains("${"));
    match name {
        // What is encoded is not written out: its structure is what counts.
        "jsonencode" | "yamlencode" | "base64encode" | "sensitive" | "nonsensitive" | "tolist"
        | "tomap" | "toset" | "issensitive" | "ephemeralasnull" => arguments.into_iter().next(),
        "jsondecode" | "base64decode" => decode(first?),
        "tostring" | "tonumber" | "tobool" => first.cloned(),
        "concat" => {
            let items = arguments.iter().flat_map(|list| list.items().to_vec());
            Some(value(Value::List(items.collect())))
        }
        "flatten" => Some(value(Value::List(flat(first?, 0)))),
        "compact" => {
            let kept = |node: &&Node| node.text().is_none_or(|text| !text.is_empty());
            let items = first?.items().iter().filter(kept).cloned();
            Some(value(Value::List(items.collect())))
        }
        "distinct" | "reverse" | "sort" => Some(value(Value::List(first?.items().to_vec()))),
        "list" => Some(value(Value::List(arguments))),
        "merge" => {
            if arguments.iter().all(|node| !node.is_map()) {
                return None;
            }
            let entries = arguments.iter().flat_map(|map| map.entries().to_vec());
            Some(value(Value::Map(entries.collect())))
        }
        "lookup" => {
            let (map, key) = (first?, known(arguments.get(1)?)?);
            let found = exact(map, &key).cloned();
            found.or_else(|| map.is_map().then(|| arguments.get(2).cloned()).flatten())
        }
        "element" => {
            let (list, at) = (first?.items(), arguments.get(1)?.number()?);
            list.get((at as usize).checked_rem(list.len())?).cloned()
        }
        "one" => match first?.items() {
            [only] => Some(only.clone()),
            [] => Some(value(Value::Null)),
            _ => None,
        },
        "coalesce" => {
            for argument in arguments {
                match &argument.value {
                    Value::Null => {}
                    Value::Text(text) if text.is_empty() => {}
                    Value::Unknown(_) => return None,
                    _ => return Some(argument),
                }
            }
            None
        }
        "coalescelist" => arguments.into_iter().find(|list| !list.items().is_empty()),
        "length" => {
            let count = match &first?.value {
                Value::List(items) if items.iter().all(is_known) => items.len(),
                Value::Map(entries) => entries.len(),
                Value::Text(text) if !text.contains("${") => text.chars().count(),
                _ => return None,
            };
            Some(value(Value::Number(count as f64)))
        }
        "keys" => {
            let keys = first?.is_map().then(|| first.map(Node::entries)).flatten()?;
            Some(value(Value::List(keys.iter().map(|(key, _)| text(key.clone())).collect())))
        }
        "values" => {
            let entries = first?.is_map().then(|| first.map(Node::entries)).flatten()?;
            Some(value(Value::List(entries.iter().map(|(_, node)| node.clone()).collect())))
        }
        "contains" => {
            let (list, wanted) = (first?.items(), known(arguments.get(1)?)?);
            let all: Vec<String> = list.iter().map(known).collect::<Option<_>>()?;
            Some(value(Value::Bool(all.contains(&wanted))))
        }
        "zipmap" => {
            let keys: Vec<String> = first?.items().iter().map(known).collect::<Option<_>>()?;
            let values = arguments.get(1)?.items().iter().cloned();
            Some(value(Value::Map(keys.into_iter().zip(values).collect())))
        }
        "range" => {
            let end = first?.number().filter(|n| arguments.len() == 1 && *n <= 1000.0)?;
            let items = (0..end as usize).map(|n| value(Value::Number(n as f64)));
            Some(value(Value::List(items.collect())))
        }
        "max" | "min" => {
            let numbers: Vec<f64> = arguments.iter().map(Node::number).collect::<Option<_>>()?;
            let pick = if name == "max" { f64::max } else { f64::min };
            Some(value(Value::Number(numbers.into_iter().reduce(pick)?)))
        }
        "ceil" | "floor" | "abs" | "parseint" | "signum" => {
            let number = first?.number()?;
            let number = match name {
                "ceil" => number.ceil(),
                "floor" => number.floor(),
                "abs" => number.abs(),
                "signum" => number.signum(),
                _ => number,
            };
            Some(value(Value::Number(number)))
        }
        "join" => {
            let separator = known(first?)?;
            let parts = arguments.get(1)?.items();
            let parts: Vec<String> = parts.iter().map(Node::text).collect::<Option<_>>()?;
            Some(text(parts.join(&separator)))
        }
        "split" => {
            let (separator, source) = (known(first?)?, known(arguments.get(1)?)?);
            if separator.is_empty() {
                return None;
            }
            let parts = source.split(&separator).map(|part| text(part.into()));
            Some(value(Value::List(parts.collect())))
        }
        "replace" => {
            let (source, from) = (first?.text()?, known(arguments.get(1)?)?);
            let to = known(arguments.get(2)?)?;
            (!from.starts_with('/') && !from.is_empty() && source.len() * (to.len() + 1) < 1 << 20)
                .then(|| text(source.replace(&from, &to)))
        }
        "format" => formatted(&known(first?)?, &arguments[1..]).map(text),
        "lower" => Some(text(known(first?)?.to_lowercase())),
        "upper" => Some(text(known(first?)?.to_uppercase())),
        "title" | "trimspace" | "chomp" => Some(text(first?.text()?.trim().to_string())),
        "trimprefix" | "trimsuffix" => {
            let (source, part) = (first?.text()?, known(arguments.get(1)?)?);
            let cut = match name {
                "trimprefix" => source.strip_prefix(&part),
                _ => source.strip_suffix(&part),
            };
            Some(text(cut.unwrap_or(&source).to_string()))
        }
        _ => None,
    }
}

fn is_known(node: &Node) -> bool {
    !matches!(node.value, Value::Unknown(_))
}

/// The value of exactly this key.
pub(super) fn exact<'n>(map: &'n Node, key: &str) -> Option<&'n Node> {
    map.entries().iter().rev().find(|(name, _)| name == key).map(|(_, node)| node)
}

/// Structure stays what it is, and a text is read.
pub fn decode(node: &Node) -> Option<Node> {
    let Value::Text(text) = &node.value else { return Some(node.clone()) };
    let read = loose::parse(text, node.span.file).ok()??;
    Some(placed(read, node))
}

/// A node that was read in the text of another, at that one's places.
fn placed(read: Node, within: &Node) -> Node {
    let whole = within.span.range.clone();
    let places = within.places.as_deref();
    let back = |at: usize| places.and_then(|places| places.get(at).copied());
    let range = match (back(read.span.range.start), back(read.span.range.end)) {
        (Some(start), Some(end)) if start <= end => start..end,
        (Some(start), _) => start..start.max(whole.end),
        _ => whole,
    };
    let value = match read.value {
        Value::List(items) => Value::List(items.into_iter().map(|n| placed(n, within)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(k, n)| (k, placed(n, within))).collect())
        }
        value => value,
    };
    let own =
        read.places.map(|own| own.iter().map(|at| back(*at).unwrap_or(range.start)).collect());
    let mut node = Node::new(value, within.span.file, range);
    node.places = own;
    node.unless = within.unless.clone();
    node
}

fn flat(node: &Node, depth: usize) -> Vec<Node> {
    let deeper = |item: &Node| match item.is_list() && depth < 8 {
        true => flat(item, depth + 1),
        false => vec![item.clone()],
    };
    node.items().iter().flat_map(deeper).collect()
}

/// `%s`, `%d`, `%v` and `%%`; nothing else is understood.
fn formatted(pattern: &str, arguments: &[Node]) -> Option<String> {
    let mut next = arguments.iter();
    let mut out = String::new();
    let mut parts = pattern.split('%');
    out.push_str(parts.next()?);
    while let Some(part) = parts.next() {
        match part.chars().next() {
            Some('s' | 'd' | 'v') => {
                out.push_str(&next.next()?.text()?);
                out.push_str(&part[1..]);
            }
            None => {
                out.push('%');
                out.push_str(parts.next()?);
            }
            Some(_) => return None,
        }
    }
    Some(out)
}

/// A value as JSON, where it is put into a text.
pub(super) fn json(node: &Node) -> String {
    match &node.value {
        Value::Null => "null".into(),
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::Text(text) => super::super::word::quoted(text),
        Value::List(items) => {
            format!("[{}]", items.iter().map(json).collect::<Vec<_>>().join(","))
        }
        Value::Map(entries) => {
            let member = |(key, node): &(String, Node)| {
                format!("{}:{}", super::super::word::quoted(key), json(node))
            };
            format!("{{{}}}", entries.iter().map(member).collect::<Vec<_>>().join(","))
        }
        Value::Reference(name) => format!("\"${{{name}}}\""),
        Value::Unknown(_) => "\"${…}\"".into(),
    }
}
