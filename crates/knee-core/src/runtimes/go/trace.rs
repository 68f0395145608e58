//! What Go tells of its collector while it runs: the lines of gctrace on standard error.

use crate::runtimes::figure::{Among, Figure, Over};
use crate::runtimes::{DecodeError, Injection, Told};
use crate::settings::Site;

/// Has it trace its collections.
pub fn inject() -> Option<Injection> {
    let debug = Site::Environment { name: "GODEBUG".into() };
    Some(Injection {
        entries: vec![(debug, "gctrace=1".into())],
        log: None,
        files: vec![],
        answers: vec![Told::Stderr],
    })
}

/// New lines of gctrace, among others:
/// `gc 7 @0.511s 3%: 0.01+1.2+0.02 ms clock, 0.02+0.3/1.1/0.4+0.04 ms cpu, 4->5->2 MB, 5 MB goal, ..., 2 P`.
///
/// The percentage there is one since the start of the program, so the interval's share comes
/// from the cycles' own times, as Go defines it: of what GOMAXPROCS threads could have used,
/// without what idle threads did. Go counts time, not CPU: while the quota stops the task, both
/// the collector's and the program's time go on.
/// Source: <https://pkg.go.dev/runtime#hdr-Environment_Variables>.
pub fn decode(answer: &[u8]) -> Result<Vec<Figure>, DecodeError> {
    let text = String::from_utf8_lossy(answer);
    let traces: Vec<Trace> = text.lines().filter_map(trace).collect();
    // Nothing collected is nothing to tell.
    let Some(last) = traces.last() else { return Ok(vec![]) };
    let sum = |of: fn(&Trace) -> f64| traces.iter().map(of).sum();
    let most = |of: fn(&Trace) -> f64| traces.iter().map(of).fold(0.0, f64::max);
    let figure = |name, unit, value, over, among| Figure { name, unit, value, over, among };
    Ok(vec![
        figure("go.gc.cpu", "", sum(|t| t.working), Over::PerSecond, Among::Most),
        figure("go.gc.idle", "", sum(|t| t.idle), Over::PerSecond, Among::Most),
        figure("go.gc.cycles", "1/s", traces.len() as f64, Over::PerSecond, Among::Sum),
        figure("go.heap.live", "MB", most(|t| t.live), Over::Most, Among::Sum),
        figure("go.heap.goal", "MB", last.goal, Over::Last, Among::Sum),
    ])
}

/// One collection; times in seconds of each of GOMAXPROCS threads.
struct Trace {
    working: f64,
    idle: f64,
    live: f64,
    goal: f64,
}

fn trace(line: &str) -> Option<Trace> {
    let parts: Vec<&str> = line.strip_prefix("gc ")?.split(", ").collect();
    let ending = |end: &str| parts.iter().find_map(|part| part.strip_suffix(end));
    let numbers = |text: &str| -> Option<Vec<f64>> {
        let finite = |n: &f64| n.is_finite() && *n >= 0.0;
        text.split(['+', '/']).map(|n| n.parse().ok().filter(finite)).collect()
    };
    let [sweep, assist, background, idle, mark] = numbers(ending(" ms cpu")?)?[..] else {
        return None;
    };
    // `2 P`, and `2 P (forced)` after runtime.GC().
    let threads = parts.last()?.split_once(" P")?.0.parse::<f64>().ok().filter(|p| *p >= 1.0)?;
    let heap = parts.iter().find(|part| part.ends_with(" MB") && part.contains("->"))?;
    Some(Trace {
        working: (sweep + assist + background + mark) / 1e3 / threads,
        idle: idle / 1e3 / threads,
        live: heap.trim_end_matches(" MB").rsplit("->").next()?.parse().ok()?,
        goal: ending(" MB goal")?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::figure::{Said, fold};

    const LOG: &str = "listening\n\
        gc 1 @0.017s 1%: 0.009+0.31+0.003 ms clock, 0.020+0.1/0.2/0.5+0.080 ms cpu, 3->3->1 MB, 4 MB goal, 0 MB stacks, 0 MB globals, 2 P\n\
        gc 2 @0.300s 12%: 0.009+0.31+0.003 ms clock, 0.100+20/180/40+0.300 ms cpu, 6->7->4 MB, 8 MB goal, 0 MB stacks, 0 MB globals, 2 P (forced)\n\
        gc 3 @0.3";

    #[test]
    fn the_share_of_an_interval_comes_from_its_own_cycles() {
        let figures = decode(LOG.as_bytes()).unwrap();
        let said = Said { process: 1, before: false, figures: &figures };
        let readings = fold(&[said], 0.5);
        let value = |name: &str| readings.iter().find(|r| r.name == name).unwrap().value;
        // (0.4 + 200.4) ms of 2 threads in half a second.
        assert!((value("go.gc.cpu") - 0.2008).abs() < 1e-9, "{readings:?}");
        assert!((value("go.gc.idle") - 0.0405).abs() < 1e-9, "{readings:?}");
        assert_eq!((value("go.heap.live"), value("go.heap.goal")), (4.0, 8.0));
        assert_eq!(value("go.gc.cycles"), 4.0);
        assert!(decode(b"listening\n").unwrap().is_empty());
    }
}
