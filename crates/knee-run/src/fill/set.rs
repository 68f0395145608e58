//! What the user has set already, at whatever site a knob can be set; none of it is touched.

use super::{find, fpm, nginx};
use knee_core::runtimes::Runtime;
use knee_core::settings::{Knob, Settings, Site, Value};
use std::path::{Path, PathBuf};

/// A value that is set and that only the runtime itself can read.
const UNREAD: &str = "set";
/// What leaves it to the runtime itself, which counts the host's CPUs.
const AUTO: &str = "auto";

/// The runtime's configuration file: the one that is named, else the first that is there.
pub fn config(runtime: &Runtime, words: &[String]) -> Option<PathBuf> {
    config_in(runtime, words, &Path::to_path_buf)
}

/// The same where a program sees paths otherwise than this one.
pub fn config_in(
    runtime: &Runtime,
    words: &[String],
    seen: &dyn Fn(&Path) -> PathBuf,
) -> Option<PathBuf> {
    let config = runtime.config.as_ref()?;
    let named = config.flag.and_then(|(long, short)| option(words, long, short));
    let paths = named.map_or_else(|| (config.default)(words), |path| vec![path]);
    let files = paths.iter().map(|path| seen(Path::new(path.trim_start_matches("file:"))));
    files.into_iter().find(|path| path.is_file())
}

/// Reads the words from the program on, the environment, and the configuration file.
pub fn read(
    runtime: &Runtime,
    words: &[String],
    variable: &dyn Fn(&str) -> Option<String>,
    config: Option<&Path>,
) -> Settings {
    let text = config.and_then(find::text);
    let value = |knob: &Knob| {
        let mut found = knob.sites.iter().filter_map(|site| match site {
            Site::Flag { long, short } => option(words, long, short.as_deref()),
            Site::Environment { name } => variable(name).filter(|value| !value.is_empty()),
            Site::EnvironmentFlag { name, long } => {
                let text = variable(name)?;
                let words: Vec<String> = text.split_whitespace().map(Into::into).collect();
                option(&words, long, None)
            }
            Site::PythonAssignment { name } => assigned(text.as_deref()?, name),
            // `nginx -g 'worker_processes 4;'`
            Site::Directive { name, .. } => {
                words.iter().any(|word| word.contains(&**name)).then(|| UNREAD.into())
            }
            Site::Ini { .. } | Site::Property { .. } => None,
        });
        let text = found.next()?;
        let text = text.trim_matches(['"', '\'']);
        if text == AUTO {
            return None;
        }
        Some((knob.name.to_string(), text.parse().map_or_else(|_| text.into(), Value::Int)))
    };
    let mut set = match (runtime.config.as_ref(), &text, config) {
        (Some(_), Some(text), Some(path)) => file(runtime, path, text),
        _ => Settings::default(),
    };
    set.0.extend((runtime.knobs)().iter().filter_map(value));
    set
}

/// What stands in configuration files of a form of their own.
fn file(runtime: &Runtime, path: &Path, text: &str) -> Settings {
    let sites: Vec<Site> = (runtime.knobs)().into_iter().flat_map(|knob| knob.sites).collect();
    if sites.iter().any(|site| matches!(site, Site::Ini { .. })) {
        return fpm::read(path).map(|pools| pools.set(runtime)).unwrap_or_default();
    }
    if sites.iter().any(|site| matches!(site, Site::Directive { .. })) {
        return nginx::set(runtime, text);
    }
    Settings::default()
}

