//! Repositories of a few files, and what is joined of them.

use crate::picture::tests::picture;
use crate::picture::{Container, Deployment, Launch, Picture, Purpose, Runtime, Service};

fn containers(picture: &Picture) -> impl Iterator<Item = (&Service, &Container)> {
    picture.services.iter().flat_map(|s| s.containers.iter().map(move |c| (s, c)))
}

/// The path of the Dockerfile of a container on ECS.
fn made_by(picture: &Picture, container: &str) -> Option<String> {
    let (_, container) = containers(picture)
        .find(|(s, c)| s.deployment == Deployment::Ecs && c.name == container)
        .unwrap();
    let id = container.image.as_ref()?.dockerfile?;
    Some(picture.files.get(id).path.clone())
}

/// Each program in production: its container, its runtime.
fn programs(picture: &Picture) -> Vec<(&str, Runtime)> {
    let all = picture.programs().filter(|(s, _, _)| s.purpose == Purpose::Production);
    all.map(|(_, c, p)| (c.name.as_str(), p.runtime)).collect()
}

const NODE: &str = "FROM node:22\nCOPY . .\nCMD [\"node\", \"index.js\"]\n";

fn task(container: &str, image: &str) -> String {
    format!(
        "resource \"aws_ecs_task_definition\" \"t\" {{\n  family = \"shop\"\n  container_definitions = \
         jsonencode([{{ name = \"{container}\", image = \"{image}\" }}])\n}}\n"
    )
}

#[test]
fn an_image_is_joined_by_the_words_of_its_names() {
    let files = |container, image| {
        let task = task(container, image);
        picture(&[
            ("terraform/ecs.tf", task.as_str()),
            ("service-orders/docker/app/Dockerfile", NODE),
            ("service-orders/docker/web/Dockerfile", NODE),
            ("service-admin/Dockerfile", NODE),
            ("tools/bastion/Dockerfile", NODE),
        ])
    };
    let orders = "${aws_ecr_repository.shop_orders_app.repository_url}:${var.tag}";
    assert_eq!(
        made_by(&files("app", orders), "app").as_deref(),
        Some("service-orders/docker/app/Dockerfile")
    );
    let admin = "${data.aws_ecr_repository.shop_admin_app.repository_url}@sha";
    assert_eq!(made_by(&files("app", admin), "app").as_deref(), Some("service-admin/Dockerfile"));
    assert_eq!(made_by(&files("app", "nginx:1.29"), "app"), None, "everybody's");
    assert_eq!(made_by(&files("agent", "datadog/agent:7"), "agent"), None, "somebody else's");
    let unknown = "${var.image}";
    assert_eq!(made_by(&files("main", unknown), "main"), None, "none is likelier than another");
}

#[test]
fn the_only_dockerfile_makes_the_image_but_not_a_helper_beside_it() {
    let alone = |container| {
        picture(&[("ecs.tf", &task(container, "${var.image}")), ("api/Dockerfile", NODE)])
    };
    assert_eq!(made_by(&alone("main"), "main").as_deref(), Some("api/Dockerfile"));
    assert_eq!(made_by(&alone("datadog"), "datadog"), None);
}

#[test]
fn an_image_is_also_called_what_it_is_built_as() {
    let made = picture(&[
        ("infra/ecs.tf", &task("chat", "${var.image}")),
        ("services/socket/Dockerfile", NODE),
        ("services/site/Dockerfile", NODE),
        ("README.md", "    docker build -t shop/live-chat ./services/socket\n"),
    ]);
    assert_eq!(made_by(&made, "chat").as_deref(), Some("services/socket/Dockerfile"));
}

#[test]
fn a_base_image_starts_what_it_starts_by_itself() {
    let made =
        picture(&[("Dockerfile", "FROM php:8.4-fpm\nCOPY . /var/www\n"), ("a.php", "<?php")]);
    assert_eq!(programs(&made), [("image", Runtime::PhpFpm)]);
    let made = picture(&[("Dockerfile", "FROM php:8.4-fpm\nENTRYPOINT [\"/own\"]\n")]);
    assert_eq!(programs(&made), [("image", Runtime::Other)], "an entry point of its own drops it");
}

