//! The settings of Laravel's queue workers: how long a job may last, and after how long a queue hands
//! it out again (<https://laravel.com/docs/queues#worker-timeouts>).

use super::{Reader, Settings};
use crate::picture::files::{FileId, Place, joined};
use crate::picture::found::{Datum, Found};
use crate::picture::values::{Context, Kind, typed};
use knee_files::formats::tree::Node;
use knee_files::formats::word::Word;
use knee_files::formats::{argv, php};

impl Reader<'_> {
    pub(super) fn queue(
        &mut self,
        texts: &[String],
        words: &[Word],
        file: FileId,
        context: &Context,
        settings: &mut Settings,
    ) {
        let Some(verb) = texts.iter().position(|text| text.starts_with("queue:")) else { return };
        if let Some(timeout) = argv::find(texts, "--timeout", None) {
            let place = Place::new(file, words[timeout.index].range.clone());
            settings.insert("queue.timeout".into(), typed(Kind::Seconds, &timeout.value, place));
        }
        let Some(id) = self.config(file, "config/queue.php") else { return };
        self.used.insert(id);
        let entries = php::entries(&self.files.get(id).text, id.0);
        let value = |key: &str, kind| {
            let (_, node) = entries.iter().find(|(own, _)| own == key)?;
            of_config(node, kind, context)
        };
        let named = texts.get(verb + 1).filter(|word| !word.starts_with('-')).cloned();
        let default = value("default", Kind::Text);
        let usual = default.as_ref().and_then(|found| Some(found.get()?.text()?.to_string()));
        if let Some(connection) = named.or(usual) {
            let again = value(&format!("connections.{connection}.retry_after"), Kind::Seconds);
            settings.extend(again.map(|found| ("queue.retry_after".into(), found)));
        }
        settings.extend(default.map(|found| ("queue.default".into(), found)));
    }

    /// A file of the application: as the image has it, else below a folder around the file that
    /// starts the program.
    fn config(&self, starter: FileId, name: &str) -> Option<FileId> {
        if let Some(built) = self.built {
            return built.at(self.index, name);
        }
        let folder = |path: &str| path.rsplit_once('/').map(|(folder, _)| folder.to_string());
        let own = folder(&self.files.get(starter).path);
        let around = std::iter::successors(own, |at| folder(at)).chain([String::new()]);
        around.into_iter().find_map(|at| self.index.get(&joined(&at, name)).copied())
    }
}

/// A value of a file of settings, with the variable that it may come of.
fn of_config(node: &Node, kind: Kind, context: &Context) -> Option<Found<Datum>> {
    let (variable, default) = php::variable(&node.text()?);
    let place = Place::new(FileId(node.span.file), node.span.range.clone());
    if let Some(set) = variable.as_ref().and_then(|name| context.variable(name)) {
        return Some(typed(kind, &set, place));
    }
    Some(Found { unless: variable, ..typed(kind, &default?, place) })
}

#[cfg(test)]
mod tests {
    use crate::rules::contract::subject;

    #[test]
    fn the_connection_that_a_worker_is_given() {
        let config = "<?php return ['default' => env('QUEUE', 'sync'), 'connections' => ['redis' => ['retry_after' => (int) env('AFTER', 90)], 'database' => ['retry_after' => 700]]];";
        let seen = |command: &str| {
            let supervised = format!("[program:q]\ncommand=php artisan queue:work {command}\n");
            let files = [("config/queue.php", config), (".docker/supervisord.conf", &*supervised)];
            let picture = subject(&files).picture;
            let (_, _, program) = picture.programs().next().unwrap();
            let number = |name: &str| program.setting(name).and_then(|n| n.get()?.number());
            (number("queue.timeout"), number("queue.retry_after"))
        };
        assert_eq!(seen("redis --timeout=60"), (Some(60.0), Some(90.0)));
        assert_eq!(seen("database"), (None, Some(700.0)));
        assert_eq!(seen("--timeout 5"), (Some(5.0), None), "sync has none");
    }
}
