//! What is deployed by CloudFormation, and commands and broken files of either tool.

use crate::support::*;

const DOCKERFILE: &str =
    "FROM python:3.12-slim\nWORKDIR /knee-app\nCOPY . .\nCMD [\"gunicorn\", \"shop:app\"]\n";

const STACK: &str = r#"Parameters:
  Cpu: { Type: Number, Default: 512 }
  Secret: { Type: String, Default: hunter2 }
Resources:
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      RequiresCompatibilities: [FARGATE]
      Cpu: !Ref Cpu
      Memory: 1GB
      ContainerDefinitions:
        - Name: shop
          Image: !Sub "${AWS::AccountId}.dkr.ecr.eu-west-1.amazonaws.com/shop"
          PortMappings:
            - ContainerPort: 8000
          HealthCheck:
            Command: [CMD-SHELL, "curl -f http://localhost:8000/up || exit 1"]
          Environment:
            - Name: WEB_CONCURRENCY
              Value: "4"
            - { Name: TOKEN, Value: hunter3 }
            - Name: DATABASE_HOST
              Value: !GetAtt Database.Endpoint.Address
          Secrets:
            - { Name: CARGO_PKG_NAME, ValueFrom: !Ref Key }
"#;

fn folder(path: &str, template: &str) -> Folder {
    Folder::tree(&[("Dockerfile", DOCKERFILE), ("shop.py", ""), (path, template)])
}

#[test]
fn cloudformation_says_the_size_and_what_the_container_is_given() {
    let folder = folder("infra/shop.yaml", STACK);
    let discovery = folder.discover();
    let service = &discovery.service;
    assert_eq!(service.task.as_ref().unwrap().to_string(), "0.5 vCPU, 1 GiB (infra/shop.yaml:2)");
    assert_eq!(service.port.as_ref().unwrap().to_string(), "8000 (infra/shop.yaml:15)");
    assert_eq!(service.ready.as_ref().unwrap().to_string(), "/up (infra/shop.yaml:17)");
    let env = &service.containers[0].env;
    assert_eq!(env.get("CARGO_PKG_NAME"), Some("knee-files"), "a secret of that name");
    assert_eq!((env.get("TOKEN"), env.get("DATABASE_HOST")), (Some("hunter3"), None));
    let computed = "variables that CloudFormation computes, DATABASE_HOST: --env NAME gives one (infra/shop.yaml:12)";
    assert_eq!(facts(&discovery, "not read"), [computed]);
    folder.write("local.env", "DATABASE_HOST=127.0.0.1\n");
    let env_file = Some("local.env".into());
    let given = knee_files::Overrides { env_file, ..Default::default() };
    let given = knee_files::discover(folder.path(), &given).unwrap();
    assert!(facts(&given, "not read").is_empty(), "it is given");
    assert_eq!(told(&discovery, "workers"), "4 (infra/shop.yaml:20)");
    let diff = diff(&discovery, &[("workers", 8)]);
    assert!(diff.contains("+              Value: \"8\"\n"), "{diff}");
    assert!(!diff.contains("hunter") && diff.contains("Value: … }"), "{diff}");
}

#[test]
fn a_command_that_is_deployed_takes_the_place_of_the_images() {
    let command = "          Command: [gunicorn, -w, '3', \"--threads=2\", shop:app]\n";
    let yaml = format!("{STACK}{command}");
    let json = "{ \"Resources\": { \"Task\": { \"Type\": \"AWS::ECS::TaskDefinition\", \"Properties\": {\n\
                \"Cpu\": 512, \"Memory\": 1024, \"ContainerDefinitions\": [{ \"Name\": \"shop\", \"Essential\": true,\n\
                \"Command\": [\"gunicorn\", \"-w\", \"3\", \"--threads=2\", \"shop:app\"] }] } } } }\n";
    let terraform = "resource \"aws_ecs_task_definition\" \"shop\" {\n  cpu = 512\n  memory = 1024\n  container_definitions = jsonencode([{\n    \
                     name = \"shop\", portMappings = [{ containerPort = 8000 }]\n    \
                     command = [\"gunicorn\", \"-w\", \"3\", \"--threads=2\", \"shop:app\"]\n  }])\n}\n";
    for (path, text, line, changed) in [
        ("stack.yml", &*yaml, 26, "[gunicorn, -w, '9', \"--threads=5\", shop:app]"),
        (
            "shop.template.json",
            json,
            3,
            "[\"gunicorn\", \"-w\", \"9\", \"--threads=5\", \"shop:app\"]",
        ),
        ("main.tf", terraform, 6, "[\"gunicorn\", \"-w\", \"9\", \"--threads=5\", \"shop:app\"]"),
    ] {
        let folder = folder(path, text);
        let discovery = folder.discover();
        assert_eq!(told(&discovery, "workers"), format!("3 ({path}:{line})"));
        let settings = discovery.service.current().with("workers", 9).with("threads", 5);
        let launch = knee_files::launch(&discovery.service, &settings, task(&discovery)).unwrap();
        assert_eq!(launch.containers[0].argv, ["gunicorn", "-w", "9", "--threads=5", "shop:app"]);
        let patches = knee_files::patches(&discovery.service, &settings).unwrap();
        assert!(patches[0].after.contains(changed), "{}", patches[0].after);
        folder.apply(&patches);
        let again = folder.discover();
        assert_eq!(again.service.task, discovery.service.task, "{path} is still read");
    }
}

#[test]
fn a_command_that_is_computed_is_told_and_not_guessed() {
    let folder = folder("stack.yml", &format!("{STACK}          Command: [gunicorn, !Ref App]\n"));
    let discovery = folder.discover();
    assert_eq!(discovery.service.containers[0].command.value, ["gunicorn", "shop:app"]);
    let told = "a command that CloudFormation computes; name it: --command '…' (stack.yml:26)";
    assert!(facts(&discovery, "not read").iter().any(|fact| fact == told));
}

#[test]
fn a_file_that_deploys_and_is_broken_is_told_with_its_place() {
    let terraform = "resource \"aws_ecs_task_definition\" \"a\" {\n  cpu = [\n}\n";
    let yaml = "Resources:\n  T: { Type: AWS::ECS::TaskDefinition\n";
    for (path, text, line) in [("infra/main.tf", terraform, 3), ("stack.yaml", yaml, 2)] {
        let discovery = folder(path, text).discover();
        let told = facts(&discovery, "not read").join(" ");
        assert!(told.starts_with(&format!("{path}:{line}:")), "{told}");
        let asked = missing(&discovery).join(" ");
        let of_size = format!("the task's size, vCPU and memory; {path}:{line} cannot be read");
        assert!(asked.contains(&of_size), "{asked}");
    }
}
