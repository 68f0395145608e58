//! A container's programs: what its command and its image's entry point come to.

use super::Join;
use crate::picture::ecs;
use crate::picture::files::{File, FileId, Place};
use crate::picture::follow::{Follower, Reached};
use crate::picture::found::{Found, Overrode};
use crate::picture::image::Built;
use crate::picture::program::{Link, LinkKind, Program, Runtime, Shell};
use crate::picture::service::{Container, Image};
use crate::picture::settings::{self, Reader};
use crate::picture::values::{self, Context};
use crate::picture::{knowledge, walk};
use knee_files::formats::tree::Node;
use knee_files::formats::word::{Coat, Dress, Word};
use knee_files::formats::{CommandText, script};

/// How a container starts.
#[derive(Default)]
pub(super) struct Start {
    pub entrypoint: Option<Command>,
    pub cmd: Option<Command>,
}

/// A command of a container.
pub(super) enum Command {
    Exec(Vec<(FileId, Word)>),
    Shell(FileId, Place, Vec<script::Part>),
}

impl Join {
    /// A command as a structured file states it.
    pub(super) fn command(&self, node: &Node) -> Option<Command> {
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
    pub(super) fn fill(
        &mut self,
        container: &mut Container,
        mut built: Option<Built>,
        start: Start,
        image: Option<&Node>,
    ) {
        let files = self.picture.files.read.len();
        built.iter_mut().for_each(|built| self.written(built));
        let built = built.as_ref();
        match (built, image) {
            (Some(built), _) => {
                self.used.insert(built.file);
                adopt(container, built);
            }
            (None, Some(node)) => container.image = Some(foreign(node)),
            (None, None) => {}
        }
        let reached = self.reached(container, built, start);
        container.command = self.started.take();
        let mut programs = self.programs(built, reached);
        if let Some(built) = built.filter(|_| programs.is_empty()) {
            programs = self.configured(built);
        }
        self.picture.files.read.truncate(files);
        self.used.retain(|id| id.0 < files);
        for program in &mut programs {
            if let Some(built) = built {
                program.moved(&|id| if id.0 < files { id } else { built.file });
            }
            self.locate(program, container, built);
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

    /// Makes the files that a Dockerfile writes readable while its image is looked at.
    fn written(&mut self, built: &mut Built) {
        for (path, text) in built.writes.drain(..) {
            let id = FileId(self.picture.files.read.len());
            let inside = path.trim_start_matches('/').to_string();
            self.picture.files.read.push(File { path: inside, text: text.into() });
            built.written.push((path, id));
        }
    }

    /// What the container's start comes to, through shells, scripts and supervisors.
    fn reached(
        &mut self,
        container: &Container,
        built: Option<&Built>,
        start: Start,
    ) -> Vec<Reached> {
        let (mut entrypoint, mut cmd) = (start.entrypoint, start.cmd);
        // An entry point of the task's own drops the image's arguments.
        if let Some(built) = built.filter(|_| entrypoint.is_none()) {
            entrypoint = built.entrypoint.as_ref().map(|text| of_image(text, built.file));
            cmd = cmd.or_else(|| built.cmd.as_ref().map(|text| of_image(text, built.file)));
            if entrypoint.is_none() && cmd.is_none() {
                cmd = implied(built);
            }
        }
        let base = container.image.as_ref().and_then(|image| image.base.as_ref()?.get().cloned());
        let shell = shell_of(&base.unwrap_or_default());
        let mut follower = Follower::new(&self.picture.files, &self.index, built, shell);
        let mut context = Context { env: container.env.clone(), ..Context::default() };
        self.started = told(&entrypoint, &cmd);
        match (entrypoint, cmd) {
            (Some(Command::Exec(mut words)), Some(Command::Exec(more))) => {
                words.extend(more);
                follower.words(words, &mut context, Vec::new(), 0);
            }
            (Some(Command::Exec(words)), _) | (None, Some(Command::Exec(words))) => {
                if !words.is_empty() {
                    follower.words(words, &mut context, Vec::new(), 0);
                }
            }
            (Some(Command::Shell(id, place, parts)), _)
            | (None, Some(Command::Shell(id, place, parts))) => {
                let kind = LinkKind::Shell { shell, script: false, traps: false };
                follower.parts(&parts, id, &mut context, &[Link { kind, place }], 0);
            }
            (None, None) => {}
        }
        self.used.extend(follower.used);
        self.others = follower.others;
        follower.found
    }

    /// Programs that an image configures and that the one it builds on starts, as nothing here does.
    fn configured(&mut self, built: &Built) -> Vec<Program> {
        if built.entrypoint.is_some() || built.cmd.is_some() {
            return Vec::new();
        }
        let fills = |folders: &[&str]| folders.iter().any(|folder| built.fills(folder));
        let mut runtimes = Vec::new();
        if fills(&["/etc/nginx/"]) {
            runtimes.push(Runtime::Nginx);
        }
        if fills(&["/usr/local/etc/php-fpm.d/", "/etc/php-fpm.d/"]) {
            runtimes.push(Runtime::PhpFpm);
        }
        let base = built.image.base.as_ref().and_then(Found::place).cloned();
        let place = base.unwrap_or(Place::new(built.file, 0..0));
        let reached = runtimes.into_iter().map(|runtime| Reached {
            runtime,
            file: built.file,
            words: Vec::new(),
            context: Context { env: built.env.clone(), ..Context::default() },
            chain: Default::default(),
            given: Default::default(),
        });
        let mut programs = self.programs(Some(built), reached.collect());
        for program in &mut programs {
            let because = "the image that this one builds on starts it";
            program.command = Found::unknown(because, place.clone());
            program.chain.unknown = Some(because.into());
        }
        programs
    }

    fn programs(&mut self, built: Option<&Built>, reached: Vec<Reached>) -> Vec<Program> {
        let mut reader = Reader::new(&self.picture.files, &self.index, built);
        let programs = reached.into_iter().map(|reached| reader.program(reached)).collect();
        self.used.extend(reader.used);
        programs
    }

    /// Says where a program's source is, and whether it is Go's.
    fn locate(&self, program: &mut Program, container: &Container, built: Option<&Built>) {
        let Some(built) = built else { return };
        let mut folder = built.image.context.clone();
        // What a package's script starts stands in that package.
        let script = program.command.place().map(|place| self.picture.files.get(place.file));
        let package = script.and_then(|file| file.path.strip_suffix("/package.json"));
        if let Some(package) = package.filter(|_| program.runtime == Runtime::Node) {
            folder = package.into();
        }
        if let Some(main) = self.go_folder(program, built) {
            program.runtime = Runtime::Go;
            folder = main;
            for setting in knowledge::settings(Runtime::Go) {
                let value = setting.env.iter().find_map(|name| container.env.get(*name));
                let Some(value) = value else { continue };
                if let (Some(text), Some(place)) = (value.get(), value.place()) {
                    let value = values::typed(setting.kind, text, place.clone());
                    program.settings.insert(setting.name.into(), value);
                }
            }
        }
        program.sources = match program.runtime {
            Runtime::Go => {
                let word = program.command.get().and_then(|words| words.first()).cloned();
                let word = word.unwrap_or_default();
                self.go_sources(built, &folder, word.rsplit('/').next().unwrap_or(&word))
            }
            runtime => self.sources(&folder, runtime),
        };
        program.version = program.version.take().or_else(|| self.installed(built, program.runtime));
        program.folder = Some(folder);
    }

    /// The version of a runtime that an image's commands install: `nodejs20`, `setup_22.x`.
    fn installed(&self, built: &Built, runtime: Runtime) -> Option<Found<String>> {
        let names: &[&str] = match runtime {
            Runtime::Node => &["nodejs", "nodejs-", "setup_", "nodejs:"],
            Runtime::PhpFpm | Runtime::Apache | Runtime::Octane => &["php", "php-"],
            Runtime::Gunicorn
            | Runtime::Uvicorn
            | Runtime::Hypercorn
            | Runtime::Uwsgi
            | Runtime::Celery => &["python"],
            Runtime::Go => return self.go_version(built),
            _ => return None,
        };
        built.runs.iter().find_map(|run| {
            let text = self.picture.files.text(run);
            names.iter().flat_map(|name| text.match_indices(name)).find_map(|(at, name)| {
                let start = at + name.len();
                let digits = text[start..].chars().take_while(|c| c.is_ascii_digit() || *c == '.');
                let version: String = digits.collect();
                let version = version.trim_end_matches('.');
                let whole = !text[..at].ends_with(|c: char| c.is_ascii_alphanumeric());
                let from = run.span.start + at;
                let place = Place::new(run.file, from..from + name.len() + version.len());
                (whole && version.starts_with(|c: char| c.is_ascii_digit()))
                    .then(|| Found::at(version.to_string(), place))
            })
        })
    }

    /// The version of Go that an image is built with: `FROM golang:1.25`, of any stage.
    fn go_version(&self, built: &Built) -> Option<Found<String>> {
        let text = &self.picture.files.get(built.file).text;
        let stages = text.match_indices("golang:").filter(|(at, _)| {
            let line = text[..*at].rsplit('\n').next().unwrap_or_default();
            line.trim_start().get(..5).is_some_and(|word| word.eq_ignore_ascii_case("from "))
        });
        let (at, name) = stages.last()?;
        let digits = text[at + name.len()..].chars();
        let version: String = digits.take_while(|c| c.is_ascii_digit() || *c == '.').collect();
        let place = Place::new(built.file, at..at + name.len() + version.len());
        (!version.is_empty()).then(|| Found::at(version.trim_end_matches('.').to_string(), place))
    }

    /// The folder of a Go program: its image builds it, or a file of its own is started and the
    /// nearest folder around the Dockerfile holds a Go `main`.
    fn go_folder(&self, program: &Program, built: &Built) -> Option<String> {
        if program.runtime != Runtime::Other {
            return None;
        }
        let text = &self.picture.files.get(built.file).text;
        if text.contains("golang") || text.contains("go build") {
            return Some(built.image.context.clone());
        }
        let word = program.command.get()?.first()?;
        let system = ["/bin/", "/sbin/", "/usr/"].iter().any(|at| word.starts_with(at));
        if system || !word.contains('/') {
            return None;
        }
        let holds_main = |folder: &&String| {
            let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
            self.picture.files.iter().any(|(_, file)| {
                let name = file.path.strip_prefix(&folder);
                name.is_some_and(|name| !name.contains('/') && name.ends_with(".go"))
                    && !file.path.ends_with("_test.go")
                    && file.text.lines().any(|line| line.trim_end() == "package main")
            })
        };
        built.contexts().iter().find(holds_main).cloned()
    }

    /// Source files of a program below its folder.
    pub(super) fn sources(&self, folder: &str, runtime: Runtime) -> Vec<FileId> {
        let ends: &[&str] = match runtime {
            Runtime::Go => &[".go"],
            Runtime::Node => &[".js", ".mjs", ".cjs", ".ts", ".tsx"],
            Runtime::PhpFpm | Runtime::Apache | Runtime::Octane => &[".php"],
            Runtime::Gunicorn
            | Runtime::Uvicorn
            | Runtime::Hypercorn
            | Runtime::Uwsgi
            | Runtime::Celery => &[".py"],
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
}

/// The words of an entry point and a command, where the latter stands.
fn told(entrypoint: &Option<Command>, cmd: &Option<Command>) -> Option<Found<Vec<String>>> {
    let mut all = Vec::new();
    let mut place = None;
    for command in [entrypoint, cmd].into_iter().flatten() {
        match command {
            Command::Exec(words) => {
                let (file, first) = words.first()?;
                let own = words.iter().filter(|(other, _)| other == file);
                let end = own.map(|(_, word)| word.range.end).fold(first.range.end, usize::max);
                place = Some(Place::new(*file, first.range.start.min(end)..end));
                all.extend(words.iter().map(|(_, word)| word.text.clone()));
            }
            Command::Shell(_, at, parts) => {
                place = Some(at.clone());
                let statements = parts.iter().filter_map(|part| match part {
                    script::Part::Command(statement) => Some(statement.argv()),
                    _ => None,
                });
                all.extend(statements.flatten());
            }
        }
    }
    Some(Found::at(all, place?))
}

/// Takes over what an image says and the deployment does not.
fn adopt(container: &mut Container, built: &Built) {
    for (name, value) in &built.env {
        let overrode = Overrode { value: "set in the image".into(), origin: value.origin.clone() };
        let entry = container.env.entry(name.clone());
        entry.and_modify(|own| own.overrode.push(overrode)).or_insert_with(|| value.clone());
    }
    container.stop_signal = container.stop_signal.take().or(built.stop_signal.clone());
    container.port = container.port.take().or(built.port.clone());
    container.image = Some(built.image.clone());
}

/// An image that no Dockerfile here makes.
fn foreign(node: &Node) -> Image {
    let known = |node: &Node| node.text().filter(|text| !text.contains("${"));
    Image {
        base: Some(ecs::found(node, known)),
        dockerfile: None,
        stage: None,
        context: String::new(),
        copies_code: false,
        volumes: Vec::new(),
        runs: Vec::new(),
    }
}

/// The command of the image that a Dockerfile builds on, where that is known; it stands at FROM.
fn implied(built: &Built) -> Option<Command> {
    let base = built.image.base.as_ref()?;
    let range = base.place()?.span.clone();
    let word = |text: &&str| Word {
        text: text.to_string(),
        range: range.clone(),
        dynamic: text.contains('$'),
        dress: Dress::Item(Coat::Verbatim),
    };
    let words = knowledge::started_by(base.get()?)?;
    Some(Command::Exec(words.iter().map(|text| (built.file, word(text))).collect()))
}

/// A command as a Dockerfile states it: its words where it is one plain command.
fn of_image(text: &CommandText, id: FileId) -> Command {
    if let [only] = &text.statements[..]
        && only.argv() == text.argv
    {
        return Command::Exec(only.words.iter().map(|word| (id, word.clone())).collect());
    }
    let first = text.statements.first().and_then(|s| s.words.first());
    let range = first.map_or(0..0, |word| word.range.clone());
    let parts = text.statements.iter().cloned().map(script::Part::Command).collect();
    Command::Shell(id, Place::new(id, range), parts)
}

/// Which shell `/bin/sh` of an image is.
pub(super) fn shell_of(base: &str) -> Shell {
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
pub(super) fn coat(path: &str, text: &str, node: &Node) -> Coat {
    match text.as_bytes().get(node.span.range.start) {
        Some(b'"') => Coat::Json,
        Some(b'\'') if path.ends_with("ml") => Coat::Single,
        _ if path.ends_with("ml") => Coat::Plain,
        _ => Coat::Verbatim,
    }
}
