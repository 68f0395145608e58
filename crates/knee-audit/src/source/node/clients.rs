//! Clients of axios that are given no time-out.

use super::{Reader, unquoted};
use crate::picture::Place;
use crate::source::tree::{around, children, field, text};
use tree_sitter::Node;

/// A client, or a request by the library's own one, without a time-out.
#[derive(Clone, Debug)]
pub struct Client {
    /// The call.
    pub place: Place,
    /// What is called: `axios.create`.
    pub call: String,
    /// Functions and values whose content is spread into its options.
    pub spread: Vec<String>,
}

impl Reader<'_> {
    /// A call of axios that is given no time-out, as far as it says.
    pub(super) fn untimed(&self, call: Node<'_>, name: &str, given: &[Node<'_>]) -> Option<Client> {
        let at = match name {
            "axios.create" | "axios.request" => 0,
            "axios.get" | "axios.delete" | "axios.head" | "axios.options" => 1,
            "axios.post" | "axios.put" | "axios.patch" => 2,
            "axios" => usize::from(given.first()?.kind() != "object"),
            _ => return None,
        };
        // What runs when the module is loaded, and no function of it, is in no request's way.
        let in_function = around(call).any(|n| n.child_by_field_name("parameters").is_some());
        if (name != "axios.create" && !in_function) || self.is_switched_off(call) {
            return None;
        }
        let mut spread = Vec::new();
        if let Some(options) = given.get(at) {
            if options.kind() != "object" {
                return None;
            }
            for entry in children(*options) {
                match entry.kind() {
                    "spread_element" => {
                        let word = text(entry, self.source).trim_start_matches('.').trim();
                        let plain = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
                        spread.push(word.chars().take_while(|c| plain(*c)).collect());
                    }
                    "pair" => {
                        let key = unquoted(field(entry, "key", self.source));
                        if matches!(&*key, "timeout" | "signal" | "cancelToken") {
                            return None;
                        }
                    }
                    // `{ timeout }`
                    _ if matches!(text(entry, self.source), "timeout" | "signal") => return None,
                    _ => {}
                }
            }
        }
        Some(Client { place: self.place(call), call: name.into(), spread })
    }

    /// Whether a node stands behind a condition that the file sets to nothing.
    fn is_switched_off(&self, node: Node<'_>) -> bool {
        around(node).filter(|n| n.kind() == "if_statement").any(|n| {
            let condition = field(n, "condition", self.source).trim_matches(['(', ')']);
            matches!(self.made(condition, n), Some("null" | "false" | "undefined"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;

    #[test]
    fn what_axios_is_given() {
        let untimed = |text: &str| source(text).untimed.len();
        assert_eq!(untimed("export const http = axios.create({ baseURL: u })"), 1);
        assert_eq!(untimed("const http = axios.create()"), 1);
        assert_eq!(untimed("const http = axios.create({ baseURL: u, timeout: 3000 })"), 0);
        assert_eq!(untimed("const http = axios.create(options)"), 0);
        assert_eq!(untimed("const f = () => axios.get(u, { headers: h })"), 1);
        assert_eq!(untimed("const f = () => axios.post(u, data, { signal })"), 0);
        assert_eq!(untimed("const f = () => axios({ url: u })"), 1);
        assert_eq!(untimed("axios.get(u)"), 0, "when the module is loaded");
        assert_eq!(untimed("const f = () => { const on = null; if (on) { axios.get(u) } }"), 0);
        let spread = source("const f = () => axios.create({ ...more(), headers })");
        assert_eq!(spread.untimed[0].spread, ["more"]);
    }
}
