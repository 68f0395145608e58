//! Samples in words: on top what limits now, then each service, then what cannot be seen.

use crate::render::text::cut;
use knee_core::Bytes;
use knee_core::observe::{Resource, Stall, Usage};
use knee_watch::{Sample, Trend};

/// The lines of one interval, none longer than the terminal. Off a terminal, unless one interval is
/// all that was asked for, a line for each service.
pub fn lines(samples: &[Sample], width: Option<usize>, whole: bool) -> Vec<String> {
    if width.is_none() && !whole {
        return samples.iter().map(short).collect();
    }
    let mut lines = vec![top(samples)];
    for sample in samples {
        lines.push(String::new());
        lines.extend(service(sample));
    }
    lines.iter().map(|line| cut(line, width.unwrap_or(usize::MAX))).collect()
}

/// Whose limit counts: of what serves before what stands in front of it, and of those who have one.
pub fn limiting(samples: &[Sample]) -> Option<&Sample> {
    samples.iter().min_by_key(|s| (s.limit.resource == Resource::Unknown, s.front))
}

fn top(samples: &[Sample]) -> String {
    match limiting(samples) {
        Some(sample) if sample.limit.resource != Resource::Unknown => {
            let limit = &sample.limit;
            format!("limited by {}: {} ({})", limit.resource, limit.evidence, sample.name)
        }
        Some(sample) => format!("nothing is at its limit: {}", sample.limit.evidence),
        None => "nothing is watched".into(),
    }
}

/// A service in one line.
fn short(sample: &Sample) -> String {
    let limit = match sample.limit.resource {
        Resource::Unknown => "nothing at its limit".into(),
        resource => format!("limited by {resource}: {}", sample.limit.evidence),
    };
    let row = |(name, value): &(&str, String)| format!("{name} {value}");
    let rows: Vec<String> = figures(sample).iter().map(row).collect();
    format!("{} (pid {}): {limit}; {}", sample.name, sample.pid, rows.join("; "))
}

fn service(sample: &Sample) -> Vec<String> {
    let mut listens: Vec<&str> = sample.listens.iter().map(String::as_str).collect();
    listens.dedup();
    let at = if listens.is_empty() { String::new() } else { format!(" at {}", listens.join(", ")) };
    let mut lines = vec![format!("{} (pid {}){at}: {}", sample.name, sample.pid, sample.model)];
    if sample.limit.resource != Resource::Unknown {
        lines.push(line("limit", &format!("{}: {}", sample.limit.resource, sample.limit.evidence)));
    }
    lines.extend(figures(sample).iter().map(|(name, value)| line(name, value)));
    for unseen in &sample.unseen {
        lines.push(line("not seen", &format!("{}: {}", unseen.what, unseen.why)));
        lines.push(line("", &unseen.remedy));
    }
    lines
}

fn line(name: &str, value: &str) -> String {
    format!("  {name:<11} {value}")
}

