//! Goroutines that nothing ends, and objects of a pool that keep what the last user left in them.

use crate::picture::{FileId, Place};
use crate::source::tree::{any, around, each, field, place, text};
use tree_sitter::Node;

/// Sends by a goroutine on a channel without room, whose only receiver may have gone: it waits in a
/// `select` beside something else that ends it.
pub fn abandoned(root: Node<'_>, file: FileId, source: &str) -> Vec<Place> {
    let mut found = Vec::new();
    each(root, |node| {
        if node.kind() != "send_statement" {
            return;
        }
        let channel = field(node, "channel", source);
        let selects = |n: &Node<'_>| n.kind() == "communication_case";
        let goroutine = around(node).find(|n| n.kind() == "func_literal");
        let Some(goroutine) = goroutine.filter(|n| started(*n)) else { return };
        let guarded = around(node).take_while(|n| n.id() != goroutine.id()).any(|n| selects(&n));
        let Some(function) = around(goroutine).find(|n| is_function(*n)) else { return };
        let Some(body) = function.child_by_field_name("body").filter(|_| !guarded) else { return };
        if made_without_room(body, channel, source)
            && left_by_a_select(body, goroutine, channel, source)
        {
            found.push(place(file, node));
        }
    });
    found
}

fn is_function(node: Node<'_>) -> bool {
    matches!(node.kind(), "function_declaration" | "method_declaration" | "func_literal")
}

/// Whether a function's literal is what a `go` statement calls.
fn started(literal: Node<'_>) -> bool {
    around(literal).take(2).any(|n| n.kind() == "go_statement")
}

/// `ch := make(chan T)`, here and once.
fn made_without_room(body: Node<'_>, channel: &str, source: &str) -> bool {
    let (mut made, mut count) = (false, 0);
    each(body, |node| {
        if node.kind() == "short_var_declaration" && field(node, "left", source) == channel {
            count += 1;
            let right: String = field(node, "right", source).split_whitespace().collect();
            made = right.starts_with("make(chan") && !right.contains(',');
        }
    });
    made && count == 1
}

/// Whether each receive from the channel outside the goroutine stands in a `select` that something
/// else may end, and nothing hands the channel on.
fn left_by_a_select(body: Node<'_>, goroutine: Node<'_>, channel: &str, source: &str) -> bool {
    let (mut left, mut other) = (false, false);
    each(body, |node| {
        let inside = goroutine.byte_range().contains(&node.start_byte());
        if node.kind() != "identifier" || text(node, source) != channel || inside {
            return;
        }
        let declared = around(node).take(2).any(|n| n.kind() == "short_var_declaration");
        let receives = node
            .parent()
            .is_some_and(|n| n.kind() == "unary_expression" && text(n, source).starts_with("<-"));
        let case = around(node)
            .take_while(|n| !is_function(*n))
            .find(|n| n.kind() == "communication_case");
        match case.filter(|_| receives) {
            Some(case) if ends_otherwise(case, source) => left = true,
            _ => other |= !declared,
        }
    });
    left && !other
}

/// Whether a case beside this one waits for a context's end or a time.
fn ends_otherwise(case: Node<'_>, source: &str) -> bool {
    let Some(select) = case.parent() else { return false };
    let mut cursor = select.walk();
    select.named_children(&mut cursor).any(|other| {
        let head = field(other, "communication", source);
        other.id() != case.id()
            && (head.contains(".Done()") || head.contains("time.After") || head.ends_with(".C"))
    })
}

/// Objects put back into a `sync.Pool` of buffers in a file that resets none.
pub fn unreset(root: Node<'_>, file: FileId, source: &str) -> Vec<Place> {
    let pooled = source.contains("sync.Pool") && source.contains("bytes.Buffer");
    let cleared = ["Reset(", "[:0]", "clear(", "Truncate("].iter().any(|how| source.contains(how));
    if !pooled || cleared {
        return Vec::new();
    }
    let mut found = Vec::new();
    each(root, |node| {
        let name = field(node, "function", source);
        let Some(pool) = name.strip_suffix(".Put").filter(|_| node.kind() == "call_expression")
        else {
            return;
        };
        let is_pool = any(root, |n| {
            matches!(n.kind(), "var_spec" | "short_var_declaration" | "const_spec")
                && text(n, source).starts_with(pool)
                && text(n, source).contains("sync.Pool")
        });
        if is_pool {
            found.push(place(file, node));
        }
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::tree::parse;

    fn of(find: fn(Node<'_>, FileId, &str) -> Vec<Place>, text: &str) -> usize {
        let tree = parse(tree_sitter_go::LANGUAGE.into(), text).unwrap();
        find(tree.root_node(), FileId(0), text).len()
    }

    fn function(make: &str, receive: &str) -> String {
        format!(
            "package a\nfunc f(ctx context.Context) (int, error) {{\n\tch := {make}\n\tgo func() {{ ch <- work() }}()\n\t{receive}\n}}\n"
        )
    }

    #[test]
    fn a_sender_that_may_be_left_alone() {
        let select = "select {\n\tcase n := <-ch:\n\t\treturn n, nil\n\tcase <-ctx.Done():\n\t\treturn 0, ctx.Err()\n\t}";
        assert_eq!(of(abandoned, &function("make(chan int)", select)), 1);
        assert_eq!(of(abandoned, &function("make(chan int, 1)", select)), 0, "it has room");
        assert_eq!(of(abandoned, &function("make(chan int)", "return <-ch, nil")), 0);
        let drained = format!("defer func() {{ <-ch }}()\n\t{select}");
        assert_eq!(of(abandoned, &function("make(chan int)", &drained)), 0);
        let handed = format!("keep(ch)\n\t{select}");
        assert_eq!(of(abandoned, &function("make(chan int)", &handed)), 0);
    }

    #[test]
    fn a_buffer_that_is_not_emptied() {
        let file = |body: &str| {
            format!(
                "package a\nvar pool = sync.Pool{{New: func() any {{ return new(bytes.Buffer) }}}}\nfunc f() {{\n\tb := pool.Get().(*bytes.Buffer)\n\t{body}\n\tpool.Put(b)\n}}\n"
            )
        };
        assert_eq!(of(unreset, &file("b.WriteString(x)")), 1);
        assert_eq!(of(unreset, &file("b.Reset()")), 0);
    }
}
