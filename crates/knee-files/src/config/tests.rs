use super::*;
use knee_core::settings::{Range, Site, Value};
use knee_core::workload::Body;
use proptest::prelude::*;

const WHOLE: &str = r#"# all of it
[service]
command = "gunicorn -b 127.0.0.1:8000 app:app"
ready = "/health"
port = 8000
container = "web"
dir = "api"

[task]
cpu = 0.5
memory = "1GB"
nofile = [1024, 65535]

[[request]]
path = "/api/orders?limit=20"
weight = 3
headers = { Accept = "text/plain", "X-Key" = "s3cret" }

[[request]]
path = "/api/orders"
body_files = ["a.json", "b.json"]

[goal]
"p99.9" = "250ms"
errors = "0.1%"
rate = 200

[knobs]
workers = "1..32"
worker-class = "sync|gthread"
threads = 4
backlog = false
pm.max_children = "1..8"
pm.start_servers = 2

[knobs.POOL_SIZE]
env = "POOL_SIZE"
range = "1..64"
default = 8
unit = "connections"
doc = "connections to the database"

[tune]
trials = 8
head_room = 0.1
seed = 7
"#;

fn at<T>(line: u32, value: T) -> Option<Stated<T>> {
    Some(Stated { value, line })
}

#[test]
fn every_key_of_a_whole_file() {
    let config = Config::parse(WHOLE).unwrap();
    assert_eq!(config.service.command, at(3, "gunicorn -b 127.0.0.1:8000 app:app".into()));
    assert_eq!((&config.service.port, &config.service.dir), (&at(5, 8000), &at(7, "api".into())));
    assert_eq!(config.task.cpu, at(10, 0.5));
    assert_eq!(config.task.memory, at(11, Bytes::mib(1024)));
    assert_eq!(config.task.nofile, at(12, (1024, 65_535)));
    assert_eq!(config.goal.latency, at(24, (0.999, Seconds(0.25))));
    assert_eq!((&config.goal.errors, &config.goal.rate), (&at(25, 0.001), &at(26, 200.0)));
    assert_eq!(config.tune.trials, at(44, 8));
    assert_eq!((&config.tune.head_room, &config.tune.seed), (&at(45, 0.1), &at(46, 7)));
    let [get, post] = config.requests.as_slice() else { panic!("two requests") };
    assert_eq!((get.line, get.value.weight, get.value.method.as_str()), (14, 3.0, "GET"));
    assert_eq!(get.value.headers[1], ("X-Key".into(), "s3cret".into()));
    assert_eq!((post.line, post.value.method.as_str()), (19, "POST"));
    assert_eq!(post.value.body, Body::Files(vec!["a.json".into(), "b.json".into()]));
    assert!(!format!("{config:?}").contains("s3cret"));
}

#[test]
fn every_kind_of_knob() {
    let config = Config::parse(WHOLE).unwrap();
    let rule =
        |name: &str| config.knobs.iter().find(|(n, _)| n == name).map(|(_, rule)| &rule.value);
    let within = |min, max| KnobRule::Within(Range::Integers { min, max });
    let choices = Range::Choices(vec!["sync".into(), "gthread".into()]);
    assert_eq!(rule("workers"), Some(&within(1, 32)));
    assert_eq!(rule("worker-class"), Some(&KnobRule::Within(choices)));
    assert_eq!(rule("threads"), Some(&KnobRule::Fixed(Value::Int(4))));
    assert_eq!(rule("backlog"), Some(&KnobRule::Kept));
    assert_eq!(rule("pm.max_children"), Some(&within(1, 8)));
    assert!(config.knobs.iter().any(|(name, rule)| name == "pm.start_servers" && rule.line == 34));
    assert_eq!(rule("pm.start_servers"), Some(&KnobRule::Fixed(Value::Int(2))));
    let Some(KnobRule::Own(own)) = rule("POOL_SIZE") else { panic!("a knob of the user's own") };
    assert_eq!(own.default, Some(Value::Int(8)));
    assert_eq!(own.knob.sites, [Site::Environment { name: "POOL_SIZE".into() }]);
    assert_eq!(own.knob.unit, "connections");
}

