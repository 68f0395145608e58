//! ECS task definition as JSON, bare or as `describe-task-definition` prints it, or only its list
//! of containers. Comments and trailing commas are read too.

use super::word::{Coat, Dress, Inner, Word, quoted};
use super::{CommandText, Entry, FormatError, json};
use crate::text::{Edit, Position, indent, line};
use jsonc_parser::ast::{Array, Object, Value};
use jsonc_parser::common::Ranged;

/// A task definition that was understood.
#[derive(Clone, Debug, Default)]
pub struct TaskDefinition {
    pub family: Option<Entry>,
    /// As written: `512`, `0.5 vCPU`.
    pub cpu: Option<Entry>,
    /// As written: `1024`, `1 GB`.
    pub memory: Option<Entry>,
    pub fargate: bool,
    pub containers: Vec<Container>,
}

/// One container definition.
#[derive(Clone, Debug, Default)]
pub struct Container {
    pub name: String,
    pub line: u32,
    pub image: Option<String>,
    pub essential: bool,
    pub entrypoint: Option<CommandText>,
    pub command: Option<CommandText>,
    pub workdir: Option<Entry>,
    pub env: Vec<(String, Entry)>,
    /// Names whose values knee must not and cannot know.
    pub secrets: Vec<String>,
    /// Names of the containers that are started before it.
    pub depends_on: Vec<String>,
    pub port: Option<(u16, u32)>,
    pub nofile: Option<((u64, u64), u32)>,
    pub health: Option<(String, u32)>,
    pub cpu: Option<Entry>,
    pub memory: Option<Entry>,
    /// What to write for a new environment variable goes in here.
    insert: Option<Insert>,
}

#[derive(Clone, Debug)]
struct Insert {
    at: usize,
    before: String,
    after: String,
}

impl Container {
    /// The edit that adds an environment variable.
    pub fn insert_env(&self, name: &str, value: &str) -> Option<Edit> {
        let insert = self.insert.as_ref()?;
        let object = format!("{{ \"name\": {}, \"value\": {} }}", quoted(name), quoted(value));
        Some(Edit::insert(insert.at, format!("{}{object}{}", insert.before, insert.after)))
    }
}

/// Reads a task definition. In a template a bare `${port}`, `<port>` or `{{ port }}` is taken for
/// a text that says nothing.
pub fn parse(text: &str) -> Result<TaskDefinition, FormatError> {
    let text = &*json::unmarked(text);
    read(text).or_else(|error| match masked(text) {
        Some(masked) => read(&masked).map_err(|_| error),
        None => Err(error),
    })
}

/// The text with a string of the same length for each placeholder that stands where a value
/// belongs; None where there is none.
fn masked(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let (mut inside, mut found) = (false, false);
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        let rest = &text[at..];
        let length = if inside { None } else { placeholder(rest) };
        if let Some(length) = length {
            let inner = rest[1..length - 1].replace(['"', '\\'], "_");
            out.extend(["\"", &inner, "\""]);
            found = true;
            at += length;
            continue;
        }
        if inside && c == '\\' {
            let next = rest[1..].chars().next().map_or(0, char::len_utf8);
            out.push_str(&rest[..1 + next]);
            at += 1 + next;
            continue;
        }
        inside ^= c == '"';
        out.push(c);
        at += c.len_utf8();
    }
    found.then_some(out)
}

/// Length of the placeholder that the text begins with.
fn placeholder(text: &str) -> Option<usize> {
    let line = text.lines().next().unwrap_or_default();
    let end = |open: &str, close: &str| {
        let inner = line.strip_prefix(open)?;
        inner.find(close).map(|n| open.len() + n + close.len())
    };
    end("${", "}").or_else(|| end("{{", "}}")).or_else(|| end("<", ">"))
}

