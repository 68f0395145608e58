//! What is built beside what is deployed: where a repository says how its services run on ECS, its
//! compose files are for developers, and so are Dockerfiles that nothing else builds.

use super::Join;
use super::workflows::is_pipeline;
use crate::picture::files::FileId;
use crate::picture::service::{Deployment, Purpose, Service};
use std::collections::HashSet;

impl Join {
    pub(super) fn undeployed(&mut self) {
        let production = |service: &&Service| service.purpose == Purpose::Production;
        let dockerfiles = |service: &Service| -> Vec<FileId> {
            let images = service.containers.iter().filter_map(|c| c.image.as_ref()?.dockerfile);
            images.collect()
        };
        let on_ecs = self.picture.services.iter().filter(|s| s.deployment == Deployment::Ecs);
        let deployed: HashSet<FileId> = on_ecs.filter(production).flat_map(dockerfiles).collect();
        if deployed.is_empty() {
            return;
        }
        let beside = |service: &Service| match service.deployment {
            Deployment::Compose => !self.is_for_production(service.place.file),
            Deployment::Image => {
                let own = dockerfiles(service);
                own.iter().all(|id| !deployed.contains(id) && !self.is_built(*id))
            }
            _ => false,
        };
        let beside: Vec<bool> = self.picture.services.iter().map(beside).collect();
        for (service, beside) in self.picture.services.iter_mut().zip(beside) {
            if beside && service.purpose == Purpose::Production {
                service.purpose = Purpose::Development;
            }
        }
    }

    fn is_for_production(&self, id: FileId) -> bool {
        knee_files::is_production(&self.picture.files.get(id).path)
    }

    /// Whether a pipeline or a script names a Dockerfile, by its path, its folder or its own name.
    fn is_built(&self, id: FileId) -> bool {
        let path = self.picture.files.get(id).path.clone();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if folder.is_empty() && name.eq_ignore_ascii_case("dockerfile") {
            return true;
        }
        let plain = name.eq_ignore_ascii_case("dockerfile");
        // `docker/${{ matrix.name }}/Dockerfile`, with the names in a list.
        let last = folder.rsplit('/').next().unwrap_or(folder);
        let word = |text: &str| {
            text.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')).any(|w| w == last)
        };
        self.picture.files.iter().any(|(_, file)| {
            (is_pipeline(&file.path)
                && !folder.is_empty()
                && file.text.contains("docker")
                && word(&file.text))
                || builds(&file.path)
                    && ((!folder.is_empty() && file.text.contains(folder))
                        || (!plain && file.text.contains(name)))
        })
    }
}

/// Whether a file may build images: a pipeline, a script, a list of things to make.
fn builds(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or(&lower);
    let yaml = name.ends_with(".yml") || name.ends_with(".yaml");
    let compose = name.contains("compose");
    let starts = ["makefile", "jenkinsfile", "buildspec", "justfile", "bakefile", "docker-bake"];
    (yaml && !compose && !name.starts_with(".pre-commit") && !name.starts_with(".codecov"))
        || starts.iter().any(|start| name.starts_with(start))
        || [".sh", ".tf", ".mk", ".toml"].iter().any(|end| name.ends_with(end))
        || name == "package.json"
}

#[cfg(test)]
mod tests {
    use crate::picture::Purpose;
    use crate::picture::tests::picture;

    #[test]
    fn beside_a_task_definition_only_what_a_pipeline_builds_is_deployed() {
        let task = r#"{"family": "shop", "containerDefinitions": [{"name": "shop", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/shop"}]}"#;
        let image = "FROM node:22\nCOPY . .\nCMD [\"node\", \"a.js\"]\n";
        let compose = "services:\n  stub:\n    build: ./stub\n";
        let of = |more: &[(&str, &str)], name: &str| {
            let files = [
                ("shop/Dockerfile", image),
                ("stand-in/Dockerfile", image),
                ("docker-compose.yml", compose),
            ];
            let all: Vec<_> = files.iter().chain(more).copied().collect();
            let picture = picture(&all);
            picture.services.iter().find(|service| service.name == name).unwrap().purpose
        };
        let deployed = ("task-definition.json", task);
        assert_eq!(of(&[deployed], "stand-in"), Purpose::Development);
        assert_eq!(of(&[deployed], "stub"), Purpose::Development);
        assert_eq!(of(&[deployed], "shop"), Purpose::Production);
        let pipeline = (".github/workflows/a.yml", "run: docker build stand-in\n");
        assert_eq!(of(&[deployed, pipeline], "stand-in"), Purpose::Production);
        assert_eq!(of(&[], "stand-in"), Purpose::Production);
    }
}
