//! Puts the picture together: each file goes to the reader of what it is, and what they say is
//! joined into services.

use super::ecs::{self, Resource};
use super::files::{FileId, Files, Place};
use super::follow::Follower;
use super::found::{Datum, Found};
use super::image::{self, Built};
use super::program::{Program, Runtime, Shell};
use super::service::{Container, Deployment, Image, Nofile, Purpose, Service, Target, Task};
use super::settings::{self, Reader};
use super::values::Context;
use super::{Note, Picture, walk};
use knee_files::formats::terraform::Terraform;
use knee_files::formats::tree::{Node, Span, Value};
use knee_files::formats::word::{Coat, Dress, Word};
use knee_files::formats::{CommandText, FormatError, cloudformation, loose, script, yaml};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Joins what files say.
pub(super) struct Join {
    pub picture: Picture,
    index: HashMap<String, FileId>,
    used: HashSet<FileId>,
    resources: Vec<Resource>,
    /// Names under which stacks export things, and what those are.
    exports: Vec<(String, Node)>,
}

/// How a container starts.
#[derive(Default)]
struct Start {
    entrypoint: Option<Command>,
    cmd: Option<Command>,
}

/// A command of a container.
enum Command {
    Exec(Vec<(FileId, Word)>),
    Shell(FileId, Place, Vec<script::Part>),
}

impl Join {
    pub fn new(files: Files, notes: Vec<Note>) -> Join {
        let index = files.iter().map(|(id, file)| (file.path.clone(), id)).collect();
        let picture = Picture { files, notes, ..Picture::default() };
        Join { picture, index, used: HashSet::new(), resources: Vec::new(), exports: Vec::new() }
    }

    pub fn run(mut self) -> Picture {
        self.terraform();
        self.documents();
        self.ecs();
        self.dockerfiles();
        self.loose();
        self.picture
    }

    fn note(&mut self, id: FileId, error: &FormatError) {
        let path = self.picture.files.get(id).path.clone();
        let at = Some((error.at.line, error.at.column));
        self.picture.notes.push(Note {
            path,
            at,
            text: format!("{}; the file is left out", error.problem),
        });
    }

    fn name(&self, id: FileId) -> String {
        let path = &self.picture.files.get(id).path;
        path.rsplit('/').next().unwrap_or(path).to_ascii_lowercase()
    }

    fn folder(&self, id: FileId) -> String {
        let path = &self.picture.files.get(id).path;
        path.rsplit_once('/').map_or(String::new(), |(folder, _)| folder.into())
    }

    fn ids(&self) -> Vec<FileId> {
        (0..self.picture.files.read.len()).map(FileId).collect()
    }

    fn purpose(&self, id: FileId) -> Purpose {
        match walk::is_development(&self.picture.files.get(id).path) {
            true => Purpose::Development,
            false => Purpose::Production,
        }
    }

    fn terraform(&mut self) {
        let mut terraform = Terraform::default();
        let files = self.picture.files.clone();
        for (id, file) in
            files.iter().filter(|(_, f)| f.path.ends_with(".tf") || f.path.ends_with(".tfvars"))
        {
            if let Err(error) = terraform.add(&file.path, id.0, &file.text) {
                self.note(id, &error);
            }
        }
        let index = self.index.clone();
        let read = |path: &str| index.get(path).map(|id| (id.0, files.get(*id).text.to_string()));
        for folder in terraform.roots() {
            let plan = terraform.plan(&folder, &read);
            let named = |id: &str| format!("{folder}|{id}");
            for resource in plan.resources {
                let Some(kind) = ecs::kind(&resource.kind) else { continue };
                let body = renamed(resource.body, &folder);
                self.resources.push(Resource {
                    id: named(&resource.id),
                    kind,
                    body,
                    span: resource.span,
                });
            }
            for call in plan.calls {
                let body = renamed(call.body, &folder);
                self.module(named(&call.id), &call.kind, body, call.span);
            }
        }
        for folder in terraform.folders().cloned().collect::<Vec<_>>() {
            for (name, node) in terraform.defaults(&folder, &read) {
                let stop = matches!(name.as_str(), "stopTimeout" | "stop_timeout");
                if stop && node.number().is_some() {
                    self.template_default(&folder, node);
                }
            }
        }
    }

    /// The default that a module gives its users.
    fn template_default(&mut self, folder: &str, node: Node) {
        let place = ecs::place(&node.span);
        let container = Container {
            stop_timeout: Some(ecs::found(&node, Node::number)),
            ..empty("module default", place.clone())
        };
        self.picture.services.push(Service {
            name: folder.rsplit('/').next().unwrap_or(folder).into(),
            purpose: Purpose::Template,
            deployment: Deployment::Ecs,
            place,
            task: Task::default(),
            containers: vec![container],
        });
    }

