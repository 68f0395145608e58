//! A run that is interrupted at every point where that makes a difference, and goes on each time.

use crate::subject::Subject;
use knee_core::event::{Event, Verdict};
use knee_tune::tune::{TuneError, TuneRequest};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// When to interrupt.
enum When {
    /// At this event.
    At(fn(&Event) -> bool),
    /// After the service was asked so often: in the middle of a step.
    Asked(u64),
}

fn number(event: &Event) -> Option<u32> {
    match event {
        Event::Tried(trial) => Some(trial.number),
        _ => None,
    }
}

#[test]
fn a_run_goes_on_wherever_it_was_interrupted() {
    let Some(subject) = Subject::new("serves") else { return };
    let points: [(&str, When); 7] = [
        ("before the service starts", When::At(|e| matches!(e, Event::Trying { .. }))),
        ("in the calibration", When::Asked(3)),
        ("before the first step", When::At(|e| matches!(e, Event::Calibrated { .. }))),
        ("between two steps", When::At(|e| matches!(e, Event::Stepped { .. }))),
        ("after the first trial", When::At(|e| number(e) == Some(1))),
        ("before the confirmation", When::At(|e| number(e) == Some(2))),
        ("between two pairs", When::At(|e| matches!(e, Event::Paired { .. }))),
    ];
    let mut known: Vec<Event> = vec![];
    for (point, when) in points {
        // A step that was interrupted may have been the last that the trial needed.
        if matches!(when, When::At(is) if known.iter().any(is)) {
            continue;
        }
        let (events, ended) = interrupt(&subject, known.clone(), when);
        known.extend(events);
        match ended {
            Err(TuneError::Interrupted) => {}
            // Where nothing better was found, there is nothing to confirm.
            Ok(_) => return checked(&known),
            Err(error) => panic!("interrupted {point}: {error}"),
        }
    }
    let request = TuneRequest { earlier: known.clone(), ..subject.request(|_| {}) };
    let (events, ended) = subject.run(&request, &AtomicBool::new(false), &mut |_| {});
    ended.unwrap();
    known.extend(events);
    checked(&known);
}

/// What was measured before an interruption is not measured again.
fn checked(events: &[Event]) {
    let count = |of: fn(&Event) -> bool| events.iter().filter(|event| of(event)).count();
    assert_eq!(count(|e| matches!(e, Event::Started(_))), 1);
    assert_eq!(count(|e| matches!(e, Event::Ended(_))), 1);
    assert_eq!(events.iter().filter_map(number).collect::<Vec<_>>(), [1, 2]);
    let pairs: Vec<u32> = events
        .iter()
        .filter_map(|event| match event {
            Event::Paired { number, .. } => Some(*number),
            _ => None,
        })
        .collect();
    assert_eq!(pairs, (1..=pairs.len() as u32).collect::<Vec<_>>());
}

fn interrupt(
    subject: &Subject,
    earlier: Vec<Event>,
    when: When,
) -> (Vec<Event>, Result<Verdict, TuneError>) {
    let request = TuneRequest { earlier, ..subject.request(|_| {}) };
    let (stop, over, port) = (AtomicBool::new(false), AtomicBool::new(false), subject.port);
    let at = |event: &Event| matches!(&when, When::At(is) if is(event));
    thread::scope(|scope| {
        if let When::Asked(often) = when {
            let (stop, over) = (&stop, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) && asked(port).is_none_or(|n| n < often) {
                    thread::sleep(Duration::from_millis(10));
                }
                stop.store(true, Ordering::Relaxed);
            });
        }
        let ended = subject.run(&request, &stop, &mut |event| {
            if at(event) {
                stop.store(true, Ordering::Relaxed);
            }
        });
        over.store(true, Ordering::Relaxed);
        ended
    })
}

/// How often the service was asked so far; None while it is not there.
fn asked(port: u16) -> Option<u64> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET /count HTTP/1.1\r\n\r\n").ok()?;
    let mut answer = String::new();
    // It stays open: the last digit is the end.
    let mut byte = [0];
    while answer.rsplit_once("\r\n\r\n").is_none_or(|(_, count)| count.len() < 6) {
        stream.read_exact(&mut byte).ok()?;
        answer.push(byte[0] as char);
    }
    answer[answer.len() - 6..].parse().ok()
}
