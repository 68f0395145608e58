//! PHP-FPM's pool: read as FPM reads it, the main file and what that includes in the order of their
//! names, where the last one counts; and filled by one more such file that comes last.
//!
//! Source: <https://www.php.net/manual/en/install.fpm.configuration.php>, `fpm_conf.c` of php-src.

use super::find;
use knee_core::runtimes::{Runtime, Surroundings};
use knee_core::settings::{Settings, Value};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Sorts behind `www.conf` and the `zz-docker.conf` of PHP's own images.
const NAME: &str = "zzz-knee.conf";

/// What FPM would read.
#[derive(Debug, Default, PartialEq)]
pub struct Pools {
    /// Keys and values by pool; the last one of a key counts.
    pub pools: BTreeMap<String, BTreeMap<String, String>>,
    /// Where one more file would be read last; None where no folder is included.
    pub last: Option<PathBuf>,
    /// Whether what knee-run wrote counts.
    own: bool,
}

/// Reads the main file and what it includes, without what an earlier boot wrote.
pub fn read(main: &Path) -> Option<Pools> {
    read_with(main, false)
}

/// Reads it as an FPM that runs has read it, with what was written for it.
pub fn read_running(main: &Path) -> Option<Pools> {
    read_with(main, true)
}

fn read_with(main: &Path, own: bool) -> Option<Pools> {
    let mut pools = Pools { own, ..Pools::default() };
    take(&find::text(main)?, &mut pools, true);
    Some(pools)
}

fn take(text: &str, into: &mut Pools, includes: bool) {
    let mut pool = None;
    for line in text.lines() {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split(']').next()) {
            pool = (name != "global").then(|| name.to_string());
        } else if let Some((key, value)) = line.split_once('=').filter(|_| !comment(line)) {
            let (key, value) = (key.trim(), value.split(';').next().unwrap_or_default());
            let value = value.trim().trim_matches(['"', '\'']);
            if key == "include" && includes {
                include(value, into);
            } else if let Some(pool) = &pool {
                let keys = into.pools.entry(pool.clone()).or_default();
                keys.insert(key.into(), value.into());
            }
        }
    }
}

fn comment(line: &str) -> bool {
    line.starts_with([';', '#'])
}

/// `FOLDER/*.conf`, as every packager has it, or a file.
fn include(pattern: &str, into: &mut Pools) {
    let path = Path::new(pattern);
    let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|n| n.to_str()))
    else {
        return;
    };
    let Some((before, after)) = name.split_once('*') else {
        take(&find::text(path).unwrap_or_default(), into, false);
        return;
    };
    let matching = |path: &PathBuf| {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        name.starts_with(before) && name.ends_with(after) && (into.own || name != NAME)
    };
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.path()).filter(matching).collect();
    files.sort();
    files.iter().for_each(|file| take(&find::text(file).unwrap_or_default(), into, false));
    let own = folder.join(NAME);
    into.last = (before.is_empty() && NAME.ends_with(after) && files.iter().all(|f| *f <= own))
        .then_some(own);
}

impl Pools {
    /// What the only pool sets. As packaged it sets nothing: nobody has decided on those values.
    pub fn set(&self, runtime: &Runtime) -> Settings {
        let Some(keys) = self.only().map(|(_, keys)| keys) else { return Settings::default() };
        let value = |name: &str| {
            let text = keys.get(name)?;
            Some((name.to_string(), text.parse().map_or_else(|_| text.as_str().into(), Value::Int)))
        };
        let set = Settings((runtime.knobs)().iter().filter_map(|knob| value(&knob.name)).collect());
        let around = Surroundings { visible_cpus: 1, task_cpu: 1.0, task_memory: 0 };
        let packaged = |(name, value): (&String, &Value)| {
            (runtime.default)(name, &around).is_none_or(|packaged| packaged == *value)
        };
        if set.0.iter().filter(|(name, _)| name.starts_with("pm")).all(packaged) {
            return Settings(set.0.into_iter().filter(|(n, _)| !n.starts_with("pm")).collect());
        }
        set
    }

    /// The only pool there is.
    pub fn only(&self) -> Option<(&String, &BTreeMap<String, String>)> {
        self.pools.iter().next().filter(|_| self.pools.len() == 1)
    }
}

/// The text of the file that comes last.
pub fn overlay(pool: &str, values: &[(String, String)]) -> String {
    let lines = values.iter().map(|(key, value)| format!("{key} = {value}\n"));
    format!("; Written by knee-run at the start, as nothing else decided.\n[{pool}]\n")
        + &lines.collect::<String>()
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_core::runtimes::by_id;
    use proptest::prelude::*;

    const PACKAGED: &str = "[www]\nuser = www-data\npm = dynamic\npm.max_children = 5\n\
        pm.start_servers = 2\npm.min_spare_servers = 1\npm.max_spare_servers = 3\n;pm.max_requests = 500\n";

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path();
        fs::create_dir(at.join("pool.d")).unwrap();
        let main = format!("[global]\npid = /run/x.pid\ninclude={}/pool.d/*.conf\n", at.display());
        fs::write(at.join("main.conf"), main).unwrap();
        files
            .iter()
            .for_each(|(name, text)| fs::write(at.join("pool.d").join(name), text).unwrap());
        folder
    }

    fn set(files: &[(&str, &str)]) -> (String, Option<PathBuf>) {
        let folder = folder(files);
        let pools = read(&folder.path().join("main.conf")).unwrap();
        let below = |path: PathBuf| path.strip_prefix(folder.path()).unwrap().to_path_buf();
        (pools.set(by_id("php-fpm").unwrap()).to_string(), pools.last.map(below))
    }

    #[test]
    fn as_packaged_nobody_has_decided() {
        let last = Some(PathBuf::from("pool.d/zzz-knee.conf"));
        let docker = ("zz-docker.conf", "[www]\nlisten = 9000\n");
        assert_eq!(set(&[("www.conf", PACKAGED), docker]), (String::new(), last.clone()));
        let (own, _) = set(&[("www.conf", PACKAGED), ("z.conf", "[www]\npm.max_children = 20\n")]);
        assert!(own.contains("pm.max_children=20") && own.contains("pm=dynamic"), "{own}");
        let before = [("www.conf", PACKAGED), ("zzz-knee.conf", "[www]\npm.max_children = 9\n")];
        assert_eq!(set(&before), (String::new(), last), "its own, of an earlier boot");
    }

    #[test]
    fn what_comes_later_or_stands_twice_is_not_decided_here() {
        assert_eq!(set(&[("www.conf", PACKAGED), ("zzzz.conf", "")]).1, None);
        let two = folder(&[("www.conf", PACKAGED), ("api.conf", "[api]\npm = static\n")]);
        assert_eq!(read(&two.path().join("main.conf")).unwrap().only(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_survived(text in ".{0,80}") {
            take(&text, &mut Pools::default(), false);
        }
    }
}
