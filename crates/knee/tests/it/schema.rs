//! A check of a document against a schema of `docs/schema/`, as far as those schemas go:
//! `$ref`, `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`,
//! `minimum`, `anyOf` and the like. Any other keyword fails the test: then teach it here. SARIF's own
//! schema, which `make setup` brings, is read by the same check.
//!
//! Readers have to bear new members; knee's own documents have to have them described.

use serde_json::Value;
use std::path::Path;

/// Panics where the document is not as `docs/schema/NAME.json` says.
pub fn check(name: &str, document: &Value) {
    check_by(&format!("docs/schema/{name}.json"), name, document);
}

/// Panics where the document is no SARIF 2.1.0, as its schema has it.
pub fn check_sarif(document: &Value) {
    check_by("target/setup/sarif-2.1.0.json", "sarif", document);
}

fn check_by(path: &str, name: &str, document: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; `make setup` brings it", path.display()));
    let schema: Value = serde_json::from_str(&text).unwrap();
    let mut wrong = Vec::new();
    Check { root: &schema, wrong: &mut wrong }.value(&schema, document, name);
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

struct Check<'a> {
    root: &'a Value,
    wrong: &'a mut Vec<String>,
}

impl Check<'_> {
    fn value(&mut self, schema: &Value, value: &Value, at: &str) {
        for (keyword, rule) in schema.as_object().unwrap() {
            match keyword.as_str() {
                "$schema" | "$id" | "$defs" | "definitions" | "title" | "description"
                | "default" => {}
                "$ref" => {
                    let pointer = rule.as_str().unwrap().trim_start_matches('#');
                    let target = self.root.pointer(pointer).unwrap();
                    self.value(target, value, at);
                }
                "type" => self.expect(is_of(rule, value), at, format!("is not {rule}: {value}")),
                "const" => self.expect(rule == value, at, format!("is not {rule}: {value}")),
                "enum" => {
                    let known = rule.as_array().unwrap().contains(value);
                    self.expect(known, at, format!("is not one of {rule}: {value}"));
                }
                "minimum" => {
                    let enough = value.as_f64().is_none_or(|n| n >= rule.as_f64().unwrap());
                    self.expect(enough, at, format!("is below {rule}: {value}"));
                }
                "maximum" => {
                    let few = value.as_f64().is_none_or(|n| n <= rule.as_f64().unwrap());
                    self.expect(few, at, format!("is above {rule}: {value}"));
                }
                "minItems" => {
                    let count = value.as_array().map_or(u64::MAX, |items| items.len() as u64);
                    let enough = count >= rule.as_u64().unwrap();
                    self.expect(enough, at, format!("has fewer than {rule} items"));
                }
                "uniqueItems" => {
                    let items = value.as_array().map_or(&[][..], Vec::as_slice);
                    let twice = items.iter().enumerate().any(|(n, item)| items[..n].contains(item));
                    self.expect(!twice, at, "has an item twice".into());
                }
                "format" => {
                    let text = value.as_str().unwrap_or_default();
                    let address = rule != "uri" || text.contains(':');
                    let holds = address && !text.contains([' ', '\n', '\\']);
                    self.expect(holds, at, format!("is no {rule}: {value}"));
                }
                "anyOf" | "oneOf" => {
                    let holds = |one: &&Value| {
                        let mut wrong = Vec::new();
                        Check { root: self.root, wrong: &mut wrong }.value(one, value, at);
                        wrong.is_empty()
                    };
                    let count = rule.as_array().unwrap().iter().filter(holds).count();
                    let right = if keyword == "oneOf" { count == 1 } else { count > 0 };
                    self.expect(right, at, format!("fits {count} of {rule}"));
                }
                "required" => self.required(rule, value, at),
                "properties" => self.properties(schema, value, at),
                "additionalProperties" if schema.get("properties").is_some() => {}
                "additionalProperties" => self.properties(schema, value, at),
                "items" => {
                    for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.value(rule, item, &format!("{at}[{index}]"));
                    }
                }
                other => panic!("{at}: the check does not know the keyword `{other}`"),
            }
        }
    }

    fn expect(&mut self, holds: bool, at: &str, what: String) {
        if !holds {
            self.wrong.push(format!("{at} {what}"));
        }
    }

    fn required(&mut self, names: &Value, value: &Value, at: &str) {
        let Some(object) = value.as_object() else { return };
        for name in names.as_array().unwrap().iter().map(|name| name.as_str().unwrap()) {
            self.expect(object.contains_key(name), at, format!("has no `{name}`"));
        }
    }

    /// Every member by its own schema; one that is described nowhere is refused.
    fn properties(&mut self, schema: &Value, value: &Value, at: &str) {
        for (name, value) in value.as_object().into_iter().flatten() {
            let others = schema.get("additionalProperties");
            match schema["properties"].get(name).or(others) {
                Some(Value::Bool(true)) => {}
                Some(schema) if !schema.is_boolean() => {
                    self.value(schema, value, &format!("{at}.{name}"))
                }
                _ => self.expect(false, at, format!("has a `{name}` that is not described")),
            }
        }
    }
}

fn is_of(types: &Value, value: &Value) -> bool {
    match types {
        Value::Array(types) => types.iter().any(|one| is_of(one, value)),
        one => match one.as_str().unwrap() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "null" => value.is_null(),
            "number" => value.is_number(),
            "integer" => value.is_i64() || value.is_u64(),
            other => panic!("no type of JSON: {other}"),
        },
    }
}

#[test]
fn a_document_that_is_otherwise_is_refused() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["a"],
        "properties": { "a": { "$ref": "#/$defs/count" }, "b": { "items": { "enum": ["x"] } } },
        "$defs": { "count": { "type": "integer", "minimum": 1 } }
    });
    let wrong = |document: Value| {
        let mut wrong = Vec::new();
        Check { root: &schema, wrong: &mut wrong }.value(&schema, &document, "it");
        wrong
    };
    assert_eq!(wrong(serde_json::json!({"a": 1, "b": ["x"]})), [""; 0]);
    for (document, expected) in [
        (serde_json::json!({}), "it has no `a`"),
        (serde_json::json!({"a": 0}), "it.a is below 1: 0"),
        (serde_json::json!({"a": 1.5}), "it.a is not \"integer\": 1.5"),
        (serde_json::json!({"a": 1, "b": ["y"]}), "it.b[0] is not one of [\"x\"]: \"y\""),
        (serde_json::json!({"a": 1, "c": 1}), "it has a `c` that is not described"),
    ] {
        assert_eq!(wrong(document), [expected]);
    }
}