fn figures(sample: &Sample) -> Vec<(&'static str, String)> {
    let all = [
        ("workers", workers(sample)),
        ("queue", queue(&sample.usage)),
        ("event loop", event_loop(sample)),
        ("goroutines", told(sample, "go.goroutines").map(|count| format!("{count:.0}"))),
        ("Go's heap", go_heap(sample)),
        ("CPU", Some(cpu(sample))),
        ("memory", Some(memory(sample))),
        ("descriptors", descriptors(sample)),
        (
            "collector",
            knee_core::limit::gc_share(&sample.usage)
                .map(|s| format!("{:.0} % of its time", s * 100.0)),
        ),
        (
            "OPcache",
            told(sample, "opcache.hit_rate").map(|rate| format!("{:.1} % hits", rate * 100.0)),
        ),
    ];
    all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

fn workers(sample: &Sample) -> Option<String> {
    let busy = sample.busy?;
    Some(match sample.slots {
        Some(slots) => {
            let mean = busy.mean.min(f64::from(slots));
            let more = if busy.most > slots { ", more wait" } else { "" };
            format!("{mean:.1} of {slots} busy, most {}{more}", busy.most.min(slots))
        }
        None => format!("{:.1} requests in service, most {}", busy.mean, busy.most),
    })
}

fn queue(usage: &Usage) -> Option<String> {
    (!usage.accept_at.is_empty()).then(|| {
        let holds =
            if usage.backlog > 0 { format!(" of {}", usage.backlog) } else { String::new() };
        format!("{}{holds} wait to be accepted at {}", usage.accept_queue, usage.accept_at)
    })
}

/// What the runtime says of itself under that name.
fn told(sample: &Sample, name: &str) -> Option<f64> {
    sample.usage.readings.iter().find(|r| r.name == name).map(|r| r.value)
}

fn go_heap(sample: &Sample) -> Option<String> {
    let [used, next] = ["go.heap.used", "go.heap.next"].map(|name| told(sample, name));
    let (used, next) = (Bytes(used? as u64), Bytes(next? as u64));
    Some(format!("{used} in use or not collected yet, collected at {next}"))
}

fn event_loop(sample: &Sample) -> Option<String> {
    let delay = told(sample, "node.eventloop.delay_p99")?;
    let busy = told(sample, "node.eventloop.utilization")?;
    let stood =
        |stall: &Stall| format!("; it stood still for {:.0} ms{}", stall.ms, stall.whereabouts());
    let stall = sample.stall.as_ref().map(stood).unwrap_or_default();
    Some(format!("p99 {delay:.0} ms late, busy {:.0} % of the time{stall}", busy * 100.0))
}

fn cpu(sample: &Sample) -> String {
    let own = format!("{:.2} cores", sample.cpu);
    let trend = trend(sample, "cpu", |per_minute| format!("{per_minute:+.2} cores/min"));
    let rest = match &sample.cpu_limit {
        Some(limit) if sample.whole_task => format!(
            ", the task {:.2} of {} vCPU ({}), stopped in {:.0} % of the periods",
            sample.usage.cpu,
            limit.value,
            limit.origin,
            sample.usage.throttled * 100.0
        ),
        Some(limit) => format!(" of {} vCPU ({})", limit.value, limit.origin),
        None => String::new(),
    };
    let busiest = if sample.usage.processes > 1 {
        format!(", its busiest process {:.2}", sample.usage.busiest)
    } else {
        String::new()
    };
    format!("{own}{busiest}{rest}{trend}")
}

fn memory(sample: &Sample) -> String {
    let trend = trend(sample, "memory", |per_minute| {
        let sign = if per_minute < 0.0 { "-" } else { "+" };
        format!("{sign}{}/min", Bytes(per_minute.abs() as u64))
    });
    let pss = sample.usage.pss;
    match &sample.memory_limit {
        Some(limit) if sample.whole_task => format!(
            "{pss} PSS, the task {} of {} ({}){trend}",
            sample.usage.memory, limit.value, limit.origin
        ),
        Some(limit) => format!("{pss} PSS of {} ({}){trend}", limit.value, limit.origin),
        None => format!("{pss} PSS{trend}"),
    }
}

fn descriptors(sample: &Sample) -> Option<String> {
    let usage = &sample.usage;
    let limit = usage.nofile.map_or(String::new(), |limit| format!(" of {limit}"));
    let trend = trend(sample, "descriptors", |per_minute| format!("{per_minute:+.1}/min"));
    (usage.descriptors > 0).then(|| {
        format!("{}{limit} open in the process nearest to its limit{trend}", usage.descriptors)
    })
}

/// Only where it is sure.
fn trend(sample: &Sample, of: &str, words: impl Fn(f64) -> String) -> String {
    let known = |trend: &&Trend| trend.of == of && trend.sure && trend.per_minute != 0.0;
    let found = sample.trends.iter().find(known);
    found.map_or(String::new(), |trend| {
        format!("; {} over {:.0} s", words(trend.per_minute), trend.seconds)
    })
}
