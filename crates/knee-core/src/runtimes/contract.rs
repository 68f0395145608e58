//! What every runtime has to fulfil.

use super::*;
use crate::settings::Effect;
use crate::units::Bytes;
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
    started().filter(|r| (r.recognise)(&evidence).is_some()).map(|r| r.id).collect()
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
        ("pm2-runtime start ecosystem.config.js", None, vec!["pm2"]),
        ("pm2 start app.js --no-daemon -i max", None, vec!["pm2"]),
        ("nginx -g daemon off;", None, vec!["nginx"]),
        ("/usr/local/bin/orders", Some("go.mod"), vec!["go"]),
        ("/usr/local/bin/orders", None, vec![]),
        ("uvicorn app:app --port 80", None, vec!["uvicorn"]),
        ("python3 -m uvicorn app:app", None, vec!["uvicorn"]),
        ("fastapi run app/main.py", None, vec!["uvicorn"]),
        ("python3 /venv/bin/fastapi run", None, vec!["uvicorn"]),
        ("fastapi dev", None, vec![]),
        ("hypercorn -w 2 app:app", None, vec!["hypercorn"]),
        ("python -m hypercorn app:app", None, vec!["hypercorn"]),
        ("celery -A shop worker -l info", None, vec!["celery"]),
        ("python -m celery --app=shop worker", None, vec!["celery"]),
        ("celery -A shop beat", None, vec![]),
        ("php artisan octane:start --server=swoole", None, vec!["octane"]),
        ("php /srv/artisan octane:frankenphp", None, vec!["octane"]),
        ("php artisan queue:work", None, vec![]),
        ("python manage.py", None, vec![]),
        ("sleep 1", None, vec![]),
    ] {
        assert_eq!(recognised_by(command, file), expected, "{command}");
    }
}

#[test]
fn names_are_unique_and_knobs_complete() {
    let mut ids = BTreeSet::new();
    for runtime in started() {
        assert!(ids.insert(runtime.id));
        let mut names = BTreeSet::new();
        for knob in (runtime.knobs)() {
            assert!(names.insert(knob.name.clone()), "{} twice", knob.name);
            assert!(!knob.doc.is_empty() && !knob.sites.is_empty(), "{}", knob.name);
            let numeric = matches!(knob.range, Range::Integers { .. });
            assert_eq!(numeric, !knob.unit.is_empty(), "{} and its unit", knob.name);
            if let Some(value) = (runtime.default)(&knob.name, &FARGATE) {
                // A word is one that may be set as well: no limit.
                let word = value.as_text().and_then(|t| (runtime.read)(&knob.name, t, &FARGATE));
                let known = knob.range.contains(&value) || word.as_ref() == Some(&value);
                assert!(known, "default of {}", knob.name);
            }
        }
    }
}

#[test]
fn what_a_value_says_in_words() {
    let read = |id, knob, text| (by_id(id).unwrap().read)(knob, text, &FARGATE);
    assert_eq!(read("nginx", "worker_processes", "auto"), Some(Value::Int(2)));
    assert_eq!(read("go", "GOMEMLIMIT", "1GiB"), Some(Value::Int(1024)));
    assert_eq!(read("go", "GOMEMLIMIT", "241172480"), Some(Value::Int(230)));
    assert_eq!(read("go", "GOGC", "off"), Some("off".into()));
    assert_eq!(read("go", "GOGC", "100"), None);
}

#[test]
fn what_else_names_a_knob_names_one_that_exists() {
    for runtime in started() {
        let known = (runtime.knobs)();
        let has = |name: &str| known.iter().any(|knob| knob.name == name);
        assert!(runtime.asked.iter().all(|name| has(name)), "{}", runtime.id);
        assert!(runtime.along.iter().all(|along| has(along.knob)), "{}", runtime.id);
    }
    let config = by_id("php-fpm").unwrap().config.as_ref().unwrap();
    let default = |program: &str| (config.default)(&[program.to_string()]);
    assert_eq!(default("/usr/sbin/php-fpm8.2"), ["/etc/php/8.2/fpm/php-fpm.conf"]);
    assert_eq!(default("php-fpm")[0], "/usr/local/etc/php-fpm.conf");
}

#[test]
fn settings_are_settled_once_and_modelled() {
    for runtime in started() {
        let settled = (runtime.settle)(&today(runtime));
        assert_eq!((runtime.settle)(&settled), settled, "{}", runtime.id);
        let c = (runtime.model)(&settled, &FARGATE).expect(runtime.id).concurrency();
        assert!(c.processes > 0 && c.cores > 0.0 && c.slots != Some(0), "{c:?}");
    }
}

proptest! {
    #[test]
    fn any_settings_settle_within_their_ranges(picks in prop::collection::vec(any::<u32>(), 12)) {
        for runtime in started() {
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
    fn what_is_chosen_was_open_and_is_in_range(cpu in 0.01f64..64.0, mib in 64u64..200_000, set in any::<u32>()) {
        for runtime in started() {
            let knobs = (runtime.knobs)();
            let given = today(runtime).0.into_iter().enumerate().filter(|(at, _)| set & (1 << at) != 0);
            let given = Settings(given.map(|(_, pair)| pair).collect());
            for memory in [None, Some(Bytes::mib(mib))] {
                for choice in (runtime.choose)(&given, &Room { cpu, memory, ..Room::default() }) {
                    prop_assert!(!given.0.contains_key(choice.knob) && !choice.because.is_empty());
                    let knob = knobs.iter().find(|knob| knob.name == choice.knob).unwrap();
                    let Range::Integers { min, .. } = knob.range else { continue };
                    prop_assert!(choice.value.as_int().is_some_and(|n| n >= min), "{choice:?}");
                }
            }
        }
    }

    #[test]
    fn a_value_is_read_as_it_is_written(pick in any::<u32>()) {
        for runtime in started() {
            for knob in (runtime.knobs)() {
                let value = match &knob.range {
                    Range::Integers { min, max } => Value::Int(min + i64::from(pick) % (max - min + 1)),
                    Range::Choices(c) => Value::from(&*c[pick as usize % c.len()]),
                };
                let text = (runtime.write)(&knob.name, &value);
                let bare = text.parse().map_or_else(|_| Value::Text(text.clone()), Value::Int);
                let read = (runtime.read)(&knob.name, &text, &FARGATE).unwrap_or(bare);
                prop_assert_eq!(read, value, "{}", text);
            }
        }
    }

    #[test]
    fn a_decoder_survives_anything(answer in prop::collection::vec(any::<u8>(), 0..300)) {
        started().for_each(|r| { let _ = ((r.decode)(&answer), (r.stall)(&answer)); });
    }
}
