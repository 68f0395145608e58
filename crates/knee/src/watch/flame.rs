//! A flame graph as an SVG file that loads nothing: each call is as wide as its share of the CPU time,
//! and stands below the one that made it. Pointed at, it says what it is.
//!
//! Drawn here: the library for this, inferno, has a licence that this project does not take (CDDL-1.0), and
//! colours that mean nothing. Widths are shares, so that the picture is as wide as its window; each
//! call is a picture in the picture, which cuts its text off where it ends.

use knee_profile::{Call, Origin, Tree};
use std::fmt::Write;

/// Pixels of a row, and above the first.
const ROW: usize = 18;
const HEAD: usize = 64;
/// Share of the whole below which a call is not drawn: less than a pixel.
const LEAST: f64 = 0.0005;
/// Names longer than this are cut in the picture; what is said of a call has them whole.
const NAME: usize = 120;

const STYLE: &str = "\
text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1c1c1c}\
.head{font:600 15px system-ui,sans-serif}.note{font:12px system-ui,sans-serif}\
.page{fill:#fff}rect.own{fill:#f0a35e}rect.package{fill:#e6d27a}rect.library{fill:#9fc5a8}\
rect.engine{fill:#b9bec8}svg:hover>rect.call{stroke:#1c1c1c}\
@media(prefers-color-scheme:dark){.page{fill:#16181d}.head,.note{fill:#e8e8e8}}";

/// The file. `title` says what was looked at, `note` how long, and what the whole width stands for.
pub fn svg(tree: &Tree, title: &str, note: &str) -> String {
    let whole = tree.seconds();
    let height = HEAD + ROW * tree.depth() + 8;
    let mut text = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"100%\" height=\"{height}\" role=\"img\">\
         <title>{title}</title><desc>{note}</desc><style>{STYLE}</style>\
         <rect class=\"page\" width=\"100%\" height=\"100%\"/>\
         <text class=\"head\" x=\"8\" y=\"22\">{title}</text><text class=\"note\" x=\"8\" y=\"40\">{note}</text>\n",
        title = escaped(title),
        note = escaped(note),
    );
    legend(&mut text);
    let mut open = row(tree, &tree.roots, 0.0, 0, whole);
    while let Some(placed) = open.pop() {
        let call = &tree.calls[placed.at];
        draw(&mut text, call, &placed, whole);
        open.extend(row(tree, &call.calls, placed.x, placed.depth + 1, whole));
    }
    text.push_str("</svg>\n");
    text
}

/// A call, and where it is drawn.
struct Placed {
    at: usize,
    /// Shares of the width.
    x: f64,
    width: f64,
    depth: usize,
}

/// Calls beside each other, by name, so that two pictures of one program look alike.
fn row(tree: &Tree, calls: &[usize], from: f64, depth: usize, whole: f64) -> Vec<Placed> {
    let mut calls = calls.to_vec();
    calls.sort_by(|a, b| tree.calls[*a].frame.function.cmp(&tree.calls[*b].frame.function));
    let mut x = from;
    let placed = calls.into_iter().map(|at| {
        let width = tree.calls[at].seconds / whole;
        let placed = Placed { at, x, width, depth };
        x += width;
        placed
    });
    placed.filter(|placed| placed.width >= LEAST).collect()
}

fn draw(text: &mut String, call: &Call, placed: &Placed, whole: f64) {
    let frame = &call.frame;
    let at = place(&frame.file, frame.line);
    let share = |seconds: f64| 100.0 * seconds / whole;
    let name: String = frame.function.chars().take(NAME).collect();
    let _ = writeln!(
        text,
        "<svg x=\"{:.3}%\" y=\"{}\" width=\"{:.3}%\" height=\"{ROW}\"><title>{}{}: {:.1} % ({:.3} s), in it \
         alone {:.1} %</title><rect class=\"call {}\" width=\"100%\" height=\"{}\" rx=\"2\"/>\
         <text x=\"4\" y=\"13\">{}</text></svg>",
        placed.x * 100.0,
        HEAD + placed.depth * ROW,
        placed.width * 100.0,
        escaped(&frame.function),
        escaped(&at.map_or(String::new(), |at| format!(" at {at}"))),
        share(call.seconds),
        call.seconds,
        share(call.own),
        class(frame.origin),
        ROW - 1,
        escaped(&name),
    );
}

