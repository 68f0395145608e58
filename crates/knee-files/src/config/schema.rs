//! knee.toml's JSON schema for editors, made of the lists that the parser reads by. It lives in tests
//! alone: they keep docs/schema/knee.toml-1.json as it is made here.

use super::Config;
use super::keys::{About, TABLES, Table};
use serde_json::{Map, Value, json};
use toml_edit::DocumentMut;

fn schema() -> Value {
    let tables: Map<String, Value> =
        TABLES.iter().map(|table| (table.name.to_string(), of_table(table))).collect();
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "knee.toml",
        "description": "What knee is told of a service. Every key is optional where knee can read it elsewhere.",
        "type": "object",
        "properties": tables,
        "additionalProperties": false,
    })
}

fn of_table(table: &Table) -> Value {
    let keys: Map<String, Value> =
        (table.keys)().iter().map(|about| (about.name.to_string(), of_key(about))).collect();
    let mut one = json!({ "type": "object", "properties": keys, "additionalProperties": false });
    match table.name {
        // A knob is named by the user, or by its runtime; a dotted name is a table to TOML.
        "knobs" => {
            one["additionalProperties"] = Value::Bool(true);
            one["type"] = json!(["string", "integer", "boolean", "object"]);
            one = json!({ "type": "object", "additionalProperties": one });
        }
        "goal" => {
            let percentile = one["properties"]["p99"].clone();
            one["patternProperties"] = json!({ "^p[0-9]": percentile });
        }
        _ => {}
    }
    if table.header.starts_with("[[") {
        one = json!({ "type": "array", "items": one });
    }
    one["description"] = table.doc.into();
    one
}

fn of_key(about: &About) -> Value {
    json!({ "type": types(about), "description": format!("{} Takes {}.", about.doc, about.form) })
}

/// The types that a key takes: its example's, and what its form says beside.
fn types(about: &About) -> Vec<&'static str> {
    let own = match parsed(&format!("x = {}", about.example))["x"] {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "number",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        _ => "string",
    };
    let mut types = vec![own];
    if about.form.starts_with("a number of") && own == "array" {
        types.push("integer");
    }
    if about.form.starts_with("a share") || about.form.contains("one of the choices") {
        types.push("string");
    }
    types
}

/// A document of TOML as JSON, as far as knee.toml goes.
fn parsed(text: &str) -> Value {
    fn value(of: &toml_edit::Value) -> Value {
        match of {
            toml_edit::Value::String(text) => json!(text.value()),
            toml_edit::Value::Integer(n) => json!(n.value()),
            toml_edit::Value::Float(n) => json!(n.value()),
            toml_edit::Value::Boolean(on) => json!(on.value()),
            toml_edit::Value::Array(items) => items.iter().map(value).collect(),
            toml_edit::Value::InlineTable(inner) => {
                inner.iter().map(|(name, inner)| (name.to_string(), value(inner))).collect()
            }
            toml_edit::Value::Datetime(_) => Value::Null,
        }
    }
    fn table(of: &toml_edit::Table) -> Value {
        let item = |item: &toml_edit::Item| match item {
            toml_edit::Item::Value(inner) => value(inner),
            toml_edit::Item::Table(inner) => table(inner),
            toml_edit::Item::ArrayOfTables(all) => all.iter().map(table).collect(),
            toml_edit::Item::None => Value::Null,
        };
        of.iter().map(|(name, inner)| (name.to_string(), item(inner))).collect()
    }
    table(text.parse::<DocumentMut>().expect("TOML").as_table())
}

/// Whether the schema allows a document, as far as this schema goes.
fn allows(schema: &Value, document: &Value) -> bool {
    let name = match document {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(n) if n.is_i64() => "integer",
        Value::Number(_) => "number",
        Value::Null => "null",
    };
    let is = |one: &Value| one == name || (one == "number" && name == "integer");
    let typed = match &schema["type"] {
        Value::Array(types) => types.iter().any(is),
        one => one.is_null() || is(one),
    };
    let member = |(key, value): (&String, &Value)| {
        let pattern = schema["patternProperties"].get("^p[0-9]");
        let percentile = pattern.filter(|_| key.as_bytes().get(1).is_some_and(u8::is_ascii_digit));
        match schema["properties"].get(key).or(percentile) {
            Some(inner) => allows(inner, value),
            None => match schema.get("additionalProperties") {
                Some(Value::Bool(any)) => *any,
                Some(inner) => allows(inner, value),
                None => true,
            },
        }
    };
    let items = document.as_array().into_iter().flatten();
    typed
        && document.as_object().into_iter().flatten().all(member)
        && items.into_iter().all(|item| schema.get("items").is_none_or(|of| allows(of, item)))
}

/// `KNEE_WRITE_DOCS=1 cargo test -p knee-files documentation` writes it anew.
#[test]
fn the_documentation_has_the_schema_of_the_parser() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/schema/knee.toml-1.json");
    let made = format!("{:#}\n", schema());
    if std::env::var_os("KNEE_WRITE_DOCS").is_some() {
        std::fs::write(path, &made).unwrap();
    }
    assert!(
        std::fs::read_to_string(path).unwrap_or_default() == made,
        "docs/schema/knee.toml-1.json is old; KNEE_WRITE_DOCS=1 cargo test -p knee-files documentation"
    );
}

#[test]
fn what_the_parser_takes_the_schema_allows() {
    let schema = schema();
    let probes = ["1", "0.5", "\"1\"", "\"50%\"", "\"a\"", "\"/a\"", "true", "[1, 2]", "[\"a\"]"];
    for table in &TABLES {
        let header = if table.name == "knobs" { "[knobs.A]" } else { table.header };
        for about in (table.keys)() {
            for value in probes.iter().copied().chain([about.example]) {
                let text = format!("{header}\n{} = {value}\n", about.name);
                // A table that lacks another key is refused for that: its values are not.
                let refused = Config::parse(&text).err().map(|all| all.to_string());
                let of_value = refused.as_ref().is_some_and(|p| p.contains(about.name));
                let example = value == about.example;
                assert!(
                    allows(&schema, &parsed(&text)) || (of_value && !example),
                    "the schema refuses {text}, of which the parser says {refused:?}"
                );
            }
        }
    }
}

#[test]
fn what_stands_in_no_table_is_refused_by_both() {
    let schema = schema();
    for text in ["[servce]\nport = 1\n", "[service]\nprt = 1\n", "[[allow]]\nrul = \"a\"\n"] {
        assert!(Config::parse(text).is_err() && !allows(&schema, &parsed(text)), "{text}");
    }
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
    let examples = std::fs::read_dir(folder)
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("knee.toml")).ok());
    let mut count = 0;
    for text in examples {
        assert!(allows(&schema, &parsed(&text)), "{text}");
        count += 1;
    }
    assert!(count > 3, "the examples have a knee.toml");
}
