//! What holds for every reader of environment and commands: each way to write them is read, a
//! change is read back, and nothing else changes.

use super::dockerfile::Dockerfile;
use super::word::{Coat, Dress, Inner, Word};
use super::{CommandText, Entry, shell, task_definition};
use proptest::prelude::*;

const DOCKERFILE: &str = r#"# syntax=docker/dockerfile:1
ARG BASE=python:3.12
FROM ${BASE} AS base
ENV LEVEL=info \
    # a comment between
    HOME="/srv/my app" TOKEN=hunter2
WORKDIR /srv
FROM node:22 AS assets
CMD ["npm", "run", "build"]
FROM base
ARG WORKERS=4
ENV WEB_CONCURRENCY ${WORKERS}
WORKDIR app
COPY --from=assets /dist/ static/
COPY requirements.txt app.py ./
EXPOSE 8000/tcp
HEALTHCHECK --interval=5s CMD curl -f http://localhost:8000/health
RUN <<EOF
CMD ["not", "this"]
EOF
ENTRYPOINT ["tini", "--"]
CMD exec gunicorn --workers 4 \
    # how it listens
    --bind "0.0.0.0:${PORT:-8000}" \
    app:app
"#;

fn env(found: &[(String, Entry)]) -> Vec<(&str, &str)> {
    found.iter().map(|(name, entry)| (name.as_str(), entry.value.as_str())).collect()
}

#[test]
fn a_dockerfile_is_read_as_buildkit_does() {
    let file = Dockerfile::parse(DOCKERFILE).unwrap();
    let image = file.image(None);
    let variables = [
        ("LEVEL", "info"),
        ("HOME", "/srv/my app"),
        ("TOKEN", "hunter2"),
        ("WEB_CONCURRENCY", "4"),
    ];
    assert_eq!(env(&image.env), variables);
    assert!(!format!("{image:?}").contains("hunter2"));
    assert_eq!(image.workdir, Some(("/srv/app".into(), 13)));
    assert_eq!(image.expose, Some((8000, 16)));
    let (health, line) = image.health.unwrap();
    assert!(health.ends_with("curl -f http://localhost:8000/health") && line == 17, "{health}");
    let copies: Vec<_> =
        image.copies.iter().map(|c| (c.from.as_deref(), c.dest.as_str())).collect();
    assert_eq!(copies, [(Some("assets"), "/srv/app/static/"), (None, "/srv/app/")]);
    assert_eq!(image.entrypoint.unwrap().argv, ["tini", "--"]);
    let command = image.cmd.unwrap();
    assert_eq!((command.argv[1].as_str(), command.line), ("-c", 22));
    let words = &command.statements[0].words;
    assert_eq!(words[5].text, "0.0.0.0:${PORT:-8000}");
    let edited = words[3].replace(DOCKERFILE, "8").apply(DOCKERFILE);
    assert_eq!(edited, DOCKERFILE.replace("--workers 4", "--workers 8"));
    let assets = file.image(Some("assets"));
    assert_eq!(assets.cmd.unwrap().argv, ["npm", "run", "build"]);
    assert!(assets.env.is_empty() && assets.entrypoint.is_none());
}

#[test]
fn a_new_variable_stands_before_what_starts() {
    let insert = |text: &str| {
        let file = Dockerfile::parse(text).unwrap();
        file.insert_env("GOGC", "50").apply(text)
    };
    assert_eq!(insert(DOCKERFILE), DOCKERFILE.replace("ENTRYPOINT", "ENV GOGC=50\nENTRYPOINT"));
    assert_eq!(insert("\u{feff}FROM a\r\nCMD b\r\n"), "\u{feff}FROM a\r\nENV GOGC=50\r\nCMD b\r\n");
    assert_eq!(insert("FROM a"), "FROM a\nENV GOGC=50\n");
    let text = "FROM a AS b\nENTRYPOINT [\"x\"]\nFROM b\nentrypoint [ ]\nCMD [\"y\"]\n";
    let readable = super::dockerfile::readable(text);
    let image = Dockerfile::parse(&readable).unwrap().image(None);
    assert!(image.entrypoint.is_none() && readable.len() == text.len());
    assert_eq!(image.cmd.unwrap().argv, ["y"]);
    let error = Dockerfile::parse("FROM a\nCOPY\n").err().unwrap();
    assert_eq!(
        (error.at.line, error.problem.starts_with("is no Dockerfile: ")),
        (2, true),
        "{error}"
    );
}