    /// A call of a module that is known by its arguments: a service, a container, a balancer.
    fn module(&mut self, id: String, source: &str, body: Node, span: Span) {
        let resource = |kind, body| Resource { id: id.clone(), kind, body, span: span.clone() };
        let sized = body.get("cpu").is_some() && body.get("memory").is_some();
        if body.get("container_definitions").is_some() {
            let known = self.resources.iter().any(|r| {
                r.kind == "task" && r.id.starts_with(&format!("{id}.")) && has_containers(&r.body)
            });
            if !known {
                self.resources.push(resource("task", body.clone()));
            }
            return;
        }
        if sized && body.first(&["image", "container_image"]).is_some() {
            let list = Node { value: Value::List(vec![body.clone()]), ..body.clone() };
            let entries = vec![("container_definitions".to_string(), list)];
            self.resources.push(resource("task", Node { value: Value::Map(entries), ..body }));
            return;
        }
        if source.contains("alb") || body.get("target_groups").is_some() {
            for group in body.get("target_groups").map(children).unwrap_or_default() {
                let span = group.span.clone();
                self.resources.push(Resource { id: id.clone(), kind: "group", body: group, span });
            }
            self.resources.push(resource("balancer", body));
        }
    }

    fn documents(&mut self) {
        for id in self.ids() {
            let file = self.picture.files.get(id);
            let (path, text) = (file.path.to_ascii_lowercase(), file.text.clone());
            let name = self.name(id);
            let is_yaml =
                path.ends_with(".yml") || path.ends_with(".yaml") || path.ends_with(".template");
            let is_json = name.contains(".json") || path.ends_with(".tpl") || path.ends_with(".j2");
            if is_yaml {
                let compose = name.contains("compose") && text.contains("services");
                let stack = text.contains("Resources")
                    && (text.contains("AWS::") || text.contains("Serverless"));
                if !compose && !stack && !text.contains("containerDefinitions") {
                    continue;
                }
                match yaml::tree(&text, id.0) {
                    Ok(Some(root)) if compose => self.compose(id, &root),
                    Ok(Some(root)) => self.document(id, root),
                    Ok(None) => {}
                    Err(error) => self.note(id, &error),
                }
            } else if is_json && (text.contains("ontainerDefinitions") || text.contains("AWS::")) {
                match loose::parse(&text, id.0) {
                    Ok(Some(root)) => self.document(id, root),
                    Ok(None) => {}
                    Err(error) => self.note(id, &error),
                }
            }
        }
    }

    /// A template of CloudFormation, or a task definition.
    fn document(&mut self, id: FileId, root: Node) {
        let name = self.picture.files.get(id).path.clone();
        if cloudformation::is_template(&root) {
            let stack = cloudformation::evaluate(&root, &name, &BTreeMap::new());
            for resource in stack.resources {
                if let Some(kind) = ecs::kind(&resource.kind) {
                    self.resources.push(Resource {
                        id: resource.id,
                        kind,
                        body: resource.body,
                        span: resource.span,
                    });
                }
            }
            for (_, value, export) in stack.outputs {
                if let Some(export) = export.and_then(|name| name.text()) {
                    self.exports.push((pattern(&export), value));
                }
            }
            return;
        }
        let body = root.get("taskDefinition").cloned().unwrap_or(root);
        let is_list = body.is_list() && body.items().iter().any(|c| c.get("image").is_some());
        let named = self.name(id);
        if body.get("containerDefinitions").is_some() {
            let span = body.span.clone();
            self.resources.push(Resource { id: name, kind: "task", body, span });
        } else if is_list && (named.contains("task") || named.contains("container")) {
            let entries = vec![("containerDefinitions".to_string(), body.clone())];
            let span = body.span.clone();
            self.resources.push(Resource {
                id: name,
                kind: "task",
                body: Node { value: Value::Map(entries), ..body },
                span,
            });
        }
    }

    /// The resource that a name refers to, by way of exports.
    fn referred(&self, name: &str, kind: &str, depth: usize) -> Option<usize> {
        if let Some(import) = name.strip_prefix("import:") {
            let wanted = pattern(import);
            let (_, value) = self.exports.iter().find(|(export, _)| *export == wanted)?;
            return ecs::references(value).iter().find_map(|name| {
                (depth < 4).then(|| self.referred(name, kind, depth + 1)).flatten()
            });
        }
        let exact = |r: &Resource| {
            r.kind == kind && (r.id == name || r.id.starts_with(&format!("{name}[")))
        };
        self.resources.iter().position(exact)
    }

