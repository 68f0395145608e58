//! Memory: what is shared, what each process takes, what a collector has to do.

use super::Observed;
use crate::statistics::line;
use knee_core::observe::Step;
use knee_core::profile::{Estimate, Heap, Memory};
use std::collections::BTreeMap;

/// Relative error of what one process takes, from one number of processes alone.
const ONE_COUNT: f64 = 0.15;
/// The same from several.
const SEVERAL_COUNTS: f64 = 0.08;

/// A straight line through the memory over the number of processes, where several were measured;
/// else as the calibration shares it out.
pub(super) fn fit(observed: &Observed<'_>, today: u32) -> Memory {
    let calibration = observed.calibration;
    let (shared, each) = (calibration.shared.0 as f64, calibration.per_worker.0 as f64);
    let points = by_processes(observed, today);
    let fitted = line(&points).filter(|(shared, each)| *shared >= 0.0 && *each > 0.0);
    let estimate = |value: f64, error: f64, what: &str| {
        Estimate::observed(value, error * value, observed.by(what))
    };
    let (shared, per_process) = match fitted {
        Some((shared, each)) => {
            let what = format!("{} numbers of processes", points.len());
            (estimate(shared, SEVERAL_COUNTS, &what), estimate(each, SEVERAL_COUNTS, &what))
        }
        None => {
            // What grew from low load to the highest rate belongs to the processes.
            let most =
                points.iter().map(|(_, m)| *m).fold(shared + each * f64::from(today), f64::max);
            let each = ((most - shared) / f64::from(today.max(1))).max(each);
            let what = format!("{today} processes");
            (estimate(shared, ONE_COUNT, &what), estimate(each, ONE_COUNT, &what))
        }
    };
    let per_request = Estimate::assumed(0.0, 0.0, "not told apart from what processes take");
    Memory { shared, per_process, per_request }
}

/// The most memory that was seen with each number of processes.
fn by_processes(observed: &Observed<'_>, today: u32) -> Vec<(f64, f64)> {
    let mut most: BTreeMap<u32, f64> = BTreeMap::new();
    let mut note = |processes: u32, step: &Step| {
        if let Some(usage) = &step.usage {
            let seen = most.entry(processes).or_default();
            *seen = seen.max(usage.memory.0 as f64);
        }
    };
    note(today, observed.light);
    for (settings, step) in &observed.steps {
        if let Some(network) = observed.network(settings) {
            note(network.processes, step);
        }
    }
    most.into_iter().map(|(n, m)| (f64::from(n), m)).collect()
}

/// What a collector has to do, from the low load: there the quota stretches none of its times.
/// `lanes` are the threads of whose time it says a share.
pub(super) fn heap(observed: &Observed<'_>, lanes: f64) -> Option<Heap> {
    let step = observed.light;
    let seen = (observed.runtime.heap)(step.usage.as_ref()?, lanes)?;
    let estimate = |value: f64, error: f64| {
        Estimate::observed(value, error * value, observed.by("collections"))
    };
    Some(Heap {
        per_request: estimate(seen.allocated / step.throughput.max(1e-9), 0.15),
        live: estimate(seen.live, 0.10),
        collector: estimate(seen.collector, 0.15),
    })
}
