//! From what a container starts to the programs in it: scripts followed through their branches,
//! supervisors to what they supervise. Nothing is run; a branch that the files decide is taken,
//! of the others each is.

use super::files::{FileId, Files, Place};
use super::found::{Datum, Found};
use super::image::Built;
use super::knowledge::{is_daemon, recognise};
use super::program::{Chain, Link, LinkKind, Runtime, Shell};
use super::values::{Context, Notation, Raw};
use knee_files::formats::script::{self, Part};
use knee_files::formats::shell::Statement;
use knee_files::formats::word::{Dress, Inner, Word};
use knee_files::formats::{package_json, shell_text};
use knee_files::program;
use std::collections::{BTreeMap, HashMap, HashSet};

mod branches;
mod packages;
mod pm2;
mod python;
mod supervise;

/// Scripts that start scripts are followed no deeper than this.
const DEEPEST: usize = 6;

/// Commands that are followed for one container. Scripts and functions that call each other, each
/// more than once, multiply with every level: the depth alone bounds no time.
const MOST_COMMANDS: usize = 20_000;

/// A program that is reached.
pub(super) struct Reached {
    pub runtime: Runtime,
    pub file: FileId,
    /// The program's words, without what only starts it.
    pub words: Vec<Word>,
    pub context: Context,
    pub chain: Chain,
    /// Settings that its starter gives it.
    pub given: BTreeMap<String, Found<Datum>>,
}

/// Follows what one container starts.
pub(super) struct Follower<'a> {
    files: &'a Files,
    index: &'a HashMap<String, FileId>,
    built: Option<&'a Built>,
    pub shell: Shell,
    pub found: Vec<Reached>,
    /// Files that were read on the way.
    pub used: HashSet<FileId>,
    functions: BTreeMap<String, Vec<Part>>,
    arguments: Vec<(FileId, Word)>,
    /// Lists of bash's, by their names.
    lists: BTreeMap<String, Vec<(FileId, Word)>>,
    /// First arguments that a script takes instead of the given one.
    pub others: Vec<String>,
    /// Commands that were followed.
    followed: usize,
    /// Whether what is followed is the last that its script does.
    tail: bool,
    /// Whether it is done again and again.
    endless: bool,
}

