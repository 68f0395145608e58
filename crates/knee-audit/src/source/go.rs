//! Go: servers and their time-outs, shutdown, signals, clients.

mod waits;

use super::tree::{any, around, children, each, field, parse, place, text};
use crate::picture::{FileId, Place};
use std::collections::BTreeMap;
use tree_sitter::Node;

/// What a Go file says.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: FileId,
    /// `http.Server` literals.
    pub servers: Vec<Server>,
    /// Servers that take no time-outs at all: `http.ListenAndServe`, gin's `Run`.
    pub bare: Vec<Bare>,
    /// Names of time-outs that are assigned to a field somewhere in the file.
    pub assigned: Vec<String>,
    /// Calls of a `Shutdown` method.
    pub shutdowns: Vec<Place>,
    /// `signal.Notify` and `signal.NotifyContext`, with the signals as they are written.
    pub notified: Vec<(Place, Vec<String>)>,
    /// Requests by a client without a time-out.
    pub clients: Vec<Client>,
    /// Where the error of `ListenAndServe` ends the program, `ErrServerClosed` or not.
    pub fatal: Vec<Place>,
    /// Responses whose body nothing closes.
    pub open_bodies: Vec<Place>,
    /// How long a shutdown may take, where its context says it; seconds where it is a constant.
    pub graces: Vec<(Place, Option<f64>)>,
    /// Idle connections that a pool keeps, where `SetMaxIdleConns` is given a number.
    pub max_idle: Vec<(Place, f64)>,
    /// The most connections to a database, where `SetMaxOpenConns` is given a number.
    pub max_open: Vec<(Place, f64)>,
    /// Sends whose receiver may have gone.
    pub abandoned: Vec<Place>,
    /// Buffers put back into a pool with their content.
    pub unreset: Vec<Place>,
    /// Import paths.
    pub imports: Vec<String>,
}

/// An `http.Server` literal.
#[derive(Clone, Debug)]
pub struct Server {
    /// The literal's type and opening brace.
    pub place: Place,
    /// Time-outs by field, seconds where they are a constant.
    pub timeouts: BTreeMap<String, (Place, Option<f64>)>,
    /// Just behind the opening brace.
    pub body: usize,
    /// Whether it listens on the loopback interface only.
    pub local: bool,
}

/// A server that takes no time-outs.
#[derive(Clone, Debug)]
pub struct Bare {
    /// The call.
    pub place: Place,
    /// What is called, for people.
    pub call: String,
}

/// A request by a client without a time-out.
#[derive(Clone, Debug)]
pub struct Client {
    /// The call, or the client's literal.
    pub place: Place,
    /// What is written there.
    pub call: String,
    /// Whether it stands in a function that handles a request.
    pub in_handler: bool,
}

const TIMEOUTS: [&str; 4] = ["ReadTimeout", "ReadHeaderTimeout", "WriteTimeout", "IdleTimeout"];
const FETCHES: [&str; 4] = ["http.Get", "http.Post", "http.Head", "http.PostForm"];
const LISTENS: [&str; 4] = ["ListenAndServe", "ListenAndServeTLS", "Serve", "ServeTLS"];

/// Reads a file.
pub fn read(file: FileId, source: &str) -> Source {
    let mut found = Source {
        file,
        servers: Vec::new(),
        bare: Vec::new(),
        assigned: Vec::new(),
        shutdowns: Vec::new(),
        notified: Vec::new(),
        clients: Vec::new(),
        fatal: Vec::new(),
        open_bodies: Vec::new(),
        graces: Vec::new(),
        max_idle: Vec::new(),
        max_open: Vec::new(),
        abandoned: Vec::new(),
        unreset: Vec::new(),
        imports: Vec::new(),
    };
    let Some(tree) = parse(tree_sitter_go::LANGUAGE.into(), source) else { return found };
    found.abandoned = waits::abandoned(tree.root_node(), file, source);
    found.unreset = waits::unreset(tree.root_node(), file, source);
    let reader = Reader { file, source };
    each(tree.root_node(), |node| match node.kind() {
        "import_spec" => found.imports.push(field(node, "path", source).trim_matches('"').into()),
        "composite_literal" => reader.literal(node, &mut found),
        "assignment_statement" => {
            let name = field(node, "left", source).rsplit('.').next().unwrap_or_default();
            found.assigned.extend(TIMEOUTS.contains(&name).then(|| name.to_string()));
        }
        "call_expression" => reader.call(node, &mut found),
        _ => {}
    });
    // A deadline per request does for a client what a time-out would.
    if source.contains("WithContext(") || source.contains("DefaultClient.Timeout") {
        found.clients.retain(|client| FETCHES.contains(&&*client.call));
    }
    if source.contains("ErrServerClosed") || found.shutdowns.is_empty() {
        found.fatal.clear();
    }
    found
}

