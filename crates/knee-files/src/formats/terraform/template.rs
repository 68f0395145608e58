//! Templates of Terraform: strings, heredocs, and files that `templatefile` renders. Each byte of
//! the result knows where it stands.

use super::super::tree::{Node, Value};
use super::evaluate::{Evaluator, Scope};
use super::functions::{decode, json};
use hcl_edit::Span as _;
use hcl_edit::template::{Directive, Element, Template};
use std::ops::Range;

/// A text longer than this is not put together.
const LONGEST: usize = 1 << 18;

/// A text that is being put together.
#[derive(Default)]
struct Rendered {
    text: String,
    places: Vec<usize>,
}

impl Rendered {
    fn push(&mut self, text: &str, at: usize) {
        self.text.push_str(text);
        self.places.extend(std::iter::repeat_n(at, text.len()));
    }

    /// A part of the file as it stands, where it says what it is; else all of it at its start.
    fn literal(&mut self, text: &str, range: Range<usize>) {
        if range.len() == text.len() {
            self.text.push_str(text);
            self.places.extend(range);
        } else {
            self.lines(text, range);
        }
    }

    /// A literal with escapes, or one whose indentation is cut: each byte close to its own.
    fn lines(&mut self, text: &str, range: Range<usize>) {
        for (at, _) in text.char_indices() {
            let length = text[at..].chars().next().map_or(1, char::len_utf8);
            self.text.push_str(&text[at..at + length]);
            let place = (range.start + at).min(range.end);
            self.places.extend(std::iter::repeat_n(place, length));
        }
    }
}

/// Renders a template whose spans count from `offset` of the file.
pub(super) fn render(
    evaluator: &Evaluator<'_>,
    scope: &Scope<'_>,
    template: &Template,
    file: usize,
    whole: Range<usize>,
) -> Node {
    let mut rendered = Rendered::default();
    let mut unless = None;
    let renderer = Renderer { evaluator, scope, file, base: whole.start };
    // A template of nothing but an interpolation is that value itself.
    if let Some(Element::Interpolation(only)) = template.as_single_element() {
        let node = evaluator.expression(scope, &only.expr, file);
        if !matches!(node.value, Value::Unknown(_)) {
            return node;
        }
    }
    if let Some(items) = renderer.list(template) {
        return Node::new(Value::List(items), file, whole);
    }
    renderer.elements(template, &mut rendered, &mut unless, 0);
    rendered.places.push(whole.end);
    Node {
        places: Some(rendered.places.into()),
        unless,
        ..Node::new(Value::Text(rendered.text), file, whole)
    }
}

struct Renderer<'e, 'a> {
    evaluator: &'e Evaluator<'a>,
    scope: &'e Scope<'e>,
    file: usize,
    base: usize,
}

impl Renderer<'_, '_> {
    /// The items of `[${jsonencode(a)}, ${b ? ", ${c}" : ""}]`, each where it is written; None for
    /// any other template.
    fn list(&self, template: &Template) -> Option<Vec<Node>> {
        let literal = |element: &Element| match element {
            Element::Literal(text) => Some(text.trim().to_string()),
            _ => None,
        };
        let elements: Vec<&Element> = template.iter().collect();
        let opens = literal(elements.first()?).is_some_and(|text| text == "[");
        let closes = literal(elements.last()?).is_some_and(|text| text == "]");
        if !opens || !closes {
            return None;
        }
        let mut items = Vec::new();
        for element in &elements[1..elements.len() - 1] {
            match element {
                Element::Literal(text) if matches!(text.trim(), "" | ",") => {}
                Element::Interpolation(inner) => {
                    let node = self.evaluator.expression(self.scope, &inner.expr, self.file);
                    match &node.value {
                        Value::Map(_) | Value::Unknown(_) | Value::Reference(_) => items.push(node),
                        Value::Null => {}
                        _ => {
                            let text = node.text()?;
                            let more = format!("[{}]", text.trim().trim_matches(','));
                            let text = Node { value: Value::Text(more), places: None, ..node };
                            items.extend(decode(&text)?.items().to_vec());
                        }
                    }
                }
                _ => return None,
            }
        }
        items.iter().any(Node::is_map).then_some(items)
    }

    fn elements(
        &self,
        template: &Template,
        out: &mut Rendered,
        unless: &mut Option<String>,
        depth: usize,
    ) {
        for element in template.iter() {
            if out.text.len() > LONGEST || depth > 16 || self.evaluator.exhausted() {
                return;
            }
            match element {
                Element::Literal(text) => {
                    let at = out.places.last().map_or(self.base, |at| at + 1);
                    out.literal(text, text.span().unwrap_or(at..at));
                }
                Element::Interpolation(inner) => {
                    let span = inner.span().unwrap_or(self.base..self.base);
                    let node = self.evaluator.expression(self.scope, &inner.expr, self.file);
                    if unless.is_none() {
                        unless.clone_from(&node.unless);
                    }
                    match &node.value {
                        Value::Unknown(_) => {
                            let source = inner.expr.to_string();
                            out.push(&format!("${{{}}}", source.trim()), span.start);
                        }
                        Value::Reference(name) => out.push(&format!("${{{name}}}"), span.start),
                        Value::Null => {}
                        Value::Map(_) | Value::List(_) => out.push(&json(&node), span.start),
                        _ => out.push(&node.text().unwrap_or_default(), span.start),
                    }
                }
                Element::Directive(directive) => self.directive(directive, out, unless, depth),
            }
        }
    }

    fn directive(
        &self,
        directive: &Directive,
        out: &mut Rendered,
        unless: &mut Option<String>,
        depth: usize,
    ) {
        match directive {
            Directive::If(directive) => {
                let condition = &directive.if_expr.cond_expr;
                let holds = self.evaluator.expression(self.scope, condition, self.file).switch();
                // What an unknown condition decides may be there.
                if holds != Some(false) {
                    self.elements(&directive.if_expr.template, out, unless, depth + 1);
                } else if let Some(other) = &directive.else_expr {
                    self.elements(&other.template, out, unless, depth + 1);
                }
            }
            Directive::For(directive) => {
                let each = &directive.for_expr;
                let list = self.evaluator.expression(self.scope, &each.collection_expr, self.file);
                for (key, value) in super::evaluate::pairs(&list) {
                    let mut names = vec![(each.value_var.to_string(), value)];
                    names.extend(each.key_var.as_ref().map(|name| (name.to_string(), key)));
                    let scope = self.scope.with(names);
                    let inner = Renderer { scope: &scope, ..*self };
                    inner.elements(&each.template, out, unless, depth + 1);
                }
            }
        }
    }
}
