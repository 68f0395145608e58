//! `knee apply`: what a run proposes, written into the own files of each example. The runs are
//! made up, the files and the patches are not.

use crate::process;
use knee_core::event::{Conclusion, Event, PatchFact, Trial, Verdict};
use knee_core::observe::Validity;
use knee_core::settings::{Range, Settings, Value};
use knee_files::{Discovery, Overrides, Patch, discover, patches};
use knee_tune::space;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

const EXAMPLES: [&str; 6] = ["php-fpm", "gunicorn", "uvicorn", "node", "go", "nginx"];

/// What was asked for: nothing but what the files say.
const ASKED: &str = r#"{
  "about": {"goal": null, "task": null, "command": null, "port": null, "ready": null, "requests": [], "container": null},
  "unconfined": false, "trials": null, "quick": false, "seed": null
}"#;

/// A copy of an example with a run that proposes another value for each of its numbers.
struct Proposed {
    folder: tempfile::TempDir,
    settings: Settings,
    patches: Vec<Patch>,
}

impl Proposed {
    fn new(example: &str) -> Proposed {
        let folder = tempfile::tempdir().unwrap();
        process::copy(&process::root().join("examples").join(example), folder.path(), &[]);
        let found = found(folder.path());
        let today = found.service.current();
        let settings = space::settle(&found.service, &turned(&found, 1));
        let patches = patches(&found.service, &settings).unwrap();
        assert!(!patches.is_empty(), "{example} has nothing to turn");
        let run = folder.path().join(".knee/runs/1");
        fs::create_dir_all(&run).unwrap();
        fs::write(run.join("asked.json"), ASKED).unwrap();
        let events = [tried(1, today), tried(2, settings.clone()), ended(&patches)];
        let lines = events.iter().map(|event| serde_json::to_string(event).unwrap() + "\n");
        fs::write(run.join("events.jsonl"), lines.collect::<String>()).unwrap();
        Proposed { folder, settings, patches }
    }

    fn apply(&self, flags: &[&str]) -> (i32, String, String) {
        let mut command = process::command(assert_cmd::cargo::cargo_bin("knee"));
        command.arg("-C").arg(self.folder.path()).arg("apply").args(flags).stdin(Stdio::null());
        let output = command.output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
    }

    fn at(&self, patch: &Patch) -> PathBuf {
        self.folder.path().join(&patch.path)
    }
}

fn found(folder: &Path) -> Discovery {
    discover(folder, &Overrides::default()).unwrap()
}

/// Today's settings with each number higher by that, or lower at the end of its range.
fn turned(found: &Discovery, by: i64) -> Settings {
    let mut settings = found.service.current();
    for (_, placed) in found.service.knobs() {
        let (Range::Integers { min, max }, Value::Int(today)) =
            (&placed.knob.range, &placed.current.value)
        else {
            continue;
        };
        let next = if today + by <= *max { today + by } else { (today - by).max(*min) };
        settings = settings.with(&*placed.knob.name, next);
    }
    settings
}

fn tried(number: u32, settings: Settings) -> Event {
    Event::Tried(Box::new(Trial {
        number,
        settings,
        bound: None,
        capacity: None,
        abandoned: None,
        rejected: None,
        seconds: 1.0,
    }))
}

fn ended(patches: &[Patch]) -> Event {
    let fact = |p: &Patch| PatchFact { path: p.path.display().to_string(), diff: p.diff() };
    Event::Ended(Box::new(Verdict {
        conclusion: Conclusion::Improved,
        baseline: 1,
        best: 2,
        stopped_because: "it is made up".into(),
        bound: None,
        confirmation: None,
        patches: patches.iter().map(fact).collect(),
        validity: Validity::default(),
    }))
}

/// Every file with its text and mode.
fn files(folder: &Path) -> BTreeMap<PathBuf, (Vec<u8>, u32)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let file = |path: PathBuf| {
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        (path.clone(), (fs::read(path).unwrap(), mode))
    };
    entries.filter(|path| path.is_file()).map(file).collect()
}

#[test]
fn each_example_takes_what_its_run_proposes() {
    for example in EXAMPLES {
        let proposed = Proposed::new(example);
        let before = files(proposed.folder.path());

        let (code, out, err) = proposed.apply(&[]);
        assert_eq!(code, 2, "{example}: nobody can be asked: {err}");
        assert!(err.contains("knee apply --yes"), "{example}: {err}");
        for patch in &proposed.patches {
            assert!(out.contains(&format!("+++ b/{}", patch.path.display())), "{example}: {out}");
        }
        assert_eq!(files(proposed.folder.path()), before, "{example}: nothing was written");

        let (code, _, err) = proposed.apply(&["--yes"]);
        assert_eq!(code, 0, "{example}: {err}");
        let mut after = before.clone();
        for patch in &proposed.patches {
            assert!(
                err.contains(&format!("written: {}", patch.path.display())),
                "{example}: {err}"
            );
            let mode = before.get(&proposed.at(patch)).map_or(0o100_644, |(_, mode)| *mode);
            after.insert(proposed.at(patch), (patch.after.clone().into_bytes(), mode));
            kept(patch);
        }
        assert_eq!(files(proposed.folder.path()), after, "{example}: those files, and no other");
        let now = found(proposed.folder.path()).service.current();
        assert_eq!(now, proposed.settings, "{example} says what was proposed");

        let (code, out, err) = proposed.apply(&["--yes"]);
        assert_eq!((code, out.as_str()), (0, ""), "{example}: {err}");
        assert!(err.contains("the files already say so; nothing to write"), "{example}: {err}");
    }
}

/// All lines but those of a setting stay, byte for byte.
fn kept(patch: &Patch) {
    let (before, after): (Vec<&str>, Vec<&str>) =
        (patch.before.split('\n').collect(), patch.after.split('\n').collect());
    let gone = before.iter().filter(|line| !after.contains(line)).count();
    let new = after.iter().filter(|line| !before.contains(line)).count();
    assert!(gone <= 6 && new <= 6, "{}", patch.diff());
    assert_eq!(
        patch.before.ends_with('\n') || patch.before.is_empty(),
        patch.after.ends_with('\n')
    );
}

#[test]
fn a_file_that_changed_since_the_run_is_left_alone() {
    for example in EXAMPLES {
        let proposed = Proposed::new(example);
        // The same settings, turned further by hand.
        let found = found(proposed.folder.path());
        let by_hand = patches(&found.service, &turned(&found, 2)).unwrap();
        fs::write(proposed.at(&by_hand[0]), &by_hand[0].after).unwrap();
        let before = files(proposed.folder.path());
        let (code, _, err) = proposed.apply(&["--yes"]);
        assert_eq!(code, 2, "{example}: {err}");
        assert!(err.contains("changed since the run; nothing was written"), "{example}: {err}");
        assert_eq!(files(proposed.folder.path()), before, "{example}");
    }
}
