//! Clients without a time-out, and responses whose body nothing closes.

use super::{Reader, Source};
use crate::picture::Place;
use crate::source::tree::{any, around, field, text};
use tree_sitter::Node;

/// Functions of net/http that ask by its own client.
pub(super) const FETCHES: [&str; 4] = ["http.Get", "http.Post", "http.Head", "http.PostForm"];

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

impl Reader<'_> {
    /// Whether the node runs only where an argument of the command line asks for it: a check of
    /// the container's health, say.
    pub(super) fn asked(&self, node: Node<'_>) -> bool {
        around(node).any(|n| {
            n.kind() == "if_statement" && field(n, "condition", self.source).contains("os.Args")
        })
    }

    /// Whether a function around the node takes a request.
    pub(super) fn in_handler(&self, node: Node<'_>) -> bool {
        let functions = around(node).filter(|n| n.child_by_field_name("parameters").is_some());
        functions.into_iter().any(|function| {
            let parameters = field(function, "parameters", self.source);
            ["http.ResponseWriter", "*http.Request", "*gin.Context", "echo.Context", "*fiber.Ctx"]
                .iter()
                .any(|kind| parameters.contains(kind))
        })
    }

    /// A response that is bound to a name which never closes its body nor leaves the function.
    pub(super) fn response(&self, call: Node<'_>, found: &mut Source) {
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

#[cfg(test)]
mod tests {
    use super::super::tests::source;

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
}
