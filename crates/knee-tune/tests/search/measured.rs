//! The search over what was really measured: grids of the examples, each point once, as the grid's
//! benchmark left them, with the profile that the calibration and today's trial gave.

use crate::landscapes::{Landscape, NOISE};
use knee_core::profile::Profile;
use knee_core::runtimes::{self, Surroundings};
use knee_core::service::Service;
use knee_core::{Goal, Settings, Task};
use knee_plan::Demand;
use knee_plan::forecast::{self, Place};
use knee_tune::space::{Searched, candidates};
use knee_tune::strategy::{Memory, Problem};
use serde::Deserialize;
use std::path::Path;

/// A grid as it was measured.
#[derive(Deserialize)]
struct Grid {
    name: String,
    task: Task,
    visible_cpus: u32,
    demand: Takes,
    memory: Shares,
    today: Settings,
    profile: Profile,
    points: Vec<Point>,
}

/// The calibration: seconds of a request.
#[derive(Deserialize)]
struct Takes {
    cpu: f64,
    wait: f64,
}

/// The calibration: bytes.
#[derive(Deserialize)]
struct Shares {
    each: f64,
    shared: f64,
}

#[derive(Deserialize)]
struct Point {
    settings: Settings,
    /// Requests/s; None where the service did not live with it.
    rate: Option<f64>,
    memory: Option<f64>,
}

/// A measured grid: what `knee tune` would choose among there, and all of it.
pub struct Measured {
    pub land: Landscape,
    /// Requests/s, 0 where the service did not live with the settings.
    #[allow(dead_code, reason = "only the benchmark's peers choose among all")]
    pub table: Vec<(Settings, f64)>,
    /// Today's settings, of all knobs.
    #[allow(dead_code, reason = "as above")]
    pub today: Settings,
}

/// Every grid that was measured.
pub fn all() -> Vec<Measured> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/search/measured");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let grid = |path: &std::path::PathBuf| -> Grid {
        serde_json::from_str(&std::fs::read_to_string(path).unwrap())
            .unwrap_or_else(|e| panic!("{}: {e}", path.display()))
    };
    paths.iter().map(|path| grid(path).measured()).collect()
}

impl Grid {
    fn measured(self) -> Measured {
        let rate = |p: &Point| (p.settings.clone(), p.rate.unwrap_or(0.0));
        let (table, today) = (self.points.iter().map(rate).collect(), self.today.clone());
        Measured { table, today, land: self.landscape() }
    }

    fn landscape(self) -> Landscape {
        let around = Surroundings {
            visible_cpus: self.visible_cpus,
            task_cpu: self.task.cpu,
            task_memory: self.task.memory.0,
        };
        let service = self.service(&around);
        let searched = Searched { heap: forecast::heap(&self.profile), limits: false };
        let mut known = candidates(&service, &around, searched);
        known.retain(|c| self.point(&c.settings).is_some());
        let limit = 0.9 * self.task.memory.0 as f64;
        let points: Vec<&Point> = known.iter().filter_map(|c| self.point(&c.settings)).collect();
        let fits = |p: &&Point| p.memory.unwrap_or_default() <= limit;
        Landscape {
            truth: points.iter().map(|p| Some(*p).filter(fits)?.rate).collect(),
            memory: points.iter().map(|p| p.memory.unwrap_or(limit)).collect(),
            problem: Problem {
                candidates: known,
                demand: Some(Demand { cpu: self.demand.cpu, wait: self.demand.wait }),
                task_cpu: self.task.cpu,
                goal: Goal::default(),
                noise: NOISE,
                memory: Memory { limit, each: self.memory.each, shared: self.memory.shared },
                most: 8,
            },
            name: self.name,
            model: Some((self.profile, Place::of(self.task, self.visible_cpus))),
        }
    }

    /// What was measured with these settings, as far as they name the knobs.
    fn point(&self, settings: &Settings) -> Option<&Point> {
        let same =
            |p: &&Point| settings.0.iter().all(|(knob, v)| p.settings.0.get(knob) == Some(v));
        self.points.iter().find(same)
    }

    fn service(&self, around: &Surroundings) -> Service {
        let runtime = runtimes::by_id(&self.profile.runtime).unwrap();
        let mut service = Service::of_runtime(runtime, around);
        for placed in service.containers[0].parts[0].knobs.iter_mut() {
            if let Some(value) = self.today.0.get(&*placed.knob.name) {
                placed.current.value = value.clone();
            }
        }
        service
    }
}
