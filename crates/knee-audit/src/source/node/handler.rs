//! Handlers of signals: what they close, and whether they wait for it.

use super::Reader;
use crate::picture::Place;
use crate::source::tree::{any, around, each, field, text};
use tree_sitter::Node;

/// A handler of a signal.
#[derive(Clone, Debug)]
pub struct Handler {
    /// The call that sets it.
    pub place: Place,
    /// The signal: `SIGTERM`.
    pub signal: String,
    /// Whether its text says anything of closing or shutting down.
    pub closes: bool,
    /// `process.exit` in the same turn as a `close` that is not awaited.
    pub cut: Option<Place>,
    /// A `close` of an Express application, which has none.
    pub broken: Option<Place>,
    /// `process.exit` without closing anything.
    pub exits: Option<Place>,
    /// Whether all that it does is known, and nothing of it ends a server or the process.
    pub lingers: bool,
}

/// Whether something is called that ends a server or a connection: a word of that meaning right
/// before the arguments, and not only somewhere in a longer name (`stopProcessingLoop`).
fn ends_something(words: &str) -> bool {
    const ENDS: [&str; 8] =
        ["close", "stop", "shutdown", "drain", "terminate", "disconnect", "destroy", "end"];
    let calls = words.match_indices('(').map(|(at, _)| &words[..at]);
    let mut names = calls.map(|before| {
        before.rsplit(|c: char| !(c.is_alphanumeric() || c == '_')).next().unwrap_or_default()
    });
    names.any(|name| {
        ENDS.contains(&name)
            || ["shutdown", "gracefu", "closeserver", "stopserver", "closeall"]
                .iter()
                .any(|word| name.contains(word))
            || (name.starts_with("close") || name.ends_with("close"))
    })
}

