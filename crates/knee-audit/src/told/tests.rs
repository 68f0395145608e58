use super::*;
use crate::Subject;
use crate::picture::File;

/// `key = value (path:line)` of each fact in files of these paths and texts.
fn told(files: &[(&str, &str)]) -> Vec<String> {
    let read = files.iter().map(|(path, text)| File { path: (*path).into(), text: (*text).into() });
    let all = files.iter().map(|(path, _)| (*path).to_string()).collect();
    let picture = Picture::of(Files { read: read.collect(), all, ..Files::default() }, Vec::new());
    let code = crate::Code::read(&picture);
    let subject = Subject { picture, code };
    let facts = subject.facts();
    let line = |fact: &Fact| match &fact.origin {
        Origin::At(place) => {
            let (path, line, _) = subject.picture.files.position(place);
            format!("{} = {} ({path}:{line})", fact.key, fact.value)
        }
        Origin::Default(_) => String::new(),
    };
    facts.iter().map(line).collect()
}

/// Whether all of these are told.
fn tells(files: &[(&str, &str)], wanted: &[&str]) {
    let told = told(files);
    for wanted in wanted {
        assert!(told.iter().any(|told| told == wanted), "{wanted} is not in {told:#?}");
    }
}

#[test]
fn environments_say_sizes_of_their_own() {
    let text = "shop_cpu = 512\nshop_memory = 1024\nshop_desired_count = 3\nshop_max_capacity = \"9\"\n\
                cpu_alarm_threshold = 80\nscaling_cpu_target = 60\nredis_memory = 4096\ngunicorn_workers = 5\ndb_password = \"1\"\n";
    let told = told(&[("live/production.tfvars", text)]);
    let wanted = [
        "task.cpu = 512 (live/production.tfvars:1)",
        "task.memory = 1024 (live/production.tfvars:2)",
        "service.desired_count = 3 (live/production.tfvars:3)",
        "service.maximum = 9 (live/production.tfvars:4)",
        "gunicorn.workers = 5 (live/production.tfvars:8)",
    ];
    assert_eq!(told, wanted);
}

#[test]
fn modules_inputs_and_defaults() {
    let module = "module \"shop\" {\n  source = \"git::elsewhere\"\n  sizes = { cpu = 256 }\n  entrypoint = [\"./start\"]\n  ulimits = [{ name = \"nofile\", softLimit = 4096, hardLimit = 8192 }]\n}\nvariable \"web_port\" {\n  default = \"8080\"\n}\n";
    tells(
        &[("main.tf", module)],
        &[
            "task.cpu = 256 (main.tf:3)",
            "entry = ./start (main.tf:4)",
            "nofile.soft = 4096 (main.tf:5)",
            "container.port = 8080 (main.tf:8)",
        ],
    );
    let stack = "Parameters:\n  MaxCapacity:\n    Default: 12\n  TaskMemory:\n    Default: 2048\n";
    tells(
        &[("stack.yaml", stack)],
        &["service.maximum = 12 (stack.yaml:3)", "task.memory = 2048 (stack.yaml:5)"],
    );
    assert_eq!(told(&[("pod.yaml", "apiVersion: v1\ncpu: 2\n")]), Vec::<String>::new());
}

#[test]
fn dockerfiles_and_versions() {
    let text = "FROM python:3.12-slim\nEXPOSE 8000\nSTOPSIGNAL SIGINT\nRUN echo 'opcache.jit = 0' > x.ini\nCMD [\"gunicorn\", \"a:b\"]\n";
    tells(
        &[("images/Dockerfile-api", text), ("requirements.txt", "gunicorn==22.0.0\nother==1.0\n")],
        &[
            "python.version = 3.12 (images/Dockerfile-api:1)",
            "container.port = 8000 (images/Dockerfile-api:2)",
            "container.stop_signal = SIGINT (images/Dockerfile-api:3)",
            "opcache.jit = 0 (images/Dockerfile-api:4)",
            "entry = gunicorn a:b (images/Dockerfile-api:5)",
            "gunicorn.version = 22.0.0 (requirements.txt:1)",
        ],
    );
}

