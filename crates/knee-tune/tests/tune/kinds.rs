//! Several kinds of request.

use super::subject::Subject;
use knee_core::event::Event;
use knee_core::observe::Kind;
use std::sync::atomic::AtomicBool;

const APP: &str = "import time

def app(environ, respond):
    end = time.thread_time() + (0.02 if environ['PATH_INFO'] == '/dear' else 0.001)
    while time.thread_time() < end:
        pass
    respond('200 OK', [])
    return [b'ok']
";

#[test]
fn each_kind_is_sent_by_itself_when_a_request_is_calibrated() {
    let Some(subject) = Subject::new("unused") else { return };
    let subject = subject.of_gunicorn(APP).asked_for(&["/cheap", "/dear"]);
    let request = subject.request(|lengths| lengths.step = 2.0);
    let mut kinds = vec![];
    let (_, ended) = subject.run(&request, &AtomicBool::new(false), &mut |event| {
        if let Event::Calibrated { calibration, .. } = event {
            kinds = calibration.kinds.clone();
        }
    });
    ended.unwrap();
    let names: Vec<(&str, f64)> = kinds.iter().map(|k| (&*k.name, k.weight)).collect();
    assert_eq!(names, [("GET /cheap", 1.0), ("GET /dear", 1.0)]);
    let cpu = |kind: &Kind| kind.light.usage.as_ref().unwrap().cpu / kind.light.throughput;
    assert!(cpu(&kinds[1]) > 3.0 * cpu(&kinds[0]), "{kinds:?}");
}
