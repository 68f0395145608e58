//! Folders as people have them: compose, Procfile, npm, several containers, templates, images that
//! are not here.

use crate::support::*;
use knee_files::Overrides;
use std::path::Path;

const TASK: &str = r#"{
  "family": "shop",
  "requiresCompatibilities": ["FARGATE"],
  "cpu": "1 vCPU",
  "memory": "2 GB",
  "containerDefinitions": [
    { "name": "app", "image": "shop:1", "portMappings": [{ "containerPort": 8000 }],
      "healthCheck": { "command": ["CMD-SHELL", "curl -f http://localhost:8000/up || exit 1"] },
      "secrets": [{ "name": "KNEE_TEST_SECRET", "valueFrom": "arn:x" }] }
  ]
}
"#;

fn python(extra: &[(&str, &str)]) -> Folder {
    let mut files = vec![("app.py", "def app(e, s): pass\n"), ("task-definition.json", TASK)];
    files.extend(extra);
    Folder::tree(&files)
}

#[test]
fn a_procfile_alone_suffices_but_for_the_task() {
    let folder = Folder::tree(&[
        (
            "Procfile",
            "release: ./migrate\nweb: gunicorn --workers ${WEB_CONCURRENCY:-3} -b 0.0.0.0:$PORT app:app\n",
        ),
        ("app.py", ""),
    ]);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "workers"), "3 (Procfile:2)");
    assert_eq!(discovery.service.port.as_ref().unwrap().value, 8000);
    assert_eq!(discovery.service.containers[0].env.get("PORT"), Some("8000"));
    assert_eq!(discovery.service.containers[0].workdir, folder.path().canonicalize().unwrap());
    let asked = missing(&discovery);
    assert!(
        asked.iter().any(|m| m.starts_with("--task: the task's size, vCPU and memory")),
        "{asked:?}"
    );
    assert!(asked.iter().any(|m| m.starts_with("--request: ")), "{asked:?}");
    let changed = diff(&discovery, &[("workers", 8)]);
    assert!(changed.contains("+web: gunicorn --workers 8 -b 0.0.0.0:$PORT app:app"), "{changed}");
}

#[test]
fn npm_start_is_followed_into_package_json() {
    let folder = Folder::tree(&[
        (
            "package.json",
            "{\n  \"scripts\": {\n    \"start\": \"node --max-old-space-size=300 server.js\"\n  }\n}\n",
        ),
        ("server.js", "http.createServer(() => {}).listen(process.env.PORT)\n"),
        (
            "Dockerfile",
            "FROM node:22\nWORKDIR /knee-app\nCOPY . .\nENV UV_THREADPOOL_SIZE=8\nEXPOSE 3000/tcp\nCMD [\"npm\", \"start\"]\n",
        ),
    ]);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "max-old-space-size"), "300 (package.json:3)");
    assert_eq!(told(&discovery, "UV_THREADPOOL_SIZE"), "8 (Dockerfile:4)");
    assert_eq!(discovery.service.port.as_ref().unwrap().to_string(), "3000 (Dockerfile:5)");
    let names: Vec<&str> = discovery.service.knobs().map(|(_, k)| &*k.knob.name).collect();
    assert!(!names.contains(&"WEB_CONCURRENCY"), "nothing reads it");
    let changed = diff(&discovery, &[("max-old-space-size", 200), ("UV_THREADPOOL_SIZE", 16)]);
    assert!(
        changed.contains("+    \"start\": \"node --max-old-space-size=200 server.js\"\n"),
        "{changed}"
    );
    assert!(changed.contains("+ENV UV_THREADPOOL_SIZE=16\n"), "{changed}");
    let settings = discovery.service.current().with("max-old-space-size", 200);
    let launch =
        knee_files::launch(&discovery.service, &settings, "1,2GB".parse().unwrap()).unwrap();
    let shown = launch.files.iter().find(|(path, _)| path == Path::new("/knee-app/package.json"));
    assert!(String::from_utf8(shown.unwrap().1.clone()).unwrap().contains("=200 server.js"));
    assert_eq!(launch.containers[0].argv, ["npm", "start"]);
}

