//! A plan: for a rate and a goal, which settings in which task, how many of them, at what price.
//!
//! What lives here: choosing among forecasts. What never does: forecasting itself.

mod curve;
mod impossible;
mod scaling;
mod size;
mod sweep;

pub use curve::{Curve, Loaded};
pub use impossible::Impossible;
pub use scaling::{Growth, Tracking};
pub use sweep::{Point, Sweep, sweep};

use crate::forecast::{Carried, Case, Effort, Load, Need, Place, Traffic};
use crate::prices::{MONTH, Prices};
use knee_core::Goal;
use knee_core::profile::Profile;
use knee_core::runtimes::Surroundings;
use knee_core::settings::Settings;
use knee_core::task::Task;
use serde::Serialize;

/// What is planned.
pub struct Request<'a> {
    /// What requests and processes take.
    pub profile: &'a Profile,
    /// The settings that may be taken in such surroundings.
    pub candidates: &'a dyn Fn(&Surroundings) -> Vec<Settings>,
    /// Task sizes that may be taken.
    pub sizes: Vec<Task>,
    /// Requests/s in all.
    pub rate: f64,
    /// What has to be held.
    pub goal: Goal,
    /// Share of a task's memory that stays free, in [0, 1).
    pub memory_free: f64,
    /// How load grows, and how long it takes until a new task serves.
    pub growth: Growth,
    /// What tasks cost.
    pub prices: &'a Prices,
    /// Fewest tasks, whatever the rate: one alone is an outage when it is replaced.
    pub at_least: u32,
    /// Connections to the backend for all tasks together; None where none is limited.
    pub connections: Option<u32>,
    /// How requests come, and what their clients do.
    pub traffic: Traffic,
    /// Speed of a task's vCPU over that of the CPU on which the profile was measured.
    pub speed: f64,
    /// How much is spent on each figure that is shown.
    pub effort: Effort,
}

/// What to run.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// Requests/s in all.
    pub rate: f64,
    /// What is held.
    pub goal: Goal,
    /// One for each task size that can hold the goal, the cheapest first (On-Demand, x86).
    pub choices: Vec<Choice>,
    /// Task sizes whose memory the service does not fit into, or that miss the goal at any rate.
    pub unfit: Vec<Unfit>,
    /// Why no size can, if so.
    pub impossible: Option<Impossible>,
    /// On EC2 instances that were named, the cheapest first.
    pub instances: Vec<OnInstances>,
    /// The cheapest choice's task under more and more load.
    pub curve: Option<Curve>,
}

/// One task size with the best settings for it.
#[derive(Clone, Debug, Serialize)]
pub struct Choice {
    /// Size of a task.
    pub task: Task,
    /// Its settings.
    pub settings: Settings,
    /// What a task carries within the goal.
    pub carries: Carried,
    /// Tasks to run.
    pub tasks: u32,
    /// The same at the upper and at the lower end of what a task may carry.
    pub tasks_between: (u32, u32),
    /// What each of them shows at its share of the rate.
    pub load: Load,
    /// Share of what they carry that is left at this rate.
    pub head_room: f64,
    /// US dollars a month.
    pub month: Month,
    /// Targets for the service's auto scaling.
    pub tracking: Tracking,
    /// How far the forecast reaches beyond what was measured.
    pub beyond: Vec<String>,
}

/// US dollars a month for all tasks.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Month {
    /// Fargate on x86.
    pub x86: f64,
    /// Fargate Spot on x86.
    pub x86_spot: f64,
    /// Fargate on ARM, if its vCPU is as fast.
    pub arm: f64,
    /// Fargate Spot on ARM, if its vCPU is as fast.
    pub arm_spot: f64,
}

/// A size that cannot be taken.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Unfit {
    /// The size.
    pub task: Task,
    /// Why.
    pub because: String,
}

