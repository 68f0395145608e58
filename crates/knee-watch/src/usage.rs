//! From looks to usage. Pure.

use crate::eyes::{Look, Queue, Seen};
use knee_core::Bytes;
use knee_core::observe::{Awaited, Usage};
use std::collections::HashMap;
use std::net::SocketAddr;

/// What was used between the first look and the last. Rates come from the counters at both
/// ends (the last that could be read); memory, descriptors and queues are the highest seen.
pub(crate) fn usage(looks: &[&Look], pss: Bytes) -> Usage {
    let mut usage = Usage { pss, ..Usage::default() };
    let processes = Processes::between(looks);
    cpu(&mut usage, looks, &processes);
    usage.busiest = processes.busiest();
    usage.memory = looks.iter().filter_map(|l| l.memory).max().unwrap_or(pss);
    let kills: Vec<u64> = looks.iter().filter_map(|l| l.kills).collect();
    if let (Some(from), Some(to)) = (kills.first(), kills.last()) {
        usage.oom_kills = to.saturating_sub(*from);
    }
    if let Some(last) =
        looks.iter().rev().find_map(|l| l.processes.as_ref().filter(|p| !p.is_empty()))
    {
        usage.processes = u32::try_from(last.len()).unwrap_or(u32::MAX);
        usage.threads = last.iter().map(|p| p.threads).sum();
    }
    let all = looks.iter().filter_map(|l| l.processes.as_ref()).flatten();
    if let Some(nearest) = all.reduce(|a, b| if nearness(b) > nearness(a) { b } else { a }) {
        (usage.descriptors, usage.nofile) = (nearest.descriptors, nearest.nofile);
    }
    let queues = looks.iter().filter_map(|l| l.queue.as_ref());
    if let Some(Queue { waiting, backlog, at }) =
        queues.reduce(|a, b| if b.is_fuller_than(a) { b } else { a })
    {
        usage.accept_queue = *waiting;
        usage.backlog = backlog.unwrap_or(0);
        usage.accept_at = at.clone();
    }
    usage.awaited = awaited(looks);
    usage
}

/// The server outside on whose connections most was waited for. What was seen at both ends counts only
/// where nothing was seen between them: a step of load begins and ends with a service at rest.
fn awaited(looks: &[&Look]) -> Option<Awaited> {
    let looked: Vec<&&Look> = looks.iter().filter(|look| look.processes.is_some()).collect();
    let looked = match looked.as_slice() {
        [_, between @ .., _] if !between.is_empty() => between,
        all => all,
    };
    let count = looked.len() as f64;
    let mut sums: HashMap<SocketAddr, (u32, u32)> = HashMap::new();
    for outgoing in looked.iter().flat_map(|look| &look.outgoing) {
        let sum = sums.entry(outgoing.at).or_default();
        *sum = (sum.0 + outgoing.open, sum.1 + outgoing.waiting);
    }
    let (at, (open, waiting)) =
        sums.into_iter().max_by_key(|(at, (open, waiting))| (*waiting, *open, *at))?;
    let mean = |sum: u32| f64::from(sum) / count;
    Some(Awaited { at: at.to_string(), open: mean(open), waiting: mean(waiting) })
}

/// How near a process is to its limit of open files; then how many it has open.
fn nearness(process: &Seen) -> (f64, u64) {
    let share = |limit: u64| process.descriptors as f64 / limit.max(1) as f64;
    (process.nofile.map_or(0.0, share), process.descriptors)
}

