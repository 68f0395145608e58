//! AWS' synchronous library (boto3): what is a client of it, which functions make one, which of a
//! client's calls wait.

use super::{Blocking, Waits, class, scope};
use crate::source::tree::{any, around, field, text};
use std::collections::HashMap;
use tree_sitter::Node;

/// Methods that ask nothing of AWS: they make another object, or compute.
/// <https://docs.aws.amazon.com/boto3/latest/reference/core/session.html>
const LOCAL: [&str; 8] = [
    "client",
    "resource",
    "get_paginator",
    "get_waiter",
    "can_paginate",
    "generate_presigned_url",
    "generate_presigned_post",
    "close",
];
const MADE: [&str; 4] =
    ["boto3.client(", "boto3.resource(", "boto3.Session(", "boto3.session.Session("];
/// Methods whose results are used like clients.
const DERIVED: [&str; 6] =
    [".client(", ".resource(", ".get_paginator(", ".get_waiter(", ".Table(", ".Bucket("];

/// A call of what a function of the repository makes, which may be a client.
#[derive(Clone, Debug)]
pub struct OfMade {
    /// The function that makes it.
    pub maker: String,
    /// The same, in a function that is no coroutine; None in a coroutine.
    pub waits: Option<Waits>,
    /// The call.
    pub call: Blocking,
}

/// What is known of clients while a file is read.
#[derive(Default)]
pub(super) struct Clients<'a> {
    /// Variables that hold one.
    names: Vec<&'a str>,
    /// Functions that return one, and functions that return such a function.
    makers: Vec<String>,
    factories: Vec<&'a str>,
    /// Variables of a function, by it, with the function that made what they hold.
    held: HashMap<(usize, &'a str), &'a str>,
}

impl<'a> Clients<'a> {
    /// Takes in what an assignment says.
    pub fn assigned(&mut self, node: Node<'_>, source: &'a str) {
        let (left, right) = (field(node, "left", source), field(node, "right", source));
        if self.is_client(right) {
            self.names.push(left);
        }
        let called = node.child_by_field_name("right").and_then(|right| plain(right, source));
        match (around(node).find(|n| n.kind() == "function_definition"), called) {
            (Some(function), Some(maker)) => drop(self.held.insert((function.id(), left), maker)),
            (None, Some(maker)) if self.factories.contains(&maker) => self.makers.push(left.into()),
            _ => {}
        }
    }

    fn is_client(&self, right: &str) -> bool {
        let of =
            |end: &str| right.split_once(end).is_some_and(|(name, _)| self.names.contains(&name));
        MADE.iter().any(|start| right.starts_with(start)) || DERIVED.iter().any(|end| of(end))
    }

    /// Takes in a function that returns a client, or a function inside it that does.
    pub fn returned(&mut self, node: Node<'_>, source: &'a str) {
        let Some(value) = node.named_child(0).map(|value| text(value, source)) else { return };
        let Some(function) = scope(node).filter(|n| n.kind() == "function_definition") else {
            return;
        };
        let own = |n: Node<'_>| {
            let (left, right) = (field(n, "left", source), field(n, "right", source));
            n.kind() == "assignment"
                && left == value
                && MADE.iter().any(|start| right.starts_with(start))
        };
        if !MADE.iter().any(|start| value.starts_with(start)) && !any(function, own) {
            return;
        }
        match around(function).find(|n| n.kind() == "function_definition") {
            Some(outer) => self.factories.push(field(outer, "name", source)),
            None if class(function, source).is_none() => {
                self.makers.push(field(function, "name", source).into());
            }
            None => {}
        }
    }

    /// Whether a call is a client's, and waits.
    pub fn waits(&self, call: &str) -> bool {
        call.rsplit_once('.')
            .is_some_and(|(receiver, method)| self.names.contains(&receiver) && asks(method))
    }

    /// The function that made what is called here, where it may be a client.
    pub fn maker(&self, call: Node<'_>, function: Node<'_>, source: &'a str) -> Option<&'a str> {
        let of = call.child_by_field_name("function").filter(|f| f.kind() == "attribute")?;
        let object =
            of.child_by_field_name("object").filter(|_| asks(field(of, "attribute", source)))?;
        match object.kind() {
            "identifier" => self.held.get(&(function.id(), text(object, source))).copied(),
            _ => plain(object, source),
        }
    }

    /// The functions of the file that return a client.
    pub fn makers(self) -> Vec<String> {
        self.makers
    }
}

/// Whether a client's method of this name asks AWS. Those of resources that make an object are named
/// as classes are.
fn asks(method: &str) -> bool {
    !LOCAL.contains(&method) && !method.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
}

/// The function that a call names plainly: `make()`.
fn plain<'a>(node: Node<'_>, source: &'a str) -> Option<&'a str> {
    let function = node.child_by_field_name("function").filter(|_| node.kind() == "call")?;
    (function.kind() == "identifier").then(|| text(function, source))
}
