//! What an image is made of: a Dockerfile's last stage, and where its files lie in the repository.

use super::files::{FileId, Files, Place, joined};
use super::found::Found;
use super::service::Image;
use super::written::Written;
use knee_files::formats::dockerfile::{self, Dockerfile};
use knee_files::formats::expand::expand;
use knee_files::formats::{CommandText, FormatError};
use std::collections::{BTreeMap, HashMap};

/// A Dockerfile that was understood.
pub(super) struct Built {
    pub file: FileId,
    pub image: Image,
    pub env: BTreeMap<String, Found<String>>,
    pub entrypoint: Option<CommandText>,
    pub cmd: Option<CommandText>,
    pub stop_signal: Option<Found<String>>,
    /// What EXPOSE says.
    pub port: Option<Found<u16>>,
    /// Bytes of each RUN.
    pub runs: Vec<Place>,
    pub workdir: String,
    /// Files that the Dockerfile writes itself: path in the image, text. See [`super::written`].
    pub writes: Vec<(String, String)>,
    /// The same as files that can be read, while the image is looked at.
    pub written: Vec<(String, FileId)>,
    copies: Vec<dockerfile::Copy>,
    /// What other stages copy, by the names that this one takes files from.
    stages: BTreeMap<String, Vec<dockerfile::Copy>>,
    contexts: Vec<String>,
}

/// Reads a Dockerfile; `stage` and `context` are what a compose file says of them.
pub(super) fn build(
    files: &Files,
    file: FileId,
    stage: Option<&str>,
    context: Option<&str>,
) -> Result<Built, FormatError> {
    let source = files.get(file);
    let readable = dockerfile::readable(&source.text);
    let parsed = Dockerfile::parse(&readable)?;
    let last = production_stage(&parsed);
    let mut read = parsed.image(stage.or(last.as_deref()));
    read.copies.iter_mut().for_each(in_php);
    let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
    let mut contexts: Vec<String> = context.into_iter().map(String::from).collect();
    let ancestors = std::iter::successors(Some(folder), |f| f.rsplit_once('/').map(|(up, _)| up));
    contexts.extend(ancestors.map(String::from));
    contexts.push(String::new());
    contexts.dedup();
    let at = |range: std::ops::Range<usize>| Place::new(file, range);
    let env = read.env.iter().map(|(name, entry)| {
        (name.clone(), Found::at(entry.value.clone(), at(entry.word.range.clone())))
    });
    let env: BTreeMap<_, _> = env.collect();
    let mut stages = BTreeMap::new();
    let mut todo: Vec<String> = read.copies.iter().filter_map(|copy| copy.from.clone()).collect();
    while let Some(name) = todo.pop() {
        if parsed.has_stage(&name) && !stages.contains_key(&name) {
            let mut copies = parsed.image(Some(&name)).copies;
            copies.iter_mut().for_each(in_php);
            todo.extend(copies.iter().filter_map(|copy| copy.from.clone()));
            stages.insert(name, copies);
        }
    }
    if context.is_none() {
        let likely = likely_context(files, &read.copies, &stages, &contexts);
        let likely = contexts.remove(likely);
        contexts.insert(0, likely);
    }
    let workdir = read.workdir.as_ref().map_or("/".into(), |(dir, _)| dir.clone());
    let writes = writes(&source.text, &read, &workdir);
    let own = application(files, &read.copies, &workdir, &contexts[0]);
    Ok(Built {
        file,
        image: Image {
            base: Some(Found::at(read.base.clone(), at(read.from.clone()))),
            dockerfile: Some(file),
            stage: Some(at(read.stage.clone())),
            context: own,
            copies_code: copies_code(files, &read.copies, &stages, &contexts),
            volumes: read
                .volumes
                .iter()
                .map(|(v, r)| Found::at(v.clone(), at(r.clone())))
                .collect(),
            runs: read.runs.iter().cloned().map(at).collect(),
        },
        env,
        entrypoint: read.entrypoint,
        cmd: read.cmd,
        stop_signal: read.stop_signal.map(|(signal, range)| Found::at(signal, at(range))),
        port: read.expose.map(|(port, line)| {
            let before = source.text.split_inclusive('\n').take(line.saturating_sub(1) as usize);
            let start: usize = before.map(str::len).sum();
            let end = source.text[start..].find('\n').map_or(source.text.len(), |n| start + n);
            Found::at(port, at(start..end))
        }),
        runs: read.runs.into_iter().map(at).collect(),
        workdir,
        writes,
        written: Vec::new(),
        copies: read.copies,
        stages,
        contexts,
    })
}