/// The cgroup's own counters, or the sum of its processes without one.
fn cpu(usage: &mut Usage, looks: &[&Look], processes: &Processes) {
    let counted = |l: &&&Look| l.cpu.is_some();
    let (Some(from), Some(to)) = (looks.iter().find(counted), looks.iter().rfind(counted)) else {
        usage.cpu = processes.sum();
        return;
    };
    let (Some(start), Some(end)) = (from.cpu, to.cpu) else { return };
    let seconds = to.at.duration_since(from.at).as_secs_f64();
    if seconds > 0.0 {
        usage.cpu = (end.used - start.used).max(0.0) / seconds;
    }
    if let (Some(start), Some(end)) = (start.throttling, end.throttling) {
        let periods = end.periods.saturating_sub(start.periods);
        let throttled = end.throttled.saturating_sub(start.throttled);
        usage.throttled = if periods == 0 { 0.0 } else { throttled as f64 / periods as f64 };
    }
}

/// CPU of each process between the first and the last look at processes, cores.
pub(crate) struct Processes(Vec<f64>);

impl Processes {
    pub fn between(looks: &[&Look]) -> Processes {
        let seen: Vec<_> =
            looks.iter().filter_map(|l| Some((l.at, l.processes.as_ref()?))).collect();
        let (Some((from, first)), Some((to, _))) = (seen.first(), seen.last()) else {
            return Processes(Vec::new());
        };
        let seconds = to.duration_since(*from).as_secs_f64();
        if seconds <= 0.0 {
            return Processes(Vec::new());
        }
        let mut spans: HashMap<(i32, u64), (f64, f64)> = HashMap::new();
        for (_, processes) in &seen {
            for process in *processes {
                // One that was not there at first was born since: all that it used counts.
                let span = spans.entry(process.id).or_insert((0.0, 0.0));
                span.1 = span.1.max(process.cpu);
            }
        }
        for process in *first {
            spans.entry(process.id).or_default().0 = process.cpu;
        }
        Processes(spans.values().map(|(from, to)| (to - from).max(0.0) / seconds).collect())
    }

    fn busiest(&self) -> f64 {
        self.0.iter().copied().fold(0.0, f64::max)
    }

