//! Which Dockerfile makes the image that a task starts: by their names, by where both stand, by
//! being the only one there. An image of somebody else's is made by none of them.

use super::Join;
use super::images::is_dockerfile;
use super::workflows::Made;
use crate::picture::files::{FileId, joined};
use crate::picture::image::{self, Built};
use crate::picture::service::{Container, Deployment};
use crate::picture::walk;
use knee_files::formats::tree::Node;
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// Images that everybody takes from the public registry, by a name without a folder.
const OFFICIAL: [&str; 22] = [
    "nginx",
    "redis",
    "postgres",
    "mysql",
    "mariadb",
    "httpd",
    "node",
    "python",
    "php",
    "golang",
    "memcached",
    "mongo",
    "rabbitmq",
    "traefik",
    "alpine",
    "busybox",
    "ubuntu",
    "debian",
    "hello-world",
    "haproxy",
    "caddy",
    "wordpress",
];

/// Words that say nothing of which image it is.
const COMMON: [&str; 46] = [
    "image",
    "images",
    "url",
    "uri",
    "repository",
    "repositories",
    "repo",
    "ecr",
    "ecs",
    "aws",
    "docker",
    "dockerfile",
    "container",
    "containers",
    "tag",
    "latest",
    "var",
    "local",
    "data",
    "module",
    "name",
    "arn",
    "id",
    "region",
    "account",
    "services",
    "service",
    "task",
    "src",
    "apps",
    "build",
    "deploy",
    "deployment",
    "infra",
    "infrastructure",
    "project",
    "packages",
    "files",
    "fargate",
    "ec2",
    "lambda",
    "cluster",
    "prod",
    "production",
    "staging",
    "default",
];

/// Helpers that stand beside an application and are seldom built.
const HELPERS: [&str; 16] = [
    "nginx",
    "envoy",
    "datadog",
    "xray",
    "otel",
    "opentelemetry",
    "fluent",
    "firelens",
    "redis",
    "postgres",
    "mysql",
    "router",
    "proxy",
    "statsd",
    "newrelic",
    "migrations",
];

/// An image that a task starts.
pub(super) struct Started<'a> {
    pub image: &'a Node,
    /// The container's name.
    pub container: &'a str,
    /// The task's family, where it is known.
    pub family: &'a str,
    /// The folder that the task is made from.
    pub from: &'a str,
}

impl Join {
    /// The image as its Dockerfile makes it, if one here does.
    pub(super) fn maker(&self, started: &Started<'_>) -> Option<Built> {
        let image = Wanted::of(started)?;
        if let Some(made) = self.named_by_pipeline(&image) {
            let stage = made.stage.as_deref();
            return image::build(&self.picture.files, made.dockerfile, stage, None).ok();
        }
        let dockerfiles: Vec<FileId> =
            self.ids().into_iter().filter(|id| self.makes_for_production(*id)).collect();
        let scopes = std::iter::successors(Some(started.from.to_string()), |folder: &String| {
            (!folder.is_empty())
                .then(|| folder.rsplit_once('/').map_or(String::new(), |(up, _)| up.into()))
        });
        let mut likest = None;
        for scope in scopes {
            let inside =
                |id: &FileId| scope.is_empty() || self.path(*id).starts_with(&format!("{scope}/"));
            let within: Vec<FileId> = dockerfiles.iter().copied().filter(inside).collect();
            if let Some((score, id)) = self.likest(&image, &within, &scope) {
                // One that has nothing else in its name is not searched for further away.
                if score.only == Reverse(0) {
                    likest = Some((score, id));
                    break;
                }
                likest = likest.max(Some((score, id)));
            }
        }
        let (_, id) = likest.filter(|(score, _)| score.only.0 <= score.both)?;
        image::build(&self.picture.files, id, None, None).ok()
    }

    /// The only image that a pipeline builds under that name.
    fn named_by_pipeline(&self, image: &Wanted) -> Option<&Made> {
        let mut same = self.made.iter().filter(|made| image.own && image.called == made.name);
        same.next().filter(|_| same.next().is_none())
    }

    fn path(&self, id: FileId) -> &str {
        &self.picture.files.get(id).path
    }

    fn makes_for_production(&self, id: FileId) -> bool {
        is_dockerfile(&self.name(id)) && !walk::is_development(self.path(id))
    }