#[test]
fn a_mistake_is_named_with_its_place_and_remedy() {
    for (text, error) in [
        ("a = ", "1:5: is no TOML: "),
        ("[service]\nport = 1\nport = 2", "3:1: is no TOML: duplicate key"),
        ("[servce]\n", "1:2: `servce` is unknown; did you mean `service`?"),
        ("[[requests]]\n", "1:3: `requests` is unknown; did you mean `request`?"),
        ("[zzz]\n", "1:2: `zzz` is unknown; known are service, task, request, goal, knobs, tune"),
        ("service = 1", "1:1: `service` is a table; write [service]"),
        ("[request]\npath = \"/\"", "1:2: `request` may stand several times; write [[request]]"),
        ("[task]\nmem = 1", "2:1: `task.mem` is unknown; did you mean `memory`?"),
        (
            "[service]\n port = 80000",
            "2:9: `service.port` takes a number from 1 to 65535; write port = 8000",
        ),
        (
            "[service]\nready = \"health\"",
            "2:9: `service.ready` takes a path that starts with /; write ready = \"/health\"",
        ),
        (
            "[task]\ncpu = 512",
            "2:7: `task.cpu` takes a number of vCPU (1 is 1,024 CPU units); write cpu = 0.5",
        ),
        (
            "[task]\nmemory = \"1024\"",
            "2:10: `task.memory` takes an amount of memory with its unit, in quotes; write memory = \"1GB\"",
        ),
        (
            "[task]\nnofile = [9, 1]",
            "2:10: `task.nofile` takes a number of open files, or [soft, hard] with soft at most hard",
        ),
        ("[[request]]\nweight = 2", "1:1: a request needs a path; write path = \"/\""),
        (
            "[[request]]\npath = \"/\"\nbody = \"a\"\nbody_file = \"b\"",
            "4:1: a request has one of body, body_file and body_files",
        ),
        (
            "[[request]]\npath = \"/\"\nheaders = { A = \"hunter2\\n\" }",
            "3:13: the value of the header field A holds a line break",
        ),
        (
            "[goal]\np99 = 250",
            "2:7: `goal.p99` takes a length of time with its unit, in quotes; write p99 = \"250ms\"",
        ),
        (
            "[goal]\np99 = \"0ms\"",
            "2:7: `goal.p99` takes a length of time with its unit, in quotes; write p99 = \"250ms\"",
        ),
        ("[goal]\np100 = \"1s\"", "2:1: `p100` is not a percentile from p1 to p99.99; write p99"),
        (
            "[goal]\np99 = \"1s\"\np95 = \"1s\"",
            "3:1: one percentile is held, and line 2 names one; remove either",
        ),
        (
            "[goal]\nerrors = 1",
            "2:10: `goal.errors` takes a share from 0 to below 1; write errors = 0.001",
        ),
        ("[goal]\nlatency = 1", "2:1: `goal.latency` is unknown; known are p99, errors, rate"),
        (
            "[knobs]\nwrokers = 4",
            "2:1: `knobs.wrokers` is no knob that knee knows; did you mean `workers`?",
        ),
        (
            "[knobs]\npm.max_childs = 4",
            "2:4: `knobs.pm.max_childs` is no knob that knee knows; did you mean `pm.max_children`?",
        ),
        (
            "[knobs]\nworkers = \"32..1\"",
            "2:11: `32..1` is no range; write the smallest and the largest whole number: \"1..32\"",
        ),
        (
            "[knobs]\nworkers = \"4\"",
            "2:11: `knobs.workers` takes a range, a value, or false to leave it as it is today; write workers = \"1..32\"",
        ),
        ("[knobs]\nworkers = true", "2:11: `knobs.workers` takes a range, a value, or false"),
        ("[knobs.N]\nrange = \"1..2\"", "1:8: `knobs.N` needs env = \"NAME\" or flag = \"--name\""),
        ("[knobs.N]\nflag = \"--n\"", "1:8: `knobs.N` needs range = \"1..64\""),
        (
            "[knobs.N]\nflag = \"--n\"\nrange = \"1..2\"\ndefault = 3",
            "1:8: `knobs.N`: the default 3 is not in the range 1..2",
        ),
        (
            "\u{feff}[tune]\r\ntrials = 0\r\n",
            "2:10: `tune.trials` takes a number from 1 to 1000; write trials = 8",
        ),
    ] {
        let found = Config::parse(text).expect_err(text).to_string();
        assert!(found.starts_with(error) && !found.contains("hunter"), "{text}\n{found}\n{error}");
    }
}

