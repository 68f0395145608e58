//! A run as one self-contained HTML file, drawn from its events.
//!
//! What lives here: choosing what to show and how it looks. What never does: computing a result.

mod bars;
mod changes;
mod curves;
mod figures;
mod glossary;
mod measure;
mod page;
mod plan;
mod steps;
mod story;
mod svg;
mod trials;
mod verdict;
mod words;

use crate::plan::Answer;
use crate::render::curve::Measurement;
use crate::run::Run;
use askama::Template;
use knee_core::event::Event;
use story::Story;
pub(crate) use verdict::Headline;

/// The page of a run; one that was interrupted shows what it had come to.
pub fn html(events: &[Event]) -> String {
    let run = Run::of(events);
    let story = Story::of(&run);
    printable(&page::Page::of(&story).render().expect("writing to a string does not fail"))
}

/// What a run came to in words, for every renderer.
pub(crate) fn headline(run: &Run) -> Headline {
    verdict::of(&Story::of(run))
}

/// The page of a measurement made `at` seconds after 1970-01-01 UTC.
pub(crate) fn measure_html(measurement: &Measurement, at: u64) -> String {
    let page = measure::MeasurePage::of(measurement, at);
    printable(&page.render().expect("writing to a string does not fail"))
}

/// The page of an answer of `knee plan`, given `at` seconds after 1970-01-01 UTC.
pub(crate) fn plan_html(answer: &Answer, at: u64) -> String {
    let page = plan::PlanPage::of(answer, at);
    printable(&page.render().expect("writing to a string does not fail"))
}

/// Characters that neither HTML nor XML allows are shown as replaced; they can come from a
/// user's files.
fn printable(page: &str) -> String {
    let allowed = |c: char| match c {
        '\n' | '\t' => true,
        '\u{fffe}' | '\u{ffff}' => false,
        c => !c.is_control(),
    };
    page.chars().map(|c| if allowed(c) { c } else { char::REPLACEMENT_CHARACTER }).collect()
}