#[test]
fn the_stage_of_tests_is_not_what_is_deployed() {
    let made = picture(&[(
        "Dockerfile",
        "FROM python:3.13 AS production\nCMD [\"gunicorn\", \"a:b\"]\nFROM production AS test\nCMD [\"pytest\"]\n",
    )]);
    assert_eq!(programs(&made), [("image", Runtime::Gunicorn)]);
}

#[test]
fn a_script_is_found_by_the_search_path_and_behind_another_stage() {
    let script = ("deploy/start.sh", "#!/bin/sh\nset -e\nexec gunicorn a:b\n");
    let path = "FROM python:3.13\nCOPY deploy/start.sh /usr/local/bin/begin\nCMD [\"begin\"]\n";
    let made = picture(&[("Dockerfile", path), script]);
    assert_eq!(programs(&made), [("image", Runtime::Gunicorn)]);
    let stages = "FROM python:3.13 AS base\nCOPY . /src\nFROM python:3.13\nWORKDIR /app\n\
                  COPY --from=base /src/deploy/start.sh .\nCMD [\"./start.sh\"]\n";
    let made = picture(&[("Dockerfile", stages), script]);
    assert_eq!(programs(&made), [("image", Runtime::Gunicorn)]);
}

#[test]
fn what_a_script_does_for_other_words_is_a_service_each() {
    let script = "#!/bin/bash\nserve() {\n  exec gunicorn a:b\n}\ncase \"$1\" in\nserver) shift; serve ;;\n\
                  worker) exec rq worker ;;\ndev_server) exec flask run ;;\n*) exec \"$@\" ;;\nesac\n";
    let dockerfile =
        "FROM python:3.13\nCOPY . /app\nENTRYPOINT [\"/app/bin/entry\"]\nCMD [\"server\"]\n";
    let compose =
        "services:\n  web:\n    build: .\n    command: dev_server\n    volumes: [\".:/app\"]\n";
    let made = picture(&[
        ("Dockerfile", dockerfile),
        ("bin/entry", script),
        ("app.py", ""),
        ("compose.yaml", compose),
    ]);
    assert_eq!(
        programs(&made),
        [("image", Runtime::Gunicorn), ("image:worker", Runtime::Worker)],
        "and what mounts its code is development"
    );
}

#[test]
fn code_that_is_mounted_over_the_image_s_own_is_development() {
    let dockerfile = "FROM python:3.13\nWORKDIR /srv\nCOPY src .\nCMD [\"uvicorn\", \"a:b\"]\n";
    let purpose = |mount: &str| {
        let compose = format!("services:\n  web:\n    build: .\n    volumes: [\"{mount}\"]\n");
        let files = [("Dockerfile", dockerfile), ("src/a.py", ""), ("conf/x.conf", "")];
        picture(&[&files[..], &[("compose.yaml", &compose)]].concat()).services[0].purpose
    };
    assert_eq!(purpose("./src:/srv"), Purpose::Development);
    assert_eq!(purpose("./conf:/srv/conf"), Purpose::Production);
    assert_eq!(purpose("data:/srv/data"), Purpose::Production);
}

#[test]
fn a_service_runs_on_the_instances_of_its_cluster_where_nothing_else_is_said() {
    let stack = |more: &str| {
        format!(
            "Parameters:\n  Ami:\n    Type: AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>\n    \
             Default: /aws/service/ecs/optimized-ami/amazon-linux-2023/recommended/image_id\n\
             Resources:\n  Hosts:\n    Type: AWS::AutoScaling::LaunchConfiguration\n    Properties:\n      \
             ImageId: !Ref Ami\n  Task:\n    Type: AWS::ECS::TaskDefinition\n    Properties:\n      \
             ContainerDefinitions:\n        - Name: app\n          Image: x\n  Service:\n    \
             Type: AWS::ECS::Service\n    Properties:\n      TaskDefinition: !Ref Task\n{more}"
        )
    };
    let launch = |more| {
        let made = picture(&[("stack.yaml", &stack(more))]);
        made.services[0].task.launch.as_ref().and_then(|found| found.get().copied())
    };
    assert_eq!(launch(""), Some(Launch::Ec2));
    assert_eq!(launch("      LaunchType: FARGATE\n"), Some(Launch::Fargate));
}

