//! Dockerfile: what the last stage, or a named one, says about the image. Heredocs, parser
//! directives and continued lines as BuildKit reads them.

use super::word::{Coat, Dress, Inner, Word};
use super::{CommandText, Entry, FormatError, expand::expand, shell};
use crate::text::{Edit, Position, line, newline};
use parse_dockerfile as parse;
use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

/// What a Dockerfile says about one stage's image, what it builds on included.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// The image that the first of its stages builds on, with its tag.
    pub base: String,
    pub entrypoint: Option<CommandText>,
    pub cmd: Option<CommandText>,
    /// Environment by ENV, in order.
    pub env: Vec<(String, Entry)>,
    /// Absolute, with its line.
    pub workdir: Option<(String, u32)>,
    pub copies: Vec<Copy>,
    pub expose: Option<(u16, u32)>,
    /// Bytes of the base's name, and of the FROM that begins the last stage.
    pub from: Range<usize>,
    pub stage: Range<usize>,
    pub stop_signal: Option<(String, Range<usize>)>,
    pub volumes: Vec<(String, Range<usize>)>,
    /// Bytes of each RUN.
    pub runs: Vec<Range<usize>>,
    /// Files that stand in the Dockerfile itself (`COPY <<EOF FILE`): path, bytes of the content.
    pub documents: Vec<(String, Range<usize>)>,
    /// Words of the health check's command, with its line.
    pub health: Option<(String, u32)>,
    /// Start of the first CMD or ENTRYPOINT of the stage's own: an ENV is inserted before.
    insert: Option<usize>,
}

impl Image {
    /// Whether the last of its stages says itself what is started.
    pub fn starts(&self) -> bool {
        self.insert.is_some()
    }
}

/// One COPY or ADD of files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copy {
    /// The stage or image that it copies from; None for the build context.
    pub from: Option<String>,
    pub sources: Vec<String>,
    /// Absolute; ends with `/` where it names a folder.
    pub dest: String,
    pub line: u32,
}

/// A Dockerfile that was understood.
pub struct Dockerfile<'a> {
    /// The whole text; spans of the parser begin after a byte-order mark.
    text: &'a str,
    shift: usize,
    parsed: parse::Dockerfile<'a>,
}

/// A Dockerfile's text as the parser takes it, each byte in its place: `ENTRYPOINT []`, which drops
/// the entry point of the image below, is no error of its author's.
pub fn readable(text: &str) -> Cow<'_, str> {
    let empty = |line: &str| {
        let body = line.trim();
        let rest = body.get(..10).filter(|word| word.eq_ignore_ascii_case("ENTRYPOINT"));
        rest.is_some_and(|_| {
            let inner = body[10..].trim().strip_prefix('[').and_then(|l| l.strip_suffix(']'));
            inner.is_some_and(|inner| inner.trim().is_empty())
        })
    };
    if !text.lines().any(empty) {
        return Cow::Borrowed(text);
    }
    let line = |line: &str| match empty(line) {
        true => line.replacen('[', "\"", 1).replacen(']', "\"", 1),
        false => line.into(),
    };
    Cow::Owned(text.split_inclusive('\n').map(line).collect())
}

impl<'a> Dockerfile<'a> {
    /// Reads a text that is [`readable`].
    pub fn parse(text: &'a str) -> Result<Self, FormatError> {
        let shift = if text.starts_with('\u{feff}') { 3 } else { 0 };
        let parsed = parse::parse(&text[shift..]).map_err(|e| FormatError {
            at: Position { line: e.line() as u32, column: e.column() as u32 },
            problem: format!("is no Dockerfile: {}", first_line(&e.to_string())),
        })?;
        Ok(Dockerfile { text, shift, parsed })
    }

    /// The image of the named stage, or of the last.
    pub fn image(&self, stage: Option<&str>) -> Image {
        self.image_on(stage, &|_| None)
    }

