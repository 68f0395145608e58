//! Modules: what `var`, `local`, `module` and resources mean in a folder, and the resources of a
//! root module with those of the modules that it calls.

use super::block::body;
use super::evaluate::{Evaluator, Scope, pairs};
use super::steps::{Step, walk};
use super::types::fill;
use super::{Plan, Read, Resource, Source, Terraform, joined};
use crate::formats::tree::{Node, Span, Value};
use hcl_edit::Span as _;
use hcl_edit::structure::Block;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

/// Modules call each other no deeper than this.
pub(super) const DEEPEST: usize = 6;

/// Instances of one resource or module are no more than this.
pub(super) const MOST: usize = 64;

/// What stands for `path.root` in a path.
const ROOT: &str = "@root";

/// A module with its arguments.
pub(super) struct Instance {
    folder: String,
    root: String,
    /// `module.a.`; nothing for the root.
    prefix: String,
    depth: usize,
    arguments: BTreeMap<String, Node>,
    /// Variables, locals and outputs that were computed; None while one is.
    known: RefCell<BTreeMap<String, Option<Node>>>,
    children: RefCell<BTreeMap<String, Rc<Instance>>>,
}

/// Evaluates a folder as the root module.
pub(super) fn plan(terraform: &Terraform, folder: &str, read: Read<'_>) -> Plan {
    let evaluator = Evaluator::new(terraform, read);
    let root = Instance::root(folder);
    let mut plan = Plan::default();
    root.collect(&evaluator, &mut plan);
    plan
}

/// Resources that say how services run.
fn is_wanted(kind: &str) -> bool {
    let prefixes = ["aws_ecs_", "aws_lb", "aws_alb", "aws_appautoscaling_", "aws_launch_"];
    prefixes.iter().any(|prefix| kind.starts_with(prefix))
        || matches!(kind, "aws_db_instance" | "aws_rds_cluster" | "aws_db_parameter_group")
        || matches!(kind, "aws_autoscaling_group" | "aws_rds_cluster_parameter_group")
}

impl Instance {
    /// A root module.
    pub fn root(folder: &str) -> Instance {
        Instance {
            folder: folder.into(),
            root: folder.into(),
            prefix: String::new(),
            depth: 0,
            arguments: BTreeMap::new(),
            known: RefCell::default(),
            children: RefCell::default(),
        }
    }

