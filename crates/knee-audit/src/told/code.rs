//! Settings that code gives to servers, pools and queues: names that mean one thing, with the value
//! that is written.

use super::names::{coded, snake};
use super::{Said, plain};
use crate::source::tree::{around, children, each, field, parse, text};
use tree_sitter::{Language, Node};

/// Words of which one has to be in a file that is looked at, in lower case.
const TELLING: [&str; 20] = [
    "timeout",
    "pool",
    "port",
    "workers",
    "conns",
    "connections",
    "max_overflow",
    "maxoverflow",
    "conn_max",
    "prefetch",
    "acks_late",
    "time_limit",
    "threads",
    "wait_time",
    "lifetime",
    "listen",
    "concurrency",
    "grace",
    "interval",
    "defaultclient",
];

/// What a source says, by the end of its name.
pub(super) fn read(language: &str, source: &str) -> Vec<Said> {
    let lower = source.to_ascii_lowercase();
    let made = source.lines().any(|line| line.len() > 4_000);
    if made || !TELLING.iter().any(|word| lower.contains(word)) {
        return Vec::new();
    }
    let Some(tree) = parse(grammar(language), source) else { return Vec::new() };
    let mut reader = Reader { language, source, said: Vec::new() };
    each(tree.root_node(), |node| reader.node(node));
    reader.said
}

fn grammar(language: &str) -> Language {
    match language {
        "py" => tree_sitter_python::LANGUAGE.into(),
        "go" => tree_sitter_go::LANGUAGE.into(),
        "php" => tree_sitter_php::LANGUAGE_PHP.into(),
        "ts" | "mts" => tree_sitter_typescript::LANGUAGE_TYPESCRIPT.into(),
        _ => tree_sitter_javascript::LANGUAGE.into(),
    }
}

/// Ports of databases and mail servers, which are not the application's.
const FOREIGN: [&str; 9] = ["5432", "3306", "6379", "27017", "25", "587", "465", "11211", "9200"];

struct Reader<'a> {
    language: &'a str,
    source: &'a str,
    said: Vec<Said>,
}