    /// The Dockerfile that is more like the image than all others of a folder, or alone in it.
    fn likest(&self, image: &Wanted, within: &[FileId], scope: &str) -> Option<(Score, FileId)> {
        let named = |id: FileId| {
            let path = self.path(id)[scope.len()..].to_ascii_lowercase();
            let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
            let own = name.trim_start_matches("dockerfile").trim_end_matches("dockerfile");
            (folder.to_string(), own.trim_matches(['.', '-', '_']).to_string())
        };
        let mut scored = Vec::new();
        for id in within {
            let (folder, own) = named(*id);
            let called = self.called(*id);
            let package = self.package(&self.folder(*id));
            let score = image.like(&folder, &own, &called, package.as_deref());
            scored.extend(score.map(|score| (score, *id)));
        }
        scored.sort();
        if let Some((best, id)) = scored.pop() {
            let second = scored.last().map(|(score, _)| *score);
            return second.is_none_or(|second| second < best).then_some((best, id));
        }
        // Of several the plainly named one, if that is alone.
        let plain = within.iter().filter(|id| self.name(**id) == "dockerfile");
        let plain: Vec<&FileId> =
            if within.len() == 1 { within.iter().collect() } else { plain.collect() };
        let [only] = plain[..] else { return None };
        let alone = Score { both: 0, family: 0, only: Reverse(0) };
        (image.own && !image.helper && words(&named(*only).1).is_empty()).then_some((alone, *only))
    }

    /// What else a Dockerfile's image is called: by the compose services that build it, by
    /// `docker build -t` in scripts and instructions.
    fn called(&self, id: FileId) -> Vec<String> {
        let services = self.picture.services.iter().filter(|service| {
            let builds =
                |c: &Container| c.image.as_ref().is_some_and(|image| image.dockerfile == Some(id));
            service.deployment == Deployment::Compose && service.containers.iter().any(builds)
        });
        let built = self.tagged.iter().filter(|(made, _)| *made == id);
        let services = services.map(|service| service.name.clone());
        let named = built.map(|(_, name)| name.clone());
        services.chain(named).collect()
    }

    /// What the package of a folder is called: by its package.json (`@shop/api` as `shop-api`),
    /// composer.json or go.mod.
    fn package(&self, folder: &str) -> Option<String> {
        let text = |name: &str| {
            let id = self.index.get(&joined(folder, name))?;
            Some(&*self.picture.files.get(*id).text)
        };
        let json = |name: &str| {
            let parsed: serde_json::Value = serde_json::from_str(text(name)?).ok()?;
            Some(parsed["name"].as_str()?.trim_start_matches('@').replace('/', "-"))
        };
        let module = || {
            let line = text("go.mod")?.lines().find_map(|line| line.strip_prefix("module "))?;
            Some(line.trim().rsplit('/').next()?.to_string())
        };
        json("package.json").or_else(module).or_else(|| {
            let name = json("composer.json")?;
            Some(name.split_once('-').map_or(name.clone(), |(_, own)| own.into()))
        })
    }

    /// The Dockerfiles that `docker build -t NAME FOLDER` reads, wherever that is written.
    pub(super) fn tagged(&self) -> Vec<(FileId, String)> {
        let mut tagged = Vec::new();
        for (at, file) in self.picture.files.iter().filter(|(_, f)| f.text.contains("docker build"))
        {
            let text = file.text.replace("\\\n", " ");
            for line in text.lines().filter(|line| line.contains("docker build")) {
                let words: Vec<&str> = line.split(['`', '"', '\'', ' ', '\t', ';', '&']).collect();
                let after = |flags: [&str; 2]| {
                    words
                        .iter()
                        .position(|word| flags.contains(word))
                        .and_then(|n| words.get(n + 1))
                };
                let Some(name) = after(["-t", "--tag"]) else { continue };
                let folders = words.iter().rev().filter(|word| !word.is_empty());
                let given = after(["-f", "--file"]).map(|path| path.to_string());
                let path = given.or_else(|| {
                    let folder = folders.into_iter().next()?.trim_end_matches('/');
                    Some(format!("{folder}/Dockerfile"))
                });
                let Some(path) = path else { continue };
                let from = [self.folder(at), String::new()];
                let found = from.iter().find_map(|from| self.index.get(&joined(from, &path)));
                let repository = name.rsplit('/').next().unwrap_or(name).split(':').next();
                tagged.extend(found.zip(repository).map(|(id, name)| (*id, name.to_string())));
            }
        }
        tagged
    }
}

/// How like an image a Dockerfile is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    /// Words that both have.
    both: usize,
    /// Words that it shares with the task's family.
    family: usize,
    /// Words that only the Dockerfile has: the fewer, the more alike.
    only: Reverse<usize>,
}

/// What the names around an image say of it.
struct Wanted {
    /// The last part of its name, where that is known.
    repository: String,
    /// The same, or the last name of what it is a variable of: `data.repository.images.web`.
    called: String,
    /// Of the container and the image.
    words: BTreeSet<String>,
    /// Of the task's family, which may be named after the whole project.
    family: BTreeSet<String>,
    /// Of the folder that the task is made from: `infra/frontend/service`.
    folder: BTreeSet<String>,
    /// Whether its owner is likely the repository's: else its name has to be the Dockerfile's.
    own: bool,
    /// Whether it stands beside an application.
    helper: bool,
}