#[test]
fn a_go_program_is_what_its_package_imports() {
    let main =
        |import: &str| format!("package main\nimport (\n\t\"{import}\"\n)\nfunc main() {{}}\n");
    let made = picture(&[
        (
            "Dockerfile",
            "FROM golang:1.27 AS b\nWORKDIR /src\nCOPY . .\nRUN go build -o /api ./cmd/api\n\
             FROM scratch\nCOPY --from=b /api /api\nENTRYPOINT [\"/api\"]\n",
        ),
        ("go.mod", "module example.com/shop\n"),
        ("cmd/api/main.go", &main("example.com/shop/web")),
        ("web/web.go", "package web\nimport \"example.com/shop/db\"\n"),
        ("db/db.go", "package db\n"),
        ("cmd/load/main.go", &main("example.com/shop/tools")),
        ("tools/tools.go", "package tools\n"),
    ]);
    let (_, _, program) = made.programs().next().unwrap();
    let mut sources: Vec<_> = program.sources.iter().map(|id| &*made.files.get(*id).path).collect();
    sources.sort_unstable();
    assert_eq!(sources, ["cmd/api/main.go", "db/db.go", "web/web.go"]);
}

#[test]
fn a_supervised_variable_works_and_what_is_switched_off_is_not_started() {
    let conf = "[program:worker]\ncommand=%(ENV_COMMAND)s\n[program:horizon]\n\
                command=php artisan horizon\nautostart=%(ENV_WITH_HORIZON)s\n";
    let made = picture(&[
        (
            "Dockerfile",
            "FROM php:8.4-cli\nENV WITH_HORIZON=false\nCOPY . /app\n\
             CMD [\"supervisord\", \"-c\", \"/app/supervisord.conf\"]\n",
        ),
        ("supervisord.conf", conf),
    ]);
    assert_eq!(programs(&made), [("image", Runtime::Worker)]);
}

#[test]
fn a_manifest_of_copilot_is_a_service_behind_a_load_balancer() {
    let manifest = "name: api\ntype: Load Balanced Web Service\nimage:\n  build: api/Dockerfile\n  port: 80\n\
                    http:\n  path: /\ncpu: 256\nmemory: 512\nvariables:\n  GOGC: 50\n\
                    environments:\n  prod:\n    memory: 1024\n    variables:\n      GOGC: 100\n";
    let made = picture(&[
        ("copilot/api/manifest.yml", manifest),
        ("api/Dockerfile", "FROM node:22\nCOPY . .\nCMD [\"node\", \"index.js\"]\n"),
        ("api/index.js", ""),
    ]);
    let service = &made.services[0];
    assert_eq!(made.services.len(), 1, "the Dockerfile is that service's");
    let get =
        |found: &Option<crate::picture::Found<u64>>| found.as_ref().and_then(|f| f.get().copied());
    assert_eq!(get(&service.task.memory), Some(1 << 30), "production's");
    assert_eq!(service.task.cpu.as_ref().and_then(|cpu| cpu.get().copied()), Some(0.25));
    let container = &service.containers[0];
    assert_eq!(container.env["GOGC"].get().map(String::as_str), Some("100"));
    assert_eq!(container.targets[0].load_balancer, Some(0));
    assert!(container.programs[0].front);
}