    /// The same where the working folder of the image that it builds on is known.
    pub fn image_on(&self, stage: Option<&str>, workdir: &dyn Fn(&str) -> Option<String>) -> Image {
        let mut image = Image::default();
        let mut scope: BTreeMap<String, String> = BTreeMap::new();
        for arg in self.parsed.global_args() {
            define(&mut scope, &arg.arguments.value);
        }
        let stages: Vec<_> = self.parsed.stages().collect();
        let name = |i: usize| stages[i].from.as_.as_ref().map(|(_, n)| n.value.to_string());
        let named = |wanted: &str, before: usize| {
            let is = |i: &usize| name(*i).is_some_and(|n| n.eq_ignore_ascii_case(wanted));
            (0..before).rev().find(is).or(wanted.parse().ok().filter(|i| *i < before))
        };
        let mut chain = Vec::new();
        let last = stages.len().checked_sub(1);
        let mut next = stage.and_then(|s| named(s, stages.len())).or(last);
        while let Some(index) = next {
            chain.push(index);
            image.base = expand(&stages[index].from.image.value, &|n| scope.get(n).cloned());
            next = named(&image.base, index);
        }
        let span = |index: &usize| self.span(&stages[*index].from.image.span);
        image.from = chain.last().map(span).unwrap_or_default();
        let span = |index: &usize| self.span(&stages[*index].from.from.span);
        image.stage = chain.first().map(span).unwrap_or_default();
        let first = chain.last().map_or(0, |index| self.span(&stages[*index].from.from.span).start);
        let first = line(self.text, first);
        image.workdir = workdir(&image.base).map(|dir| (dir, first));
        for (depth, index) in chain.iter().rev().enumerate() {
            let mut reader = Reader { file: self, image: &mut image, scope: scope.clone() };
            let own = depth + 1 == chain.len();
            stages[*index].instructions.iter().for_each(|i| reader.read(i, own));
        }
        image
    }

    /// Whether a stage has that name, or that number.
    pub fn has_stage(&self, wanted: &str) -> bool {
        let number = wanted.parse::<usize>().is_ok_and(|n| n < self.parsed.stages().count());
        let names = self.parsed.stages().filter_map(|stage| stage.from.as_.as_ref());
        number || names.into_iter().any(|(_, name)| name.value.eq_ignore_ascii_case(wanted))
    }

    /// The names of all stages, in order.
    pub fn stage_names(&self) -> Vec<Option<String>> {
        let named = |stage: parse::Stage<'_, '_>| {
            stage.from.as_.as_ref().map(|(_, name)| name.value.to_string())
        };
        self.parsed.stages().map(named).collect()
    }

    /// Stages that another one builds on or takes files from, by name or number.
    pub fn taken(&self) -> BTreeSet<String> {
        let mut taken = BTreeSet::new();
        for stage in self.parsed.stages() {
            taken.insert(stage.from.image.value.to_string());
            let copied = stage.instructions.iter().filter_map(|instruction| match instruction {
                parse::Instruction::Copy(i) => Some(&i.options),
                parse::Instruction::Add(i) => Some(&i.options),
                _ => None,
            });
            let from = copied.flatten().filter(|flag| flag.name.value == "from");
            taken.extend(from.filter_map(|flag| Some(flag.value.as_ref()?.value.to_string())));
        }
        taken
    }

    /// The edit that adds an ENV.
    pub fn insert_env(&self, name: &str, value: &str) -> Edit {
        self.insert(&format!("ENV {name}={}", super::word::quote(value)))
    }

    /// The edit that adds a COPY from the build context.
    pub fn insert_copy(&self, source: &str, dest: &str) -> Edit {
        self.insert(&format!("COPY {source} {dest}"))
    }

    /// An instruction goes before the stage's first CMD or ENTRYPOINT, else to the end.
    fn insert(&self, new: &str) -> Edit {
        let image = self.image(None);
        let line_end = newline(self.text);
        match image.insert {
            Some(at) => Edit::insert(at, format!("{new}{line_end}")),
            None => {
                let gap = if self.text.ends_with('\n') { "" } else { line_end };
                Edit::insert(self.text.len(), format!("{gap}{new}{line_end}"))
            }
        }
    }

    fn span(&self, span: &Range<usize>) -> Range<usize> {
        span.start + self.shift..span.end + self.shift
    }

    fn command(&self, command: &parse::Command<'_>, shell: &[String]) -> CommandText {
        match command {
            parse::Command::Exec(list) => {
                let words = list.value.iter().map(|w| self.item(w)).collect();
                let inner =
                    |w: &Word| Inner::aligned(self.text, w.range.clone(), &w.text, Coat::Json);
                CommandText::list(self.text, words, inner)
            }
            parse::Command::Shell(text) => {
                let inner = self.continued(self.span(&text.span));
                let mut argv = shell.to_vec();
                argv.push(inner.text.trim().to_string());
                CommandText {
                    argv,
                    statements: shell::statements(&inner),
                    line: line(self.text, text.span.start + self.shift),
                }
            }
            _ => CommandText { argv: Vec::new(), statements: Vec::new(), line: 1 },
        }
    }

