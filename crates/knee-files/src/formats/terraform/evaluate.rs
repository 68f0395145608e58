//! Terraform's expressions. Nothing is guessed: what cannot be computed is unknown, with the words
//! that it is written with.

use super::super::loose::short;
use super::super::tree::{DEEPEST, Node, Value};
use super::functions;
use super::module::Instance;
use super::steps::{LACKING, Step, walk};
use super::{Read, Terraform, template};
use hcl_edit::Span as _;
use hcl_edit::expr::{
    BinaryOperator, Expression, ForExpr, FuncCall, ObjectKey, Traversal, TraversalOperator,
    UnaryOperator,
};
use std::cell::Cell;
use std::ops::Range;

/// Steps after which a root module is left as it is.
const MOST: u32 = 400_000;

/// What all evaluation of a root module shares.
pub(super) struct Evaluator<'a> {
    pub terraform: &'a Terraform,
    pub read: Read<'a>,
    left: Cell<u32>,
    depth: Cell<usize>,
}

/// What names mean at a place.
pub(super) struct Scope<'s> {
    pub module: &'s Instance,
    /// `each`, `count` and the variables of for-expressions, innermost last.
    names: Vec<(String, Node)>,
    /// Whether only these names are known: inside a file that is rendered.
    closed: bool,
}

impl<'s> Scope<'s> {
    pub fn of(module: &'s Instance) -> Scope<'s> {
        Scope { module, names: Vec::new(), closed: false }
    }

    pub fn with(&self, names: Vec<(String, Node)>) -> Scope<'s> {
        let all = self.names.iter().cloned().chain(names).collect();
        Scope { module: self.module, names: all, closed: self.closed }
    }

    /// What `each` is.
    pub fn each(&self) -> Option<&Node> {
        self.name("each")
    }

    fn name(&self, name: &str) -> Option<&Node> {
        self.names.iter().rev().find(|(known, _)| known == name).map(|(_, node)| node)
    }
}

/// Keys and values of what a for-expression goes over; nothing where that is unknown.
pub(super) fn pairs(collection: &Node) -> Vec<(Node, Node)> {
    let key = |value: Value, node: &Node| Node { value, places: None, ..node.clone() };
    match &collection.value {
        Value::Map(entries) => entries
            .iter()
            .map(|(name, node)| (key(Value::Text(name.clone()), node), node.clone()))
            .collect(),
        Value::List(items) => items
            .iter()
            .enumerate()
            .map(|(at, node)| (key(Value::Number(at as f64), node), node.clone()))
            .collect(),
        _ => Vec::new(),
    }
}

