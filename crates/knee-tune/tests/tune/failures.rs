//! Services and goals of which no setting is to be had: what is said, with the service's own last
//! lines.

use crate::subject::Subject;
use knee_core::event::{Conclusion, Event};
use knee_tune::tune::tune;
use std::net::TcpListener;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;

/// What is said of a service of that manner.
fn said(manner: &'static str) -> Option<String> {
    Some(Subject::new(manner)?.fails(|_| {}).to_string())
}

#[test]
fn a_service_that_crashes_at_its_start() {
    let Some(said) = said("crashes") else { return };
    assert_eq!(
        said,
        "container `app` ended with exit status 3; its last lines:\n  manner: crashes\n  cannot connect to the database"
    );
}

#[test]
fn a_service_that_needs_more_memory_than_its_task_has() {
    let Some(said) = said("eats") else { return };
    let killed = "container `app` was killed for memory: the task has 512 MiB; its last lines:\n  manner: eats";
    assert_eq!(said, killed);
}

#[test]
fn a_service_that_forks_away() {
    let Some(said) = said("forks") else { return };
    assert!(said.contains("its first process ended (exit status 0) and left 1 running"), "{said}");
    assert!(said.contains("must stay in the foreground"), "{said}");
    assert!(said.ends_with("manner: forks"), "{said}");
}

#[test]
fn a_service_that_is_never_ready() {
    let Some(subject) = Subject::new("sleeps") else { return };
    let said = subject.fails(|lengths| lengths.ready = 1.0).to_string();
    let nobody =
        format!("nothing listens on port {}; its last lines:\n  manner: sleeps", subject.port);
    assert!(said.contains("not ready after 1.") && said.ends_with(&nobody), "{said}");
}

#[test]
fn a_port_that_is_taken() {
    let Some(subject) = Subject::new("serves") else { return };
    let _holder = TcpListener::bind(("127.0.0.1", subject.port)).unwrap();
    let said = subject.fails(|_| {}).to_string();
    let taken = format!("port {} is already taken by ", subject.port);
    assert!(said.starts_with(&taken), "{said}");
    assert!(said.contains(&format!("(pid {})", std::process::id())), "{said}");
}

#[test]
fn requests_that_fail_even_alone() {
    let Some(subject) = Subject::new("serves") else { return };
    let subject = subject.asked_for(&["/ok", "/missing", "/garbage", "/closes"]);
    assert_eq!(
        subject.fails(|_| {}).to_string(),
        "GET /missing answers 404; GET /garbage: the answer is not HTTP/1.1; \
         GET /closes: closed without an answer; its last lines:\n  manner: serves"
    );
}

#[test]
fn a_rate_beyond_the_generator() {
    let Some(subject) = Subject::new("serves") else { return };
    let said = subject.with_goal("p99<9s,rate>=9000000").fails(|_| {}).to_string();
    assert!(
        said.starts_with("the goal asks for 9000000 requests/s, and the load generator"),
        "{said}"
    );
}

#[test]
fn a_service_that_dies_under_load() {
    let Some(subject) = Subject::new("serves") else { return };
    let subject = subject.asked_for(&["/dies"]);
    let request = subject.request(|_| {});
    let (events, ended) = subject.run(&request, &AtomicBool::new(false), &mut |_| {});
    // It dies in the calibration, which is today's settings' own fault and the end.
    let said = ended.unwrap_err().to_string();
    let died = "container `app` ended with exit status 7; its last lines:\n  manner: serves\n  out of luck";
    assert_eq!(said, died);
    assert!(matches!(events[..], [Event::Started(_), Event::Trying { .. }]), "{events:?}");
}

#[test]
fn what_still_starts_is_waited_for() {
    let Some(subject) = Subject::new("starts") else { return };
    let request = subject.request(|_| {});
    let (events, ended) = subject.run(&request, &AtomicBool::new(false), &mut |event| {
        let Event::Calibrated { calibration, .. } = event else { return };
        let usage = calibration.light.as_ref().and_then(|step| step.usage.as_ref()).unwrap();
        assert_eq!(usage.processes, 1, "the one that loaded has ended");
        assert!(calibration.cpu.0 > 0.0, "{calibration:?}");
    });
    ended.unwrap();
    assert!(events.iter().any(|event| matches!(event, Event::Calibrated { .. })));
}

#[test]
fn a_goal_that_one_request_alone_misses() {
    let Some(subject) = Subject::new("unused") else { return };
    let app = "import time\n\ndef app(environ, respond):\n    time.sleep(0.3)\n    respond('200 OK', [])\n    return [b'ok']\n";
    let subject = subject.with_goal("p99<200ms").of_gunicorn(app);
    let request = subject.request(|_| {});
    let (_, ended) = subject.run(&request, &AtomicBool::new(false), &mut |_| {});
    let verdict = ended.unwrap();
    assert!(verdict.stopped_because.starts_with("GET /ok takes 3"), "{verdict:?}");
    assert!(verdict.stopped_because.contains("even when it is alone: p99 < 200 ms cannot hold"));
    assert_eq!(verdict.best, 1, "nothing else was tried");
    // A host that is busy with something else makes any miss of the goal doubtful.
    let missed = [Conclusion::GoalMissed, Conclusion::Inconclusive];
    assert!(missed.contains(&verdict.conclusion) && verdict.patches.is_empty(), "{verdict:?}");
}

#[test]
fn a_fault_of_knee_itself() {
    let Some(subject) = Subject::new("serves") else { return };
    let request = subject.request(|_| {});
    let gone = catch_unwind(AssertUnwindSafe(|| {
        tune(&request, &AtomicBool::new(false), &mut |event| {
            assert!(!matches!(event, Event::Calibrated { .. }), "on purpose");
        })
    }));
    assert!(gone.is_err());
    subject.nothing_is_left();
}