#[test]
fn all_mistakes_are_named_at_once() {
    let text = "\
[service]
port = 80000
redy = \"/health\"

[[request]]
path = \"orders\"

[[request]]
weight = 0

[goal]
p99 = 250
latensy = 3

[knobs]
wrokers = 4
threads = true

[knobs.POOL_SIZE]
env = \"A=B\"
rang = \"1..64\"

[tune]
trials = 0

[zzz]
";
    let mistakes = Config::parse(text).unwrap_err();
    let places: Vec<String> = mistakes.iter().map(|mistake| mistake.at.to_string()).collect();
    let all = "2:8 3:1 6:8 9:10 12:7 13:1 16:1 17:11 20:7 21:1 24:10 26:2";
    assert_eq!(places.join(" "), all, "{mistakes}");
    let lines = mistakes.of("knee.toml");
    assert!(lines.starts_with("knee.toml:2:8: `service.port` takes"), "{lines}");
    assert!(
        lines.lines().last().unwrap().starts_with("knee.toml:26:2: `zzz` is unknown"),
        "{lines}"
    );
}

#[test]
fn the_example_of_every_key_is_read() {
    for table in &TABLES {
        for key in (table.keys)() {
            let line = format!("{} = {}\n", key.name, key.example);
            let rest = match (table.name, key.name) {
                ("request", "path") => "",
                ("request", _) => "path = \"/\"\n",
                ("allow", "rule") => "because = \"b\"\n",
                ("allow", "because") => "rule = \"r\"\n",
                ("allow", _) => "rule = \"r\"\nbecause = \"b\"\n",
                ("knobs", "range") => "env = \"A\"\n",
                ("knobs", "env" | "flag") => "range = \"1..8\"\n",
                ("knobs", _) => "env = \"A\"\nrange = \"1..8\"\n",
                _ => "",
            };
            let header = if table.name == "knobs" { "[knobs.A]" } else { table.header };
            let text = format!("{header}\n{rest}{line}");
            let read = Config::parse(&text).unwrap_or_else(|error| panic!("{text}{error}"));
            let nothing = Config::parse(&format!("{header}\n{rest}"));
            assert!(nothing.is_err() || nothing.unwrap() != read, "{text} says nothing");
        }
    }
}

/// docs/knee.toml.md, made of the list that the parser reads by.
fn reference() -> String {
    let mut page = String::from(
        "# knee.toml\n\n`knee tune` reads it from the service's folder, and works without it where your other files \
         say enough. `knee init`\nwrites one that shows what was read. Every key is optional where knee can read it \
         elsewhere; a flag wins over it.\nAll mistakes are reported at once, each with its line and column.\n",
    );
    for table in &TABLES {
        page.push_str(&format!(
            "\n## `{}`\n\n{}\n\n| key | takes | example | meaning |\n|---|---|---|---|\n",
            table.header, table.doc
        ));
        for about in (table.keys)() {
            let row = [
                format!("`{}`", about.name),
                about.form.into(),
                format!("`{}`", about.example),
                about.doc.into(),
            ];
            let cells: Vec<String> =
                row.iter().map(|cell: &String| cell.replace('|', "\\|")).collect();
            page.push_str(&format!("| {} |\n", cells.join(" | ")));
        }
    }
    page
}

/// `KNEE_WRITE_DOCS=1 cargo test -p knee-files documentation` writes it anew.
#[test]
fn the_documentation_is_that_of_the_parser() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/knee.toml.md");
    if std::env::var_os("KNEE_WRITE_DOCS").is_some() {
        std::fs::write(path, reference()).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        written == reference(),
        "docs/knee.toml.md is old; KNEE_WRITE_DOCS=1 cargo test -p knee-files documentation"
    );
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused(
        text in "(\\[?\\[(service|task|request|goal|knobs|tune|knobs.A)\\]\\]?\n|(port|cpu|path|p99|workers|range|env|trials|headers|pm.x) = (1|0.5|\"1s\"|\"/\"|\"1..2\"|\"a\\|b\"|\\[1\\]|\\{ü=1\\}|false)\n|[a-z=.\"\u{feff}]){0,12}",
    ) {
        if let Err(mistakes) = Config::parse(&text) {
            let lines = text.split('\n').count() as u32;
            prop_assert!(mistakes.iter().count() > 0);
            prop_assert!(mistakes.iter().all(|e| e.at.line <= lines && !e.problem.is_empty()));
        }
    }
}
