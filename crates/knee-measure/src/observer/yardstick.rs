//! How fast the host's CPUs run: a small loop of knee's own, timed on each of them again and
//! again. On rented hosts that speed changes by half within seconds, whatever runs there.
//!
//! The loop interprets a little bytecode: many short instructions that do not wait for each
//! other, and branches. That is what web services are made of, and what a busy sibling of a
//! core slows down; a chain of multiplications or loads hardly feels it. It is timed in CPU
//! time of its thread: to wait for a CPU is not to be slow.
//!
//! What never lives here: what follows from a speed.

use crate::thread::thread_cpu;
use knee_core::observe::HostSpeed;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::collections::VecDeque;
use std::hint::black_box;
use std::time::{Duration, Instant};

/// How often each CPU is visited: three pieces then take it a sixth of a percent.
pub(super) const VISITS: Duration = Duration::from_millis(200);
/// What a piece of the loop takes, about, seconds.
const PIECE: f64 = 100e-6;
/// Pieces of a visit. The first fills the caches and is not counted; the fastest of the others
/// is, as an interrupt makes one slow and none fast.
const PIECES: usize = 3;
/// Steps by which a piece's length is found.
const TRIED: u32 = 2_000;
/// Readings that are kept.
const KEPT: usize = 65_536;
/// Over how long the slowest and the fastest speed are means.
const WINDOW: Duration = Duration::from_secs(1);

/// Times the loop and keeps what it read.
pub(super) struct Yardstick {
    cpus: Vec<usize>,
    steps: u32,
    readings: VecDeque<Reading>,
}

#[derive(Clone, Copy, Debug)]
struct Reading {
    at: Instant,
    cpu: usize,
    /// Steps in a microsecond of CPU.
    speed: f64,
}

impl Yardstick {
    pub fn new() -> Yardstick {
        let set = sched_getaffinity(None).unwrap_or_default();
        let cpus = (0..CpuSet::MAX_CPU).filter(|cpu| set.is_set(*cpu)).collect();
        Yardstick { cpus, steps: 0, readings: VecDeque::new() }
    }

    /// Visits every CPU once. The calling thread is bound to the last one afterwards.
    pub fn visit(&mut self) {
        if self.steps == 0 {
            timed(TRIED);
            let second = f64::from(TRIED) / timed(TRIED);
            self.steps = ((second * PIECE) as u32).max(1);
        }
        for cpu in self.cpus.clone() {
            let mut only = CpuSet::new();
            only.set(cpu);
            // Taken from the process meanwhile: nothing is known of that CPU.
            if sched_setaffinity(None, &only).is_ok() {
                let pieces = [(); PIECES].map(|()| timed(self.steps));
                let fastest = pieces[1..].iter().copied().fold(f64::INFINITY, f64::min);
                let speed = f64::from(self.steps) / (fastest * 1e6);
                self.keep(Reading { at: Instant::now(), cpu, speed });
            }
        }
    }

    fn keep(&mut self, reading: Reading) {
        self.readings.push_back(reading);
        if self.readings.len() > KEPT {
            self.readings.pop_front();
        }
    }

    /// The speed since a moment; None where nothing was read.
    pub fn since(&self, from: Instant) -> Option<HostSpeed> {
        let all: Vec<Reading> = self.readings.iter().filter(|r| r.at >= from).copied().collect();
        let mean = mean(&all)?;
        let windows = windows(&all);
        let each = || windows.iter().filter_map(|window| self::mean(window));
        Some(HostSpeed {
            mean,
            slowest: each().fold(mean, f64::min),
            fastest: each().fold(mean, f64::max),
        })
    }
}

/// Mean of the CPUs' means: a task that its quota limits wanders over all of them.
fn mean(readings: &[Reading]) -> Option<f64> {
    let mut cpus: Vec<usize> = readings.iter().map(|r| r.cpu).collect();
    cpus.sort_unstable();
    cpus.dedup();
    let of = |cpu: &usize| {
        let speeds: Vec<f64> = readings.iter().filter(|r| r.cpu == *cpu).map(|r| r.speed).collect();
        speeds.iter().sum::<f64>() / speeds.len() as f64
    };
    let sum: f64 = cpus.iter().map(of).sum();
    (!cpus.is_empty()).then(|| sum / cpus.len() as f64)
}

/// Second by second, without the unfinished last one.
fn windows(readings: &[Reading]) -> Vec<&[Reading]> {
    let (Some(first), Some(last)) = (readings.first(), readings.last()) else { return vec![] };
    let number = |r: &Reading| (r.at - first.at).as_nanos() / WINDOW.as_nanos();
    let unfinished = number(last);
    let whole = readings.partition_point(|r| number(r) < unfinished);
    readings[..whole].chunk_by(|a, b| number(a) == number(b)).collect()
}