    /// From a positive zero: the sum of nothing is -0.0 otherwise, and shows.
    pub fn sum(&self) -> f64 {
        self.0.iter().fold(0.0, |sum, cores| sum + cores)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use knee_probe::cgroup::{Cpu, Throttling};
    use proptest::prelude::*;
    use std::time::{Duration, Instant};

    fn look(start: Instant, at: f64) -> Look {
        Look {
            at: start + Duration::from_secs_f64(at),
            cpu: None,
            memory: None,
            queue: None,
            kills: None,
            processes: None,
            outgoing: Vec::new(),
        }
    }

    fn process(pid: i32, cpu: f64) -> Seen {
        Seen { id: (pid, 1), cpu, threads: 3, descriptors: 10, nofile: Some(100) }
    }

    fn queue(waiting: u32, backlog: u32) -> Option<Queue> {
        Some(Queue { waiting, backlog: Some(backlog), at: format!("{backlog}") })
    }

    fn of(looks: &[Look]) -> Usage {
        usage(&looks.iter().collect::<Vec<_>>(), Bytes(7))
    }

    #[test]
    fn rates_come_from_the_ends_and_peaks_from_every_look() {
        let start = Instant::now();
        let counters = |used, periods, throttled| {
            let throttling = Some(Throttling { periods, throttled, time: 0.0 });
            Some(Cpu { used, throttling })
        };
        let mut looks: Vec<Look> = [0.0, 1.0, 2.0, 2.5].map(|at| look(start, at)).into();
        looks[0].cpu = counters(10.0, 100, 50);
        looks[2].cpu = counters(11.0, 110, 55);
        looks[0].kills = Some(3);
        looks[2].kills = Some(5);
        looks[1].memory = Some(Bytes(300));
        looks[2].memory = Some(Bytes(200));
        looks[0].queue = queue(3, 4);
        looks[1].queue = queue(90, 511);
        let usage = of(&looks);
        assert_eq!((usage.cpu, usage.throttled), (0.5, 0.5), "the last look read nothing");
        assert_eq!((usage.memory, usage.oom_kills, usage.pss), (Bytes(300), 2, Bytes(7)));
        assert_eq!((usage.accept_queue, usage.backlog, usage.accept_at.as_str()), (3, 4, "4"));
    }

    #[test]
    fn processes_come_and_go_in_between() {
        let start = Instant::now();
        let mut looks: Vec<Look> = [0.0, 1.0, 2.0].map(|at| look(start, at)).into();
        looks[0].processes = Some(vec![process(1, 50.0), process(2, 8.0)]);
        let full = Seen { descriptors: 99, ..process(3, 1.5) };
        looks[1].processes = Some(vec![process(1, 50.5), process(2, 8.9), full]);
        let again = Seen { id: (2, 9), ..process(2, 0.4) };
        looks[2].processes = Some(vec![process(1, 51.0), again]);
        let usage = of(&looks);
        // 3 was born, used 1.5 s and died; the second of number 2 is another process.
        assert!((usage.busiest - 0.75).abs() < 1e-9, "{usage:?}");
        assert!((usage.cpu - (1.0 + 0.9 + 1.5 + 0.4) / 2.0).abs() < 1e-9, "without a cgroup");
        assert_eq!((usage.processes, usage.threads), (2, 6));
        assert_eq!((usage.descriptors, usage.nofile), (99, Some(100)));
        assert_eq!(usage.memory, Bytes(7), "PSS without a cgroup");
    }

    #[test]
    fn the_server_that_is_waited_for_most_counts() {
        use crate::eyes::Outgoing;
        let start = Instant::now();
        let mut looks: Vec<Look> = [0.0, 1.0, 2.0, 3.0].map(|at| look(start, at)).into();
        let outgoing =
            |at: &str, open, waiting| Outgoing { at: at.parse().unwrap(), open, waiting };
        for (index, waiting) in [(0, 0), (1, 4), (2, 2), (3, 0)] {
            looks[index].processes = Some(vec![process(1, 1.0)]);
            looks[index].outgoing =
                vec![outgoing("10.0.0.1:5432", 4, waiting), outgoing("10.0.0.2:6379", 90, 1)];
        }
        let awaited = of(&looks).awaited.unwrap();
        assert_eq!(
            (awaited.at.as_str(), awaited.open, awaited.waiting),
            ("10.0.0.1:5432", 4.0, 3.0)
        );
        let ends = [&looks[0], &looks[3]];
        assert_eq!(usage(&ends, Bytes(0)).awaited.unwrap().waiting, 1.0, "the other's");
    }

    #[test]
    fn nothing_seen_is_nothing_used() {
        assert!(of(&[]).cpu.is_sign_positive());
        assert_eq!(of(&[]), Usage { pss: Bytes(7), memory: Bytes(7), ..Usage::default() });
    }

    proptest! {
        #[test]
        fn any_looks_are_survived(
            all in prop::collection::vec(
                (0.0f64..9.0, prop::option::of((0.0f64..99.0, any::<u64>(), any::<u64>())),
                 prop::option::of(prop::collection::vec((0i32..4, 0.0f64..9.0, any::<u64>()), 0..4))),
                0..8,
            ),
        ) {
            let start = Instant::now();
            let mut all = all;
            all.sort_by(|a, b| a.0.total_cmp(&b.0));
            let made = all.into_iter().map(|(at, cpu, processes)| Look {
                cpu: cpu.map(|(used, periods, throttled)| Cpu { used, throttling: Some(Throttling { periods, throttled, time: 0.0 }) }),
                processes: processes.map(|all| all.into_iter().map(|(pid, cpu, descriptors)| Seen { descriptors, ..process(pid, cpu) }).collect()),
                ..look(start, at)
            });
            let usage = of(&made.collect::<Vec<_>>());
            prop_assert!(usage.cpu >= 0.0 && usage.busiest >= 0.0 && usage.throttled >= 0.0);
            prop_assert!(!usage.cpu.is_nan() && !usage.busiest.is_nan());
        }
    }
}