impl<'a> Evaluator<'a> {
    pub fn new(terraform: &'a Terraform, read: Read<'a>) -> Evaluator<'a> {
        Evaluator { terraform, read, left: Cell::new(MOST), depth: Cell::new(0) }
    }

    /// Takes steps for a value of that size.
    pub fn spend(&self, size: usize) {
        self.left.set(self.left.get().saturating_sub(size as u32));
    }

    pub fn exhausted(&self) -> bool {
        self.spend(1);
        self.left.get() == 0
    }

    /// The value of an expression that stands in that file.
    pub fn expression(&self, scope: &Scope<'_>, expression: &Expression, file: usize) -> Node {
        let range = expression.span().unwrap_or(0..0);
        if self.depth.get() > DEEPEST * 2 || self.exhausted() {
            return Node::unknown("takes too much to compute", file, range);
        }
        self.depth.set(self.depth.get() + 1);
        let node = self.compute(scope, expression, file, range);
        self.depth.set(self.depth.get() - 1);
        node
    }

    fn compute(
        &self,
        scope: &Scope<'_>,
        expression: &Expression,
        file: usize,
        range: Range<usize>,
    ) -> Node {
        let node = |value: Value| Node::new(value, file, range.clone());
        let unknown = || {
            let words = expression.to_string();
            node(Value::Unknown(format!("is written as `{}`", short(words.trim()))))
        };
        match expression {
            Expression::Null(_) => node(Value::Null),
            Expression::Bool(b) => node(Value::Bool(*b.value())),
            Expression::Number(n) => {
                n.value().as_f64().map_or_else(unknown, |n| node(Value::Number(n)))
            }
            Expression::String(text) => node(Value::Text(text.value().clone())),
            Expression::Array(array) => {
                let items = array.iter().map(|item| self.expression(scope, item, file));
                node(Value::List(items.collect()))
            }
            Expression::Object(object) => {
                let mut entries = Vec::new();
                for (key, value) in object.iter() {
                    let key = match key {
                        ObjectKey::Ident(name) => name.to_string(),
                        ObjectKey::Expression(key) => {
                            match self.expression(scope, key, file).text() {
                                Some(key) => key,
                                None => format!("${{{}}}", key.to_string().trim()),
                            }
                        }
                    };
                    entries.push((key, self.expression(scope, value.expr(), file)));
                }
                node(Value::Map(entries))
            }
            Expression::StringTemplate(text) => {
                let parsed = hcl_edit::template::Template::from_iter(text.iter().cloned());
                template::render(self, scope, &parsed, file, range)
            }
            Expression::HeredocTemplate(text) => {
                template::render(self, scope, &text.template, file, range)
            }
            Expression::Parenthesis(inner) => self.expression(scope, inner.inner(), file),
            Expression::Variable(name) => match scope.name(name.as_str()) {
                Some(value) => value.clone(),
                None => unknown(),
            },
            Expression::Conditional(choice) => {
                let condition = self.expression(scope, &choice.cond_expr, file);
                match condition.switch() {
                    Some(holds) => {
                        let branch = if holds { &choice.true_expr } else { &choice.false_expr };
                        let chosen = self.expression(scope, branch, file);
                        Node { unless: chosen.unless.clone().or(condition.unless), ..chosen }
                    }
                    None => {
                        let yes = self.expression(scope, &choice.true_expr, file);
                        let no = self.expression(scope, &choice.false_expr, file);
                        let alike = yes.text().is_some() && yes.text() == no.text();
                        either(&yes, &no).unwrap_or_else(|| if alike { yes } else { unknown() })
                    }
                }
            }
            Expression::FuncCall(call) => {
                self.call(scope, call, file, &node(Value::Null)).unwrap_or_else(unknown)
            }
            Expression::Traversal(path) => self.traverse(scope, path, file).unwrap_or_else(unknown),
            Expression::UnaryOp(op) => {
                let value = self.expression(scope, &op.expr, file);
                let result = match op.operator.value() {
                    UnaryOperator::Neg => value.number().map(|n| Value::Number(-n)),
                    UnaryOperator::Not => value.switch().map(|b| Value::Bool(!b)),
                };
                result.map_or_else(unknown, |v| Node { unless: value.unless, ..node(v) })
            }
            Expression::BinaryOp(op) => {
                let left = self.expression(scope, &op.lhs_expr, file);
                let right = self.expression(scope, &op.rhs_expr, file);
                let value = operate(*op.operator.value(), &left, &right);
                let unless = left.unless.or(right.unless);
                value.map_or_else(unknown, |v| Node { unless, ..node(v) })
            }
            Expression::ForExpr(each) => self.each(scope, each, file).map_or_else(unknown, node),
        }
    }

    fn call(&self, scope: &Scope<'_>, call: &FuncCall, file: usize, at: &Node) -> Option<Node> {
        let name = call.name.name.as_str();
        let argument = |n: usize| call.args.get(n).map(|arg| self.expression(scope, arg, file));
        match name {
            "try" => {
                let found = call.args.iter().map(|arg| self.expression(scope, arg, file));
                let mut last = None;
                for node in found {
                    let missing = matches!(node.value, Value::Unknown(_));
                    // An attribute that an object lacks is an error, a variable without a value is none.
                    if !missing {
                        return Some(node);
                    }
                    let wanting = node.unknown_because().is_some_and(|b| b.starts_with(LACKING));
                    if !wanting {
                        return None;
                    }
                    last = Some(node);
                }
                last
            }
            "can" => None,
            "file" | "templatefile" => {
                let path = argument(0)?.text()?;
                let path = scope.module.path_of(&path)?;
                let (other, text) = (self.read)(&path)?;
                let whole = 0..text.len();
                if name == "file" {
                    let places: Vec<usize> = (0..=text.len()).collect();
                    let node = Node::new(Value::Text(text), other, whole);
                    return Some(Node { places: Some(places.into()), ..node });
                }
                let names = argument(1).map(|vars| vars.entries().to_vec()).unwrap_or_default();
                Some(self.render_file(scope, &text, other, names))
            }
            _ => {
                let mut arguments: Vec<Node> =
                    call.args.iter().map(|arg| self.expression(scope, arg, file)).collect();
                if call.args.expand_final()
                    && let Some(last) = arguments.pop()
                {
                    arguments.extend(last.items().to_vec());
                }
                self.spend(arguments.iter().map(Node::size).sum());
                let unless = arguments.iter().find_map(|node| node.unless.clone());
                let result = functions::call(name, arguments, at)?;
                Some(Node { unless: result.unless.clone().or(unless), ..result })
            }
        }
    }

    /// A file rendered with these variables.
    pub fn render_file(
        &self,
        scope: &Scope<'_>,
        text: &str,
        file: usize,
        names: Vec<(String, Node)>,
    ) -> Node {
        let whole = 0..text.len();
        let places = |text: &str| -> Vec<usize> { (0..=text.len()).collect() };
        match hcl_edit::parser::parse_template(text) {
            Ok(parsed) => {
                let scope = Scope { module: scope.module, names, closed: true };
                template::render(self, &scope, &parsed, file, whole)
            }
            // Its placeholders stay what they are.
            Err(_) => Node {
                places: Some(places(text).into()),
                ..Node::new(Value::Text(text.into()), file, whole)
            },
        }
    }

    fn each(&self, scope: &Scope<'_>, each: &ForExpr, file: usize) -> Option<Value> {
        let collection = self.expression(scope, &each.intro.collection_expr, file);
        if matches!(collection.value, Value::Unknown(_) | Value::Reference(_)) {
            return None;
        }
        let (mut items, mut entries) = (Vec::new(), Vec::new());
        for (key, value) in pairs(&collection) {
            let mut names = vec![(each.intro.value_var.to_string(), value)];
            names.extend(each.intro.key_var.as_ref().map(|name| (name.to_string(), key)));
            let scope = scope.with(names);
            if let Some(condition) = &each.cond
                && self.expression(&scope, &condition.expr, file).switch() == Some(false)
            {
                continue;
            }
            let value = self.expression(&scope, &each.value_expr, file);
            match &each.key_expr {
                Some(key) => {
                    let name = self.expression(&scope, key, file).text();
                    entries.push((name.unwrap_or_else(|| "${…}".into()), value));
                }
                None => items.push(value),
            }
        }
        Some(if each.key_expr.is_some() { Value::Map(entries) } else { Value::List(items) })
    }

    fn traverse(&self, scope: &Scope<'_>, path: &Traversal, file: usize) -> Option<Node> {
        let steps: Vec<Step> = path
            .operators
            .iter()
            .map(|operator| match operator.value() {
                TraversalOperator::GetAttr(name) => Step::Name(name.to_string()),
                TraversalOperator::LegacyIndex(at) => Step::At(at.to_string()),
                TraversalOperator::Index(index) => {
                    let index = self.expression(scope, index, file).text();
                    index.map_or(Step::Unknown, Step::At)
                }
                TraversalOperator::AttrSplat(_) | TraversalOperator::FullSplat(_) => Step::All,
            })
            .collect();
        let range = path.span().unwrap_or(0..0);
        let Expression::Variable(root) = &path.expr else {
            let node = self.expression(scope, &path.expr, file);
            return walk(node, &steps);
        };
        if let Some(node) = scope.name(root.as_str()) {
            return walk(node.clone(), &steps);
        }
        if scope.closed {
            return None;
        }
        let here = Node::new(Value::Null, file, range);
        scope.module.name(self, root.as_str(), &steps, &here)
    }
}