impl Reader<'_> {
    fn node(&mut self, node: Node<'_>) {
        let named = |name: &str, value: &str| {
            Some((node.child_by_field_name(name)?, node.child_by_field_name(value)?))
        };
        let pair = match node.kind() {
            "assignment"
            | "assignment_expression"
            | "assignment_statement"
            | "short_var_declaration" => named("left", "right"),
            "keyword_argument"
            | "variable_declarator"
            | "public_field_definition"
            | "const_spec"
            | "var_spec" => named("name", "value"),
            "pair" => named("key", "value"),
            "keyed_element" | "array_element_initializer" => match children(node)[..] {
                [name, value] => Some((name, value)),
                _ => None,
            },
            "call_expression" | "call" => return self.call(node),
            "field_declaration" => return self.tagged(node),
            "selector_expression" if text(node, self.source) == "http.DefaultClient" => {
                let value = "http.DefaultClient, which waits for ever".into();
                return self.put("go.http_client_timeout", value, node);
            }
            _ => None,
        };
        if let Some((name, value)) = pair {
            self.setting(name, value);
        }
    }

    fn setting(&mut self, name: Node<'_>, value: Node<'_>) {
        let full = text(name, self.source);
        // A word, a field, an item: what is called so comes last.
        let own = full.trim_end_matches([']', '"', '\'']).rsplit(['.', '"', '\'', '>', '[']).next();
        let Some(own) = own.filter(|own| own.len() < 60 && !own.contains(char::is_whitespace))
        else {
            return;
        };
        let mut outer = self.outer(name);
        outer.insert(0, full.strip_suffix(own).unwrap_or_default().to_lowercase());
        if let Some(key) = coded(self.language, &snake(own), &outer) {
            self.say(&key, value);
        }
    }

    /// Names around a node: keys, variables, what is called or made.
    fn outer(&self, node: Node<'_>) -> Vec<String> {
        let mut names = Vec::new();
        for outer in around(node).skip(1).take(9) {
            let name = match outer.kind() {
                "pair" => field(outer, "key", self.source),
                "variable_declarator" | "keyword_argument" | "const_spec" | "var_spec" => {
                    field(outer, "name", self.source)
                }
                "assignment" | "assignment_expression" => field(outer, "left", self.source),
                "call_expression" | "call" => field(outer, "function", self.source),
                "new_expression" => field(outer, "constructor", self.source),
                "composite_literal" => field(outer, "type", self.source),
                "array_element_initializer" | "keyed_element" => {
                    children(outer).first().map_or("", |name| text(*name, self.source))
                }
                "function_definition"
                | "function_declaration"
                | "method_definition"
                | "class_definition" => break,
                _ => continue,
            };
            if name.len() < 80 {
                names.push(name.to_lowercase());
            }
        }
        names
    }

    /// `server.listen(3000)`, `db.SetMaxOpenConns(20)`, `stoppable(server, 10000)`.
    fn call(&mut self, node: Node<'_>) {
        let function = field(node, "function", self.source);
        let own = function.rsplit('.').next().unwrap_or_default();
        let Some(arguments) = node.child_by_field_name("arguments").map(children) else { return };
        match (own, &arguments[..]) {
            ("listen", [port, ..]) if !matches!(self.language, "py" | "go") => {
                self.say("server.port", *port)
            }
            ("ListenAndServe" | "ListenAndServeTLS", [port, _, ..]) => {
                self.say("server.port", *port)
            }
            ("stoppable", [_, grace]) => self.say("node.stoppable_grace", *grace),
            (_, [value]) if own.starts_with("Set") && self.language == "go" => {
                if let Some(key) = super::names::pool(&snake(&own[3..])) {
                    self.say(&key, *value);
                }
            }
            _ => {}
        }
    }

    /// A field of a Go configuration whose tag says its default: `envDefault:"8000"`.
    fn tagged(&mut self, node: Node<'_>) {
        let tag = field(node, "tag", self.source);
        let Some(at) = tag.to_ascii_lowercase().find("default:\"") else { return };
        let value = tag[at + 9..].split('"').next().unwrap_or_default();
        let key = coded("go", &snake(field(node, "name", self.source)), &["server".into()]);
        if let Some(key) = key.filter(|_| super::is_amount(value)) {
            self.put(&key, value.into(), node);
        }
    }

    fn say(&mut self, key: &str, value: Node<'_>) {
        let written = text(value, self.source);
        let switch = key.starts_with("celery.");
        let lone = switch && matches!(written, "True" | "False" | "true" | "false");
        let digits = written.contains(|c: char| c.is_ascii_digit());
        let shown = plain(written);
        let port = key == "server.port";
        let foreign = |port: &&str| shown.split(|c: char| !c.is_ascii_digit()).any(|n| n == *port);
        let of_server = key.starts_with("node.") || key.starts_with("go.");
        let lower = written.to_lowercase();
        let variable = port && lower.contains("env") && lower.contains("port");
        let database = ["db", "redis", "mongo", "postgres", "sql", "mail", "smtp"];
        // A function or a table is no value.
        let other = port
            && (FOREIGN.iter().any(foreign) || database.iter().any(|word| lower.contains(word)));
        if written.len() > 160 || written.contains('{') || other {
            return;
        }
        let address = port
            && written.trim_matches(['"', '`']).rsplit(':').next().is_some_and(super::is_amount);
        match () {
            () if address => {
                let number =
                    written.trim_matches(['"', '`']).rsplit(':').next().unwrap_or_default();
                self.put(key, number.into(), value);
            }
            () if super::is_amount(&shown) || lone => self.put(key, shown, value),
            () if product(written).is_some() => {
                self.put(key, product(written).unwrap_or_default(), value);
            }
            () if digits || variable || of_server => {
                self.put(key, format!("unknown: is written as `{shown}`"), value);
            }
            () => {}
        }
    }

    fn put(&mut self, key: &str, value: String, node: Node<'_>) {
        self.said.push(Said { key: key.into(), value, range: node.byte_range() });
    }
}

/// What a product of constants makes: `30 * time.Second` is `30 s`, `62 * 1000` is `62000`.
fn product(written: &str) -> Option<String> {
    let units = [
        ("time.Millisecond", 1e-3),
        ("time.Second", 1.0),
        ("time.Minute", 60.0),
        ("time.Hour", 3600.0),
    ];
    let (mut all, mut unit) = (1.0, "");
    for factor in written.trim().trim_matches(['(', ')']).split('*').map(str::trim) {
        match units.iter().find(|(name, _)| *name == factor) {
            Some((_, seconds)) => {
                all *= seconds;
                unit = " s";
            }
            None => all *= factor.replace('_', "").parse::<f64>().ok()?,
        }
    }
    Some(format!("{all}{unit}"))
}
