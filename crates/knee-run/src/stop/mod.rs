//! A stop that loses no request. ECS may send the signal while its load balancer still routes, so
//! the service goes on serving for a while, then finishes what it has in hand, and only then gets
//! the signal at which its runtime ends gracefully:
//!
//! serve → drain → the runtime's own signal → TERM → KILL, all before ECS would kill.
//!
//! A graceful signal comes late on purpose: many programs close their listener or end at once.
//! Sources: <https://aws.amazon.com/blogs/containers/graceful-shutdowns-with-ecs/>,
//! <https://github.com/aws/amazon-ecs-agent/issues/2316>.

mod look;

use crate::init::{Family, is_shell, right, send};
use crate::log::say;
use knee_probe::process::{Process, with_descendants};
use knee_watch::recognise::{Server, servers};
use look::{Look, Watch};
use std::time::{Duration, Instant};

/// Between two looks.
pub const STEP: Duration = Duration::from_millis(50);
/// What has to be left of stopTimeout when the last process is killed: ECS's clock is not ours.
const MARGIN: Duration = Duration::from_secs(2);
/// What TERM gets before KILL.
const LAST: Duration = Duration::from_secs(1);
/// Looks in a row that see nothing in hand: one may fall between two requests of a connection.
const QUIET: u32 = 4;

/// How long each part may take, from the signal on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Plan {
    /// Goes on serving until then.
    pub serve: Duration,
    /// Waits for the last answers until then.
    pub drain: Duration,
    /// The runtime's own end until then, else TERM.
    pub term: Duration,
    /// KILL.
    pub kill: Duration,
}

impl Plan {
    /// Inside ECS's stopTimeout. Where load never ends, half of what is left after serving goes to
    /// waiting, the other to the runtime's own way of finishing.
    pub fn within(stop_timeout: Duration, serve_for: Duration) -> Plan {
        let kill = stop_timeout.saturating_sub(MARGIN.min(stop_timeout / 4));
        let term = kill.saturating_sub(LAST.min(kill / 4));
        let serve = serve_for.min(term / 2);
        Plan { serve, drain: serve.saturating_add(term.saturating_sub(serve) / 2), term, kill }
    }
}

/// Where a stop is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Phase {
    Serve,
    Drain,
    Finish,
    Term,
    Kill,
}

/// A stop under way.
pub struct Stop {
    began: Instant,
    /// What ends what has no way of its own.
    signal: i32,
    /// Whether the user said what the stop signal is to become: then that ends servers, too.
    rewritten: bool,
    plan: Plan,
    phase: Phase,
    watch: Watch,
    quiet: u32,
    /// When it was looked last.
    looked: Option<Instant>,
    /// Connections that waited for an answer at a look, and did not at the next.
    answered: u64,
    last: Look,
    /// Those that get their signal once the servers in front of them are gone.
    behind: Vec<Server>,
    front: Vec<i32>,
    /// Those that were told to end.
    told: Vec<i32>,
    name: String,
}

impl Stop {
    /// Begins with the signal that asked for it.
    pub fn begin(family: &Family, signal: i32, plan: Plan) -> Stop {
        let own = family.rewritten(signal);
        let mut stop = Stop::new(family, own.unwrap_or(signal), plan);
        stop.rewritten = own.is_some();
        if stop.watch.listens() {
            let serve = plan.serve.as_secs_f64();
            say(format_args!("signal {signal}: serving for {serve} s more, then draining"));
        } else {
            // Nobody can send it a request.
            stop.finish(family);
        }
        stop
    }

    /// Begins as one that the others need has ended: there is nothing left to serve with, and nobody has
    /// sent a signal that could be rewritten.
    pub fn at_once(family: &Family, plan: Plan) -> Stop {
        let mut stop = Stop::new(family, libc::SIGTERM, plan);
        stop.finish(family);
        stop
    }

    fn new(family: &Family, signal: i32, plan: Plan) -> Stop {
        let watch = Watch::of(&family.members());
        Stop {
            began: Instant::now(),
            signal,
            rewritten: false,
            plan,
            phase: Phase::Serve,
            watch,
            quiet: 0,
            looked: None,
            answered: 0,
            last: Look::default(),
            behind: vec![],
            front: vec![],
            told: vec![],
            name: Process::new(family.main()).name(),
        }
    }

    /// One more stop signal: whoever sends it does not want to wait any longer.
    pub fn again(&mut self, family: &Family, signal: i32) {
        match self.phase {
            Phase::Serve => self.phase = Phase::Drain,
            Phase::Drain => self.finish(family),
            _ => family.forward(signal),
        }
    }