/// Of a resource and nothing the resource, whatever decides: without it there is nothing to say.
fn either(yes: &Node, no: &Node) -> Option<Node> {
    let nothing = |node: &Node| match &node.value {
        Value::Null => true,
        Value::Text(text) => text.is_empty(),
        Value::List(items) => items.is_empty(),
        _ => false,
    };
    let refers = |node: &Node| matches!(node.value, Value::Reference(_));
    match (refers(yes), refers(no)) {
        (true, false) => nothing(no).then(|| yes.clone()),
        (false, true) => nothing(yes).then(|| no.clone()),
        _ => None,
    }
}

fn operate(operator: BinaryOperator, left: &Node, right: &Node) -> Option<Value> {
    use BinaryOperator as B;
    let known = |node: &Node| node.unknown_because().is_none();
    let number = |f: fn(f64, f64) -> f64| {
        let result = f(left.number()?, right.number()?);
        result.is_finite().then_some(Value::Number(result))
    };
    let compare = |f: fn(f64, f64) -> bool| Some(Value::Bool(f(left.number()?, right.number()?)));
    match operator {
        B::Plus => number(|a, b| a + b),
        B::Minus => number(|a, b| a - b),
        B::Mul => number(|a, b| a * b),
        B::Div => number(|a, b| a / b),
        B::Mod => number(|a, b| a % b),
        B::Less => compare(|a, b| a < b),
        B::LessEq => compare(|a, b| a <= b),
        B::Greater => compare(|a, b| a > b),
        B::GreaterEq => compare(|a, b| a >= b),
        B::And => match (left.switch(), right.switch()) {
            (Some(false), _) | (_, Some(false)) => Some(Value::Bool(false)),
            (Some(true), Some(true)) => Some(Value::Bool(true)),
            _ => None,
        },
        B::Or => match (left.switch(), right.switch()) {
            (Some(true), _) | (_, Some(true)) => Some(Value::Bool(true)),
            (Some(false), Some(false)) => Some(Value::Bool(false)),
            _ => None,
        },
        B::Eq | B::NotEq => {
            if !known(left) || !known(right) {
                return None;
            }
            let null = |node: &Node| node.value == Value::Null;
            let equal = match (null(left), null(right)) {
                (true, true) => true,
                (true, false) | (false, true) => false,
                _ => match (left.text(), right.text()) {
                    (Some(a), Some(b)) => a == b,
                    _ => match (left.items().is_empty(), right.items().is_empty()) {
                        (a, b) if a != b => false,
                        (true, true) => true,
                        _ => return None,
                    },
                },
            };
            Some(Value::Bool(equal == (operator == B::Eq)))
        }
    }
}
