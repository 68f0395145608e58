//! A program that is started, with everything in which its settings may stand: its words, the
//! variables set on the way to it, its configuration files. Finds entries and rewrites them.

use crate::command::{self, Command, Follower, Home, Homed, Rewrite, recognised, seen_home};
use crate::error::FilesError;
use crate::formats::argv::{self, Found};
use crate::formats::ini::Ini;
use crate::formats::nginx::Nginx;
use crate::formats::word::Word;
use crate::formats::{Entry, FormatError, ecosystem, python};
use crate::program::{self, Files};
use crate::text::Edit;
use crate::view::{Seen, View};
use knee_core::runtimes::{Along, Runtime};
use knee_core::service::Place;
use knee_core::settings::Site;
use std::path::{Path, PathBuf};

/// Configuration files that include each other are followed no deeper than this.
const DEEPEST: usize = 8;

/// A program that is started.
#[derive(Clone)]
pub(crate) struct Located {
    /// None for a program that knee does not know.
    pub runtime: Option<&'static Runtime>,
    /// What it was recognised by, for people.
    pub reason: String,
    pub command: Command,
    /// Index of the program's word.
    pub at: usize,
    /// Variables that the commands before it and its own set; the last of a name counts.
    pub assigned: Vec<(String, Homed)>,
    /// Its configuration files in the order in which it reads them, the first one first.
    pub config: Vec<ConfigText>,
}

/// A configuration file.
#[derive(Clone, Debug)]
pub(crate) struct ConfigText {
    pub seen: Seen,
    /// The block that includes it, `main` at the top.
    pub top: String,
}

/// What a configuration file is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Python,
    Ini,
    Nginx,
    /// JavaScript or JSON.
    Ecosystem,
}

/// The programs that knee knows among a container's commands; without any, the last command.
pub(crate) fn locate(
    follower: &Follower<'_>,
    commands: Vec<Command>,
    file: Files<'_>,
) -> Result<Vec<Located>, FilesError> {
    let commands = follower.follow(commands)?;
    let known = recognised(&commands, file);
    let mut found = Vec::new();
    for (index, recognised) in &known {
        let command = commands[*index].clone();
        let argv = command.argv();
        let config = Tree { view: &follower.view, format: format_of(recognised.runtime) };
        let config = config.read(recognised.runtime, &argv[recognised.at..], follower.workdir)?;
        found.push(Located {
            runtime: Some(recognised.runtime),
            reason: recognised.reason.clone(),
            assigned: assigned(&commands[..*index], &command),
            at: recognised.at,
            command,
            config,
        });
    }
    if found.is_empty()
        && let Some(index) = commands
            .iter()
            .rposition(serves)
            .or_else(|| commands.iter().rposition(|c| !c.words.is_empty()))
    {
        let command = commands[index].clone();
        let argv = command.argv();
        let at = program::program(&argv);
        found.push(Located {
            runtime: None,
            reason: match program::of_queue(&argv) {
                Some(runtime) => {
                    format!("a {} worker, which no verb but knee run knows", runtime.title)
                }
                None => format!("knee does not know `{}`", program::base(&argv[at])),
            },
            assigned: assigned(&commands[..index], &command),
            at,
            command,
            config: Vec::new(),
        });
    }
    Ok(found)
}

/// Whether a command can be what serves: neither a word of the shell's grammar nor a small tool.
fn serves(command: &Command) -> bool {
    let argv = command.argv();
    !argv.is_empty() && !program::is_builtin(&argv[program::program(&argv)])
}

fn assigned(before: &[Command], command: &Command) -> Vec<(String, Homed)> {
    let exported = before.iter().flat_map(Command::exports);
    exported.chain(command.assignments.iter().cloned()).collect()
}

impl Located {
    /// Whether an option may be written behind the program.
    pub fn takes_flags(&self) -> bool {
        let argv = self.command.argv();
        let program = program::base(&argv[self.at]);
        // What stands behind Python's own name is Python's.
        !program::RUNNERS.contains(&program) && !program.starts_with("python")
    }