/// Where PHP's images keep their settings: <https://hub.docker.com/_/php>.
const PHP_INI_DIR: &str = "/usr/local/etc/php";

/// A destination that names the folder of PHP's settings by the variable of the image it builds on.
fn in_php(copy: &mut dockerfile::Copy) {
    for variable in ["${PHP_INI_DIR}", "$PHP_INI_DIR"] {
        if let Some((_, rest)) = copy.dest.split_once(variable) {
            copy.dest = format!("{PHP_INI_DIR}{rest}");
        }
    }
}

/// The files that the instructions of a Dockerfile write. Directives of php.ini that a RUN writes are
/// read where they stand.
fn writes(text: &str, read: &dockerfile::Image, workdir: &str) -> Vec<(String, String)> {
    let mut written = Written::default();
    for run in &read.runs {
        // Behind the word RUN.
        written.run(text, run.start + 3..run.end);
    }
    let ini = |path: &str| path.ends_with(".ini") && path.contains("php");
    let mut files: Vec<(String, String)> =
        written.files(text).filter(|(path, _)| !ini(path)).map(|(p, t)| (p.into(), t)).collect();
    let mut documents = Written::default();
    for (path, range) in &read.documents {
        documents.document(path.clone(), range.clone());
    }
    files.extend(documents.files(text).map(|(path, text)| (path.into(), text)));
    let variable = |name: &str| {
        let own = read.env.iter().find(|(own, _)| own == name);
        own.map(|(_, entry)| entry.value.clone())
            .or_else(|| (name == "PHP_INI_DIR").then(|| PHP_INI_DIR.into()))
    };
    let place = |path: &str| dockerfile::absolute(workdir, &expand(path, &variable));
    files.into_iter().map(|(path, text)| (place(&path), text)).collect()
}

/// Whether an image, or a stage that it takes files from, has more than single files of settings
/// copied into it.
fn copies_code(
    files: &Files,
    copies: &[dockerfile::Copy],
    stages: &BTreeMap<String, Vec<dockerfile::Copy>>,
    contexts: &[String],
) -> bool {
    let own = copies.iter().chain(stages.values().flatten()).filter(|copy| copy.from.is_none());
    own.flat_map(|copy| &copy.sources).any(|source| {
        let source = source.trim_start_matches("./").trim_matches('/');
        let packed = [".tar.gz", ".tgz", ".tar", ".zip"].iter().any(|end| source.ends_with(end));
        if matches!(source, "" | "." | "*") || is_code(source) || packed || source.contains('$') {
            return true;
        }
        contexts.iter().any(|context| {
            below(files, &joined(context, source.trim_end_matches('*'))).any(|path| is_code(path))
        })
    })
}

/// Whether a file is code, by its name.
fn is_code(path: &str) -> bool {
    [".py", ".js", ".mjs", ".cjs", ".ts", ".tsx", ".php", ".go", ".rb", ".jar"]
        .iter()
        .any(|end| path.ends_with(end))
}

/// The files below a folder; the root's is an empty name.
fn below<'f>(files: &'f Files, folder: &str) -> impl Iterator<Item = &'f String> {
    let folder = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let from = files.all.partition_point(|path| **path < *folder);
    files.all[from..].iter().take_while(move |path| path.starts_with(&folder))
}

/// Which folder is likely built from where nothing says it: the first that holds most of what is
/// copied, else the first with code in it.
fn likely_context(
    files: &Files,
    copies: &[dockerfile::Copy],
    stages: &BTreeMap<String, Vec<dockerfile::Copy>>,
    contexts: &[String],
) -> usize {
    let own = copies.iter().chain(stages.values().flatten()).filter(|copy| copy.from.is_none());
    let sources: Vec<&str> = own
        .flat_map(|copy| &copy.sources)
        .map(|source| source.trim_start_matches("./").trim_matches('/'))
        .filter(|source| !source.is_empty() && *source != "." && !source.contains(['*', '$']))
        .collect();
    let holds = |context: &String| {
        let there = |source: &&&str| {
            let path = joined(context, source);
            files.all.binary_search(&path).is_ok() || below(files, &path).next().is_some()
        };
        sources.iter().filter(there).count()
    };
    let held: Vec<usize> = contexts.iter().map(holds).collect();
    match held.iter().max() {
        Some(most) if *most > 0 => held.iter().position(|n| n == most).unwrap_or(0),
        _ => {
            let code = |context: &String| below(files, context).any(|path| is_code(path));
            contexts.iter().position(code).unwrap_or(0)
        }
    }
}

