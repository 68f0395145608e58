//! What pm2 starts: a script that it is given, or the applications of an ecosystem file.
//!
//! Source: <https://pm2.keymetrics.io/docs/usage/application-declaration/>.

use super::{DEEPEST, Follower};
use crate::picture::files::{FileId, Place};
use crate::picture::found::{Datum, Found};
use crate::picture::program::{Link, LinkKind, Supervision};
use crate::picture::values::{Context, Kind, typed};
use knee_files::formats::word::{Coat, Dress, Word};
use knee_files::formats::{argv, ecosystem};
use std::collections::BTreeMap;

/// Seconds until SIGKILL: <https://pm2.keymetrics.io/docs/usage/signals-clean-restart/>.
const KILL_TIMEOUT: f64 = 1.6;

/// An application of an ecosystem file: its keys with the places of their values.
struct Application {
    place: Place,
    keys: BTreeMap<String, (String, Place)>,
}

impl Follower<'_> {
    pub(super) fn pm2(&mut self, words: &[(FileId, Word)], context: &Context, links: Vec<Link>) {
        let texts: Vec<&str> = words.iter().map(|(_, word)| word.text.as_str()).collect();
        let verbs = ["start", "startOrRestart", "startOrReload"];
        let takes_value = ["-i", "--instances", "--name", "-n", "--env", "--only", "-o", "-e"];
        let target = (1..words.len()).find(|at| {
            !texts[*at].starts_with('-')
                && !verbs.contains(&texts[*at])
                && !takes_value.contains(&texts[at - 1])
        });
        let Some(target) = target else { return };
        let (file, word) = &words[target];
        if is_ecosystem(&word.text) {
            let path = word.text.clone();
            if let Some(id) = self.file(&path).or_else(|| self.near(*file, &path)) {
                self.used.insert(id);
                for application in applications(id, &self.files.get(id).text.clone()) {
                    self.application(&application, context, &links);
                }
            }
            return;
        }
        let place = Place::new(words[0].0, words[0].1.range.clone());
        let mut keys = BTreeMap::from([(
            "script".to_string(),
            (word.text.clone(), Place::new(*file, word.range.clone())),
        )]);
        if let Some(found) = argv::find(&texts, "--instances", Some("-i")) {
            let at = &words[found.index];
            keys.insert("instances".into(), (found.value, Place::new(at.0, at.1.range.clone())));
        }
        self.application(&Application { place, keys }, context, &links);
    }

    /// A file beside the one that names it.
    fn near(&self, from: FileId, path: &str) -> Option<FileId> {
        let folder = self.files.get(from).path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let name = path.rsplit('/').next().unwrap_or(path);
        let beside = if folder.is_empty() { name.into() } else { format!("{folder}/{name}") };
        self.index.get(&beside).copied()
    }

    fn application(&mut self, application: &Application, context: &Context, links: &[Link]) {
        let Some((script, at)) = application.keys.get("script") else { return };
        let other = application.keys.get("interpreter").is_some_and(|(name, _)| name != "node");
        // A folder is asked for its main script.
        let folder = !script.rsplit('/').next().unwrap_or(script).contains('.');
        let is_node = [".js", ".mjs", ".cjs", ".ts"].iter().any(|end| script.ends_with(end));
        let is_node = is_node || (folder && script.contains('/'));
        if other || !is_node {
            return;
        }
        let number = |key: &str| {
            let (text, place) = application.keys.get(key)?;
            Some(Found::at(text.parse::<f64>().ok()?, place.clone()))
        };
        let wait =
            number("kill_timeout").map(|ms| Found { value: ms.value.map(|ms| ms / 1000.0), ..ms });
        let supervision = Supervision {
            supervisor: "pm2".into(),
            program: application.keys.get("name").map_or(script.clone(), |(name, _)| name.clone()),
            place: application.place.clone(),
            processes: None,
            stop_wait: wait.unwrap_or_else(|| Found::default(KILL_TIMEOUT, "pm2")),
            // pm2 asks with SIGINT: the same page.
            stop_signal: Some(Found::default("SIGINT".into(), "pm2")),
        };
        let mut links = links.to_vec();
        let kind = LinkKind::Supervisor(Box::new(supervision));
        links.push(Link { kind, place: application.place.clone() });
        let word = |text: &str, place: &Place| {
            let dress = Dress::Item(Coat::Verbatim);
            Word { text: text.into(), range: place.span.clone(), dynamic: false, dress }
        };
        let options =
            ["node_args", "interpreter_args"].iter().find_map(|k| application.keys.get(*k));
        let mut words = vec![(at.file, word("node", at))];
        if let Some((options, place)) = options {
            words.extend(options.split_whitespace().map(|o| (place.file, word(o, place))));
        }
        words.push((at.file, word(script, at)));
        let before = self.found.len();
        self.words(words, &mut context.clone(), links, DEEPEST);
        for reached in &mut self.found[before..] {
            if let Some((count, place)) = application.keys.get("instances") {
                // 0, -1 and `max` are made of the CPUs that are seen.
                let found = match count.as_str() {
                    "0" | "-1" => Found::at(Datum::Cpus(count.clone()), place.clone()),
                    count => typed(Kind::Number, count, place.clone()),
                };
                reached.given.insert("node.instances".into(), found);
            }
        }
    }
}

fn is_ecosystem(path: &str) -> bool {
    let name = path.rsplit('/').next().unwrap_or(path);
    let config = name.contains("ecosystem") || name.contains(".config.") || name.contains("pm2");
    config && [".js", ".cjs", ".json"].iter().any(|end| name.ends_with(end))
}

/// The applications of an ecosystem file: objects with a `script`.
fn applications(file: FileId, source: &str) -> Vec<Application> {
    let application = |found: ecosystem::Application| Application {
        place: Place::new(file, found.start..found.start + 1),
        keys: (found.keys.into_iter())
            .map(|(key, entry)| (key, (entry.value, Place::new(file, entry.word.range))))
            .collect(),
    };
    ecosystem::applications(source).into_iter().map(application).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_of_an_ecosystem_file() {
        let text = "module.exports = { apps: [{ name: 'web', script: './server.js', instances: 'max', kill_timeout: 9000, env: { A: 1 } }, { name: 'x' }] }";
        let found = applications(FileId(0), text);
        assert_eq!(found.len(), 1);
        let (instances, place) = &found[0].keys["instances"];
        assert_eq!((instances.as_str(), &text[place.span.clone()]), ("max", "'max'"));
        assert_eq!(found[0].keys["kill_timeout"].0, "9000");
        assert!(is_ecosystem("/app/ecosystem.config.cjs") && !is_ecosystem("server.js"));
    }
}