    /// Looks, where the last look is long enough ago: a step is also made for each signal, and looks close
    /// together would take one moment between two requests for several.
    fn look(&mut self, family: &Family) {
        let early = self.looked.is_some_and(|looked| looked.elapsed() < STEP / 2);
        if early || !self.watch.listens() || family.code().is_some() {
            return;
        }
        self.looked = Some(Instant::now());
        let Some(look) = self.watch.look() else { return };
        self.quiet = if look.is_quiet() { self.quiet.saturating_add(1) } else { 0 };
        let answered = self.last.busy.difference(&look.busy).count();
        self.answered = self.answered.saturating_add(answered as u64);
        self.last = look;
    }

    /// Looks, and does what it is time for.
    pub fn step(&mut self, family: &Family) {
        self.look(family);
        let past = self.began.elapsed();
        match self.phase {
            Phase::Serve if past >= self.plan.serve => (self.phase, self.quiet) = (Phase::Drain, 0),
            Phase::Drain if self.quiet >= QUIET || past >= self.plan.drain => self.finish(family),
            Phase::Finish if past >= self.plan.term => {
                self.phase = Phase::Term;
                family.members().into_iter().for_each(|pid| send(pid, libc::SIGTERM));
            }
            Phase::Term if past >= self.plan.kill => self.phase = Phase::Kill,
            Phase::Finish => self.next(family),
            _ => {}
        }
        if self.phase == Phase::Kill {
            family.members().into_iter().for_each(|pid| send(pid, libc::SIGKILL));
        }
    }

    /// The runtime's own signal: first to the servers in front, so that nothing is sent on to one
    /// that has ended.
    fn finish(&mut self, family: &Family) {
        self.phase = Phase::Finish;
        let main = family.main();
        let own_way = family.is_one()
            && is_shell(main)
            && Process::new(main).catches(self.signal).unwrap_or(false);
        let servers = if own_way { vec![] } else { servers(&family.members()) };
        if servers.is_empty() {
            self.told = family.tell(self.signal);
            return;
        }
        // A script must not go on with its next line.
        if is_shell(main) {
            self.end(main, libc::SIGTERM);
        }
        let (front, behind): (Vec<Server>, Vec<Server>) =
            servers.into_iter().partition(|server| server.runtime.front);
        front.iter().for_each(|server| self.end_server(server));
        (self.front, self.behind) = (front.iter().map(|server| server.pid).collect(), behind);
        self.next(family);
    }

    fn end(&mut self, pid: i32, signal: i32) {
        send(pid, signal);
        self.told.push(pid);
    }

    fn end_server(&mut self, server: &Server) {
        let signal = if self.rewritten { self.signal } else { server.runtime.stop };
        self.end(server.pid, signal);
    }

    fn next(&mut self, family: &Family) {
        let lives = |pid: &i32| Process::new(*pid).stat().is_ok_and(|stat| !stat.is_dead());
        if self.front.iter().any(lives) {
            return;
        }
        for server in std::mem::take(&mut self.behind) {
            self.end_server(&server);
        }
        let signal = self.signal;
        // Those that are started beside servers and are none themselves.
        for pid in family.started() {
            if !with_descendants(&[pid]).iter().any(|pid| self.told.contains(pid)) {
                right(pid, signal).into_iter().for_each(|pid| self.end(pid, signal));
            }
        }
        // What else runs beside a command that has ended: nobody else will tell it.
        if family.code().is_some() {
            let told = with_descendants(&self.told);
            let untold = family.members().into_iter().filter(|pid| !told.contains(pid));
            untold.for_each(|pid| self.end(pid, libc::SIGTERM));
        }
    }

    /// Says in one line what became of the requests.
    pub fn tell(&self, code: u8) {
        let cut = self.last.busy.len().saturating_add(self.last.waiting as usize);
        let answered = self.answered;
        let how = match self.phase {
            Phase::Term => ", ended by TERM as its time was over",
            Phase::Kill => ", killed as its time was over",
            _ => "",
        };
        let requests = match (self.watch.listens(), cut) {
            (false, _) => "it did not listen".into(),
            (true, 0) => format!("{answered} requests seen answered since the signal, none cut"),
            _ => format!("{answered} requests seen answered since the signal, at most {cut} cut"),
        };
        let (past, name) = (self.began.elapsed().as_secs_f64(), &self.name);
        say(format_args!("stopped after {past:.1} s: {requests}; {name} ended with {code}{how}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_default_leaves_two_seconds_of_thirty() {
        let seconds = Duration::from_secs;
        let plan = Plan::within(seconds(30), seconds(5));
        let expected =
            Plan { serve: seconds(5), drain: seconds(16), term: seconds(27), kill: seconds(28) };
        assert_eq!(plan, expected);
    }

    proptest! {
        #[test]
        fn each_part_comes_after_the_one_before(timeout in 0u64..10_000_000, serve in 0u64..10_000_000) {
            let timeout = Duration::from_millis(timeout);
            let plan = Plan::within(timeout, Duration::from_millis(serve));
            prop_assert!(plan.serve <= plan.drain && plan.drain <= plan.term);
            prop_assert!(plan.term <= plan.kill && plan.kill <= timeout);
        }
    }
}