    fn ecs(&mut self) {
        let agent = self.agent_stop_timeout();
        let balancers: Vec<usize> = self.of_kind("balancer");
        for at in &balancers {
            let balancer = ecs::balancer(&self.resources[*at]);
            self.picture.load_balancers.push(balancer);
        }
        // Which balancer sends to which group: by listeners and their rules.
        let mut behind: HashMap<usize, usize> = HashMap::new();
        for kind in ["listener", "rule"] {
            for at in self.of_kind(kind) {
                let names = ecs::references(&self.resources[at].body);
                let groups: Vec<usize> =
                    names.iter().filter_map(|n| self.referred(n, "group", 0)).collect();
                let through = names.iter().find_map(|n| self.referred(n, "listener", 0));
                let through =
                    through.map(|l| ecs::references(&self.resources[l].body)).unwrap_or_default();
                let balancer =
                    names.iter().chain(&through).find_map(|n| self.referred(n, "balancer", 0));
                let balancer = balancer.and_then(|b| balancers.iter().position(|at| *at == b));
                for group in groups {
                    behind.extend(balancer.map(|balancer| (group, balancer)));
                }
            }
        }
        for at in self.of_kind("group") {
            let id = self.resources[at].id.clone();
            let own = balancers.iter().position(|b| self.resources[*b].id == id);
            behind.extend(own.map(|balancer| (at, balancer)));
        }
        let mut attached = HashSet::new();
        let services = self.of_kind("service");
        for at in self.of_kind("task") {
            let task = self.resources[at].clone();
            let service = services.iter().copied().find(|s| {
                let node = self.resources[*s].body.get("taskDefinition");
                let names = node.map(ecs::references).unwrap_or_default();
                names.iter().any(|name| self.referred(name, "task", 0) == Some(at))
            });
            self.task(
                &task,
                service.map(|s| self.resources[s].clone()),
                &behind,
                &mut attached,
                &agent,
            );
        }
        for at in services {
            let body = &self.resources[at].body;
            let names = body.get("taskDefinition").map(ecs::references).unwrap_or_default();
            if !names.iter().any(|name| self.referred(name, "task", 0).is_some()) {
                let resource = self.resources[at].clone();
                let mut task = Task { agent_stop_timeout: agent.clone(), ..Task::default() };
                ecs::service(&resource.body, &mut task);
                self.push(&resource, task, Vec::new());
            }
        }
        // A group that no service is seen behind is told of too.
        for at in self.of_kind("group") {
            if !attached.contains(&at) {
                let resource = self.resources[at].clone();
                let mut target = ecs::target(&resource);
                target.load_balancer = behind.get(&at).copied();
                let container = Container {
                    targets: vec![target],
                    ..empty("unknown", ecs::place(&resource.span))
                };
                let service = self.push(&resource, Task::default(), vec![container]);
                service.purpose = Purpose::Template;
            }
        }
    }

    fn of_kind(&self, kind: &str) -> Vec<usize> {
        (0..self.resources.len()).filter(|at| self.resources[*at].kind == kind).collect()
    }

    fn push(
        &mut self,
        resource: &Resource,
        task: Task,
        containers: Vec<Container>,
    ) -> &mut Service {
        let family = resource.body.first(&["family", "name", "ServiceName"]).and_then(Node::text);
        let id = resource.id.rsplit(['#', '|', '/']).next().unwrap_or(&resource.id).to_string();
        let at = FileId(resource.span.file);
        let path = self.picture.files.get(at).path.clone();
        let module = path.split('/').any(|part| part == "modules");
        let purpose = match self.purpose(at) {
            Purpose::Production if module => Purpose::Template,
            purpose => purpose,
        };
        self.picture.services.push(Service {
            name: family.filter(|name| !name.contains("${")).unwrap_or(id),
            purpose,
            deployment: Deployment::Ecs,
            place: ecs::place(&resource.span),
            task,
            containers,
        });
        self.picture.services.last_mut().expect("was pushed")
    }

