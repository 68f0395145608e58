//! Dockerfiles: the one that makes a container's image, and those that no deployment names.

use super::container::{Command, Start};
use super::{Join, empty};
use crate::picture::files::{FileId, Place};
use crate::picture::program::Runtime;
use crate::picture::service::{Container, Deployment, Service, Task};
use crate::picture::{image, walk};
use knee_files::formats::word::{Coat, Dress, Word};

impl Join {
    pub(super) fn dockerfiles(&mut self) {
        for id in self.ids() {
            let known = || self.used.contains(&id) && !self.is_composed_alone(id);
            if !is_dockerfile(&self.name(id)) || known() {
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
            self.image(id, container, place.clone());
            for word in std::mem::take(&mut self.others) {
                self.dispatched(id, &name, &word, &place);
            }
            for stage in image::other_stages(&self.picture.files, id) {
                self.stage(id, &name, &stage);
            }
        }
    }

    /// Another image of the same Dockerfile.
    fn stage(&mut self, id: FileId, name: &str, stage: &str) {
        let Ok(built) = image::build(&self.picture.files, id, Some(stage), None) else { return };
        let place = built.image.stage.clone().unwrap_or(Place::new(id, 0..0));
        let mut container = empty(&format!("{name}:{stage}"), place.clone());
        self.fill(&mut container, Some(built), Start::default(), None);
        self.others.clear();
        self.image(id, container, place);
    }

    /// What an image does instead where its script is given another first word.
    fn dispatched(&mut self, id: FileId, name: &str, word: &str, place: &Place) {
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if word.starts_with('-') || !word.chars().all(plain) || walk::is_development(word) {
            return;
        }
        let Ok(built) = image::build(&self.picture.files, id, None, None) else { return };
        let mut container = empty(&format!("{name}:{word}"), place.clone());
        let dress = Dress::Item(Coat::Verbatim);
        let given = Word { text: word.into(), range: place.span.clone(), dynamic: false, dress };
        let cmd = Some(Command::Exec(vec![(id, given)]));
        self.fill(&mut container, Some(built), Start { entrypoint: None, cmd }, None);
        container.programs.retain(|program| program.runtime != Runtime::Other);
        if !container.programs.is_empty() {
            self.image(id, container, place.clone());
        }
    }

    fn image(&mut self, id: FileId, container: Container, place: Place) {
        self.picture.services.push(Service {
            name: container.name.clone(),
            purpose: self.purpose(id),
            deployment: Deployment::Image,
            place,
            task: Task::default(),
            containers: vec![container],
        });
    }
}

pub(crate) fn is_dockerfile(name: &str) -> bool {
    let known = name == "dockerfile" || name == "containerfile" || name.ends_with(".dockerfile");
    known
        || (name.starts_with("dockerfile.")
            || name.starts_with("dockerfile-")
            || name.ends_with(".containerfile"))
            && !name.ends_with(".template")
            && !name.ends_with(".md")
            && !name.ends_with(".dockerignore")
}
