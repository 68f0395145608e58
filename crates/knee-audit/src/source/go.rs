//! Go: servers and their time-outs, shutdown, signals, clients.

mod clients;
mod rows;
mod serving;
mod waits;

pub use clients::Client;
use clients::FETCHES;

use super::tree::{children, each, field, parse, place, text};
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
    /// Calls by which a server listens.
    pub listens: Vec<Place>,
    /// Those whose error is thrown away.
    pub dropped: Vec<Place>,
    /// Responses whose body nothing closes.
    pub open_bodies: Vec<Place>,
    /// Rows of a database that are left open where their loop ends early.
    pub open_rows: Vec<Place>,
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
    /// Calls of exported functions of packages, or of methods of variables: `web.Start`.
    pub calls: Vec<(String, Place)>,
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
    /// The function that it is made in, if other packages may call that: `web.Start`.
    pub maker: Option<String>,
    /// Whether all that its file registers is for machines: metrics, health.
    pub beside: bool,
}

/// A server that takes no time-outs.
#[derive(Clone, Debug)]
pub struct Bare {
    /// The call.
    pub place: Place,
    /// What is called, for people.
    pub call: String,
}

const TIMEOUTS: [&str; 4] = ["ReadTimeout", "ReadHeaderTimeout", "WriteTimeout", "IdleTimeout"];
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
        listens: Vec::new(),
        dropped: Vec::new(),
        open_bodies: Vec::new(),
        open_rows: Vec::new(),
        graces: Vec::new(),
        max_idle: Vec::new(),
        max_open: Vec::new(),
        abandoned: Vec::new(),
        unreset: Vec::new(),
        calls: Vec::new(),
        imports: Vec::new(),
    };
    let Some(tree) = parse(tree_sitter_go::LANGUAGE.into(), source) else { return found };
    found.abandoned = waits::abandoned(tree.root_node(), file, source);
    found.unreset = waits::unreset(tree.root_node(), file, source);
    found.open_rows = rows::left_open(tree.root_node(), file, source);
    let beside = serving::answers_machines(tree.root_node(), source);
    let reader = Reader { file, source, notifiers: notifiers(source), beside };
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
    /// Other names for `signal.Notify`.
    notifiers: Vec<&'a str>,
    /// Whether all that is registered in the file is for machines: metrics, profiles, health.
    beside: bool,
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
                maker: self.maker(node),
                beside: self.beside,
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
        if name.matches('.').count() == 1 && method.starts_with(|c: char| c.is_ascii_uppercase()) {
            found.calls.push((name.into(), self.place(node)));
        }
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
        } else if matches!(name, "signal.Notify" | "signal.NotifyContext")
            || self.notifiers.contains(&name)
        {
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
        } else if method.starts_with("Set") && method.contains("Shutdown") {
            // `SetShutdownDeadline(time.Second)`, as frameworks take it.
            let after = seconds(first);
            found.graces.extend(after.map(|after| (self.place(node), Some(after))));
        } else if let Some(call) = self.bare(function, &arguments) {
            let serves = !local(first) && !self.is_beside(node);
            found.bare.extend(serves.then(|| Bare { place: self.place(node), call }));
        }
        if LISTENS.contains(&method) && !local(first) && !self.is_beside(node) {
            found.listens.push(self.place(node));
            // A method `Serve` is of many things.
            let told = method.starts_with("Listen") || name.starts_with("http.");
            let http = found.imports.iter().any(|i| i == "net/http");
            let dropped = told && http && serving::is_dropped(node, self.source);
            found.dropped.extend(dropped.then(|| self.place(node)));
        }
        if LISTENS.contains(&method) && self.ends_program(node) {
            found.fatal.push(self.place(node));
        }
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
}

/// What `signal.Notify` is called besides: `var notify = signal.Notify`, for tests.
fn notifiers(source: &str) -> Vec<&str> {
    let name = |(at, function): (usize, &str)| {
        let behind = source[at + function.len()..].chars().next();
        let called = behind.is_some_and(|c| c == '(' || c.is_alphanumeric());
        let left = source[..at].trim_end().strip_suffix('=')?.trim_end_matches(':').trim_end();
        let name = left.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next()?;
        (!called && !name.is_empty()).then_some(name)
    };
    source.match_indices("signal.Notify").filter_map(name).collect()
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
    let inner = |factor| {
        let bare: &str = str::trim(factor);
        let inner = bare.strip_prefix("time.Duration(").and_then(|rest| rest.strip_suffix(')'));
        inner.unwrap_or(bare)
    };
    let factors = text.split('*').map(|factor| match inner(factor) {
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

    pub(super) fn source(body: &str) -> Source {
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
    fn other_names_for_notify() {
        for (source, names) in [
            ("var notify = signal.Notify\n", &["notify"][..]),
            ("\tlisten, hear := 1, 2; hear := signal.Notify", &["hear"]),
            ("var (\n\tnotify=signal.Notify // for tests\n)", &["notify"]),
            ("x := signal.Notify(c)\ny = signal.NotifyContext\nif z == signal.Notify {", &[]),
        ] {
            assert_eq!(notifiers(source), names, "{source}");
        }
    }

    #[test]
    fn durations() {
        assert_eq!(seconds("15 * time.Second"), Some(15.0));
        assert_eq!(seconds("time.Minute"), Some(60.0));
        assert_eq!(seconds("time.Duration(1) * time.Second"), Some(1.0));
        assert_eq!(seconds("cfg.Timeout"), None);
        assert_eq!(seconds("5"), None);
    }
}