/// The folder of the application: the one folder that is copied to where the image works, else all
/// that is built from.
fn application(files: &Files, copies: &[dockerfile::Copy], workdir: &str, context: &str) -> String {
    let to_workdir = copies.iter().filter(|copy| {
        copy.from.is_none() && copy.dest.trim_end_matches('/') == workdir.trim_end_matches('/')
    });
    let folders: Vec<String> = to_workdir
        .flat_map(|copy| &copy.sources)
        .map(|source| joined(context, source.trim_start_matches("./").trim_matches('/')))
        .filter(|path| path == context || below(files, path).any(|path| is_code(path)))
        .collect();
    match &folders[..] {
        [only] => only.clone(),
        _ => context.into(),
    }
}

/// The stage that is deployed where nothing says which: the last one, but for those that its name
/// gives to development or tests.
fn production_stage(file: &Dockerfile<'_>) -> Option<String> {
    let names = file.stage_names();
    let last = names.last()?.as_deref()?;
    if !development(last) {
        return None;
    }
    let others = names.iter().rev().flatten().filter(|name| !development(name));
    let starts = |name: &&String| {
        let image = file.image(Some(name));
        image.cmd.is_some() || image.entrypoint.is_some()
    };
    let starting = others.clone().into_iter().find(starts);
    // What the image below starts is started in any of them.
    starting.or(others.into_iter().next()).cloned()
}

/// Whether a stage is for development or tests, by its name.
pub(super) fn development(name: &str) -> bool {
    name.split(['-', '_', '.']).any(|word| {
        let dev = word.starts_with("dev") && !word.starts_with("devi");
        dev || matches!(word, "test" | "tests" | "testing" | "debug" | "local" | "ci" | "lint")
    })
}

/// Stages beside the one that is deployed where nothing says which: those that start something of
/// their own, and that no other stage is made from. One Dockerfile may make several images.
pub(super) fn other_stages(files: &Files, file: FileId) -> Vec<String> {
    let readable = dockerfile::readable(&files.get(file).text);
    let Ok(parsed) = Dockerfile::parse(&readable) else { return Vec::new() };
    let (names, taken) = (parsed.stage_names(), parsed.taken());
    let chosen = production_stage(&parsed).or_else(|| names.last()?.clone());
    let alone = |(at, name): &(usize, &String)| {
        let by = |other: &String| other.eq_ignore_ascii_case(name) || *other == at.to_string();
        Some(*name) != chosen.as_ref() && !taken.iter().any(by) && !development(name)
    };
    let named = names.iter().enumerate().filter_map(|(at, name)| Some((at, name.as_ref()?)));
    let alone = named.filter(alone).map(|(_, name)| name);
    alone.filter(|name| parsed.image(Some(name)).starts()).cloned().collect()
}

impl Built {
    /// Folders that may be the build's context, the likeliest first: the stated one, the
    /// Dockerfile's own, and those around it.
    pub fn contexts(&self) -> &[String] {
        &self.contexts
    }

    /// The file of the repository that is seen at a path of the image.
    pub fn at(&self, index: &HashMap<String, FileId>, path: &str) -> Option<FileId> {
        let path = dockerfile::absolute(&self.workdir, path);
        if let Some((_, id)) = self.written.iter().rev().find(|(own, _)| *own == path) {
            return Some(*id);
        }
        self.within(index, &self.copies, &path, 0)
    }

    /// The same by what these instructions copy, those of other stages followed.
    fn within(
        &self,
        index: &HashMap<String, FileId>,
        copies: &[dockerfile::Copy],
        path: &str,
        depth: usize,
    ) -> Option<FileId> {
        copies.iter().rev().find_map(|copy| {
            copy.sources.iter().find_map(|source| match &copy.from {
                None => self.copied(index, copy, source, path),
                Some(stage) if depth < 4 => {
                    let rest = path.strip_prefix(copy.dest.trim_end_matches('/'))?;
                    let base = source.rsplit('/').next().unwrap_or(source);
                    let source = source.trim_end_matches('/');
                    // A file lands below a folder by its name, a folder's content directly.
                    let file = rest.trim_start_matches('/') == base;
                    let there = if file { source.into() } else { format!("{source}{rest}") };
                    let copies = self.stages.get(stage)?;
                    self.within(index, copies, &there, depth + 1)
                }
                Some(_) => None,
            })
        })
    }