    fn task(
        &mut self,
        resource: &Resource,
        service: Option<Resource>,
        behind: &HashMap<usize, usize>,
        attached: &mut HashSet<usize>,
        agent: &Option<Found<f64>>,
    ) {
        let mut task = ecs::task(&resource.body);
        task.agent_stop_timeout.clone_from(agent);
        if let Some(service) = &service {
            ecs::service(&service.body, &mut task);
            for at in self.of_kind("scaling") {
                let body = &self.resources[at].body;
                let own = ecs::references(body).contains(&service.id);
                if let Some(most) = body.get("MaxCapacity").filter(|_| own) {
                    task.maximum = Some(ecs::found(most, |node| node.number().map(|n| n as u64)));
                }
            }
        }
        let list = resource.body.get("containerDefinitions").cloned();
        let list = list.map(|node| match &node.value {
            Value::Text(text) => decoded(text, &node).unwrap_or(node),
            _ => node,
        });
        let mut containers = Vec::new();
        for (mut container, node) in list.as_ref().map(ecs::containers).unwrap_or_default() {
            let targets = service.as_ref().map(|s| &s.body).or(Some(&resource.body));
            let targets = targets.and_then(|body| body.first(&["loadBalancers", "load_balancer"]));
            for entry in targets.map(children).unwrap_or_default() {
                let name = entry.get("containerName").and_then(Node::text);
                if name.is_some_and(|name| name != container.name) {
                    continue;
                }
                let names = entry.get("targetGroupArn").map(ecs::references).unwrap_or_default();
                for group in names.iter().filter_map(|name| self.referred(name, "group", 0)) {
                    attached.insert(group);
                    let mut target: Target = ecs::target(&self.resources[group]);
                    target.load_balancer = behind.get(&group).copied();
                    let port = entry.get("containerPort").and_then(Node::number).map(|n| n as u16);
                    target.port = port.or(target.port);
                    container.targets.push(target);
                }
            }
            let start = Start {
                entrypoint: node.get("entryPoint").and_then(|n| self.command(n)),
                cmd: node.get("command").and_then(|n| self.command(n)),
            };
            let image = node.get("image").cloned();
            let from = FileId(resource.span.file);
            let built =
                image.as_ref().and_then(|image| self.matching(image, &container.name, from));
            self.fill(&mut container, built, start, image.as_ref());
            containers.push(container);
        }
        self.push(resource, task, containers);
    }

    /// The Dockerfile of an image that the user builds: the one beside, or in a folder of its name.
    fn matching(&self, image: &Node, container: &str, from: FileId) -> Option<Built> {
        let name = image.text()?;
        let repository = name.rsplit('/').next()?.split([':', '@']).next()?.to_ascii_lowercase();
        let own = name.contains("${") || name.contains("amazonaws.com") || !name.contains('/');
        if !own && !name.contains(&repository) {
            return None;
        }
        let base = self.folder(from);
        let dockerfiles = || self.ids().into_iter().filter(|id| is_dockerfile(&self.name(*id)));
        let score = |id: &FileId| {
            let folder = self.folder(*id).to_ascii_lowercase();
            let parts: Vec<&str> = folder.split('/').collect();
            let hit = |wanted: &str| {
                wanted.len() > 2
                    && parts.iter().any(|p| {
                        *p == wanted
                            || wanted.starts_with(&format!("{p}-")) && p.len() > 2
                            || wanted.ends_with(&format!("-{p}")) && p.len() > 2
                    })
            };
            let near =
                base.split('/').zip(&parts).take_while(|(a, b)| a.eq_ignore_ascii_case(b)).count();
            let named =
                usize::from(hit(&container.to_ascii_lowercase())) + usize::from(hit(&repository));
            (named, near, usize::MAX - folder.len())
        };
        let best = dockerfiles().max_by_key(score)?;
        let (named, near, _) = score(&best);
        let depth = base.split('/').filter(|p| !p.is_empty()).count();
        let within = near > 0 && near == depth;
        let only = dockerfiles().filter(|id| self.folder(*id).starts_with(&base)).count() == 1;
        let fits = named > 0 || (within && only && own);
        let foreign = !name.contains("${") && !name.contains("amazonaws.com") && named == 0;
        (fits && !foreign)
            .then(|| image::build(&self.picture.files, best, None, None).ok())
            .flatten()
    }

    /// A command as a structured file states it.
    fn command(&self, node: &Node) -> Option<Command> {
        let word = |node: &Node| {
            let file = FileId(node.span.file);
            let dynamic = node.text().is_some_and(|text| text.contains('$'));
            let dress = Dress::Item(coat(
                self.picture.files.get(file).path.as_str(),
                &self.picture.files.get(file).text,
                node,
            ));
            Some((
                file,
                Word { text: node.text()?, range: node.span.range.clone(), dynamic, dress },
            ))
        };
        if node.is_list() {
            let words: Vec<_> = node.items().iter().filter_map(word).collect();
            return (!words.is_empty()).then_some(Command::Exec(words));
        }
        let file = FileId(node.span.file);
        let words = settings::split(&node.inner()?);
        Some(Command::Exec(words.into_iter().map(|word| (file, word)).collect()))
    }