/// `--flag=value`, `--flag value`, `-f value` or `-fvalue`; the last one counts. V8 takes `_` for
/// `-`, and a longer name (`--max-old-space-size-percentage`) sets the same thing in another way.
fn option(words: &[String], long: &str, short: Option<&str>) -> Option<String> {
    let mut found = None;
    for (at, word) in words.iter().enumerate() {
        let name = word.split('=').next().unwrap_or_default().replace('_', "-");
        let next = || words.get(at.saturating_add(1)).cloned().unwrap_or(UNREAD.into());
        if name == long {
            found = Some(word.split_once('=').map_or_else(next, |(_, value)| value.into()));
        } else if name.starts_with(long)
            && name.get(long.len()..).is_some_and(|r| r.starts_with('-'))
        {
            found = Some(UNREAD.into());
        } else if let Some(rest) = short.and_then(|short| word.strip_prefix(short))
            && !word.starts_with("--")
        {
            found =
                Some(if rest.is_empty() { next() } else { rest.trim_start_matches('=').into() });
        }
    }
    found
}

/// `name = value` in Python. Set in any other way (in a branch, by `globals()`) the name stands
/// there, too: then it is set and cannot be read.
fn assigned(text: &str, name: &str) -> Option<String> {
    let value = |line: &str| {
        let rest = line.strip_prefix(name)?.trim_start().strip_prefix('=')?;
        Some(rest.split('#').next().unwrap_or_default().trim().to_string())
    };
    let code = |line: &&str| !line.trim_start().starts_with('#');
    let lines = || text.lines().filter(code);
    let word = |line: &str| {
        line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|word| word == name)
    };
    lines().filter_map(value).next_back().or_else(|| lines().any(word).then(|| UNREAD.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::runtimes::by_id;
    use proptest::prelude::*;

    fn set(id: &str, line: &str, variables: &[(&str, &str)]) -> String {
        let words: Vec<String> = line.split(' ').map(Into::into).collect();
        let variable = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())
        };
        let runtime = by_id(id).unwrap();
        read(runtime, &words, &variable, config(runtime, &words).as_deref()).to_string()
    }

    #[test]
    fn each_way_to_set_a_knob_is_seen() {
        assert_eq!(
            set("gunicorn", "gunicorn -w 4 --threads=2 app:app", &[]),
            "threads=2 workers=4"
        );
        assert_eq!(set("gunicorn", "gunicorn -w4 -w 6 app:app", &[]), "workers=6");
        let arguments = [("GUNICORN_CMD_ARGS", "--worker-class gthread"), ("WEB_CONCURRENCY", "3")];
        assert_eq!(
            set("gunicorn", "gunicorn app:app", &arguments),
            "worker-class=gthread workers=3"
        );
        let node = |line, options| set("node", line, &[("NODE_OPTIONS", options)]);
        assert_eq!(node("node --max_old_space_size=300 a.js", ""), "max-old-space-size=300");
        assert_eq!(node("node a.js", "--max-old-space-size=200"), "max-old-space-size=200");
        assert_eq!(
            node("node --max-old-space-size-percentage=60 a.js", ""),
            "max-old-space-size=set"
        );
        assert_eq!(node("node a.js", "--enable-source-maps"), "");
        assert_eq!(set("go", "./served", &[("GOGC", "off"), ("GOMAXPROCS", "")]), "GOGC=off");
    }

    #[test]
    fn a_python_file_sets_in_its_own_ways() {
        assert_eq!(assigned("workers = 4  # four\n", "workers"), Some("4".into()));
        assert_eq!(assigned("# workers = 4\n", "workers"), None);
        assert_eq!(assigned("if x:\n    workers = 4\n", "workers"), Some(UNREAD.into()));
        assert_eq!(assigned("max_workers = 4\n", "workers"), None);
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("conf.py");
        std::fs::write(&path, "worker_class = 'gthread'\nthreads = cpus()\n").unwrap();
        let line = format!("gunicorn -c {} app:app", path.display());
        assert_eq!(set("gunicorn", &line, &[]), "threads=cpus() worker-class=gthread");
    }

    proptest! {
        #[test]
        fn any_words_are_survived(words in prop::collection::vec(".{0,14}", 0..5), text in ".{0,60}") {
            for id in ["gunicorn", "node", "go"] {
                let _ = read(by_id(id).unwrap(), &words, &|_| Some(text.clone()), None);
            }
            assigned(&text, "workers");
        }
    }
}
