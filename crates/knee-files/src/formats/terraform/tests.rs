//! Folders of Terraform as people write them.

use super::super::tree::{Node, Value};
use super::*;
use proptest::prelude::*;

const MAIN: &str = r#"variable "env" { default = "prod" }
variable "cpu" { type = number }
variable "sidecar" { default = false }
locals {
  memory = var.env == "prod" ? 2048 : 512
  env    = [for k, v in { A = "1", B = var.cpu } : { name = k, value = v }]
  web = {
    name        = "${var.env}-web"
    image       = "${var.repo}:1"
    command     = ["gunicorn", "-w", "4"]
    environment = jsondecode(jsonencode(local.env))
    stopTimeout = 60
  }
  a = local.b
  b = local.a
}
resource "aws_ecs_task_definition" "web" {
  family                = "shop"
  cpu                   = var.cpu * 2
  memory                = local.memory
  container_definitions = jsonencode(concat([local.web], var.sidecar ? [{ name = "x" }] : []))
}
resource "aws_ecs_service" "web" {
  count           = 1
  task_definition = aws_ecs_task_definition.web.arn
  dynamic "load_balancer" {
    for_each = [aws_lb_target_group.web.arn]
    content {
      target_group_arn = load_balancer.value
      container_name   = "${var.env}-web"
    }
  }
}
resource "aws_ecs_service" "off" { count = var.sidecar ? 1 : 0 }
resource "aws_lb_target_group" "web" { deregistration_delay = 30 }
module "job" {
  source     = "./job"
  name       = "job"
  containers = { a = { image = "x" } }
}
module "remote" {
  source = "terraform-aws-modules/alb/aws"
  idle_timeout = 90
}
resource "aws_ecs_task_definition" "circle" { family = local.a }
resource "aws_ecs_task_definition" "doc" {
  container_definitions = <<EOF
[
  { "name": "doc", "cpu": ${var.cpu},
    "memory": 128 }
]
EOF
}
"#;

const JOB: &str = r#"variable "name" {}
variable "containers" {
  type = map(object({ image = string, stop_timeout = optional(number, 120) }))
}
resource "aws_ecs_task_definition" "this" {
  family                = var.name
  container_definitions = templatefile("${path.module}/c.json", { image = var.containers["a"].image, cpu = 7, tail = ",\"x\": 1" })
  stop                  = var.containers["a"].stop_timeout
}
"#;

const TEMPLATE: &str = "[{\"image\": \"${image}\",\n \"cpu\": ${cpu} ${tail} }]";

fn read() -> Plan {
    let mut terraform = Terraform::default();
    terraform.add("infra/main.tf", 0, MAIN).unwrap();
    terraform.add("infra/job/main.tf", 1, JOB).unwrap();
    assert_eq!(terraform.roots(), ["infra"]);
    let other = |path: &str| (path == "infra/job/c.json").then(|| (2, TEMPLATE.to_string()));
    terraform.plan("infra", &other)
}

fn found<'p>(plan: &'p Plan, id: &str) -> &'p Node {
    &plan.resources.iter().find(|resource| resource.id == id).unwrap_or_else(|| panic!("{id}")).body
}

#[test]
fn locals_variables_and_conditionals() {
    let plan = read();
    let task = found(&plan, "aws_ecs_task_definition.web");
    assert_eq!(task.get("memory").unwrap().number(), Some(2048.0));
    assert_eq!(task.get("memory").unwrap().unless.as_deref(), Some("the variable env"));
    assert!(task.get("cpu").unwrap().unknown_because().unwrap().contains("var.cpu * 2"));
    let containers = task.get("container_definitions").unwrap().items();
    assert_eq!(containers.len(), 1);
    let web = &containers[0];
    assert_eq!(web.get("name").unwrap().text().as_deref(), Some("prod-web"));
    assert_eq!(web.get("image").unwrap().text().as_deref(), Some("${var.repo}:1"));
    let stop = web.get("stop_timeout").unwrap();
    assert_eq!(&MAIN[stop.span.range.clone()], "60");
    let env = web.get("environment").unwrap().items();
    assert_eq!(env[0].get("value").unwrap().text().as_deref(), Some("1"));
    assert!(env[1].get("value").unwrap().unknown_because().is_some());
    let doc = found(&plan, "aws_ecs_task_definition.doc").get("container_definitions").unwrap();
    let doc = functions::decode(doc).unwrap();
    let memory = doc.items()[0].get("memory").unwrap();
    assert_eq!(&MAIN[memory.span.range.clone()], "128");
    assert!(found(&plan, "aws_ecs_task_definition.circle").get("family").unwrap().text().is_none());
}