struct Reader<'a> {
    file: FileId,
    source: &'a str,
}

impl Reader<'_> {
    fn place(&self, node: Node<'_>) -> Place {
        place(self.file, node)
    }

    fn literal(&self, node: Node<'_>, found: &mut Source) {
        let Some(body) = node.child_by_field_name("body") else { return };
        let entries = self.entries(body);
        match field(node, "type", self.source) {
            "http.Server" => found.servers.push(Server {
                place: Place::new(self.file, node.start_byte()..body.start_byte() + 1),
                timeouts: entries
                    .iter()
                    .filter(|(key, _)| TIMEOUTS.contains(key))
                    .map(|(key, value)| {
                        (key.to_string(), (self.place(*value), seconds(text(*value, self.source))))
                    })
                    .collect(),
                body: body.start_byte() + 1,
                local: entries
                    .iter()
                    .any(|(key, v)| *key == "Addr" && local(text(*v, self.source))),
            }),
            "http.Client"
                if entries.iter().all(|(key, _)| *key != "Timeout") && !self.asked(node) =>
            {
                found.clients.push(Client {
                    place: Place::new(self.file, node.start_byte()..body.start_byte() + 1),
                    call: "http.Client{}".into(),
                    in_handler: self.in_handler(node),
                });
            }
            _ => {}
        }
    }

    fn entries<'t>(&self, body: Node<'t>) -> Vec<(&str, Node<'t>)> {
        let keyed = children(body).into_iter().filter(|child| child.kind() == "keyed_element");
        keyed
            .filter_map(|element| {
                let parts = children(element);
                Some((text(*parts.first()?, self.source), *parts.get(1)?))
            })
            .collect()
    }

    fn call(&self, node: Node<'_>, found: &mut Source) {
        let Some(function) = node.child_by_field_name("function") else { return };
        let name = text(function, self.source);
        let method = name.rsplit('.').next().unwrap_or_default();
        let arguments = node.child_by_field_name("arguments").map(children).unwrap_or_default();
        let first = arguments.first().map_or("", |a| text(*a, self.source));
        if FETCHES.contains(&name) || name == "http.DefaultClient.Do" {
            if !local(first) {
                let in_handler = self.in_handler(node);
                found.clients.push(Client {
                    place: self.place(node),
                    call: name.into(),
                    in_handler,
                });
            }
            self.response(node, found);
        } else if method == "Do"
            && arguments.len() == 1
            && found.imports.iter().any(|i| i == "net/http")
        {
            self.response(node, found);
        } else if matches!(name, "signal.Notify" | "signal.NotifyContext") || self.notifies(name) {
            let signals = arguments.iter().skip(1).map(|a| text(*a, self.source).into()).collect();
            found.notified.push((self.place(node), signals));
        } else if method == "SetMaxOpenConns" {
            found.max_open.extend(self.number(node, first).filter(|(_, most)| *most > 0.0));
        } else if method == "SetMaxIdleConns" {
            found.max_idle.extend(self.number(node, first));
        } else if name == "context.WithTimeout" && self.before_shutdown(node) {
            let after = arguments.get(1).and_then(|a| seconds(text(*a, self.source)));
            found.graces.push((self.place(node), after));
        } else if method == "Shutdown" && name.contains('.') && arguments.len() <= 1 {
            found.shutdowns.push(self.place(node));
        } else if matches!(name, "http.ListenAndServe" | "http.ListenAndServeTLS") {
            if !local(first) {
                found.bare.push(Bare { place: self.place(node), call: name.into() });
            }
        } else if method == "Run" && arguments.len() <= 1 && self.is_gin(function) && !local(first)
        {
            found.bare.push(Bare { place: self.place(node), call: format!("gin's {name}") });
        }
        if LISTENS.contains(&method) && self.ends_program(node) {
            found.fatal.push(self.place(node));
        }
    }

    /// Whether a method's receiver is an engine of gin.
    fn is_gin(&self, function: Node<'_>) -> bool {
        let receiver = field(function, "operand", self.source);
        let made = ["gin.Default(", "gin.New("]
            .map(|make| [format!("{receiver} := {make}"), format!("{receiver} = {make}")]);
        made.iter().flatten().any(|made| self.source.contains(made))
            || self.source.contains(&format!("{receiver} *gin.Engine"))
    }

    /// Whether the node runs only where an argument of the command line asks for it: a check of
    /// the container's health, say.
    fn asked(&self, node: Node<'_>) -> bool {
        around(node).any(|n| {
            n.kind() == "if_statement" && field(n, "condition", self.source).contains("os.Args")
        })
    }

    /// A number with its place: in the call, or where the constant of that name stands.
    fn number(&self, call: Node<'_>, text: &str) -> Option<(Place, f64)> {
        if let Ok(number) = text.parse() {
            return Some((self.place(call), number));
        }
        let mut at = 0;
        for whole in self.source.split_inclusive('\n') {
            let line = whole.trim_start().trim_start_matches("const ");
            let value =
                line.strip_prefix(text).and_then(|rest| rest.trim_start().strip_prefix('='));
            if let Some(number) = value.and_then(|v| v.split("//").next()?.trim().parse().ok()) {
                let start = at + whole.len() - line.len();
                return Some((Place::new(self.file, start..at + whole.trim_end().len()), number));
            }
            at += whole.len();
        }
        None
    }

    /// Whether a name is another one for `signal.Notify`: `var notify = signal.Notify`, for tests.
    fn notifies(&self, name: &str) -> bool {
        let named = |rest: &str| !rest.starts_with(|c: char| c == '(' || c.is_alphanumeric());
        !name.contains('.')
            && ["=", ":="].iter().any(|sign| {
                let given = format!("{name} {sign} signal.Notify");
                self.source.split_once(&given).is_some_and(|(_, rest)| named(rest))
            })
    }

    /// Whether the function around the node shuts something down behind it.
    fn before_shutdown(&self, node: Node<'_>) -> bool {
        let function = around(node).find(|n| {
            matches!(n.kind(), "func_literal" | "function_declaration" | "method_declaration")
        });
        function.is_some_and(|function| {
            self.source[node.end_byte()..function.end_byte()].contains(".Shutdown(")
        })
    }

    /// Whether a function around the node takes a request.
    fn in_handler(&self, node: Node<'_>) -> bool {
        let functions = around(node).filter(|n| n.child_by_field_name("parameters").is_some());
        functions.into_iter().any(|function| {
            let parameters = field(function, "parameters", self.source);
            ["http.ResponseWriter", "*http.Request", "*gin.Context", "echo.Context", "*fiber.Ctx"]
                .iter()
                .any(|kind| parameters.contains(kind))
        })
    }

    /// `log.Fatal(s.ListenAndServe())`, or a test of its error that ends the program.
    fn ends_program(&self, call: Node<'_>) -> bool {
        let ends = |n: Node<'_>| {
            let name = field(n, "function", self.source);
            n.kind() == "call_expression"
                && (name.contains(".Fatal") || name == "panic" || name == "os.Exit")
        };
        for node in around(call) {
            match node.kind() {
                "call_expression" if ends(node) => return true,
                "if_statement" => {
                    return node
                        .child_by_field_name("consequence")
                        .is_some_and(|then| any(then, ends));
                }
                "func_literal" | "function_declaration" | "block" => return false,
                _ => {}
            }
        }
        false
    }

    /// A response that is bound to a name which never closes its body nor leaves the function.
    fn response(&self, call: Node<'_>, found: &mut Source) {
        let Some(bound) = around(call).take(2).find(|n| n.kind() == "short_var_declaration") else {
            return;
        };
        let names = field(bound, "left", self.source);
        let Some((name, _)) = names.split_once(',') else { return };
        let name = name.trim();
        let function = around(bound).find(|n| {
            matches!(n.kind(), "func_literal" | "function_declaration" | "method_declaration")
        });
        let Some(function) = function else { return };
        let leaves = any(function, |n| match n.kind() {
            "return_statement" | "argument_list" | "send_statement" | "expression_list" => {
                n.id() != bound.child_by_field_name("left").map_or(0, |l| l.id())
                    && words(text(n, self.source))
                        .any(|word| word == name || word == format!("{name}.Body"))
            }
            "call_expression" => field(n, "function", self.source) == format!("{name}.Body.Close"),
            _ => false,
        });
        if name == "_"
            || (!leaves && !text(function, self.source).contains(&format!("{name}.Body.Close")))
        {
            found.open_bodies.push(self.place(call));
        }
    }
}