    fn sources<'a>(&self, terraform: &'a Terraform) -> &'a [Source] {
        terraform.folders.get(&self.folder).map_or(&[], Vec::as_slice)
    }

    pub fn blocks<'a>(
        &self,
        terraform: &'a Terraform,
        kind: &'a str,
    ) -> impl Iterator<Item = (usize, &'a Block)> {
        let sources = self.sources(terraform).iter().filter(|source| !source.values);
        sources.flat_map(move |s| s.body.get_blocks(kind).map(move |block| (s.file, block)))
    }

    /// A path of the repository, as the module writes it.
    pub fn path_of(&self, path: &str) -> Option<String> {
        let (base, path) = match path.strip_prefix(ROOT) {
            Some(rest) => (&self.root, rest.trim_start_matches('/')),
            None => (&self.folder, path),
        };
        let whole = super::super::dockerfile::absolute(&format!("/{base}"), path);
        (!path.contains("${")).then(|| whole.trim_matches('/').to_string())
    }

    /// What a name with steps behind it is.
    pub fn name(
        &self,
        evaluator: &Evaluator<'_>,
        root: &str,
        steps: &[Step],
        here: &Node,
    ) -> Option<Node> {
        let text = |text: &str| Node { value: Value::Text(text.into()), ..here.clone() };
        let first = steps.first().and_then(Step::text);
        match (root, first) {
            ("var", Some(name)) => walk(
                self.once(evaluator, &format!("var.{name}"), |e| self.variable(e, name))?,
                &steps[1..],
            ),
            ("local", Some(name)) => walk(
                self.once(evaluator, &format!("local.{name}"), |e| self.local(e, name))?,
                &steps[1..],
            ),
            ("module", Some(name)) => self.output(evaluator, name, &steps[1..], here),
            ("path", Some("module")) => Some(text(".")),
            ("path", Some(_)) => Some(text(ROOT)),
            ("terraform", Some("workspace")) => {
                let name = evaluator.terraform.workspace(&self.root)?;
                Some(Node { unless: Some("the workspace".into()), ..text(name) })
            }
            ("each" | "count" | "self" | "terraform", _) => None,
            ("data", Some("template_file")) => {
                let name = steps.get(1)?.text()?;
                let rendered = |e: &Evaluator<'_>| self.template_file(e, name);
                self.once(evaluator, &format!("data.template_file.{name}"), rendered)
            }
            ("data", Some(kind)) => {
                let name = steps.get(1)?.text()?;
                // Of several the one that is meant is told apart by its key.
                let key = match steps.get(2) {
                    Some(Step::At(key)) => format!(".{key}"),
                    _ => String::new(),
                };
                let id = format!("{}data.{kind}.{name}{key}", self.prefix);
                Some(Node { value: Value::Reference(id), ..here.clone() })
            }
            (kind, Some(name)) => Some(self.attribute(evaluator, kind, name, &steps[1..], here)),
            _ => None,
        }
    }

    /// A value that is computed once; None where it needs itself.
    fn once(
        &self,
        evaluator: &Evaluator<'_>,
        name: &str,
        compute: impl FnOnce(&Evaluator<'_>) -> Option<Node>,
    ) -> Option<Node> {
        if let Some(known) = self.known.borrow().get(name) {
            evaluator.spend(known.as_ref().map_or(0, Node::size));
            return known.clone();
        }
        self.known.borrow_mut().insert(name.into(), None);
        let node = compute(evaluator);
        self.known.borrow_mut().insert(name.into(), node.clone());
        node
    }

    fn variable(&self, evaluator: &Evaluator<'_>, name: &str) -> Option<Node> {
        let declared = self.blocks(evaluator.terraform, "variable");
        let (file, block) = declared.into_iter().find(|(_, block)| is_named(block, &[name]))?;
        let scope = Scope::of(self);
        let kind = block.body.get_attribute("type").map(|attribute| &attribute.value);
        if let Some(given) =
            self.arguments.get(name).cloned().or_else(|| self.given(evaluator, name))
        {
            return Some(match kind {
                Some(kind) if given.value != Value::Null => {
                    fill(evaluator, &scope, given, kind, file, 0)
                }
                _ => given,
            });
        }
        match block.body.get_attribute("default") {
            Some(default) => {
                let node = evaluator.expression(&scope, &default.value, file);
                Some(Node { unless: Some(format!("the variable {name}")), ..node })
            }
            None => {
                let span = block.span().unwrap_or(0..0);
                Some(Node::unknown(
                    format!("is the variable {name}, which has no default"),
                    file,
                    span,
                ))
            }
        }
    }

    /// What a file of values gives a variable of the root module.
    fn given(&self, evaluator: &Evaluator<'_>, name: &str) -> Option<Node> {
        let documents = evaluator.terraform.documents.get(&self.folder).into_iter().flatten();
        let json = documents.rev().find_map(|document| document.get(name)).cloned();
        if let Some(json) = json.filter(|_| self.depth == 0) {
            return Some(json);
        }
        let values = self.sources(evaluator.terraform).iter().filter(|source| source.values);
        let found = values.rev().find_map(|s| Some((s.file, s.body.get_attribute(name)?)));
        if self.depth > 0 {
            return None;
        }
        let (file, value) = match found {
            Some((file, attribute)) => (file, &attribute.value),
            None => evaluator.terraform.production(&self.folder, name)?,
        };
        let node = evaluator.expression(&Scope::of(self), value, file);
        // What another stack gives (`dependency.network.outputs.id`) is as good as not given.
        (!matches!(node.value, Value::Unknown(_))).then_some(node)
    }

    fn local(&self, evaluator: &Evaluator<'_>, name: &str) -> Option<Node> {
        let mut blocks = self.blocks(evaluator.terraform, "locals");
        let found = blocks.find_map(|(file, b)| Some((file, b.body.get_attribute(name)?)));
        let (file, attribute) = found?;
        Some(evaluator.expression(&Scope::of(self), &attribute.value, file))
    }

    fn output(
        &self,
        evaluator: &Evaluator<'_>,
        module: &str,
        steps: &[Step],
        here: &Node,
    ) -> Option<Node> {
        let unknown = |because: String| Node { value: Value::Unknown(because), ..here.clone() };
        let id = format!("{}module.{module}", self.prefix);
        let Some(child) = self.child(evaluator, module) else {
            let output = steps.iter().find_map(|step| match step {
                Step::Name(name) => Some(name.as_str()),
                _ => None,
            });
            let made = output.and_then(|output| self.definition(evaluator, module, output, here));
            // Of a module that is not in the repository only its name is known.
            return Some(made.unwrap_or(Node { value: Value::Reference(id), ..here.clone() }));
        };
        // The instance of a module with `count` or `for_each`.
        let at = steps.iter().position(|step| matches!(step, Step::Name(_)))?;
        let name = steps[at].text()?.to_string();
        let found = child.once(evaluator, &format!("output.{name}"), |e| {
            let mut outputs = child.blocks(e.terraform, "output");
            let (file, block) = outputs.find(|(_, block)| is_named(block, &[&name]))?;
            let value = &block.body.get_attribute("value")?.value;
            Some(e.expression(&Scope::of(&child), value, file))
        });
        match found {
            Some(node) => walk(node, &steps[at + 1..]),
            None => Some(unknown(format!("is an output of {id}"))),
        }
    }

    /// The definition of a container that a well-known module makes of its arguments:
    /// <https://registry.terraform.io/modules/cloudposse/ecs-container-definition/aws>.
    fn definition(
        &self,
        evaluator: &Evaluator<'_>,
        module: &str,
        output: &str,
        here: &Node,
    ) -> Option<Node> {
        let mut calls = self.blocks(evaluator.terraform, "module");
        let (file, block) = calls.find(|(_, block)| is_named(block, &[module]))?;
        let source = block.body.get_attribute("source")?.value.as_str()?;
        let known = source.contains("ecs-container-definition") && output.contains("json_map");
        let scope = self.instances(evaluator, block, file).into_iter().next();
        let scope = scope.filter(|_| known)?;
        let argument = |attribute: &hcl_edit::structure::Attribute| {
            let name = match attribute.key.trim() {
                "container_name" => "name",
                "container_image" => "image",
                "container_cpu" => "cpu",
                "container_memory" => "memory",
                "container_memory_reservation" => "memoryReservation",
                "map_environment" => "environment",
                "map_secrets" => "secrets",
                name => name,
            };
            let node = evaluator.expression(&scope, &attribute.value, file);
            let node = match attribute.key.trim() {
                "map_environment" => listed(node, "value"),
                "map_secrets" => listed(node, "valueFrom"),
                _ => node,
            };
            (node.value != Value::Null).then(|| (name.to_string(), node))
        };
        let entries = block.body.attributes().filter_map(argument).collect();
        let map = Node { value: Value::Map(entries), ..here.clone() };
        Some(match output.ends_with("list") {
            true => Node { value: Value::List(vec![map]), ..here.clone() },
            false => map,
        })
    }

    /// A module of the repository that this one calls.
    fn child(&self, evaluator: &Evaluator<'_>, name: &str) -> Option<Rc<Instance>> {
        if let Some(child) = self.children.borrow().get(name) {
            return Some(child.clone());
        }
        let mut calls = self.blocks(evaluator.terraform, "module");
        let (file, block) = calls.find(|(_, block)| is_named(block, &[name]))?;
        let source = block.body.get_attribute("source")?.value.as_str()?;
        let folder = joined(&self.folder, source).filter(|_| self.depth < DEEPEST)?;
        if !evaluator.terraform.folders.contains_key(&folder) || folder == self.folder {
            return None;
        }
        let scope = self.instances(evaluator, block, file).into_iter().next();
        let scope = scope.unwrap_or_else(|| Scope::of(self));
        let arguments = block.body.attributes().map(|attribute| {
            let key = attribute.key.to_string();
            (key.trim().to_string(), evaluator.expression(&scope, &attribute.value, file))
        });
        let child = Rc::new(Instance {
            folder,
            root: self.root.clone(),
            prefix: format!("{}module.{name}.", self.prefix),
            depth: self.depth + 1,
            arguments: arguments.collect(),
            known: RefCell::default(),
            children: RefCell::default(),
        });
        self.children.borrow_mut().insert(name.into(), child.clone());
        Some(child)
    }

    fn template_file(&self, evaluator: &Evaluator<'_>, name: &str) -> Option<Node> {
        let mut data = self.blocks(evaluator.terraform, "data");
        let (file, block) = data.find(|(_, block)| is_named(block, &["template_file", name]))?;
        let scope = Scope::of(self);
        let template = &block.body.get_attribute("template")?.value;
        let template = evaluator.expression(&scope, template, file);
        let vars = block.body.get_attribute("vars");
        let vars = vars.map(|vars| evaluator.expression(&scope, &vars.value, file));
        let names = vars.map(|vars| vars.entries().to_vec()).unwrap_or_default();
        Some(evaluator.render_file(&scope, &template.text()?, template.span.file, names))
    }

    /// An attribute of a resource: what its own file says, else the resource itself.
    fn attribute(
        &self,
        evaluator: &Evaluator<'_>,
        kind: &str,
        name: &str,
        steps: &[Step],
        here: &Node,
    ) -> Node {
        let id = format!("{}{kind}.{name}", self.prefix);
        let itself = || {
            let index = steps.iter().find_map(|step| match step {
                Step::At(at) if at.parse::<usize>().is_err() => Some(format!("[{at}]")),
                _ => None,
            });
            let id = format!("{id}{}", index.unwrap_or_default());
            Node { value: Value::Reference(id), ..here.clone() }
        };
        let wanted = steps.iter().find_map(|step| match step {
            Step::Name(name) => Some(name.as_str()),
            _ => None,
        });
        let identity = ["arn", "id", "name", "family", "arn_suffix", "revision"];
        let Some(wanted) = wanted.filter(|name| !identity.contains(name)) else { return itself() };
        let found = self.once(evaluator, &format!("{id}.{wanted}"), |e| {
            let mut resources = self.blocks(e.terraform, "resource");
            let (file, block) = resources.find(|(_, block)| is_named(block, &[kind, name]))?;
            let value = &block.body.get_attribute(wanted)?.value;
            Some(e.expression(&Scope::of(self), value, file))
        });
        found.unwrap_or_else(itself)
    }

    /// The scopes of a block's instances: none where `count` is 0.
    fn instances<'s>(
        &'s self,
        evaluator: &Evaluator<'_>,
        block: &Block,
        file: usize,
    ) -> Vec<Scope<'s>> {
        let scope = Scope::of(self);
        let value = |key: &str| {
            let attribute = block.body.get_attribute(key)?;
            Some(evaluator.expression(&scope, &attribute.value, file))
        };
        if let Some(count) = value("count") {
            let none = count.number() == Some(0.0);
            return if none { Vec::new() } else { vec![scope] };
        }
        let Some(each) = value("for_each") else { return vec![scope] };
        if matches!(each.value, Value::Unknown(_) | Value::Reference(_)) {
            return vec![scope];
        }
        let each = pairs(&each).into_iter().take(MOST);
        let named = each.map(|(key, value)| {
            let key = if matches!(key.value, Value::Number(_)) { value.clone() } else { key };
            let entries = vec![("key".into(), key), ("value".into(), value.clone())];
            scope.with(vec![("each".into(), Node { value: Value::Map(entries), ..value })])
        });
        named.collect()
    }

    fn collect(&self, evaluator: &Evaluator<'_>, plan: &mut Plan) {
        for (file, block) in self.blocks(evaluator.terraform, "resource") {
            let [kind, name] = block.labels.as_slice() else { continue };
            if !is_wanted(kind.as_str()) || evaluator.exhausted() {
                continue;
            }
            for scope in self.instances(evaluator, block, file) {
                let key = scope.each_key().map(|key| format!("[{key}]")).unwrap_or_default();
                plan.resources.push(Resource {
                    id: format!("{}{}.{}{key}", self.prefix, kind.as_str(), name.as_str()),
                    kind: kind.as_str().into(),
                    body: body(evaluator, &scope, &block.body, file, block),
                    span: Span { file, range: block.span().unwrap_or(0..0) },
                });
            }
        }
        for (file, block) in self.blocks(evaluator.terraform, "module") {
            let [name] = block.labels.as_slice() else { continue };
            let source = block.body.get_attribute("source").and_then(|a| a.value.as_str());
            let Some(scope) = self.instances(evaluator, block, file).into_iter().next() else {
                continue;
            };
            plan.calls.push(Resource {
                id: format!("{}module.{}", self.prefix, name.as_str()),
                kind: source.unwrap_or_default().into(),
                body: body(evaluator, &scope, &block.body, file, block),
                span: Span { file, range: block.span().unwrap_or(0..0) },
            });
            if let Some(child) = self.child(evaluator, name.as_str()) {
                child.collect(evaluator, plan);
            }
        }
    }
}

impl Scope<'_> {
    fn each_key(&self) -> Option<String> {
        self.each()?.get("key")?.text()
    }
}

/// A map as the list of names and values that a container's definition has.
fn listed(map: Node, value: &str) -> Node {
    let Value::Map(entries) = &map.value else { return map };
    let entry = |(name, node): &(String, Node)| {
        let text = Node { value: Value::Text(name.clone()), ..node.clone() };
        let entries = vec![("name".to_string(), text), (value.to_string(), node.clone())];
        Node { value: Value::Map(entries), ..node.clone() }
    };
    Node { value: Value::List(entries.iter().map(entry).collect()), ..map }
}

fn is_named(block: &Block, labels: &[&str]) -> bool {
    block.labels.len() == labels.len()
        && block.labels.iter().zip(labels).all(|(own, label)| own.as_str() == *label)
}
