//! Processes that no container is seen around: those of a Procfile, and units of systemd.

use super::{Join, empty};
use crate::picture::files::{FileId, Place};
use crate::picture::follow::Follower;
use crate::picture::found::{Datum, Found, Overrode};
use crate::picture::program::{Link, LinkKind, Program, Runtime, Shell, Supervision};
use crate::picture::service::{Container, Deployment, Nofile, Purpose, Service, Task};
use crate::picture::settings::Reader;
use crate::picture::values::{self, Context, Kind};
use knee_files::formats::tree::Node;
use knee_files::formats::unit::Section;
use knee_files::formats::word::Word;
use knee_files::formats::{procfile, script, shell, unit};

/// Seconds until SIGKILL:
/// <https://www.freedesktop.org/software/systemd/man/latest/systemd.service.html#TimeoutStopSec=>.
const SYSTEMD_STOP: f64 = 90.0;

impl Join {
    pub(super) fn processes(&mut self) {
        for id in self.ids() {
            let name = self.name(id);
            if name == "procfile" || name.starts_with("procfile.") {
                self.procfile(id);
            } else if name.ends_with(".service") {
                self.systemd(id);
            }
        }
    }

    /// Each process type; what is done once at a release is none.
    fn procfile(&mut self, id: FileId) {
        let text = self.picture.files.get(id).text.clone();
        for (name, command) in procfile::parse(&text) {
            if name == "release" {
                continue;
            }
            let first = command.statements.first().and_then(|statement| statement.words.first());
            let place = Place::new(id, first.map_or(0..0, |word| word.range.clone()));
            let parts: Vec<_> =
                command.statements.iter().cloned().map(script::Part::Command).collect();
            let mut follower =
                Follower::new(&self.picture.files, &self.index, None, Shell::Unknown);
            follower.parts(&parts, id, &mut Context::default(), &[], 0);
            let (reached, used) = (follower.found, follower.used);
            self.used.extend(used);
            self.process(id, &name, empty(&name, place), reached);
        }
    }

    /// What a unit starts.
    fn systemd(&mut self, id: FileId) {
        let text = self.picture.files.get(id).text.clone();
        let sections = unit::parse(&text, id.0);
        let Some(section) = sections.iter().find(|section| section.name == "Service") else {
            return;
        };
        let name = self.name(id).trim_end_matches(".service").to_string();
        let place = Place::new(id, section.range.clone());
        let mut container = empty(&name, place.clone());
        limits(section, &mut container);
        self.environment_files(id, section, &mut container);
        let context = Context { env: container.env.clone(), ..Context::default() };
        let links = vec![supervised(section, &name, place)];
        let mut follower = Follower::new(&self.picture.files, &self.index, None, Shell::Unknown);
        for command in section.all("ExecStart") {
            let Some(inner) = command.inner() else { continue };
            for statement in shell::statements(&inner) {
                let words = statement.words.iter().enumerate();
                let words =
                    words.map(|(at, word)| (id, if at == 0 { bare(word) } else { word.clone() }));
                follower.words(words.collect(), &mut context.clone(), links.clone(), 0);
            }
        }
        let (reached, used) = (follower.found, follower.used);
        self.used.extend(used);
        self.process(id, &name, container, reached);
    }

    /// Variables of the files that a unit names and that stand in the repository: they win over
    /// its own, and a later file over an earlier one.
    fn environment_files(&mut self, unit: FileId, section: &Section, container: &mut Container) {
        for node in section.all("EnvironmentFile") {
            let Some(path) = node.text() else { continue };
            let path = path.trim_start_matches('-').trim_matches(['"', '\'', '/']).to_string();
            let name = path.rsplit('/').next().unwrap_or(&path);
            let ends = |own: &str| own == path || own.ends_with(&format!("/{path}"));
            let beside = crate::picture::files::joined(&self.folder(unit), name);
            let mut alike = self.picture.files.iter().filter(|(_, file)| ends(&file.path));
            let same = alike.next().filter(|_| alike.next().is_none()).map(|(id, _)| id);
            let Some(id) = same.or_else(|| self.index.get(&beside).copied()) else { continue };
            self.used.insert(id);
            for (name, mut value) in
                super::compose::assignments(&self.picture.files.get(id).text, id)
            {
                let weaker = container.env.remove(&name);
                value.overrode.extend(
                    weaker.map(|lost| Overrode {
                        value: "set in the unit".into(),
                        origin: lost.origin,
                    }),
                );
                container.env.insert(name, value);
            }
        }
    }

