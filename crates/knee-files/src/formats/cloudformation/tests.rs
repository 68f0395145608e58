//! Templates and what is computed of them.

use super::*;
use crate::formats::{loose, yaml};
use proptest::prelude::*;

const TEMPLATE: &str = r#"Parameters:
  Cpu: { Type: Number, Default: 256 }
  Env: { Type: String, Default: prod }
  Image: { Type: String }
Mappings:
  Size: { prod: { memory: 2048 } }
Conditions:
  IsProd: !Equals [!Ref Env, prod]
  Both: !And [!Condition IsProd, !Not [!Equals [!Ref Image, x]]]
Resources:
  Task:
    Type: AWS::ECS::TaskDefinition
    Properties:
      Cpu: !Ref Cpu
      Memory: !FindInMap [Size, !Ref Env, memory]
      ContainerDefinitions:
        - Name: !Join ['-', [!Ref Env, web]]
          Image: !Sub '${Image}:${Cpu}'
          Command: !Split [',', 'node,a.js']
          StopTimeout: !If [IsProd, 60, !Ref AWS::NoValue]
          Cpu: !If [Both, 1, 2]
  Service:
    Type: AWS::ECS::Service
    Properties:
      TaskDefinition: !Ref Task
      LoadBalancers: [{ TargetGroupArn: !ImportValue { 'Fn::Sub': '${Env}-tg' } }]
  Hosts:
    Type: AWS::EC2::LaunchTemplate
    Properties:
      UserData:
        Fn::Base64: !Sub
          - |
            echo ECS_CONTAINER_STOP_TIMEOUT=${Time} >> x
          - Time: 90s
Outputs:
  Arn: { Value: !GetAtt Service.Arn, Export: { Name: !Sub '${AWS::StackName}-svc' } }
"#;

fn stack() -> Stack {
    let root = yaml::tree(TEMPLATE, 3).unwrap().unwrap();
    assert!(is_template(&root));
    evaluate(&root, "s", &BTreeMap::new())
}

#[test]
fn functions_are_computed() {
    let stack = stack();
    let task = &stack.resources[0];
    assert_eq!((task.id.as_str(), task.kind.as_str()), ("s#Task", "AWS::ECS::TaskDefinition"));
    let cpu = task.body.get("cpu").unwrap();
    assert_eq!((cpu.number(), cpu.unless.as_deref()), (Some(256.0), Some("the parameter Cpu")));
    assert_eq!(&TEMPLATE[cpu.span.range.clone()], "256");
    assert_eq!(task.body.get("memory").unwrap().number(), Some(2048.0));
    let web = &task.body.get("containerDefinitions").unwrap().items()[0];
    let text = |key| web.get(key).and_then(Node::text);
    assert_eq!(text("name").as_deref(), Some("prod-web"));
    assert_eq!(text("image").as_deref(), Some("${Image}:256"));
    assert_eq!(web.get("command").unwrap().items()[1].text().as_deref(), Some("a.js"));
    assert_eq!(web.get("stop_timeout").unwrap().number(), Some(60.0));
    assert!(web.get("cpu").unwrap().unknown_because().unwrap().contains("Both"));
    let service = &stack.resources[1].body;
    assert_eq!(service.get("task_definition").unwrap().value, Value::Reference("s#Task".into()));
    let group = service.path(&["LoadBalancers"]).unwrap().items()[0].get("targetGroupArn");
    assert_eq!(group.unwrap().value, Value::Reference("import:prod-tg".into()));
    let (name, value, export) = &stack.outputs[0];
    assert_eq!((name.as_str(), &value.value), ("Arn", &Value::Reference("s#Service".into())));
    assert_eq!(export.as_ref().unwrap().text().as_deref(), Some("${AWS::StackName}-svc"));
}

#[test]
fn user_data_knows_its_bytes() {
    let data = stack().resources[2].body.get("UserData").unwrap().clone();
    let inner = data.inner().unwrap();
    let at = inner.text.find("ECS_CONTAINER").unwrap();
    assert!(inner.text.contains("TIMEOUT=90s"));
    assert!(TEMPLATE[inner.places()[at]..].starts_with("ECS_CONTAINER_STOP_TIMEOUT=$"));
}

#[test]
fn cdk_writes_json_and_a_given_parameter_wins() {
    let json = r#"{"Parameters": {"P": {"Type": "String", "Default": "1"}}, "Resources": {"T": {"Type": "AWS::ECS::TaskDefinition",
            "Properties": {"Cpu": {"Ref": "P"}, "Family": {"Fn::Join": ["", ["a", {"Ref": "AWS::Region"}]]}}}}}"#;
    let root = loose::parse(json, 0).unwrap().unwrap();
    let two = Node::new(Value::Text("2".into()), 9, 0..1);
    let stack = evaluate(&root, "s", &BTreeMap::from([("P".into(), two)]));
    let body = &stack.resources[0].body;
    assert_eq!(
        (body.get("cpu").unwrap().number(), body.get("cpu").unwrap().span.file),
        (Some(2.0), 9)
    );
    assert_eq!(body.get("family").unwrap().text().as_deref(), Some("a${…}"));
}

proptest! {
    #[test]
    fn any_template_is_computed(parts in proptest::collection::vec(
        prop::sample::select(vec!["!Ref A", "!Sub '${A}${'", "!If [A, !Ref A, 1]", "!Select [9, [a]]", "!Join [x]", "!GetAtt A", "[]", "!FindInMap [A]", "!Split ['', a]", "!Condition A"]), 1..6)) {
        let list = parts.join(", ");
        let text = format!("Parameters: {{A: {{Default: [{list}]}}}}\nConditions: {{A: !Or [!Condition A, {list}]}}\nResources: {{R: {{Type: 'a::b', Properties: {{x: [{list}]}}}}}}\n");
        if let Ok(Some(root)) = yaml::tree(&text, 0) {
            evaluate(&root, "s", &BTreeMap::new());
        }
    }
}
