//! The CPU: processor sharing over the visible cores, under the quota of the CFS bandwidth
//! controller.
//!
//! Threads that can run get equal shares of the cores, at most one core each. All they use is
//! taken from a budget that is renewed every period; when it is used up before, all of them
//! stall until the period ends. Periods lie on a fixed grid, as the kernel's timer does
//! (<https://docs.kernel.org/scheduler/sched-bwc.html>). The kernel hands the budget to the cores
//! in slices of 5 ms; that grain is left out here.

use super::agenda::Agenda;

/// CPUs that a task sees, and the quota that it has of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Host {
    /// CPUs that the task's threads may run on.
    pub cores: f64,
    /// CPU seconds per second that the task may use; at or above `cores` nothing is ever stopped.
    pub quota: f64,
    /// Seconds after which the budget is renewed.
    pub period: f64,
}

impl Host {
    /// A task of `quota` vCPU that sees `cores` CPUs, with the period that ECS sets:
    /// <https://github.com/aws/amazon-ecs-agent/blob/master/README.md> (ECS_CGROUP_CPU_PERIOD, 100 ms).
    pub fn task(quota: f64, cores: u32) -> Host {
        Host { cores: f64::from(cores.max(1)), quota, period: 0.1 }
    }
}

/// The CPU of a task and what runs on it. What finishes is known by a number.
#[derive(Clone, Debug)]
pub(super) struct Cpu {
    host: Host,
    /// Jobs by the value of `each` at which they finish.
    jobs: Agenda,
    running: u32,
    /// CPU seconds that every running job has been given since the start.
    each: f64,
    at: f64,
    /// CPU seconds per second for each running job; 0 while stalled.
    speed: f64,
    budget: f64,
    period_end: f64,
    /// Time and kind of the next event, infinite if there is none; known when `planned`.
    next: f64,
    event: Event,
    planned: bool,
    /// What was used and stopped so far.
    pub used: Used,
}

/// CPU used and periods passed since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Used {
    /// CPU seconds.
    pub cpu: f64,
    /// Periods in which the budget ran out.
    pub throttled: u64,
    /// Seconds in which everything was stalled.
    pub stalled: f64,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Event {
    Finish,
    Exhausted,
    Renewed,
}

impl Cpu {
    pub fn new(host: Host) -> Self {
        Cpu {
            host,
            jobs: Agenda::default(),
            running: 0,
            each: 0.0,
            at: 0.0,
            speed: 1.0,
            budget: host.quota * host.period,
            period_end: if host.quota < host.cores { host.period } else { f64::INFINITY },
            next: f64::INFINITY,
            event: Event::Finish,
            planned: true,
            used: Used::default(),
        }
    }

    /// Time of the next event, infinite if there is none.
    #[inline]
    pub fn next(&mut self) -> f64 {
        // Not before somebody asks: most changes come in pairs, one job ends and one starts.
        if !self.planned {
            self.plan();
            self.planned = true;
        }
        self.next
    }

    /// A job that needs `seconds` of CPU joins those that run. The mark at which it is reported:
    /// CPU seconds that each running job has been given by then.
    #[inline]
    pub fn start(&mut self, now: f64, seconds: f64, what: u64) -> f64 {
        self.advance(now);
        self.running += 1;
        self.report(seconds, what)
    }

    /// A running job shall be reported under another number when it has got `seconds` more; at
    /// which mark that is. `start` or this has been called at `now` before, or [`Cpu::settle`].
    #[inline]
    pub fn report(&mut self, seconds: f64, what: u64) -> f64 {
        let mark = self.each + seconds;
        self.jobs.add(mark, what);
        self.planned = false;
        mark
    }

    /// Brings the account up to now, and says what each running job has been given.
    pub fn settle(&mut self, now: f64) -> f64 {
        self.advance(now);
        self.planned = false;
        self.each
    }

    /// A reported job stops running.
    #[inline]
    pub fn stop(&mut self) {
        self.running -= 1;
    }

    /// The event at [`Cpu::next`] happens: a job that has got what it needed is reported. It
    /// counts as running until it is stopped.
    #[inline]
    pub fn happen(&mut self) -> Option<u64> {
        let now = self.next;
        self.planned = false;
        match self.event {
            Event::Finish => {
                self.advance(now);
                let job = self.jobs.first()?;
                self.each = job.at;
                self.jobs.take();
                Some(job.what)
            }
            Event::Exhausted => {
                self.advance(now);
                self.speed = 0.0;
                self.budget = 0.0;
                self.used.throttled += 1;
                self.used.stalled += self.period_end - now;
                None
            }
            Event::Renewed => {
                self.at = now;
                self.budget = self.host.quota * self.host.period;
                self.period_end += self.host.period;
                self.speed = 1.0;
                None
            }
        }
    }