#[test]
fn a_compose_service_is_a_container() {
    let folder = Folder::tree(&[
        (
            "compose.yaml",
            "services:\n  db:\n    image: postgres:16\n  web:\n    build: { context: ., dockerfile: web.Dockerfile }\n    \
             command: gunicorn -w 2 -b 0.0.0.0:8000 app:app\n    environment:\n      MODE: fast\n    ports: [\"80:8000\"]\n    \
             depends_on: [db]\n    healthcheck: { test: [CMD, curl, -f, \"http://localhost:8000/ok\"] }\n    \
             deploy: { resources: { limits: { cpus: \"0.5\", memory: 512M } } }\n    ulimits: { nofile: 4096 }\n",
        ),
        (
            "web.Dockerfile",
            "FROM python:3\nWORKDIR /knee-app\nCOPY . .\nCMD [\"flask\", \"run\"]\n",
        ),
        ("app.py", ""),
    ]);
    let discovery = folder.discover();
    let service = &discovery.service;
    assert_eq!(service.containers.len(), 1);
    assert_eq!(told(&discovery, "workers"), "2 (compose.yaml:6)");
    assert_eq!(service.task.as_ref().unwrap().to_string(), "0.5 vCPU, 512 MiB (compose.yaml:12)");
    assert_eq!(service.port.as_ref().unwrap().to_string(), "8000 (compose.yaml:9)");
    assert_eq!(service.ready.as_ref().unwrap().to_string(), "/ok (compose.yaml:11)");
    assert_eq!(service.containers[0].workdir, Path::new("/knee-app"));
    assert_eq!(service.containers[0].nofile.as_ref().unwrap().value, (4096, 4096));
    assert_eq!(
        facts(&discovery, "left out"),
        [
            "container db: nothing here builds its image postgres:16; its name leads to this machine, \
             where it has to be started (compose.yaml:3)"
        ]
    );
    let (_, hosts) =
        service.stand_ins.iter().find(|(at, _)| at == Path::new("/etc/hosts")).unwrap();
    assert!(hosts.ends_with("\n127.0.0.1 db web\n"), "{hosts}");
    let changed = diff(&discovery, &[("workers", 4)]);
    assert!(changed.contains("+    command: gunicorn -w 4 -b 0.0.0.0:8000 app:app\n"), "{changed}");
}

#[test]
fn a_task_of_several_containers_leaves_side_cars_out() {
    let task = r#"{
  "family": "shop", "requiresCompatibilities": ["FARGATE"], "cpu": "512", "memory": "1024",
  "containerDefinitions": [
    { "name": "nginx", "image": "1.dkr.ecr.x/shop-nginx:1", "portMappings": [{ "containerPort": 8080 }],
      "dependsOn": [{ "containerName": "php", "condition": "START" }] },
    { "name": "php", "image": "1.dkr.ecr.x/shop:1", "environment": [{ "name": "A", "value": "b" }] },
    { "name": "agent", "image": "public.ecr.aws/datadog/agent:7" }
  ]
}"#;
    let folder = Folder::tree(&[
        ("task-definition.json", task),
        (
            "Dockerfile",
            "FROM php:8.2-fpm\nCOPY pool.conf /usr/local/etc/php-fpm.d/zz-pool.conf\nCOPY public public\n",
        ),
        ("pool.conf", "[www]\npm = static\npm.max_children = 9\nlisten = 127.0.0.1:9000\n"),
        ("public/index.php", "<?php\n"),
        (
            "docker/nginx/Dockerfile",
            "FROM nginx:1.27\nCOPY docker/nginx/site.conf /etc/nginx/conf.d/default.conf\n",
        ),
        (
            "docker/nginx/site.conf",
            "server {\n  listen 8080;\n  location / { fastcgi_pass 127.0.0.1:9000; }\n}\n",
        ),
    ]);
    let discovery = folder.discover();
    let service = &discovery.service;
    let names: Vec<&str> = service.containers.iter().map(|c| c.name.as_str()).collect();
    assert_eq!(names, ["php", "nginx"], "in start order");
    assert_eq!(service.serving, 1);
    assert_eq!(service.port.as_ref().unwrap().value, 8080);
    assert_eq!(service.containers[0].command.value, ["php-fpm"]);
    assert_eq!(service.containers[0].workdir, Path::new("/var/www/html"));
    assert_eq!(told(&discovery, "pm.max_children"), "9 (pool.conf:3)");
    assert_eq!(facts(&discovery, "left out").len(), 1);
    assert!(facts(&discovery, "command of nginx")[0].starts_with("nginx -g 'daemon off;'"));
    assert!(
        facts(&discovery, "program").iter().any(|f| f.contains("php-fpm8.2 in place of php-fpm"))
    );
    let changed = diff(&discovery, &[("pm.max_children", 4)]);
    assert!(
        changed.contains("--- a/pool.conf") && changed.contains("+pm.max_children = 4"),
        "{changed}"
    );
}

