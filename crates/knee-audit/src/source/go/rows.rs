//! Rows of a database whose loop may end early and that nothing closes.

use crate::picture::{FileId, Place};
use crate::source::tree::{any, around, children, each, field, place, text};
use tree_sitter::Node;

/// Types of rows that a function is given.
const ROWS: [&str; 3] = ["*sql.Rows", "*sqlx.Rows", "pgx.Rows"];
/// Methods that return rows.
const QUERIES: [&str; 4] = ["Query", "QueryContext", "Queryx", "QueryxContext"];

/// The loops over rows that may be left with a row unread: what `Next` has come to the end of closes
/// itself (<https://pkg.go.dev/database/sql#Rows.Close>).
pub(super) fn left_open(root: Node<'_>, file: FileId, source: &str) -> Vec<Place> {
    let mut found = Vec::new();
    each(root, |function| {
        if !matches!(function.kind(), "function_declaration" | "method_declaration") {
            return;
        }
        let Some(body) = function.child_by_field_name("body") else { return };
        for name in given(function, source).into_iter().chain(asked(body, source)) {
            let closes = text(body, source).contains(&format!("{name}.Close"));
            // A caller beside it may close what it is given.
            let elsewhere = source.contains(&format!("defer {name}.Close"));
            if !closes && !elsewhere {
                found.extend(early(body, name, source).map(|node| place(file, node)));
            }
        }
    });
    found
}

/// Parameters that are rows.
fn given<'a>(function: Node<'_>, source: &'a str) -> Vec<&'a str> {
    let parameters = function.child_by_field_name("parameters").map(children).unwrap_or_default();
    let rows = |node: &Node<'_>| ROWS.contains(&field(*node, "type", source));
    let names = parameters.into_iter().filter(rows).map(|node| field(node, "name", source));
    names.filter(|name| !name.is_empty()).collect()
}

/// Rows that the function asks for itself, and hands to nobody.
fn asked<'a>(body: Node<'_>, source: &'a str) -> Vec<&'a str> {
    let mut names = Vec::new();
    each(body, |node| {
        if node.kind() != "short_var_declaration" {
            return;
        }
        let right = field(node, "right", source);
        let call = right.split('(').next().unwrap_or_default();
        let method = call.rsplit_once('.').map_or("", |(_, method)| method);
        let Some((name, _)) = field(node, "left", source).split_once(',') else { return };
        if QUERIES.contains(&method) && !is_passed_on(body, name, source) {
            names.push(name.trim());
        }
    });
    names
}

/// Whether a name is returned, or an argument of something.
fn is_passed_on(body: Node<'_>, name: &str, source: &str) -> bool {
    any(body, |node| {
        let holds = matches!(node.kind(), "argument_list" | "return_statement" | "keyed_element");
        holds
            && any(node, |inner| {
                inner.kind() == "identifier"
                    && text(inner, source) == name
                    && inner.parent().is_none_or(|parent| parent.kind() != "selector_expression")
            })
    })
}

/// The loop over rows of that name, where something leaves it before its end.
fn early<'t>(body: Node<'t>, name: &str, source: &str) -> Option<Node<'t>> {
    let mut found = None;
    each(body, |node| {
        let next = format!("{name}.Next()");
        let head = || {
            let block = node.child_by_field_name("body")?;
            source.get(node.start_byte()..block.start_byte())
        };
        if node.kind() == "for_statement" && head().is_some_and(|head| head.contains(&next)) {
            let leaves = any(node, |n| leaves(n, node));
            found = found.or(leaves.then(|| node.child(0).unwrap_or(node)));
        }
    });
    found
}

/// Whether a statement leaves that loop: not what is inside a function of its own, nor what ends a
/// `switch` or another loop.
fn leaves(node: Node<'_>, of: Node<'_>) -> bool {
    let within = |kinds: &[&str]| {
        around(node).take_while(|n| n.id() != of.id()).any(|n| kinds.contains(&n.kind()))
    };
    let function = || within(&["func_literal"]);
    match node.kind() {
        "return_statement" => !function(),
        "break_statement" => node.named_child_count() > 0 || !(function() || within(&ENDED)),
        _ => false,
    }
}

/// What a `break` without a label ends.
const ENDED: [&str; 4] =
    ["for_statement", "expression_switch_statement", "type_switch_statement", "select_statement"];

#[cfg(test)]
mod tests {
    use super::super::tests::source;

    #[test]
    fn loops_that_are_left_early() {
        let rows = |body: &str| source(body).open_rows.len();
        let scan = "for rows.Next() { if err := rows.Scan(&a); err != nil { return nil, err } }";
        assert_eq!(
            rows(&format!("func f(rows *sql.Rows) ([]A, error) {{ {scan}\nreturn all, nil }}")),
            1
        );
        assert_eq!(rows(&format!("func f(db *sql.DB) {{ rows, err := db.Query(q)\n{scan} }}")), 1);
        assert_eq!(
            rows(&format!("func f() {{ rows, err := db.Query(q)\ndefer rows.Close()\n{scan} }}")),
            0
        );
        assert_eq!(
            rows("func f() { rows, err := db.Query(q)\nfor rows.Next() { rows.Scan(&a) } }"),
            0
        );
        assert_eq!(
            rows(&format!("func f() {{ rows, err := db.Query(q)\nkeep(rows)\n{scan} }}")),
            0
        );
        let inner = |body: &str| {
            format!("func f() {{ rows, err := db.Query(q)\nfor rows.Next() {{ {body} }} }}")
        };
        assert_eq!(rows(&inner("switch a { case 1: break }")), 0);
        assert_eq!(rows(&inner("for range b { break }")), 0);
        assert_eq!(rows(&inner("do(func() int { return 1 })")), 0);
        assert_eq!(rows(&inner("if a { break }")), 1);
        let caller = "func g() { rows, err := ask()\ndefer rows.Close()\nf(rows) }";
        assert_eq!(rows(&format!("{caller}\nfunc f(rows *sql.Rows) error {{ {scan} }}")), 0);
    }
}