    /// The option among the program's words; the index is that of the word which holds the value.
    pub fn flag(&self, long: &str, short: Option<&str>) -> Option<(&Homed, Found)> {
        let argv = self.command.argv();
        let found = argv::find(&argv[self.at..], long, short)?;
        let found = Found { index: found.index + self.at, ..found };
        Some((&self.command.words[found.index], found))
    }

    /// The variable as the commands set it.
    pub fn variable(&self, name: &str) -> Option<&Homed> {
        self.assigned.iter().rev().find(|(n, _)| n == name).map(|(_, word)| word)
    }

    /// The entry at a site of the configuration files, with its file.
    pub fn configured(&self, site: &Site) -> Result<Option<(&ConfigText, Entry)>, FilesError> {
        let pool = self.pool()?;
        // The last of php-fpm's files wins; nginx refuses a second directive, Python has one file.
        for file in self.config.iter().rev() {
            let entry = match site {
                Site::PythonAssignment { name } => python::find(&file.seen.text, name),
                Site::Property { key } => ecosystem::find(&file.seen.text, key),
                Site::Ini { key } => {
                    let ini = Ini::parse(&file.seen.text).map_err(file.broken())?;
                    ini.find(pool.as_deref(), key).cloned()
                }
                Site::Directive { context, name } => {
                    let nginx = Nginx::parse(&file.seen.text, &file.top).map_err(file.broken())?;
                    nginx.find(context, name)
                }
                _ => None,
            };
            if let Some(entry) = entry {
                return Ok(Some((file, entry)));
            }
        }
        Ok(None)
    }

    /// The file into which a new entry goes at a site of the configuration files, the user's own
    /// first; None where no file has the section or block that it belongs in.
    pub fn place_of_new(&self, site: &Site) -> Result<Option<&ConfigText>, FilesError> {
        let mut fitting = Vec::new();
        for file in &self.config {
            let fits = match site {
                Site::PythonAssignment { .. } => true,
                Site::Ini { .. } => {
                    let pool = self.pool()?;
                    let ini = Ini::parse(&file.seen.text).map_err(file.broken())?;
                    ini.sections().any(|(name, _)| Some(name) == pool.as_deref())
                }
                Site::Directive { context, name } => {
                    let nginx = Nginx::parse(&file.seen.text, &file.top).map_err(file.broken())?;
                    !nginx.set(context, name, "1").is_empty()
                }
                _ => false,
            };
            if fits {
                fitting.push(file);
            }
        }
        let own = fitting.iter().rposition(|file| file.seen.own.is_some());
        Ok(own.map(|at| fitting[at]).or(fitting.last().copied()))
    }

    /// The pool of php-fpm that is meant: the first that the files name.
    fn pool(&self) -> Result<Option<String>, FilesError> {
        for file in self.config.iter().filter(|_| self.format() == Some(Format::Ini)) {
            let ini = Ini::parse(&file.seen.text).map_err(file.broken())?;
            let mut pools = ini.sections().map(|(name, _)| name).filter(|name| *name != "global");
            if let Some(pool) = pools.next() {
                return Ok(Some(pool.into()));
            }
        }
        Ok(None)
    }

    fn format(&self) -> Option<Format> {
        format_of(self.runtime?)
    }

    /// The rewrites that give a site of the configuration files a value, in the file that the
    /// place names; a pool's may be one that is not there yet. Empty where nothing can be written
    /// there.
    pub fn configure(
        &self,
        place: &Place,
        value: &str,
        along: &[&Along],
        text: &dyn Fn(&Home) -> Option<String>,
    ) -> Result<Vec<Rewrite>, FilesError> {
        let Some(seen_at) = &place.seen_at else { return Ok(Vec::new()) };
        let Some(file) = self.config.iter().find(|file| file.seen.at == *seen_at) else {
            return self.configure_new(place, seen_at, value, text);
        };
        let text = &file.seen.text;
        let edits = match &place.site {
            Site::PythonAssignment { name } => vec![python::set(text, name, value)],
            Site::Ini { key } => {
                let pool = self.pool()?;
                let ini = Ini::parse(text).map_err(file.broken())?;
                vec![ini.set(pool.as_deref(), key, value)]
            }
            Site::Directive { context, name } => {
                Nginx::parse(text, &file.top).map_err(file.broken())?.set(context, name, value)
            }
            Site::Property { key } => {
                ecosystem::find(text, key).map(|entry| entry.set(text, value)).into_iter().collect()
            }
            _ => Vec::new(),
        };
        let mut rewrites: Vec<Rewrite> = edits.into_iter().map(|e| file.rewrite(e)).collect();
        if !rewrites.is_empty() {
            rewrites.extend(self.accompany(along)?);
        }
        Ok(rewrites)
    }