#[test]
fn a_pool_that_the_image_has_is_overridden_by_a_file_of_the_users() {
    let folder = Folder::tree(&[
        ("fpm/Dockerfile", "FROM php:8.3-fpm\nCOPY public public\nCMD [\"php-fpm\"]\n"),
        ("fpm/public/index.php", "<?php\n"),
        ("task-definition.json", &TASK.replace("\"image\": \"shop:1\"", "\"image\": \"fpm:1\"")),
    ]);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "pm.max_children"), "5 (/usr/local/etc/php-fpm.d/www.conf:6)");
    let settings = discovery.service.current().with("pm", "static").with("pm.max_children", 9);
    let launch = knee_files::launch(&discovery.service, &settings, task(&discovery)).unwrap();
    let pool = "[www]\npm = static\npm.max_children = 9\n";
    let shown = launch.files.iter().find(|(path, _)| path.ends_with("zzz-knee.conf")).unwrap();
    assert_eq!(shown.0, Path::new("/usr/local/etc/php-fpm.d/zzz-knee.conf"));
    assert!(String::from_utf8(shown.1.clone()).unwrap().starts_with(pool));
    let patches = knee_files::patches(&discovery.service, &settings).unwrap();
    let paths: Vec<_> = patches.iter().map(|p| p.path.display().to_string()).collect();
    assert_eq!(paths, ["fpm/Dockerfile", "fpm/zzz-knee.conf"]);
    assert_eq!(patches[1].after, pool);
    assert!(patches[1].diff().starts_with("--- /dev/null\n+++ b/fpm/zzz-knee.conf\n"));
    assert!(
        patches[0]
            .after
            .contains("public\nCOPY zzz-knee.conf /usr/local/etc/php-fpm.d/zzz-knee.conf\nCMD")
    );
    for patch in &patches {
        folder.write(&patch.path.display().to_string(), &patch.after);
    }
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "pm.max_children"), "9 (fpm/zzz-knee.conf:3)");
    assert_eq!(told(&discovery, "pm"), "static (fpm/zzz-knee.conf:2)");
    assert!(
        knee_files::patches(&discovery.service, &discovery.service.current()).unwrap().is_empty()
    );
}

