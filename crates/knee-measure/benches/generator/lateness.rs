//! How late requests are turned to at half the peak rate, beside a loop that does nothing but
//! sleep until the same moments: the machine's own floor.

use crate::nginx::Nginx;
use crate::peak::{self, CONNECTIONS};
use crate::rounds::Rounds;
use crate::{Failure, NEVER, generator, no_goal};
use knee_measure::Pace;
use rustix::process::{getpriority_process, setpriority_process};
use rustix::thread::{ClockId, clock_nanosleep_absolute, set_current_timer_slack};
use rustix::time::{Timespec, clock_gettime};
use std::num::NonZeroU64;

const ROUNDS: u64 = 10;
const SECONDS: f64 = 2.0;

pub fn run() -> Result<(), Failure> {
    let nginx = Nginx::start()?;
    let mut own = generator(nginx.addr, CONNECTIONS)?;
    let rate = peak::of(&mut own)? / 2.0;
    for (name, pace) in
        [("evenly paced", Pace::Constant { rate }), ("Poisson", Pace::Poisson { rate })]
    {
        // Median and p99, us, of the generator and of the floor, and the ratios.
        let mut figures: [[Rounds; 3]; 2] = Default::default();
        for seed in 1..=ROUNDS {
            own.step(&pace, SECONDS, 0.0, &no_goal(), &NEVER)?;
            let floor = floor(&pace, seed)?;
            for ([mine, bare, ratio], quantile) in figures.iter_mut().zip([0.5, 0.99]) {
                let late = 1e6 * own.lateness(quantile);
                let least = 1e6 * at(&floor, quantile);
                mine.push(late);
                bare.push(least);
                ratio.push(late / least);
            }
        }
        println!("lateness at {rate:.0} requests/s, {name}, {SECONDS} s a round");
        for (name, [mine, bare, ratio]) in ["median", "p99"].into_iter().zip(&figures) {
            println!("  {name}, us: knee {mine:.0}; clock_nanosleep {bare:.0}; ratio {ratio}");
        }
    }
    Ok(())
}

/// Lateness of each wake-up, seconds, in order of size; as punctual as the generator's thread.
fn floor(pace: &Pace, seed: u64) -> Result<Vec<f64>, Failure> {
    set_current_timer_slack(NonZeroU64::new(1))?;
    let nice = getpriority_process(None)?;
    // Refused without the privilege, to the generator as well.
    let _ = setpriority_process(None, -20);
    let began = clock_gettime(ClockId::Monotonic);
    let mut late = vec![];
    for due in pace.due_times(&[SECONDS], seed) {
        let nanos = began.tv_nsec + (due * 1e9) as i64;
        let (tv_sec, tv_nsec) = (began.tv_sec + nanos / 1_000_000_000, nanos % 1_000_000_000);
        let due = Timespec { tv_sec, tv_nsec };
        if clock_gettime(ClockId::Monotonic) < due {
            clock_nanosleep_absolute(ClockId::Monotonic, &due)?;
        }
        let now = clock_gettime(ClockId::Monotonic);
        let seconds = (now.tv_sec - due.tv_sec) as f64;
        late.push(seconds + (now.tv_nsec - due.tv_nsec) as f64 / 1e9);
    }
    setpriority_process(None, nice)?;
    late.sort_by(f64::total_cmp);
    Ok(late)
}

fn at(sorted: &[f64], quantile: f64) -> f64 {
    let rank = (quantile * sorted.len() as f64).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}
