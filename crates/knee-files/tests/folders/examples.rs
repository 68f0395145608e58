//! The examples: everything is found in each, with the right origin.

use crate::support::*;
use knee_core::launch::Answer;
use knee_core::settings::Site;
use std::path::Path;

#[test]
fn every_example_discovers_completely() {
    for name in EXAMPLES {
        let folder = Folder::example(name);
        let discovery = folder.discover();
        let service = &discovery.service;
        assert!(
            discovery.missing.is_empty(),
            "{name}: {:?}; run scripts/setup",
            missing(&discovery)
        );
        assert_eq!(service.name, format!("orders-{name}"));
        assert_eq!(
            service.task.as_ref().unwrap().to_string(),
            "0.5 vCPU, 1 GiB (task-definition.json:5)"
        );
        let port = service.port.as_ref().unwrap();
        assert!(port.to_string().ends_with("(task-definition.json:12)"), "{port}");
        assert_eq!(service.ready.as_ref().unwrap().value, "/health");
        assert_eq!(discovery.goal.value.to_string(), "p99 < 250 ms, errors < 0.1%");
        assert!(
            !discovery.requests.is_empty() && discovery.requests.iter().all(|r| r.check().is_ok())
        );
        assert_eq!(service.containers[0].nofile.as_ref().unwrap().value, (65_536, 65_536));
        assert!(discovery.config.as_ref().unwrap().ends_with("knee.toml"));
        for (_, placed) in service.knobs() {
            let value = &placed.current.value;
            let words = [("keepalive", "unset"), ("GOMEMLIMIT", "off")];
            let word = value.as_text().map(|text| (&*placed.knob.name, text));
            assert!(
                placed.knob.range.contains(value) || word.is_some_and(|w| words.contains(&w)),
                "{name}: {} = {value}",
                placed.knob.name
            );
            assert!(placed.place.file.is_some(), "{name}: {}", placed.knob.name);
        }
    }
}

#[test]
fn each_value_has_its_line() {
    let lines: [(&str, &[(&str, &str)]); 6] = [
        (
            "gunicorn",
            &[
                ("workers", "5 (Dockerfile:11)"),
                ("threads", "1 (default of gunicorn)"),
                ("worker-class", "sync (default of gunicorn)"),
            ],
        ),
        (
            "uvicorn",
            &[
                ("workers", "5 (gunicorn.conf.py:6)"),
                ("worker-class", "uvicorn_worker.UvicornWorker (Dockerfile:9)"),
            ],
        ),
        (
            "node",
            &[
                ("WEB_CONCURRENCY", "1 (server.js:16)"),
                ("UV_THREADPOOL_SIZE", "4 (default of Node.js)"),
                ("max-old-space-size", "512 (default of Node.js)"),
            ],
        ),
        ("go", &[("GOGC", "100 (default of Go)"), ("GOMEMLIMIT", "off (default of Go)")]),
        (
            "php-fpm",
            &[
                ("pm", "dynamic (www.conf:13)"),
                ("pm.max_children", "5 (www.conf:14)"),
                ("pm.max_spare_servers", "3 (www.conf:17)"),
                ("listen.backlog", "511 (default of PHP-FPM)"),
                ("worker_connections", "768 (nginx.conf:8)"),
            ],
        ),
        (
            "nginx",
            &[
                ("worker_connections", "64 (nginx.conf:9)"),
                ("keepalive", "unset (assumed: nothing sets it)"),
            ],
        ),
    ];
    for (name, knobs) in lines {
        let discovery = Folder::example(name).discover();
        for (knob, expected) in knobs {
            assert_eq!(told(&discovery, knob), *expected, "{name}");
        }
    }
}

#[test]
fn commands_runtimes_and_places() {
    let command = |name: &str| facts(&Folder::example(name).discover(), "command").remove(0);
    assert_eq!(command("node"), "node server.js (Dockerfile:7)");
    assert_eq!(command("php-fpm"), "sh start.sh (Dockerfile:13)");
    assert_eq!(command("nginx"), "nginx -e stderr -g 'daemon off;' (Dockerfile:9)");
    let php = Folder::example("php-fpm").discover();
    assert_eq!(
        facts(&php, "runtime"),
        [
            "PHP-FPM: the command runs php-fpm (start.sh:5)",
            "nginx: the command runs nginx (start.sh:6)"
        ]
    );
    let place = &knob(&php, "pm.max_children").place;
    assert_eq!(place.site, Site::Ini { key: "pm.max_children".into() });
    assert_eq!(place.seen_at.as_deref(), Some(Path::new("/etc/php/8.2/fpm/pool.d/www.conf")));
    assert_eq!(
        file(&Folder::example("go").discover(), "GOGC").unwrap(),
        Path::new("task-definition.json")
    );
    let gunicorn = Folder::example("gunicorn").discover();
    assert_eq!(file(&gunicorn, "threads").unwrap(), Path::new("Dockerfile"));
    assert_eq!(facts(&gunicorn, "environment"), ["BACKEND_URL (task-definition.json:13)"]);
}