#[test]
fn precedence_is_flag_task_image_file_default() {
    let conf = "import os\nworkers = 2\nthreads = int(os.environ.get(\"THREADS\", \"6\"))\nbacklog = 2 * 64\nworker_class = pick()\n";
    let docker = "FROM python:3\nWORKDIR /knee-app\nCOPY . .\nENV WEB_CONCURRENCY=7 THREADS=3\n";
    let command = "CMD [\"gunicorn\", \"app:app\"]\n";
    let folder =
        python(&[("gunicorn.conf.py", conf), ("Dockerfile", &format!("{docker}{command}"))]);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "workers"), "2 (gunicorn.conf.py:2)");
    assert_eq!(told(&discovery, "threads"), "3 (Dockerfile:4)");
    assert_eq!(told(&discovery, "backlog"), "128 (gunicorn.conf.py:4)");
    assert!(
        told(&discovery, "worker-class")
            .starts_with("sync (assumed: gunicorn.conf.py:5 says something")
    );
    let changed = diff(&discovery, &[("threads", 5), ("backlog", 256)]);
    assert!(changed.contains("+ENV WEB_CONCURRENCY=… THREADS=5\n"), "{changed}");
    assert!(changed.contains("-backlog = 2 * 64\n+backlog = 256\n"), "{changed}");
    folder.write(
        "Dockerfile",
        &format!("{docker}ENV GUNICORN_CMD_ARGS=\"--workers=4 --timeout 9\"\n{command}"),
    );
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "workers"), "4 (Dockerfile:5)");
    let changed = diff(&discovery, &[("workers", 5)]);
    assert!(changed.contains("+ENV GUNICORN_CMD_ARGS=\"--workers=5 --timeout 9\"\n"), "{changed}");
    folder.write(
        "task-definition.json",
        &TASK.replace(
            "\"secrets\"",
            "\"environment\": [{ \"name\": \"THREADS\", \"value\": \"9\" }], \"secrets\"",
        ),
    );
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "threads"), "9 (task-definition.json:9)");
    folder.write("knee.toml", "[service]\ncommand = \"gunicorn -w 11 app:app\"\n");
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "workers"), "11 (knee.toml:2)");
    let changed = diff(&discovery, &[("workers", 1)]);
    assert!(changed.contains("+command = \"gunicorn -w 1 app:app\"\n"), "{changed}");
    let overrides =
        Overrides { command: Some("gunicorn -w 13 app:app".into()), ..Overrides::default() };
    let discovery = knee_files::discover(folder.path(), &overrides).unwrap();
    assert_eq!(told(&discovery, "workers"), "13 (--command)");
    assert_eq!(file(&discovery, "workers"), None, "it can only be passed");
    assert_eq!(diff(&discovery, &[("workers", 1)]), "");
    let settings = discovery.service.current().with("workers", 2);
    let launch = knee_files::launch(&discovery.service, &settings, task(&discovery)).unwrap();
    assert_eq!(launch.containers[0].argv, ["gunicorn", "-w", "2", "app:app"]);
}

#[test]
fn a_shells_text_and_a_script_are_turned_where_they_stand() {
    let script = "#!/bin/sh\nset -e\nexport WORKERS=${WORKERS:-$(( 2 * $(nproc) + 1 ))}\nexec gunicorn --workers \"$WORKERS\" \\\n  --threads 4 app:app \"$@\"\n";
    let folder = python(&[
        ("entry.sh", script),
        (
            "Dockerfile",
            "FROM python:3\nWORKDIR /knee-app\nCOPY . .\nENTRYPOINT [\"tini\", \"--\", \"sh\", \"./entry.sh\"]\nCMD [\"--backlog\", \"64\"]\n",
        ),
    ]);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "threads"), "4 (entry.sh:5)");
    assert_eq!(told(&discovery, "backlog"), "64 (Dockerfile:5)");
    let workers = knob(&discovery, "workers");
    assert_eq!(workers.current.value.as_int().map(|n| n % 2), Some(1), "{}", workers.current);
    let changed = diff(&discovery, &[("threads", 9), ("backlog", 99), ("workers", 3)]);
    assert!(changed.contains("+  --threads 9 app:app \"$@\"\n"), "{changed}");
    assert!(changed.contains("+CMD [\"--backlog\", \"99\"]\n"), "{changed}");
    assert!(changed.contains("{ \"name\": \"WORKERS\", \"value\": \"3\" }"), "{changed}");
    let settings =
        discovery.service.current().with("threads", 9).with("workers", 3).with("backlog", 99);
    let launch = knee_files::launch(&discovery.service, &settings, task(&discovery)).unwrap();
    let container = &launch.containers[0];
    assert_eq!(container.env.get("WORKERS"), Some("3"));
    assert_eq!(container.argv.last().unwrap(), "99");
    let shown = launch.files.iter().find(|(path, _)| path.ends_with("entry.sh")).unwrap();
    assert!(String::from_utf8(shown.1.clone()).unwrap().contains("--threads 9 app:app"));
}