    /// Fills in a container's image and programs.
    fn fill(
        &mut self,
        container: &mut Container,
        built: Option<Built>,
        start: Start,
        image: Option<&Node>,
    ) {
        if let Some(built) = &built {
            self.used.insert(built.file);
            for (name, value) in &built.env {
                let entry = container.env.entry(name.clone());
                entry
                    .and_modify(|own| {
                        own.overrode.push(super::found::Overrode {
                            value: "set in the image".into(),
                            origin: value.origin.clone(),
                        })
                    })
                    .or_insert_with(|| value.clone());
            }
            container.stop_signal = container.stop_signal.take().or(built.stop_signal.clone());
            container.image = Some(built.image.clone());
        } else if let Some(node) = image {
            container.image = Some(Image {
                base: Some(ecs::found(node, |node| {
                    node.text().filter(|text| !text.contains("${"))
                })),
                dockerfile: None,
                stage: None,
                context: String::new(),
                copies_code: false,
                volumes: Vec::new(),
            });
        }
        let of = |text: &CommandText, id: FileId| -> Command {
            let flat = text
                .statements
                .first()
                .is_some_and(|s| s.argv() == text.argv && text.statements.len() == 1);
            if flat {
                return Command::Exec(
                    text.statements[0].words.iter().map(|w| (id, w.clone())).collect(),
                );
            }
            let range = text
                .statements
                .first()
                .and_then(|s| s.words.first())
                .map_or(0..0, |w| w.range.clone());
            let parts = text.statements.iter().cloned().map(script::Part::Command).collect();
            Command::Shell(id, Place::new(id, range), parts)
        };
        let (mut entrypoint, mut cmd) = (start.entrypoint, start.cmd);
        if let Some(built) = &built {
            // An entry point of the task's own drops the image's arguments.
            if entrypoint.is_none() {
                entrypoint = built.entrypoint.as_ref().map(|text| of(text, built.file));
                cmd = cmd.or_else(|| built.cmd.as_ref().map(|text| of(text, built.file)));
            }
        }
        let base = container
            .image
            .as_ref()
            .and_then(|i| i.base.as_ref())
            .and_then(Found::get)
            .cloned()
            .unwrap_or_default();
        let mut follower = Follower {
            files: &self.picture.files,
            index: &self.index,
            built: built.as_ref(),
            shell: shell_of(&base),
            found: Vec::new(),
            used: HashSet::new(),
            functions: BTreeMap::new(),
            arguments: Vec::new(),
        };
        let mut context = Context { env: container.env.clone(), ..Context::default() };
        match (entrypoint, cmd) {
            (Some(Command::Exec(mut words)), Some(Command::Exec(more))) => {
                words.extend(more);
                follower.words(words, &mut context, Vec::new(), 0);
            }
            (Some(only), _) | (None, Some(only)) => match only {
                Command::Exec(words) if !words.is_empty() => {
                    follower.words(words, &mut context, Vec::new(), 0)
                }
                Command::Exec(_) => {}
                Command::Shell(id, place, parts) => {
                    use super::program::{Link, LinkKind};
                    let link = Link {
                        kind: LinkKind::Shell {
                            shell: follower.shell,
                            script: false,
                            traps: false,
                        },
                        place,
                    };
                    follower.parts(&parts, id, &mut context, &[link], 0);
                }
            },
            (None, None) => {}
        }
        let (reached, used) = (follower.found, follower.used);
        self.used.extend(used);
        let mut reader = Reader {
            files: &self.picture.files,
            index: &self.index,
            built: built.as_ref(),
            used: HashSet::new(),
        };
        let mut programs: Vec<Program> =
            reached.into_iter().map(|reached| reader.program(reached)).collect();
        self.used.extend(reader.used);
        let go = built.as_ref().is_some_and(|built| {
            let text = &self.picture.files.get(built.file).text;
            text.contains("golang") || text.contains("go build")
        });
        for program in &mut programs {
            if program.runtime == Runtime::Other && go {
                program.runtime = Runtime::Go;
                for setting in super::knowledge::settings(Runtime::Go) {
                    let Some(value) = setting.env.iter().find_map(|name| container.env.get(*name))
                    else {
                        continue;
                    };
                    if let (Some(text), Some(place)) = (value.get(), value.place()) {
                        program.settings.insert(
                            setting.name.into(),
                            super::values::typed(setting.kind, text, place.clone()),
                        );
                    }
                }
            }
            let folder = built.as_ref().map(|built| built.image.context.clone());
            program.sources =
                folder.as_deref().map(|f| self.sources(f, program.runtime)).unwrap_or_default();
            program.folder = folder;
        }
        // Requests come to nginx first, else to what serves.
        let fronts = |p: &Program| !matches!(p.runtime, Runtime::Celery | Runtime::Worker);
        let front = programs
            .iter()
            .position(|p| p.runtime == Runtime::Nginx)
            .or_else(|| programs.iter().position(fronts));
        if let Some(at) =
            front.filter(|_| !container.targets.is_empty() || container.image.is_some())
        {
            programs[at].front = true;
        }
        container.programs = programs;
    }

