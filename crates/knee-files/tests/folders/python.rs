//! Python services as people lay them out: how the server is started, and where its settings stand.

use crate::support::*;
use knee_files::Overrides;

const APP: &str = "from fastapi import FastAPI\napp = FastAPI()\n";

fn image(command: &str) -> Folder {
    let dockerfile = format!("FROM python:3.12-slim\nWORKDIR /knee-app\nCOPY . .\nCMD {command}\n");
    Folder::tree(&[("app/main.py", APP), ("Dockerfile", &dockerfile)])
}

#[test]
fn uvicorn_is_tuned_however_it_is_started() {
    for (command, today, changed) in [
        (
            r#"["uvicorn", "app.main:app", "--port", "8000", "--workers", "4"]"#,
            "4 (Dockerfile:4)",
            r#"+CMD ["uvicorn", "app.main:app", "--port", "8000", "--workers", "2"]"#,
        ),
        (
            "python -m uvicorn app.main:app --port 8000 --workers ${WORKERS:-3}",
            "3 (Dockerfile:4)",
            "+ENV WORKERS=2",
        ),
        (
            r#"["uv", "run", "fastapi", "run", "app/main.py", "--workers=4"]"#,
            "4 (Dockerfile:4)",
            r#"+CMD ["uv", "run", "fastapi", "run", "app/main.py", "--workers=2"]"#,
        ),
        ("exec uvicorn app.main:app", "1 (default of uvicorn)", "+ENV WEB_CONCURRENCY=2"),
        (
            r#"["hypercorn", "app.main:app", "-w", "4"]"#,
            "4 (Dockerfile:4)",
            r#"+CMD ["hypercorn", "app.main:app", "-w", "2"]"#,
        ),
        (r#"["fastapi", "run"]"#, "1 (default of uvicorn)", r#"+ENV WEB_CONCURRENCY=2"#),
    ] {
        let folder = image(command);
        let discovery = folder.discover();
        assert_eq!(told(&discovery, "workers"), today, "{command}");
        let diff = diff(&discovery, &[("workers", 2)]);
        assert!(diff.contains(changed), "{command}: {diff}");
    }
}

#[test]
fn options_of_fastapi_stand_behind_what_it_is_told_to_do() {
    let folder = Folder::tree(&[("main.py", APP), ("Procfile", "web: fastapi run --port $PORT\n")]);
    let diff = diff(&folder.discover(), &[("workers", 2)]);
    assert!(diff.contains("+web: fastapi run --workers 2 --port $PORT"), "{diff}");
}

#[test]
fn a_script_that_runs_uvicorn_takes_the_variable() {
    let main = "import uvicorn\nif __name__ == \"__main__\":\n    uvicorn.run(\"app.main:app\", port=8000)\n";
    let folder = Folder::tree(&[
        ("app/main.py", APP),
        ("main.py", main),
        (
            "Dockerfile",
            "FROM python:3.12\nWORKDIR /knee-app\nCOPY . .\nCMD [\"python\", \"main.py\"]\n",
        ),
    ]);
    let discovery = folder.discover();
    assert_eq!(facts(&discovery, "runtime"), ["uvicorn: main.py runs uvicorn (Dockerfile:4)"]);
    let diff = diff(&discovery, &[("workers", 2)]);
    assert!(diff.contains("+ENV WEB_CONCURRENCY=2"), "{diff}");
}

#[test]
fn a_program_that_is_not_known_is_named_behind_what_starts_it() {
    let discovery = image(r#"["uv", "run", "granian", "app.main:app"]"#).discover();
    let asked = missing(&discovery);
    let named = |m: &String| m.contains("knee does not know `granian`");
    assert!(asked.iter().any(named), "{asked:?}");
}

#[test]
fn variables_come_from_knees_own_environment_by_name_and_from_a_file() {
    let folder = image(r#"["uvicorn", "app.main:app"]"#);
    folder.write("local.env", "DATABASE_URL=sqlite:///x\nWEB_CONCURRENCY=3\n");
    folder.write("knee.toml", "[service]\nenv = [\"CARGO_PKG_NAME\", \"KNEE_TEST_UNSET\"]\n");
    let asked = Overrides { env_file: Some("local.env".into()), ..Overrides::default() };
    let discovery = knee_files::discover(folder.path(), &asked).unwrap();
    let env = &discovery.service.containers[0].env;
    assert_eq!(env.get("CARGO_PKG_NAME"), Some("knee-files"));
    assert_eq!(env.get("DATABASE_URL"), Some("sqlite:///x"));
    assert_eq!(told(&discovery, "workers"), "3 (local.env:1)");
    folder.write(
        "compose.yaml",
        "services:\n  app:\n    build: .\n    environment: { WEB_CONCURRENCY: 9, DATABASE_URL: x, A: b }\n",
    );
    let composed = knee_files::discover(folder.path(), &asked).unwrap();
    assert_eq!(told(&composed, "workers"), "3 (local.env:1)", "who names a file means it");
    let env = &composed.service.containers[0].env;
    assert_eq!((env.get("DATABASE_URL"), env.get("A")), (Some("sqlite:///x"), Some("b")));
    std::fs::remove_file(folder.path().join("compose.yaml")).unwrap();
    let wanted = "knee's environment: a value for KNEE_TEST_UNSET, which the service is to be given (knee.toml:2)";
    assert!(missing(&discovery).iter().any(|m| m.starts_with(wanted)), "{:?}", missing(&discovery));
    let text = knee_files::init(&discovery).unwrap();
    assert!(text.contains("\nenv_file = \"local.env\"\n"), "{text}");
    assert!(text.contains("\nenv = [\"CARGO_PKG_NAME\", \"KNEE_TEST_UNSET\"]\n"), "{text}");
}

#[test]
fn variables_that_cannot_be_given_are_refused() {
    let folder = image(r#"["uvicorn", "app.main:app"]"#);
    let refused =
        |asked: Overrides| knee_files::discover(folder.path(), &asked).unwrap_err().to_string();
    let said = refused(Overrides { env: vec!["TOKEN=hunter2".into()], ..Overrides::default() });
    assert!(said.starts_with("--env: takes the name alone") && !said.contains("hunter2"), "{said}");
    let said = refused(Overrides { env_file: Some("x.env".into()), ..Overrides::default() });
    assert!(said.starts_with("--env-file: there is no file x.env in "), "{said}");
    folder.write("knee.toml", "[service]\n\nenv_file = \"x.env\"\n");
    let said = refused(Overrides::default());
    assert!(
        said.starts_with("knee.toml:3:1: `service.env_file`: there is no file x.env"),
        "{said}"
    );
}

const TERRAFORM: &str = r#"variable "cpu" { default = 512 }
resource "aws_ecs_task_definition" "web" {
  family                   = "shop"
  requires_compatibilities = ["FARGATE"]
  cpu                      = var.cpu
  memory                   = 1024
  container_definitions = jsonencode([
    {
      name         = "web"
      image        = "${aws_ecr_repository.shop.repository_url}:${var.tag}"
      portMappings = [{ containerPort = 8000 }]
      environment = [
        { name = "WEB_CONCURRENCY", value = "4" },
        { name = "DATABASE_HOST", value = aws_db_instance.shop.address }
      ]
      secrets     = [{ name = "CARGO_PKG_NAME", valueFrom = aws_ssm_parameter.key.arn }]
      healthCheck = { command = ["CMD-SHELL", "curl -f http://localhost:8000/up || exit 1"] }
    }
  ])
}
"#;

#[test]
fn terraform_says_the_size_and_what_the_container_is_given() {
    let folder = image(r#"["gunicorn", "-b", ":8000", "app:app"]"#);
    folder.write("infra/ecs.tf", TERRAFORM);
    let discovery = folder.discover();
    let service = &discovery.service;
    assert_eq!(service.task.as_ref().unwrap().to_string(), "0.5 vCPU, 1 GiB (infra/ecs.tf:1)");
    assert_eq!(service.port.as_ref().unwrap().to_string(), "8000 (infra/ecs.tf:11)");
    assert_eq!(service.ready.as_ref().unwrap().to_string(), "/up (infra/ecs.tf:17)");
    let env = &service.containers[0].env;
    assert_eq!(env.get("CARGO_PKG_NAME"), Some("knee-files"), "a secret of that name");
    assert_eq!(env.get("DATABASE_HOST"), None);
    let computed =
        "variables that Terraform computes, DATABASE_HOST: --env NAME gives one (infra/ecs.tf:8)";
    assert_eq!(facts(&discovery, "not read"), [computed]);
    assert_eq!(told(&discovery, "workers"), "4 (infra/ecs.tf:13)");
    let diff = diff(&discovery, &[("workers", 8)]);
    assert!(diff.contains("+        { name = \"WEB_CONCURRENCY\", value = \"8\" },"), "{diff}");
}

#[test]
fn of_several_services_terraform_says_nothing_until_one_is_named() {
    let folder = image(r#"["gunicorn", "-b", ":8000", "app:app"]"#);
    folder.write("infra/ecs.tf", TERRAFORM);
    let other = TERRAFORM.replace("\"web\"", "\"admin\"").replace("1024", "2048");
    folder.write("other/ecs.tf", &other);
    let asked = missing(&folder.discover());
    let several = "memory; Terraform deploys web, admin: --container says which (";
    assert!(asked.iter().any(|m| m.contains(several)), "{asked:?}");
    let asked = Overrides { container: Some("admin".into()), ..Overrides::default() };
    let found = knee_files::discover(folder.path(), &asked).unwrap();
    assert_eq!(found.service.task.unwrap().to_string(), "0.5 vCPU, 2 GiB (other/ecs.tf:1)");
}

#[test]
fn terraform_names_a_template_and_a_number() {
    let folder = image(r#"["gunicorn", "-b", ":8000", "app:app"]"#);
    let template = r#"[{
  "name": "app", "image": "${image}", "portMappings": [{ "containerPort": 8000 }],
  "environment": [
    { "name": "WEB_CONCURRENCY", "value": "4" },
    { "name": "LEVEL", "value": "${level}" }
  ]
}]"#;
    folder.write("deployment/tf/app.tpl", template);
    let main = r#"variable "level" { default = 3 }
resource "aws_ecs_task_definition" "web" {
  cpu                   = 512
  memory                = 1024
  container_definitions = templatefile("${path.module}/app.tpl", { image = var.image, level = var.level })
}
"#;
    folder.write("deployment/tf/main.tf", main);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "workers"), "4 (deployment/tf/app.tpl:4)");
    let changed = diff(&discovery, &[("workers", 8)]);
    assert!(changed.contains(r#"+    { "name": "WEB_CONCURRENCY", "value": "8" },"#), "{changed}");
    folder.write("deployment/tf/app.tpl", &template.replace("WEB_CONCURRENCY", "X"));
    let number = main.replace(
        "templatefile(\"${path.module}/app.tpl\", { image = var.image, level = var.level })",
        "jsonencode([{ name = \"app\", portMappings = [{ containerPort = 80 }], environment = [{ name = \"WEB_CONCURRENCY\", value = var.level }] }])",
    );
    folder.write("deployment/tf/main.tf", &number);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "workers"), "3 (deployment/tf/main.tf:1)");
    let changed = diff(&discovery, &[("workers", 8)]);
    assert!(changed.contains("+variable \"level\" { default = 8 }"), "{changed}");
}

#[test]
fn of_two_sizes_the_one_for_production() {
    let folder = image(r#"["gunicorn", "-b", ":8000", "app:app"]"#);
    folder.write("envs/dev/ecs.tf", &TERRAFORM.replace("512", "256"));
    folder.write("envs/production/ecs.tf", TERRAFORM);
    let discovery = folder.discover();
    let task = discovery.service.task.as_ref().unwrap();
    assert_eq!(task.to_string(), "0.5 vCPU, 1 GiB (envs/production/ecs.tf:1)");
    let other = "another size of the task that web runs in (envs/dev/ecs.tf:1)";
    assert!(facts(&discovery, "not read").iter().any(|told| told == other));
    let open = TERRAFORM.replace(" { default = 512 }", " {}");
    folder.write("envs/production/ecs.tf", &open);
    let asked = missing(&folder.discover());
    let told = "the task's vCPU (its memory is 1 GiB); Terraform leaves it open (envs/production/ecs.tf:8)";
    assert!(asked.iter().any(|m| m.contains(told)), "{asked:?}");
}

#[test]
fn hypercorns_configuration_is_turned_where_it_stands() {
    for (name, text, changed) in [
        ("hypercorn.toml", "bind = \"0.0.0.0:80\"\nworkers = 3\n", "workers = 2\n"),
        ("file:hc.py", "bind = '0.0.0.0:80'\nworkers = 3\n", "workers = 2\n"),
    ] {
        let folder = image(&format!(r#"["hypercorn", "-c", "{name}", "app.main:app"]"#));
        let path = name.trim_start_matches("file:");
        folder.write(path, text);
        let discovery = folder.discover();
        assert_eq!(told(&discovery, "workers"), format!("3 ({path}:2)"));
        assert_eq!(told(&discovery, "backlog"), "100 (default of Hypercorn)");
        let diff = diff(&discovery, &[("workers", 2), ("backlog", 512)]);
        assert!(diff.contains(&format!("+{changed}")) && diff.contains("+backlog = 512"), "{diff}");
    }
}

#[test]
fn gevents_workers_are_kept_a_class_of_their_own() {
    let folder = image(r#"["gunicorn", "-k", "gevent", "-w", "3", "app:app"]"#);
    let discovery = folder.discover();
    assert_eq!(told(&discovery, "worker-class"), "gevent (Dockerfile:4)");
    assert!(knob(&discovery, "worker-class").knob.range.to_string().ends_with("|gevent"));
}

#[test]
fn a_worker_of_a_queue_is_no_service_and_said_so() {
    let asked = missing(&image("celery -A shop worker --concurrency=4").discover());
    assert_eq!(asked.len(), 2, "its size besides: {asked:?}");
    let told = "knee run: a service that takes requests: `celery` is a Celery worker, which works off a queue (Dockerfile:4)";
    assert!(asked[0].starts_with(told), "{asked:?}");
}

#[test]
fn variables_that_are_sizes_by_their_names_are_told() {
    let folder = Folder::tree(&[
        (
            "Dockerfile",
            "FROM python:3.12-slim\nWORKDIR /knee-app\nCOPY . .\nENV DB_POOL_SIZE=5 WEB_CONCURRENCY=2 POOL_TIMEOUT=3\nCMD gunicorn app:app\n",
        ),
        ("app.py", ""),
    ]);
    let told = "DB_POOL_SIZE: let it move in knee.toml: [knobs] DB_POOL_SIZE = { env = \"DB_POOL_SIZE\", range = \"1..64\" } (Dockerfile:4)";
    assert_eq!(facts(&folder.discover(), "not tuned"), [told]);
    folder.write(
        "knee.toml",
        "[knobs]\nDB_POOL_SIZE = { env = \"DB_POOL_SIZE\", range = \"1..64\" }\n",
    );
    let discovery = folder.discover();
    assert!(facts(&discovery, "not tuned").is_empty());
    let changed = diff(&discovery, &[("DB_POOL_SIZE", 20)]);
    assert!(
        changed.contains("+ENV DB_POOL_SIZE=20 WEB_CONCURRENCY=… POOL_TIMEOUT=…\n"),
        "{changed}"
    );
}

#[test]
fn a_number_of_workers_that_a_file_works_out_in_branches_is_worked_out() {
    let conf = "import multiprocessing\nimport os\n\nper_core_str = os.getenv(\"WORKERS_PER_CORE\", \"2\")\nmost_str = os.getenv(\"MAX_WORKERS\")\nmost = None\n\
                if most_str:\n    most = int(most_str)\nasked = os.getenv(\"WEB_CONCURRENCY\", None)\ncores = multiprocessing.cpu_count()\nworked_out = float(per_core_str) * cores\n\
                if asked:\n    count = int(asked)\n    assert count > 0\nelse:\n    count = max(int(worked_out), 3)\n    if most:\n        count = min(3, most)\nworkers = count\n";
    let folder = image(r#"["gunicorn", "-c", "conf.py", "app:app"]"#);
    folder.write("conf.py", conf);
    let today = |folder: &Folder| told(&folder.discover(), "workers");
    let cpus = std::thread::available_parallelism().unwrap().get();
    assert_eq!(today(&folder), format!("{} (conf.py:19)", (2 * cpus).max(3)));
    let docker = folder.read("Dockerfile");
    folder.write("Dockerfile", &docker.replace("COPY", "ENV MAX_WORKERS=2\nCOPY"));
    assert_eq!(today(&folder), "2 (conf.py:19)");
    folder
        .write("Dockerfile", &docker.replace("COPY", "ENV MAX_WORKERS=2 WEB_CONCURRENCY=7\nCOPY"));
    assert_eq!(today(&folder), "7 (conf.py:19)");
    folder.write("conf.py", &conf.replace("if asked:", "if os.path.exists('/x'):"));
    assert!(today(&folder).starts_with("1 (assumed: conf.py:19 says something"), "not to be told");
    folder.write(
        "conf.py",
        "if a:\n    a = b\nif b:\n    b = a\nelse:\n    b = int(a)\nworkers = a * b\n",
    );
    assert!(today(&folder).starts_with("1 (assumed: conf.py:7 says something"), "a circle");
}