#[test]
fn a_task_definition_is_read() {
    let text = r#"{ "taskDefinition": { "family": "orders", "cpu": "512", "memory": 1024, // MiB
  "requiresCompatibilities": ["FARGATE"],
  "containerDefinitions": [ {
    "name": "web", "image": "orders:1", "essential": true,
    "command": ["sh", "-c", "gunicorn -w 4 \"a b\""],
    "environment": [ { "name": "TOKEN", "value": "hunter2" }, { "value": "2", "name": "N" } ],
    "secrets": [ { "name": "KEY", "valueFrom": "arn" } ],
    "ulimits": [ { "name": "nofile", "softLimit": 1024, "hardLimit": 4096 } ],
    "portMappings": [ { "containerPort": 8000 } ],
    "healthCheck": { "command": ["CMD-SHELL", "curl -f http://localhost:8000/health"] },
  } ] } }"#;
    let task = task_definition::parse(text).unwrap();
    let value = |entry: &Option<Entry>| entry.as_ref().map(|e| e.value.clone());
    assert_eq!((value(&task.cpu), value(&task.memory)), (Some("512".into()), Some("1024".into())));
    assert_eq!((value(&task.family), task.fargate), (Some("orders".into()), true));
    let web = &task.containers[0];
    assert_eq!(env(&web.env), [("TOKEN", "hunter2"), ("N", "2")]);
    assert!(!format!("{task:?}").contains("hunter2"));
    assert_eq!((web.port, web.nofile), (Some((8000, 9)), Some(((1024, 4096), 8))));
    assert_eq!((web.secrets.as_slice(), web.essential), (&["KEY".to_string()][..], true));
    let words = &web.command.as_ref().unwrap().statements[0].words;
    assert_eq!((words[2].text.as_str(), words[3].text.as_str()), ("4", "a b"));
    let edited = words[2].replace(text, "16").apply(text);
    assert_eq!(edited, text.replace("-w 4", "-w 16"));
    let edited = web.env[1].1.set(text, "3").apply(text);
    assert_eq!(edited, text.replace("\"value\": \"2\"", "\"value\": \"3\""));
    for (text, error) in [
        ("{", "1:1: is no JSON: "),
        ("{}", "1:1: is no task definition: `containerDefinitions` is missing"),
        ("\n 7", "2:2: is no task definition: an object with `containerDefinitions` belongs here"),
    ] {
        let found = task_definition::parse(text).unwrap_err().to_string();
        assert!(found.starts_with(error), "{found}");
    }
}

/// Ways to write the command `g -w 4 a:b`, as an instruction of a Dockerfile.
const COMMANDS: [&str; 7] = [
    "CMD [\"g\", \"-w\", \"4\", \"a:b\"]",
    "CMD [ \"g\" ,\"-w\", \"\\u0034\", \"a:b\" ] ",
    "CMD g -w 4 a:b",
    "CMD g \\\n  # why\n  -w '4' \\\n\n  a:b",
    "CMD [\"sh\", \"-c\", \"g -w \\\"4\\\" a:b\"]",
    "CMD exec  g -w \"4\" a:b && true",
    "ENTRYPOINT [\"g\", \"-w\", \"4\", \"a:b\"]\nCMD [\"a:b\"]",
];

/// Ways to write the variables N=4 and M=x.
const VARIABLES: [&str; 5] = [
    "ENV N=4 M=x",
    "ENV N=\"4\" \\\n    M='x'",
    "ENV N 4\nENV M=x",
    "ENV M=x N=a\nENV N=${M}4",
    "ARG V=4\nENV N=$V M=\"x\"",
];

fn commands(text: &str) -> CommandText {
    let image = Dockerfile::parse(text).unwrap().image(None);
    image.entrypoint.or(image.cmd).unwrap()
}

fn task(environment: &str) -> String {
    format!(
        "\u{feff}{{\r\n  \"containerDefinitions\": [ {{\"name\": \"a\", {environment}\"cpu\": 7 }} ]\r\n}}\r\n"
    )
}

