//! What must hold for any text whatever, reader by reader: no panic, places inside the text, and
//! a value that is written is read back. For `fuzz/` and for this crate's tests alone.

use crate::command::{Home, Script};
use crate::config::Config;
use crate::formats::compose;
use crate::formats::dockerfile::{self, Dockerfile};
use crate::formats::ini::Ini;
use crate::formats::nginx::Nginx;
use crate::formats::shell::{self, Statement};
use crate::formats::word::Inner;
use crate::formats::{
    CommandText, Entry, ecosystem, package_json, procfile, python, script, task_definition,
};
use crate::text::apply_all;
use std::path::Path;

/// A value that needs no quotes anywhere, as those of knobs.
const VALUE: &str = "17";

fn inside(text: &str, entry: &Entry) {
    assert!(text.get(entry.word.range.clone()).is_some(), "a place outside the text");
    entry.set(text, VALUE).apply(text);
}

fn words(text: &str, statements: &[Statement]) {
    for word in statements.iter().flat_map(|s| &s.words) {
        word.replace(text, VALUE).apply(text);
        word.append(text, None, &[VALUE.into()]).apply(text);
    }
}

fn commands<'c>(text: &str, found: impl IntoIterator<Item = &'c CommandText>) {
    found.into_iter().for_each(|command| words(text, &command.statements));
}

/// Compose files.
pub fn compose(text: &str) {
    for service in compose::parse(text, &|_| None).unwrap_or_default() {
        commands(text, service.command.iter().chain(&service.entrypoint));
        service.env.iter().for_each(|(_, entry)| inside(text, entry));
        service.set_env(text, "KNEE", VALUE).map(|edit| edit.apply(text));
    }
}

/// knee.toml.
pub fn config(text: &str) {
    let Err(mistakes) = Config::parse(text) else { return };
    for error in mistakes.iter() {
        assert!(error.at.line as usize <= text.split('\n').count() && !error.problem.is_empty());
    }
}

/// Dockerfiles.
pub fn dockerfile(text: &str) {
    shown("Dockerfile", text);
    let text = &*dockerfile::readable(text);
    let Ok(file) = Dockerfile::parse(text) else { return };
    let image = file.image(None);
    commands(text, image.cmd.iter().chain(&image.entrypoint));
    image.env.iter().for_each(|(_, entry)| inside(text, entry));
    file.insert_env("KNEE", VALUE).apply(text);
}

/// Pools of php-fpm and php.ini.
pub fn ini(text: &str) {
    let Ok(file) = Ini::parse(text) else { return };
    let edited = file.set(Some("www"), "pm.max_children", VALUE).apply(text);
    let after = Ini::parse(&edited).expect("an edit breaks nothing");
    assert_eq!(after.find(Some("www"), "pm.max_children").map(|e| &e.value[..]), Some(VALUE));
}

/// Ecosystem files of pm2.
pub fn ecosystem(text: &str) {
    let Some(entry) = ecosystem::find(text, "instances") else { return };
    inside(text, &entry);
    let edited = entry.set(text, VALUE).apply(text);
    assert_eq!(ecosystem::find(&edited, "instances").map(|e| e.value).as_deref(), Some(VALUE));
}

/// nginx's configuration.
pub fn nginx(text: &str) {
    let Ok(file) = Nginx::parse(text, "main") else { return };
    for (context, name) in [("main", "worker_processes"), ("events", "worker_connections")] {
        let edits = file.set(context, name, VALUE);
        if !edits.is_empty() {
            let edited = apply_all(text, edits);
            let after = Nginx::parse(&edited, "main").expect("an edit breaks nothing");
            assert_eq!(after.find(context, name).map(|e| e.value).as_deref(), Some(VALUE));
        }
    }
}

/// package.json.
pub fn package_json(text: &str) {
    if let Ok(Some(inner)) = package_json::script(text, "start") {
        words(text, &shell::statements(&inner));
    }
}

/// Procfiles.
pub fn procfile(text: &str) {
    commands(text, procfile::parse(text).iter().map(|(_, command)| command));
}