    fn configure_new(
        &self,
        place: &Place,
        seen_at: &Path,
        value: &str,
        text: &dyn Fn(&Home) -> Option<String>,
    ) -> Result<Vec<Rewrite>, FilesError> {
        let (Site::Ini { key }, Some(pool)) = (&place.site, self.pool()?) else {
            return Ok(Vec::new());
        };
        let home = Home::Seen { at: seen_at.into(), own: place.file.clone() };
        let text = text(&home).unwrap_or_default();
        let ini = Ini::parse(&text).map_err(FilesError::format(seen_at))?;
        Ok(vec![Rewrite::Text(home, ini.set(Some(&pool), key, value))])
    }

    /// The folder from which a pool's files are included, if the program has one.
    pub fn folder_of_pools(&self) -> Option<&Path> {
        let included = self.config.get(1..)?.last()?;
        let pools = self.format() == Some(Format::Ini);
        included.seen.at.parent().filter(|_| pools)
    }

    fn accompany(&self, along: &[&Along]) -> Result<Vec<Rewrite>, FilesError> {
        let mut upstreams = Vec::new();
        let mut parsed = Vec::new();
        for file in self.config.iter().filter(|_| !along.is_empty()) {
            let nginx = Nginx::parse(&file.seen.text, &file.top).map_err(file.broken())?;
            upstreams.extend(nginx.upstreams());
            parsed.push((file, nginx));
        }
        let edits = parsed.iter().flat_map(|(file, nginx)| {
            let beside = |a: &&Along| nginx.accompany(a.beside, &upstreams, a.directive);
            along.iter().flat_map(beside).map(|edit| file.rewrite(edit)).collect::<Vec<_>>()
        });
        Ok(edits.collect())
    }

    /// The rewrites that lead nginx's logs of a directive to standard error, where they go to a file.
    pub fn heard(&self, directive: &str) -> Result<Vec<Rewrite>, FilesError> {
        let mut rewrites = Vec::new();
        let mut stated = false;
        for file in self.config.iter().filter(|_| self.format() == Some(Format::Nginx)) {
            let text = &file.seen.text;
            let nginx = Nginx::parse(text, &file.top).map_err(file.broken())?;
            stated |= nginx.find("main", directive).is_some();
            let named = nginx.anywhere(directive).filter_map(|d| d.args.first());
            let elsewhere = |word: &&Word| {
                let kinds = ["stderr", "syslog:", "memory:", "/dev/"];
                !kinds.iter().any(|kind| word.text.starts_with(kind))
            };
            let led = named.filter(elsewhere).map(|word| word.replace(text, "stderr"));
            rewrites.extend(led.map(|edit| file.rewrite(edit)));
        }
        if let Some(first) = self.config.first().filter(|_| !stated)
            && self.format() == Some(Format::Nginx)
        {
            let nginx = Nginx::parse(&first.seen.text, &first.top).map_err(first.broken())?;
            let edits = nginx.set("main", directive, "stderr");
            rewrites.extend(edits.into_iter().map(|edit| first.rewrite(edit)));
        }
        Ok(rewrites)
    }

