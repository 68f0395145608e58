//! What a request of a class does, step by step.

use super::draw::{Draw, Source};
use knee_core::model::{Network, Serial};
use knee_core::profile::Shape;

/// A kind of request, as it is simulated.
#[derive(Clone, Debug, PartialEq)]
pub struct Class {
    /// Share of the traffic relative to the other classes' weights.
    pub weight: f64,
    /// CPU on a lane of the process: mean in seconds, and how it scatters.
    pub cpu: (f64, Shape),
    /// Waiting for the backend.
    pub wait: (f64, Shape),
    /// Waiting that keeps an event loop's lane.
    pub blocking: (f64, Shape),
    /// CPU on helper threads.
    pub offloaded: (f64, Shape),
    /// Times that it waits, the waiting shared out evenly.
    pub calls: u32,
    /// Bytes that it allocates.
    pub allocates: f64,
}

impl Class {
    /// Computes and waits once in between; all alike.
    pub fn constant(cpu: f64, wait: f64) -> Class {
        Class::new((cpu, Shape::Constant), (wait, Shape::Constant))
    }

    /// Computes and waits once in between.
    pub fn new(cpu: (f64, Shape), wait: (f64, Shape)) -> Class {
        Class {
            weight: 1.0,
            cpu,
            wait,
            blocking: (0.0, Shape::Constant),
            offloaded: (0.0, Shape::Constant),
            calls: 1,
            allocates: 0.0,
        }
    }
}

/// One step of a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Step {
    /// This share of its CPU on a lane; the lane is kept for a `Block` that follows.
    Lane(f64),
    /// Waits and keeps the lane.
    Block,
    /// Its offloaded CPU on a helper thread.
    Helper,
    /// This share of its waiting for the backend.
    Wait(f64),
}

/// What a request drew when it came, seconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub cpu: f64,
    pub wait: f64,
    pub blocking: f64,
    pub offloaded: f64,
}

/// A class made ready.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub steps: Vec<Step>,
    pub allocates: f64,
    /// Whether its blocking keeps a lane.
    holds: bool,
    cpu: Draw,
    wait: Draw,
    blocking: Draw,
    offloaded: Draw,
}

impl Program {
    pub fn new(class: &Class, network: &Network) -> Program {
        // Only an event loop is held up by what waits on its own thread.
        let holds = network.serial == Serial::EventLoop && class.blocking.0 > 0.0;
        let waits = class.wait.0 > 0.0 || (class.blocking.0 > 0.0 && !holds);
        let calls = if waits { class.calls.max(1) } else { 0 };
        let share = 1.0 / f64::from(calls + 1);
        let lane = (class.cpu.0 > 0.0).then_some(Step::Lane(share));
        let mut steps: Vec<Step> = Vec::new();
        steps.extend(lane.or(holds.then_some(Step::Lane(0.0))));
        steps.extend(holds.then_some(Step::Block));
        steps.extend((class.offloaded.0 > 0.0).then_some(Step::Helper));
        for _ in 0..calls {
            steps.push(Step::Wait(1.0 / f64::from(calls)));
            steps.extend(lane);
        }
        let draw = |(mean, shape): &(f64, Shape)| Draw::new(*mean, shape);
        Program {
            steps,
            allocates: class.allocates,
            holds,
            cpu: draw(&class.cpu),
            wait: draw(&class.wait),
            blocking: draw(&class.blocking),
            offloaded: draw(&class.offloaded),
        }
    }

    /// A collector's work: computing alone.
    pub fn computing() -> Program {
        let none = || Draw::Constant(0.0);
        Program {
            steps: vec![Step::Lane(1.0)],
            allocates: 0.0,
            holds: false,
            cpu: none(),
            wait: none(),
            blocking: none(),
            offloaded: none(),
        }
    }

    /// Draws what a request takes. The same number of draws whatever the settings are, so that
    /// two settings under one seed get the same requests.
    #[inline]
    pub fn draw(&self, source: &mut Source) -> Times {
        let mut times = Times {
            cpu: self.cpu.next(source),
            wait: self.wait.next(source),
            blocking: self.blocking.next(source),
            offloaded: self.offloaded.next(source),
        };
        if !self.holds {
            times.wait += times.blocking;
        }
        times
    }
}
