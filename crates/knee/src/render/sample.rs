//! A recorded run that the renderers' tests show: a short one of `examples/gunicorn`.

use knee_core::event::Event;

/// The events of `testdata/run/events.jsonl`.
pub fn events() -> Vec<Event> {
    let lines = include_str!("../../testdata/run/events.jsonl").lines();
    lines.map(|line| serde_json::from_str(line).expect(line)).collect()
}