#[test]
fn today_is_launched_as_it_is() {
    for name in EXAMPLES {
        let folder = Folder::example(name);
        let discovery = folder.discover();
        let service = &discovery.service;
        let launch = knee_files::launch(service, &service.current(), task(&discovery)).unwrap();
        let (container, given) = (&launch.containers[0], &service.containers[0]);
        assert_eq!(container.argv, given.command.value, "{name}");
        assert!(container.env.get("PATH").unwrap().contains(".venv/bin"));
        assert_eq!(container.env.get("HOSTNAME"), None, "nothing of knee's own environment");
        for (path, bytes) in &launch.files {
            let text = String::from_utf8(bytes.clone()).unwrap();
            let own = path.starts_with("/run/knee");
            assert!(own || text.contains("pm.status_listen"), "{name} changes {}", path.display());
        }
        assert!(knee_files::patches(service, &service.current()).unwrap().is_empty(), "{name}");
    }
}

#[test]
fn a_runtime_is_made_to_tell_of_itself() {
    let launch = |name: &str| {
        let folder = Folder::example(name);
        let discovery = folder.discover();
        let settings = discovery.service.current();
        knee_files::launch(&discovery.service, &settings, task(&discovery)).unwrap()
    };
    let node = launch("node");
    let env = &node.containers[0].env;
    assert_eq!(env.get("NODE_OPTIONS"), Some("--require /run/knee/node.cjs"));
    assert!(node.files.iter().any(|(path, _)| path == Path::new("/run/knee/node.cjs")));
    assert_eq!(node.asks[0].how, Answer::Folder("/run/knee/node".into()));
    let go = launch("go");
    assert_eq!(go.containers[0].env.get("GODEBUG"), Some("gctrace=1"));
    assert_eq!(go.asks[0].how, Answer::Stderr(0));
    let php = launch("php-fpm");
    let pool = &php.files.iter().find(|(path, _)| path.ends_with("www.conf")).unwrap().1;
    let pool = String::from_utf8(pool.clone()).unwrap();
    assert!(pool.contains("\npm.status_listen = /run/knee-fpm-status.sock\n"), "{pool}");
    assert!(pool.contains("; The pool, as Debian ships it"), "comments stay");
    // FPM's page and OPcache's script, and the error log of nginx in front.
    assert_eq!(php.asks.len(), 3);
    assert_eq!(launch("nginx").asks[0].how, Answer::Stderr(0));
    assert!(launch("gunicorn").asks.is_empty());
}

#[test]
fn patches_keep_the_users_formatting() {
    let found =
        |name: &str, turned: &[(&str, i64)]| diff(&Folder::example(name).discover(), turned);
    assert_eq!(
        found("gunicorn", &[("workers", 2), ("threads", 8)]),
        "--- a/Dockerfile\n+++ b/Dockerfile\n@@ -8,4 +8,4 @@\n \
         # Five workers: \"2 x cores + 1\" as in gunicorn's documentation, for the two cores that a small\n \
         # Fargate task sees. gunicorn writes no access log unless asked to: a line for every request costs\n \
         # CPU and disk. Its control socket would be a file in the home folder that nobody uses.\n\
         -CMD [\"gunicorn\", \"--bind\", \"127.0.0.1:8081\", \"--workers\", \"5\", \"--no-control-socket\", \"app:app\"]\n\
         +CMD [\"gunicorn\", \"--bind\", \"127.0.0.1:8081\", \"--workers\", \"2\", \"--threads\", \"8\", \"--worker-class\", \"gthread\", \"--no-control-socket\", \"app:app\"]\n"
    );
    let changed = |name: &str, turned: &[(&str, i64)]| -> Vec<String> {
        let diff = found(name, turned);
        let lines = diff.lines().filter(|l| {
            l.starts_with(['+', '-']) && !l.starts_with("+++") && !l.starts_with("---")
        });
        lines.map(String::from).collect()
    };
    assert_eq!(changed("uvicorn", &[("workers", 1)]), ["-workers = 5", "+workers = 1"]);
    assert_eq!(
        changed("go", &[("GOMAXPROCS", 1), ("GOMEMLIMIT", 900)]),
        [
            "-      \"environment\": [{ \"name\": \"BACKEND_URL\", \"value\": \"…\" }],",
            "+      \"environment\": [{ \"name\": \"BACKEND_URL\", \"value\": \"…\" }, \
             { \"name\": \"GOMAXPROCS\", \"value\": \"1\" }, { \"name\": \"GOMEMLIMIT\", \"value\": \"900MiB\" }],",
        ]
    );
    assert_eq!(
        changed("nginx", &[("keepalive", 32), ("worker_connections", 1024)]),
        [
            "-    worker_connections 64;",
            "+    worker_connections 1024;",
            "+        keepalive 32;",
            "+            proxy_http_version 1.1;",
            "+            proxy_set_header Connection \"\";",
        ]
    );
    assert_eq!(
        changed("php-fpm", &[("pm.max_children", 2)]),
        [
            "-pm.max_children = 5",
            "+pm.max_children = 2",
            "-pm.max_spare_servers = 3",
            "+pm.max_spare_servers = 2",
        ]
    );
}
