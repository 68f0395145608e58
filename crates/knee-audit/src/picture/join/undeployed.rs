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
        let on_ecs: Vec<&Service> = on_ecs.filter(production).collect();
        let deployed: HashSet<FileId> = on_ecs.iter().flat_map(|s| dockerfiles(s)).collect();
        let all = self.picture.services.iter().flat_map(dockerfiles);
        // Where no task is seen to run an image of the repository, what a pipeline builds stands for it.
        let unknown = deployed.is_empty();
        let piped = || all.into_iter().any(|id| self.is_named(id, is_pipeline));
        if on_ecs.is_empty() || (unknown && !piped()) {
            return;
        }
        let beside = |service: &Service| match service.deployment {
            Deployment::Compose if unknown => {
                let own = dockerfiles(service);
                !own.is_empty() && own.iter().all(|id| !self.is_built(*id))
            }
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

    /// Whether of all services only compose's, which are for developers, are seen to run an image that
    /// a pipeline builds.
    pub(super) fn is_composed_alone(&self, id: FileId) -> bool {
        let runs = |service: &Service| {
            let images = service.containers.iter().filter_map(|c| c.image.as_ref()?.dockerfile);
            images.into_iter().any(|own| own == id)
        };
        let (composed, others): (Vec<&Service>, Vec<&Service>) =
            self.picture.services.iter().partition(|s| s.deployment == Deployment::Compose);
        let deployed = others.iter().any(|s| s.deployment == Deployment::Ecs);
        let composed = composed.iter().any(|service| runs(service));
        deployed
            && composed
            && !others.iter().any(|service| runs(service))
            && self.is_named(id, |_| true)
    }

    fn is_for_production(&self, id: FileId) -> bool {
        knee_files::is_production(&self.picture.files.get(id).path)
    }

    /// Whether a Dockerfile is the repository's own, or a pipeline or a script names it.
    fn is_built(&self, id: FileId) -> bool {
        self.picture.files.get(id).path.eq_ignore_ascii_case("dockerfile")
            || self.is_named(id, |_| true)
    }

    /// Whether a pipeline or a script among those files names a Dockerfile, by its path, its folder or
    /// its own name.
    fn is_named(&self, id: FileId, among: fn(&str) -> bool) -> bool {
        let path = self.picture.files.get(id).path.clone();
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        let plain = name.eq_ignore_ascii_case("dockerfile");
        // `docker/${{ matrix.name }}/Dockerfile`, with the names in a list.
        let (above, last) = folder.rsplit_once('/').unwrap_or(("", folder));
        let above = above.rsplit('/').next().filter(|above| !above.is_empty());
        let word = |text: &str| {
            let filled = |above: &str| {
                ["$", "{", "*"].iter().any(|start| text.contains(&format!("{above}/{start}")))
            };
            above.is_none_or(filled)
                && text
                    .split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_'))
                    .any(|w| w == last)
        };
        self.picture.files.iter().any(|(_, file)| {
            if !among(&file.path) {
                return false;
            }
            let named = file.text.contains("docker") && word(&file.text);
            (is_pipeline(&file.path) && !folder.is_empty() && named)
                || builds(&file.path)
                    && ((!folder.is_empty() && file.text.contains(folder))
                        || (!plain && file.text.contains(name)))
        })
    }
}

/// Whether a file may build images: a pipeline, a script, a list of things to make.
pub(super) fn builds(path: &str) -> bool {
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
        let foreign = r#"{"family": "other", "containerDefinitions": [{"name": "other", "image": "${image}"}]}"#;
        let unknown = ("task-definition.json", foreign);
        let named = (".github/workflows/a.yml", "run: docker build -f shop/Dockerfile .\n");
        assert_eq!(of(&[unknown], "stand-in"), Purpose::Production, "nothing says what is built");
        assert_eq!(of(&[unknown, named], "stand-in"), Purpose::Development);
        assert_eq!(of(&[unknown, named], "shop"), Purpose::Production);
    }

    #[test]
    fn an_image_that_compose_runs_for_developers_and_a_pipeline_builds() {
        let of = |pipeline: &str| {
            let image = "FROM node:22\nCOPY . .\nCMD [\"node\", \"a.js\"]\n";
            let files = [
                ("shop/Dockerfile", image),
                ("front/Dockerfile", image),
                ("docker-compose.yml", "services:\n  face:\n    build: ./front\n"),
                (
                    "task-definition.json",
                    r#"{"family": "shop", "containerDefinitions": [{"name": "shop", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/shop"}]}"#,
                ),
                (".github/workflows/a.yml", pipeline),
            ];
            let services = picture(&files).services;
            let mut all: Vec<_> = services.into_iter().map(|s| (s.name, s.purpose)).collect();
            all.retain(|(name, _)| name != "shop");
            all
        };
        let face = ("face".to_string(), Purpose::Development);
        assert_eq!(of("run: make\n"), std::slice::from_ref(&face));
        assert_eq!(of("run: docker build front\n"), [face, ("front".into(), Purpose::Production)]);
    }

    #[test]
    fn a_list_of_names_is_of_the_folder_that_it_fills_in() {
        let files = |above: &str| {
            let matrix = format!("matrix: [shop, proxy]\nrun: docker build {above}${{{{ m }}}}\n");
            let image = "FROM node:22\nCOPY . .\nCMD [\"node\", \"a.js\"]\n";
            let task = r#"{"family": "shop", "containerDefinitions": [{"name": "shop", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/shop"}]}"#;
            let files = [
                ("shop/Dockerfile", image),
                ("tools/proxy/Dockerfile", image),
                ("task-definition.json", task),
                (".github/workflows/a.yml", &matrix),
            ];
            let picture = picture(&files);
            picture.services.iter().find(|service| service.name == "proxy").unwrap().purpose
        };
        assert_eq!(files("tools/"), Purpose::Production);
        assert_eq!(files("./"), Purpose::Development);
    }
}
