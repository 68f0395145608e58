//! What every runtime has to fulfil.

use super::*;
use crate::settings::Effect;
use proptest::prelude::*;
use std::collections::BTreeSet;

const FARGATE: Surroundings = Surroundings { visible_cpus: 2, task_cpu: 0.5, task_memory: 1 << 30 };

fn today(runtime: &Runtime) -> Settings {
    let known = (runtime.knobs)();
    let value = |k: &Knob| Some((k.name.to_string(), (runtime.default)(&k.name, &FARGATE)?));
    Settings(known.iter().filter_map(value).collect())
}

fn recognised_by(command: &str, file: Option<&str>) -> Vec<&'static str> {
    let argv: Vec<String> = command.split(' ').map(String::from).collect();
    let program = base(&argv[0]).to_string();
    let read = |name: &str| file.filter(|f| *f == name).map(|_| String::new());
    let evidence = Evidence { argv: &argv, program: &program, file: &read };
    all().iter().filter(|r| (r.recognise)(&evidence).is_some()).map(|r| r.id).collect()
}

#[test]
fn each_command_is_recognised_by_its_runtime_alone() {
    for (command, file, expected) in [
        ("gunicorn -w 4 app:app", None, vec!["gunicorn"]),
        ("/venv/bin/python3.11 -m gunicorn app:app", None, vec!["gunicorn"]),
        ("python /venv/bin/gunicorn app:app", None, vec!["gunicorn"]),
        ("php-fpm8.2 -F", None, vec!["php-fpm"]),
        ("/usr/sbin/php-fpm --nodaemonize", None, vec!["php-fpm"]),
        ("node server.js", None, vec!["node"]),
        ("npm start", Some("package.json"), vec!["node"]),
        ("nginx -g daemon off;", None, vec!["nginx"]),
        ("/usr/local/bin/orders", Some("go.mod"), vec!["go"]),
        ("/usr/local/bin/orders", None, vec![]),
        ("python manage.py", None, vec![]),
        ("sleep 1", None, vec![]),
    ] {
        assert_eq!(recognised_by(command, file), expected, "{command}");
    }
}

#[test]
fn names_are_unique_and_knobs_complete() {
    let mut ids = BTreeSet::new();
    for runtime in all() {
        assert!(ids.insert(runtime.id) && by_id(runtime.id).is_some());
        let mut names = BTreeSet::new();
        for knob in (runtime.knobs)() {
            assert!(names.insert(knob.name.clone()), "{} twice", knob.name);
            assert!(!knob.doc.is_empty() && !knob.sites.is_empty(), "{}", knob.name);
            let numeric = matches!(knob.range, Range::Integers { .. });
            assert_eq!(numeric, !knob.unit.is_empty(), "{} and its unit", knob.name);
            if let Some(value) = (runtime.default)(&knob.name, &FARGATE) {
                assert!(knob.range.contains(&value), "default of {}", knob.name);
            }
        }
    }
}

#[test]
fn settings_are_settled_once_and_modelled() {
    for runtime in all() {
        let settled = (runtime.settle)(&today(runtime));
        assert_eq!((runtime.settle)(&settled), settled, "{}", runtime.id);
        let c = (runtime.model)(&settled, &FARGATE).expect(runtime.id).concurrency();
        assert!(c.processes > 0 && c.cores > 0.0 && c.slots != Some(0), "{c:?}");
    }
}

proptest! {
    #[test]
    fn any_settings_settle_within_their_ranges(picks in prop::collection::vec(any::<u32>(), 12)) {
        for runtime in all() {
            let knobs = (runtime.knobs)();
            let mut settings = Settings::default();
            for (knob, pick) in knobs.iter().zip(&picks) {
                settings = settings.with(knob.name.clone(), match &knob.range {
                    Range::Integers { min, max } => Value::Int(min + i64::from(*pick) % (max - min + 1)),
                    Range::Choices(c) => Value::from(&*c[*pick as usize % c.len()]),
                });
            }
            let settled = (runtime.settle)(&settings);
            prop_assert_eq!((runtime.settle)(&settled), settled.clone());
            for knob in &knobs {
                if let Some(value) = settled.0.get(&*knob.name) {
                    prop_assert!(knob.range.contains(value) || knob.effect == Effect::Follows);
                }
            }
            let c = (runtime.model)(&settled, &FARGATE).map(|n| n.concurrency());
            prop_assert!(c.is_none_or(|c| c.processes > 0 && c.cores > 0.0));
        }
    }

    #[test]
    fn a_decoder_survives_anything(answer in prop::collection::vec(any::<u8>(), 0..300)) {
        all().iter().for_each(|r| { let _ = (r.decode)(&answer); });
    }
}
