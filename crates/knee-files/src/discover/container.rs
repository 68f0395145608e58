//! One container: its programs found on this host, its command and its environment as they will be.

use super::Missing;
use super::programs::{Found, Programs};
use crate::blueprint::Blueprint;
use crate::command::{Follower, Home};
use crate::error::FilesError;
use crate::formats::expand::variable;
use crate::located::{Located, locate};
use crate::official;
use crate::program;
use crate::sources::Sources;
use crate::turn::project_file;
use crate::view::View;
use knee_core::event::Fact;
use knee_core::launch::{Bind, Environment};
use knee_core::service::Part;
use knee_core::sourced::{Origin, Sourced};
use std::path::Path;

/// A container that was read.
pub(super) struct Container {
    pub blueprint: Blueprint,
    pub located: Vec<Located>,
    pub parts: Vec<Part>,
    /// Program and arguments, without starters that are not on this host.
    pub argv: Vec<String>,
    pub env: Environment,
    /// Programs of the host that stand in for the image's.
    pub stand_ins: Vec<Bind>,
    pub facts: Vec<Fact>,
    pub missing: Vec<Missing>,
}

/// Reads a container; `binds` are those of the whole task.
pub(super) fn read(
    sources: &Sources,
    blueprint: Blueprint,
    view: &View<'_>,
) -> Result<Container, FilesError> {
    let text = |home: &Home| text_of(sources, view, &blueprint.argv, home);
    let env = environment(&blueprint, &sources.root);
    let set = |name: &str| env.get(name).map(String::from);
    let follower = Follower { view: *view, workdir: &blueprint.workdir, text: &text, env: &set };
    let file = |name: &str| project_file(&sources.root, view.binds, name);
    let located = locate(&follower, blueprint.commands.clone(), &file)?;
    let mut container = Container {
        argv: blueprint.argv.clone(),
        env,
        blueprint,
        located,
        parts: Vec::new(),
        stand_ins: Vec::new(),
        facts: Vec::new(),
        missing: Vec::new(),
    };
    container.find_programs(sources, view);
    container.find_script(view);
    container.fill_variables();
    Ok(container)
}

/// The text that a home's words stand in.
pub(crate) fn text_of(
    sources: &Sources,
    view: &View<'_>,
    argv: &[String],
    home: &Home,
) -> Option<String> {
    match home {
        Home::File(path) => sources.text(path).ok().flatten(),
        Home::Seen { at, .. } => view.read(at).ok().flatten().map(|seen| seen.text),
        Home::Argument(index) | Home::Text(index) => argv.get(*index).cloned(),
    }
}

/// What the image and the task set, and where programs are found.
pub(super) fn environment(blueprint: &Blueprint, root: &Path) -> Environment {
    let mut env = Environment::default();
    for variable in blueprint.variables.iter().rev() {
        env.set(&variable.name, &variable.value);
    }
    let official = blueprint.image().and_then(official::image);
    for (name, value) in official.map(|official| official.variables).unwrap_or_default() {
        if env.get(name).is_none() {
            env.set(*name, *value);
        }
    }
    let programs = Programs::new(env.get("PATH"), root);
    env.set("PATH", programs.path());
    if env.get("HOME").is_none() {
        env.set("HOME", std::env::var("HOME").unwrap_or_else(|_| "/".into()));
    }
    env
}

impl Container {
    /// A fact about this container.
    pub fn fact(&mut self, what: &str, value: impl Into<String>, origin: Origin) {
        self.facts.push(Fact { what: what.into(), value: Sourced::new(value.into(), origin) });
    }

    /// Looks for the programs that the commands name, and for what stands in for them.
    fn find_programs(&mut self, sources: &Sources, view: &View<'_>) {
        let programs = Programs::new(self.env.get("PATH"), &sources.root);
        let workdir = self.blueprint.workdir.clone();
        let find = |name: &str| programs.find(name, view, &workdir);
        self.leave_out_starters(&find);
        let mut names: Vec<String> = self.argv.first().cloned().into_iter().collect();
        for located in &self.located {
            let argv = located.command.argv();
            // `python -m gunicorn` needs python, which comes first.
            if located.at == 0 || argv[located.at - 1] != "-m" {
                names.push(argv[located.at].clone());
            }
        }
        names.dedup();
        let builtin = |name: &String| program::is_builtin(name);
        for name in names.into_iter().filter(|name| !builtin(name)) {
            match find(&name) {
                Found::Own => {}
                Found::Here(path) => self.program(&path, &name),
                Found::StandIn(bind) => {
                    self.program(&bind.host, &name);
                    if !self.stand_ins.contains(&bind) {
                        self.stand_ins.push(bind);
                    }
                }
                Found::Nowhere => self.missing_program(&name),
            }
        }
    }

    /// Says which program of this host runs, in place of the image's where there is one.
    fn program(&mut self, path: &Path, name: &str) {
        if path == Path::new(name) {
            return;
        }
        let image = self.blueprint.image().filter(|image| !image.contains(['$', '<', '{']));
        let path = path.display();
        let told = match image {
            Some(image) => format!("{path} in place of {name} of {image}"),
            None => format!("{path}, as {name} is on this host's PATH"),
        };
        self.fact("program", told, Origin::Observed { by: "the programs of this host".into() });
    }