impl<'a> Follower<'a> {
    /// Before anything is followed.
    pub fn new(
        files: &'a Files,
        index: &'a HashMap<String, FileId>,
        built: Option<&'a Built>,
        shell: Shell,
    ) -> Follower<'a> {
        Follower {
            files,
            index,
            built,
            shell,
            found: Vec::new(),
            used: HashSet::new(),
            functions: BTreeMap::new(),
            arguments: Vec::new(),
            lists: BTreeMap::new(),
            others: Vec::new(),
            followed: 0,
            tail: true,
            endless: false,
        }
    }

    /// The file that is seen at a path of the container.
    pub fn file(&self, path: &str) -> Option<FileId> {
        self.built.and_then(|built| built.at(self.index, path))
    }

    /// The only script of that name here: what an image that nothing here makes has at a path.
    fn namesake(&self, path: &str) -> Option<FileId> {
        let name = path.rsplit('/').next().filter(|_| self.built.is_none())?;
        let end = format!("/{name}");
        let mut found = self.files.iter().filter(|(_, file)| {
            (file.path == name || file.path.ends_with(&end))
                && !super::walk::is_development(&file.path)
        });
        let (id, _) = found.next()?;
        (found.next().is_none() && self.is_script(id)).then_some(id)
    }

    /// The file that a command names, also by the search path.
    fn command_file(&self, name: &str) -> Option<FileId> {
        if name.contains('/') {
            return self.file(name).or_else(|| self.namesake(name));
        }
        let folders =
            ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin"];
        folders.iter().find_map(|folder| self.file(&format!("{folder}/{name}")))
    }

    /// The commands of a shell's text or script.
    pub fn parts(
        &mut self,
        parts: &[Part],
        file: FileId,
        context: &mut Context,
        links: &[Link],
        depth: usize,
    ) {
        for (at, part) in parts.iter().enumerate() {
            if let Part::Function(name, body) = part {
                self.functions.insert(name.clone(), body.clone());
                continue;
            }
            let last = at + 1 == parts.len();
            let tail = self.tail;
            self.tail &= last;
            self.part(part, file, context, links, depth, last);
            self.tail = tail;
        }
    }

    fn command(
        &mut self,
        statement: &Statement,
        file: FileId,
        context: &mut Context,
        links: &[Link],
        depth: usize,
        last: bool,
    ) {
        let raw = |word: &Word| Raw {
            text: word.text.clone(),
            notation: Notation::Shell,
            place: Place::new(file, word.range.clone()),
        };
        let mut inner = context.clone();
        for (name, word) in &statement.assignments {
            inner.assign(name, raw(word));
        }
        let Some(first) = statement.words.first() else {
            *context = inner;
            return;
        };
        if matches!(first.text.as_str(), "export" | "declare" | "readonly" | "local") {
            for word in &statement.words[1..] {
                if let Some((name, value)) = word.text.split_once('=') {
                    let start = word.range.start;
                    let place = Place::new(file, start..word.range.end);
                    context
                        .assign(name, Raw { text: value.into(), notation: Notation::Shell, place });
                }
            }
            return;
        }
        if let Some(body) = self.functions.get(&first.text).cloned() {
            return self.parts(&body, file, context, links, depth + 1);
        }
        let mut words: Vec<(FileId, Word)> = Vec::new();
        for word in &statement.words {
            match word.text.as_str() {
                "$@" | "${@}" | "$*" => words.extend(self.arguments.iter().cloned()),
                text => match script::list(text).and_then(|name| self.lists.get(name)) {
                    Some(list) => words.extend(list.iter().cloned()),
                    None => words.push((file, word.clone())),
                },
            }
        }
        let mut links = links.to_vec();
        let execs = words.first().is_some_and(|(_, word)| word.text == "exec");
        let shell_ends = execs || (last && self.replaces(&links));
        if shell_ends && matches!(links.last(), Some(Link { kind: LinkKind::Shell { .. }, .. })) {
            links.pop();
        }
        self.words(words, &mut inner, links, depth + 1);
    }

    /// Whether the shell that runs this replaces itself by its last command.
    fn replaces(&self, links: &[Link]) -> bool {
        match links.last().map(|link| &link.kind) {
            Some(LinkKind::Shell { shell, script: false, .. }) => {
                matches!(shell, Shell::Bash | Shell::Busybox)
            }
            _ => false,
        }
    }

    /// What words start.
    pub fn words(
        &mut self,
        mut words: Vec<(FileId, Word)>,
        context: &mut Context,
        mut links: Vec<Link>,
        depth: usize,
    ) {
        // What a script calls on its way is no program of the container.
        let execs = words.first().is_some_and(|(_, word)| word.text == "exec");
        let argv: Vec<String> = words.iter().map(|(_, word)| word.text.clone()).collect();
        let started = depth == 0 || execs || is_daemon(&argv);
        loop {
            let argv: Vec<String> = words.iter().map(|(_, word)| word.text.clone()).collect();
            if argv.is_empty() || depth > DEEPEST * 4 {
                return;
            }
            let base = argv[0].rsplit('/').next().unwrap_or("").to_string();
            let place = Place::new(words[0].0, words[0].1.range.clone());
            if matches!(base.as_str(), "tini" | "dumb-init" | "catatonit" | "docker-init") {
                links.push(Link { kind: LinkKind::Init, place });
            } else if matches!(base.as_str(), "poetry" | "pipenv" | "uv") && argv.len() > 2 {
                links.push(Link { kind: LinkKind::Runner(base.clone()), place });
            }
            // An official image's script of that name starts what it is given; one of the
            // repository's own is read instead.
            if base == "docker-entrypoint.sh" && self.command_file(&argv[0]).is_some() {
                break;
            }
            let Some(steps) = program::step(&argv) else { break };
            words.drain(..steps.min(words.len() - 1));
        }
        let argv: Vec<String> = words.iter().map(|(_, word)| word.text.clone()).collect();
        let place = Place::new(words[0].0, words[0].1.range.clone());
        let base = argv[0].rsplit('/').next().unwrap_or("").to_string();
        let text = match base.as_str() {
            "su" => {
                argv.iter().position(|word| word == "-c").map(|n| n + 1).filter(|n| *n < argv.len())
            }
            _ => shell_text(&argv),
        };
        if let Some(at) = text {
            let (file, word) = words[at].clone();
            let shell = if base == "bash" { Shell::Bash } else { self.shell };
            links
                .push(Link { kind: LinkKind::Shell { shell, script: false, traps: false }, place });
            let text = self.files.get(file).text.clone();
            let inner = match word.dress {
                Dress::Item(coat) => Inner::aligned(&text, word.range.clone(), &word.text, coat),
                Dress::Shell(_) => {
                    let mut places = vec![word.range.start; word.text.len()];
                    places.push(word.range.end);
                    Inner::with_offsets(
                        word.text.clone(),
                        knee_files::formats::word::Coat::Verbatim,
                        places,
                    )
                }
            };
            let parts = script::parse(&inner);
            return self.parts(&parts, file, context, &links, depth + 1);
        }
        match base.as_str() {
            "npm" | "yarn" | "pnpm" | "npx" => {
                return self.package_script(&argv, words[0].0, place, context, links, depth);
            }
            "supervisord" => return self.supervised(&argv, context, links),
            "pm2-runtime" | "pm2" => return self.pm2(&words, context, links),
            "init" if argv[0] == "/init" && self.s6(context, &links) => {
                // The image's command is started beside the services.
                links.push(Link { kind: LinkKind::Init, place });
                let rest = words.split_off(1);
                if !rest.is_empty() {
                    self.words(rest, context, links, depth + 1);
                }
                return;
            }
            _ => {}
        }
        if let Some(runtime) = recognise(&argv) {
            let file = words[0].0;
            // Words of another file keep their text; their places are those of the command.
            let start = words[0].1.range.clone();
            let words = words.into_iter().map(|(own, word)| {
                if own == file { word } else { Word { range: start.clone(), ..word } }
            });
            self.found.push(Reached {
                runtime,
                file,
                words: words.collect(),
                context: context.clone(),
                chain: Chain { links, unknown: None, endless: self.endless },
                given: BTreeMap::new(),
            });
            return;
        }
        if self.starts_uvicorn(&argv, context, &links) {
            return;
        }
        let shells = ["sh", "bash", "dash", "ash", "zsh", "ksh", ".", "source"];
        let options = argv[1..].iter().take_while(|word| word.starts_with('-')).count();
        let at = if shells.contains(&base.as_str()) { 1 + options } else { 0 };
        let script = argv.get(at).and_then(|path| match at {
            0 => self.command_file(path),
            _ => self.file(path),
        });
        if let Some(id) = script.filter(|id| at > 0 || self.is_script(*id)) {
            if depth > DEEPEST * 3 {
                return;
            }
            self.used.insert(id);
            let text = self.files.get(id).text.clone();
            let shell = if text.lines().next().is_some_and(|l| l.contains("bash")) {
                Shell::Bash
            } else {
                self.shell
            };
            if !matches!(base.as_str(), "." | "source") {
                let traps = script::traps_stop(&text);
                links.push(Link { kind: LinkKind::Shell { shell, script: true, traps }, place });
            }
            let before = std::mem::replace(&mut self.arguments, words[at + 1..].to_vec());
            let parts = script::parse(&Inner::verbatim(&text, 0..text.len()));
            self.parts(&parts, id, context, &links, depth + 4);
            self.arguments = before;
            return;
        }
        let given = self.develops(&argv);
        let absolute = argv[0].starts_with('/') || argv[0].starts_with("./");
        if (absolute || started || !given.is_empty()) && !program::is_builtin(&argv[0]) {
            let file = words[0].0;
            self.found.push(Reached {
                runtime: Runtime::Other,
                file,
                words: words.into_iter().map(|(_, word)| word).collect(),
                context: context.clone(),
                chain: Chain { links, unknown: None, endless: self.endless },
                given,
            });
        }
    }

    fn is_script(&self, id: FileId) -> bool {
        let file = self.files.get(id);
        let first = file.text.lines().next().unwrap_or_default();
        (first.starts_with("#!")
            && ["sh", "bash", "ash"].iter().any(|s| first.trim_end().ends_with(s)))
            || first.contains("bin/sh")
            || first.contains("bin/bash")
            || file.path.ends_with(".sh")
    }

    fn package_script(
        &mut self,
        argv: &[String],
        file: FileId,
        place: Place,
        context: &mut Context,
        mut links: Vec<Link>,
        depth: usize,
    ) {
        let (target, name) = packages::asked(argv);
        let beside = self
            .files
            .get(file)
            .path
            .rsplit_once('/')
            .map_or(String::new(), |(f, _)| format!("{f}/"));
        let package = match target {
            Some(target) => self.package(target, &beside),
            None => {
                let own = || self.index.get(&format!("{beside}package.json")).copied();
                // What a script of a package starts is of that package.
                let inner = self.files.get(file).path.ends_with("package.json");
                if inner { own() } else { self.file("package.json").or_else(own) }
            }
        };
        links.push(Link { kind: LinkKind::Runner(argv[0].clone()), place });
        let Some(id) = package.filter(|_| !ends_by_itself(name)) else { return };
        let text = self.files.get(id).text.clone();
        if let Ok(Some(inner)) = package_json::script(&text, name) {
            let parts = script::parse(&inner);
            self.parts(&parts, id, context, &links, depth + 4);
        }
    }
}

/// Whether a script of a package is one that comes to its end: a build, a test.
fn ends_by_itself(script: &str) -> bool {
    let first = script.split([':', '-', '_']).next().unwrap_or_default();
    let ends =
        ["build", "test", "lint", "migrate", "migration", "seed", "generate", "codegen", "format"];
    ends.contains(&first)
}
