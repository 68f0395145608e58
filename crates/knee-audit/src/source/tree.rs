//! Small helps for syntax trees, the same for every language.

use crate::picture::{FileId, Place};
use tree_sitter::{Language, Node, Parser, Tree};

/// The tree of a text.
pub fn parse(language: Language, text: &str) -> Option<Tree> {
    let mut parser = Parser::new();
    parser.set_language(&language).ok()?;
    parser.parse(text, None)
}

/// Calls for each node below and at `root`, parents first. No recursion: nesting has no limit.
pub fn each<'t>(root: Node<'t>, mut visit: impl FnMut(Node<'t>)) {
    let mut cursor = root.walk();
    loop {
        visit(cursor.node());
        if cursor.goto_first_child() {
            continue;
        }
        while !cursor.goto_next_sibling() {
            if !cursor.goto_parent() {
                return;
            }
        }
    }
}

/// Whether some node below and at `root` is so.
pub fn any<'t>(root: Node<'t>, mut is: impl FnMut(Node<'t>) -> bool) -> bool {
    let mut found = false;
    each(root, |node| found = found || is(node));
    found
}

/// The nodes around a node, the nearest first.
pub fn around<'t>(node: Node<'t>) -> impl Iterator<Item = Node<'t>> {
    std::iter::successors(node.parent(), Node::parent)
}

/// The named children.
pub fn children<'t>(node: Node<'t>) -> Vec<Node<'t>> {
    node.named_children(&mut node.walk()).filter(|child| !child.is_extra()).collect()
}

/// The text of a node.
pub fn text<'a>(node: Node<'_>, source: &'a str) -> &'a str {
    source.get(node.byte_range()).unwrap_or_default()
}

/// The text of a field of a node; empty where it has none.
pub fn field<'a>(node: Node<'_>, name: &str, source: &'a str) -> &'a str {
    node.child_by_field_name(name).map_or("", |child| text(child, source))
}

/// The place of a node.
pub fn place(file: FileId, node: Node<'_>) -> Place {
    Place::new(file, node.byte_range())
}