#[test]
fn blocks_references_and_modules() {
    let plan = read();
    let service = found(&plan, "aws_ecs_service.web");
    let task = Value::Reference("aws_ecs_task_definition.web".into());
    assert_eq!(service.get("task_definition").unwrap().value, task);
    let target = service.path(&["load_balancer", "target_group_arn"]).unwrap();
    assert_eq!(target.reference(), Some("aws_lb_target_group.web"));
    assert!(plan.resources.iter().all(|resource| resource.id != "aws_ecs_service.off"));
    let job = found(&plan, "module.job.aws_ecs_task_definition.this");
    assert_eq!(job.get("stop").unwrap().number(), Some(120.0));
    assert_eq!(&JOB[job.get("stop").unwrap().span.range.clone()], "120");
    let containers = functions::decode(job.get("container_definitions").unwrap()).unwrap();
    let cpu = containers.items()[0].get("cpu").unwrap();
    assert_eq!((cpu.number(), cpu.span.file), (Some(7.0), 2));
    assert!(TEMPLATE[cpu.span.range.start..].starts_with("${cpu}"));
    assert_eq!(containers.items()[0].get("x").unwrap().number(), Some(1.0));
    assert_eq!(plan.calls[1].kind, "terraform-aws-modules/alb/aws");
}

#[test]
fn of_a_resource_or_nothing_the_resource() {
    let text = "variable \"on\" {}\nresource \"aws_lb\" \"l\" { count = var.on ? 1 : 0 }\nresource \"aws_lb_listener\" \"x\" {\n  a = length(aws_lb.l) > 0 ? aws_lb.l[0].arn : \"\"\n  b = var.on ? null : aws_lb.l[0].arn\n  c = var.on ? aws_lb.l[0].arn : \"arn:other\"\n}\n";
    let mut terraform = Terraform::default();
    terraform.add("main.tf", 0, text).unwrap();
    let plan = terraform.plan("", &|_| None);
    let listener = found(&plan, "aws_lb_listener.x");
    let refers = |key: &str| listener.get(key).unwrap().reference().map(String::from);
    assert_eq!(refers("a").as_deref(), Some("aws_lb.l"));
    assert_eq!(refers("b").as_deref(), Some("aws_lb.l"));
    assert_eq!(refers("c"), None, "it may be the other");
}

#[test]
fn a_list_that_a_template_is_made_of_keeps_its_places() {
    let text = "locals {\n  a = jsonencode({ name = \"a\", stopTimeout = 60 })\n  b = jsonencode({ name = \"b\" })\n}\nresource \"aws_ecs_service\" \"y\" {\n  list = \"[${local.a}, ${local.b}]\"\n  text = \"[${local.a}, 1]\"\n}\n";
    let mut terraform = Terraform::default();
    terraform.add("main.tf", 0, text).unwrap();
    let plan = terraform.plan("", &|_| None);
    let list = found(&plan, "aws_ecs_service.y").get("list").unwrap().items();
    assert_eq!((list.len(), list[1].get("name").unwrap().text().as_deref()), (2, Some("b")));
    assert_eq!(&text[list[0].get("stop_timeout").unwrap().span.range.clone()], "60");
    assert!(found(&plan, "aws_ecs_service.y").get("text").unwrap().text().is_some());
}

#[test]
fn a_workspace_is_that_of_production() {
    let text = "variable \"accounts\" {}\nlocals {\n  env = lower(terraform.workspace)\n  account = contains(keys(var.accounts), local.env) ? var.accounts[local.env] : var.accounts[\"default\"]\n}\nresource \"aws_ecs_service\" \"y\" {\n  cpu = local.account.cpu\n  count = local.env == \"production\" ? 1 : 2\n  image = data.aws_ecr_repository.images[\"web\"].repository_url\n}\n";
    let json = "{\"accounts\": {\"default\": {\"cpu\": 256}, \"production\": {\"cpu\": 1024}}}";
    let mut terraform = Terraform::default();
    terraform.add("main.tf", 0, text).unwrap();
    terraform.add("terraform.tfvars.json", 1, json).unwrap();
    let plan = terraform.plan("", &|_| None);
    let cpu = found(&plan, "aws_ecs_service.y").get("cpu").unwrap();
    assert_eq!((cpu.number(), cpu.span.file), (Some(1024.0), 1));
    assert_eq!(&json[cpu.span.range.clone()], "1024");
    let image = found(&plan, "aws_ecs_service.y").get("image").unwrap();
    assert_eq!(image.reference(), Some("data.aws_ecr_repository.images.web"));
    let mut plain = Terraform::default();
    plain
        .add("main.tf", 0, "resource \"aws_ecs_service\" \"y\" { name = terraform.workspace }")
        .unwrap();
    let name = plain.plan("", &|_| None).resources[0].body.get("name").unwrap().text();
    assert_eq!(name, None, "nothing speaks of an environment");
}

#[test]
fn what_is_no_terraform_is_named_with_its_place() {
    let mut terraform = Terraform::default();
    let error = terraform.add("a.tf", 0, "a = 1\nb = = 2\n").unwrap_err();
    assert_eq!(error.at.line, 2, "{error}");
    assert!(terraform.add("b.tf", 1, &"a = [".repeat(50_000)).is_err());
    assert!(terraform.add("c.tf", 2, &format!("a = {}1", "!".repeat(100_000))).is_err());
    terraform.add("d.tf", 3, "\u{feff}locals {\r\n  a = 1\r\n}\r\n").unwrap();
}