    /// A string of a JSON array; the parser's span may or may not hold its quotes.
    fn item(&self, item: &parse::UnescapedString<'_>) -> Word {
        let mut range = self.span(&item.span);
        let bytes = self.text.as_bytes();
        if bytes.get(range.start) != Some(&b'"') || range.len() < 2 {
            range = range.start.saturating_sub(1)..(range.end + 1).min(bytes.len());
        }
        Word { text: item.value.to_string(), range, dynamic: false, dress: Dress::Item(Coat::Json) }
    }

    /// A text over several lines: the ends of continued lines, and comments between, left out.
    fn continued(&self, range: Range<usize>) -> Inner {
        let escape = self.parsed.parser_directives.escape.as_ref().map_or('\\', |e| e.value.value);
        let mut pieces = Vec::new();
        let mut at = range.start;
        let mut inside = false;
        for raw in self.text[range].split_inclusive('\n') {
            let start = at;
            at += raw.len();
            let body = raw.trim_end_matches(['\n', '\r']).trim_end_matches([' ', '\t']);
            if inside && (body.trim_start().starts_with('#') || body.is_empty()) {
                continue;
            }
            inside = body.ends_with(escape);
            let kept = if inside { body.len() - 1 } else { raw.len() };
            pieces.push(start..start + kept);
        }
        Inner::pieces(self.text, &pieces)
    }
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

struct Reader<'f, 'a> {
    file: &'f Dockerfile<'a>,
    image: &'f mut Image,
    /// Values of ARG and ENV.
    scope: BTreeMap<String, String>,
}

impl Reader<'_, '_> {
    fn read(&mut self, instruction: &parse::Instruction<'_>, own: bool) {
        use parse::Instruction as I;
        let shell = ["/bin/sh".to_string(), "-c".to_string()];
        match instruction {
            I::Arg(i) => define(&mut self.scope, &i.arguments.value),
            I::Env(i) => self.env(self.file.span(&i.arguments.span)),
            I::Workdir(i) => {
                let dir = absolute(&self.workdir(), &self.expand(&i.arguments.value));
                self.image.workdir = Some((dir, self.line(&i.arguments.span)));
            }
            I::Copy(i) => self.copy(&i.options, &i.src, &i.dest),
            I::Add(i) => self.copy(&i.options, &i.src, &i.dest),
            I::Expose(i) if self.image.expose.is_none() => {
                let port = i.arguments.first().map(|a| self.expand(&a.value)).unwrap_or_default();
                let port = port.split(['/', '-']).next().and_then(|p| p.parse().ok());
                self.image.expose = port.map(|p| (p, self.line(&i.expose.span)));
            }
            I::Cmd(i) => {
                self.image.cmd = Some(self.file.command(&i.arguments, &shell));
                self.starts(&i.cmd.span, own);
            }
            I::Entrypoint(i) => {
                // What `readable` makes of an empty list.
                let dropped = matches!(&i.arguments, parse::Command::Shell(text)
                    if text.value.trim_matches(['"', ' ', '\t']).is_empty());
                let command = self.file.command(&i.arguments, &shell);
                self.image.entrypoint = (!dropped).then_some(command);
                self.starts(&i.entrypoint.span, own);
            }
            I::Run(i) => {
                let end = match &i.arguments {
                    parse::Command::Exec(list) => list.span.end,
                    parse::Command::Shell(text) => text.span.end,
                    _ => i.run.span.end,
                };
                let heredocs = i.here_docs.iter().map(|doc| doc.span.end);
                let end = heredocs.fold(end, usize::max);
                self.image.runs.push(self.file.span(&(i.run.span.start..end)));
            }
            I::Stopsignal(i) => {
                let signal = self.expand(&i.arguments.value);
                self.image.stop_signal = Some((signal, self.file.span(&i.arguments.span)));
            }
            I::Volume(i) => {
                let span = self.file.span(&i.volume.span);
                match &i.arguments {
                    parse::JsonOrStringArray::Json(list) => self.volumes(&list.value, &span),
                    parse::JsonOrStringArray::String(list) => self.volumes(list, &span),
                }
            }
            I::Healthcheck(i) => {
                self.image.health = match &i.arguments {
                    parse::HealthcheckArguments::Cmd { arguments, .. } => {
                        let command = self.file.command(arguments, &shell);
                        Some((command.argv.join(" "), command.line))
                    }
                    _ => None,
                };
            }
            _ => {}
        }
    }

