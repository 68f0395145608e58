//! Compose files: services as containers. `${NAME:-default}` is replaced as compose does, in words
//! that know where they stand. `extends` and other files are not followed.
//!
//! Source: <https://github.com/compose-spec/compose-spec/blob/main/spec.md>.

mod environment;

use super::expand::{Piece, pieces};
use super::word::{Inner, Word};
use super::yaml::{At, Yaml};
use super::{CommandText, Entry, FormatError, shell};
use crate::text::{Edit, Position};
use environment::Writer;

/// One service.
#[derive(Clone, Debug, Default)]
pub struct Service {
    pub name: String,
    pub line: u32,
    pub image: Option<Entry>,
    pub build: Option<Build>,
    pub entrypoint: Option<CommandText>,
    pub command: Option<CommandText>,
    pub workdir: Option<Entry>,
    pub env: Vec<(String, Entry)>,
    /// Files with more variables, which `env` wins over.
    pub env_files: Vec<Entry>,
    /// Of the container, not of the host.
    pub port: Option<(u16, u32)>,
    pub nofile: Option<((u64, u64), u32)>,
    /// Words of the health check's command, with its line.
    pub health: Option<(String, u32)>,
    /// As written: `0.50`.
    pub cpu: Option<Entry>,
    /// As written: `512M`.
    pub memory: Option<Entry>,
    /// Names of the services that are started before it.
    pub depends_on: Vec<String>,
    /// Host paths as written, with the paths that they are shown at.
    pub mounts: Vec<(String, String)>,
    /// How a variable is set.
    writer: Writer,
}

/// How an image is built. Paths are as written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Build {
    pub context: String,
    pub dockerfile: Option<String>,
    pub target: Option<String>,
    pub line: u32,
}

impl Service {
    /// The edit that gives an environment variable a value: in place where it is the service's
    /// own, else as a new one, which wins over what an anchor brings. None where only what other
    /// services share could be changed.
    pub fn set_env(&self, file: &str, name: &str, value: &str) -> Option<Edit> {
        self.writer.set(file, name, value)
    }
}

/// Reads a compose file; `value` knows the variables that it may name, as its `.env` does.
pub fn parse(
    text: &str,
    value: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<Service>, FormatError> {
    let yaml = Yaml::parse(text)?;
    let services = yaml.root().and_then(|root| root.get("services"));
    let Some(services) = services.filter(|s| s.is_map()) else {
        let problem = "is no compose file: a map of `services` belongs here".into();
        return Err(FormatError { at: Position::of(text, 0), problem });
    };
    let file = File { text, value };
    let entries = services.entries().into_iter().filter(|(_, node)| node.is_map());
    Ok(entries.map(|(name, node)| file.service(name, node)).collect())
}

struct File<'a> {
    text: &'a str,
    value: &'a dyn Fn(&str) -> Option<String>,
}