    /// Brings the account up to now.
    #[inline]
    fn advance(&mut self, now: f64) {
        let passed = now - self.at;
        self.at = now;
        let rate = self.speed * f64::from(self.running);
        self.each += passed * self.speed;
        self.used.cpu += passed * rate;
        if now < self.period_end {
            self.budget -= passed * rate;
        } else {
            // Not stalled, else the renewal would have come first.
            let whole = ((now - self.period_end) / self.host.period).floor();
            let began = self.period_end + whole * self.host.period;
            self.period_end = began + self.host.period;
            self.budget = self.host.quota * self.host.period - rate * (now - began);
        }
    }

    /// Finds the next event after a change.
    #[inline]
    fn plan(&mut self) {
        if self.speed == 0.0 {
            self.event = Event::Renewed;
            self.next = self.period_end;
            return;
        }
        let Some(first) = self.jobs.first() else {
            self.next = f64::INFINITY;
            return;
        };
        let running = f64::from(self.running.max(1));
        self.speed = (self.host.cores / running).min(1.0);
        self.event = Event::Finish;
        self.next = self.at + ((first.at - self.each) / self.speed).max(0.0);
        if self.period_end < f64::INFINITY {
            self.plan_exhaustion(self.speed * running);
        }
    }

    /// At this rate the budget runs out in this period, in the next, or never.
    fn plan_exhaustion(&mut self, rate: f64) {
        let mut ends = self.at + self.budget.max(0.0) / rate;
        if ends >= self.period_end {
            if rate <= self.host.quota {
                return;
            }
            ends = self.period_end + self.host.quota * self.host.period / rate;
        }
        if ends < self.next {
            self.event = Event::Exhausted;
            self.next = ends;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// When jobs that start together at `from` finish, on a task of this size.
    fn finishes(quota: f64, cores: u32, from: f64, needs: &[f64]) -> Vec<f64> {
        let mut cpu = Cpu::new(Host::task(quota, cores));
        for (i, need) in needs.iter().enumerate() {
            cpu.start(from, *need, i as u64);
        }
        let mut ends = vec![0.0; needs.len()];
        while cpu.next() < f64::INFINITY {
            let now = cpu.next();
            if let Some(i) = cpu.happen() {
                ends[i as usize] = now;
                cpu.stop();
            }
        }
        ends
    }

    fn close(seen: &[f64], right: &[f64]) {
        let same = seen.iter().zip(right).all(|(a, b)| (a - b).abs() < 1e-9);
        assert!(same && seen.len() == right.len(), "{seen:?}, not {right:?}");
    }

    #[test]
    fn half_a_core_runs_for_50_ms_and_stalls_for_50() {
        // 80 ms of CPU: 50 in the first period, 30 in the second.
        close(&finishes(0.5, 2, 0.0, &[0.080]), &[0.130]);
        // From the middle of a period 50 ms are left of it, and all of the budget.
        close(&finishes(0.5, 2, 0.050, &[0.080]), &[0.130]);
        // 20 ms before its end: 20, then 50 of the next from its start, stalled for 50, then 10.
        close(&finishes(0.5, 2, 0.080, &[0.080]), &[0.210]);
    }

    #[test]
    fn two_threads_burn_the_budget_twice_as_fast() {
        // 25 ms on two cores use the 50 ms; 15 ms each are left, on two cores from 100 ms on.
        close(&finishes(0.5, 2, 0.0, &[0.040, 0.040]), &[0.115, 0.115]);
        // Four threads on two cores at half the speed: 12.5 ms each in a period of 50 ms of budget.
        close(&finishes(0.5, 2, 0.0, &[0.020; 4]), &[0.115; 4]);
    }

    #[test]
    fn at_and_above_the_cores_nothing_is_stopped() {
        close(&finishes(2.0, 2, 0.0, &[0.3, 0.3, 0.3]), &[0.45, 0.45, 0.45]);
        close(&finishes(1.0, 2, 0.0, &[0.25]), &[0.25]);
        // One core's worth on two threads: 50 ms of running, 50 of stalling.
        close(&finishes(1.0, 2, 0.0, &[0.06, 0.06]), &[0.11, 0.11]);
    }

    #[test]
    fn shares_change_when_a_job_ends() {
        // One core: 10 ms done at 20 ms, then the other alone for its last 20 ms.
        close(&finishes(1.0, 1, 0.0, &[0.010, 0.030]), &[0.020, 0.040]);
    }
}