    fn copied(
        &self,
        index: &HashMap<String, FileId>,
        copy: &dockerfile::Copy,
        source: &str,
        path: &str,
    ) -> Option<FileId> {
        let source = source.trim_start_matches("./").trim_matches('/');
        let source = if source == "." { "" } else { source };
        let base = source.rsplit('/').next().unwrap_or(source);
        let dest = copy.dest.trim_end_matches('/');
        let rest = path.strip_prefix(dest)?;
        let inside =
            if rest.is_empty() { String::new() } else { rest.strip_prefix('/')?.to_string() };
        let mut candidates = vec![joined(source, &inside)];
        if inside == base {
            candidates.push(source.to_string());
        }
        // `COPY conf.d/*.conf /etc/`: the same name beside the pattern.
        if base.contains('*') && !inside.contains('/') {
            let folder = source.rsplit_once('/').map_or("", |(folder, _)| folder);
            candidates.push(joined(folder, &inside));
        }
        self.contexts.iter().find_map(|context| {
            candidates.iter().find_map(|candidate| index.get(&joined(context, candidate)).copied())
        })
    }

    /// Whether something is put below a folder of the image.
    pub fn fills(&self, folder: &str) -> bool {
        self.copies.iter().any(|copy| copy.dest.starts_with(folder))
    }

    /// What a stage copied from the build context into a folder that this one takes over.
    fn handed_on(&self) -> Vec<dockerfile::Copy> {
        let mut handed = Vec::new();
        for copy in self.copies.iter().filter(|copy| copy.sources.len() == 1) {
            let stage = copy.from.as_ref().and_then(|stage| self.stages.get(stage));
            for first in stage.into_iter().flatten().filter(|first| first.from.is_none()) {
                let source = copy.sources[0].trim_end_matches('/');
                if let Some(rest) = first.dest.strip_prefix(source).filter(|r| r.starts_with('/')) {
                    let dest = format!("{}{rest}", copy.dest.trim_end_matches('/'));
                    handed.push(dockerfile::Copy { from: None, dest, ..first.clone() });
                }
            }
        }
        handed
    }

    /// Files of the repository that are copied below a path of the image, or to it.
    pub fn below(
        &self,
        files: &Files,
        index: &HashMap<String, FileId>,
        folder: &str,
    ) -> Vec<(String, FileId)> {
        let mut found = Vec::new();
        let handed = self.handed_on();
        for copy in self.copies.iter().filter(|copy| copy.from.is_none()).chain(&handed) {
            for source in &copy.sources {
                let source = source.trim_start_matches("./").trim_matches('/');
                let name = source.rsplit('/').next().unwrap_or(source);
                let to = match copy.dest.ends_with('/') {
                    true => format!("{}{name}", copy.dest),
                    false => copy.dest.clone(),
                };
                if !to.starts_with(folder) && !copy.dest.starts_with(folder) {
                    continue;
                }
                for context in &self.contexts {
                    let whole = joined(context, source);
                    if let Some(id) = index.get(&whole) {
                        found.push((to.clone(), *id));
                        break;
                    }
                    let (lead, pattern) = whole.rsplit_once('*').unwrap_or((&whole, ""));
                    let lead = if pattern.is_empty() && !whole.contains('*') {
                        format!("{whole}/")
                    } else {
                        lead.into()
                    };
                    let inside: Vec<_> = files
                        .iter()
                        .filter(|(_, f)| {
                            !lead.is_empty()
                                && lead != "/"
                                && f.path.starts_with(&lead)
                                && f.path.ends_with(pattern)
                        })
                        .map(|(id, f)| {
                            (
                                format!(
                                    "{}/{}",
                                    copy.dest.trim_end_matches('/'),
                                    f.path.rsplit('/').next().unwrap_or("")
                                ),
                                id,
                            )
                        })
                        .take(50)
                        .collect();
                    if !inside.is_empty() {
                        found.extend(inside);
                        break;
                    }
                }
            }
        }
        found.extend(self.written.iter().filter(|(to, _)| to.starts_with(folder)).cloned());
        found
    }
}