impl File<'_> {
    fn service(&self, name: &str, node: At<'_>) -> Service {
        let File { text, value } = *self;
        let at = |path: &[&str]| path.iter().try_fold(node, |node, key| node.get(key));
        let entry = |path: &[&str]| self.entry(at(path)?);
        let limit = |key| ["deploy", "resources", "limits", key];
        let environment = at(&["environment"]);
        let variables = environment.map(|env| self.variables(env)).unwrap_or_default();
        Service {
            name: name.into(),
            line: node.line(),
            image: entry(&["image"]),
            build: at(&["build"]).and_then(|build| self.build(build)),
            entrypoint: at(&["entrypoint"]).and_then(|node| self.command(node)),
            command: at(&["command"]).and_then(|node| self.command(node)),
            workdir: entry(&["working_dir"]),
            env: variables.iter().filter_map(|v| v.entry(text, value)).collect(),
            env_files: at(&["env_file"]).map(|node| self.env_files(node)).unwrap_or_default(),
            port: self.port(node),
            nofile: at(&["ulimits", "nofile"]).and_then(|node| self.nofile(node)),
            health: at(&["healthcheck", "test"]).and_then(|node| self.health(node)),
            cpu: entry(&limit("cpus")).or_else(|| entry(&["cpus"])),
            memory: entry(&limit("memory")).or_else(|| entry(&["mem_limit"])),
            depends_on: at(&["depends_on"]).map(|node| self.names(node)).unwrap_or_default(),
            mounts: at(&["volumes"]).map(|node| self.mounts(node)).unwrap_or_default(),
            writer: Writer::new(text, node, environment, variables),
        }
    }

    /// What a scalar says once its variables are replaced.
    fn inner(&self, node: At<'_>) -> Option<Inner> {
        let inner = node.inner()?;
        let mut replaced = Vec::new();
        let mut at = 0;
        // `$$` is a dollar sign.
        for part in inner.text.split_inclusive("$$") {
            let body = part.strip_suffix("$$").unwrap_or(part);
            let shift = |piece: Piece| Piece {
                range: piece.range.start + at..piece.range.end + at,
                ..piece
            };
            replaced.extend(pieces(body, self.value).into_iter().map(shift));
            if body.len() < part.len() {
                let range = at + body.len()..at + part.len();
                replaced.push(Piece { range, becomes: Some("$".into()) });
            }
            at += part.len();
        }
        Some(inner.replaced(&replaced))
    }

    /// A scalar as a word, with its variables replaced.
    fn word(&self, node: At<'_>) -> Option<(Word, Inner)> {
        let inner = self.inner(node)?;
        Some((Word { text: inner.text.clone(), ..node.word()? }, inner))
    }

    fn entry(&self, node: At<'_>) -> Option<Entry> {
        Some(Entry::of(self.text, self.word(node)?.0))
    }

    /// A list is the words themselves, a text is split into words as a shell would, without one.
    fn command(&self, node: At<'_>) -> Option<CommandText> {
        if let Some(items) = node.items() {
            let words: Vec<_> = items.into_iter().filter_map(|item| self.word(item)).collect();
            let inners: Vec<Inner> = words.iter().map(|(_, inner)| inner.clone()).collect();
            let words: Vec<Word> = words.into_iter().map(|(word, _)| word).collect();
            let starts: Vec<usize> = words.iter().map(|w| w.range.start).collect();
            let inner = |word: &Word| {
                let at = starts.iter().position(|start| *start == word.range.start);
                inners[at.unwrap_or_default()].clone()
            };
            return (!words.is_empty()).then(|| CommandText::list(self.text, words, inner));
        }
        let mut inner = self.inner(node)?;
        let argv = shlex::split(&inner.text).filter(|argv| !argv.is_empty())?;
        // A line end is white space here, and ends no command.
        inner.text = inner.text.replace("\\\n", "  ").replace('\n', " ");
        let mut statements = shell::statements(&inner);
        let same = statements.len() == 1 && statements[0].argv() == argv;
        if !same {
            // A `&&` or `A=1` is an argument to compose: it cannot be told which words these are.
            return Some(CommandText { argv, statements: Vec::new(), line: node.line() });
        }
        let words = statements.remove(0).words;
        let command = CommandText::list(self.text, words, |word| shell::nested(&inner, word));
        Some(CommandText { line: node.line(), ..command })
    }

    fn env_files(&self, node: At<'_>) -> Vec<Entry> {
        let path = |item: At<'_>| self.entry(item.get("path").unwrap_or(item));
        node.items().unwrap_or_else(|| vec![node]).into_iter().filter_map(path).collect()
    }

    fn build(&self, node: At<'_>) -> Option<Build> {
        let text = |key: &str| Some(self.inner(node.get(key)?)?.text);
        let context = self.inner(node).map(|inner| inner.text);
        let line = node.line();
        Some(Build {
            context: context
                .or_else(|| node.is_map().then(|| text("context").unwrap_or(".".into())))?,
            dockerfile: text("dockerfile"),
            target: text("target"),
            line,
        })
    }

    /// The items of a list, or the keys of a map.
    fn names(&self, node: At<'_>) -> Vec<String> {
        let keys = || node.entries().into_iter().map(|(name, _)| name.to_string()).collect();
        let items = node.items();
        items.map_or_else(keys, |items| {
            items.into_iter().filter_map(|item| Some(self.inner(item)?.text)).collect()
        })
    }

    /// `./conf:/etc/conf:ro`, `{ type: bind, source: ./conf, target: /etc/conf }`; a volume with a
    /// name is no host path.
    fn mounts(&self, node: At<'_>) -> Vec<(String, String)> {
        let text = |item: At<'_>, key: &str| Some(self.inner(item.get(key)?)?.text);
        let mount = |item: At<'_>| {
            if item.is_map() {
                let bind = text(item, "type").is_some_and(|kind| kind == "bind");
                return Some((text(item, "source")?, text(item, "target")?)).filter(|_| bind);
            }
            let short = self.inner(item)?.text;
            let (host, rest) = short.split_once(':')?;
            let shown = rest.split(':').next()?;
            host.starts_with(['.', '/', '~']).then(|| (host.into(), shown.into()))
        };
        node.items().unwrap_or_default().into_iter().filter_map(mount).collect()
    }

    /// `8080:80`, `127.0.0.1:8080:80/tcp`, `80`, `{ target: 80 }`; else what is only exposed.
    fn port(&self, service: At<'_>) -> Option<(u16, u32)> {
        let port = |item: At<'_>| {
            let text = self.inner(item.get("target").unwrap_or(item))?.text;
            let inside = text.rsplit(':').next()?.split(['/', '-']).next()?;
            Some((inside.trim().parse().ok()?, item.line()))
        };
        let first = |key: &str| service.get(key)?.items()?.into_iter().find_map(port);
        first("ports").or_else(|| first("expose"))
    }

    fn nofile(&self, node: At<'_>) -> Option<((u64, u64), u32)> {
        let number = |node: At<'_>| self.inner(node)?.text.trim().parse().ok();
        let limit = |key: &str| node.get(key).and_then(number);
        let (soft, hard) = (limit("soft").or_else(|| number(node)), limit("hard"));
        Some(((soft.or(hard)?, hard.or(soft)?), node.line()))
    }

    fn health(&self, node: At<'_>) -> Option<(String, u32)> {
        let items = node.items().unwrap_or_else(|| vec![node]);
        let words: Vec<_> = items.into_iter().filter_map(|w| Some(self.inner(w)?.text)).collect();
        (!words.is_empty()).then(|| (words.join(" "), node.line()))
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use proptest::prelude::*;

    pub const FILE: &str = r#"# orders
x-common: &common
  working_dir: /srv
  environment: &env
    LEVEL: info
services:
  web:
    <<: *common
    build: { context: ., dockerfile: docker/Dockerfile, target: app }
    command: gunicorn -w ${WORKERS:-4} --bind 0:8000 'app:make("x")'
    environment:
      <<: *env
      # how many
      POOL: 8 # connections
      TOKEN: "a$$b${SECRET}"
    ports:
      - "127.0.0.1:8080:8000/tcp"
    ulimits:
      nofile: { soft: 1024, hard: 65535 }
    deploy: { resources: { limits: { cpus: "0.50", memory: 512M } } }
    healthcheck:
      test: ["CMD", "curl", "-f", "http://localhost:8000/health"]
  api:
    image: node:22
    entrypoint: ["tini", "--"]
    command: ["sh", "-c", "exec node --max-old-space-size=300 $$MAIN"]
    environment:
      - A=1
      - WEB_CONCURRENCY=2
    expose: [3000]
    mem_limit: 256m
    cpus: 1
  job:
    command: sh -c "cd /srv && exec gunicorn -w 2 app:app"
    environment: *env
    depends_on: { db: { condition: service_healthy } }
    volumes: ["./conf:/etc/conf:ro", "data:/data", { type: bind, source: ., target: /srv }]
"#;

    pub fn read(text: &str) -> Vec<Service> {
        parse(text, &|name| (name == "SECRET").then(|| "hunter2".into())).unwrap()
    }

    #[test]
    fn a_service_is_a_container() {
        let services = read(FILE);
        let web = &services[0];
        let mounts = [("./conf", "/etc/conf"), (".", "/srv")].map(|(h, c)| (h.into(), c.into()));
        let job = &services[2];
        assert_eq!((&job.depends_on[..], &job.mounts[..]), (&["db".to_string()][..], &mounts[..]));
        let command = web.command.as_ref().unwrap();
        assert_eq!(command.argv[1..4], ["-w", "4", "--bind"]);
        assert_eq!(command.argv[5], "app:make(\"x\")");
        let word = &command.statements[0].words[2];
        assert_eq!(&FILE[word.range.clone()], "${WORKERS:-4}");
        assert_eq!(word.replace(FILE, "8").apply(FILE), FILE.replace("${WORKERS:-4}", "8"));
        let build = web.build.as_ref().unwrap();
        assert_eq!((build.context.as_str(), build.target.as_deref()), (".", Some("app")));
        let env: Vec<_> = web.env.iter().map(|(n, e)| (n.as_str(), e.value.as_str())).collect();
        assert_eq!(env, [("POOL", "8"), ("TOKEN", "a$bhunter2"), ("LEVEL", "info")]);
        assert_eq!(web.workdir.as_ref().unwrap().value, "/srv");
        assert_eq!((web.port, web.nofile), (Some((8000, 17)), Some(((1024, 65535), 19))));
        assert_eq!(web.cpu.as_ref().unwrap().value, "0.50");
        assert_eq!(web.memory.as_ref().unwrap().value, "512M");
        assert_eq!(web.health.as_ref().unwrap().0, "CMD curl -f http://localhost:8000/health");
        assert!(!format!("{web:?}").contains("hunter2"));
    }

    #[test]
    fn a_shells_text_is_read_inside_a_scalar() {
        let services = read(FILE);
        let node = &services[1].command.as_ref().unwrap().statements[0].words;
        assert_eq!(node[2].text, "--max-old-space-size=300");
        assert_eq!(node[3].text, "$MAIN");
        let edited = node[2].replace(FILE, "--max-old-space-size=200").apply(FILE);
        assert_eq!(edited, FILE.replace("=300", "=200"));
        let job = &services[2].command.as_ref().unwrap().statements[1].words;
        assert_eq!(job[3].replace(FILE, "9").apply(FILE), FILE.replace("-w 2", "-w 9"));
        assert_eq!(
            (services[1].port, &services[1].image.as_ref().unwrap().value[..]),
            (Some((3000, 30)), "node:22")
        );
    }

    #[test]
    fn a_mistake_is_named_with_its_place() {
        for (text, error) in [
            ("a: 1", "1:1: is no compose file: a map of `services` belongs here"),
            ("services:\n  a: [b\n", "2:6: is no YAML: "),
            ("services:\n  a: *b\n", "2:6: is no YAML: "),
        ] {
            let found = parse(text, &|_| None).unwrap_err().to_string();
            assert!(found.starts_with(error), "{found}");
        }
        let laughs: String =
            (1..40).map(|n| format!("a{n}: &a{n} {{<<: [*a{0}, *a{0}]}}\n", n - 1)).collect();
        let text = format!("a0: &a0 {{environment: {{N: 1}}}}\n{laughs}services: {{s: *a39}}");
        assert_eq!(read(&text)[0].env[0].1.value, "1");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(services:|\n  |\n    |[a&*:\\[{}\\]|>'\"$,-]|<<: |environment:|command: | |ü|\u{feff}){0,30}") {
            let _ = parse(&text, &|_| None);
        }

        #[test]
        fn a_word_is_read_back_and_no_other_changes(
            command in prop::sample::select(vec![
                "[\"g\", \"-w\", \"4\", 'a:b']", "[g, -w, '4', a:b]", "g -w 4 a:b", "'g -w ''4'' a:b'",
                "\"g -w \\\"4\\\" a:b\"", "\"g \\\n      -w ${N:-4} a:b\"", "|\n      g -w \"4\"\n      a:b", ">-\n      g -w\n      4 a:b",
                "g\n      -w 4\n      a:b # c", "\n      - g\n      - -w\n      - \"4\"\n      - a:b",
                "sh -c \"g -w 4 a:b\"", "[sh, -c, 'g -w ${N:-4} a:b']", "\n      - sh\n      - -c\n      - |\n        g -w 4 \\\n          a:b", "\"sh -c 'g -w 4 a:b'\"", "sh -c 'exec g -w 4'",
            ]),
            value in "[a-z0-9.=_-]{1,8}",
        ) {
            let text = format!("services:\n  s:\n    command: {command}\n    image: x\n");
            let words = |text: &str| read(text)[0].command.clone().unwrap().statements.remove(0).words;
            let at = words(&text).iter().position(|w| w.text == "4").unwrap();
            let edited = words(&text)[at].replace(&text, &value).apply(&text);
            let said = |text: &str| words(text).into_iter().map(|w| w.text).collect::<Vec<_>>();
            let mut expected = said(&text);
            expected[at] = value;
            prop_assert_eq!(said(&edited), expected, "{}", edited);
            prop_assert!(read(&edited)[0].image.as_ref().is_some_and(|image| image.value == "x"));
        }
    }
}
