//! A run as one self-contained HTML file, drawn from its events.
//!
//! What lives here: choosing what to show and how it looks. What never does: computing a result.

use askama::Template;
use knee_core::event::Event;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    service: &'a str,
}

/// The page of a run; one that was interrupted shows what it had come to.
pub fn html(events: &[Event]) -> String {
    let service = events.iter().find_map(|event| match event {
        Event::Started(started) => Some(started.service.as_str()),
        _ => None,
    });
    let page = Page { service: service.unwrap_or("service") };
    page.render().expect("writing to a string does not fail")
}