#[test]
fn a_module_that_starts_uvicorn_itself_is_uvicorn() {
    let main = "import uvicorn\n\ndef main():\n    uvicorn.run(\"shop.api:app\", port=80, workers=3, reload=settings.debug)\n";
    let dockerfile =
        "FROM python:3.13\nWORKDIR /app\nCOPY . .\nCMD [\"python\", \"-m\", \"shop.main\"]\n";
    let made = picture(&[("Dockerfile", dockerfile), ("shop/main.py", main)]);
    let (_, _, program) = made.programs().next().unwrap();
    assert_eq!(program.runtime, Runtime::Uvicorn);
    assert_eq!(program.number("uvicorn.workers"), Some(3.0));
    assert_eq!(program.switch("uvicorn.reload"), None, "not known");
    let at = program.command.place().unwrap();
    assert_eq!(made.files.text(at), "uvicorn.run");
}

#[test]
fn a_dockerfile_apart_from_its_code_is_built_from_where_what_it_copies_is() {
    let folder = |dockerfile: &str| {
        let made = picture(&[
            ("docker/api.Dockerfile", dockerfile),
            ("packages/server/index.js", ""),
            ("packages/client/index.js", ""),
            ("package.json", "{}"),
        ]);
        made.programs().next().unwrap().2.folder.clone()
    };
    let start = "CMD [\"node\", \"index.js\"]\n";
    let server = format!("FROM node:22\nWORKDIR /app\nCOPY packages/server /app\n{start}");
    assert_eq!(folder(&server).as_deref(), Some("packages/server"));
    let whole = format!("FROM node:22\nWORKDIR /app\nCOPY . .\n{start}");
    assert_eq!(folder(&whole).as_deref(), Some(""), "there is no code beside it");
}

/// That this comes to an end is what is tested: depth alone allows 3^24 calls.
#[test]
fn functions_that_multiply_are_followed_to_an_end() {
    let dockerfile = "FROM debian:12\nCOPY *.sh /\nENTRYPOINT [\"/run.sh\"]\n";
    let script = "#!/bin/sh\nexec nginx &\nf() { f; f; f; }\nf\n";
    let made = picture(&[("Dockerfile", dockerfile), ("run.sh", script)]);
    assert_eq!(programs(&made), [("image", Runtime::Nginx)], "what was found before is kept");
}

/// A load balancer, its listener and a target group.
const FRONT: &str = "resource \"aws_lb\" \"a\" {\n  idle_timeout = 30\n}\nresource \"aws_lb_listener\" \"l\" {\n  load_balancer_arn = aws_lb.a.arn\n  default_action {\n    target_group_arn = aws_lb_target_group.g.arn\n  }\n}\nresource \"aws_lb_target_group\" \"g\" {\n  protocol = \"HTTP\"\n}\n";

#[test]
fn stacks_that_are_applied_apart_are_one_service() {
    let service = "variable \"task\" {}\nvariable \"group\" {}\nresource \"aws_ecs_service\" \"s\" {\n  task_definition = var.task\n  launch_type = \"FARGATE\"\n  load_balancer {\n    target_group_arn = var.group\n    container_name = \"web\"\n  }\n}\n";
    let task = task("web", "${var.image}");
    let files = [
        ("tf/network/main.tf", FRONT),
        ("tf/service/main.tf", service),
        ("tf/task/main.tf", task.as_str()),
    ];
    let joined = picture(&files);
    let (service, web) = containers(&joined).find(|(_, c)| c.name == "web").unwrap();
    assert_eq!(service.task.launch.as_ref().unwrap().get(), Some(&Launch::Fargate));
    assert_eq!(web.targets[0].load_balancer, Some(0));
    let two = picture(&[files[0], files[1], files[2], ("tf/job/main.tf", files[2].1)]);
    let mut webs = containers(&two).filter(|(_, c)| c.name == "web");
    assert!(webs.all(|(_, web)| web.targets.is_empty()), "either could be the one");
}