#[test]
fn a_template_leaves_things_open() {
    let task = TASK.replace("\"1 vCPU\"", "${cpu}").replace("8000 }],", "${port} }],");
    let docker =
        "FROM python:3\nWORKDIR /knee-app\nCOPY . .\nCMD gunicorn -b 0.0.0.0:8001 app:app\n";
    let folder = python(&[("Dockerfile", docker), ("task-definition.json", &task)]);
    let discovery = folder.discover();
    let asked = missing(&discovery);
    let of_task = asked.iter().find(|m| m.starts_with("--task")).unwrap();
    assert_eq!(
        of_task,
        "--task: the task's vCPU (its memory is 2 GiB); task-definition.json:4 leaves it open with ${cpu} (--task 0.5,1GB)"
    );
    assert_eq!(discovery.service.port.as_ref().unwrap().to_string(), "8001 (Dockerfile:4)");
    let changed = diff(&discovery, &[("workers", 3)]);
    assert!(
        changed.contains("+CMD gunicorn -b 0.0.0.0:8001 --workers 3")
            || changed.contains("WEB_CONCURRENCY"),
        "{changed}"
    );
}

#[test]
fn an_unknown_program_has_the_knobs_of_knee_toml() {
    let config = "[service]\nport = 9000\n[task]\ncpu = 0.25\nmemory = \"512MB\"\n[[request]]\npath = \"/\"\n\
                  [knobs.POOL]\nenv = \"POOL\"\nrange = \"1..64\"\ndefault = 8\n[knobs.batch]\nflag = \"--batch\"\nrange = \"1..9\"\n";
    let folder = Folder::tree(&[
        ("knee.toml", config),
        (
            "Dockerfile",
            "FROM debian\nWORKDIR /knee-app\nCOPY . .\nENV POOL=4\nCMD [\"./server\", \"--port\", \"9000\"]\n",
        ),
        ("server", "#!/usr/bin/env python3\n"),
    ]);
    let discovery = folder.discover();
    assert!(discovery.missing.is_empty(), "{:?}", missing(&discovery));
    assert_eq!(discovery.service.containers[0].parts[0].runtime, "generic");
    assert_eq!(told(&discovery, "POOL"), "4 (Dockerfile:4)");
    assert_eq!(told(&discovery, "batch"), "unset (assumed: nothing sets it)");
    let changed = diff(&discovery, &[("POOL", 16), ("batch", 3)]);
    assert!(changed.contains("+ENV POOL=16\n"), "{changed}");
    assert!(
        changed.contains("+CMD [\"./server\", \"--batch\", \"3\", \"--port\", \"9000\"]\n"),
        "{changed}"
    );
    folder.write("Dockerfile", "FROM debian\nWORKDIR /knee-app\nCOPY . .\nCMD [\"./server\"]\n");
    assert_eq!(told(&folder.discover(), "POOL"), "8 (knee.toml:8)");
}

#[test]
fn knee_toml_narrows_widens_and_holds_knobs() {
    let rules =
        "[knobs]\nworkers = \"2..128\"\nthreads = 4\nbacklog = false\nworker-class = \"gthread\"\n";
    let docker = "FROM python:3\nWORKDIR /knee-app\nCOPY . .\nCMD [\"gunicorn\", \"-w\", \"3\", \"app:app\"]\n";
    let folder = python(&[("Dockerfile", docker), ("knee.toml", rules)]);
    let discovery = folder.discover();
    let range = |name: &str| knob(&discovery, name).knob.range.to_string();
    assert_eq!(range("workers"), "2..128");
    assert_eq!(range("threads"), "4..4");
    assert_eq!(range("backlog"), "2048..2048");
    assert_eq!(range("worker-class"), "gthread");
    folder.write("Dockerfile", &docker.replace("\"3\"", "\"300\""));
    folder.write("knee.toml", "");
    let discovery = folder.discover();
    assert_eq!(knob(&discovery, "workers").knob.range.to_string(), "1..300", "today's is in it");
}