    fn volumes(&mut self, paths: &[parse::UnescapedString<'_>], span: &Range<usize>) {
        let paths = paths.iter().map(|path| (self.expand(&path.value), span.clone()));
        let paths: Vec<_> = paths.collect();
        self.image.volumes.extend(paths);
    }

    fn starts(&mut self, keyword: &Range<usize>, own: bool) {
        let at = self.file.span(keyword).start;
        if own && self.image.insert.is_none_or(|known| at < known) {
            self.image.insert = Some(at);
        }
    }

    fn line(&self, span: &Range<usize>) -> u32 {
        line(self.file.text, self.file.span(span).start)
    }

    fn workdir(&self) -> String {
        self.image.workdir.as_ref().map_or("/".into(), |(dir, _)| dir.clone())
    }

    fn expand(&self, text: &str) -> String {
        expand(text, &|name| self.scope.get(name).cloned())
    }

    /// `ENV A=1 B="x y"`, or `ENV A all the rest`.
    fn env(&mut self, range: Range<usize>) {
        let inner = self.file.continued(range);
        let statements = shell::statements(&inner);
        let old = inner.text.trim_start();
        let key = old.split([' ', '\t', '=']).next().unwrap_or_default();
        if !old[key.len()..].starts_with('=') {
            let start = inner.text.len() - old.len() + key.len();
            let skip = old[key.len()..].len() - old[key.len()..].trim_start().len();
            let end = inner.text.trim_end().len().max(start + skip);
            let range = inner.range(start + skip..end);
            let text = unquoted(&inner.text[start + skip..end]);
            let word = Word { text, range, dynamic: false, dress: Dress::Shell(Coat::Verbatim) };
            self.set(key.into(), word);
            return;
        }
        for (name, word) in statements.into_iter().flat_map(|s| s.assignments) {
            self.set(name, word);
        }
    }

    fn set(&mut self, name: String, word: Word) {
        let mut entry = Entry::of(self.file.text, word);
        entry.value = self.expand(&entry.value);
        self.scope.insert(name.clone(), entry.value.clone());
        self.image.env.retain(|(n, _)| *n != name);
        self.image.env.push((name, entry));
    }

    fn copy(
        &mut self,
        options: &[parse::Flag<'_>],
        sources: &[parse::Source<'_>],
        dest: &parse::UnescapedString<'_>,
    ) {
        let from = options.iter().find(|f| f.name.value == "from").and_then(|f| f.value.as_ref());
        let paths = sources.iter().filter_map(|s| match s {
            parse::Source::Path(path) => Some(self.expand(&path.value)),
            _ => None,
        });
        let given = self.expand(&dest.value);
        let mut to = absolute(&self.workdir(), &given);
        let folder = given.ends_with('/') || matches!(given.as_str(), "." | "..");
        if (folder || sources.len() > 1) && !to.ends_with('/') {
            to.push('/');
        }
        let copy = Copy {
            from: from.map(|f| self.expand(&f.value)),
            sources: paths.collect(),
            dest: to,
            line: self.line(&dest.span),
        };
        let documents = sources.iter().filter_map(|source| match source {
            parse::Source::HereDoc(document) if !folder => Some(self.file.span(&document.span)),
            _ => None,
        });
        let documents = documents.map(|range| (copy.dest.clone(), range));
        self.image.documents.extend(documents);
        self.image.copies.push(copy);
    }
}

/// `ENV NAME "all the rest"`: what the rest says without its quotes.
fn unquoted(text: &str) -> String {
    let mut said = String::new();
    let mut quote = None;
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        match (quote, c) {
            (Some(open), c) if c == open => quote = None,
            (None, '"' | '\'') => quote = Some(c),
            (None | Some('"'), '\\') => said.extend(chars.next()),
            (_, c) => said.push(c),
        }
    }
    said
}

/// `name=value` of an ARG; a name alone has no value.
fn define(scope: &mut BTreeMap<String, String>, argument: &str) {
    for pair in shlex::split(argument).unwrap_or_default() {
        if let Some((name, value)) = pair.split_once('=') {
            let value = expand(value, &|n| scope.get(n).cloned());
            scope.insert(name.into(), value);
        }
    }
}

/// `path` seen from `base`, without `.` and `..`.
pub fn absolute(base: &str, path: &str) -> String {
    let joined = if path.starts_with('/') { path.to_string() } else { format!("{base}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    let slash = if joined.ends_with('/') && !parts.is_empty() { "/" } else { "" };
    format!("/{}{slash}", parts.join("/"))
}
