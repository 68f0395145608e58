//! A setting on a container that does not read it.

use crate::Subject;
use crate::finding::Finding;
use crate::picture::{Container, Found, Program, Runtime, Service};
use crate::rules::Rule;

/// The rule.
pub static RULE: Rule = Rule::new("setting-on-wrong-container", include_str!("setting_on_wrong_container.md"), check);

/// Variables that one runtime reads, and the runtime.
const READ: [(&str, &[Runtime]); 7] = [
    ("WEB_CONCURRENCY", &[Runtime::Gunicorn, Runtime::Uvicorn, Runtime::Node]),
    ("GUNICORN_CMD_ARGS", &[Runtime::Gunicorn]),
    ("NODE_OPTIONS", &[Runtime::Node]),
    ("UV_THREADPOOL_SIZE", &[Runtime::Node]),
    ("GOMAXPROCS", &[Runtime::Go]),
    ("GOMEMLIMIT", &[Runtime::Go]),
    ("GOGC", &[Runtime::Go]),
];

fn check(subject: &Subject) -> Vec<Finding> {
    let mut found = Vec::new();
    for service in subject.production() {
        for container in &service.containers {
            for (name, runtimes) in READ {
                let reads = |c: &Container| c.programs.iter().any(|p| runtimes.contains(&p.runtime));
                // A program that is not known may read anything.
                let known = !container.programs.is_empty() && container.programs.iter().all(|p| p.runtime != Runtime::Other);
                let Some(value) = container.env.get(name).filter(|_| known && !reads(container)) else { continue };
                let Some(meant) = service.containers.iter().find(|c| reads(c) && !c.env.contains_key(name)) else { continue };
                let Some(at) = value.place() else { continue };
                found.push(
                    Finding::new(RULE.name, &service.name, at, format!("{name} stands on the container `{}`, where nothing reads it", container.name))
                        .label(format!("no effect in `{}`", container.name))
                        .beside(Some(&meant.place), format!("`{}` would read it", meant.name))
                        .remedy(format!("move it to the container `{}`", meant.name)),
                );
            }
        }
    }
    found.extend(subject.production().flat_map(by_image));
    found
}

/// Variables that the task sets on one container, while another one's image sets them for itself and reads
/// them in a file of settings.
fn by_image(service: &Service) -> Vec<Finding> {
    let made = |c: &Container, value: &Found<String>| {
        let dockerfile = c.image.as_ref().and_then(|image| image.dockerfile);
        dockerfile.is_some() && value.place().map(|place| place.file) == dockerfile
    };
    let mut found = Vec::new();
    for container in &service.containers {
        let known = container.image.as_ref().is_some_and(|image| image.dockerfile.is_some());
        let own = container.env.iter().filter(|(_, value)| known && value.overrode.is_empty() && !made(container, value));
        for (name, value) in own {
            let Some(at) = value.place() else { continue };
            let reader = service.containers.iter().filter(|other| other.name != container.name).find_map(|other| {
                let theirs = other.env.get(name).filter(|theirs| made(other, theirs))?;
                let reads = |p: &Program| p.settings.values().any(|set| set.place().is_some() && set.place() == theirs.place());
                let program = other.programs.iter().find(|p| reads(p))?;
                let alone = container.programs.iter().all(|p| p.runtime != program.runtime && p.runtime != Runtime::Other);
                Some((other, theirs)).filter(|_| alone)
            });
            let Some((reader, theirs)) = reader else { continue };
            found.push(
                Finding::new(RULE.name, &service.name, at, format!("{name} stands on the container `{}`; `{}` reads it, and keeps what its image says", container.name, reader.name))
                    .label(format!("no effect in `{}`", container.name))
                    .beside(theirs.place(), format!("what counts in `{}`", reader.name))
                    .remedy(format!("move it to the container `{}`", reader.name)),
            );
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::contract::subject;

    #[test]
    fn a_variable_of_the_image_beside() {
        let on = |container: &str| {
            let set = |name: &str| if name == container { r#", "environment": [{"name": "POOL_SIZE", "value": "40"}]"# } else { "" };
            let task = format!(
                r#"{{"family": "shop", "containerDefinitions": [{{"name": "web", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/web"{}}},
{{"name": "app", "image": "1.dkr.ecr.eu-west-1.amazonaws.com/app"{}}}]}}"#,
                set("web"),
                set("app")
            );
            let app = "FROM php:8.4-fpm\nENV POOL_SIZE=20\nCOPY pool.conf /usr/local/etc/php-fpm.d/zz.conf\nCMD [\"php-fpm\"]\n";
            let pool = "[www]\npm = static\npm.max_children = ${POOL_SIZE}\n";
            let files = [("task-definition.json", &*task), ("web/Dockerfile", "FROM nginx:1.29\n"), ("app/Dockerfile", app), ("app/pool.conf", pool)];
            check(&subject(&files)).len()
        };
        assert_eq!((on("web"), on("app"), on("")), (1, 0, 0));
    }
}