/// CPU time of so many steps, seconds.
fn timed(steps: u32) -> f64 {
    let before = thread_cpu();
    black_box(run(black_box(&PROGRAM), steps));
    (thread_cpu() - before).max(1e-9)
}

/// What the machine of the loop can do; operands are numbers of its eight registers.
#[derive(Clone, Copy)]
enum Op {
    Add(u8, u8),
    Mix(u8, u8),
    Shift(u8, u8),
    Store(u8, u8),
    Load(u8, u8),
    Count(u8),
    /// Skips the next one where a register's lowest bit is set: as good as by chance.
    SkipOdd(u8),
    Again,
}

const PROGRAM: [Op; 16] = [
    Op::Count(0),
    Op::Mix(1, 0),
    Op::Add(2, 1),
    Op::Store(2, 0),
    Op::SkipOdd(1),
    Op::Shift(3, 2),
    Op::Load(4, 1),
    Op::Add(5, 4),
    Op::Mix(6, 3),
    Op::SkipOdd(6),
    Op::Add(7, 0),
    Op::Count(3),
    Op::Store(7, 6),
    Op::Load(5, 0),
    Op::Mix(7, 5),
    Op::Again,
];

/// Interprets so many steps of a program; what it comes to keeps the compiler from leaving it out.
fn run(program: &[Op; 16], steps: u32) -> u64 {
    let mut registers = [0x9E37_79B9_7F4A_7C15u64; 8];
    let mut memory = [1u64; 256];
    let mut at = 0usize;
    for _ in 0..steps {
        let reg = |r: u8| usize::from(r & 7);
        match program[at & 15] {
            Op::Add(to, from) => {
                registers[reg(to)] = registers[reg(to)].wrapping_add(registers[reg(from)]);
            }
            Op::Mix(to, from) => {
                let mixed = registers[reg(to)] ^ registers[reg(from)].rotate_left(23);
                registers[reg(to)] = mixed.wrapping_add(0x1656_67B1);
            }
            Op::Shift(to, from) => registers[reg(to)] ^= registers[reg(from)] >> 7,
            Op::Store(from, place) => {
                memory[registers[reg(place)] as usize & 255] = registers[reg(from)];
            }
            Op::Load(to, place) => {
                registers[reg(to)] ^= memory[registers[reg(place)] as usize & 255];
            }
            Op::Count(r) => registers[reg(r)] = registers[reg(r)].wrapping_add(1),
            Op::SkipOdd(r) => at += (registers[reg(r)] & 1) as usize,
            Op::Again => at = usize::MAX,
        }
        at = at.wrapping_add(1);
    }
    registers.iter().fold(0, |a, b| a ^ b)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn readings(all: &[(f64, usize, f64)]) -> (Yardstick, Instant) {
        let start = Instant::now();
        let mut yardstick = Yardstick { cpus: vec![], steps: 1, readings: VecDeque::new() };
        for (at, cpu, speed) in all {
            let at = start + Duration::from_secs_f64(*at);
            yardstick.keep(Reading { at, cpu: *cpu, speed: *speed });
        }
        (yardstick, start)
    }

    #[test]
    fn every_cpu_counts_alike_and_each_second_by_itself() {
        // The second CPU was read only once, and is as much a part of the host.
        let (yardstick, start) = readings(&[
            (0.0, 0, 100.0),
            (0.1, 1, 50.0),
            (0.2, 0, 120.0),
            (1.1, 0, 80.0),
            (1.9, 0, 80.0),
            (2.0, 0, 10.0),
        ]);
        let speed = yardstick.since(start).unwrap();
        assert!((speed.mean - (78.0 + 50.0) / 2.0).abs() < 1e-9, "{speed:?}");
        assert_eq!((speed.slowest, speed.fastest), (speed.mean, 80.0), "{speed:?}");
        let later = yardstick.since(start + Duration::from_secs(1)).unwrap();
        assert!((later.mean - 170.0 / 3.0).abs() < 1e-9, "{later:?}");
        assert_eq!(yardstick.since(start + Duration::from_secs(3)), None);
    }

    #[test]
    fn this_hosts_cpus_are_all_read() {
        // A thread of its own: a visit binds the thread that makes it.
        let yardstick = std::thread::spawn(|| {
            let mut yardstick = Yardstick::new();
            yardstick.visit();
            yardstick
        });
        let yardstick = yardstick.join().unwrap();
        let read: Vec<usize> = yardstick.readings.iter().map(|r| r.cpu).collect();
        assert_eq!(read, yardstick.cpus);
        assert!(!read.is_empty() && yardstick.readings.iter().all(|r| r.speed > 0.0));
    }

    #[test]
    fn the_loop_goes_on_as_long_as_it_is_told() {
        assert_ne!(run(&PROGRAM, 1_000), run(&PROGRAM, 1_001));
        assert_eq!(run(&PROGRAM, 1_000), run(&PROGRAM, 1_000));
    }
}