#[test]
fn what_doubles_itself_ends() {
    let doubling: String =
        (1..60).map(|n| format!("  a{n} = [local.a{0}, local.a{0}]\n", n - 1)).collect();
    let text = format!(
        "locals {{\n  a0 = [1]\n{doubling}}}\nresource \"aws_ecs_service\" \"x\" {{ y = local.a59 }}\n"
    );
    let mut terraform = Terraform::default();
    terraform.add("main.tf", 0, &text).unwrap();
    assert!(terraform.plan("", &|_| None).resources[0].body.size() < 1_000_000);
}

proptest! {
    #[test]
    fn any_expression_is_computed(parts in proptest::collection::vec(prop::sample::select(vec![
        "local.x", "var.v", "\"${local.x}\"", "[for k in local.x : k]", "merge(local.x, {})", "1 / 0", "local.x[0]", "local.x.a[*].b",
        "try(local.x, 1)", "jsondecode(\"[\")", "element([], 1)", "format(\"%s%\", 1)", "templatefile(\"x\", {})", "!true", "module.m.o", "a.b.c", "substr(\"a\", 1)",
        "{ (local.x) = 1 }", "null", "true ? local.x : 2", "length(local.x)", "coalesce(null, \"\")", "range(3)", "split(\"\", \"a\")",
    ]), 1..5)) {
        let list = parts.join(", ");
        let text = format!("variable \"v\" {{ default = [{list}] }}\nlocals {{ x = concat([{list}]) }}\nmodule \"m\" {{ source = \"./m\" }}\nresource \"aws_lb\" \"l\" {{ a = [{list}] }}\n");
        let mut terraform = Terraform::default();
        terraform.add("main.tf", 0, &text).unwrap();
        terraform.add("m/main.tf", 0, "output \"o\" { value = 1 }\nmodule \"m\" { source = \"../m\" }\n").unwrap();
        terraform.plan("", &|_| None);
    }
}

/// The resources of the first root module that these files make.
fn resources(files: &[(&str, &str)]) -> Vec<Resource> {
    let mut terraform = Terraform::default();
    for (number, (path, text)) in files.iter().enumerate() {
        terraform.add(path, number, text).unwrap();
    }
    let folder = terraform.roots().remove(0);
    terraform.plan(&folder, &|_| None).resources
}

#[test]
fn definitions_that_a_text_joins_keep_their_places() {
    let text = r#"
locals {
  web = jsonencode({ name = "web", cpu = 256 })
  log = jsonencode({ name = "log" })
}
variable "logs" {}
resource "aws_ecs_task_definition" "a" {
  container_definitions = "[${local.web}, ${local.log} ${var.logs ? ", ${local.log}" : ""}]"
}
"#;
    let resources = resources(&[("main.tf", text)]);
    let list = resources[0].body.get("container_definitions").unwrap();
    let web = &list.items()[0];
    assert_eq!(web.get("name").unwrap().text().as_deref(), Some("web"));
    assert_eq!(&text[web.get("cpu").unwrap().span.range.clone()], "256");
    assert_eq!(
        list.items().iter().filter(|item| item.is_map()).count(),
        2,
        "the third is not known"
    );
}

#[test]
fn a_container_that_a_well_known_module_defines() {
    let text = r#"
module "web" {
  source          = "cloudposse/ecs-container-definition/aws"
  container_name  = "web"
  container_image = "web:1"
  stop_timeout    = 90
  map_environment = { GOGC = "200" }
}
resource "aws_ecs_task_definition" "a" {
  container_definitions = jsonencode([module.web.json_map_object])
}
"#;
    let resources = resources(&[("main.tf", text)]);
    let web = &resources[0].body.get("container_definitions").unwrap().items()[0];
    let variable = &web.get("environment").unwrap().items()[0];
    assert_eq!(variable.get("name").unwrap().text().as_deref(), Some("GOGC"));
    assert_eq!(web.get("image").unwrap().text().as_deref(), Some("web:1"));
}

#[test]
fn production_gives_variables_their_values() {
    let main = "variable \"cpu\" { default = 256 }\nresource \"aws_ecs_task_definition\" \"a\" {\n  cpu = var.cpu\n}\n";
    let cpu = |more: &[(&str, &str)]| {
        let files: Vec<_> = [("tf/main.tf", main)].iter().chain(more).copied().collect();
        resources(&files)[0].body.get("cpu").unwrap().number()
    };
    assert_eq!(
        cpu(&[("tf/prod.tfvars", "cpu = 1024"), ("tf/staging.tfvars", "cpu = 512")]),
        Some(1024.0)
    );
    assert_eq!(cpu(&[("tf/envs/production.tfvars", "cpu = 2048")]), Some(2048.0));
    assert_eq!(cpu(&[("tf/staging.tfvars", "cpu = 512")]), Some(256.0), "the default holds");
    assert_eq!(cpu(&[("tf/non-prod.tfvars", "cpu = 512")]), Some(256.0));
    let own = ("tf/terraform.tfvars", "cpu = 4096");
    assert_eq!(
        cpu(&[own, ("tf/prod.tfvars", "cpu = 1024")]),
        Some(4096.0),
        "what Terraform reads by itself"
    );
}