    /// Source files of a program below its folder.
    fn sources(&self, folder: &str, runtime: Runtime) -> Vec<FileId> {
        let ends: &[&str] = match runtime {
            Runtime::Go => &[".go"],
            Runtime::Node => &[".js", ".mjs", ".cjs", ".ts", ".tsx"],
            Runtime::PhpFpm | Runtime::Apache | Runtime::Octane => &[".php"],
            Runtime::Gunicorn | Runtime::Uvicorn | Runtime::Uwsgi | Runtime::Celery => &[".py"],
            _ => &[],
        };
        let within = |path: &str| folder.is_empty() || path.starts_with(&format!("{folder}/"));
        let files = self.picture.files.iter().filter(|(_, file)| {
            within(&file.path)
                && ends.iter().any(|end| file.path.ends_with(end))
                && !walk::is_development(&file.path)
                && !file.path.ends_with("_test.go")
                && !file.path.contains(".spec.")
        });
        files.map(|(id, _)| id).take(5_000).collect()
    }

    fn compose(&mut self, id: FileId, root: &Node) {
        let services = root.get("services").map(|s| s.entries().to_vec()).unwrap_or_default();
        for (name, node) in services.iter().filter(|(_, node)| node.is_map()) {
            let place = ecs::place(&node.span);
            let mut container = empty(name, place.clone());
            for variable in node.get("environment").map(variables).unwrap_or_default() {
                container.env.insert(variable.0, variable.1);
            }
            container.stop_timeout =
                node.get("stop_grace_period").map(|node| ecs::found(node, ecs::seconds));
            container.stop_signal =
                node.get("stop_signal").map(|node| ecs::found(node, Node::text));
            container.init = node.get("init").map(|node| ecs::found(node, Node::switch));
            container.memory = node
                .path(&["deploy", "resources", "limits", "memory"])
                .or_else(|| node.get("mem_limit"))
                .map(|node| {
                    ecs::found(node, |n| n.text()?.parse::<knee_core::Bytes>().ok().map(|b| b.0))
                });
            container.nofile = node.path(&["ulimits", "nofile"]).map(|limit| {
                let soft = limit.get("soft").unwrap_or(limit);
                let hard = limit.get("hard").unwrap_or(limit).number();
                ecs::found(soft, |soft| {
                    Some(Nofile { soft: soft.number()? as u64, hard: hard? as u64 })
                })
            });
            let folder = self.folder(id);
            let build = node.get("build");
            let context =
                build.and_then(|b| b.get("context").and_then(Node::text).or_else(|| b.text()));
            let built = context.and_then(|context| {
                let context = joined(&folder, &context);
                let file = build
                    .and_then(|b| b.get("dockerfile"))
                    .and_then(Node::text)
                    .unwrap_or_else(|| "Dockerfile".into());
                let dockerfile = *self.index.get(&joined(&context, &file))?;
                let stage = build.and_then(|b| b.get("target")).and_then(Node::text);
                image::build(&self.picture.files, dockerfile, stage.as_deref(), Some(&context)).ok()
            });
            let start = Start {
                entrypoint: node.get("entrypoint").and_then(|n| self.command(n)),
                cmd: node.get("command").and_then(|n| self.command(n)),
            };
            self.fill(&mut container, built, start, node.get("image"));
            let mounted = node
                .get("volumes")
                .map(Node::items)
                .unwrap_or_default()
                .iter()
                .filter_map(Node::text);
            let sources =
                mounted.into_iter().any(|v| matches!(v.split(':').next(), Some("." | "./" | "..")));
            let purpose = match self.purpose(id) {
                Purpose::Production if sources => Purpose::Development,
                purpose => purpose,
            };
            self.picture.services.push(Service {
                name: name.clone(),
                purpose,
                deployment: Deployment::Compose,
                place,
                task: Task::default(),
                containers: vec![container],
            });
        }
    }

    fn dockerfiles(&mut self) {
        for id in self.ids() {
            if !is_dockerfile(&self.name(id)) || self.used.contains(&id) {
                continue;
            }
            let built = match image::build(&self.picture.files, id, None, None) {
                Ok(built) => built,
                Err(error) => {
                    self.note(id, &error);
                    continue;
                }
            };
            let place = built.image.stage.clone().unwrap_or(Place::new(id, 0..0));
            let folder = self.folder(id);
            let name =
                folder.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or("image").to_string();
            let mut container = empty(&name, place.clone());
            self.fill(&mut container, Some(built), Start::default(), None);
            self.picture.services.push(Service {
                name,
                purpose: self.purpose(id),
                deployment: Deployment::Image,
                place,
                task: Task::default(),
                containers: vec![container],
            });
        }
    }