    /// The service of a process. Where an image is built of the same folder, that is what is
    /// deployed: the process is told of and not judged.
    fn process(
        &mut self,
        id: FileId,
        name: &str,
        mut container: Container,
        reached: Vec<crate::picture::follow::Reached>,
    ) {
        let folder = self.folder(id);
        let mut reader = Reader::new(&self.picture.files, &self.index, None).beside(folder.clone());
        let programs = reached.into_iter().map(|reached| reader.program(reached));
        let mut programs: Vec<Program> =
            programs.filter(|program| program.runtime != Runtime::Other).collect();
        self.used.extend(reader.used);
        if programs.is_empty() {
            return;
        }
        for program in &mut programs {
            program.sources = self.sources(&folder, program.runtime);
            program.folder = Some(folder.clone());
        }
        let built = self.ids().into_iter().any(|other| {
            self.folder(other) == folder && super::images::is_dockerfile(&self.name(other))
        });
        let purpose = match self.purpose(id) {
            Purpose::Production if built => Purpose::Template,
            purpose => purpose,
        };
        container.programs = programs;
        self.picture.services.push(Service {
            name: name.into(),
            purpose,
            deployment: Deployment::Process,
            place: container.place.clone(),
            task: Task::default(),
            containers: vec![container],
        });
    }
}

/// How systemd stops it.
fn supervised(section: &Section, name: &str, place: Place) -> Link {
    let at = |node: &Node| Place::new(FileId(node.span.file), node.span.range.clone());
    let wait = section.get("TimeoutStopSec").or(section.get("TimeoutSec")).and_then(|node| {
        let found = values::typed(Kind::Seconds, &node.text()?, at(node));
        let seconds = found.get().and_then(Datum::number)?;
        Some(Found::at(seconds, at(node)))
    });
    let stop_signal =
        section.get("KillSignal").and_then(|node| Some(Found::at(node.text()?, at(node))));
    let supervision = Supervision {
        supervisor: "systemd".into(),
        program: name.into(),
        place: place.clone(),
        processes: None,
        stop_wait: wait.unwrap_or_else(|| Found::default(SYSTEMD_STOP, "systemd")),
        stop_signal,
    };
    Link { kind: LinkKind::Supervisor(Box::new(supervision)), place }
}

/// What a unit says of its process's surroundings.
fn limits(section: &Section, container: &mut Container) {
    let place = |node: &Node| Place::new(FileId(node.span.file), node.span.range.clone());
    for node in section.all("Environment") {
        let Some(inner) = node.inner() else { continue };
        for word in shell::statements(&inner).iter().flat_map(|statement| &statement.words) {
            if let Some((name, value)) = word.text.split_once('=') {
                let at = Place::new(FileId(node.span.file), word.range.clone());
                container.env.insert(name.into(), Found::at(value.into(), at));
            }
        }
        // `A=1 B=2` before a command are assignments to a shell.
        for (name, word) in shell::statements(&inner).iter().flat_map(|s| &s.assignments) {
            let at = Place::new(FileId(node.span.file), word.range.clone());
            container.env.insert(name.clone(), Found::at(word.text.clone(), at));
        }
    }
    container.nofile = section.get("LimitNOFILE").and_then(|node| {
        let text = node.text()?;
        let (soft, hard) = text.split_once(':').unwrap_or((&text, &text));
        let nofile = Nofile { soft: soft.trim().parse().ok()?, hard: hard.trim().parse().ok()? };
        Some(Found::at(nofile, place(node)))
    });
    container.memory = section.get("MemoryMax").and_then(|node| {
        let bytes = node.text()?.parse::<knee_core::Bytes>().ok()?;
        Some(Found::at(bytes.0, place(node)))
    });
}

/// A program's word without what systemd reads before it: `-/usr/bin/node`.
fn bare(word: &Word) -> Word {
    let text = word.text.trim_start_matches(['@', '-', ':', '+', '!']);
    let skipped = word.text.len() - text.len();
    let range = (word.range.start + skipped).min(word.range.end)..word.range.end;
    Word { text: text.into(), range, ..word.clone() }
}