impl Reader<'_> {
    pub(super) fn handler(
        &self,
        call: Node<'_>,
        signal: String,
        given: Option<Node<'_>>,
    ) -> Handler {
        let mut handler = Handler {
            place: self.place(call),
            signal,
            closes: true,
            cut: None,
            broken: None,
            exits: None,
            lingers: false,
        };
        let Some(body) = given.and_then(|given| self.body(given)) else { return handler };
        let words = text(body, self.source).to_lowercase();
        handler.closes = [
            "close",
            "shutdown",
            "stop",
            "drain",
            "terminate",
            "quit",
            "destroy",
            "disconnect",
            "emit",
            "gracefu",
            "exit",
            "kill",
        ]
        .iter()
        .any(|word| words.contains(word));
        let ends = ["exit", "kill", "abort", "throw"].iter().any(|word| words.contains(word));
        let harmful = |node: Node<'_>| node.kind() == "call_expression" && !self.harmless(node);
        handler.lingers = !ends && !any(body, harmful) && !self.ends_loop(body);
        let mut closed = None;
        each(body, |node| {
            if node.kind() != "call_expression" {
                return;
            }
            let name = field(node, "function", self.source);
            let method = name.rsplit('.').next().unwrap_or_default();
            let same_turn = self.same_turn(node, body);
            if method == "close" && name.contains('.') {
                let receiver = &name[..name.len() - ".close".len()];
                let awaited = around(node).next().is_some_and(|n| n.kind() == "await_expression");
                if self.is_express(receiver) {
                    handler.broken = Some(self.place(node));
                } else if same_turn && !awaited {
                    closed = Some(node.start_byte());
                }
            } else if name == "process.exit" && same_turn {
                match closed {
                    Some(_) => handler.cut = Some(self.place(node)),
                    None => handler.exits = Some(self.place(node)),
                }
            }
        });
        let waits = words.contains("await")
            || words.contains("settimeout")
            || words.contains("promise")
            || words.contains(".then(");
        // Something may be closed before an exit that is meant, or be given time.
        if handler.cut.is_some() || words.contains("settimeout") || ends_something(&words) {
            handler.exits = None;
        }
        if waits {
            handler.cut = None;
        }
        handler
    }

    /// Whether a call ends neither a server of HTTP nor the process: it logs, or belongs to something
    /// else that the file makes.
    fn harmless(&self, call: Node<'_>) -> bool {
        let name = field(call, "function", self.source);
        let Some((receiver, method)) = name.rsplit_once('.') else {
            return matches!(name, "clearTimeout" | "clearInterval");
        };
        if receiver.to_lowercase().contains("log") || receiver == "console" {
            return true;
        }
        let Some(made) = self.made(receiver, call) else { return false };
        let serves = ["listen(", "createServer(", "express(", "astify(", "Koa", "Nest"];
        if serves.iter().any(|word| made.contains(word)) {
            return false;
        }
        let stops =
            ["close", "stop", "shutdown", "end", "destroy", "terminate", "disconnect", "quit"];
        let other = ["WebSocket", "ws.", "Redis", "Pool", "Prisma", "Queue", "Worker", "Kafka"];
        if method == "emit" {
            return false;
        }
        let is_other = made.starts_with("new ") && other.iter().any(|kind| made.contains(kind));
        is_other || !stops.iter().any(|word| method.to_lowercase().contains(word))
    }

    /// Whether something that is assigned in a handler is asked by a loop, or in one, which so ends:
    /// `while (!stopping)`. Members of what the file does not make may be asked anywhere.
    fn ends_loop(&self, body: Node<'_>) -> bool {
        let mut flags: Vec<&str> = Vec::new();
        let mut foreign = false;
        each(body, |node| {
            if node.kind() == "assignment_expression" {
                let left = field(node, "left", self.source);
                let object = left.split_once('.').map(|(object, _)| object);
                foreign |= object.is_some_and(|object| {
                    !matches!(object, "process" | "this") && self.made(object, node).is_none()
                });
                flags.push(left);
            }
        });
        let loops = ["while_statement", "do_statement", "for_statement"];
        let asks = |node: Node<'_>| {
            let looping = loops.contains(&node.kind())
                || (node.kind() == "if_statement"
                    && around(node).any(|n| loops.contains(&n.kind())));
            let condition = field(node, "condition", self.source);
            let mut words = condition.split(|c: char| !(c.is_alphanumeric() || "_$.".contains(c)));
            looping && words.any(|word| flags.contains(&word))
        };
        foreign || (!flags.is_empty() && around(body).last().is_some_and(|root| any(root, asks)))
    }

    /// What a variable of the file is set to where it is declared.
    pub(super) fn made(&self, name: &str, node: Node<'_>) -> Option<&str> {
        let root = around(node).last()?;
        let mut made = None;
        each(root, |node| {
            if node.kind() == "variable_declarator" && field(node, "name", self.source) == name {
                made = node.child_by_field_name("value").map(|value| text(value, self.source));
            }
        });
        made
    }

    /// The function that handles: given in place, or by its name in the same file.
    fn body<'t>(&self, given: Node<'t>) -> Option<Node<'t>> {
        if given.kind() != "identifier" {
            return given.child_by_field_name("body");
        }
        let name = text(given, self.source);
        let root = around(given).last()?;
        let mut body = None;
        each(root, |node| {
            let named = field(node, "name", self.source) == name;
            if named && node.kind() == "function_declaration" {
                body = node.child_by_field_name("body");
            } else if named && node.kind() == "variable_declarator" {
                body =
                    node.child_by_field_name("value").and_then(|f| f.child_by_field_name("body"));
            }
        });
        body
    }

    /// Whether no function stands between the node and the body: it runs before what is awaited.
    fn same_turn(&self, node: Node<'_>, body: Node<'_>) -> bool {
        node.id() == body.id()
            || around(node).take_while(|n| n.id() != body.id()).all(|n| {
                !matches!(
                    n.kind(),
                    "arrow_function" | "function_expression" | "function" | "if_statement"
                )
            })
    }

    fn is_express(&self, name: &str) -> bool {
        let made = [
            format!("{name} = express()"),
            format!("{name}=express()"),
            format!("{name}: Express = express()"),
        ];
        !name.is_empty()
            && made.iter().any(|made| self.source.contains(made))
            && !self.source.contains(&format!("{name} = {name}.listen"))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;

    #[test]
    fn a_flag_that_ends_a_loop() {
        let lingers = |handler: &str, rest: &str| {
            let text = format!(
                "let stopping = false;\nprocess.on('SIGTERM', () => {{ {handler} }});\n{rest}\n"
            );
            source(&text).handlers[0].lingers
        };
        let set = "stopping = true";
        assert!(lingers(set, "app.get('/health', (q, a) => a.send(!stopping))"));
        assert!(!lingers(set, "while (!stopping) { work() }"));
        assert!(!lingers(set, "for (;;) { if (stopping) { break } work() }"));
        assert!(!lingers("worker.stopping = true", ""), "whoever made it may ask");
        assert!(!lingers("events.emit('stop')", "const events = new EventEmitter()"));
    }
}
