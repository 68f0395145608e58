//! Databases whose limits are stated: groups of parameters.

use super::Join;
use super::terraform::children;
use crate::picture::ecs;
use crate::picture::service::Database;
use knee_files::formats::tree::Node;

impl Join {
    pub(super) fn databases(&mut self) {
        for at in self.of_kind("parameters") {
            let resource = &self.resources[at];
            if let Some(limit) = limit(&resource.body) {
                let max_connections = ecs::found(&limit, Node::number);
                let place = ecs::place(&resource.span);
                self.picture.databases.push(Database { place, max_connections });
            }
        }
    }
}

/// `max_connections` in CloudFormation's map of parameters, or in Terraform's blocks of name and value.
fn limit(body: &Node) -> Option<Node> {
    if let Some(limit) = body.path(&["Parameters", "max_connections"]) {
        return Some(limit.clone());
    }
    let parameter = body.get("parameter")?;
    let named = |node: &Node| node.get("name").and_then(Node::text);
    let all =
        if named(parameter).is_some() { vec![parameter.clone()] } else { children(parameter) };
    let found = all.iter().find(|node| named(node).as_deref() == Some("max_connections"))?;
    found.get("value").cloned()
}

#[cfg(test)]
mod tests {
    use crate::picture::Picture;

    fn limits(path: &str, text: &str) -> Vec<Option<f64>> {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(path), text).unwrap();
        let picture = Picture::read(folder.path()).unwrap();
        picture.databases.iter().map(|d| d.max_connections.get().copied()).collect()
    }

    #[test]
    fn terraforms_parameters() {
        let group =
            |inside: &str| format!("resource \"aws_db_parameter_group\" \"a\" {{\n{inside}}}\n");
        let parameter = |name: &str, value: &str| {
            format!("  parameter {{\n    name = \"{name}\"\n    value = {value}\n  }}\n")
        };
        let one = group(&parameter("max_connections", "\"200\""));
        assert_eq!(limits("a.tf", &one), [Some(200.0)]);
        let two = group(&(parameter("work_mem", "64") + &parameter("max_connections", "var.n")));
        assert_eq!(limits("a.tf", &two), [None], "said, and not known");
        assert!(limits("a.tf", &group(&parameter("work_mem", "64"))).is_empty());
    }

    #[test]
    fn cloudformations_parameters() {
        let text = "Resources:\n  P:\n    Type: AWS::RDS::DBParameterGroup\n    Properties:\n      Parameters: { max_connections: 400 }\n";
        assert_eq!(limits("a.yml", text), [Some(400.0)]);
    }
}
