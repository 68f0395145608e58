//! Small repositories, and the picture that they make: what is joined, which value won, where it stands.

use super::{Known, LinkKind, Picture, Program, Purpose, Runtime};
use std::fmt::Write;

/// The picture of a repository of these files.
pub(super) fn picture(files: &[(&str, &str)]) -> Picture {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in files {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    Picture::read(folder.path()).unwrap()
}

/// The one program of a runtime.
fn program(picture: &Picture, runtime: Runtime) -> &Program {
    let mut found = picture.programs().filter(|(_, _, program)| program.runtime == runtime);
    let (_, _, program) = found.next().unwrap_or_else(|| panic!("no {runtime:?}"));
    assert!(found.next().is_none(), "more than one {runtime:?}");
    program
}

/// `value path:line`, and each value that it won against likewise.
fn told(picture: &Picture, program: &Program, name: &str) -> String {
    let found = program.setting(name).unwrap_or_else(|| panic!("no {name}"));
    let at = |origin: &super::Origin| match origin {
        super::Origin::At(place) => {
            let (path, line, _) = picture.files.position(place);
            format!("{path}:{line}")
        }
        super::Origin::Default(whose) => format!("default of {whose}"),
    };
    let value = match &found.value {
        Known::Is(value) => value.to_string(),
        Known::Unknown(why) => format!("unknown, {why}"),
    };
    let mut text = format!("{value} {}", at(&found.origin));
    for lost in &found.overrode {
        write!(text, "; over {} {}", lost.value, at(&lost.origin)).unwrap();
    }
    text
}

const NODE: &str = "FROM node:22-slim\nWORKDIR /app\nCOPY . .\n";

#[test]
fn a_flag_wins_over_the_task_which_wins_over_the_image() {
    let image = "FROM python:3.13-slim\nCOPY . .\nENV WEB_CONCURRENCY=2\n";
    let task = |command: &str| {
        format!(
            r#"{{"family": "web", "containerDefinitions": [{{"name": "web", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/web",
"environment": [{{"name": "WEB_CONCURRENCY", "value": "3"}}], "command": [{command}]}}]}}"#
        )
    };
    let flag = task(r#""uvicorn", "app:app", "--workers", "4""#);
    let read = picture(&[("Dockerfile", image), ("task-definition.json", &flag)]);
    let workers = told(&read, program(&read, Runtime::Uvicorn), "uvicorn.workers");
    assert_eq!(workers, "4 task-definition.json:2; over 3 task-definition.json:2");
    let bare = task(r#""uvicorn", "app:app""#);
    let read = picture(&[("Dockerfile", image), ("task-definition.json", &bare)]);
    let workers = told(&read, program(&read, Runtime::Uvicorn), "uvicorn.workers");
    assert_eq!(workers, "3 task-definition.json:2; over set in the image Dockerfile:3");
}

#[test]
fn gunicorns_file_wins_over_its_variable() {
    let read = picture(&[
        (
            "Dockerfile",
            "FROM python:3.13\nWORKDIR /app\nCOPY . .\nENV WEB_CONCURRENCY=2\nCMD [\"gunicorn\", \"app:app\"]\n",
        ),
        ("gunicorn.conf.py", "import os\nworkers = int(os.getenv('N', '6'))\n"),
    ]);
    let gunicorn = program(&read, Runtime::Gunicorn);
    assert_eq!(
        told(&read, gunicorn, "gunicorn.workers"),
        "6 gunicorn.conf.py:2; over 2 Dockerfile:4"
    );
    assert_eq!(gunicorn.setting("gunicorn.workers").unwrap().unless.as_deref(), Some("N"));
}

#[test]
fn uwsgi_and_the_file_that_it_is_given() {
    let read = picture(&[
        (
            "Dockerfile",
            "FROM python:3.13\nWORKDIR /app\nCOPY . .\nCMD [\"uwsgi\", \"--ini\", \"uwsgi.ini\", \"--processes\", \"4\"]\n",
        ),
        ("uwsgi.ini", "[uwsgi]\nmaster = true\nprocesses = 8\nharakiri = 30\n"),
    ]);
    let uwsgi = program(&read, Runtime::Uwsgi);
    assert_eq!(told(&read, uwsgi, "uwsgi.processes"), "4 Dockerfile:4; over 8 uwsgi.ini:3");
    assert_eq!(told(&read, uwsgi, "uwsgi.harakiri"), "30 uwsgi.ini:4");
}

#[test]
fn celery_is_told_by_the_module_that_django_names() {
    let read = picture(&[
        (
            "Dockerfile",
            "FROM python:3.13\nWORKDIR /app\nCOPY . .\nCMD [\"celery\", \"-A\", \"shop\", \"worker\", \"-c\", \"2\"]\n",
        ),
        ("shop/__init__.py", "from .celery import app\n"),
        (
            "shop/celery.py",
            "import os\nfrom celery import Celery\nos.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings.production')\napp = Celery('shop')\napp.config_from_object('django.conf:settings', namespace='CELERY')\n",
        ),
        ("shop/settings/production.py", "from .base import *\nCELERY_WORKER_CONCURRENCY = 8\n"),
        (
            "shop/settings/base.py",
            "CELERY_BROKER_URL = 'redis://:hunter2@redis/0'\nCELERY_TASK_ACKS_LATE = True\n",
        ),
        ("shop/settings/local.py", "CELERY_TASK_ACKS_LATE = False\n"),
    ]);
    let celery = program(&read, Runtime::Celery);
    let of = |name| told(&read, celery, name);
    assert_eq!(
        of("celery.worker_concurrency"),
        "2 Dockerfile:4; over 8 shop/settings/production.py:2"
    );
    assert_eq!(of("celery.task_acks_late"), "on shop/settings/base.py:2");
    assert_eq!(of("celery.broker"), "redis shop/settings/base.py:1");
    assert!(!format!("{:?}", read.facts()).contains("hunter2"));
}

#[test]
fn services_of_s6() {
    let read = picture(&[
        (
            "Dockerfile",
            "FROM alpine\nCOPY rootfs/ /\nENV S6_KILL_GRACETIME=9000\nENTRYPOINT [\"/init\"]\n",
        ),
        (
            "rootfs/etc/services.d/nginx/run",
            "#!/usr/bin/with-contenv sh\nexec nginx -g 'daemon off;'\n",
        ),
        ("rootfs/etc/s6-overlay/s6-rc.d/php/run", "#!/bin/sh\nexec s6-setuidgid www php-fpm -F\n"),
        ("rootfs/etc/s6-overlay/s6-rc.d/php/timeout-kill", "20000\n"),
        ("rootfs/etc/s6-overlay/s6-rc.d/php/down-signal", "SIGQUIT\n"),
    ]);
    let supervision = |runtime| {
        let links = &program(&read, runtime).chain.links;
        let [only] = &links[..] else { panic!("exec leaves no shell: {links:?}") };
        let LinkKind::Supervisor(supervision) = &only.kind else { panic!("{only:?}") };
        supervision.clone()
    };
    assert_eq!(supervision(Runtime::Nginx).stop_wait.get(), Some(&12.0));
    let php = supervision(Runtime::PhpFpm);
    assert_eq!((php.program.as_str(), php.stop_wait.get()), ("php", Some(&20.0)));
    assert_eq!(php.stop_signal.unwrap().get().map(String::as_str), Some("SIGQUIT"));
}

#[test]
fn applications_of_pm2() {
    let start = format!(
        "{NODE}CMD [\"pm2-runtime\", \"start\", \"ecosystem.config.js\", \"--env\", \"production\"]\n"
    );
    let read = picture(&[
        ("Dockerfile", &start),
        (
            "ecosystem.config.js",
            "module.exports = {\n  apps: [{\n    name: 'api',\n    script: 'dist/server.js',\n    instances: 'max',\n    node_args: '--max-old-space-size=300',\n    kill_timeout: 8000,\n  }],\n};\n",
        ),
    ]);
    let node = program(&read, Runtime::Node);
    assert_eq!(told(&read, node, "node.instances"), "max ecosystem.config.js:5");
    assert_eq!(told(&read, node, "node.max_old_space_size"), "314572800 ecosystem.config.js:6");
    let LinkKind::Supervisor(pm2) = &node.chain.links[0].kind else { panic!("no supervisor") };
    assert_eq!((pm2.program.as_str(), pm2.stop_wait.get()), ("api", Some(&8.0)));
    let start = format!("{NODE}CMD [\"pm2-runtime\", \"server.js\", \"-i\", \"4\"]\n");
    let read = picture(&[("Dockerfile", &start)]);
    assert_eq!(told(&read, program(&read, Runtime::Node), "node.instances"), "4 Dockerfile:4");
}

#[test]
fn frankenphp_and_its_caddyfile() {
    let read = picture(&[
        (
            "Dockerfile",
            "FROM dunglas/frankenphp\nWORKDIR /app\nCOPY Caddyfile /etc/frankenphp/Caddyfile\nCMD [\"frankenphp\", \"run\", \"--config\", \"/etc/frankenphp/Caddyfile\"]\n",
        ),
        (
            "Caddyfile",
            "{\n\tfrankenphp {\n\t\tnum_threads {$THREADS:16}\n\t\tworker ./index.php 8\n\t}\n\tservers {\n\t\ttimeouts {\n\t\t\tidle 30s\n\t\t}\n\t}\n}\n",
        ),
    ]);
    let octane = program(&read, Runtime::Octane);
    assert_eq!(told(&read, octane, "octane.workers"), "8 Caddyfile:4");
    assert_eq!(told(&read, octane, "frankenphp.num_threads"), "16 Caddyfile:3");
    assert_eq!(
        octane.setting("frankenphp.num_threads").unwrap().unless.as_deref(),
        Some("THREADS")
    );
    assert_eq!(told(&read, octane, "caddy.idle_timeout"), "30 Caddyfile:8");
}

#[test]
fn processes_of_a_procfile_and_units_of_systemd() {
    let procfile = (
        "Procfile",
        "release: ./migrate\nweb: gunicorn -w 3 app:app\nworker: celery -A tasks worker -c 2\n",
    );
    let read = picture(&[procfile]);
    assert_eq!(told(&read, program(&read, Runtime::Gunicorn), "gunicorn.workers"), "3 Procfile:2");
    assert_eq!(
        told(&read, program(&read, Runtime::Celery), "celery.worker_concurrency"),
        "2 Procfile:3"
    );
    assert!(read.services.iter().all(|s| s.purpose == Purpose::Production));
    let read =
        picture(&[procfile, ("Dockerfile", "FROM python\nCMD [\"gunicorn\", \"app:app\"]\n")]);
    let judged: Vec<_> = read
        .services
        .iter()
        .filter(|s| s.purpose == Purpose::Production)
        .map(|s| s.deployment)
        .collect();
    assert_eq!(judged, [super::Deployment::Image], "the image is what is deployed");

    let read = picture(&[(
        "deploy/web.service",
        "[Unit]\nDescription=web\n[Service]\nEnvironment=WEB_CONCURRENCY=5 A=\"b c\"\nExecStart=-/usr/bin/uvicorn app:app\nTimeoutStopSec=20s\nLimitNOFILE=1024:4096\n",
    )]);
    let uvicorn = program(&read, Runtime::Uvicorn);
    assert_eq!(told(&read, uvicorn, "uvicorn.workers"), "5 deploy/web.service:4");
    let LinkKind::Supervisor(systemd) = &uvicorn.chain.links[0].kind else {
        panic!("no supervisor")
    };
    assert_eq!(systemd.stop_wait.get(), Some(&20.0));
    let nofile = read.services[0].containers[0].nofile.as_ref().unwrap().get().unwrap();
    assert_eq!((nofile.soft, nofile.hard), (1024, 4096));
}

#[test]
fn files_of_variables_are_read_and_their_secrets_kept() {
    let read = picture(&[
        ("Dockerfile", "FROM python\nCMD [\"uvicorn\", \"app:app\"]\n"),
        (
            "compose.yaml",
            "services:\n  web:\n    build: .\n    env_file: [prod.env]\n    environment:\n      UVICORN_TIMEOUT: 9\n",
        ),
        (
            "prod.env",
            "# how many\nWEB_CONCURRENCY=7\nexport DATABASE_URL='postgres://u:hunter2@db/x'\nUVICORN_TIMEOUT=3\n",
        ),
    ]);
    assert_eq!(told(&read, program(&read, Runtime::Uvicorn), "uvicorn.workers"), "7 prod.env:2");
    let facts = read.facts();
    assert!(!format!("{facts:?}").contains("hunter2"));
    let timeout = facts.iter().find(|fact| fact.key == "env.UVICORN_TIMEOUT").unwrap();
    assert_eq!((timeout.value.as_str(), timeout.overrode.len()), ("9", 1), "environment wins");
}

#[test]
fn arithmetic_that_counts_on_from_itself_ends() {
    let script = "#!/bin/sh\nn=1\nn=$((n + 1))\nexport WEB_CONCURRENCY=$n\nwhile true; do m=$((m + 1)); done\nexec gunicorn app:app --threads $((m))\n";
    let image = "FROM python:3.13-slim\nCOPY . .\nENTRYPOINT [\"./start.sh\"]\n";
    let read = picture(&[("Dockerfile", image), ("start.sh", script)]);
    let gunicorn = program(&read, Runtime::Gunicorn);
    assert!(told(&read, gunicorn, "gunicorn.workers").starts_with("2 start.sh:3"));
}

#[test]
fn a_unit_takes_the_variables_of_a_file_that_is_here() {
    let unit = "[Service]\nEnvironment=WEB_CONCURRENCY=2\nEnvironmentFile=-/etc/default/shop\nExecStart=/usr/bin/gunicorn app:app\n";
    let files = [
        ("deploy/shop.service", unit),
        ("deploy/etc/default/shop", "# ours\nWEB_CONCURRENCY=\"6\"\n"),
    ];
    let read = picture(&files);
    let workers = told(&read, program(&read, Runtime::Gunicorn), "gunicorn.workers");
    assert_eq!(workers, "6 deploy/etc/default/shop:2; over set in the unit deploy/shop.service:2");
    let beside = [("shop.service", unit), ("shop", "WEB_CONCURRENCY=5\n")];
    let read = picture(&beside);
    assert!(
        told(&read, program(&read, Runtime::Gunicorn), "gunicorn.workers").starts_with("5 shop:1")
    );
}

#[test]
fn laravels_own_variables_that_the_image_holds() {
    let image =
        "FROM php:8.4-cli\nWORKDIR /app\nCOPY . .\nCMD [\"php\", \"artisan\", \"octane:start\"]\n";
    let config = "<?php\nreturn [\n    'server' => env('OCTANE_SERVER', 'roadrunner'),\n];\n";
    let of = |more: &[(&str, &str)]| {
        let files = [("Dockerfile", image), ("config/octane.php", config)];
        let all: Vec<_> = files.iter().chain(more).copied().collect();
        let read = picture(&all);
        told(&read, program(&read, Runtime::Octane), "octane.server")
    };
    let own = (".env", "APP_KEY=base64:secret\nOCTANE_SERVER=swoole\n");
    assert_eq!(of(&[own]), "swoole .env:2; over roadrunner config/octane.php:3");
    assert_eq!(of(&[own, (".dockerignore", ".git\n.env\n")]), "roadrunner config/octane.php:3");
    assert_eq!(of(&[own, (".dockerignore", "*\n!config\n")]), "roadrunner config/octane.php:3");
    assert_eq!(of(&[]), "roadrunner config/octane.php:3");
    let files = [("Dockerfile", image), ("config/octane.php", config), own];
    let shown = format!("{:?}", picture(&files).facts());
    assert!(!shown.contains("secret"), "no value that tunes nothing");
}

#[test]
fn a_module_that_takes_one_image_with_its_size() {
    let main = r#"
resource "aws_lb" "a" {}
resource "aws_lb_target_group" "web" {}
resource "aws_lb_listener" "a" {
  load_balancer_arn = aws_lb.a.arn
  default_action { target_group_arn = aws_lb_target_group.web.arn }
}
variable "cpu" {}
module "web" {
  source              = "git::https://example.com/modules//service"
  task_cpu            = var.cpu
  task_memory         = 1024
  container_image     = "${aws_ecr_repository.web.repository_url}:latest"
  container_command   = ["uvicorn", "main:app"]
  lb_target_group_arn = aws_lb_target_group.web.arn
}
"#;
    let production = "terraform {\n  source = \"../../aws\"\n}\ninputs = {\n  cpu = 512\n}\n";
    let files = [
        ("infra/aws/main.tf", main),
        ("infra/env/prod/terragrunt.hcl", production),
        ("infra/env/staging/terragrunt.hcl", &production.replace("512", "256")),
        ("Dockerfile", "FROM python:3.13-slim\nCOPY . .\n"),
    ];
    let read = picture(&files);
    let (service, container, _) =
        read.programs().find(|(_, _, program)| program.runtime == Runtime::Uvicorn).unwrap();
    assert_eq!(service.task.cpu.as_ref().and_then(|cpu| cpu.get()), Some(&0.5));
    assert_eq!(container.targets.len(), 1);
}

#[test]
fn celerys_settings_in_a_class_of_somebody_elses_application() {
    let command = r#"CMD ["celery", "--app=portal.tasks.app:app", "worker"]"#;
    let image = format!("FROM portal:1\nCOPY conf /app/conf\n{command}\n");
    let conf =
        "class CeleryConfig:\n    task_acks_late = True\n    worker_prefetch_multiplier = 10\n";
    let read = picture(&[("Dockerfile", &image), ("conf/settings.py", conf)]);
    let worker = program(&read, Runtime::Celery);
    assert_eq!(told(&read, worker, "celery.worker_prefetch_multiplier"), "10 conf/settings.py:3");
}

#[test]
fn each_image_of_a_dockerfile_and_what_an_unseen_base_starts() {
    let image = "FROM node:22 AS build\nRUN make\nFROM node:22 AS site\nCOPY --from=build /a /a\nCMD [\"node\", \"site.js\"]\nFROM node:22 AS debug\nCMD [\"node\", \"debug.js\"]\nFROM python:3.13 AS api\nEXPOSE 8000\nCMD [\"gunicorn\", \"app:app\"]\n";
    let read = picture(&[("Dockerfile", image)]);
    let runtimes: Vec<Runtime> = read.programs().map(|(_, _, program)| program.runtime).collect();
    assert_eq!(runtimes, [Runtime::Gunicorn, Runtime::Node]);
    assert_eq!(
        read.services[0].containers[0].port.as_ref().and_then(|port| port.get()),
        Some(&8000)
    );
    let pool = "pm = static\npm.max_children = 9\n";
    let image = "FROM registry.example.com/php-base:8\nCOPY pool.conf /usr/local/etc/php-fpm.d/zz.conf\nCOPY site.conf /etc/nginx/conf.d/site.conf\n";
    let read = picture(&[
        ("Dockerfile", image),
        ("pool.conf", pool),
        ("site.conf", "server { listen 80; }\n"),
    ]);
    let fpm = program(&read, Runtime::PhpFpm);
    assert_eq!(told(&read, fpm, "php_fpm.pm.max_children"), "9 pool.conf:2");
    assert!(fpm.chain.unknown.is_some() && read.programs().count() == 2);
}

#[test]
fn scripts_that_multiply_end() {
    let image = "FROM debian:12\nCOPY . /\nENTRYPOINT [\"/a.sh\", \"x\"]\n";
    let again = "sh /a.sh \"$@\" \"$@\" \"$@\" \"$@\"\n".repeat(2);
    let list = format!("a=(x x)\n{}", "a+=(\"${a[@]}\" \"${a[@]}\")\n".repeat(100));
    let functions: String = (0..30)
        .map(|at| format!("f{at}() {{\n{}}}\n", format!("f{}\n", at + 1).repeat(50)))
        .collect();
    for text in [again, list + "exec node \"${a[@]}\"\n", functions + "f0\n"] {
        picture(&[("Dockerfile", image), ("a.sh", &format!("#!/bin/bash\n{text}"))]);
    }
}

#[test]
fn the_version_that_an_images_tag_names() {
    let of = |base: &str, command: &str, runtime| {
        let image = format!("FROM {base}\nCOPY . .\nCMD [\"{command}\", \"a\"]\n");
        let read = picture(&[("Dockerfile", &image)]);
        program(&read, runtime).version.as_ref().and_then(|version| version.get().cloned())
    };
    let both = "example/python-nodejs:python3.13-nodejs22";
    assert_eq!(of(both, "node", Runtime::Node).as_deref(), Some("22"));
    assert_eq!(of(both, "gunicorn", Runtime::Gunicorn).as_deref(), Some("3.13"));
    assert_eq!(of("node:22-slim", "node", Runtime::Node).as_deref(), Some("22"));
}

#[test]
fn hypercorn_and_its_settings() {
    let image = "FROM python:3.13-slim\nCOPY . .\nCMD [\"hypercorn\", \"app:app\", \"-w\", \"3\", \"--keep-alive=75\"]\n";
    let read = picture(&[("Dockerfile", image), ("app.py", "app = 1\n")]);
    let hypercorn = program(&read, Runtime::Hypercorn);
    assert_eq!(told(&read, hypercorn, "hypercorn.workers"), "3 Dockerfile:3");
    assert_eq!(hypercorn.number("hypercorn.keep_alive"), Some(75.0));
    assert_eq!(hypercorn.sources.len(), 1);
}
