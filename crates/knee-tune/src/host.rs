//! What else ran on the host while something was measured.

use knee_probe::machine::{self, Busy};
use knee_probe::process::Process;
use std::path::Path;
use std::time::Instant;

/// A look at the host, to be compared with a later one.
pub struct Host {
    at: Instant,
    busy: Busy,
    /// CPU seconds of knee itself with its generator.
    own: f64,
}

/// Share of its quota that a task must have been able to get.
const ENOUGH: f64 = 0.95;
/// Shorter times say little: the kernel counts in hundredths of a second.
const SHORT: f64 = 0.2;
/// What a request may wait for a CPU, as a share of what it takes alone, so that others took nothing
/// from the service that matters: a capacity is not known more exactly.
const LITTLE: f64 = 0.05;

/// How long the service's threads waited for a CPU.
#[derive(Clone, Copy, Debug)]
pub struct Waited {
    /// Threads that waited, in the mean.
    pub threads: f64,
    /// Answers, requests/s.
    pub rate: f64,
    /// What a request takes alone, seconds.
    pub alone: f64,
}
impl Host {
    /// Looks; None where the kernel does not tell.
    pub fn look() -> Option<Host> {
        let me = Process::new(i32::try_from(std::process::id()).ok()?);
        let busy = machine::busy(Path::new("/")).ok()?;
        Some(Host { at: Instant::now(), busy, own: me.stat().ok()?.cpu })
    }

    /// Why the task could not get its CPU since this look, if so. `used` is what it did get, cores;
    /// `waited` how it waited for more, where that is known.
    pub fn crowded(&self, task_cpu: f64, used: f64, waited: Option<Waited>) -> Option<String> {
        let now = Host::look()?;
        let seconds = (now.at - self.at).as_secs_f64();
        let own = now.own - self.own;
        let taken = Taken {
            others: (now.busy.seconds - self.busy.seconds - own) / seconds - used,
            stolen: (now.busy.stolen - self.busy.stolen) / seconds,
        };
        let cpus = f64::from(now.busy.cpus);
        let told = (seconds >= SHORT).then(|| reason(cpus, task_cpu, used, taken)).flatten();
        told.filter(|_| waited.is_none_or(|waited| wanted_more(task_cpu, used, waited)))
    }
}

/// What neither the task nor knee had, cores.
#[derive(Clone, Copy)]
struct Taken {
    /// All of it.
    others: f64,
    /// The part that the hypervisor gave to others.
    stolen: f64,
}

/// Whether more CPU would have made a difference: requests waited for it (by Little's law: threads
/// that wait = answers/s × waiting of each), or with its waiting the service comes near to its quota.
fn wanted_more(task_cpu: f64, used: f64, waited: Waited) -> bool {
    let Waited { threads, rate, alone } = waited;
    threads > LITTLE * rate * alone || used + threads >= ENOUGH * task_cpu
}

fn reason(cpus: f64, task_cpu: f64, used: f64, taken: Taken) -> Option<String> {
    let Taken { others, stolen } = taken;
    let left = cpus - others;
    let starved = left < ENOUGH * task_cpu && used < ENOUGH * task_cpu;
    let who = if stolen > others / 2.0 {
        "other programs and, most of all, other machines on the same hardware"
    } else {
        "other programs"
    };
    starved.then(|| {
        format!(
            "{who} used {others:.1} of this host's {cpus} CPUs and left too little for \
             the task's {task_cpu} vCPU"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_waits_for_no_cpu_is_not_held_up() {
        let waited = |threads| Waited { threads, rate: 57.0, alone: 0.051 };
        assert!(!wanted_more(0.5, 0.03, waited(0.06)), "it waited for something else");
        assert!(wanted_more(0.5, 0.2, waited(1.5)), "others had it");
        assert!(wanted_more(0.5, 0.4, waited(0.1)), "it could have used all of its quota");
        assert!(wanted_more(0.5, 0.03, Waited { rate: 0.0, ..waited(0.06) }), "nobody was served");
    }

    #[test]
    fn a_busy_host_is_named_and_a_quiet_one_is_not() {
        let taken = |others, stolen| Taken { others, stolen };
        let said = reason(2.0, 0.5, 0.2, taken(1.8, 0.1)).unwrap();
        assert_eq!(
            said,
            "other programs used 1.8 of this host's 2 CPUs and left too little for the task's 0.5 vCPU"
        );
        let said = reason(2.0, 0.5, 0.2, taken(1.8, 1.2)).unwrap();
        assert!(said.contains("other machines on the same hardware used 1.8"), "{said}");
        assert_eq!(reason(2.0, 0.5, 0.5, taken(1.8, 0.0)), None, "it got its quota all the same");
        assert_eq!(reason(2.0, 0.5, 0.2, taken(0.3, 0.0)), None);
        assert!(Host::look().unwrap().crowded(0.5, 0.5, None).is_none(), "too short to tell");
    }
}