#[test]
fn what_is_asked_for_has_an_example() {
    let nothing = Folder::tree(&[]);
    let asked = missing(&nothing.discover());
    assert_eq!(asked.len(), 3, "{asked:?}");
    assert!(asked[0].starts_with("--command: what starts the service: no task definition"));
    assert!(asked.iter().all(|m| m.contains("--")), "{asked:?}");
    let unbuilt = Folder::tree(&[
        (
            "Dockerfile",
            "FROM golang AS build\nWORKDIR /src\nCOPY . .\nRUN go build -o knee-none .\nFROM debian\nCOPY --from=build /src/knee-none /usr/local/bin/knee-none\nCMD [\"knee-none\"]\n",
        ),
        ("go.mod", "module x\n"),
    ]);
    let asked = missing(&unbuilt.discover());
    assert!(
        asked.iter().any(|m| m.contains("the image's stage build makes it (Dockerfile:6)")),
        "{asked:?}"
    );
    let foreign = Folder::tree(&[("Procfile", "web: knee-no-such-program $KNEE_NO_SUCH_VALUE\n")]);
    let asked = missing(&foreign.discover());
    assert!(asked.iter().any(|m| m.contains("the program knee-no-such-program")), "{asked:?}");
    assert!(asked.iter().any(|m| m.contains("a value for KNEE_NO_SUCH_VALUE")), "{asked:?}");
}

#[test]
fn secrets_are_names_only() {
    let docker = "FROM python:3\nWORKDIR /knee-app\nCOPY . .\nENV DB_PASSWORD=hunter2\nCMD TOKEN=hunter3 gunicorn app:app\n";
    let discovery = python(&[("Dockerfile", docker)]).discover();
    let shown = format!("{:?} {:?}", discovery.facts, discovery.service.containers[0].env);
    assert!(shown.contains("DB_PASSWORD") && shown.contains("KNEE_TEST_SECRET"), "{shown}");
    assert!(!shown.contains("hunter"), "{shown}");
    assert_eq!(
        discovery.service.ready.as_ref().unwrap().to_string(),
        "/up (task-definition.json:8)"
    );
}

#[test]
fn nginx_is_heard_where_its_log_goes_to_a_file() {
    let docker = "FROM debian:12\nCOPY nginx.conf /etc/nginx/nginx.conf\nCMD [\"nginx\", \"-g\", \"daemon off;\"]\n";
    let written = |conf: &str| {
        let folder = Folder::tree(&[("Dockerfile", docker), ("nginx.conf", conf)]);
        let service = folder.discover().service;
        let task = knee_core::Task { cpu: 1.0, memory: knee_core::Bytes::mib(2048) };
        let launch = knee_files::launch(&service, &service.current(), task).unwrap();
        let mut files = launch.files.into_iter();
        let copy = files.find(|(path, _)| path.ends_with("nginx.conf"));
        copy.map(|(_, text)| String::from_utf8(text).unwrap())
    };
    let events = "events {}\nhttp { server { error_log off.log; } }\n";
    let file = format!("error_log /var/log/nginx/error.log warn;\n{events}");
    let heard = "error_log stderr warn;\nevents {}\nhttp { server { error_log stderr; } }\n";
    assert_eq!(written(&file).unwrap(), heard);
    assert!(written("events {}\n").unwrap().contains("error_log stderr;\n"));
    assert_eq!(written("error_log /dev/stderr;\nevents {}\n"), None, "it is heard as it is");
}

