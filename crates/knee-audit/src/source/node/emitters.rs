//! Listeners that are added again and again to what all requests share.

use super::{Reader, VERBS, unquoted};
use crate::source::tree::{any, around, children, field, text};
use tree_sitter::Node;

/// Events that come again with every request, connection or message.
const RECURRING: [&str; 5] = ["upgrade", "request", "connection", "message", "data"];
const FUNCTIONS: [&str; 3] = ["arrow_function", "function_expression", "function"];

impl Reader<'_> {
    /// Whether a call of `on` adds a listener to something that outlives the request or connection
    /// in which it does, and nothing takes one away.
    pub(super) fn adds_for_ever(&self, call: Node<'_>, function: Node<'_>) -> bool {
        let Some(object) = function.child_by_field_name("object") else { return false };
        let name = text(object, self.source);
        if object.kind() != "identifier" || name == "process" {
            return false;
        }
        let functions: Vec<_> =
            around(call).filter(|n| n.child_by_field_name("body").is_some()).collect();
        let Some(last) = functions.iter().rposition(|f| self.comes_again(*f)) else { return false };
        let own = functions[..=last].iter().any(|function| self.binds(*function, name));
        let taken = [".off(", ".removeListener(", ".removeAllListeners("];
        !own && !taken.iter().any(|call| self.source.contains(&format!("{name}{call}")))
    }

    /// Whether a function runs for each request, connection or message.
    fn comes_again(&self, function: Node<'_>) -> bool {
        if !FUNCTIONS.contains(&function.kind()) {
            return false;
        }
        let call = around(function).nth(1).filter(|n| n.kind() == "call_expression");
        let Some(call) = call else { return false };
        let name = field(call, "function", self.source);
        let Some((_, method)) = name.rsplit_once('.') else { return false };
        let arguments = call.child_by_field_name("arguments").map(children).unwrap_or_default();
        let first = arguments.first().map_or(String::new(), |a| unquoted(text(*a, self.source)));
        match method {
            "on" | "addListener" => RECURRING.contains(&&*first),
            "handleUpgrade" => true,
            "use" | "route" => false,
            verb => VERBS.contains(&verb) && first.starts_with('/'),
        }
    }

    /// Whether a name is a parameter of a function, or declared in it.
    fn binds(&self, function: Node<'_>, name: &str) -> bool {
        let parameters = ["parameters", "parameter"].map(|part| field(function, part, self.source));
        let word = |text: &str| {
            text.split(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).any(|w| w == name)
        };
        parameters.into_iter().any(word)
            || any(function, |n| {
                n.kind() == "variable_declarator" && word(field(n, "name", self.source))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;

    #[test]
    fn listeners_that_stay() {
        let stay = |text: &str| source(text).listeners.len();
        let upgrade = |inner: &str| {
            format!(
                "server.on('upgrade', (req, socket, head) => {{ wss.handleUpgrade(req, socket, head, (ws) => {{ {inner} }}) }})"
            )
        };
        assert_eq!(stay(&upgrade("wss.on('connection', f)")), 1);
        assert_eq!(stay(&upgrade("ws.on('message', f)")), 0, "of its own");
        assert_eq!(stay("io.on('connection', (socket) => { bus.on('price', f) })"), 1);
        assert_eq!(
            stay(
                "io.on('connection', (socket) => { bus.on('price', f); socket.on('disconnect', () => bus.off('price', f)) })"
            ),
            0
        );
        assert_eq!(stay("app.get('/events', (req, res) => { bus.on('price', f) })"), 1);
        assert_eq!(stay("app.get('/a', (req, res) => { const s = open(); s.on('data', f) })"), 0);
        assert_eq!(stay("function start() { wss.on('connection', f) }"), 0, "once");
        assert_eq!(stay("process.on('message', () => { wss.once('close', f) })"), 0);
    }
}