    /// Whether requests are passed on to an upstream that a configuration file defines.
    pub fn has_upstream(&self) -> Result<bool, FilesError> {
        for file in self.config.iter().filter(|_| self.format() == Some(Format::Nginx)) {
            let nginx = Nginx::parse(&file.seen.text, &file.top).map_err(file.broken())?;
            if nginx.upstreams().next().is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// How the option is turned: where it stands, else behind its kin or the program.
    pub fn turn(
        &self,
        names: (&str, Option<&str>),
        value: &str,
        kin: &[(&str, Option<&str>)],
        text: &dyn Fn(&Home) -> Option<String>,
    ) -> Option<Rewrite> {
        let behind = kin.iter().filter_map(|(long, short)| Some(self.flag(long, *short)?.1.index));
        let behind = behind.max().unwrap_or_else(|| {
            program::options_behind(self.runtime, &self.command.argv(), self.at)
        });
        command::turn(&self.command, self.at, names, value, behind, text)
    }
}

impl ConfigText {
    fn broken(&self) -> impl FnOnce(FormatError) -> FilesError + use<> {
        FilesError::format(self.seen.shown())
    }

    fn rewrite(&self, edit: Edit) -> Rewrite {
        Rewrite::Text(seen_home(&self.seen), edit)
    }
}

fn format_of(runtime: &Runtime) -> Option<Format> {
    let sites = (runtime.knobs)().into_iter().flat_map(|knob| knob.sites);
    sites.into_iter().find_map(|site| match site {
        Site::PythonAssignment { .. } => Some(Format::Python),
        Site::Ini { .. } => Some(Format::Ini),
        Site::Directive { .. } => Some(Format::Nginx),
        Site::Property { .. } => Some(Format::Ecosystem),
        _ => None,
    })
}

/// Reads configuration files with those that they include.
struct Tree<'a> {
    view: &'a View<'a>,
    format: Option<Format>,
}

impl Tree<'_> {
    fn read(
        &self,
        runtime: &Runtime,
        argv: &[String],
        workdir: &Path,
    ) -> Result<Vec<ConfigText>, FilesError> {
        let (Some(config), Some(_)) = (&runtime.config, self.format) else { return Ok(Vec::new()) };
        let named = config.flag.and_then(|(long, short)| argv::find(argv, long, short));
        let paths = match named.map(|found| found.value) {
            Some(path) => vec![path.strip_prefix("file:").unwrap_or(&path).to_string()],
            None => (config.default)(argv),
        };
        for path in paths {
            if let Some(seen) = self.view.read(&workdir.join(path))? {
                let mut found = Vec::new();
                let folder = seen.at.parent().unwrap_or(Path::new("/")).to_path_buf();
                let first = ConfigText { seen, top: "main".into() };
                self.include(first, &folder, 0, &mut found)?;
                return Ok(found);
            }
        }
        Ok(Vec::new())
    }

    fn include(
        &self,
        file: ConfigText,
        folder: &Path,
        depth: usize,
        found: &mut Vec<ConfigText>,
    ) -> Result<(), FilesError> {
        if depth > DEEPEST || found.iter().any(|known| known.seen.at == file.seen.at) {
            return Ok(());
        }
        let included: Vec<(String, String)> = match self.format {
            Some(Format::Ini) => {
                let ini = Ini::parse(&file.seen.text).map_err(file.broken())?;
                ini.includes().map(|entry| ("main".into(), entry.value.clone())).collect()
            }
            Some(Format::Nginx) => {
                let nginx = Nginx::parse(&file.seen.text, &file.top).map_err(file.broken())?;
                nginx.includes().map(|(top, word)| (top.to_string(), word.text.clone())).collect()
            }
            _ => Vec::new(),
        };
        found.push(file);
        for (top, pattern) in included {
            for seen in self.matching(folder, &pattern)? {
                self.include(ConfigText { seen, top: top.clone() }, folder, depth + 1, found)?;
            }
        }
        Ok(())
    }

    /// nginx takes a relative pattern from the folder of its first file, php-fpm from its prefix,
    /// two above.
    fn matching(&self, folder: &Path, pattern: &str) -> Result<Vec<Seen>, FilesError> {
        let base: PathBuf = match self.format {
            Some(Format::Ini) => folder.parent().unwrap_or(folder).into(),
            _ => folder.into(),
        };
        self.view.glob(&base.join(pattern))
    }
}