/// Names with their dots.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
}

/// Whether an address or URL means this machine, or the metadata of its task.
fn local(text: &str) -> bool {
    // The task's metadata is answered by the agent on the same host.
    ["localhost", "127.0.0.1", "[::1]", "169.254.", "METADATA", "etadataU"]
        .iter()
        .any(|host| text.contains(host))
}

/// A constant duration in seconds: `15 * time.Second`, `time.Minute`.
pub fn seconds(text: &str) -> Option<f64> {
    let factors = text.split('*').map(|factor| match factor.trim() {
        "time.Millisecond" => Some(1e-3),
        "time.Second" => Some(1.0),
        "time.Minute" => Some(60.0),
        "time.Hour" => Some(3600.0),
        "0" => Some(0.0),
        number => number.parse().ok(),
    });
    let value: f64 = factors.collect::<Option<Vec<f64>>>()?.iter().product();
    // A bare number counts nanoseconds; but for 0 nobody means that.
    (text.contains("time.") || value == 0.0).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(body: &str) -> Source {
        read(FileId(0), &format!("package main\nimport \"net/http\"\n{body}"))
    }

    #[test]
    fn a_server_and_its_timeouts() {
        let found = source(
            "func main() { s := &http.Server{Addr: \":80\", ReadTimeout: 15 * time.Second, IdleTimeout: idle}; s.Shutdown(ctx) }",
        );
        assert_eq!(found.servers[0].timeouts["ReadTimeout"].1, Some(15.0));
        assert_eq!(found.servers[0].timeouts["IdleTimeout"].1, None);
        assert_eq!(found.shutdowns.len(), 1);
    }

    #[test]
    fn what_a_shutdown_and_a_pool_are_given() {
        let found = source(
            "func main() { c, f := context.WithTimeout(ctx, 5*time.Second); s.Shutdown(c); db.SetMaxIdleConns(most); db.SetMaxOpenConns(n) }\nfunc g() { context.WithTimeout(ctx, time.Second) }\nconst most = 8 // each",
        );
        assert_eq!(found.graces.iter().map(|g| g.1).collect::<Vec<_>>(), [Some(5.0)]);
        assert_eq!((found.max_idle[0].1, found.max_open.len()), (8.0, 0));
    }

    #[test]
    fn servers_without_any() {
        let found = source(
            "func main() { r := gin.Default(); r.Run(\":80\"); http.ListenAndServe(\":80\", nil); cmd.Run(); http.ListenAndServe(\"localhost:6060\", nil) }",
        );
        assert_eq!(found.bare.len(), 2);
    }

    #[test]
    fn clients_and_bodies() {
        let found = source(
            "func h(w http.ResponseWriter, r *http.Request) { a, err := http.Get(u)\n_ = err\nio.ReadAll(a.Body) }\nfunc g() { b, err := http.Get(u)\ndefer b.Body.Close() }\nfunc k() (*http.Response, error) { c, err := http.Get(u)\nreturn c, err }",
        );
        assert_eq!(found.clients.len(), 3);
        assert!(found.clients[0].in_handler && !found.clients[1].in_handler);
        assert_eq!(found.open_bodies.len(), 0, "a body that is passed on may be closed there");
        let found = source(
            "func main() { if len(os.Args) > 1 { c := &http.Client{}; c.Get(u) }; http.Get(metadataURL + \"/task\") }",
        );
        assert_eq!(found.clients.len(), 0, "a check of health, and the task's metadata");
        let found = source(
            "func g() { b, err := http.Get(u)\nif err == nil && b.StatusCode == 200 { ok() } }",
        );
        assert_eq!(found.open_bodies.len(), 1);
    }

    #[test]
    fn an_error_that_is_none_ends_the_program() {
        let stop = "func stop() { s.Shutdown(ctx) }\n";
        let fatal = "func main() { if err := s.ListenAndServe(); err != nil { log.Fatal(err) } }\n";
        assert_eq!(source(&format!("{stop}{fatal}")).fatal.len(), 1);
        assert_eq!(source(fatal).fatal.len(), 0, "without a shutdown it is an error");
        assert_eq!(
            source(&format!("{stop}func main() {{ log.Fatal(s.ListenAndServe()) }}")).fatal.len(),
            1
        );
    }

    #[test]
    fn durations() {
        assert_eq!(seconds("15 * time.Second"), Some(15.0));
        assert_eq!(seconds("time.Minute"), Some(60.0));
        assert_eq!(seconds("cfg.Timeout"), None);
        assert_eq!(seconds("5"), None);
    }
}