proptest! {
    #[test]
    fn any_text_is_a_dockerfile_or_none(
        text in "((FROM|ENV|CMD|COPY|ARG|WORKDIR|HEALTHCHECK|EXPOSE|RUN|# escape=`) |[a-z=\"'\\[\\], \\\\\r\n\t$<{}ü:/`]|\u{feff}|<<EOF\n){0,30}",
    ) {
        if let Ok(file) = Dockerfile::parse(&text) {
            let image = file.image(None);
            let words = image.cmd.iter().chain(&image.entrypoint).flat_map(|c| &c.statements).flat_map(|s| &s.words);
            prop_assert!(words.into_iter().all(|w| text.get(w.range.clone()).is_some()));
            file.insert_env("A", "1").apply(&text);
        }
    }

    #[test]
    fn a_word_of_a_dockerfile_is_read_back(
        command in prop::sample::select(&COMMANDS[..]), value in "[ -~ü]{1,8}", crlf: bool, mark in "\u{feff}?",
    ) {
        let text = format!("{mark}FROM a\n{command}\n# end\n");
        let text = if crlf { text.replace('\n', "\r\n") } else { text };
        let at = |command: &CommandText| {
            let words = &command.statements[0].words;
            words.iter().position(|w| w.text == "-w").unwrap() + 1
        };
        let before = commands(&text);
        let edited = before.statements[0].words[at(&before)].replace(&text, &value).apply(&text);
        let after = commands(&edited);
        let words = &after.statements[0].words[at(&after)..];
        prop_assert_eq!(&words[0].text, &value, "{}", edited);
        prop_assert_eq!(&words[1].text, "a:b", "{}", edited);
        prop_assert!(edited.ends_with(&text[text.len() - 7..]));
    }

    #[test]
    fn a_variable_of_a_dockerfile_is_read_back(
        variables in prop::sample::select(&VARIABLES[..]), name in "[NO]", value in "[ -#%-~ü]{0,8}", mark in "\u{feff}?",
    ) {
        let text = format!("{mark}FROM a\n{variables}\nCMD [\"b\"]\n");
        let file = Dockerfile::parse(&text).unwrap();
        let entry = file.image(None).env.into_iter().find(|(n, _)| *n == name);
        let edit = entry.map_or_else(|| file.insert_env(&name, &value), |(_, entry)| entry.set(&text, &value));
        let edited = edit.apply(&text);
        let after = Dockerfile::parse(&edited).unwrap().image(None);
        let found = env(&after.env);
        prop_assert!(found.contains(&(name.as_str(), value.as_str())), "{}", edited);
        prop_assert!(found.contains(&("M", "x")) && after.cmd.unwrap().argv == ["b"], "{}", edited);
    }

    #[test]
    fn any_text_is_a_task_definition_or_none(
        text in "(\"(containerDefinitions|environment|name|value|command|[a-z\\\\nü]{0,3})\"|[\\[\\]{}:, \n17]|//|\u{feff}){0,30}",
    ) {
        let _ = task_definition::parse(&text);
    }

    #[test]
    fn a_variable_of_a_task_definition_is_read_back(
        environment in prop::sample::select(vec![
            "", "\"environment\": [], ", "\"environment\": [{\"name\": \"N\", \"value\": \"4\"}], ",
            "\r\n    \"environment\": [\r\n      {\"name\": \"M\", \"value\": \"x\"},\r\n      {\"value\": \"4\", \"name\": \"N\"} // last\r\n    ], ",
        ]),
        name in "[NO]", value in "[ -~ü\n]{0,8}",
    ) {
        let text = task(environment);
        let read = |text: &str| task_definition::parse(text).unwrap().containers.remove(0);
        let before = read(&text);
        let entry = before.env.iter().find(|(n, _)| *n == name);
        let edit = entry.map_or_else(|| before.insert_env(&name, &value).unwrap(), |(_, entry)| entry.set(&text, &value));
        let edited = edit.apply(&text);
        let after = read(&edited);
        prop_assert!(env(&after.env).contains(&(name.as_str(), value.as_str())), "{}", edited);
        let others = |container: &task_definition::Container| -> Vec<(String, String)> {
            let all = container.env.iter().filter(|(n, _)| *n != name);
            all.map(|(n, e)| (n.clone(), e.value.clone())).collect()
        };
        prop_assert_eq!(others(&before), others(&after));
        prop_assert_eq!(after.cpu.unwrap().value, "7");
    }

    #[test]
    fn a_text_finds_its_bytes_in_every_coat(text in "[a-z'\"\\\\ü -]{1,12}", coat in prop::sample::select(vec![Coat::Json, Coat::Single])) {
        let file = format!("# ü\n{}", coat.item(&text));
        let inner = Inner::aligned(&file, 5..file.len(), &text, coat);
        for (at, c) in text.char_indices().filter(|(_, c)| c.is_ascii_lowercase()) {
            prop_assert_eq!(&file[inner.range(at..at + 1)], c.to_string());
        }
    }

    #[test]
    fn a_nested_text_finds_its_bytes(text in "[a-z' \"ü]{1,12}") {
        let quoted = super::word::quote(&format!("x{text}"));
        let file = format!("[{}]", super::word::quoted(&format!("sh -c {quoted}")));
        let outer = Inner::aligned(&file, 1..file.len() - 1, &format!("sh -c {quoted}"), Coat::Json);
        let word: Word = shell::statements(&outer)[0].words[2].clone();
        prop_assert_eq!(word.dress, Dress::Shell(Coat::Json));
        let inner = shell::nested(&outer, &word);
        for (at, c) in inner.text.char_indices().filter(|(_, c)| c.is_ascii_lowercase()) {
            prop_assert_eq!(&file[inner.range(at..at + 1)], c.to_string());
        }
    }
}