#[test]
fn a_module_that_a_root_calls_is_what_the_root_is() {
    let module = task("web", "${var.image}");
    let call = "module \"web\" {\n  source = \"../../modules/ecs\"\n}\n";
    let called = picture(&[
        ("infra/modules/ecs/main.tf", &module),
        ("infra/frontend/service/main.tf", call),
    ]);
    assert_eq!(containers(&called).next().unwrap().0.purpose, Purpose::Production);
    let alone = picture(&[("infra/modules/ecs/main.tf", &module)]);
    assert_eq!(containers(&alone).next().unwrap().0.purpose, Purpose::Template);
    // Where nothing else says which image it is, the folder of the root does.
    let named = picture(&[
        ("infra/modules/ecs/main.tf", &module),
        ("infra/frontend/service/main.tf", call),
        ("frontend/Dockerfile", NODE),
        ("api/Dockerfile", NODE),
    ]);
    assert_eq!(made_by(&named, "web").as_deref(), Some("frontend/Dockerfile"));
}

#[test]
fn auto_scaling_is_of_the_service_that_its_target_names() {
    let task = task("web", "nginx:1");
    let tf = task
        + "resource \"aws_ecs_service\" \"s\" {\n  name = \"shop\"\n  task_definition = aws_ecs_task_definition.t.arn\n}\n\
           resource \"aws_appautoscaling_target\" \"a\" {\n  max_capacity = 7\n  resource_id = \"service/c/${aws_ecs_service.s.name}\"\n}\n";
    let most = |tf: &str| {
        let picture = picture(&[("main.tf", tf)]);
        let (service, _) = containers(&picture).next().unwrap();
        service.task.maximum.as_ref().and_then(|most| most.get().copied())
    };
    assert_eq!(most(&tf), Some(7));
    assert_eq!(most(&tf.replace("${aws_ecs_service.s.name}", "shop")), Some(7));
    assert_eq!(most(&tf.replace("${aws_ecs_service.s.name}", "other")), None);
}

#[test]
fn a_file_that_the_dockerfile_writes_is_read_where_it_stands() {
    let dockerfile = "FROM php:8.4-fpm\nCOPY . /app\nRUN echo '[program:web]' > /etc/supervisor/conf.d/a.conf \\\n && echo 'command=php-fpm' >> /etc/supervisor/conf.d/a.conf\nCOPY <<EOF /start.sh\n#!/bin/sh\nexec /usr/bin/supervisord\nEOF\nCMD [\"/start.sh\"]\n";
    let joined = picture(&[("Dockerfile", dockerfile), ("index.php", "<?php\n")]);
    assert_eq!(programs(&joined), [("image", Runtime::PhpFpm)]);
    let (_, _, program) = joined.programs().next().unwrap();
    let (path, line, _) = joined.files.position(program.command.place().unwrap());
    assert_eq!((path, line), ("Dockerfile", 4));
    assert_eq!(joined.files.read.len(), 2, "it is no file of the repository");
}

#[test]
fn a_script_of_an_unknown_image_is_the_only_one_of_its_name() {
    let task = "{\"family\": \"web\", \"containerDefinitions\": [{\"name\": \"web\", \"image\": \"acme/web:1\", \"command\": [\"/start_prod.sh\"]}]}";
    let script = "#!/bin/bash\ngunicorn -w 4 -k gevent shop.wsgi\n";
    let files = [("task.json", task), ("backend/scripts/start_prod.sh", script)];
    assert_eq!(programs(&picture(&files)), [("web", Runtime::Gunicorn)]);
    let two = [files[0], files[1], ("old/start_prod.sh", script)];
    assert_ne!(programs(&picture(&two)), [("web", Runtime::Gunicorn)], "either could be the one");
}

#[test]
fn a_folder_that_another_stage_filled() {
    let dockerfile = "FROM php:8.4-fpm AS build\nCOPY conf/prod.ini /usr/local/etc/php/app.d/\nFROM php:8.4-fpm\nCOPY --from=build /usr/local/etc/php/app.d /usr/local/etc/php/app.d\nCOPY src /app\nCMD [\"php-fpm\"]\n";
    let joined = picture(&[
        ("Dockerfile", dockerfile),
        ("conf/prod.ini", "opcache.validate_timestamps = 0\n"),
        ("src/a.php", "<?php\n"),
    ]);
    let (_, _, program) = joined.programs().next().unwrap();
    assert_eq!(program.switch("opcache.validate_timestamps"), Some(false));
}