#[test]
fn templates_of_nginxs_image_are_made_into_its_configuration() {
    let task = r#"{ "family": "edge", "cpu": "512", "memory": "1024", "containerDefinitions": [
      { "name": "edge", "image": "edge:1", "environment": [{ "name": "LISTEN_AT", "value": "8081" }] }] }"#;
    let folder = Folder::tree(&[
        ("task-definition.json", task),
        ("Dockerfile", "FROM nginx:1.25-alpine\nCOPY templates /etc/nginx/templates\n"),
        ("templates/knee.conf.template", "server { listen ${LISTEN_AT}; return 200 $host; }\n"),
    ]);
    let service = folder.discover().service;
    assert_eq!(service.port.as_ref().unwrap().value, 8081);
    let task = knee_core::Task { cpu: 0.5, memory: knee_core::Bytes::mib(1024) };
    let launch = knee_files::launch(&service, &service.current(), task).unwrap();
    let at = Path::new("/etc/nginx/conf.d/knee.conf");
    let (_, text) = launch.files.iter().find(|(path, _)| path == at).unwrap();
    assert_eq!(String::from_utf8_lossy(text), "server { listen 8081; return 200 $host; }\n");
    let template = "upstream back {\n  server 127.0.0.1:${BACK};\n  keepalive ${IDLE};\n}\n\
                    server {\n  listen ${LISTEN_AT};\n  location / { proxy_pass http://back; }\n}\n";
    folder.write("templates/knee.conf.template", template);
    let task = folder.read("task-definition.json").replace(
        "\"environment\": [",
        "\"environment\": [{ \"name\": \"IDLE\", \"value\": \"4\" }, { \"name\": \"BACK\", \"value\": \"9\" }, ",
    );
    folder.write("task-definition.json", &task);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "keepalive"), "4 (templates/knee.conf.template:3)");
    let settings = discovery.service.current().with("keepalive", 32);
    let task = knee_core::Task { cpu: 0.5, memory: knee_core::Bytes::mib(1024) };
    let launch = knee_files::launch(&discovery.service, &settings, task).unwrap();
    let (_, text) = launch.files.iter().find(|(path, _)| path == at).unwrap();
    let text = String::from_utf8_lossy(text);
    assert!(text.contains("  server 127.0.0.1:9;\n  keepalive 32;\n"), "{text}");
    let patches = knee_files::patches(&discovery.service, &settings).unwrap();
    let written = &patches[0].after;
    assert!(written.contains("server 127.0.0.1:${BACK};\n  keepalive 32;\n"), "{written}");
    folder.apply(&patches);
    assert_eq!(told(&folder.discover(), "keepalive"), "32 (templates/knee.conf.template:3)");
}

#[test]
fn an_entry_script_that_builds_the_command_line_is_read_and_turned() {
    let entry = "#!/bin/bash\nset -euo pipefail\n: \"${GUNICORN_WORKERS:=3}\"\nargs=(--bind \"0.0.0.0:${PORT:-8000}\" \\\n  --workers \"$GUNICORN_WORKERS\" --threads 2)\n\
                 if [ -n \"${GUNICORN_BACKLOG:-}\" ]; then\n  args+=(--backlog \"$GUNICORN_BACKLOG\")\nfi\n\
                 case \"$1\" in\n  web)\n    python manage.py migrate --noinput\n    exec gunicorn app:app \"${args[@]}\"\n    ;;\n  node) exec node worker.js ;;\n  *) exec \"$@\" ;;\nesac\n";
    let docker = "FROM python:3\nWORKDIR /knee-app\nCOPY . .\nENTRYPOINT [\"/knee-app/docker-entrypoint.sh\"]\nCMD [\"web\"]\n";
    let folder = python(&[("docker-entrypoint.sh", entry), ("Dockerfile", docker)]);
    let discovery = folder.discover();
    let parts: Vec<_> = discovery.service.containers[0].parts.iter().map(|p| p.runtime).collect();
    assert_eq!(parts, ["gunicorn"], "no branch that is not taken");
    assert_eq!(told(&discovery, "workers"), "3 (docker-entrypoint.sh:3)");
    assert_eq!(told(&discovery, "threads"), "2 (docker-entrypoint.sh:5)");
    assert_eq!(told(&discovery, "backlog"), "2048 (default of gunicorn)");
    let settings =
        discovery.service.current().with("workers", 5).with("threads", 4).with("backlog", 64);
    let launch = knee_files::launch(&discovery.service, &settings, task(&discovery)).unwrap();
    assert_eq!(launch.containers[0].env.get("GUNICORN_WORKERS"), Some("5"));
    let (_, shown) =
        launch.files.iter().find(|(path, _)| path.ends_with("docker-entrypoint.sh")).unwrap();
    let shown = String::from_utf8_lossy(shown);
    let turned = "--workers \"$GUNICORN_WORKERS\" --threads 4 --backlog 64)";
    assert!(shown.contains(turned), "{shown}");
    let patches = knee_files::patches(&discovery.service, &settings).unwrap();
    folder.apply(&patches);
    let again = folder.discover();
    assert_eq!(told(&again, "workers"), "5 (task-definition.json:7)");
    assert_eq!(told(&again, "threads"), "4 (docker-entrypoint.sh:5)");
    assert_eq!(told(&again, "backlog"), "64 (docker-entrypoint.sh:5)");
}