/// A choice on EC2.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct OnInstances {
    /// Instance type.
    pub instance: String,
    /// Instances to run.
    pub count: u32,
    /// Size of a task.
    pub task: Task,
    /// Tasks to run.
    pub tasks: u32,
    /// US dollars a month.
    pub month: f64,
}

/// Plans.
pub fn plan(request: &Request<'_>) -> Plan {
    let (mut choices, mut unfit) = (vec![], vec![]);
    if let Some(impossible) = impossible::backend(request) {
        let impossible = Some(impossible);
        let Request { rate, goal, .. } = *request;
        return Plan { rate, goal, choices, unfit, impossible, instances: vec![], curve: None };
    }
    let (mut known, mut cpu) = (size::Known::default(), 0.0);
    for task in &request.sizes {
        if task.cpu != cpu {
            (known, cpu) = (size::Known::default(), task.cpu);
        }
        match size::choose(request, *task, &mut known) {
            Ok(choice) => choices.push(choice),
            Err(because) => unfit.push(Unfit { task: *task, because }),
        }
    }
    choices.sort_by(|a, b| a.month.x86.total_cmp(&b.month.x86));
    let impossible = if choices.is_empty() { impossible::nothing(request) } else { None };
    Plan {
        rate: request.rate,
        goal: request.goal,
        instances: on_instances(request.prices, &choices),
        curve: choices.first().and_then(|cheapest| curve::curve(request, cheapest)),
        choices,
        unfit,
        impossible,
    }
}

impl Request<'_> {
    /// A task of this size on Fargate.
    fn place(&self, task: Task) -> Place {
        Place { speed: self.speed, ..Place::of(task, task.fargate_cpus()) }
    }

    /// Memory that settings may take in a task, bytes.
    fn room(&self, task: Task) -> f64 {
        task.memory.0 as f64 * (1.0 - self.memory_free)
    }

    fn fits(&self, task: Task, need: &Need) -> bool {
        need.expected.0 as f64 <= self.room(task)
    }

    fn month(&self, task: Task, tasks: u32) -> Month {
        let Prices { fargate, spot, .. } = self.prices;
        let (x86, arm) = (fargate.x86.month(task), fargate.arm.month(task));
        let all = f64::from(tasks);
        Month {
            x86: all * x86,
            x86_spot: all * x86 * spot.share,
            arm: all * arm,
            arm_spot: all * arm * spot.share,
        }
    }

    /// The case of these settings in a task of this size.
    fn case(&self, settings: &Settings, task: Task) -> Option<Case<'_>> {
        let mut case = Case::new(self.profile, settings, self.place(task))?;
        case.traffic = self.traffic.clone();
        Some(case)
    }
}

/// Share of an instance's memory that its system and the ECS agent leave to tasks: about what
/// ECS registers of common types (<https://docs.aws.amazon.com/AmazonECS/latest/developerguide/memory-management.html>).
const REGISTERED: f64 = 0.95;

/// The cheapest of the choices on each instance type.
fn on_instances(prices: &Prices, choices: &[Choice]) -> Vec<OnInstances> {
    let mut all: Vec<OnInstances> = prices
        .instances
        .iter()
        .filter_map(|instance| {
            let on = |choice: &Choice| {
                let cpu = (instance.vcpu / choice.task.cpu).floor();
                let memory = instance.memory.0 as f64 * REGISTERED / choice.task.memory.0 as f64;
                let each = cpu.min(memory.floor()) as u32;
                let count = (each > 0).then(|| choice.tasks.div_ceil(each))?;
                Some(OnInstances {
                    instance: instance.name.clone(),
                    count,
                    task: choice.task,
                    tasks: choice.tasks,
                    month: f64::from(count) * instance.hour * MONTH,
                })
            };
            choices.iter().filter_map(on).min_by(|a, b| a.month.total_cmp(&b.month))
        })
        .collect();
    all.sort_by(|a, b| a.month.total_cmp(&b.month));
    all
}

#[cfg(test)]
mod tests;
