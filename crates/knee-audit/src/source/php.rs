//! PHP: what grows from request to request in a process that serves many.

use super::tree::{around, children, each, field, parse, place, text};
use crate::picture::{FileId, Place};

/// What a PHP file says.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file.
    pub file: FileId,
    /// Static properties to which something is appended: `self::$seen[] = …`.
    pub appended: Vec<(Place, String)>,
    /// Singletons whose constructor is given the request.
    pub captured: Vec<Place>,
}

/// Reads a file.
pub fn read(file: FileId, source: &str) -> Source {
    let mut found = Source { file, appended: Vec::new(), captured: Vec::new() };
    let Some(tree) = parse(tree_sitter_php::LANGUAGE_PHP.into(), source) else { return found };
    each(tree.root_node(), |node| match node.kind() {
        "assignment_expression" => {
            let Some(left) = node.child_by_field_name("left") else { return };
            let target = text(left, source).trim();
            let named = target.strip_suffix("[]").map(str::trim).unwrap_or_default();
            let property = named.strip_prefix("self::$").or(named.strip_prefix("static::$"));
            if let Some(property) = property.filter(|p| !p.is_empty() && !p.contains('[')) {
                // What is emptied again somewhere does not grow.
                let emptied = ["self::$", "static::$"].iter().any(|of| {
                    source.matches(&format!("{of}{property} = [")).count() > 0
                        || source.contains(&format!("array_shift({of}{property}"))
                });
                if !emptied {
                    found.appended.push((place(file, node), format!("{named}[]")));
                }
            }
        }
        "member_call_expression" if matches!(field(node, "name", source), "singleton") => {
            let arguments = node.child_by_field_name("arguments").map(children).unwrap_or_default();
            let factory = arguments.get(1).map_or("", |a| text(*a, source));
            let given = ["request()", "['request']", "make('request')", "Request::class)"]
                .iter()
                .any(|r| factory.contains(r));
            if given && around(node).any(|n| n.kind() == "method_declaration") {
                found.captured.push(place(file, node));
            }
        }
        _ => {}
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_grows_and_what_is_emptied() {
        let found = read(
            FileId(0),
            "<?php class A { static $a = [0]; function f($x) { self::$seen[] = $x; static::$log[] = $x; } function g() { static::$log = []; } }",
        );
        assert_eq!(found.appended.iter().map(|(_, n)| &**n).collect::<Vec<_>>(), ["self::$seen[]"]);
    }

    #[test]
    fn a_singleton_that_holds_the_first_request() {
        let found = read(
            FileId(0),
            "<?php class P { function register() { $this->app->singleton(S::class, fn ($app) => new S($app['request'])); $this->app->singleton(T::class, fn () => new T); } }",
        );
        assert_eq!(found.captured.len(), 1);
    }
}