    /// Files of settings that nothing is seen to start.
    fn loose(&mut self) {
        for id in self.ids() {
            if self.used.contains(&id) {
                continue;
            }
            let name = self.name(id);
            let text = self.picture.files.get(id).text.clone();
            let reader = Reader {
                files: &self.picture.files,
                index: &self.index,
                built: None,
                used: HashSet::new(),
            };
            let mut settings = BTreeMap::new();
            let mut programs = Vec::new();
            let conf =
                name.ends_with(".conf") || name.contains("nginx") && !name.contains("docker");
            if conf && text.contains("[program:")
                || name.ends_with(".ini") && text.contains("[program:")
            {
                let mut follower = Follower {
                    files: &self.picture.files,
                    index: &self.index,
                    built: None,
                    shell: Shell::Unknown,
                    found: Vec::new(),
                    used: HashSet::new(),
                    functions: BTreeMap::new(),
                    arguments: Vec::new(),
                };
                follower.supervisor(id, &Context::default(), &[]);
                let mut reader = reader;
                programs =
                    follower.found.into_iter().map(|reached| reader.program(reached)).collect();
            } else if (conf || name.ends_with(".ini")) && text.contains("pm.max_children")
                || name.contains("php-fpm") && conf
            {
                reader.pool(id, &Context::default(), &mut settings);
                programs.push(bare(Runtime::PhpFpm, settings, id));
            } else if name.ends_with(".ini") && name.contains("php")
                || name.contains("opcache") && name.ends_with(".ini")
            {
                reader.ini(id, &Context::default(), &mut settings);
                programs.push(bare(Runtime::PhpFpm, settings, id));
            } else if conf
                && (text.contains("server {")
                    || text.contains("worker_connections")
                    || text.contains("http {")
                    || text.contains("server{")
                    || text.contains("upstream "))
            {
                if reader.nginx_file(id, &mut settings) {
                    programs.push(bare(Runtime::Nginx, settings, id));
                }
            } else if name.starts_with(".rr") && (name.ends_with(".yaml") || name.ends_with(".yml"))
            {
                reader.roadrunner(id, &mut settings);
                programs.push(bare(Runtime::Octane, settings, id));
            } else if name == "octane.php" {
                reader.octane_php(id, &mut settings);
                programs.push(bare(Runtime::Octane, settings, id));
            } else if name.ends_with(".ini") && text.contains("[uwsgi]") {
                reader.uwsgi_file(id, &mut settings);
                programs.push(bare(Runtime::Uwsgi, settings, id));
            } else if name.ends_with(".py")
                && (name.contains("gunicorn") || name.ends_with("_conf.py"))
            {
                reader.gunicorn_file(id, &mut settings);
                programs.push(bare(Runtime::Gunicorn, settings, id));
            }
            programs
                .retain(|program| !program.settings.is_empty() || !program.chain.links.is_empty());
            if programs.is_empty() {
                continue;
            }
            let place = Place::new(id, 0..0);
            let container = Container { programs, ..empty(&name, place.clone()) };
            self.picture.services.push(Service {
                name,
                purpose: self.purpose(id),
                deployment: Deployment::Loose,
                place,
                task: Task::default(),
                containers: vec![container],
            });
        }
    }

    /// `ECS_CONTAINER_STOP_TIMEOUT` in the user data of instances.
    fn agent_stop_timeout(&self) -> Option<Found<f64>> {
        let needle = "ECS_CONTAINER_STOP_TIMEOUT=";
        self.picture.files.iter().find_map(|(id, file)| {
            let ends = [".yml", ".yaml", ".json", ".tf", ".tpl", ".sh", ".template", ".tftpl"];
            let at = ends
                .iter()
                .any(|end| file.path.ends_with(end))
                .then(|| file.text.find(needle))??;
            let value = &file.text[at + needle.len()..];
            let end = value.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(value.len());
            let place = Place::new(id, at..at + needle.len() + end);
            let found =
                super::values::typed(super::values::Kind::Seconds, &value[..end], place.clone());
            found.get().and_then(Datum::number).map(|n| Found::at(n, place))
        })
    }
}

