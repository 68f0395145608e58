//! The settings of Python's servers that stand in files of their own.

use super::{Reader, Settings, of_node, put};
use crate::picture::files::FileId;
use crate::picture::follow::Reached;
use crate::picture::knowledge;
use crate::picture::program::Runtime;
use crate::picture::values::Context;
use knee_files::formats::{argv, unit};

impl Reader<'_> {
    pub(super) fn python(&mut self, texts: &[String], before: &Context, context: &mut Context) {
        let named = argv::find(texts, "--config", Some("-c")).map(|found| found.value);
        let path = match named {
            Some(path) => {
                let path = path.trim_start_matches("file:").trim_matches('"').to_string();
                let name = knee_files::formats::expand::variable(&path)
                    .map(|(name, default, _)| (name.to_string(), default.map(String::from)));
                match name {
                    Some((name, default)) => before.variable(&name).or(default).unwrap_or(path),
                    None => path,
                }
            }
            None => "gunicorn.conf.py".into(),
        };
        let path = match path.contains('$') {
            true => path.rsplit('/').next().unwrap_or("").to_string(),
            false => path,
        };
        let id = self.built.and_then(|built| built.at(self.index, &path)).or_else(|| {
            let folder = self.context();
            let name = path.rsplit('/').next().unwrap_or(&path);
            let beside =
                if folder.is_empty() { name.to_string() } else { format!("{folder}/{name}") };
            self.index.get(&beside).copied()
        });
        if let Some(id) = id {
            self.used.insert(id);
            context.python = Some((id, self.files.get(id).text.clone()));
        }
    }

    /// The file that uWSGI is given: `--ini a.ini`, `--ini=a.ini` or its name alone.
    pub(super) fn uwsgi(&mut self, texts: &[String], settings: &mut Settings) {
        let named = argv::find(texts, "--ini", Some("-i")).map(|found| found.value);
        let bare = || texts.iter().skip(1).find(|word| word.ends_with(".ini")).cloned();
        let Some(path) = named.or_else(bare) else { return };
        let path = path.split(':').next().unwrap_or_default();
        if let Some(id) = self.built.and_then(|built| built.at(self.index, path)) {
            self.used.insert(id);
            self.uwsgi_file(id, settings);
        }
    }

    /// What a file of uWSGI says.
    pub fn uwsgi_file(&self, id: FileId, settings: &mut Settings) {
        for section in
            unit::parse(&self.files.get(id).text, id.0).iter().filter(|s| s.name == "uwsgi")
        {
            for setting in knowledge::settings(Runtime::Uwsgi) {
                if let Some(node) = section.get(setting.key) {
                    put(settings, setting.name, of_node(setting.kind, node));
                }
            }
        }
    }

    /// A file of gunicorn's settings that nothing is seen to start.
    pub fn gunicorn_file(&self, id: FileId, settings: &mut Settings) {
        let context =
            Context { python: Some((id, self.files.get(id).text.clone())), ..Context::default() };
        let reached = Reached {
            runtime: Runtime::Gunicorn,
            file: id,
            words: Vec::new(),
            context,
            chain: Default::default(),
            given: Default::default(),
        };
        for setting in knowledge::settings(Runtime::Gunicorn) {
            if let Some(found) = self.setting(setting, &reached, &[]) {
                settings.insert(setting.name.into(), found);
            }
        }
    }
}