fn legend(text: &mut String) {
    let all = [
        (Origin::Own, "its own code"),
        (Origin::Package, "packages"),
        (Origin::Library, "the runtime's library"),
        (Origin::Engine, "the engine, native code"),
    ];
    for (at, (origin, words)) in all.into_iter().enumerate() {
        let x = 8 + at * 170;
        let _ = writeln!(
            text,
            "<rect class=\"{}\" x=\"{x}\" y=\"47\" width=\"12\" height=\"12\" rx=\"2\"/>\
             <text class=\"note\" x=\"{}\" y=\"57\">{words}</text>",
            class(origin),
            x + 17,
        );
    }
}

fn class(origin: Origin) -> &'static str {
    match origin {
        Origin::Own => "own",
        Origin::Package => "package",
        Origin::Library => "library",
        Origin::Engine => "engine",
    }
}

/// File and line, where there is a file.
pub fn place(file: &str, line: u32) -> Option<String> {
    match (file, line) {
        ("", _) => None,
        (file, 0) => Some(file.into()),
        (file, line) => Some(format!("{file}:{line}")),
    }
}

/// Text of an element. What XML knows no way to write goes.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_profile::Frame;
    use proptest::prelude::*;

    fn frame(function: &str) -> Frame {
        let file = "/srv/app/<a>&b.js".into();
        Frame { function: function.into(), file, line: 7, origin: Origin::Own }
    }

    fn drawn(stacks: &[(Vec<&str>, f64)]) -> String {
        let mut tree = Tree::default();
        for (stack, seconds) in stacks {
            let frames: Vec<Frame> = stack.iter().map(|name| frame(name)).collect();
            tree.add(&frames, *seconds);
        }
        svg(&tree, "node (pid 7)", "10 s")
    }

    #[test]
    fn calls_are_as_wide_as_their_share_and_stand_below_who_made_them() {
        let svg = drawn(&[(vec!["serve", "hash"], 3.0), (vec!["serve"], 1.0), (vec!["tick"], 4.0)]);
        let document = roxmltree::Document::parse(&svg).unwrap();
        let calls =
            document.descendants().filter(|n| n.has_tag_name("svg") && n.attribute("x").is_some());
        let shown: Vec<String> = calls
            .map(|n| {
                let [x, y, width] = ["x", "y", "width"].map(|a| n.attribute(a).unwrap());
                format!("{} {x} {y} {width}", n.first_element_child().unwrap().text().unwrap())
            })
            .collect();
        assert_eq!(shown.len(), 3, "{shown:?}");
        let at = "at /srv/app/<a>&b.js:7";
        for expected in [
            format!("serve {at}: 50.0 % (4.000 s), in it alone 12.5 % 0.000% 64 50.000%"),
            format!("hash {at}: 37.5 % (3.000 s), in it alone 37.5 % 0.000% 82 37.500%"),
            format!("tick {at}: 50.0 % (4.000 s), in it alone 50.0 % 50.000% 64 50.000%"),
        ] {
            assert!(shown.contains(&expected), "{expected}: {shown:?}");
        }
        let loads = document.descendants().any(|n| {
            n.has_tag_name("script")
                || n.has_tag_name("image")
                || n.attributes().any(|a| a.name() == "href")
        });
        assert!(!loads, "it loads nothing");
    }

    #[test]
    fn nothing_seen_is_an_empty_picture() {
        assert!(roxmltree::Document::parse(&drawn(&[])).is_ok());
    }

    proptest! {
        #[test]
        fn any_names_make_well_formed_xml(names in prop::collection::vec(any::<String>(), 0..9)) {
            let svg = drawn(&[(names.iter().map(String::as_str).collect(), 1.0)]);
            prop_assert!(roxmltree::Document::parse(&svg).is_ok(), "{}", svg);
        }
    }
}