/// A container of which nothing is known.
fn empty(name: &str, place: Place) -> Container {
    Container {
        name: name.into(),
        place,
        image: None,
        cpu: None,
        memory: None,
        memory_reservation: None,
        stop_timeout: None,
        nofile: None,
        init: None,
        stop_signal: None,
        essential: true,
        env: BTreeMap::new(),
        targets: Vec::new(),
        programs: Vec::new(),
    }
}

/// A program of which only a file of settings is known.
fn bare(runtime: Runtime, settings: BTreeMap<String, Found<Datum>>, id: FileId) -> Program {
    Program {
        runtime,
        version: None,
        command: Found::unknown("nothing is seen to start it", Place::new(id, 0..0)),
        settings,
        chain: super::program::Chain {
            links: Vec::new(),
            unknown: Some("nothing is seen to start it".into()),
        },
        front: false,
        folder: None,
        sources: Vec::new(),
    }
}

fn is_dockerfile(name: &str) -> bool {
    let known = name == "dockerfile" || name == "containerfile" || name.ends_with(".dockerfile");
    known
        || (name.starts_with("dockerfile.") || name.ends_with(".containerfile"))
            && !name.ends_with(".template")
            && !name.ends_with(".md")
            && !name.ends_with(".dockerignore")
}

/// Which shell `/bin/sh` of an image is.
fn shell_of(base: &str) -> Shell {
    let base = base.to_ascii_lowercase();
    match base.as_str() {
        "" => Shell::Unknown,
        b if b.contains("alpine") || b.contains("busybox") => Shell::Busybox,
        b if b.contains("amazonlinux")
            || b.contains("centos")
            || b.contains("fedora")
            || b.contains("ubi")
            || b.contains("rocky") =>
        {
            Shell::Bash
        }
        b if [
            "debian", "ubuntu", "bookworm", "bullseye", "slim", "trixie", "node", "python", "php",
            "golang", "nginx", "ruby",
        ]
        .iter()
        .any(|n| b.contains(n)) =>
        {
            Shell::Dash
        }
        _ => Shell::Unknown,
    }
}

/// The notation of a scalar, by what its file begins it with.
fn coat(path: &str, text: &str, node: &Node) -> Coat {
    match text.as_bytes().get(node.span.range.start) {
        Some(b'"') => Coat::Json,
        Some(b'\'') if path.ends_with("ml") => Coat::Single,
        _ if path.ends_with("ml") => Coat::Plain,
        _ => Coat::Verbatim,
    }
}

fn joined(folder: &str, path: &str) -> String {
    knee_files::formats::dockerfile::absolute(&format!("/{folder}"), path).trim_matches('/').into()
}

/// The elements of a list, or the values of a map of maps.
fn children(node: &Node) -> Vec<Node> {
    let maps = !node.entries().is_empty() && node.entries().iter().all(|(_, n)| n.is_map());
    if maps {
        node.entries().iter().map(|(_, n)| n.clone()).collect()
    } else {
        node.items().to_vec()
    }
}

fn has_containers(body: &Node) -> bool {
    body.get("containerDefinitions").is_some_and(|node| !ecs::containers(node).is_empty())
}

/// A structured text at the places of its node.
fn decoded(text: &str, node: &Node) -> Option<Node> {
    let read = loose::parse(text, node.span.file).ok()??;
    Some(knee_files::formats::terraform::placed(read, node))
}

/// References of a plan with the folder that they mean.
fn renamed(node: Node, folder: &str) -> Node {
    let value = match node.value {
        Value::Reference(name) => Value::Reference(format!("{folder}|{name}")),
        Value::List(items) => Value::List(items.into_iter().map(|n| renamed(n, folder)).collect()),
        Value::Map(entries) => {
            Value::Map(entries.into_iter().map(|(k, n)| (k, renamed(n, folder))).collect())
        }
        value => value,
    };
    Node { value, ..node }
}

/// An export's name with `*` for each part that is not known.
fn pattern(name: &str) -> String {
    let mut out = String::new();
    let mut rest = name;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        out.push('*');
        rest = rest[at..].split_once('}').map_or("", |(_, rest)| rest);
    }
    out + rest
}

/// Variables of a compose service, written as a map or a list.
fn variables(node: &Node) -> Vec<(String, Found<String>)> {
    let text = |node: &Node| node.text().filter(|text| !text.contains("${"));
    if node.is_map() {
        let all = node.entries().iter();
        return all.map(|(name, node)| (name.clone(), ecs::found(node, text))).collect();
    }
    let pair = |node: &Node| {
        let whole = node.text()?;
        let (name, value) = whole.split_once('=')?;
        let value = value.to_string();
        Some((
            name.to_string(),
            ecs::found(node, |_| (!value.contains("${")).then(|| value.clone())),
        ))
    };
    node.items().iter().filter_map(pair).collect()
}