impl Wanted {
    /// None for an image that is plainly somebody else's.
    fn of(started: &Started<'_>) -> Option<Wanted> {
        let image = started.image;
        // What a variable says where nobody sets it is seldom the application.
        let variable = image.unless.as_deref();
        let text = image.text().filter(|_| variable.is_none()).or(image.unknown_because());
        let text = text.unwrap_or_default();
        let name = text.split(['@', ' ']).next().unwrap_or_default();
        // The colon of a port stands before a slash, the tag's behind.
        let name = match name.rsplit_once(':') {
            Some((name, tag)) if !tag.contains(['/', '}']) => name,
            _ => name,
        };
        // `<IMAGE>` and `{image}` are filled in when it is deployed.
        let filled = text.starts_with(['<', '{']) || name.is_empty();
        let open = variable.is_some() || image.text().is_none() || name.contains("${") || filled;
        let repository = name.rsplit('/').next().unwrap_or_default().to_ascii_lowercase();
        let own = open || name.contains("amazonaws.com") || !name.contains('/');
        if !open && !name.contains('/') && OFFICIAL.contains(&&*repository) {
            return None;
        }
        let told = if own && !filled { variable.unwrap_or(&text) } else { "" };
        let mut own_words = words(told);
        own_words.extend(words(&without_variables(started.container)));
        let helper = own_words.iter().any(|word| HELPERS.contains(&&**word));
        Some(Wanted {
            called: called(&repository),
            repository: repository.replace('_', "-"),
            words: own_words.into_iter().collect(),
            family: words(started.family).into_iter().collect(),
            folder: words(started.from).into_iter().collect(),
            own,
            helper,
        })
    }

    /// How like a Dockerfile's names its own are. None where nothing says that it is this one.
    fn like(
        &self,
        folder: &str,
        own: &str,
        called: &[String],
        package: Option<&str>,
    ) -> Option<Score> {
        if !self.own {
            let folders = folder.split('/').map(|name| name.replace('_', "-"));
            let behind = |name: &str| {
                let name = name.replace('_', "-");
                name.len() > 2 && self.repository.ends_with(&format!("-{name}"))
            };
            let same = folders.chain([own.replace('_', "-")]).any(|name| name == self.repository);
            let same = same || behind(own) || called.contains(&self.repository);
            let same = same || package == Some(&*self.repository);
            return same.then_some(Score { both: 1, family: 0, only: Reverse(0) });
        }
        let mut theirs: BTreeSet<String> = words(folder).into_iter().chain(words(own)).collect();
        let only = theirs.difference(&self.words).count();
        let beside = !self.helper && !theirs.is_empty() && theirs.is_subset(&self.folder);
        theirs.extend(called.iter().flat_map(|name| words(name)));
        let both = theirs.intersection(&self.words).count();
        let family = theirs.intersection(&self.family).count();
        if both == 0 && beside {
            return Some(Score { both, family, only: Reverse(0) });
        }
        let some = both > 0 || (family > 0 && only == 0);
        some.then_some(Score { both, family, only: Reverse(only) })
    }
}

/// The name of an image, or of the one that an expression refers to.
fn called(repository: &str) -> String {
    let attributes = ["repository_url", "url", "name", "arn", "uri", "image"];
    let parts = repository.trim_end_matches('}').rsplit(['.', '{']);
    let telling = parts.into_iter().find(|part| !attributes.contains(part));
    telling.unwrap_or_default().replace('_', "-")
}

/// A name without what variables say in it.
fn without_variables(name: &str) -> String {
    let mut rest = name;
    let mut kept = String::new();
    while let Some((before, variable)) = rest.split_once("${") {
        kept.push_str(before);
        kept.push(' ');
        rest = variable.split_once('}').map_or("", |(_, after)| after);
    }
    kept + rest
}

/// The telling words of a text, `imageUrl` being two.
fn words(text: &str) -> Vec<String> {
    let mut spaced = String::new();
    let mut before = ' ';
    for c in text.chars() {
        if c.is_ascii_uppercase() && before.is_ascii_lowercase() {
            spaced.push(' ');
        }
        spaced.push(if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { ' ' });
        before = c;
    }
    let telling = spaced.split_whitespace().filter(|w| w.len() > 1 && !COMMON.contains(w));
    telling.filter(|w| !w.bytes().all(|b| b.is_ascii_digit())).map(String::from).collect()
}
