use super::*;
use crate::config::Config;
use crate::discover::Missing;
use crate::formats::argv::command_line;
use knee_core::launch::Environment;
use knee_core::runtimes;
use knee_core::service::{Part, Place, PlacedKnob, Service};
use knee_core::sourced::Sourced;
use knee_core::{Goal, Task};
use proptest::prelude::*;

fn container(name: &str, argv: &[&str], knobs: Vec<PlacedKnob>) -> ServiceContainer {
    let part = Part {
        runtime: "gunicorn",
        recognised: Sourced::from_file("the command runs gunicorn".into(), "Dockerfile", 7),
        knobs,
    };
    ServiceContainer {
        name: name.into(),
        command: Sourced::from_file(argv.iter().map(|w| w.to_string()).collect(), "Dockerfile", 7),
        workdir: "/srv".into(),
        env: Environment(vec![("TOKEN".into(), "hunter2".into())]),
        nofile: Some(Sourced::from_file((1024, 4096), "task-definition.json", 12)),
        parts: vec![part],
    }
}

fn workers() -> PlacedKnob {
    let known = runtimes::by_id("gunicorn").unwrap();
    let knob = (known.knobs)().into_iter().find(|knob| knob.name == "workers").unwrap();
    let site = knob.sites[0].clone();
    PlacedKnob {
        knob,
        current: Sourced::from_file(Value::Int(5), "Dockerfile", 7),
        place: Place { site, file: Some("Dockerfile".into()), seen_at: None },
    }
}

fn discovery(argv: &[&str]) -> Discovery {
    let mut post = Request::get("/api/orders");
    post.method = "POST".into();
    post.weight = 3.0;
    post.headers = vec![("Authorization".into(), "hunter2".into())];
    post.body = Body::Files(vec!["a.json".into(), "b.json".into()]);
    let task = Task { cpu: 0.5, memory: Bytes::mib(1024) };
    let goal: Goal = "p99.9<1.5s,errors<0.5%,rate>=200".parse().unwrap();
    Discovery {
        service: Service {
            root: "/home/me/orders".into(),
            name: "orders".into(),
            containers: vec![container("web", argv, vec![workers()])],
            task: Some(Sourced::from_file(task, "task-definition.json", 4)),
            port: Some(Sourced::from_file(8000, "Dockerfile", 5)),
            ready: Some(Sourced::new("/health".into(), Origin::Flag { name: "--ready".into() })),
            ..Service::default()
        },
        goal: Sourced::new(goal, Origin::Flag { name: "--goal".into() }),
        requests: vec![Request::get("/a?b=\"c\""), post],
        head_room: Sourced::new(0.1, Origin::Default { program: "knee".into() }),
        env: vec![],
        env_file: None,
        facts: vec![],
        missing: vec![],
        config: None,
        stated: Config::default(),
    }
}

