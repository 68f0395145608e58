//! Calls by which a server listens: what takes no time-outs, what throws its error away, what answers
//! machines alone.

use super::Reader;
use crate::source::tree::{any, around, children, each, field, text};
use tree_sitter::Node;

/// Functions that make a server of their own, which is given no time-outs.
const BARE: [&str; 5] = [
    "http.ListenAndServe",
    "http.ListenAndServeTLS",
    "http.Serve",
    "http.ServeTLS",
    // <https://github.com/Shopify/goose/blob/main/srvutil/server.go>
    "srvutil.NewServer",
];
/// Last parts of paths at which machines ask.
const MACHINES: [&str; 12] = [
    "metrics",
    "health",
    "healthz",
    "healthcheck",
    "readyz",
    "ready",
    "livez",
    "live",
    "ping",
    "pprof",
    "debug",
    "profile",
];

impl Reader<'_> {
    /// What a call is called, for people, if it makes a server without time-outs.
    pub(super) fn bare(&self, function: Node<'_>, arguments: &[Node<'_>]) -> Option<String> {
        let name = text(function, self.source);
        if BARE.contains(&name) {
            return Some(name.into());
        }
        let method = name.rsplit('.').next().unwrap_or_default();
        let receiver = field(function, "operand", self.source);
        let made = |makers: &[&str], kind: &str| {
            let said = |make: &&str| {
                ["", ":"]
                    .iter()
                    .any(|colon| self.source.contains(&format!("{receiver} {colon}= {make}")))
            };
            makers.iter().any(said) || self.source.contains(&format!("{receiver} {kind}"))
        };
        match method {
            "Run" if arguments.len() <= 1 && made(&["gin.Default(", "gin.New("], "*gin.Engine") => {
                Some(format!("gin's {name}"))
            }
            "Start" | "StartTLS" if arguments.len() <= 3 && made(&["echo.New("], "*echo.Echo") => {
                Some(format!("echo's {name}"))
            }
            _ => None,
        }
    }

    /// The exported function around a node, with its package: `web.Start`.
    pub(super) fn maker(&self, node: Node<'_>) -> Option<String> {
        let function = around(node).find(|n| n.kind() == "function_declaration")?;
        let name = field(function, "name", self.source);
        let package = self.source.lines().find_map(|line| line.strip_prefix("package "))?;
        let package = package.split_whitespace().next()?;
        name.starts_with(|c: char| c.is_ascii_uppercase()).then(|| format!("{package}.{name}"))
    }

    /// Whether the function around the node shuts something down behind it.
    pub(super) fn before_shutdown(&self, node: Node<'_>) -> bool {
        let function = around(node).find(|n| {
            matches!(n.kind(), "func_literal" | "function_declaration" | "method_declaration")
        });
        function.is_some_and(|function| {
            self.source[node.end_byte()..function.end_byte()].contains(".Shutdown(")
        })
    }

    /// `log.Fatal(s.ListenAndServe())`, or a test of its error that ends the program.
    pub(super) fn ends_program(&self, call: Node<'_>) -> bool {
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

    /// Whether a server runs beside the one that the service is there for.
    pub(super) fn is_beside(&self, node: Node<'_>) -> bool {
        self.beside && around(node).any(|n| n.kind() == "go_statement")
    }
}

/// Whether a file registers paths, all of which only machines ask for.
pub(super) fn answers_machines(root: Node<'_>, source: &str) -> bool {
    let (mut machines, mut others) = (0, 0);
    each(root, |node| {
        if node.kind() != "call_expression" {
            return;
        }
        let name = field(node, "function", source);
        let method = name.rsplit('.').next().unwrap_or_default();
        if !matches!(method, "Handle" | "HandleFunc") {
            return;
        }
        let arguments = node.child_by_field_name("arguments").map(children).unwrap_or_default();
        let path = arguments.first().map_or("", |path| text(*path, source));
        let mut parts = path.trim_matches(['"', '`']).split('/');
        match parts.any(|part| MACHINES.contains(&part)) {
            true => machines += 1,
            false => others += 1,
        }
    });
    machines > 0 && others == 0
}

/// Whether nobody sees what a call returns.
pub(super) fn is_dropped(call: Node<'_>, source: &str) -> bool {
    let Some(parent) = call.parent() else { return false };
    match parent.kind() {
        "expression_statement" | "go_statement" => true,
        // `_ = server.ListenAndServe()`
        "expression_list" => parent.parent().is_some_and(|n| field(n, "left", source) == "_"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::source;

    #[test]
    fn errors_that_nobody_sees() {
        let dropped = |body: &str| source(&format!("func main() {{ {body} }}")).dropped.len();
        assert_eq!(dropped("s.ListenAndServe()"), 1);
        assert_eq!(dropped("go s.ListenAndServe()"), 1);
        assert_eq!(dropped("go func() { _ = s.ListenAndServe() }()"), 1);
        assert_eq!(dropped("err := s.ListenAndServe()\n_ = err"), 0);
        assert_eq!(dropped("log.Fatal(http.ListenAndServe(a, nil))"), 0);
        assert_eq!(dropped("http.ListenAndServe(\"localhost:6060\", nil)"), 0);
        let both = source(
            "func a() error { return s.ListenAndServe() }\nfunc b() { s.Serve(l); http.Serve(l, h) }",
        );
        assert_eq!((both.listens.len(), both.dropped.len()), (3, 1));
    }

    #[test]
    fn a_server_for_machines_beside_the_service() {
        let metrics =
            "http.Handle(\"/metrics\", h); go func() { http.ListenAndServe(\":2112\", nil) }()";
        assert!(source(&format!("func main() {{ {metrics} }}")).bare.is_empty());
        let more = format!("func main() {{ http.HandleFunc(\"/orders\", o); {metrics} }}");
        assert_eq!(source(&more).bare.len(), 1);
    }

    #[test]
    fn frameworks_that_make_their_server() {
        let bare = |body: &str| source(&format!("func main() {{ {body} }}")).bare.len();
        assert_eq!(bare("e := echo.New(); e.Logger.Fatal(e.Start(\":80\"))"), 1);
        assert_eq!(bare("c := exec.Command(a); c.Start()"), 0);
        assert_eq!(bare("http.Serve(listener, mux)"), 1);
    }
}
