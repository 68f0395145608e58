//! The report of every kind of run: well-formed, small, complete in itself, without a figure that
//! is none, and opened in a real browser.

mod any;
pub mod browser;
mod contrast;

use crate::samples;
use knee_core::event::Event;
use roxmltree::Document;

/// The page as the strictest of parsers sees it.
pub fn parsed(page: &str) -> Document<'_> {
    let options = roxmltree::ParsingOptions { allow_dtd: true, ..Default::default() };
    Document::parse_with_options(page, options).unwrap_or_else(|e| panic!("{e}:\n{page}"))
}

/// All text that is shown.
pub fn text(document: &Document<'_>) -> String {
    let shown = document.descendants().filter(|n| {
        let hidden = n.ancestors().any(|a| a.has_tag_name("style") || a.has_tag_name("script"));
        n.is_text() && !hidden
    });
    let words: Vec<&str> = shown.filter_map(|n| n.text()).collect();
    words.join(" ").replace('\u{a0}', " ")
}

#[test]
fn every_run_is_told_in_a_sentence() {
    let said = [
        ("gain", "times the load with workers 12 instead of 2"),
        (
            "no-gain",
            "Nothing to win here, because workers 12 instead of 8 gains no more than the noise",
        ),
        (
            "memory",
            "Nothing to win here, because every setting that carries more had to be rejected",
        ),
        ("inconclusive", "Inconclusive, because the generator sent"),
        ("interrupted", "Unfinished, after 2 trials: workers 8 instead of 2 carries most so far"),
        ("confirming", "Unfinished, after 6 trials: workers 12 instead of 2 carries most so far"),
        ("goal-missed", "No setting that was tried holds p99 < 40.0 ms"),
        ("first-that-holds", "requests/s with workers 12 instead of 1, where today's"),
        ("satisfied", "orders carries the 60 requests/s asked for with today's settings"),
        ("recorded", "orders-gunicorn carries"),
    ];
    let samples = samples::all();
    assert_eq!(samples.len(), said.len());
    for (sample, (name, sentence)) in samples.iter().zip(said) {
        assert_eq!(sample.name, name);
        let page = knee::report::html(&sample.events);
        let text = text(&parsed(&page));
        assert!(text.contains(sentence), "{name}: {text}");
    }
}

#[test]
fn a_finished_run_shows_all_that_it_rests_on() {
    let page = knee::report::html(&samples::all()[0].events);
    let text = text(&parsed(&page));
    for part in [
        "95 % interval +",
        "Gives out first",
        "goal 250 ms",
        "knee ",
        "overload",
        "% of the periods",
        "Every step, in the order measured: best",
        "Tried: may reach",
        "abandoned",
        "Capacity, pair by pair",
        "-CMD [\"gunicorn\", \"--bind\", \"127.0.0.1:8081\", \"--workers\", \"2\"",
        "task-definition.json:12",
        "assumed: no health check was found",
        "Waiting per request",
        "GET /api/orders?limit=20&wait=20 (75 %)",
        "Intel(R) Xeon(R)",
        "a copy-on-write view",
        "2026-11-25 06:46 UTC",
        "What each word means",
    ] {
        assert!(text.contains(part), "{part} is missing in: {text}");
    }
}

#[test]
fn doubts_stand_before_the_figures() {
    for (name, heading) in
        [("inconclusive", "Why this says nothing sure"), ("inconclusive", "To be read with care")]
    {
        let sample = samples::all().into_iter().find(|s| s.name == name).unwrap();
        let page = knee::report::html(&sample.events);
        let (doubt, figures) = (page.find(heading), page.find("Capacity"));
        assert!(doubt.is_some() && doubt < figures, "{name}: {heading}");
    }
}

#[test]
fn a_report_is_small_and_loads_nothing() {
    for sample in samples::all() {
        let page = knee::report::html(&sample.events);
        assert!(page.len() < 80_000, "{}: {} bytes", sample.name, page.len());
        let document = parsed(&page);
        let links = document.descendants().flat_map(|n| n.attributes());
        let away: Vec<_> = links
            .filter(|a| matches!(a.name(), "src" | "href" | "srcset" | "action"))
            .filter(|a| !a.value().starts_with('#'))
            .collect();
        assert!(away.is_empty() && !page.contains("url("), "{}: {away:?}", sample.name);
    }
}

#[test]
fn every_picture_is_told_in_words_and_no_id_is_used_twice() {
    for sample in samples::all() {
        let page = knee::report::html(&sample.events);
        let document = parsed(&page);
        let mut ids: Vec<&str> = document.descendants().filter_map(|n| n.attribute("id")).collect();
        let before = ids.len();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), before, "{}: an id twice", sample.name);
        for chart in document.descendants().filter(|n| n.attribute("role") == Some("img")) {
            let named = chart.attribute("aria-labelledby").unwrap();
            assert!(named.split(' ').all(|id| ids.contains(&id)), "{}: {named}", sample.name);
        }
    }
}

#[test]
fn nothing_recorded_is_a_page_too() {
    let page = knee::report::html(&[]);
    assert!(text(&parsed(&page)).contains("Unfinished: nothing was measured to the end"));
}

#[test]
fn a_search_of_many_steps_stays_a_chart() {
    let mut events = samples::all().swap_remove(0).events;
    for event in &mut events {
        if let Event::Tried(trial) = event
            && let Some(capacity) = &mut trial.capacity
        {
            let step = capacity.curve[0].clone();
            let at = |i: u32| knee_core::observe::Step { offered: f64::from(i), ..step.clone() };
            capacity.curve.extend((1..=600).map(at));
        }
    }
    let page = knee::report::html(&events);
    assert!(page.len() < 1_000_000, "{} bytes", page.len());
    parsed(&page);
}