#[test]
fn code_says_pools_ports_and_times() {
    let server = "const port = process.env.PORT || 3000;\nserver.headersTimeout = 62 * 1000;\nconst db = knex({ pool: { min: 1, max: 12 } });\nconst other = { max: 99 };\nconst redis = { redisOptions: { port: 7000 } };\n";
    let image = "FROM node:22\nCOPY . .\nCMD [\"node\", \"server.js\"]\n";
    let tool = "export default { server: { port: 7000 } }";
    let files = [("Dockerfile", image), ("server.js", server), ("vite.config.js", tool)];
    tells(
        &files,
        &[
            "server.port = unknown: is written as `process.env.PORT || 3000` (server.js:1)",
            "node.headers_timeout = 62000 (server.js:2)",
            "db.pool_max = 12 (server.js:3)",
        ],
    );
    let told = told(&files);
    let entries = told.iter().filter(|told| told.starts_with("entry = node server.js")).count();
    assert_eq!(entries, 1, "said once: {told:#?}");
    assert!(!told.iter().any(|told| told.contains("99") || told.contains("7000")), "{told:#?}");
    let settings = "DB = {'CONN_MAX_AGE': 60, 'POOL_SIZE': 10}\nCELERY_WORKER_PREFETCH_MULTIPLIER = 1\nMAX_CONNS = get('secret', 20)\n";
    let image = "FROM python:3.12\nCOPY . .\nCMD [\"gunicorn\", \"settings\"]\n";
    tells(
        &[("Dockerfile", image), ("settings.py", settings)],
        &[
            "db.conn_max_age = 60 (settings.py:1)",
            "db.pool_size = 10 (settings.py:1)",
            "celery.worker_prefetch_multiplier = 1 (settings.py:2)",
            "db.pool_max = unknown: is written as `get(…, 20)` (settings.py:3)",
        ],
    );
    let go = "package main\nfunc main() {\n\tc.MaxConns = 25\n\ts := http.Server{Addr: \":8080\", WriteTimeout: 5 * time.Second}\n\tt := &http.Transport{MaxIdleConns: 7}\n}\ntype C struct {\n\tMaxOpenConns int `default:\"60\"`\n}\n";
    let image = "FROM golang:1.25\nCOPY . .\nRUN go build -o /app .\nCMD [\"/app\"]\n";
    let files = [("Dockerfile", image), ("main.go", go), ("go.mod", "module a\ngo 1.25\n")];
    tells(
        &files,
        &[
            "db.pool_max = 25 (main.go:3)",
            "server.port = 8080 (main.go:4)",
            "go.write_timeout = 5 s (main.go:4)",
            "db.max_open_conns = 60 (main.go:8)",
            "go.version = 1.25 (go.mod:2)",
        ],
    );
    assert!(!self::told(&files).iter().any(|told| told.contains("= 7")));
}

#[test]
fn settings_are_read_as_their_servers_read_them() {
    let nginx = "server { listen 8080; # listen 9;\n client_max_body_size 2m; }\n";
    let fpm = "[www]\npm = dynamic ; by load\npm.max_children = \"12\"\n";
    tells(
        &[
            ("a.conf", nginx),
            ("b.conf", fpm),
            ("c.sh", "#!/bin/sh\npoetry run -- gunicorn a:b\nwait\n"),
        ],
        &[
            "nginx.listen = 8080 (a.conf:1)",
            "nginx.client_max_body_size = 2m (a.conf:2)",
            "php_fpm.pm = dynamic (b.conf:2)",
            "php_fpm.max_children = 12 (b.conf:3)",
            "entry = poetry run -- gunicorn a:b (c.sh:2)",
        ],
    );
}

#[test]
fn scripts_and_settings() {
    let script = "#!/bin/sh\nSTOP_TIMEOUT=10\naws ecs update-service --desired-count 4 --service a\nexec gunicorn a:b\n";
    tells(
        &[
            ("run.sh", script),
            ("web/site.conf", "server {\n  listen 8080;\n  keepalive_timeout 70s;\n}\n"),
        ],
        &[
            "env.STOP_TIMEOUT = 10 (run.sh:2)",
            "service.desired_count = 4 (run.sh:3)",
            "entry = gunicorn a:b (run.sh:4)",
            "nginx.listen = 8080 (web/site.conf:2)",
        ],
    );
}

/// Every reader gets every example of the rules' pages, broken off anywhere.
#[test]
fn texts_broken_off_anywhere() {
    let mut count = 0;
    for example in crate::rules().iter().flat_map(|rule| rule.page.bad()) {
        let text = example.text;
        for end in (0..=text.len()).step_by(17).filter(|end| text.is_char_boundary(*end)) {
            let text = &text[..end];
            let end = example.path.rsplit('.').next().unwrap_or_default();
            let all = [
                image::dockerfile(text),
                deployment::terraform(text),
                deployment::yaml("manifest.yml", text),
                settings::settings(text, FileId(0)),
                lines::script(text),
                lines::environment(text),
                image::versions("package.json", text),
                code::read(end, text),
            ];
            for Said { range, .. } in all.iter().flatten() {
                assert!(text.get(range.clone()).is_some(), "{range:?} of {}", example.path);
            }
            count += 1;
        }
    }
    assert!(count > 500, "{count}");
}

#[test]
fn texts_in_values_are_not_shown() {
    assert_eq!(plain("get(\"hunter2\", 20)"), "get(…, 20)");
    assert_eq!(plain("env(`https://u:p@h`, 'POOL_SIZE', \"5\")"), "env(…, 'POOL_SIZE', \"5\")");
    assert_eq!(plain("\"30s\""), "30s");
    assert_eq!(plain(r#"get("a\"hunter2\"b", 20)"#), "get(…, 20)");
    assert_eq!(plain("get(20, \"hunter2"), "get(20, …");
}

#[test]
fn what_commands_assign_is_not_shown() {
    let script = "#!/bin/sh\nexec env KEY=\"hunter2 hunter3\" gunicorn --env=T=hunter4 a:b\n";
    let image = "FROM python:3.12\nENV GUNICORN_CMD_ARGS=\"-w 2 -e KEY=hunter5\"\nCMD [\"env\", \"A=hunter6 hunter7\", \"gunicorn\", \"a:b\"]\n";
    let module = "module \"a\" {\n  command = [\"env\", \"A=hunter8 hunter9\", \"gunicorn\"]\n}\n";
    let told = told(&[("run.sh", script), ("Dockerfile", image), ("main.tf", module)]);
    assert!(
        told.iter().any(|told| told.contains("gunicorn --env=T=… a:b (run.sh:2)")),
        "{told:#?}"
    );
    assert!(!told.iter().any(|told| told.contains("hunter")), "{told:#?}");
}