/// Settings in Python.
pub fn python(text: &str) {
    python::branches(text, "workers");
    let before = python::find(text, "workers");
    let edited = python::set(text, "workers", VALUE).apply(text);
    // An open bracket or string is no Python, and swallows what follows.
    if before.is_some() && !text.contains(['(', '[', '{', '\'', '"', '\\']) {
        assert_eq!(python::find(&edited, "workers").map(|e| e.value).as_deref(), Some(VALUE));
    }
}

/// Objects with placeholders, and task definitions among them.
pub fn loose(text: &str) {
    let _ = crate::formats::loose::parse(text, 0);
    let _ = crate::formats::loose::exported(text, 0);
}

/// Caddyfiles.
pub fn caddyfile(text: &str) {
    let mut todo = crate::formats::caddyfile::parse(text);
    while let Some(directive) = todo.pop() {
        let inside =
            |word: &crate::formats::caddyfile::Word| text.get(word.range.clone()).is_some();
        assert!(directive.words.iter().all(inside), "a place outside the text");
        todo.extend(directive.block);
    }
}

/// Templates of CloudFormation.
pub fn cloudformation(text: &str) {
    if let Ok(Some(root)) = crate::formats::yaml::tree(text, 0) {
        crate::formats::cloudformation::evaluate(&root, "s", &Default::default());
    }
    shown("s.yml", text);
}

/// Terraform.
pub fn terraform(text: &str) {
    let mut terraform = crate::formats::terraform::Terraform::default();
    if terraform.add("main.tf", 0, text).is_ok() {
        let _ = terraform.add("prod.tfvars", 1, text);
        terraform.plan("", &|_| None);
    }
    let _ = crate::formats::terraform::written(text, 0);
    shown("main.tf", text);
}

/// Units of supervisord and systemd, files of variables, PHP's settings.
pub fn unit(text: &str) {
    crate::formats::unit::parse(text, 0);
    crate::formats::php::entries(text, 0);
}

/// Start scripts.
pub fn shell(text: &str) {
    let inner = Inner::verbatim(text, 0..text.len());
    let home = Home::File("run.sh".into());
    let given = Script::new(&inner, &home, &|_| None).commands().into_iter().flat_map(|c| c.words);
    let given: Vec<_> = given.collect();
    Script::new(&inner, &home, &|_| None).given(&given, &[]).commands();
    script::traps_stop(text);
    shown("run.sh", text);
    let statements = shell::statements(&inner);
    words(text, &statements);
    for word in statements.iter().flat_map(|s| &s.words) {
        shell::nested(&inner, word);
    }
}

/// A file as it may be shown.
fn shown(path: &str, text: &str) {
    crate::hidden::shown(Path::new(path), text, text);
}

/// Task definitions.
pub fn task_definition(text: &str) {
    for container in task_definition::parse(text).map(|task| task.containers).unwrap_or_default() {
        commands(text, container.command.iter().chain(&container.entrypoint));
        container.env.iter().for_each(|(_, entry)| inside(text, entry));
        container.insert_env("KNEE", VALUE).map(|edit| edit.apply(text));
    }
}

#[cfg(test)]
mod tests {
    /// Every reader gets every file of the examples, whole and broken off at every byte.
    #[test]
    fn the_examples_broken_off_anywhere() {
        let readers: [fn(&str); 16] = [
            super::caddyfile,
            super::ecosystem,
            super::loose,
            super::cloudformation,
            super::terraform,
            super::unit,
            super::compose,
            super::config,
            super::dockerfile,
            super::ini,
            super::nginx,
            super::package_json,
            super::procfile,
            super::python,
            super::shell,
            super::task_definition,
        ];
        let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples");
        for example in ["gunicorn", "php-fpm", "uvicorn"] {
            let folder = std::fs::read_dir(format!("{examples}/{example}")).unwrap();
            for file in folder.filter_map(|entry| std::fs::read_to_string(entry.ok()?.path()).ok())
            {
                let ends =
                    (0..=file.len()).rev().step_by(31).filter(|end| file.is_char_boundary(*end));
                for text in ends.map(|end| &file[..end]) {
                    readers.iter().for_each(|read| read(text));
                }
            }
        }
    }
}