/// The text with the values that stand in other files no longer commented out.
fn said(text: &str) -> String {
    let mut origin = false;
    let lines = text.lines().map(|line| {
        let value = line.strip_prefix('#').filter(|rest| origin && !rest.starts_with(' '));
        origin = line.starts_with("# (") && line.ends_with(')');
        value.unwrap_or(line)
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn what_stands_elsewhere_is_said_in_a_comment() {
    let text = init(&discovery(&["gunicorn", "-b", "127.0.0.1:8000", "app:make('x y')"])).unwrap();
    let config = Config::parse(&text).unwrap();
    assert_eq!((config.service.command, config.service.port), (None, None));
    assert_eq!(config.service.ready.unwrap().value, "/health");
    assert_eq!((config.task, config.knobs), (Default::default(), vec![]));
    assert!(text.contains("# (Dockerfile:5)\n#port = 8000\n"), "{text}");
    assert!(text.contains("Today: 5 (Dockerfile:7)\n#workers = \"1..64\"\n"), "{text}");
    assert!(!text.contains("hunter2") && text.contains("Authorization"), "{text}");
}

#[test]
fn what_a_command_assigns_is_not_written() {
    let mut found = discovery(&["/bin/sh", "-c", "TOKEN=hunter2 gunicorn app:app"]);
    found.requests.truncate(1);
    let text = init(&found).unwrap();
    assert!(text.contains("#command = \"TOKEN=… gunicorn app:app\"\n"), "{text}");
    found.service.containers.push(container("front", &["nginx", "A=hunter2"], vec![]));
    assert!(!init(&found).unwrap().contains("hunter2"));
}

/// What is written where the command is knee's own command line's.
fn spoken(line: &str) -> Result<String, FilesError> {
    let mut found = discovery(&[]);
    let origin = Origin::Flag { name: "--command".into() };
    found.service.containers[0].command = Sourced::new(command_line(line), origin);
    init(&found)
}

#[test]
fn a_variable_that_the_command_line_assigns_is_named_and_its_value_left_out() {
    let text = spoken("TOKEN='hunter 2' N=4 gunicorn app:app").unwrap();
    let config = Config::parse(&text).unwrap();
    assert_eq!(config.service.command.unwrap().value, "gunicorn app:app");
    assert_eq!(config.service.env.unwrap().value, ["TOKEN", "N"]);
    assert!(!text.contains("hunter 2"), "{text}");
    for (line, name) in [
        ("sh -c 'export TOKEN=hunter2; exec gunicorn app:app'", "assigns TOKEN"),
        ("env TOKEN=hunter2 gunicorn app:app", "assigns TOKEN"),
        ("exec gunicorn --db postgres://u:hunter2@db/x", "a password"),
    ] {
        let error = spoken(line).unwrap_err().to_string();
        assert!(error.starts_with("--command: ") && error.contains(name), "{error}");
        assert!(error.contains("--env") && !error.contains("hunter2"), "{error}");
    }
    let text = spoken("PORT=$PORT gunicorn app:app").unwrap();
    assert!(Config::parse(&text).unwrap().service.env.is_some(), "{text}");
}

#[test]
fn all_that_was_read_is_read_back() {
    let argv = ["gunicorn", "-b", "127.0.0.1:8000", "app:make('x y')"];
    let found = discovery(&argv);
    let config = Config::parse(&said(&init(&found).unwrap())).unwrap();
    let value = |command: Option<crate::config::Stated<String>>| command.unwrap().value;
    assert!(config.service.dir.is_none());
    let line = value(config.service.command);
    assert_eq!(shlex::split(&line).unwrap(), argv);
    assert_eq!(config.service.port.unwrap().value, 8000);
    let task = found.service.task.unwrap().value;
    assert_eq!(config.task.cpu.unwrap().value, task.cpu);
    assert_eq!(config.task.memory.unwrap().value, task.memory);
    assert_eq!(config.task.nofile.unwrap().value, (1024, 4096));
    let goal = found.goal.value;
    assert_eq!(config.goal.latency.unwrap().value, (goal.quantile, goal.latency));
    assert_eq!(config.goal.errors.unwrap().value, goal.errors);
    assert_eq!(config.goal.rate.map(|rate| rate.value), goal.rate);
    assert_eq!(config.tune.head_room.unwrap().value, 0.1);
    let mut requests = found.requests;
    requests[1].headers.clear();
    assert_eq!(config.requests.into_iter().map(|r| r.value).collect::<Vec<_>>(), requests);
}

#[test]
fn what_knee_toml_says_is_kept() {
    let stated = Config::parse(
        "[service]\ndir = 'api'\ncontainer = 'web'\n[[request]]\npath = '/'\nheaders = { Authorization = 'hunter2' }\n\
         [knobs]\nworkers = '2..6'\n[knobs.POOL_SIZE]\nenv = 'POOL_SIZE'\nrange = '1..64'\ndefault = 8\n\
         unit = 'connections'\ndoc = 'connections to the \"database\"'\n[tune]\ntrials = 5\nseed = 3\n",
    );
    let mut found = discovery(&["gunicorn", "app:app"]);
    found.stated = stated.unwrap();
    found.requests = found.stated.requests.iter().map(|request| request.value.clone()).collect();
    let config = Config::parse(&init(&found).unwrap()).unwrap();
    let rules = |config: &Config| -> Vec<(String, KnobRule)> {
        config.knobs.iter().map(|(name, rule)| (name.clone(), rule.value.clone())).collect()
    };
    assert_eq!(rules(&config), rules(&found.stated));
    assert_eq!(config.requests[0].value, found.requests[0]);
    assert_eq!(config.service.dir.unwrap().value, Path::new("api"));
    assert_eq!(config.service.container.unwrap().value, "web");
    assert_eq!((config.tune.trials.unwrap().value, config.tune.seed.unwrap().value), (5, 3));
    for rule in [KnobRule::Fixed(Value::Int(4)), KnobRule::Kept] {
        found.stated.knobs = vec![("workers".into(), Stated { value: rule.clone(), line: 1 })];
        let config = Config::parse(&init(&found).unwrap()).unwrap();
        assert_eq!(rules(&config), [("workers".to_string(), rule)]);
    }
}

#[test]
fn what_is_missing_is_asked_for() {
    let mut found = discovery(&["a"]);
    found.requests = vec![];
    found.service.containers.push(container("front", &["nginx"], vec![]));
    let what = "a request to send".into();
    let (flag, example) = ("--request".into(), "--request /api/orders".into());
    found.missing = vec![Missing { what, flag, example }];
    let text = init(&found).unwrap();
    assert!(
        text.contains("# NEEDED: a request to send; for example --request /api/orders\n"),
        "{text}"
    );
    assert!(text.contains("# - front: nginx (Dockerfile:7)\n"), "{text}");
    let config = Config::parse(&text).unwrap();
    assert!(config.requests.is_empty() && config.service.command.is_none());
}

#[test]
fn every_key_is_documented() {
    let text = init(&discovery(&["a"])).unwrap().replace("\n# ", " ");
    for table in &TABLES {
        assert!(!table.doc.trim().is_empty() && text.contains(table.doc), "{}", table.name);
        for about in (table.keys)() {
            let named =
                [about.doc, about.form, about.example].iter().all(|said| !said.trim().is_empty());
            assert!(named && text.contains(about.doc), "{}.{}", table.name, about.name);
        }
    }
}

proptest! {
    // Without what may assign a variable or hold a password, which is left out or refused.
    #[test]
    fn any_command_is_read_back(argv in prop::collection::vec("[ -<>?A-~ü]{1,6}", 1..5)) {
        let words: Vec<&str> = argv.iter().map(String::as_str).collect();
        let mut found = discovery(&words);
        found.service.containers[0].command.origin = Origin::Flag { name: "--command".into() };
        let text = init(&found).unwrap();
        let config = Config::parse(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        let Some(command) = config.service.command else {
            return Err(TestCaseError::fail(text));
        };
        let read = command_line(&command.value);
        let shell = ["/bin/sh".into(), "-c".into(), command.value.clone()];
        prop_assert!(read == argv || read == shell);
        prop_assert_eq!(shlex::split(&command.value).unwrap(), argv);
    }

    #[test]
    fn any_goal_and_request_is_read_back(
        quantile in 100u32..=9999, ms in 1u32..10_000_000, errors in 0.0..0.999f64, rate in prop::option::of(1e-3..1e18f64),
        path in "/[!-~ü]{0,9}", weight in 1e-3..1e18f64, body in "[ -~ü\n]{1,9}",
    ) {
        let mut found = discovery(&["a"]);
        let latency = Seconds(f64::from(ms) / 1e6);
        let quantile = f64::from(quantile) / 1e4;
        found.goal.value = Goal { quantile, latency, errors, rate };
        let body = Body::Inline(body.into_bytes());
        found.requests = vec![Request { path, weight, body, method: "PUT".into(), headers: vec![] }];
        let text = init(&found).unwrap();
        let config = Config::parse(&text).map_err(|e| TestCaseError::fail(format!("{e}\n{text}")))?;
        let (read_quantile, read_latency) = config.goal.latency.unwrap().value;
        prop_assert!((read_quantile - quantile).abs() < 1e-9);
        prop_assert!((read_latency.0 - latency.0).abs() < 1e-9);
        prop_assert_eq!(config.goal.errors.unwrap().value, errors);
        prop_assert_eq!(config.goal.rate.map(|rate| rate.value), rate);
        prop_assert_eq!(&config.requests[0].value, &found.requests[0]);
    }
}

#[test]
fn what_is_allowed_already_is_kept() {
    let allowed = "[[allow]]\nrule = \"r\"\npath = \"a/b\"\nbecause = \"it is\"\n";
    let mut found = discovery(&["a"]);
    found.stated = Config::parse(allowed).unwrap();
    let again = Config::parse(&init(&found).unwrap()).unwrap().allows;
    let plain = |all: Vec<Stated<Allowed>>| all.into_iter().map(|a| a.value).collect::<Vec<_>>();
    assert_eq!(plain(again), plain(found.stated.allows));
    assert!(Config::parse("[[allow]]\nrule = \"r\"\n").is_err(), "a reason is needed");
}
