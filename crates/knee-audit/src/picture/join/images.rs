//! Dockerfiles: the one that makes a container's image, and those that no deployment names.

use super::container::Start;
use super::{Join, empty};
use crate::picture::files::{FileId, Place};
use crate::picture::image::{self, Built};
use crate::picture::service::{Deployment, Service, Task};
use knee_files::formats::tree::Node;

impl Join {
    /// The Dockerfile of an image that the user builds: the one beside, or in a folder of its name.
    pub(super) fn matching(&self, image: &Node, container: &str, from: FileId) -> Option<Built> {
        let name = image.text()?;
        let repository = name.rsplit('/').next()?.split([':', '@']).next()?.to_ascii_lowercase();
        let own = name.contains("${") || name.contains("amazonaws.com") || !name.contains('/');
        if !own && !name.contains(&repository) {
            return None;
        }
        let base = self.folder(from);
        let dockerfiles = || self.ids().into_iter().filter(|id| is_dockerfile(&self.name(*id)));
        let score = |id: &FileId| {
            let folder = self.folder(*id).to_ascii_lowercase();
            let parts: Vec<&str> = folder.split('/').collect();
            let hit = |wanted: &str| {
                wanted.len() > 2
                    && parts.iter().any(|p| {
                        *p == wanted
                            || wanted.starts_with(&format!("{p}-")) && p.len() > 2
                            || wanted.ends_with(&format!("-{p}")) && p.len() > 2
                    })
            };
            let near = base
                .split('/')
                .zip(&parts)
                .take_while(|(a, b)| !a.is_empty() && a.eq_ignore_ascii_case(b))
                .count();
            let named =
                usize::from(hit(&container.to_ascii_lowercase())) + usize::from(hit(&repository));
            (named, near, usize::MAX - folder.len())
        };
        let best = dockerfiles().max_by_key(score)?;
        let (named, near, _) = score(&best);
        let depth = base.split('/').filter(|p| !p.is_empty()).count();
        let within = near == depth;
        let only = dockerfiles().filter(|id| self.folder(*id).starts_with(&base)).count() == 1;
        let fits = named > 0 || (within && only && own);
        let foreign = !name.contains("${") && !name.contains("amazonaws.com") && named == 0;
        (fits && !foreign)
            .then(|| image::build(&self.picture.files, best, None, None).ok())
            .flatten()
    }

    pub(super) fn dockerfiles(&mut self) {
        for id in self.ids() {
            if !is_dockerfile(&self.name(id)) || self.used.contains(&id) {
                continue;
            }
            let built = match image::build(&self.picture.files, id, None, None) {
                Ok(built) => built,
                Err(error) => {
                    self.note(id, &error);
                    continue;
                }
            };
            let place = built.image.stage.clone().unwrap_or(Place::new(id, 0..0));
            let folder = self.folder(id);
            let name =
                folder.rsplit('/').next().filter(|n| !n.is_empty()).unwrap_or("image").to_string();
            let mut container = empty(&name, place.clone());
            self.fill(&mut container, Some(built), Start::default(), None);
            self.picture.services.push(Service {
                name,
                purpose: self.purpose(id),
                deployment: Deployment::Image,
                place,
                task: Task::default(),
                containers: vec![container],
            });
        }
    }
}

pub(super) fn is_dockerfile(name: &str) -> bool {
    let known = name == "dockerfile" || name == "containerfile" || name.ends_with(".dockerfile");
    known
        || (name.starts_with("dockerfile.") || name.ends_with(".containerfile"))
            && !name.ends_with(".template")
            && !name.ends_with(".md")
            && !name.ends_with(".dockerignore")
}