#[test]
fn versions_of_python_and_go() {
    let version = |dockerfile: &str, file: (&str, &str)| {
        let joined = picture(&[("Dockerfile", dockerfile), file]);
        let (_, _, program) = joined.programs().next().unwrap();
        program.version.as_ref().and_then(|found| found.get().cloned())
    };
    let python = "FROM python:3.12-slim\nCOPY . .\nCMD [\"python\", \"worker.py\"]\n";
    assert_eq!(version(python, ("worker.py", "print(1)\n")).as_deref(), Some("3.12"));
    let go = "FROM golang:1.25-alpine AS build\nCOPY . .\nRUN go build -o /app .\nFROM scratch\nCOPY --from=build /app /app\nCMD [\"/app\"]\n";
    assert_eq!(version(go, ("main.go", "package main\nfunc main() {}\n")).as_deref(), Some("1.25"));
}

#[test]
fn the_services_of_a_module_of_the_registry() {
    let main = "module \"ecs\" {\n  source = \"terraform-aws-modules/ecs/aws\"\n  services = {\n    web = {\n      cpu = 512\n      memory = 1024\n      desired_count = 2\n      autoscaling_max_capacity = 6\n      container_definitions = {\n        app = { image = \"nginx:1\" }\n      }\n    }\n  }\n}\n";
    let joined = picture(&[("main.tf", main)]);
    let (service, app) = containers(&joined).next().unwrap();
    let task = &service.task;
    let number =
        |found: &Option<crate::picture::Found<u64>>| found.as_ref().and_then(|f| f.get().copied());
    assert_eq!(
        (app.name.as_str(), number(&task.desired), number(&task.maximum)),
        ("app", Some(2), Some(6))
    );
    assert_eq!(task.cpu.as_ref().and_then(|f| f.get().copied()), Some(0.5));
}

#[test]
fn a_variable_that_counts_itself_up() {
    let script = "#!/bin/sh\nN=1\nN=$((N+1))\nN=$((N*2))\nexec gunicorn --workers $N main:app\n";
    let made = picture(&[
        ("Dockerfile", "FROM python:3.13\nCOPY run.sh /run.sh\nENTRYPOINT [\"/run.sh\"]\n"),
        ("run.sh", script),
    ]);
    let (_, _, program) = made.programs().next().unwrap();
    assert_eq!(program.number("gunicorn.workers"), Some(4.0));
    let endless = script.replace("N=1\n", "").replace("N=$((N*2))", "M=$((M+N))");
    let endless = endless.replace("--workers $N", "--workers $M");
    let made = picture(&[
        ("Dockerfile", "FROM python:3.13\nCOPY run.sh /run.sh\nENTRYPOINT [\"/run.sh\"]\n"),
        ("run.sh", &endless),
    ]);
    assert_eq!(made.programs().count(), 1);
}

#[test]
fn an_image_that_a_pipeline_builds_under_another_name() {
    let workflow = "jobs:\n  build:\n    strategy:\n      matrix:\n        include:\n          - svc: web-front\n            docker_file: a/app/Dockerfile\n            target: --target serving\n          - svc: web-back\n            docker_file: a/web/Dockerfile\n";
    let task = r#"{"family": "shop", "containerDefinitions": [{"name": "one", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/shop/web-front:2"}]}"#;
    let made = picture(&[
        (".github/workflows/build.yml", workflow),
        (
            "a/app/Dockerfile",
            "FROM python:3.13 AS serving\nCMD [\"gunicorn\", \"a:b\"]\nFROM serving AS other\nCMD [\"celery\", \"worker\"]\n",
        ),
        ("a/web/Dockerfile", "FROM nginx\n"),
        ("ecs/task-definition.json", task),
    ]);
    let ecs = made.services.iter().find(|service| service.name == "shop").unwrap();
    assert_eq!(ecs.containers[0].programs[0].runtime, Runtime::Gunicorn);
}
