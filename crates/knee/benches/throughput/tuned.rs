//! What `knee tune` found for an example, kept from one time to the next.

use crate::Failure;
use crate::lab;
use knee_core::event::Event;
use knee_core::profile::Profile;
use knee_core::settings::Settings;
use knee_plan::fit;
use knee_tune::journal::{self, Journal};
use knee_tune::tune::tune;
use std::path::Path;
use std::sync::atomic::AtomicBool;

pub struct Tuned {
    /// The best settings.
    pub best: Settings,
    /// What its trial carried, and that of today's settings, requests/s: where a search begins near its
    /// end it takes few steps.
    pub rates: (f64, f64),
    /// What was measured of the example: its `knee.lock`.
    pub profile: Profile,
}

impl Tuned {
    pub fn of(example: &str, again: bool) -> Result<Tuned, Failure> {
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("throughput").join(example);
        std::fs::create_dir_all(&root)?;
        if again || journal::find(&root, None).is_err() {
            let mut journal = Journal::create(&root)?;
            tune(&lab::request(example)?, &AtomicBool::new(false), &mut |event| {
                if let Err(error) = journal.append(event) {
                    eprintln!("  {error}");
                }
            })?;
        }
        let folder = journal::find(&root, None)?;
        let events = journal::read(&folder)?;
        let best = events.iter().find_map(|event| match event {
            Event::Ended(verdict) => Some(verdict.best),
            _ => None,
        });
        let trial = |number: Option<u32>| {
            let mut trials = events.iter().filter_map(|event| match event {
                Event::Tried(trial) if Some(trial.number) == number => Some(trial),
                _ => None,
            });
            let trial = trials.next_back()?;
            Some((trial.settings.clone(), trial.capacity.as_ref()?.rate))
        };
        let open = "its run has not ended; --tune begins anew";
        let ((best, most), (_, today)) = (trial(best).ok_or(open)?, trial(Some(1)).ok_or(open)?);
        let profile = fit::profile("throughput", &events)?;
        Ok(Tuned { best, rates: (most, today), profile })
    }
}