fn read(text: &str) -> Result<TaskDefinition, FormatError> {
    let wrong =
        |offset: usize, problem: String| FormatError { at: Position::of(text, offset), problem };
    let parsed = json::parse(text)?;
    let file = File { text };
    match parsed {
        Some(Value::Array(containers)) => Ok(TaskDefinition {
            containers: file.containers(&containers),
            ..TaskDefinition::default()
        }),
        Some(Value::Object(object)) => {
            let task = object.get_object("taskDefinition").unwrap_or(&object);
            let Some(containers) = task.get_array("containerDefinitions") else {
                let problem =
                    "is no task definition: `containerDefinitions` is missing".to_string();
                return Err(wrong(object.range.start, problem));
            };
            Ok(TaskDefinition {
                family: file.scalar(task, "family"),
                cpu: file.scalar(task, "cpu"),
                memory: file.scalar(task, "memory"),
                fargate: file.is_fargate(task),
                containers: file.containers(containers),
            })
        }
        other => {
            let at = other.as_ref().map_or(0, Ranged::start);
            Err(wrong(
                at,
                "is no task definition: an object with `containerDefinitions` belongs here".into(),
            ))
        }
    }
}

struct File<'a> {
    text: &'a str,
}

impl File<'_> {
    fn line(&self, value: &impl Ranged) -> u32 {
        line(self.text, value.start())
    }

    fn word(&self, value: &Value<'_>) -> Option<Word> {
        let text = match value {
            Value::StringLit(s) => s.value.to_string(),
            Value::NumberLit(n) => n.value.to_string(),
            Value::BooleanLit(b) => b.value.to_string(),
            _ => return None,
        };
        let range = value.range();
        let range = range.start..range.end;
        Some(Word { text, range, dynamic: false, dress: Dress::Item(Coat::Json) })
    }

    fn scalar(&self, object: &Object<'_>, name: &str) -> Option<Entry> {
        Some(Entry::of(self.text, self.word(&object.get(name)?.value)?))
    }

    fn number(&self, object: &Object<'_>, name: &str) -> Option<u64> {
        self.scalar(object, name)?.value.parse().ok()
    }

    fn is_fargate(&self, task: &Object<'_>) -> bool {
        task.get_array("requiresCompatibilities").is_some_and(|list| {
            list.elements.iter().filter_map(|v| self.word(v)).any(|w| w.text == "FARGATE")
        })
    }

    fn containers(&self, list: &Array<'_>) -> Vec<Container> {
        let objects = list.elements.iter().filter_map(Value::as_object);
        objects.enumerate().map(|(i, object)| self.container(i, object)).collect()
    }

    fn container(&self, index: usize, object: &Object<'_>) -> Container {
        let text = |name: &str| self.scalar(object, name).map(|e| e.value);
        Container {
            name: text("name").unwrap_or_else(|| format!("container{}", index + 1)),
            line: self.line(object),
            image: text("image"),
            essential: text("essential").is_none_or(|e| e != "false"),
            entrypoint: self.command(object, "entryPoint"),
            command: self.command(object, "command"),
            workdir: self.scalar(object, "workingDirectory"),
            env: self.environment(object),
            secrets: self.names(object, "secrets", "name"),
            depends_on: self.names(object, "dependsOn", "containerName"),
            port: self.port(object),
            nofile: self.nofile(object),
            health: self.health(object),
            cpu: self.scalar(object, "cpu"),
            memory: self
                .scalar(object, "memory")
                .or_else(|| self.scalar(object, "memoryReservation")),
            insert: self.insert(object),
        }
    }

    fn command(&self, object: &Object<'_>, name: &str) -> Option<CommandText> {
        let list = object.get_array(name).filter(|list| !list.elements.is_empty())?;
        let words = list.elements.iter().filter_map(|v| self.word(v)).collect();
        let inner = |w: &Word| Inner::aligned(self.text, w.range.clone(), &w.text, Coat::Json);
        Some(CommandText::list(self.text, words, inner))
    }

    fn objects<'o, 'b>(&self, object: &'o Object<'b>, name: &str) -> Vec<&'o Object<'b>> {
        let list = object.get_array(name);
        list.into_iter().flat_map(|l| &l.elements).filter_map(Value::as_object).collect()
    }

    fn environment(&self, object: &Object<'_>) -> Vec<(String, Entry)> {
        let pair =
            |o: &&Object<'_>| Some((self.scalar(o, "name")?.value, self.scalar(o, "value")?));
        self.objects(object, "environment").iter().filter_map(pair).collect()
    }

    fn names(&self, object: &Object<'_>, list: &str, key: &str) -> Vec<String> {
        let name = |o: &&Object<'_>| Some(self.scalar(o, key)?.value);
        self.objects(object, list).iter().filter_map(name).collect()
    }

    fn port(&self, object: &Object<'_>) -> Option<(u16, u32)> {
        let first = *self.objects(object, "portMappings").first()?;
        let port = self.scalar(first, "containerPort")?;
        Some((port.value.parse().ok()?, port.line))
    }

    fn nofile(&self, object: &Object<'_>) -> Option<((u64, u64), u32)> {
        let limits = self.objects(object, "ulimits");
        let is_nofile =
            |o: &&&Object<'_>| self.scalar(o, "name").is_some_and(|n| n.value == "nofile");
        let limit = *limits.iter().find(is_nofile)?;
        let (soft, hard) = (self.number(limit, "softLimit"), self.number(limit, "hardLimit"));
        Some(((soft.or(hard)?, hard.or(soft)?), self.line(limit)))
    }

    fn health(&self, object: &Object<'_>) -> Option<(String, u32)> {
        let check = object.get_object("healthCheck")?;
        let words = check.get_array("command")?;
        let texts: Vec<_> =
            words.elements.iter().filter_map(|v| Some(self.word(v)?.text)).collect();
        Some((texts.join(" "), self.line(words)))
    }

    /// Behind the last variable; into an empty list; or as a new list behind the name.
    fn insert(&self, object: &Object<'_>) -> Option<Insert> {
        if let Some(list) = object.get_array("environment") {
            let Some(last) = list.elements.last() else {
                return Some(Insert {
                    at: list.range.start + 1,
                    before: String::new(),
                    after: String::new(),
                });
            };
            let before = match list.elements.len() {
                1 => list.range.start + 1..last.start(),
                n => list.elements[n - 2].end()..last.start(),
            };
            let gap = self.text[before].trim_start_matches(',');
            let gap = if gap.trim().is_empty() { gap } else { " " };
            let gap = if gap.is_empty() { " " } else { gap };
            return Some(Insert {
                at: last.end(),
                before: format!(",{gap}"),
                after: String::new(),
            });
        }
        let name = object.get("name").or(object.properties.first())?;
        let lead = &self.text[object.range.start + 1..object.properties.first()?.range.start];
        let gap = if lead.contains('\n') {
            format!("\n{}", indent(self.text, name.range.start))
        } else {
            " ".into()
        };
        Some(Insert {
            at: name.range.end,
            before: format!(",{gap}\"environment\": ["),
            after: "]".into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_template_is_read_around_its_placeholders() {
        let text = "{\n  \"cpu\": ${cpu}, \"memory\": <memory>, \"family\": \"${name}-x\",\n  \"containerDefinitions\": [\n    \
                    {\"name\": {{ .Values \"n\" }}, \"dependsOn\": [{\"containerName\": \"init\"}],\n     \
                     \"portMappings\": [{\"containerPort\": ${port}}], \"environment\": [{\"name\": \"A\", \"value\": \"b\"}]}]}";
        let task = parse(text).unwrap();
        let cpu = task.cpu.unwrap();
        assert_eq!(&text[cpu.word.range.clone()], "${cpu}");
        assert!(cpu.value.parse::<f64>().is_err());
        assert_eq!(task.family.unwrap().value, "${name}-x");
        let container = &task.containers[0];
        assert_eq!(
            (container.port, container.depends_on.as_slice()),
            (None, &["init".to_string()][..])
        );
        let edited = container.env[0].1.set(text, "c").apply(text);
        assert_eq!(edited, text.replace("\"b\"", "\"c\""));
        let error = parse("{\n \"cpu\": ${cpu}, \"containerDefinitions\" []}").unwrap_err();
        assert_eq!(error.at.line, 2);
    }

    proptest! {
        #[test]
        fn a_mask_has_the_length_of_the_text(text in "[${}<>\"\\\\a1ü\n ]{0,30}") {
            if let Some(masked) = masked(&text) {
                prop_assert_eq!(masked.len(), text.len());
            }
            let _ = parse(&text);
        }
    }
}
