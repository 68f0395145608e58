//! What patches write is discovered again, and is what was launched.

use crate::support::*;
use knee_core::launch::Launch;
use knee_core::service::Service;
use knee_core::settings::{Range, Settings, Value};
use knee_files::{Discovery, launch, patches};
use proptest::prelude::*;

/// Settings in range, picked by numbers; a knob that is picked by 0 stays as it is today.
fn picked(discovery: &Discovery, picks: &[u32]) -> Settings {
    let mut settings = discovery.service.current();
    for ((_, placed), pick) in discovery.service.knobs().zip(picks) {
        let value = match &placed.knob.range {
            _ if pick % 3 == 0 => continue,
            Range::Integers { min, max } => Value::Int(min + i64::from(*pick) % (max - min + 1)),
            Range::Choices(choices) => Value::from(&*choices[*pick as usize % choices.len()]),
        };
        settings = settings.with(placed.knob.name.to_string(), value);
    }
    settings
}

/// What a launch says, without the wording that two ways to the same may differ in.
fn said(launch: &Launch) -> Vec<String> {
    let containers = launch.containers.iter().flat_map(|container| {
        let mut env: Vec<String> =
            container.env.0.iter().map(|(name, value)| format!("{name}={value}")).collect();
        env.sort();
        container.argv.iter().cloned().chain(env).collect::<Vec<_>>()
    });
    containers.collect()
}

/// The text of every file of the launch that the user's own is changed to.
fn texts(service: &Service, launch: &Launch) -> Vec<(String, String)> {
    let own = |path: &std::path::Path| {
        service.knobs().any(|(_, placed)| placed.place.seen_at.as_deref() == Some(path))
    };
    let files = launch.files.iter().filter(|(path, _)| own(path));
    files
        .map(|(path, bytes)| {
            (path.display().to_string(), String::from_utf8(bytes.clone()).unwrap())
        })
        .collect()
}

fn round_trip(folder: &Folder, picks: &[u32]) -> Result<(), TestCaseError> {
    let before = folder.discover();
    let settings = picked(&before, picks);
    let launched = launch(&before.service, &settings, task(&before)).unwrap();
    let found = patches(&before.service, &settings).unwrap();
    folder.apply(&found);
    let after = folder.discover();
    let current = after.service.current();
    prop_assert_eq!(settled(&after, &current), settled(&before, &settings));
    let again = launch(&after.service, &current, task(&after)).unwrap();
    prop_assert_eq!(said(&again), said(&launched));
    for (path, text) in texts(&after.service, &again) {
        let earlier = texts(&before.service, &launched).into_iter().find(|(p, _)| *p == path);
        prop_assert_eq!(earlier.map(|(_, text)| text), Some(text), "{}", path);
    }
    prop_assert!(patches(&after.service, &current).unwrap().is_empty());
    for patch in &found {
        std::fs::write(folder.path().join(&patch.path), &patch.before).unwrap();
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(picks in proptest::collection::vec(any::<u32>(), 12)) {
        for name in EXAMPLES {
            round_trip(&Folder::example(name), &picks)?;
        }
    }
}