    /// `tini --`, `gosu www-data`: what only starts another program is left out where it is not
    /// on this host.
    fn leave_out_starters(&mut self, find: &dyn Fn(&str) -> Found) {
        let mut at = 0;
        // The host may have `tini` and lack what the image starts with it.
        while let Some(words) = self.argv.get(at..).and_then(program::step) {
            if find(&self.argv[at]) != Found::Nowhere {
                at += words;
                continue;
            }
            let left: Vec<String> = self.argv.drain(at..at + words).collect();
            let told = format!("{} is not on this host and was left out", left.join(" "));
            self.fact("program", told, self.blueprint.origin.clone());
        }
    }

    fn missing_program(&mut self, name: &str) {
        let origin = &self.blueprint.origin;
        let unbuilt = self.blueprint.built.as_ref().and_then(|built| {
            let made = built.unbuilt.iter().find(|copy| {
                program::base(copy.dest.trim_end_matches('/')) == program::base(name)
                    || copy.sources.iter().any(|s| program::base(s) == program::base(name))
            })?;
            Some((made, built))
        });
        let missing = match unbuilt {
            Some((copy, built)) => Missing {
                what: format!(
                    "the program {name}: the image's stage {} makes it ({}:{}), and no build of \
                     yours has left it in this folder",
                    copy.from.as_deref().unwrap_or_default(),
                    built.path.display(),
                    copy.line
                ),
                flag: "a build".into(),
                example: format!(
                    "build it here as its image does, or name one: --command ./{}",
                    program::base(name)
                ),
            },
            None => {
                let why = match name.contains('/') {
                    true => "which no file here makes and no program of this host replaces",
                    false => "which is not on this host's PATH",
                };
                let example =
                    format!("install it, or name another: --command '{} …'", program::base(name));
                let what = format!("the program {name} ({origin}), {why}");
                Missing { what, flag: "--command".into(), example }
            }
        };
        if !self.missing.contains(&missing) {
            self.missing.push(missing);
        }
    }

    /// The file that an interpreter is told to run has to be here.
    fn find_script(&mut self, view: &View<'_>) {
        for located in &self.located {
            let argv = located.command.argv();
            let program = program::base(&argv[located.at]);
            if !["node", "nodejs", "python", "python3", "php"].contains(&program) {
                continue;
            }
            let rest = &argv[located.at + 1..];
            let Some(script) = rest.first().filter(|word| !word.starts_with('-')) else { continue };
            // Node adds the ending, and looks into folders.
            let endings = ["", ".js", ".mjs", ".cjs", "/index.js"];
            let at = |end: &&str| self.blueprint.workdir.join(format!("{script}{end}"));
            let there = endings.iter().any(|end| view.exists(&at(end)));
            if there || script.contains('$') || (program == "python" && !script.contains('.')) {
                continue;
            }
            let made = self.blueprint.built.as_ref().and_then(|built| {
                let copy = built.unbuilt.first()?;
                let stage = copy.from.as_deref().unwrap_or_default();
                Some(format!(
                    ": the image's stage {stage} makes it ({}:{})",
                    built.path.display(),
                    copy.line
                ))
            });
            self.missing.push(Missing {
                what: format!(
                    "the file {script} that {program} runs ({}){}",
                    self.blueprint.origin,
                    made.unwrap_or_default()
                ),
                flag: "a build".into(),
                example: "build the service here as its image does, then run knee again".into(),
            });
        }
    }

    /// Secrets, and what the command expands, are taken from knee's own environment.
    fn fill_variables(&mut self) {
        let own = |name: &str| std::env::var(name).ok();
        let mut unknown = Vec::new();
        for name in self.blueprint.secrets.clone() {
            match own(&name) {
                Some(value) => self.env.set(name, value),
                None => unknown.push(name),
            }
        }
        for Sourced { value: name, origin } in self.blueprint.passed.clone() {
            match own(&name) {
                Some(value) => {
                    self.env.set(name.clone(), value);
                    self.fact("from knee's environment", name, origin);
                }
                None => {
                    let why = "which the service is to be given";
                    self.missing.push(Missing::value(&name, why, &origin));
                }
            }
        }
        for (name, origin) in self.expanded() {
            let known = self.env.get(&name).is_some();
            match own(&name).filter(|_| !known) {
                Some(value) => self.env.set(name, value),
                None if known || name == "PORT" => {}
                None => {
                    unknown.retain(|secret| *secret != name);
                    self.missing.push(Missing::value(&name, "which the command uses", &origin));
                }
            }
        }
        if !unknown.is_empty() {
            let told = format!("{}: set them in knee's environment if needed", unknown.join(", "));
            let origin = self.blueprint.defined.clone().unwrap_or(self.blueprint.origin.clone());
            self.fact("secrets without a value here", told, origin);
        }
    }

    /// The variables that the programs' own words expand and no command sets, without a default.
    fn expanded(&self) -> Vec<(String, Origin)> {
        let mut found: Vec<(String, Origin)> = Vec::new();
        for located in &self.located {
            for homed in located.command.words.iter().filter(|homed| homed.word.dynamic) {
                let text = &homed.word.text;
                for (at, _) in text.match_indices('$') {
                    let Some((name, None, _)) = variable(&text[at..]) else { continue };
                    let set = located.variable(name).is_some();
                    if !set && !found.iter().any(|(known, _)| known == name) {
                        found.push((name.into(), self.blueprint.origin.clone()));
                    }
                }
            }
        }
        found
    }

    /// Whether the programs' words expand a variable.
    pub fn expands(&self, name: &str) -> bool {
        self.located.iter().any(|located| {
            located.command.words.iter().any(|homed| {
                let text = &homed.word.text;
                let named = |at: usize| variable(&text[at..]).is_some_and(|(n, ..)| n == name);
                text.match_indices('$').any(|(at, _)| named(at))
            })
        })
    }
}
